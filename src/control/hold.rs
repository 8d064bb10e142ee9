//! Which changes are held until the operator accepts them (SPEC §3.2).
//!
//! A pure decision: who calls brings the counts. An edit is held if it removes more than `hold.records` records and
//! more than `hold.percent` of the served version; the SOA, which every edit changes, does not count. Vanishing files
//! are held if too large a share of an account's or of all zones goes at once.

use crate::base::hash::HashKey;
use crate::base::id::AccountId;
use crate::base::rtype::SOA;
use crate::config::settings::Hold;
use crate::model::zone::{RrSet, ZoneData};

/// Files of an account or of the server that may always vanish at once.
const VANISH_COUNT: usize = 5;
/// Percent of the files of an account or of the server that may always vanish at once.
const VANISH_PERCENT: usize = 20;

/// What an edit removes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removal {
    /// Records of the served version that the new one does not have.
    pub removed: usize,
    /// Records of the served version.
    pub of: usize,
}

impl Removal {
    /// Whether the edit waits for the operator.
    pub fn is_held(self, hold: &Hold) -> bool {
        self.removed > hold.records
            && self.removed as u128 * 100 > self.of as u128 * u128::from(hold.percent)
    }

    /// Compares two versions of a zone. A changed TTL removes nothing.
    pub fn between(served: &ZoneData, new: &ZoneData, key: &HashKey) -> Removal {
        let mut removal = Removal { removed: 0, of: 0 };
        let mut owner = Vec::new();
        for node in served.nodes().filter(|node| !node.is_empty()) {
            owner.clear();
            owner.extend_from_slice(node.relative());
            owner.extend_from_slice(served.apex());
            let new_node = new.find_name(&owner, key);
            for rrset in node.rrsets().filter(|rrset| rrset.rtype != SOA) {
                let new_rrset = new_node.and_then(|node| node.rrset(rrset.rtype));
                removal.of += usize::from(rrset.count);
                removal.removed += missing(&rrset, new_rrset.as_ref());
            }
        }
        removal
    }
}

/// How many records of `served` are not in `new`. Both are of one zone, so their stored rdata compares.
fn missing(served: &RrSet<'_>, new: Option<&RrSet<'_>>) -> usize {
    let Some(new) = new else { return usize::from(served.count) };
    let rdata = |rrset: &RrSet<'_>| {
        let mut all: Vec<Vec<u8>> = rrset.records().map(|(_, rdata)| rdata.to_vec()).collect();
        all.sort_unstable();
        all
    };
    if served.records().map(|r| r.1).eq(new.records().map(|r| r.1)) {
        return 0;
    }
    let there = rdata(new);
    rdata(served).iter().filter(|r| there.binary_search(r).is_err()).count()
}

/// Files that vanish and files that were there, of one account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vanishing {
    /// Gone now, or gone a short while ago.
    pub gone: usize,
    /// All that were there before.
    pub of: usize,
}

impl Vanishing {
    fn is_too_much(self) -> bool {
        self.gone > VANISH_COUNT && self.gone * 100 > self.of * VANISH_PERCENT
    }
}

/// Whose vanishing files are held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VanishHold {
    /// Those of every account: too many of the whole server.
    All,
    /// Those of these accounts.
    Of(Vec<AccountId>),
}

impl VanishHold {
    pub fn holds(&self, account: AccountId) -> bool {
        match self {
            VanishHold::All => true,
            VanishHold::Of(accounts) => accounts.contains(&account),
        }
    }
}

/// Decides about files that vanish at once. `others` counts the zones of accounts from which nothing vanishes.
pub fn vanishing(accounts: &[(AccountId, Vanishing)], others: usize) -> VanishHold {
    let all = accounts.iter().fold(Vanishing { gone: 0, of: others }, |sum, (_, v)| Vanishing {
        gone: sum.gone + v.gone,
        of: sum.of + v.of,
    });
    if all.is_too_much() {
        return VanishHold::All;
    }
    let held = accounts.iter().filter(|(_, v)| v.is_too_much());
    VanishHold::Of(held.map(|(account, _)| *account).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;
    use crate::zonefile::build::build;
    use crate::zonefile::finding::Source;
    use crate::zonefile::{self, NoIncludes};

    fn held(removed: usize, of: usize, percent: u8, records: usize) -> bool {
        Removal { removed, of }.is_held(&Hold { percent, records })
    }

    #[test]
    fn both_limits_must_be_passed() {
        // More than 20 records and more than half.
        assert!(held(21, 41, 50, 20));
        assert!(!held(20, 20, 50, 20));
        assert!(!held(21, 42, 50, 20));
        assert!(!held(500, 1000, 50, 20));
        assert!(held(501, 1000, 50, 20));
        // Edges of the settings.
        assert!(held(1, 1, 0, 0));
        assert!(!held(0, 0, 0, 0));
        assert!(!held(0, 10, 0, 0));
        assert!(!held(100, 100, 100, 0));
        assert!(held(usize::MAX / 2, usize::MAX / 2 + 1, 50, 20));
    }

    fn zone(lines: &str) -> ZoneData {
        let apex = Name::from_text("example").unwrap();
        let text = format!("$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n{lines}");
        let source = Source { path: "example.zone".to_owned(), text: text.as_bytes().into() };
        let key = HashKey::new([1; 16]);
        let parsed = zonefile::read(&apex, source, &mut NoIncludes, &key);
        assert!(!parsed.has_errors(), "{:?}", parsed.findings);
        build(&apex, &parsed, &key).unwrap()
    }

    fn removal(served: &str, new: &str) -> (usize, usize) {
        let key = HashKey::new([1; 16]);
        let removal = Removal::between(&zone(served), &zone(new), &key);
        (removal.removed, removal.of)
    }

    #[test]
    fn what_an_edit_removes() {
        let served = "a A 192.0.2.1\na A 192.0.2.2\nb MX 1 a\n*.c TXT x";
        // The NS counts, the SOA does not.
        assert_eq!(removal(served, served), (0, 5));
        // Order, TTL and new records remove nothing.
        let new =
            "a 5 A 192.0.2.2\na 5 A 192.0.2.1\na 5 A 192.0.2.3\nb MX 1 a\n*.c TXT x\nd A 192.0.2.9";
        assert_eq!(removal(served, new), (0, 5));
        // Owner, type and data do.
        assert_eq!(removal(served, "a A 192.0.2.1\nb MX 1 a\n*.c TXT x"), (1, 5));
        assert_eq!(removal(served, "a A 192.0.2.1\na A 192.0.2.4\nb MX 2 a\nc TXT x"), (3, 5));
        assert_eq!(removal(served, "a TXT t\nb MX 1 a\n*.c TXT x"), (2, 5));
        // Replacing everything removes everything, whatever the counts.
        assert_eq!(removal(served, "k A 192.0.2.1\nl A 192.0.2.2\nm MX 1 k\nn TXT x"), (4, 5));
        assert_eq!(removal(served, ""), (4, 5));
    }

    #[test]
    fn vanishing_files_of_an_account_or_of_all() {
        let v = |account, gone, of| (AccountId(account), Vanishing { gone, of });
        let (one, two) = (AccountId(1), AccountId(2));
        let decide = |accounts: &[_], others| vanishing(accounts, others);
        // Up to five always go.
        assert_eq!(decide(&[v(1, 5, 5)], 0), VanishHold::Of(vec![]));
        assert_eq!(decide(&[v(1, 1, 1)], 0), VanishHold::Of(vec![]));
        // Six of thirty is 20 %, not more.
        assert_eq!(decide(&[v(1, 6, 30)], 1000), VanishHold::Of(vec![]));
        let hold = decide(&[v(1, 6, 29)], 1000);
        assert_eq!(hold, VanishHold::Of(vec![one]));
        assert!(hold.holds(one) && !hold.holds(two));
        // Five of each account, too many of the whole server.
        let hold = decide(&[v(1, 5, 5), v(2, 5, 5)], 10);
        assert_eq!(hold, VanishHold::All);
        assert!(hold.holds(one) && hold.holds(two));
        assert_eq!(decide(&[v(1, 5, 5), v(2, 5, 5)], 40), VanishHold::Of(vec![]));
        assert_eq!(decide(&[], 0), VanishHold::Of(vec![]));
    }
}

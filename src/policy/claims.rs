//! The life of a zone that somebody claims through the API: pending until it is proved, and as long as it stays proved.
//!
//! A proof is bound to one claim, that is to one zone of one account. It is a set of this server's nameserver names
//! that no other claimant of the apex was given, seen at the parent; or a token of the claim in a TXT record of the
//! apex. A set that the parent showed before it was given proves nothing: whoever put it there meant somebody else.

use std::collections::BTreeSet;

use crate::base::count::count;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;

/// Label of the TXT record in front of the apex.
pub const LABEL: &str = "_bailiwick-verify";
/// Nameserver names in a set.
const SET: usize = 2;
/// Checks that find no proof any more before an active zone is one no more, and over which time at the least.
const FAILURES: u32 = 3;
const FAILING_SECS: u64 = 86_400;
/// A proved zone is looked at so often, and a pending one at last.
const DAILY: u64 = 86_400;
/// Checks of a pending zone that come quickly one after the other; the next ones come once an hour, for four weeks.
const QUICK: u32 = 30;
const HOURLY: u32 = 28 * 24;

/// Where a claim stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Status {
    Pending,
    Active,
    /// Was active, and the proof is gone.
    Moved,
}

impl Status {
    /// The word in the API and the store.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Active => "active",
            Status::Moved => "moved",
        }
    }

    pub fn of(word: &str) -> Option<Status> {
        [Status::Pending, Status::Active, Status::Moved].into_iter().find(|s| s.word() == word)
    }
}

/// What proved a claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proof {
    /// The operator's word.
    Operator,
    Nameservers,
    Txt,
}

impl Proof {
    /// The word in the API and the store.
    pub fn word(self) -> &'static str {
        match self {
            Proof::Operator => "operator",
            Proof::Nameservers => "nameservers",
            Proof::Txt => "txt",
        }
    }

    pub fn of(word: &str) -> Option<Proof> {
        [Proof::Operator, Proof::Nameservers, Proof::Txt].into_iter().find(|p| p.word() == word)
    }
}

/// One account's claim to an apex, made through the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    pub zone: ZoneId,
    pub account: AccountId,
    pub apex: Name,
    pub status: Status,
    /// What it is active by, or was.
    pub proof: Option<Proof>,
    /// What the TXT record holds.
    pub token: String,
    /// Names given to this claim alone among those of this apex; none: there were too few.
    pub nameservers: Vec<Name>,
    /// The parent was looked at since they were given, and did not show them.
    pub is_fresh: bool,
    pub paused: bool,
    pub created_at: UnixTime,
    pub modified_at: UnixTime,
    pub activated_at: Option<UnixTime>,
    pub checked_at: Option<UnixTime>,
    pub next_check_at: Option<UnixTime>,
    /// Checks since they began anew.
    pub checks: u32,
    pub failures: u32,
    pub failing_since: Option<UnixTime>,
    /// What the last check saw, for people.
    pub saw: String,
}

/// Something that was looked up, or why there is no answer: that proves nothing either way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup<T> {
    Answered(T),
    NoAnswer(String),
}

/// What one look saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The names the parent delegates the apex to; none: it does not.
    pub delegation: Lookup<BTreeSet<Name>>,
    /// Texts at exactly the name of the TXT record.
    pub texts: Lookup<Vec<String>>,
}

/// What follows from a look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is proved.
    Proved(Proof),
    /// Nothing follows.
    Stays,
    /// The set was at the parent before it was given: another one is needed.
    Preset,
    /// The proof is gone.
    Lost,
}

impl Claim {
    /// A claim made now.
    pub fn new(
        zone: ZoneId,
        account: AccountId,
        apex: Name,
        token: String,
        nameservers: Vec<Name>,
        now: UnixTime,
    ) -> Claim {
        Claim {
            zone,
            account,
            apex,
            status: Status::Pending,
            proof: None,
            token,
            nameservers,
            is_fresh: false,
            paused: false,
            created_at: now,
            modified_at: now,
            activated_at: None,
            checked_at: None,
            next_check_at: Some(now),
            checks: 0,
            failures: 0,
            failing_since: None,
            saw: String::new(),
        }
    }

    /// Where the token has to stand; `None`: the apex leaves no room.
    pub fn txt_name(&self) -> Option<Name> {
        txt_name(&self.apex)
    }

    /// Takes in what a look saw. `strict`: somebody else has proved the name, so that a proof that is not there now is
    /// gone.
    pub fn look(&mut self, seen: &Seen, strict: bool, now: UnixTime) -> Verdict {
        self.checked_at = Some(now);
        self.checks = self.checks.saturating_add(1);
        self.saw = describe(seen);
        let verdict = self.judge(seen, strict, now);
        match verdict {
            Verdict::Proved(_) => (self.failures, self.failing_since) = (0, None),
            Verdict::Preset => self.is_fresh = false,
            Verdict::Lost | Verdict::Stays => {}
        }
        self.next_check_at = Some(UnixTime(now.0 + self.pause()));
        verdict
    }

    fn judge(&mut self, seen: &Seen, strict: bool, now: UnixTime) -> Verdict {
        let given: BTreeSet<&Name> = self.nameservers.iter().collect();
        let shows_given = match &seen.delegation {
            Lookup::Answered(names) => Some(given.len() >= SET && names.iter().eq(given)),
            Lookup::NoAnswer(_) => None,
        };
        let shows_token = match &seen.texts {
            Lookup::Answered(texts) => Some(texts.contains(&self.token)),
            Lookup::NoAnswer(_) => None,
        };
        if shows_token == Some(true) {
            self.is_fresh |= shows_given == Some(false);
            return Verdict::Proved(Proof::Txt);
        }
        match shows_given {
            Some(true) if self.is_fresh => return Verdict::Proved(Proof::Nameservers),
            Some(true) => return Verdict::Preset,
            Some(false) => self.is_fresh = true,
            None => {}
        }
        if self.status != Status::Active || self.proof == Some(Proof::Operator) {
            return Verdict::Stays;
        }
        if strict {
            // What it is active by has to be there now.
            let shows = if self.proof == Some(Proof::Txt) { shows_token } else { shows_given };
            return if shows == Some(false) { Verdict::Lost } else { Verdict::Stays };
        }
        if shows_given.is_none() || shows_token.is_none() {
            return Verdict::Stays;
        }
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(now);
        let lasting = self.failures >= FAILURES && now.since(since) >= FAILING_SECS;
        if lasting { Verdict::Lost } else { Verdict::Stays }
    }

    /// Seconds to the next check.
    fn pause(&self) -> u64 {
        match self.status {
            Status::Active => DAILY,
            _ if self.checks <= QUICK => (60.0 * 1.15_f64.powi(self.checks as i32)) as u64,
            _ if self.checks <= QUICK + HOURLY => 3_600,
            _ => DAILY,
        }
    }
}

/// Where a claim's token has to stand.
pub fn txt_name(apex: &Name) -> Option<Name> {
    let label = [&[LABEL.len() as u8], LABEL.as_bytes()].concat();
    Name::from_wire(&[&label, apex.as_wire()].concat()).ok()
}

/// The sets that can be given out of `pool` for an apex, without those that were given or that the parent shows.
pub fn free_sets(
    pool: &[Name],
    taken: impl Fn(&BTreeSet<Name>) -> bool,
) -> impl Iterator<Item = Vec<Name>> {
    let pairs = pool.iter().enumerate().flat_map(|(n, a)| {
        pool[n + 1..].iter().map(move |b| BTreeSet::from([a.clone(), b.clone()]))
    });
    pairs.filter(move |set| set.len() == SET && !taken(set)).map(|set| set.into_iter().collect())
}

fn describe(seen: &Seen) -> String {
    let delegation = match &seen.delegation {
        Lookup::Answered(names) if names.is_empty() => "the parent does not delegate it".to_owned(),
        Lookup::Answered(names) => {
            let names: Vec<_> = names.iter().take(8).map(ToString::to_string).collect();
            format!("the parent delegates it to {}", names.join(", "))
        }
        Lookup::NoAnswer(why) => format!("the parent gave no answer ({why})"),
    };
    let texts = match &seen.texts {
        Lookup::Answered(texts) => count(texts.len(), "text"),
        Lookup::NoAnswer(why) => format!("no answer for TXT ({why})"),
    };
    format!("{delegation}; {texts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn set(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|n| name(n)).collect()
    }

    fn claim() -> Claim {
        let given = vec![name("a.ns.example"), name("b.ns.example")];
        let (zone, account) = (ZoneId(1), AccountId(1));
        Claim::new(zone, account, name("x.example"), "token".into(), given, UnixTime(0))
    }

    fn seen(names: &[&str], texts: &[&str]) -> Seen {
        let texts = texts.iter().map(|t| (*t).to_owned()).collect();
        Seen { delegation: Lookup::Answered(set(names)), texts: Lookup::Answered(texts) }
    }

    const GIVEN: [&str; 2] = ["b.ns.example", "a.ns.example"];

    #[test]
    fn a_set_proves_only_if_it_came_after_it_was_given() {
        let mut early = claim();
        assert_eq!(early.look(&seen(&GIVEN, &[]), false, UnixTime(0)), Verdict::Preset);
        let mut claim = claim();
        assert_eq!(claim.look(&seen(&[], &[]), false, UnixTime(0)), Verdict::Stays);
        for other in [&["a.ns.example"][..], &["a.ns.example", "b.ns.example", "c.ns.example"]] {
            assert_eq!(claim.look(&seen(other, &[]), false, UnixTime(60)), Verdict::Stays);
        }
        let verdict = claim.look(&seen(&GIVEN, &[]), false, UnixTime(60));
        assert_eq!(verdict, Verdict::Proved(Proof::Nameservers));
    }

    #[test]
    fn without_a_set_only_the_token_proves() {
        let mut claim = Claim { nameservers: Vec::new(), ..claim() };
        assert_eq!(claim.look(&seen(&[], &["other"]), false, UnixTime(0)), Verdict::Stays);
        assert_eq!(claim.look(&seen(&[], &[]), false, UnixTime(0)), Verdict::Stays);
        let verdict = claim.look(&seen(&[], &["x", "token"]), false, UnixTime(0));
        assert_eq!(verdict, Verdict::Proved(Proof::Txt));
    }

    #[test]
    fn a_proof_is_lost_slowly_or_to_somebody_else() {
        let mut active = claim();
        (active.status, active.proof) = (Status::Active, Some(Proof::Txt));
        let gone = seen(&[], &[]);
        assert_eq!(active.clone().look(&gone, true, UnixTime(0)), Verdict::Lost);
        let mut at = 0;
        let mut look = |active: &mut Claim, seen: &Seen, after: u64| {
            at += after;
            active.look(seen, false, UnixTime(at))
        };
        assert_eq!(look(&mut active, &gone, 0), Verdict::Stays);
        assert_eq!(look(&mut active, &gone, 60), Verdict::Stays);
        assert_eq!(look(&mut active, &gone, 60), Verdict::Stays);
        let nothing = Seen { delegation: Lookup::NoAnswer("x".into()), ..gone.clone() };
        assert_eq!(look(&mut active, &nothing, 86_400), Verdict::Stays);
        assert_eq!(look(&mut active, &gone, 0), Verdict::Lost);
        active.proof = Some(Proof::Operator);
        assert_eq!(active.look(&gone, true, UnixTime(at)), Verdict::Stays);
    }

    #[test]
    fn sets_are_pairs_that_nobody_has() {
        let pool = [name("a.ns.example"), name("b.ns.example"), name("c.ns.example")];
        assert_eq!(free_sets(&pool, |_| false).count(), 3);
        let taken = set(&["a.ns.example", "b.ns.example"]);
        let left: Vec<_> = free_sets(&pool, |set| *set == taken).collect();
        assert!(left.len() == 2 && left.iter().all(|set| set.contains(&pool[2])));
        assert_eq!(free_sets(&pool[..1], |_| false).count(), 0);
    }
}

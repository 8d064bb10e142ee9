//! What must hold, said naively: who may be answered, and which hostnames may be active.

use std::collections::BTreeSet;

use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::fallback::{self, FallbackOrigin};
use bailiwick::hostname::hold::Hold;
use bailiwick::hostname::object::{CustomHostname, Status};

use super::server::Flying;
use super::truth::{Node, Owner, Truth, base};

pub const QUESTIONS: [&str; 12] = [
    "www.alpha.com",
    "app.alpha.com",
    "alpha.com",
    "some.alpha.com",
    "x.app.alpha.com",
    "y.app.alpha.com",
    "deep.y.app.alpha.com",
    "beta.com",
    "www.beta.com",
    "any.beta.com",
    "www.saas.com",
    "a.cdn.com",
];

/// What is right for one question.
#[derive(Clone, Copy, Default, Debug)]
pub struct Wanted {
    /// It may be answered.
    pub allowed: bool,
    /// Its chain enters another account's zone.
    pub crosses: bool,
    /// Only the operator's grant lets it.
    pub by_operator: bool,
    /// Only the grant of the alias in front lets it.
    pub by_alias: bool,
}

/// Everything that decides, as it is now.
#[derive(Debug)]
pub struct Moment<'m> {
    pub truth: &'m Truth,
    pub all: &'m [CustomHostname],
    pub holds: &'m [Hold],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Granted,
    /// By the operator alone.
    Asserted,
    Blocked,
    Nothing,
}

impl Moment<'_> {
    pub fn expected(&self, question: &str) -> Wanted {
        let truth = self.truth;
        let mut wanted = Wanted { allowed: true, ..Wanted::default() };
        let (mut at, mut met) = (question.to_owned(), Vec::new());
        // The first name that is flattened, as long as the chain has not left its account.
        let mut alias: Option<String> = None;
        let mut left = false;
        for _ in 0..=10 {
            let Some(from) = truth.account(&at) else { return wanted };
            let Some(node) = truth.node(&at) else { return wanted };
            let Some(target) = node.target() else { return wanted };
            if matches!(node, Node::Alias(_)) && alias.is_none() {
                alias = Some(at.clone());
            }
            if let Some((id, to)) = truth.owner(target).filter(|(_, to)| *to != from) {
                let hidden = alias.as_deref().filter(|_| !left);
                if !self.may_cross(&at, hidden, from, (id, to), &mut wanted) {
                    wanted.allowed = false;
                    return wanted;
                }
                wanted.crosses = true;
                left |= alias.is_some();
            }
            met.push(std::mem::replace(&mut at, target.to_owned()));
            if met.contains(&at) {
                return wanted;
            }
        }
        wanted
    }

    /// SPEC §5: anyone may, or the account is trusted, or a grant matches the owner or the alias that hides the edge.
    fn may_cross(
        &self,
        owner: &str,
        alias: Option<&str>,
        from: u32,
        (zone, to): (u32, u32),
        wanted: &mut Wanted,
    ) -> bool {
        let config = &self.truth.config;
        let apex = self.truth.zone(zone).map(|(apex, _)| apex);
        if apex.is_some_and(|apex| config.anyone.contains(apex))
            || config.trusts.contains(&(to, from))
        {
            return true;
        }
        let own = self.word(owner, from, zone);
        let hidden = alias.map_or(Word::Nothing, |alias| self.word(alias, from, zone));
        wanted.by_operator |= own == Word::Asserted;
        wanted.by_alias |= own == Word::Nothing && hidden == Word::Granted;
        match own {
            Word::Granted | Word::Asserted => true,
            Word::Blocked => false,
            Word::Nothing => matches!(hidden, Word::Granted | Word::Asserted),
        }
    }

    /// What the grants into the zone say of a name of the account: exact before wildcard.
    fn word(&self, name: &str, account: u32, zone: u32) -> Word {
        let exact = self.said(name, zone);
        if exact != Word::Nothing {
            return exact;
        }
        let provider = self.truth.zone(zone).map_or(u32::MAX, |(_, z)| z.account);
        let mut best = Word::Nothing;
        for above in super::truth::above(name).skip(1) {
            let same = self.truth.account(above) == Some(account);
            let said = self.said(&format!("*.{above}"), zone);
            best = match (best, said) {
                _ if !same => best,
                // Every wildcard that is granted opens the name; one that is blocked only keeps an alias from it.
                (Word::Granted, _) | (_, Word::Nothing) | (Word::Asserted, Word::Blocked) => best,
                (_, said) => said,
            };
        }
        match best {
            Word::Granted | Word::Asserted if self.is_held(name, provider) => Word::Nothing,
            best => best,
        }
    }

    /// What is said of exactly this hostname.
    fn said(&self, hostname: &str, zone: u32) -> Word {
        let apex = self.truth.zone(zone).map(|(apex, _)| apex);
        let mut grants = self.truth.config.grants.iter();
        if grants.any(|(h, z)| *h == hostname && Some(*z) == apex) {
            return Word::Asserted;
        }
        let into = self.all.iter().filter(|h| h.provider.zone.0 == zone);
        match into.into_iter().find(|h| h.hostname.to_string() == hostname) {
            Some(h) if h.status == Status::Blocked => Word::Blocked,
            Some(h) if grants_now(self.truth, h) => Word::Granted,
            _ => Word::Nothing,
        }
    }

    /// Whether somebody else than `provider` keeps the name from wildcards.
    fn is_held(&self, name: &str, provider: u32) -> bool {
        self.holds.iter().any(|hold| covers(self.truth, hold, name, provider))
    }
}

/// Whether the hold, of a zone that still is its owner's, keeps the name from the provider.
fn covers(truth: &Truth, hold: &Hold, name: &str, provider: u32) -> bool {
    let Some((apex, zone)) = truth.zone(hold.owner.zone.0) else { return false };
    let below = hold.include_subdomains && name.ends_with(&format!(".{apex}"));
    zone.account == hold.owner.account.0 && zone.account != provider && (below || name == apex)
}

/// Whether a custom hostname is a grant now: by its status, and by the ids of both sides.
fn grants_now(truth: &Truth, h: &CustomHostname) -> bool {
    let there =
        truth.zone(h.provider.zone.0).is_some_and(|(_, z)| z.account == h.provider.account.0);
    let owner = h.proof.and_then(|p| p.owner).map(|o| (o.zone.0, o.account.0));
    let same = owner == truth.owner(&h.hostname.base.to_string());
    matches!(h.status, Status::Active | Status::ActiveRedeploying) && there && same
}

/// Remembers who earned what.
#[derive(Default)]
pub struct Referee {
    /// Custom hostname, and its owner when it was proved.
    proved: BTreeSet<(Uuid, Owner)>,
}

impl Referee {
    /// A check was taken in. If it made a hostname active (then the answer is yes), it might do so.
    pub fn saw_check(
        &mut self,
        truth: &Truth,
        flying: &Flying,
        before: &[CustomHostname],
        after: &CustomHostname,
        origin: Option<&FallbackOrigin>,
    ) -> bool {
        let old = before.iter().find(|h| h.id == after.id).expect("a check makes no hostname");
        if old.status.is_grant() || !after.status.is_grant() {
            return false;
        }
        let text = after.hostname.to_string();
        let case = format!("{after:?} became active by {:?}", flying.check);
        assert_eq!(old.status, Status::Pending, "{case}");
        let (zone, account) = (after.provider.zone.0, after.provider.account.0);
        let proved = truth.is_proved(&flying.facts, zone, account);
        assert!(proved, "nobody proved it, with {:?}: {case}", flying.facts);
        assert!(flying.tokens == old.tokens, "for tokens of before: {case}");
        let owner = truth.owner(base(&text));
        let seen = flying.check.seen.owner.map(|o| (o.zone.0, o.account.0));
        assert_eq!(owner, seen, "it was somebody else's: {case}");
        assert_eq!(origin.map(|o| o.status), Some(fallback::Status::Active), "no origin: {case}");
        let apex = truth.zone(after.provider.zone.0).map(|(apex, _)| apex);
        let asserted =
            truth.config.grants.iter().any(|(h, zone)| {
                *h == text && Some(*zone) != apex && truth.zones.contains_key(zone)
            });
        assert!(!asserted, "the operator says otherwise: {case}");
        let method = after.proof.expect("active").method;
        let leads_elsewhere = |h: &&CustomHostname| {
            h.hostname == after.hostname
                && h.id != after.id
                && h.status.is_grant()
                && h.failures.is_none()
                && h.proof.is_some_and(|p| p.method.is_dns())
        };
        let rival = before.iter().find(leads_elsewhere);
        assert!(method.is_dns() || rival.is_none(), "a token displaced {rival:?}: {case}");
        self.proved.insert((after.id, owner));
        true
    }

    /// No hostname is active that was not proved by its owner of now; and one alone of each name.
    pub fn expect_proved(&self, truth: &Truth, all: &[CustomHostname]) {
        for (n, h) in all.iter().enumerate().filter(|(_, h)| h.status.is_grant()) {
            let owner = truth.owner(&h.hostname.base.to_string());
            let is_proved = self.proved.contains(&(h.id, owner));
            assert!(is_proved || !grants_now(truth, h), "active, and nobody proved it: {h:?}");
            let twin =
                all[n + 1..].iter().find(|o| o.hostname == h.hostname && o.status.is_grant());
            assert!(twin.is_none(), "two are active: {h:?} and {twin:?}");
        }
    }
}

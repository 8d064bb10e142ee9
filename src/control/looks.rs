//! Checks that have to be made outside this server: which ones are under way, and how many there may be.
//!
//! Whoever creates or refreshes custom hostnames makes this server ask somebody else's servers. So each account, and
//! each domain that is asked about, has a budget, and nothing that an account does gives it more. A check for which
//! there is no budget is not made: a scheduled one stays due, and its turn comes again.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::base::id::{AccountId, ZoneId};
use crate::base::limits::{
    LOOK_LOST_SECS, LOOKS_BURST_ACCOUNT, LOOKS_BURST_DOMAIN, LOOKS_PER_ACCOUNT, LOOKS_PER_DOMAIN,
    LOOKS_QUEUE,
};
use crate::base::name::Name;
use crate::base::uuid::Uuid;
use crate::hostname::lifecycle::Trigger;
use crate::hostname::object::Hostname;
use crate::hostname::proof::Tokens;

pub use self::budget::Budget;

mod budget;

/// What is to be looked at outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Look {
    Hostname(HostnameLook),
    /// Whether the fallback origin of a zone leads to an address.
    Origin {
        zone: ZoneId,
        origin: Name,
    },
}

/// One check of a custom hostname.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostnameLook {
    pub id: Uuid,
    /// Of the hostname when the check began.
    pub revision: u32,
    pub trigger: Trigger,
    pub hostname: Hostname,
    pub tokens: Tokens,
    /// Name of the TXT record.
    pub txt: Option<Name>,
    /// Path of the HTTP token.
    pub path: Option<String>,
}

/// What became of the wish to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begun {
    /// Its result will come.
    UnderWay,
    /// Not now: there is no budget for it, or too much is under way.
    Later,
    /// There is nobody who could look.
    Nobody,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Looks {
    to: Option<SyncSender<Look>>,
    under_way: HashMap<Uuid, (u32, Instant)>,
    accounts: Budget<AccountId>,
    domains: Budget<Name>,
}

impl Looks {
    /// Where the looks come out.
    pub fn connect(&mut self) -> Receiver<Look> {
        let (to, looks) = sync_channel(LOOKS_QUEUE);
        self.to = Some(to);
        looks
    }

    /// Begins a look for an account, at a name of `domain`.
    pub fn begin(
        &mut self,
        look: HostnameLook,
        account: AccountId,
        domain: Name,
        now: Instant,
    ) -> Begun {
        let Some(to) = &self.to else { return Begun::Nobody };
        let lost = Duration::from_secs(LOOK_LOST_SECS);
        let known = self.under_way.get(&look.id);
        // One that is lost is begun again.
        if known.is_some_and(|&(r, since)| r == look.revision && now < since + lost) {
            return Begun::UnderWay;
        }
        if !self.domains.has(&domain, LOOKS_BURST_DOMAIN, LOOKS_PER_DOMAIN, now)
            || !self.accounts.has(&account, LOOKS_BURST_ACCOUNT, LOOKS_PER_ACCOUNT, now)
        {
            return Begun::Later;
        }
        let (id, revision) = (look.id, look.revision);
        match to.try_send(Look::Hostname(look)) {
            Ok(()) => {
                self.domains.take(domain, LOOKS_BURST_DOMAIN, LOOKS_PER_DOMAIN, now);
                self.accounts.take(account, LOOKS_BURST_ACCOUNT, LOOKS_PER_ACCOUNT, now);
                self.under_way.insert(id, (revision, now));
                Begun::UnderWay
            }
            Err(TrySendError::Full(_)) => Begun::Later,
            Err(TrySendError::Disconnected(_)) => {
                self.to = None;
                Begun::Nobody
            }
        }
    }

    /// Begins a look at a fallback origin.
    pub fn begin_origin(&mut self, zone: ZoneId, origin: Name) -> Begun {
        let Some(to) = &self.to else { return Begun::Nobody };
        match to.try_send(Look::Origin { zone, origin }) {
            Ok(()) => Begun::UnderWay,
            Err(TrySendError::Full(_)) => Begun::Later,
            Err(TrySendError::Disconnected(_)) => Begun::Nobody,
        }
    }

    /// Whether a look of this hostname, as it is, is under way.
    pub fn is_under_way(&self, id: Uuid, revision: u32) -> bool {
        self.under_way.get(&id).is_some_and(|(r, _)| *r == revision)
    }

    /// Its result has come.
    pub fn ended(&mut self, id: Uuid, revision: u32) {
        if self.is_under_way(id, revision) {
            self.under_way.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(n: u32, revision: u32, name: &str) -> HostnameLook {
        let hostname = Hostname::of(&Name::from_text(name).unwrap());
        let tokens = Tokens::from_random([1; 32]);
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let (id, trigger) = (Uuid(id), Trigger::Extra);
        HostnameLook { id, revision, trigger, hostname, tokens, txt: None, path: None }
    }

    /// Looks that were begun, of ten thousand hostnames of one account.
    fn aimed(domain: impl Fn(u32) -> String) -> usize {
        let mut looks = Looks::default();
        let queue = looks.connect();
        let now = Instant::now();
        let mut begun = 0;
        for n in 0..10_000 {
            let domain = Name::from_text(&domain(n)).unwrap();
            let look = look(n, 1, &format!("h{n}.{domain}"));
            begun += usize::from(looks.begin(look, AccountId(1), domain, now) == Begun::UnderWay);
            while queue.try_recv().is_ok() {}
        }
        begun
    }

    #[test]
    fn ten_thousand_hostnames_aimed_at_one_domain() {
        assert_eq!(aimed(|_| "victim.example".to_owned()), LOOKS_BURST_DOMAIN as usize);
        assert_eq!(aimed(|n| format!("victim{n}.example")), LOOKS_BURST_ACCOUNT as usize);
    }

    #[test]
    fn a_refresh_gives_no_more_budget() {
        let mut looks = Looks::default();
        let _queue = looks.connect();
        let domain = Name::from_text("victim.example").unwrap();
        let now = Instant::now();
        let begin = |looks: &mut Looks, revision, now| {
            looks.begin(look(7, revision, "h.victim.example"), AccountId(1), domain.clone(), now)
        };
        // The same check is made once, however often it is asked for.
        assert!((0..100).all(|_| begin(&mut looks, 1, now) == Begun::UnderWay));
        let begun = (2..1000).filter(|r| begin(&mut looks, *r, now) == Begun::UnderWay).count();
        assert_eq!(begun, LOOKS_BURST_DOMAIN as usize - 1);
        let later = now + Duration::from_secs(10);
        let begun =
            (1000..2000).filter(|r| begin(&mut looks, *r, later) == Begun::UnderWay).count();
        assert_eq!(begun, 10 * LOOKS_PER_DOMAIN as usize);
    }

    #[test]
    fn results_and_looks_that_are_lost() {
        let mut looks = Looks::default();
        assert_eq!(
            looks.begin(look(1, 1, "a.example"), AccountId(1), Name::root(), Instant::now()),
            Begun::Nobody
        );
        let queue = looks.connect();
        let now = Instant::now();
        let begin = |looks: &mut Looks, now| {
            looks.begin(look(1, 1, "a.example"), AccountId(1), Name::root(), now)
        };
        begin(&mut looks, now);
        begin(&mut looks, now);
        assert_eq!(queue.try_iter().count(), 1);
        looks.ended(Uuid([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 0);
        begin(&mut looks, now);
        assert_eq!(queue.try_iter().count(), 0, "the result of an older check ended this one");
        begin(&mut looks, now + Duration::from_secs(LOOK_LOST_SECS));
        assert_eq!(queue.try_iter().count(), 1);
        drop(queue);
        let later = now + Duration::from_secs(3 * LOOK_LOST_SECS);
        assert_eq!(begin(&mut looks, later), Begun::Nobody);
    }
}

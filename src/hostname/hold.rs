//! Zone holds (SPEC §7.4): the owner of an active zone keeps others from making zones and custom hostnames of its
//! names.
//!
//! A hold says nothing to the account that set it. It does not depend on what the hostname does: whoever holds a name
//! can be asked, so a blocked hostname waits for that, and then for a refresh.

use super::object::{Hostname, Owner};
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::base::time::UnixTime;

/// The hold of a zone. A zone without one has none of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The zone and who set it: a hold dies with the zone's owner.
    pub owner: Owner,
    pub include_subdomains: bool,
    /// Suspended until then; `None`: in force. A time that has passed counts as in force.
    pub after: Option<UnixTime>,
}

/// What can be done to a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// In force from now on.
    Set { include_subdomains: bool },
    /// Only what is said changes.
    Change { include_subdomains: Option<bool>, after: Option<UnixTime> },
    /// Off, until `after` if it is said, else for good.
    Release { after: Option<UnixTime> },
}

/// What becomes of the hold of a zone; `None`: there is none.
pub fn step(hold: Option<Hold>, owner: Owner, event: Event, now: UnixTime) -> Option<Hold> {
    let old = hold.filter(|h| h.owner == owner);
    let later = |at: Option<UnixTime>| at.filter(|&at| at > now);
    match event {
        Event::Set { include_subdomains } => Some(Hold { owner, include_subdomains, after: None }),
        Event::Change { include_subdomains, after } => {
            let old = old?;
            // A time that has passed changes nothing about a hold that is in force.
            let after = later(after).or_else(|| later(old.after).filter(|_| after.is_none()));
            let include_subdomains = include_subdomains.unwrap_or(old.include_subdomains);
            Some(Hold { owner, include_subdomains, after })
        }
        Event::Release { after } => {
            let old = old?;
            later(after).map(|at| Hold { after: Some(at), ..old })
        }
    }
}

impl Hold {
    pub fn is_in_force(&self, now: UnixTime) -> bool {
        self.after.is_none_or(|at| at <= now)
    }

    /// Whether it keeps `account` from the name, or from all names below it: the hold is of the zone at `apex`.
    pub fn keeps(
        &self,
        apex: &Name,
        hostname: &Hostname,
        account: AccountId,
        now: UnixTime,
    ) -> bool {
        self.owner.account != account && self.is_in_force(now) && self.covers(apex, hostname)
    }

    fn covers(&self, apex: &Name, hostname: &Hostname) -> bool {
        if self.include_subdomains {
            return hostname.base.is_within(apex);
        }
        !hostname.wildcard && hostname.base == *apex
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::ZoneId;

    const OWNER: Owner = Owner { zone: ZoneId(1), account: AccountId(1) };

    fn keeps(hold: Option<Hold>, hostname: &str, account: u32, now: u64) -> bool {
        let name = |text| Name::from_text(text).unwrap();
        let hostname = Hostname::of(&name(hostname));
        hold.is_some_and(|h| {
            h.keeps(&name("held.example"), &hostname, AccountId(account), UnixTime(now))
        })
    }

    #[test]
    fn whom_it_keeps_from_what() {
        let whole = step(None, OWNER, Event::Set { include_subdomains: true }, UnixTime(10));
        for held in ["held.example", "a.held.example", "*.held.example", "*.a.b.held.example"] {
            assert!(keeps(whole, held, 2, 10), "{held}");
            assert!(!keeps(whole, held, 1, 10), "{held}");
        }
        assert!(!keeps(whole, "example", 2, 10));
        assert!(!keeps(whole, "notheld.example", 2, 10));
        assert!(!keeps(whole, "*.example", 2, 10));
        let apex = step(None, OWNER, Event::Set { include_subdomains: false }, UnixTime(10));
        assert!(keeps(apex, "held.example", 2, 10));
        assert!(!keeps(apex, "a.held.example", 2, 10));
        assert!(!keeps(apex, "*.held.example", 2, 10));
    }

    #[test]
    fn suspended_and_released() {
        let set = Event::Set { include_subdomains: true };
        let hold = step(None, OWNER, set, UnixTime(10));
        let suspended =
            step(hold, OWNER, Event::Release { after: Some(UnixTime(100)) }, UnixTime(20));
        assert!(!keeps(suspended, "held.example", 2, 99));
        assert!(keeps(suspended, "held.example", 2, 100));
        assert_eq!(step(hold, OWNER, Event::Release { after: None }, UnixTime(20)), None);
        let past = Event::Change { include_subdomains: None, after: Some(UnixTime(5)) };
        assert_eq!(step(hold, OWNER, past, UnixTime(20)), hold);
        let apex = Event::Change { include_subdomains: Some(false), after: None };
        let narrower = step(suspended, OWNER, apex, UnixTime(30)).unwrap();
        assert_eq!((narrower.include_subdomains, narrower.after), (false, Some(UnixTime(100))));
        // The zone was made anew: the old hold is nobody's.
        let new = Owner { zone: ZoneId(2), account: AccountId(1) };
        assert_eq!(step(hold, new, apex, UnixTime(30)), None);
    }
}

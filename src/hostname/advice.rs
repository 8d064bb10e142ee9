//! What a person can do about a custom hostname that is not active: who has to do which step, in words.
//!
//! Nothing is said that an anonymous question could not show: whose zone a hostname lies in is not told, only that it
//! lies in one here.

use super::errors::VerificationError;
use super::fallback::Status as Origin;
use super::object::{Block, CustomHostname, Status};
use super::proof::Places;
use crate::base::name::Name;

/// Who has to act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Whose zone the hostname shall lead into.
    Provider,
    /// Whose name it is.
    Owner,
    /// Who runs this server.
    Operator,
}

impl Who {
    /// The word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Who::Provider => "provider",
            Who::Owner => "owner",
            Who::Operator => "operator",
        }
    }
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    pub who: Who,
    pub what: String,
    /// The same as a command, for whoever may give one.
    pub command: Option<String>,
}

/// What is known beside the hostname itself.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'s> {
    /// The provider's zone.
    pub zone: &'s Name,
    /// Its fallback origin, if one is set.
    pub origin: Option<&'s Name>,
    /// The hostname lies in a zone of this server.
    pub is_here: bool,
    pub places: &'s Places,
}

/// What can be done; nothing for one that is active.
pub fn advice(h: &CustomHostname, now: &Situation<'_>) -> Vec<Advice> {
    match h.status {
        Status::Active | Status::ActiveRedeploying | Status::PendingDeletion => Vec::new(),
        // Not looked at yet.
        Status::Pending if h.errors.is_empty() => proofs(h, now),
        Status::Pending => h.errors.iter().flat_map(|error| of_error(h, *error, now)).collect(),
        Status::Moved | Status::Deleted => {
            let mut steps = proofs(h, now);
            steps.push(refresh(h, "when that is done"));
            steps
        }
        Status::Blocked if h.block == Some(Block::Abuse) => {
            let what =
                format!("{} is on the abuse list (hostnames.blocked): take it off", h.hostname);
            let unlist = Advice { who: Who::Operator, what, command: None };
            vec![unlist, refresh(h, "when that is done")]
        }
        Status::Blocked => {
            vec![release(h), refresh(h, "when the hold is released")]
        }
    }
}

fn of_error(h: &CustomHostname, error: VerificationError, now: &Situation<'_>) -> Vec<Advice> {
    let zone = now.zone;
    match error {
        VerificationError::NoFallbackOrigin => {
            let what = format!("set the name in {zone} that custom hostnames lead to");
            vec![Advice { command: set_origin(zone), ..provider(what) }]
        }
        VerificationError::FallbackOrigin(status) => {
            let origin = now.origin.map_or("the fallback origin".to_owned(), Name::to_string);
            vec![match status {
                Origin::Initializing => {
                    provider(format!("give {origin} an A, AAAA or CNAME record"))
                }
                Origin::PendingDeployment | Origin::DeploymentTimedOut => {
                    provider(format!("make {origin} lead to an address: its record does not yet"))
                }
                _ => {
                    let again = provider("set a fallback origin again".to_owned());
                    Advice { command: set_origin(zone), ..again }
                }
            }]
        }
        VerificationError::Held => {
            vec![release(h), refresh(h, "when the hold is released")]
        }
        VerificationError::OnThisNetwork => vec![cname(h, now)],
        VerificationError::NoCname
        | VerificationError::ForeignAddresses
        | VerificationError::NothingFound => proofs(h, now),
    }
}

/// All that would prove the hostname, the simplest first.
fn proofs(h: &CustomHostname, now: &Situation<'_>) -> Vec<Advice> {
    let mut steps = vec![cname(h, now)];
    if now.is_here {
        // There a token alone takes nothing over.
        return steps;
    }
    if let Some(name) = now.places.txt_name(&h.hostname) {
        steps.push(owner(format!("or add this record: {name} TXT \"{}\"", h.tokens.txt)));
    }
    if let Some(url) = now.places.http_url(&h.hostname, h.id) {
        steps.push(owner(format!("or serve the text {} at {url}", h.tokens.http)));
    }
    steps
}

fn cname(h: &CustomHostname, now: &Situation<'_>) -> Advice {
    let target = now.origin.map_or(format!("a name in {}", now.zone), Name::to_string);
    owner(format!("point the name at the provider: {} CNAME {target}", h.hostname))
}

fn refresh(h: &CustomHostname, when: &str) -> Advice {
    let command = Some(format!("bailiwick hostname refresh {}", h.hostname));
    Advice { command, ..provider(format!("{when}, have it checked again")) }
}

fn release(h: &CustomHostname) -> Advice {
    owner(format!("release the hold of the zone that encloses {}", h.hostname))
}

fn set_origin(zone: &Name) -> Option<String> {
    Some(format!("bailiwick zone fallback set {zone} NAME"))
}

fn provider(what: String) -> Advice {
    Advice { who: Who::Provider, what, command: None }
}

fn owner(what: String) -> Advice {
    Advice { who: Who::Owner, what, command: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{AccountId, ZoneId};
    use crate::base::time::UnixTime;
    use crate::base::uuid::Uuid;
    use crate::hostname::lifecycle::{self, New};
    use crate::hostname::object::{Hostname, Owner};
    use crate::hostname::proof::Tokens;

    fn steps(status: Status, errors: &[VerificationError], is_here: bool) -> Vec<String> {
        let name = |text| Name::from_text(text).unwrap();
        let new = New {
            id: Uuid::from_random([3; 16]),
            hostname: Hostname::of(&name("app.client.example")),
            provider: Owner { zone: ZoneId(1), account: AccountId(1) },
            tokens: Tokens::from_random([7; 32]),
            block: None,
        };
        let mut h = lifecycle::create(new, UnixTime(1)).state.unwrap();
        (h.status, h.errors) = (status, errors.to_vec());
        let (zone, origin) = (name("saas.example"), name("proxy.saas.example"));
        let places = Places::default();
        let origin =
            Some(&origin).filter(|_| !errors.contains(&VerificationError::NoFallbackOrigin));
        let now = Situation { zone: &zone, origin, is_here, places: &places };
        let shown = |a: Advice| {
            let command = a.command.map_or(String::new(), |c| format!(": {c}"));
            format!("{}: {}{command}", a.who.word(), a.what)
        };
        advice(&h, &now).into_iter().map(shown).collect()
    }

    #[test]
    fn who_can_do_what() {
        use VerificationError::*;
        let point = "owner: point the name at the provider: app.client.example CNAME \
                     proxy.saas.example";
        assert_eq!(steps(Status::Active, &[], true), [""; 0]);
        assert_eq!(steps(Status::Pending, &[NoCname], true), [point]);
        assert_eq!(steps(Status::Pending, &[OnThisNetwork], true), [point]);
        let outside = steps(Status::Pending, &[NoCname], false);
        assert_eq!(outside, steps(Status::Pending, &[], false));
        assert_eq!(outside[0], point);
        assert!(outside[1].starts_with("owner: or add this record: _cf-custom-hostname.app."));
        assert!(outside[2].contains(" at http://app.client.example/.well-known/"), "{outside:?}");
        let fallback = steps(Status::Pending, &[NoFallbackOrigin], true);
        assert_eq!(
            fallback,
            [
                "provider: set the name in saas.example that custom hostnames lead to: bailiwick zone \
              fallback set saas.example NAME"
            ]
        );
        let record = steps(Status::Pending, &[FallbackOrigin(Origin::Initializing)], true);
        assert_eq!(record, ["provider: give proxy.saas.example an A, AAAA or CNAME record"]);
        let moved = steps(Status::Moved, &[], true);
        assert_eq!(moved.len(), 2);
        assert!(moved[1].ends_with("bailiwick hostname refresh app.client.example"), "{moved:?}");
        let blocked = steps(Status::Blocked, &[Held], true);
        assert!(blocked[0].starts_with("owner: release the hold"), "{blocked:?}");
    }
}

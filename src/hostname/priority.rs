//! Who wins when several zones want one hostname (SPEC §7.5).
//!
//! Among zones with the same hostname the one verified last wins, and the others move. But nothing displaces what the
//! operator asserted, and a token displaces no zone that the hostname's DNS leads to.

use super::errors::VerificationError;
use super::object::{CustomHostname, Method};
use crate::base::uuid::Uuid;

/// Somebody else with a grant for exactly the same hostname (a wildcard is not the same as its base).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rival {
    /// `[[grants]]` of another zone.
    Operator,
    /// An active custom hostname of another zone.
    Hostname {
        id: Uuid,
        /// Its CNAME or address proof held when it was checked last.
        leads_there: bool,
    },
}

impl Rival {
    /// `other` as a rival, if it is one: it grants.
    pub fn of(other: &CustomHostname) -> Option<Rival> {
        let by_dns = other.proof.is_some_and(|p| p.method.is_dns());
        let leads_there = by_dns && other.failures.is_none();
        other.status.is_grant().then_some(Rival::Hostname { id: other.id, leads_there })
    }
}

/// Decides for a hostname that was just proved by `method`. Answers with whom it displaces.
pub fn contest(method: Method, rivals: &[Rival]) -> Result<Vec<Uuid>, VerificationError> {
    rivals
        .iter()
        .map(|rival| match *rival {
            Rival::Operator => Err(VerificationError::OnThisNetwork),
            Rival::Hostname { leads_there: true, .. } if !method.is_dns() => {
                Err(VerificationError::OnThisNetwork)
            }
            Rival::Hostname { id, .. } => Ok(id),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_verified_wins_with_two_exceptions() {
        let id = Uuid([1; 16]);
        let by_token = Rival::Hostname { id, leads_there: false };
        let by_dns = Rival::Hostname { id, leads_there: true };
        let refused = Err(VerificationError::OnThisNetwork);
        for method in Method::ALL {
            assert_eq!(contest(method, &[]), Ok(vec![]));
            assert_eq!(contest(method, &[by_token]), Ok(vec![id]));
            assert_eq!(contest(method, &[by_token, Rival::Operator]), refused);
        }
        assert_eq!(contest(Method::Cname, &[by_dns]), Ok(vec![id]));
        assert_eq!(contest(Method::Address, &[by_dns]), Ok(vec![id]));
        assert_eq!(contest(Method::Txt, &[by_token, by_dns]), refused);
        assert_eq!(contest(Method::Http, &[by_dns]), refused);
    }
}

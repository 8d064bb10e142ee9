//! The grants of custom hostnames: derived from their state and the zones that exist now. Doubt grants nothing.

use super::object::{CustomHostname, Hostname, Owner, Status};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::model::grant::{Grant, GrantState};

/// What of a custom hostname decides whether it is a grant: little enough to be kept of ten millions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub hostname: Hostname,
    pub provider: Owner,
    pub state: RowState,
}

/// How it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowState {
    /// Active; who owned the hostname when it was proved.
    Active {
        owner: Option<Owner>,
    },
    Blocked,
    /// Was active until then, and is no more: not longer than a withdrawal is remembered.
    Withdrawn(UnixTime),
}

impl Row {
    /// What `hostname` says now; `None`: nothing.
    pub fn of(hostname: &CustomHostname) -> Option<Row> {
        let state = match (hostname.status, &hostname.proof) {
            (Status::Active | Status::ActiveRedeploying, Some(proof)) => {
                RowState::Active { owner: proof.owner }
            }
            (Status::Blocked, _) => RowState::Blocked,
            _ => return None,
        };
        Some(Row { hostname: hostname.hostname.clone(), provider: hostname.provider, state })
    }

    /// The grant it is in a world with these zones; `None`: it is none.
    ///
    /// It is bound to the provider's zone and account, and to the zone and account that owned the hostname when it
    /// was proved: if any of them is another one now, it is void, whatever its status says.
    pub fn grant(&self, world: &impl World) -> Option<Grant> {
        if world.holder(self.provider.zone) != Some(self.provider.account) {
            return None;
        }
        let state = match self.state {
            RowState::Active { owner } if world.owner(&self.hostname.base) != owner => return None,
            RowState::Active { .. } => GrantState::Active,
            RowState::Blocked => GrantState::Blocked,
            RowState::Withdrawn(at) => GrantState::Withdrawn(at),
        };
        let Hostname { base, wildcard } = self.hostname.clone();
        Some(Grant { hostname: base, wildcard, zone: self.provider.zone, state })
    }
}

/// What counts of the operator's word and of what a custom hostname of that name and zone says.
pub fn joined(asserted: Option<GrantState>, own: Option<GrantState>) -> Option<GrantState> {
    match (asserted, own) {
        (Some(GrantState::Active), _) => asserted,
        // What a custom hostname grants again, or blocks, is more than withdrawn.
        (Some(_), None | Some(GrantState::Withdrawn(_))) => asserted,
        (_, own) => own,
    }
}

/// The zones that exist.
pub trait World {
    /// The account that holds the zone, if it is active.
    fn holder(&self, zone: ZoneId) -> Option<AccountId>;
    /// The deepest active zone that encloses the name.
    fn owner(&self, name: &Name) -> Option<Owner>;
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zones(Vec<(&'static str, Owner)>);

    impl World for Zones {
        fn holder(&self, zone: ZoneId) -> Option<AccountId> {
            self.0.iter().find(|(_, o)| o.zone == zone).map(|(_, o)| o.account)
        }

        fn owner(&self, name: &Name) -> Option<Owner> {
            let encloses = |apex: &str| name.is_within(&Name::from_text(apex).unwrap());
            let zones = self.0.iter().filter(|(apex, _)| encloses(apex));
            zones.max_by_key(|(apex, _)| apex.len()).map(|&(_, owner)| owner)
        }
    }

    fn owner(zone: u32, account: u32) -> Owner {
        Owner { zone: ZoneId(zone), account: AccountId(account) }
    }

    #[test]
    fn bound_to_ids_on_both_sides() {
        let hostname = Hostname::of(&Name::from_text("*.app.client.example").unwrap());
        let state = RowState::Active { owner: Some(owner(1, 1)) };
        let row = Row { hostname, provider: owner(2, 2), state };
        let granted = |zones: &[(&'static str, Owner)]| row.grant(&Zones(zones.to_vec())).is_some();
        let (client, saas) = ("client.example", "saas.example");
        assert!(granted(&[(client, owner(1, 1)), (saas, owner(2, 2))]));
        // Either zone in another account, made anew, or gone; or a zone was made between.
        assert!(!granted(&[(client, owner(1, 3)), (saas, owner(2, 2))]));
        assert!(!granted(&[(client, owner(3, 1)), (saas, owner(2, 2))]));
        assert!(!granted(&[(saas, owner(2, 2))]));
        assert!(!granted(&[(client, owner(1, 1)), (saas, owner(2, 3))]));
        assert!(!granted(&[(client, owner(1, 1)), (saas, owner(3, 2))]));
        assert!(!granted(&[(client, owner(1, 1))]));
        let between = ("app.client.example", owner(4, 1));
        assert!(!granted(&[(client, owner(1, 1)), (saas, owner(2, 2)), between]));
        let row = Row { state: RowState::Active { owner: None }, ..row };
        assert!(row.grant(&Zones(vec![(saas, owner(2, 2))])).is_some());
        assert!(row.grant(&Zones(vec![(saas, owner(2, 2)), (client, owner(1, 1))])).is_none());
    }
}

//! Zones that an operator makes and deletes at the command line: they live in the store, and are written through the
//! API.

use serde_json::{Value, json};

use super::claims::NewZone;
use super::manage::OPERATOR;
use super::{Now, World};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::control::claims;

impl World {
    /// Makes a zone on the operator's word: it is active at once, if nobody else holds the name (SPEC §3.1).
    pub(super) fn zone_create(
        &mut self,
        zone: &str,
        account: &str,
        now: Now,
    ) -> Result<Value, String> {
        let apex = Name::from_text(zone).map_err(|e| format!("`{zone}` is no zone name: {e}"))?;
        let id = self.account_named(account).map_err(|error| {
            format!("{error}: make it with `bailiwick account create {account}`")
        })?;
        let actor = OPERATOR.to_owned();
        let new = NewZone { apex: apex.clone(), account: id, asserted: true, actor };
        let claim = self.claim_zone(&new, now).map_err(|error| error.to_string())?;
        self.serve_changed();
        self.finish_step();
        Ok(self.told_zone(&apex, claim.zone, account))
    }

    /// Deletes a zone of the store, with its records and custom hostnames.
    pub(super) fn zone_delete(
        &mut self,
        zone: &str,
        account: Option<&str>,
        now: Now,
    ) -> Result<Value, String> {
        let apex = Name::from_text(zone).map_err(|e| format!("`{zone}` is no zone name: {e}"))?;
        let whose = account.map(|account| self.account_named(account)).transpose()?;
        let (id, account) = self.stored_zone_named(&apex, whose)?;
        let account = self.account_name(account).to_owned();
        let shown = self.told_zone(&apex, id, &account);
        self.delete_zone(id, OPERATOR, now).map_err(|error| error.to_string())?;
        self.grants_stale = true;
        self.finish_step();
        Ok(shown)
    }

    /// The zone of the store that is meant: the only one of that name, or the one that holds it.
    fn stored_zone_named(
        &self,
        apex: &Name,
        whose: Option<AccountId>,
    ) -> Result<(ZoneId, AccountId), String> {
        let claims = self.claims.named(apex);
        let mut found: Vec<_> =
            claims.filter(|claim| whose.is_none_or(|account| claim.account == account)).collect();
        if found.len() > 1 && found.iter().any(|claim| claims::is_active(claim)) {
            found.retain(|claim| claims::is_active(claim));
        }
        match found[..] {
            [claim] => Ok((claim.zone, claim.account)),
            [] => Err(match self.ownership.zone(apex.as_wire()) {
                Some(held) if whose.is_none_or(|account| account == held.account) => {
                    let file = self.shown(&(held.account, apex.clone()));
                    format!("the zone {apex} is as its file says: remove {file}")
                }
                _ => format!("there is no zone {apex}"),
            }),
            _ => Err(format!(
                "{} accounts claim {apex}: say whose is meant with --account",
                found.len()
            )),
        }
    }

    fn told_zone(&self, apex: &Name, id: ZoneId, account: &str) -> Value {
        let row = self.stored.zone(id).map(|zone| self.stored_row(id, zone));
        let mut shown = row.map_or(json!({ "zone": apex.to_string() }), |row| json!(row));
        shown["account"] = account.into();
        shown["id"] = self.ids.zone(id).into();
        shown
    }
}

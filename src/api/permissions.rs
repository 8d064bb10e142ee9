//! Permission groups and resources as clients of the dialect know them, to the verbs and zones of a scope and back.

use serde_json::{Map, Value, json};

use super::error::ApiError;
use super::{Api, Caller};
use crate::base::id::{AccountId, ZoneId};
use crate::store::state::change::Token;
use crate::store::state::scope::Verb;

/// Name, id and verb. A write needs its read: both are asked for.
const GROUPS: [(&str, &str, Verb); 15] = [
    ("Zone Read", "c8fed203ed3043cba015a93ad1616f1f", Verb::Read),
    ("DNS Read", "82e64a83756745bbbb1c9c2701bf816b", Verb::Read),
    ("Zone DNS Settings Read", "b05b28e839c54467a7d6cba5d3abb5a3", Verb::Read),
    ("SSL and Certificates Read", "7b7216b327b04b8fbc8f524e1f9b7531", Verb::Read),
    ("Account Settings Read", "c1fde68c7bcc44588cbb6ddbc16d6480", Verb::Read),
    ("DNS Write", "4755a26eedb94da69e1066d98aa820be", Verb::Records),
    ("Zone DNS Settings Write", "c4df38be41c247b3b4b7702e76eadae0", Verb::Records),
    ("Zone Write", "e6d2666161e84845a636613608cee8d5", Verb::Zones),
    ("SSL and Certificates Write", "c03055bc037c4ea9afb9a9f104b7b721", Verb::Grants),
    ("Account Settings Write", "1af1fa2adc104452b74a9a3364202f20", Verb::Accounts),
    ("API Tokens Write", "686d18d5ac6c441c867cbf6771e58a0a", Verb::Tokens),
    ("Bailiwick Cross-Account Write", "b0000000000000000000000000000001", Verb::CrossAccount),
    ("Bailiwick Delegates Write", "b0000000000000000000000000000002", Verb::Delegates),
    ("Bailiwick Zone Holds Write", "b0000000000000000000000000000003", Verb::Holds),
    ("Bailiwick Operate", "b0000000000000000000000000000004", Verb::Operate),
];

const ACCOUNT: &str = "com.cloudflare.api.account.";
const ZONE: &str = "com.cloudflare.api.account.zone.";

/// What `policies` of a new token asks for.
pub struct Policy {
    pub verbs: Vec<Verb>,
    /// `None`: all of the account.
    pub zones: Option<Vec<ZoneId>>,
    pub account: Option<AccountId>,
}

fn group(id: &str, name: &str, verb: Verb) -> Value {
    let scopes = match verb {
        Verb::Accounts | Verb::Tokens | Verb::Operate => ["com.cloudflare.api.account"],
        _ => ["com.cloudflare.api.account.zone"],
    };
    json!({ "id": id, "name": name, "scopes": scopes })
}

/// All groups.
pub fn groups() -> Value {
    GROUPS.iter().map(|(name, id, verb)| group(id, name, *verb)).collect()
}

/// A token's scope as one policy.
pub fn policy(api: &Api, token: &Token) -> Value {
    let allows = |verb| token.scope.allows(verb) && (verb == Verb::Read || !token.read_only);
    let granted = GROUPS.iter().filter(|(_, _, verb)| allows(*verb));
    let groups: Vec<Value> =
        granted.map(|(name, id, _)| json!({ "id": id, "name": name })).collect();
    let mut resources = Map::new();
    match (&token.scope.zones, token.account) {
        (Some(zones), _) => {
            for zone in zones {
                resources.insert(format!("{ZONE}{}", api.ids.zone(*zone)), json!("*"));
            }
        }
        (None, Some(account)) => {
            resources.insert(format!("{ACCOUNT}{}", api.ids.account(account)), json!("*"));
        }
        (None, None) => {
            resources.insert(format!("{ACCOUNT}*"), json!("*"));
        }
    }
    json!({
        "id": token.id.to_string().replace('-', ""), "effect": "allow",
        "permission_groups": groups, "resources": resources,
    })
}

impl Policy {
    /// Reads `policies`. What a resource names has to exist for the caller.
    pub fn read(api: &Api, caller: &Caller, policies: &Value) -> Result<Policy, ApiError> {
        let missing = || ApiError::body("policies is a list with at least one policy");
        let policies = policies.as_array().filter(|list| !list.is_empty()).ok_or_else(missing)?;
        let mut policy = Policy { verbs: Vec::new(), zones: None, account: None };
        let mut zones = Vec::new();
        let mut is_whole = false;
        for one in policies {
            if one["effect"] != "allow" {
                return Err(ApiError::body("effect is \"allow\": what is not allowed is denied"));
            }
            policy.add_groups(&one["permission_groups"])?;
            let resources = one["resources"].as_object().filter(|r| !r.is_empty());
            let resources = resources.ok_or_else(|| ApiError::body("resources is an object"))?;
            for (resource, value) in resources {
                if value != "*" && !value.is_object() {
                    return Err(ApiError::body(format!("{resource}: \"*\" is the only value")));
                }
                is_whole |= policy.add_resource(api, caller, resource, &mut zones)?;
            }
        }
        policy.verbs.sort_unstable();
        policy.verbs.dedup();
        if !is_whole {
            policy.zones = Some(zones);
        }
        Ok(policy)
    }

    fn add_groups(&mut self, groups: &Value) -> Result<(), ApiError> {
        let missing = || ApiError::body("permission_groups is a list with at least one group");
        let groups = groups.as_array().filter(|list| !list.is_empty()).ok_or_else(missing)?;
        for group in groups {
            let is =
                |(name, id, _): &&(&str, &str, Verb)| group["id"] == *id || group["name"] == *name;
            let found = GROUPS.iter().find(is);
            let unknown = || {
                ApiError::body(
                    "a permission group is not known: user/tokens/permission_groups lists them",
                )
            };
            let (_, _, verb) = found.ok_or_else(unknown)?;
            self.verbs.extend([*verb, Verb::Read]);
        }
        Ok(())
    }

    /// Whether it means more than single zones.
    fn add_resource(
        &mut self,
        api: &Api,
        caller: &Caller,
        resource: &str,
        zones: &mut Vec<ZoneId>,
    ) -> Result<bool, ApiError> {
        let unknown = || ApiError::body(format!("{resource} names nothing"));
        let mut set_account = |account: AccountId| match self.account.replace(account) {
            Some(other) if other != account => {
                Err(ApiError::body("a token is for one account: the resources name several"))
            }
            _ => Ok(()),
        };
        if let Some(id) = resource.strip_prefix(ZONE) {
            if id == "*" {
                return Ok(true);
            }
            let zone = caller.zone(id, Verb::Read).map_err(|_| unknown())?;
            set_account(zone.account)?;
            zones.push(zone.id);
            return Ok(false);
        }
        match resource.strip_prefix(ACCOUNT) {
            Some("*") => Ok(true),
            Some(id) => {
                let account = api.ids.read_account(id).filter(|id| caller.sees_account(*id));
                let account = account.and_then(|id| api.directory.account(id));
                set_account(account.ok_or_else(unknown)?.id)?;
                Ok(true)
            }
            None => Err(unknown()),
        }
    }
}

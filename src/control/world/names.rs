//! Who holds which zone, as files come and go and settings change.

use std::sync::Arc;

use tracing::{error, info};

use super::{Key, World};
use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::control::allowed::Allowed;
use crate::policy::ownership::{Claim, Refusal, Register, Released, Standing, Title};
use crate::store::ownership::Ownership;
use crate::store::zones::Change;

impl World {
    /// Decides about zone files that are new. Those that win are held from then on, and returned.
    pub(super) fn claim(&mut self, keys: &[Key]) -> Vec<Key> {
        let mut register = std::mem::take(&mut self.register);
        let claims: Vec<Claim<'_>> = keys.iter().map(|key| self.new_claim(key)).collect();
        let decisions = register.settle(&claims, &self.allowed());
        self.register = register;
        let mut won = Vec::new();
        for (key, decision) in keys.iter().zip(decisions) {
            match decision {
                Ok(title) => {
                    self.hold_name(key, title);
                    won.push(key.clone());
                }
                Err(refusal) => self.refuse(key, refusal),
            }
        }
        won
    }

    fn new_claim<'a>(&'a self, key: &'a Key) -> Claim<'a> {
        Claim {
            apex: key.1.as_wire(),
            account: key.0,
            account_name: self.account_name(key.0),
            standing: Standing::New,
        }
    }

    /// Lets an account hold a name that is in no file.
    pub(super) fn claim_one(&mut self, key: &Key) -> Result<(), Refusal> {
        let mut register = std::mem::take(&mut self.register);
        let decision = register.settle(&[self.new_claim(key)], &self.allowed()).pop();
        self.register = register;
        let title = decision.expect("one claim gets one decision")?;
        self.hold_name(key, title);
        Ok(())
    }

    pub(super) fn allowed(&self) -> Allowed<'_, impl Fn(&str) -> Option<AccountId>> {
        Allowed {
            settings: &self.settings,
            suffixes: &self.suffixes,
            chosen: &self.chosen,
            held: &self.ownership,
            account: |name: &str| self.ownership.account(name),
        }
    }

    fn hold_name(&mut self, key: &Key, title: Title) {
        self.ownership.add_zone(&key.1, key.0, title.given);
        self.grants_stale |= self.mentions.zones.contains(&key.1);
        if self.refused.remove(key)
            && let Some(more) = self.state_mut(key).and_then(|state| state.more.as_mut())
        {
            more.refused = None;
        }
    }

    fn refuse(&mut self, key: &Key, refusal: Refusal) {
        let known = self.state(key).and_then(|s| s.more.as_ref()?.refused.as_ref());
        let is_news = known != Some(&refusal);
        let text = self.explain(key, &refusal);
        self.tally.refused += usize::from(is_news);
        if is_news && self.chatter.may_speak() {
            error!(event = "zone-refused", zone = %key.1, account = self.account_name(key.0),
                code = refusal.code(), file = self.shown(key), "not served: {text}");
        }
        if let Some(state) = self.state_mut(key) {
            state.more().refused = Some(refusal);
            self.refused.insert(key.clone());
        }
    }

    /// Why a file is refused and what would allow it.
    pub(super) fn explain(&self, key: &Key, refusal: &Refusal) -> String {
        let other = refusal.other().map_or("", |id| self.account_name(id));
        refusal.explain(&key.1, self.account_name(key.0), other).to_string()
    }

    /// The account does not hold the zone any more; what waited for the name may have it.
    pub(super) fn release(&mut self, key: &Key) {
        let Some(held) = self.ownership.zone(key.1.as_wire()).filter(|h| h.account == key.0) else {
            return;
        };
        self.next.remove(&key.1);
        self.grants_stale |= self.mentions.zones.contains(&key.1);
        self.ownership.remove_zone(key.1.as_wire());
        self.state_mut(key).into_iter().for_each(|state| state.recorded = None);
        self.keeper.send(Change::Forget(held.id));
        match self.register.release(key.1.as_wire()) {
            Released::Alone => {}
            Released::Disturbs => self.resettle(),
        }
    }

    /// Decides anew about all files that were refused. Those that win are held, and have to be read.
    pub(super) fn claim_refused(&mut self) -> Vec<Key> {
        let waiting: Vec<Key> = self.refused.iter().cloned().collect();
        if waiting.is_empty() { waiting } else { self.claim(&waiting) }
    }

    /// Decides anew about every name that is held, as if all had come again in their order: what they rest on
    /// changed. Who loses is refused; what waits gets its chance with `claim_refused`.
    pub(super) fn resettle(&mut self) {
        let (register, lost) = settle_incumbents(&self.ownership, &self.allowed(), |account| {
            self.account_name(account)
        });
        self.register = register;
        for (account, apex, refusal) in lost {
            let key = (account, apex);
            info!(event = "zone-lost", zone = %key.1, account = self.account_name(account),
                "what allowed the zone is gone");
            self.settle(&key);
            if let Some(state) = self.state_mut(&key) {
                (state.served, state.recorded) = (None, None);
            }
            if let Some(held) = self.ownership.zone(key.1.as_wire()) {
                self.keeper.send(Change::Forget(held.id));
            }
            self.next.remove(&key.1);
            self.grants_stale |= self.mentions.zones.contains(&key.1);
            let id = self.ownership.zone(key.1.as_wire()).map(|held| held.id);
            self.ownership.remove_zone(key.1.as_wire());
            match id.filter(|id| self.claims.get(*id).is_some()) {
                Some(id) => self.claim_lost(id, super::Now::read()),
                None => self.refuse(&key, refusal),
            }
        }
    }

    /// Drops accounts that have no folder, no table and no zones.
    pub(super) fn drop_accounts(&mut self, has_folder: impl Fn(&str) -> bool) {
        let gone: Vec<(AccountId, Arc<str>)> = self
            .accounts
            .iter()
            .filter(|(id, account)| account.zones.is_empty() && !self.stored.has_any(**id))
            .filter(|(id, _)| !self.is_made_by_api(**id))
            .filter(|(_, account)| !self.settings.accounts.contains_key(&*account.name))
            .filter(|(_, account)| !has_folder(&account.name))
            .map(|(id, account)| (*id, account.name.clone()))
            .collect();
        for (id, name) in gone {
            if self.is_kept(id) {
                continue;
            }
            info!(event = "account-gone", account = &*name, "account removed");
            self.accounts.remove(&id);
            self.ownership.remove_account(&name);
            self.accounts_stale = true;
            self.grants_stale |= self.mentions.accounts.contains(&*name);
        }
    }
}

/// Decides about all that is recorded as held, in the order in which it came to be held.
fn settle_incumbents<'a>(
    ownership: &Ownership,
    allowed: &Allowed<'_, impl Fn(&str) -> Option<AccountId>>,
    name_of: impl Fn(AccountId) -> &'a str,
) -> (Register, Vec<(AccountId, Name, Refusal)>) {
    let mut held: Vec<_> = ownership.zones().collect();
    held.sort_unstable_by_key(|(_, held)| held.id);
    // Neighbours often are of one account.
    let mut last = None;
    let claims: Vec<Claim<'_>> = held
        .iter()
        .map(|(apex, held)| {
            let known = last.filter(|(account, _)| *account == held.account);
            let (_, account_name) = known.unwrap_or_else(|| (held.account, name_of(held.account)));
            last = Some((held.account, account_name));
            let standing = Standing::Incumbent { id: held.id, given: held.given };
            Claim { apex: apex.as_wire(), account: held.account, account_name, standing }
        })
        .collect();
    let (register, refused) = Register::resume(&claims, allowed);
    let lost = refused.into_iter().map(|(n, refusal)| {
        let (apex, held) = held[n];
        (held.account, apex.clone(), refusal)
    });
    let lost = lost.collect();
    (register, lost)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::file;
    use crate::config::settings::Overrides;
    use crate::control::world::Now;

    const ZONE: &str = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n";
    const CONFIG: &str = "[server]\nlisten = [\"127.0.0.1:0\"]\n[[grants]]\nhostname = \"www.a.example\"\n\
        zone = \"provider.example\"\n[accounts.a]\ntrusts = [\"friend\"]\n";

    #[test]
    fn grants_are_derived_anew_only_for_names_they_speak_of() {
        let folder = tempfile::tempdir().unwrap();
        let zones = folder.path().join("zones");
        fs::create_dir_all(zones.join("a")).unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, CONFIG).unwrap();
        let (settings, _) = file::read_with(&config, &Overrides::default()).unwrap();
        let mut world = World::start(settings, Now::read()).unwrap();
        world.publish(Now::read()).unwrap();
        let add = |world: &mut World, account: &str, zone: &str| {
            fs::create_dir_all(zones.join(account)).unwrap();
            let path = zones.join(account).join(format!("{zone}.zone"));
            fs::write(&path, ZONE).unwrap();
            let opened = world.open_zones().unwrap();
            let paths = [path.parent().unwrap().to_owned(), path.clone()];
            world.touched(&opened, &paths, Now::read());
            let stale = world.grants_stale;
            world.publish(Now::read()).unwrap();
            stale
        };
        assert!(!add(&mut world, "a", "a.example"));
        assert!(!add(&mut world, "b", "b.example"));
        assert!(add(&mut world, "friend", "friend.example"));
        assert!(add(&mut world, "b", "provider.example"));
        assert_eq!(world.snapshot().grants.len(), 1);
        assert_eq!(world.snapshot().trusts.len(), 1);
        let key = |zone: &str| (world.account_id("b").unwrap(), Name::from_text(zone).unwrap());
        let (b, provider) = (key("b.example"), key("provider.example"));
        world.release(&b);
        assert!(!world.grants_stale);
        world.release(&provider);
        assert!(world.grants_stale);
    }
}

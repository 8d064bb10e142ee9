//! What those who read beside the publisher see: the directory is brought up to date with each snapshot, by what
//! changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::World;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::control::directory::{AccountRow, Directory, Rows, ZoneRow};
use crate::control::registrar::News;
use crate::policy::claims::Claim;

impl World {
    /// From now on somebody reads beside the publisher. What there is to read comes with
    /// [`World::fill_directory`], and the doors need not wait for it.
    pub fn open_directory(&mut self) -> Arc<Directory> {
        Arc::clone(self.directory.get_or_insert_default())
    }

    /// Fills the directory for the first time.
    pub fn fill_directory(&mut self) {
        self.sync_directory();
        self.directory.iter().for_each(|directory| directory.open());
    }

    /// Tells whoever reads beside the publisher what changed.
    pub(super) fn sync_directory(&mut self) {
        let Some(directory) = self.directory.clone() else { return };
        let zones = self.ownership.take_changed();
        let claimed = self.claims.take_changed();
        let news = match std::mem::take(&mut self.accounts_stale) {
            true => {
                self.custom.take_news();
                News::All
            }
            false => self.custom.take_news(),
        };
        match zones {
            None => {
                let all = self.zone_rows();
                directory.change(|rows| {
                    rows.set_zones(all);
                    self.tell(rows, &news);
                });
            }
            Some(zones) if zones.is_empty() && claimed.is_empty() && news.is_none() => {}
            Some(zones) => {
                let changed: BTreeSet<Name> = zones.into_iter().chain(claimed).collect();
                directory.change(|rows| {
                    self.tell(rows, &news);
                    changed.iter().for_each(|apex| self.tell_zone(rows, apex));
                });
            }
        }
    }

    /// The apex of a zone that is as its file says, and that file.
    pub(super) fn file_of(&self, id: ZoneId) -> Option<(Name, String)> {
        let apex = match &self.directory {
            Some(directory) => Name::from_text(&directory.zone(id)?.name).ok()?,
            None => self.ownership.zones().find(|(_, held)| held.id == id)?.0.clone(),
        };
        let held = self.ownership.zone(apex.as_wire()).filter(|held| held.id == id)?;
        let file = self.shown(&(held.account, apex.clone()));
        Some((apex, file))
    }

    /// All zones: those of files, and those that were claimed.
    fn zone_rows(&self) -> Vec<ZoneRow> {
        let mut all = Vec::with_capacity(self.ownership.zones().len());
        all.extend(self.ownership.zones().filter_map(|(apex, _)| self.row_of_file(apex)));
        all.extend(self.claims.all().map(row_of_claim));
        all
    }

    fn tell_zone(&self, rows: &mut Rows, apex: &Name) {
        let name = apex.to_string();
        let old: Vec<_> = rows.zones_named(&name).map(|zone| zone.id).collect();
        old.into_iter().for_each(|id| rows.remove_zone(id));
        self.row_of_file(apex).into_iter().for_each(|zone| rows.put_zone(zone));
        self.claims.named(apex).for_each(|claim| rows.put_zone(row_of_claim(claim)));
    }

    /// A zone that somebody holds without a claim is there because of its file.
    fn row_of_file(&self, apex: &Name) -> Option<ZoneRow> {
        let held = self.ownership.zone(apex.as_wire())?;
        let name = apex.to_string().into();
        let row = ZoneRow { id: held.id, account: held.account, name, claim: None };
        self.claims.get(held.id).is_none().then_some(row)
    }

    fn tell(&self, rows: &mut Rows, news: &News) {
        let control = self.custom.seen();
        match news {
            News::All => {
                let accounts = self.ownership.accounts();
                rows.set_accounts(accounts.map(|(name, id)| self.account_row(id, name)));
                let tokens = control.map_or(&[][..], |control| &control.tokens);
                rows.set_tokens(tokens.iter());
                rows.places.clone_from(&self.settings.hostnames.places);
                let suffix = self.settings.hostnames.partial_suffix.to_string();
                let partial = self.settings.partial_zones();
                rows.partial =
                    partial.map(|zone| (zone.to_string().into(), (*suffix).into())).collect();
            }
            News::Of { accounts, tokens } => {
                for id in accounts.iter().filter(|id| self.accounts.contains_key(id)) {
                    rows.put_account(self.account_row(*id, self.account_name(*id)));
                }
                for id in tokens {
                    match control.as_ref().ok().and_then(|control| control.token(*id)) {
                        Some(token) => rows.put_token(token),
                        None => rows.remove_token(*id),
                    }
                }
            }
        }
    }

    fn account_row(&self, id: AccountId, name: &str) -> AccountRow {
        let stored = self.custom.seen().ok().and_then(|control| control.account(id));
        let title = self.settings.accounts.get(name).map_or("", |a| &a.name);
        AccountRow {
            id,
            name: name.into(),
            title: title.into(),
            created_at: stored.map_or(Default::default(), |a| a.created_at),
            settings: stored.map_or("{}", |a| &a.settings).into(),
        }
    }
}

fn row_of_claim(claim: &Arc<Claim>) -> ZoneRow {
    let name = claim.apex.to_string().into();
    ZoneRow { id: claim.zone, account: claim.account, name, claim: Some(Arc::clone(claim)) }
}

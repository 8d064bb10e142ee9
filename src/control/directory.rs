//! Who there is, for those who read beside the publisher: accounts, zones and tokens, in the order of their lists.
//!
//! No question of a resolver comes here.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::base::id::{AccountId, ZoneId};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::proof::Places;
use crate::policy::claims::Claim;
use crate::store::state::change::Token;
use crate::store::state::lineage;

/// One account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRow {
    pub id: AccountId,
    /// Of its folder; unique.
    pub name: Box<str>,
    /// For people; empty if there is none.
    pub title: Box<str>,
    pub created_at: UnixTime,
    /// Settings made through the API, a JSON object.
    pub settings: Box<str>,
}

/// One zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneRow {
    pub id: ZoneId,
    pub account: AccountId,
    /// The apex as text, lower case, without the final dot.
    pub name: Box<str>,
    /// How it was made and stands, if it was made through the API; `None`: its file says so.
    pub claim: Option<Arc<Claim>>,
}

/// See the head of the file.
#[derive(Debug)]
pub struct Directory {
    rows: RwLock<Rows>,
    /// Whether it was filled for the first time.
    filled: watch::Sender<bool>,
}

impl Default for Directory {
    fn default() -> Directory {
        Directory { rows: RwLock::default(), filled: watch::Sender::new(false) }
    }
}

/// What there is at one moment.
#[derive(Debug, Default)]
pub struct Rows {
    accounts: BTreeMap<AccountId, Arc<AccountRow>>,
    zones: HashMap<ZoneId, Arc<ZoneRow>>,
    by_name: BTreeSet<ByName>,
    by_account: BTreeSet<ByAccount>,
    counts: HashMap<AccountId, usize>,
    /// As they are stored; what they may do is less if those that made them may do less.
    tokens: HashMap<[u8; 32], Arc<Token>>,
    token_hashes: HashMap<Uuid, [u8; 32]>,
    /// Where customers place the tokens of custom hostnames.
    pub places: Places,
    /// Zones that are partial, if they are there, and what stands behind their names then.
    pub partial: HashMap<Box<str>, Box<str>>,
}

#[derive(Clone, Debug)]
struct ByName(Arc<ZoneRow>);

#[derive(Clone, Debug)]
struct ByAccount(Arc<ZoneRow>);

impl Directory {
    /// It says everything from now on.
    pub fn open(&self) {
        self.filled.send_replace(true);
    }

    /// Waits until it says everything: not after the first second of a server with a million zones.
    pub async fn wait(&self) {
        if !*self.filled.borrow() {
            // The sender is here: it cannot be gone.
            let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
        }
    }

    /// For reading several things of one moment. Held shortly: the publisher waits for it.
    pub fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the publisher.
    pub fn change(&self, change: impl FnOnce(&mut Rows)) {
        change(&mut self.rows.write().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn account(&self, id: AccountId) -> Option<Arc<AccountRow>> {
        self.rows().accounts.get(&id).cloned()
    }

    pub fn zone(&self, id: ZoneId) -> Option<Arc<ZoneRow>> {
        self.rows().zones.get(&id).cloned()
    }

    /// The token of a hash.
    pub fn token(&self, hash: &[u8; 32]) -> Option<Arc<Token>> {
        let rows = self.rows();
        rows.tokens.get(hash).map(|token| rows.as_usable(token))
    }
}

impl Rows {
    /// All accounts, in the order of their making.
    pub fn accounts(&self) -> impl DoubleEndedIterator<Item = &Arc<AccountRow>> {
        self.accounts.values()
    }

    pub fn account(&self, id: AccountId) -> Option<&Arc<AccountRow>> {
        self.accounts.get(&id)
    }

    pub fn zone(&self, id: ZoneId) -> Option<&Arc<ZoneRow>> {
        self.zones.get(&id)
    }

    /// All zones by name, or those of one account.
    pub fn zones(
        &self,
        of: Option<AccountId>,
    ) -> Box<dyn DoubleEndedIterator<Item = &Arc<ZoneRow>> + '_> {
        match of {
            None => Box::new(self.by_name.iter().map(|entry| &entry.0)),
            Some(account) => {
                // No name is empty, and no id of an account is the highest number.
                let end = |account| {
                    let name = "".into();
                    ByAccount(Arc::new(ZoneRow { id: ZoneId(0), account, name, claim: None }))
                };
                let next = AccountId(account.0.saturating_add(1));
                let range = self.by_account.range(end(account)..end(next));
                Box::new(range.map(|entry| &entry.0))
            }
        }
    }

    /// All zones of that name: several accounts may claim one.
    pub fn zones_named(&self, name: &str) -> impl Iterator<Item = &Arc<ZoneRow>> {
        let end = |id| {
            ByName(Arc::new(ZoneRow {
                id: ZoneId(id),
                account: AccountId(0),
                name: name.into(),
                claim: None,
            }))
        };
        self.by_name.range(end(0)..=end(u32::MAX)).map(|entry| &entry.0)
    }

    /// How many zones there are, or how many of one account.
    pub fn zone_count(&self, of: Option<AccountId>) -> usize {
        match of {
            None => self.zones.len(),
            Some(account) => self.counts.get(&account).copied().unwrap_or(0),
        }
    }

    /// The token of an id.
    pub fn token(&self, id: Uuid) -> Option<Arc<Token>> {
        self.stored_token(id).map(|token| self.as_usable(token))
    }

    /// All tokens, in no order.
    pub fn tokens(&self) -> impl Iterator<Item = Arc<Token>> {
        self.tokens.values().map(|token| self.as_usable(token))
    }

    fn stored_token(&self, id: Uuid) -> Option<&Arc<Token>> {
        self.tokens.get(self.token_hashes.get(&id)?)
    }

    /// The token within those that it comes from.
    fn as_usable(&self, token: &Arc<Token>) -> Arc<Token> {
        match token.parent {
            None => Arc::clone(token),
            Some(_) => Arc::new(lineage::narrowed(token, |id| self.stored_token(id))),
        }
    }

    pub fn put_zone(&mut self, row: ZoneRow) {
        self.remove_zone(row.id);
        let row = Arc::new(row);
        *self.counts.entry(row.account).or_default() += 1;
        self.by_name.insert(ByName(Arc::clone(&row)));
        self.by_account.insert(ByAccount(Arc::clone(&row)));
        self.zones.insert(row.id, row);
    }

    pub fn remove_zone(&mut self, id: ZoneId) {
        let Some(row) = self.zones.remove(&id) else { return };
        if let Some(count) = self.counts.get_mut(&row.account) {
            *count -= 1;
        }
        self.by_name.remove(&ByName(Arc::clone(&row)));
        self.by_account.remove(&ByAccount(row));
    }

    /// All zones at once, each id once: sorted as a whole, which takes a fraction of putting them in one by one.
    pub fn set_zones(&mut self, zones: Vec<ZoneRow>) {
        let mut rows: Vec<Arc<ZoneRow>> = zones.into_iter().map(Arc::new).collect();
        rows.sort_unstable_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        self.by_name = rows.iter().cloned().map(ByName).collect();
        self.counts.clear();
        rows.iter().for_each(|row| *self.counts.entry(row.account).or_default() += 1);
        self.zones = rows.iter().map(|row| (row.id, Arc::clone(row))).collect();
        // Within an account they stay in the order of their names.
        rows.sort_by_key(|row| row.account);
        self.by_account = rows.into_iter().map(ByAccount).collect();
    }

    pub fn set_accounts(&mut self, accounts: impl Iterator<Item = AccountRow>) {
        self.accounts = accounts.map(|row| (row.id, Arc::new(row))).collect();
        self.counts.retain(|_, count| *count > 0);
    }

    pub fn put_account(&mut self, row: AccountRow) {
        self.accounts.insert(row.id, Arc::new(row));
    }

    pub fn set_tokens<'t>(&mut self, tokens: impl Iterator<Item = &'t Token>) {
        self.tokens.clear();
        self.token_hashes.clear();
        tokens.for_each(|token| self.put_token(token));
    }

    pub fn put_token(&mut self, token: &Token) {
        self.remove_token(token.id);
        self.token_hashes.insert(token.id, token.hash);
        self.tokens.insert(token.hash, Arc::new(token.clone()));
    }

    pub fn remove_token(&mut self, id: Uuid) {
        if let Some(hash) = self.token_hashes.remove(&id) {
            self.tokens.remove(&hash);
        }
    }
}

impl ByName {
    fn key(&self) -> (&str, ZoneId) {
        (&self.0.name, self.0.id)
    }
}

impl ByAccount {
    fn key(&self) -> (AccountId, &str, ZoneId) {
        (self.0.account, &self.0.name, self.0.id)
    }
}

macro_rules! ordered {
    ($type:ident) => {
        impl Ord for $type {
            fn cmp(&self, other: &$type) -> Ordering {
                self.key().cmp(&other.key())
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &$type) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &$type) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for $type {}
    };
}

ordered!(ByName);
ordered!(ByAccount);

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u32, account: u32, name: &str) -> ZoneRow {
        ZoneRow { id: ZoneId(id), account: AccountId(account), name: name.into(), claim: None }
    }

    #[test]
    fn zones_in_their_orders() {
        let directory = Directory::default();
        directory.change(|rows| {
            for (id, account, name) in
                [(1, 1, "b.example"), (2, 2, "a.example"), (3, 1, "c.example"), (4, 2, "b.example")]
            {
                rows.put_zone(row(id, account, name));
            }
        });
        let ids = |of: Option<u32>| {
            let rows = directory.rows();
            rows.zones(of.map(AccountId)).map(|row| row.id.0).collect::<Vec<_>>()
        };
        assert_eq!((ids(None), ids(Some(1)), ids(Some(3))), (vec![2, 1, 4, 3], vec![1, 3], vec![]));
        assert_eq!(directory.rows().zones_named("b.example").count(), 2);
        directory.change(|rows| {
            rows.remove_zone(ZoneId(1));
            rows.put_zone(row(3, 1, "a.example"));
        });
        assert_eq!(ids(None), [2, 3, 4]);
        assert_eq!(directory.rows().zone_count(Some(AccountId(1))), 1);
        assert!(directory.zone(ZoneId(1)).is_none());
    }
}

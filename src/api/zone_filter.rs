//! Which zones of a list are wanted, in which order: `name=contains:shop&status=active&order=name`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::error::ApiError;
use super::page::{Page, Params};
use super::{Api, Caller, accounts, zones};
use crate::base::id::{AccountId, ZoneId};
use crate::control::directory::{Rows, ZoneRow};

/// How a text is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Equal,
    NotEqual,
    StartsWith,
    EndsWith,
    Contains,
}

const HOWS: [(&str, How); 5] = [
    ("equal", How::Equal),
    ("not_equal", How::NotEqual),
    ("starts_with", How::StartsWith),
    ("ends_with", How::EndsWith),
    ("contains", How::Contains),
];
const EXACT: &str = "_case_sensitive";

/// One comparison.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Text {
    how: How,
    wanted: String,
    exact: bool,
}

impl Text {
    /// `value`, or `how:value`.
    fn read(text: &str) -> Text {
        let split = text.split_once(':').and_then(|(word, wanted)| {
            let (word, exact) = match word.strip_suffix(EXACT) {
                Some(word) => (word, true),
                None => (word, false),
            };
            let how = HOWS.iter().find(|(name, _)| *name == word)?.1;
            Some((how, wanted, exact))
        });
        let (how, wanted, exact) = split.unwrap_or((How::Equal, text, false));
        let wanted = if exact { wanted.to_owned() } else { wanted.to_lowercase() };
        Text { how, wanted, exact }
    }

    fn holds(&self, text: &str) -> bool {
        let lower;
        let text = if self.exact || !text.chars().any(char::is_uppercase) {
            text
        } else {
            lower = text.to_lowercase();
            &lower
        };
        match self.how {
            How::Equal => text == self.wanted,
            How::NotEqual => text != self.wanted,
            How::StartsWith => text.starts_with(&self.wanted),
            How::EndsWith => text.ends_with(&self.wanted),
            How::Contains => text.contains(&self.wanted),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Name,
    Status,
    AccountId,
    AccountName,
}

const ORDERS: [(&str, Order); 5] = [
    ("name", Order::Name),
    ("status", Order::Status),
    ("account.id", Order::AccountId),
    ("account.name", Order::AccountName),
    // All have the same.
    ("plan.id", Order::Name),
];

/// See the head of the file.
#[derive(Debug)]
pub struct Filter {
    name: Option<Text>,
    account_name: Option<Text>,
    /// `Some(None)`: of an account that is nobody's.
    account: Option<Option<AccountId>>,
    status: Option<String>,
    kinds: Option<String>,
    order: Order,
    descending: bool,
    any: bool,
}

impl Filter {
    pub fn read(api: &Api, params: &Params) -> Result<Filter, ApiError> {
        let text = |name: &str| params.get(name).map(Text::read);
        let mut name = text("name");
        if let Some(name) = name.as_mut().filter(|name| name.how == How::Equal) {
            name.wanted = name.wanted.trim_end_matches('.').to_owned();
        }
        let words = [("pending", ()), ("active", ()), ("moved", ()), ("initializing", ())];
        let more = [("deleted", ()), ("deactivated", ()), ("read only", ())];
        params.word("status", &[&words[..], &more].concat())?;
        Ok(Filter {
            name,
            account_name: text("account.name"),
            account: params.get("account.id").map(|id| api.ids.read_account(id)),
            status: params.get("status").map(str::to_owned),
            kinds: params.get("type").map(str::to_owned),
            order: params.word("order", &ORDERS)?.unwrap_or(Order::Name),
            descending: params.is_descending()?,
            any: params.word("match", &[("all", false), ("any", true)])?.unwrap_or(false),
        })
    }

    /// One page, and how many there are in all. Zones lie in the order of their names already, each account's by
    /// themselves too: nothing is sorted but accounts, and of what is passed over nothing is looked at if nothing is
    /// asked of it.
    pub fn page<'r>(
        &self,
        rows: &'r Rows,
        caller: &Caller,
        page: &Page,
    ) -> (Vec<&'r Arc<ZoneRow>>, usize) {
        let own = caller.token.account;
        let of = match (own, self.account, self.any) {
            (Some(own), ..) => Some(own),
            (None, Some(Some(one)), false) => Some(one),
            _ => None,
        };
        let asked = Asked { filter: self, titled: self.titled(rows), caller, rows };
        // Few that are known beforehand: those of a name, or those that the token is for.
        if let Some(name) = self.name.as_ref().filter(|n| n.how == How::Equal && !self.any) {
            return self.sorted(rows.zones_named(&name.wanted), &asked, page, rows);
        }
        if let Some(zones) = &caller.token.scope.zones {
            let once: BTreeSet<ZoneId> = zones.iter().copied().collect();
            let zones = once.into_iter().filter_map(|id| rows.zone(id));
            return self.sorted(zones, &asked, page, rows);
        }
        let is_all = !self.has_conditions(own);
        match (self.order, of) {
            (Order::AccountId | Order::AccountName, None) => {
                let accounts = self.accounts(rows);
                let zones = accounts.iter().flat_map(|id| rows.zones(Some(*id)));
                match is_all {
                    true => {
                        let all = rows.zone_count(None);
                        (part(zones, self.descending, page, all), all)
                    }
                    false => self.wanted(zones, &asked, page),
                }
            }
            (Order::Status, _) => self.by_status(rows, of, &asked, page),
            (_, of) if is_all => {
                let all = rows.zone_count(of);
                (part(rows.zones(of), self.descending, page, all), all)
            }
            (_, of) => self.wanted(rows.zones(of), &asked, page),
        }
    }

    /// Zones that are wanted, of some that are in order.
    fn wanted<'r>(
        &self,
        zones: impl DoubleEndedIterator<Item = &'r Arc<ZoneRow>>,
        asked: &Asked<'_>,
        page: &Page,
    ) -> (Vec<&'r Arc<ZoneRow>>, usize) {
        let found: Vec<_> = zones.filter(|zone| asked.holds(zone)).collect();
        let all = found.len();
        (part(found.into_iter(), self.descending, page, all), all)
    }

    /// The same in the order of their statuses, and within one of their names.
    fn by_status<'r>(
        &self,
        rows: &'r Rows,
        of: Option<AccountId>,
        asked: &Asked<'_>,
        page: &Page,
    ) -> (Vec<&'r Arc<ZoneRow>>, usize) {
        let mut with: BTreeMap<&str, Vec<&Arc<ZoneRow>>> = BTreeMap::new();
        for zone in rows.zones(of).filter(|zone| asked.holds(zone)) {
            with.entry(zones::status(zone)).or_default().push(zone);
        }
        let found: Vec<_> = with.into_values().flatten().collect();
        let all = found.len();
        (part(found.into_iter(), self.descending, page, all), all)
    }

    /// All accounts in the order of the list.
    fn accounts(&self, rows: &Rows) -> Vec<AccountId> {
        let mut accounts: Vec<AccountId> = rows.accounts().map(|row| row.id).collect();
        if self.order == Order::AccountName {
            let title = |id: &AccountId| rows.account(*id).map(|row| accounts::title(row));
            accounts.sort_by_cached_key(|id| (title(id), *id));
        }
        accounts
    }

    /// Accounts whose name is wanted, if one is.
    fn titled(&self, rows: &Rows) -> Option<HashSet<AccountId>> {
        let name = self.account_name.as_ref()?;
        let titled = rows.accounts().filter(|row| name.holds(&accounts::title(row)));
        Some(titled.map(|row| row.id).collect())
    }

    /// Whether anything but the account is asked of a zone.
    fn has_conditions(&self, own: Option<AccountId>) -> bool {
        let account = match (self.account, own) {
            (None, _) => false,
            (Some(wanted), Some(own)) => wanted != Some(own),
            (Some(wanted), None) => wanted.is_none() || self.any,
        };
        let texts = self.name.is_some() || self.account_name.is_some();
        texts || account || self.status.is_some() || self.kinds.is_some()
    }

    /// A few zones, whatever order they come in.
    fn sorted<'r>(
        &self,
        zones: impl Iterator<Item = &'r Arc<ZoneRow>>,
        asked: &Asked<'_>,
        page: &Page,
        rows: &Rows,
    ) -> (Vec<&'r Arc<ZoneRow>>, usize) {
        let mut found: Vec<_> = zones.filter(|zone| asked.holds(zone)).collect();
        let title = |zone: &ZoneRow| rows.account(zone.account).map(|row| accounts::title(row));
        found.sort_by_cached_key(|zone| {
            let first = match self.order {
                Order::Name => None,
                Order::Status => Some(zones::status(zone).to_owned()),
                Order::AccountId => Some(format!("{:010}", zone.account.0)),
                Order::AccountName => title(zone),
            };
            (first, zone.name.clone(), zone.id)
        });
        let all = found.len();
        (part(found.into_iter(), self.descending, page, all), all)
    }
}

/// What is asked of a zone, and by whom.
struct Asked<'a> {
    filter: &'a Filter,
    titled: Option<HashSet<AccountId>>,
    caller: &'a Caller,
    rows: &'a Rows,
}

impl Asked<'_> {
    fn holds(&self, zone: &ZoneRow) -> bool {
        let Asked { filter, titled, caller, rows } = self;
        if !caller.sees_zone(zone.id, zone.account) {
            return false;
        }
        let conditions = [
            filter.name.as_ref().map(|name| name.holds(&zone.name)),
            titled.as_ref().map(|titled| titled.contains(&zone.account)),
            filter.account.map(|account| account == Some(zone.account)),
            filter.status.as_ref().map(|status| zones::status(zone) == status),
            filter.kinds.as_ref().map(|kinds| {
                let own = zones::kind(rows, zone);
                kinds.split(',').any(|kind| kind == own)
            }),
        ];
        let mut said = conditions.into_iter().flatten();
        if filter.any && conditions.iter().any(Option::is_some) {
            said.any(|holds| holds)
        } else {
            said.all(|holds| holds)
        }
    }
}

/// A page of a list of `all` that is in order, begun at the end that is nearer.
fn part<'r>(
    list: impl DoubleEndedIterator<Item = &'r Arc<ZoneRow>>,
    descending: bool,
    page: &Page,
    all: usize,
) -> Vec<&'r Arc<ZoneRow>> {
    let skip = page.skip().min(all);
    let size = page.size.min(all - skip);
    let behind = all - skip - size;
    let (from_end, far) = match behind < skip {
        true => (!descending, behind),
        false => (descending, skip),
    };
    let mut part: Vec<_> = match from_end {
        false => list.skip(far).take(size).collect(),
        true => list.rev().skip(far).take(size).collect(),
    };
    if behind < skip {
        part.reverse();
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_as_asked() {
        for (filter, text, holds) in [
            ("Shop.example", "shop.example", true),
            ("contains:SHOP", "my-shop.example", true),
            ("starts_with:my", "my-shop.example", true),
            ("ends_with:.org", "my-shop.example", false),
            ("not_equal:a", "a", false),
            ("equal_case_sensitive:A", "a", false),
            ("contains_case_sensitive:Inc", "ACME Inc.", true),
            ("contains:inc", "ACME Inc.", true),
            ("unknown:x", "unknown:x", true),
        ] {
            assert_eq!(Text::read(filter).holds(text), holds, "{filter} {text}");
        }
    }
}

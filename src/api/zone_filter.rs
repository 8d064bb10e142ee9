//! Which zones of a list are wanted, in which order: `name=contains:shop&status=active&order=name`.

use std::cmp::Ordering;
use std::sync::Arc;

use super::error::ApiError;
use super::page::{Page, Params};
use super::{Api, Caller, accounts, zones};
use crate::base::id::AccountId;
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

    /// One page, and how many there are in all.
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
        // The name, or the whole of an account, needs no look at the others.
        if let Some(name) = self.name.as_ref().filter(|n| n.how == How::Equal && !self.any) {
            let named = rows.zones_named(&name.wanted);
            let found = named.filter(|zone| self.is_wanted(rows, caller, zone)).collect();
            return self.cut(found, page, rows);
        }
        if self.order == Order::Name
            && !self.has_conditions(own)
            && caller.token.scope.zones.is_none()
        {
            let all = rows.zone_count(of);
            let zones = rows.zones(of);
            let found: Vec<_> = match self.descending {
                false => zones.skip(page.skip()).take(page.size).collect(),
                true => zones.rev().skip(page.skip()).take(page.size).collect(),
            };
            return (found, all);
        }
        let zones = rows.zones(of);
        let found = zones.filter(|zone| self.is_wanted(rows, caller, zone)).collect();
        self.cut(found, page, rows)
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

    fn is_wanted(&self, rows: &Rows, caller: &Caller, zone: &ZoneRow) -> bool {
        if !caller.sees_zone(zone.id, zone.account) {
            return false;
        }
        let title = |row| accounts::title(row);
        let conditions = [
            self.name.as_ref().map(|name| name.holds(&zone.name)),
            self.account_name
                .as_ref()
                .map(|name| rows.account(zone.account).is_some_and(|row| name.holds(&title(row)))),
            self.account.map(|account| account == Some(zone.account)),
            self.status.as_ref().map(|status| zones::status(zone) == status),
            self.kinds.as_ref().map(|kinds| kinds.split(',').any(|kind| kind == "full")),
        ];
        let mut said = conditions.into_iter().flatten();
        if self.any && conditions.iter().any(Option::is_some) {
            said.any(|holds| holds)
        } else {
            said.all(|holds| holds)
        }
    }

    fn cut<'r>(
        &self,
        mut found: Vec<&'r Arc<ZoneRow>>,
        page: &Page,
        rows: &Rows,
    ) -> (Vec<&'r Arc<ZoneRow>>, usize) {
        let all = found.len();
        let title = |zone: &ZoneRow| rows.account(zone.account).map(|row| accounts::title(row));
        let compare = |a: &ZoneRow, b: &ZoneRow| match self.order {
            Order::Name => Ordering::Equal,
            Order::Status => zones::status(a).cmp(zones::status(b)),
            Order::AccountId => a.account.cmp(&b.account),
            Order::AccountName => title(a).cmp(&title(b)),
        };
        found.sort_by(|a, b| compare(a, b).then_with(|| (&a.name, a.id).cmp(&(&b.name, b.id))));
        if self.descending {
            found.reverse();
        }
        (found.into_iter().skip(page.skip()).take(page.size).collect(), all)
    }
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

//! Which records a list shows, in which order, and which page of them.

use std::cmp::Ordering;

use super::{Problem, Record, content};
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::rdata;

/// Records on a page when nothing is said, and at the most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 5_000_000;

/// What a list asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    conditions: Vec<Condition>,
    any: bool,
    tags: Vec<(TagPart, String)>,
    any_tag: bool,
    order: Order,
    descending: bool,
    pub page: usize,
    pub per_page: usize,
}

/// See [`Query::plain`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plain {
    /// Only records of this type.
    pub rtype: Option<RType>,
    /// By name, type and id; otherwise by the text of the type, name and id.
    pub by_name: bool,
    pub descending: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Type,
    Name,
    Content,
    Ttl,
    Proxied,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Condition {
    Name(Compare, String),
    Content(Compare, String),
    Comment(Compare, String),
    HasComment(bool),
    Type(RType),
    /// No record is proxied.
    Proxied(bool),
    Search(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Compare {
    Exact,
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TagPart {
    Present,
    Absent,
    Value(Compare),
}

impl Compare {
    fn of(word: &str) -> Option<Compare> {
        Some(match word {
            "" | "exact" => Compare::Exact,
            "contains" => Compare::Contains,
            "startswith" => Compare::StartsWith,
            "endswith" => Compare::EndsWith,
            _ => return None,
        })
    }

    /// `wanted` is in lower case.
    fn holds(self, text: &str, wanted: &str) -> bool {
        let text = text.to_lowercase();
        match self {
            Compare::Exact => text == wanted,
            Compare::Contains => text.contains(wanted),
            Compare::StartsWith => text.starts_with(wanted),
            Compare::EndsWith => text.ends_with(wanted),
        }
    }
}

impl Default for Query {
    fn default() -> Query {
        Query {
            conditions: Vec::new(),
            any: false,
            tags: Vec::new(),
            any_tag: false,
            order: Order::Type,
            descending: false,
            page: 1,
            per_page: PAGE,
        }
    }
}

impl Query {
    /// Reads the parameters of a request. Those that are not about records are for others.
    pub fn read(parameters: &[(String, String)]) -> Result<Query, Problem> {
        let mut query = Query::default();
        for (key, value) in parameters {
            let (field, word) = key.split_once('.').unwrap_or((key, ""));
            let wanted = value.to_lowercase();
            let compare = || Compare::of(word).ok_or_else(|| wrong(key));
            let dotless = || wanted.trim_end_matches('.').to_owned();
            match field {
                "name" => query.conditions.push(Condition::Name(compare()?, dotless())),
                "content" => query.conditions.push(Condition::Content(compare()?, wanted)),
                "comment" if matches!(word, "present" | "absent") => {
                    query.conditions.push(Condition::HasComment(word == "present"));
                }
                "comment" => query.conditions.push(Condition::Comment(compare()?, wanted)),
                "tag" if word == "present" => query.tags.push((TagPart::Present, wanted)),
                "tag" if word == "absent" => query.tags.push((TagPart::Absent, wanted)),
                "tag" => query.tags.push((TagPart::Value(compare()?), wanted)),
                "type" => {
                    let rtype = rdata::type_from_text(value.as_bytes());
                    query.conditions.push(Condition::Type(rtype.ok_or_else(|| wrong(key))?));
                }
                "proxied" => query.conditions.push(Condition::Proxied(truth(key, &wanted)?)),
                "search" => query.conditions.push(Condition::Search(wanted)),
                "match" => query.any = any(key, &wanted)?,
                "tag_match" => query.any_tag = any(key, &wanted)?,
                "order" => query.order = order(key, &wanted)?,
                "direction" => {
                    query.descending = match wanted.as_str() {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err(wrong(key)),
                    };
                }
                "page" => query.page = number(key, value, usize::MAX)?,
                "per_page" => query.per_page = number(key, value, PAGE_MAX)?,
                _ => {}
            }
        }
        Ok(query)
    }

    /// The one name that is asked for, if it is one: the store finds that quickly.
    pub fn only_name(&self) -> Option<Name> {
        let mut names = self.conditions.iter().filter_map(|condition| match condition {
            Condition::Name(Compare::Exact, name) => Name::from_text(name).ok(),
            _ => None,
        });
        names.next_back().filter(|_| !self.any)
    }

    /// Whether a record is wanted.
    pub fn matches(&self, record: &Record) -> bool {
        let mut conditions = self.conditions.iter().map(|condition| condition.holds(record));
        let mut tags = self.tags.iter().map(|(part, wanted)| has_tag(record, *part, wanted));
        let tags_hold = match (self.tags.is_empty(), self.any_tag) {
            (true, _) => None,
            (false, true) => Some(tags.any(|holds| holds)),
            (false, false) => Some(tags.all(|holds| holds)),
        };
        match self.any {
            true if self.conditions.is_empty() && tags_hold.is_none() => true,
            true => conditions.any(|holds| holds) || tags_hold == Some(true),
            false => conditions.all(|holds| holds) && tags_hold != Some(false),
        }
    }

    /// What is asked, if that is no more than an order and a type: a store may have it in that order.
    pub fn plain(&self) -> Option<Plain> {
        let rtype = match &self.conditions[..] {
            [] => None,
            [Condition::Type(rtype)] => Some(*rtype),
            _ => return None,
        };
        let by_name = match self.order {
            Order::Name => true,
            Order::Type | Order::Proxied => false,
            Order::Content | Order::Ttl => return None,
        };
        self.tags.is_empty().then_some(Plain { rtype, by_name, descending: self.descending })
    }

    /// The page of the records that are wanted, in order, and how many are wanted in all.
    pub fn page(&self, mut records: Vec<Record>) -> (Vec<Record>, usize) {
        records.retain(|record| self.matches(record));
        self.cut(records)
    }

    /// The page of records that are all wanted, and how many they are.
    pub fn cut(&self, mut records: Vec<Record>) -> (Vec<Record>, usize) {
        let total = records.len();
        let from = (self.page - 1).saturating_mul(self.per_page);
        if from >= total {
            return (Vec::new(), total);
        }
        self.sort(&mut records);
        let to = from.saturating_add(self.per_page).min(total);
        records.truncate(to);
        records.drain(..from);
        (records, total)
    }

    fn sort(&self, records: &mut [Record]) {
        let type_text = |record: &Record| rdata::type_text(record.rtype).to_string();
        let rest = |a: &Record, b: &Record| -> Ordering {
            (type_text(a), a.name.to_string(), &a.rdata, a.id).cmp(&(
                type_text(b),
                b.name.to_string(),
                &b.rdata,
                b.id,
            ))
        };
        match self.order {
            // Keys are texts that cost: each is made once.
            Order::Type | Order::Proxied => {
                records.sort_by_cached_key(|r| (type_text(r), r.name.to_string(), r.id));
            }
            Order::Name => {
                records.sort_by_cached_key(|r| (r.name.to_string(), r.rtype, r.id));
            }
            Order::Content => records.sort_by_cached_key(|r| (content::of(r), r.id)),
            Order::Ttl => records.sort_by(|a, b| a.ttl.cmp(&b.ttl).then_with(|| rest(a, b))),
        }
        if self.descending {
            records.reverse();
        }
    }
}

impl Condition {
    fn holds(&self, record: &Record) -> bool {
        match self {
            Condition::Name(compare, wanted) => compare.holds(&record.name.to_string(), wanted),
            Condition::Content(compare, wanted) => content_holds(record, *compare, wanted),
            Condition::Comment(compare, wanted) => compare.holds(&record.comment, wanted),
            Condition::HasComment(there) => record.comment.is_empty() != *there,
            Condition::Type(rtype) => record.rtype == *rtype,
            Condition::Proxied(proxied) => !proxied,
            Condition::Search(wanted) => {
                let contains = |text: &str| text.to_lowercase().contains(wanted.as_str());
                contains(&record.name.to_string())
                    || content_holds(record, Compare::Contains, wanted)
                    || contains(&record.comment)
                    || record.tags.iter().any(|tag| contains(tag))
            }
        }
    }
}

/// TXT is found with its quotes and without; names with a final dot and without.
fn content_holds(record: &Record, compare: Compare, wanted: &str) -> bool {
    let text = content::of(record);
    if compare.holds(&text, wanted) || compare.holds(&text, wanted.trim_end_matches('.')) {
        return true;
    }
    record.rtype == rtype::TXT && compare.holds(&content::joined_text(&record.rdata), wanted)
}

fn has_tag(record: &Record, part: TagPart, wanted: &str) -> bool {
    let named = |name: &str| {
        record
            .tags
            .iter()
            .any(|tag| tag.split(':').next().is_some_and(|own| own.eq_ignore_ascii_case(name)))
    };
    match part {
        TagPart::Present => named(wanted),
        TagPart::Absent => !named(wanted),
        TagPart::Value(compare) => match wanted.split_once(':') {
            // A name alone: any value.
            None => named(wanted),
            Some((name, value)) => record.tags.iter().any(|tag| {
                let (own, text) = tag.split_once(':').unwrap_or((tag, ""));
                own.eq_ignore_ascii_case(name) && compare.holds(text, value)
            }),
        },
    }
}

fn wrong(key: &str) -> Problem {
    Problem::new(Problem::BODY, format!("Invalid value of the parameter `{key}`."))
}

fn truth(key: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| wrong(key))
}

fn any(key: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "any" => Ok(true),
        "all" => Ok(false),
        _ => Err(wrong(key)),
    }
}

fn order(key: &str, value: &str) -> Result<Order, Problem> {
    Ok(match value {
        "type" => Order::Type,
        "name" => Order::Name,
        "content" => Order::Content,
        "ttl" => Order::Ttl,
        "proxied" => Order::Proxied,
        _ => return Err(wrong(key)),
    })
}

fn number(key: &str, value: &str, most: usize) -> Result<usize, Problem> {
    value.parse().ok().filter(|n| (1..=most).contains(n)).ok_or_else(|| wrong(key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::time::UnixTime;
    use crate::base::uuid::Uuid;
    use crate::records::input::Input;

    fn records() -> Vec<Record> {
        let apex = Name::from_text("zone.example").unwrap();
        [
            json!({ "type": "A", "name": "b", "content": "192.0.2.1", "ttl": 600,
                "tags": ["team:dns", "old"] }),
            json!({ "type": "TXT", "name": "_acme-challenge", "content": "token", "ttl": 60 }),
            json!({ "type": "A", "name": "a", "content": "192.0.2.2", "comment": "Moved in May" }),
            json!({ "type": "CNAME", "name": "www", "content": "a.zone.example", "tags": ["team:web"] }),
        ]
        .iter()
        .enumerate()
        .map(|(n, value)| {
            let input = Input::from_json(value.as_object().unwrap()).unwrap();
            input.create(&apex, Uuid([n as u8; 16]), UnixTime(1)).unwrap()
        })
        .collect()
    }

    fn shown(query: &str) -> String {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let (page, total) = Query::read(&pairs).unwrap().page(records());
        let first = |r: &Record| r.name.to_string().split('.').next().unwrap_or("").to_owned();
        let names: Vec<String> = page.iter().map(first).collect();
        format!("{} of {total}", names.join(" "))
    }

    #[test]
    fn filters_orders_and_pages() {
        for (query, expected) in [
            ("", "a b www _acme-challenge of 4"),
            ("type=A", "a b of 2"),
            ("name=A.zone.example", "a of 1"),
            ("name.contains=ACME", "_acme-challenge of 1"),
            ("name.startswith=w&type=CNAME", "www of 1"),
            ("name.endswith=zone.example&per_page=1&page=2", "b of 4"),
            ("page=9", " of 4"),
            ("content=token&type=TXT", "_acme-challenge of 1"),
            ("content=\"token\"", "_acme-challenge of 1"),
            ("content=a.zone.example.", "www of 1"),
            ("content.contains=192.0.2", "a b of 2"),
            ("comment.present=", "a of 1"),
            ("comment.absent=true&type=A", "b of 1"),
            ("comment.contains=may", "a of 1"),
            ("tag=team:dns", "b of 1"),
            ("tag.present=team", "b www of 2"),
            ("tag.absent=team&type=A", "a of 1"),
            ("tag.startswith=team:w", "www of 1"),
            ("tag=old&tag=team:web&tag_match=any", "b www of 2"),
            ("type=TXT&name.contains=www&match=any", "www _acme-challenge of 2"),
            ("search=may", "a of 1"),
            ("search=web", "www of 1"),
            ("order=name", "_acme-challenge a b www of 4"),
            ("order=name&direction=desc", "www b a _acme-challenge of 4"),
            ("order=ttl&per_page=2", "a www of 4"),
            ("proxied=true", " of 0"),
        ] {
            assert_eq!(shown(query), expected, "{query}");
        }
        for bad in ["page=0", "per_page=x", "order=age", "match=some", "name.like=a", "type=WHAT"] {
            let (key, value) = bad.split_once('=').unwrap();
            assert!(Query::read(&[(key.to_owned(), value.to_owned())]).is_err(), "{bad}");
        }
    }
}

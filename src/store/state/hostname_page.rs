//! One page of a zone's custom hostnames, filtered, with the count of all that match.

use rusqlite::{Connection, named_params};

use super::rows::{self, Column};
use crate::base::id::ZoneId;
use crate::hostname::object::{CustomHostname, Status};

/// Which custom hostnames of a zone are wanted. Texts are in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    pub exact: Option<String>,
    pub contains: Option<String>,
    pub starts_with: Option<String>,
    pub status: Option<Status>,
    /// With a leading `*.`, or without.
    pub wildcard: Option<bool>,
    /// The newest first.
    pub descending: bool,
    pub skip: usize,
    pub most: usize,
}

impl Wanted {
    /// Whether a hostname is.
    pub fn holds(&self, h: &CustomHostname) -> bool {
        let text = h.hostname.to_string();
        let says = |wanted: &Option<String>, how: fn(&str, &str) -> bool| {
            wanted.as_ref().is_none_or(|wanted| how(&text, wanted))
        };
        says(&self.exact, |text, wanted| text == wanted)
            && says(&self.contains, |text, wanted| text.contains(wanted))
            && says(&self.starts_with, |text, wanted| text.starts_with(wanted))
            && self.status.is_none_or(|status| status == h.status)
            && self.wildcard.is_none_or(|wildcard| wildcard == h.hostname.wildcard)
    }
}

const WHERE: &str = "WHERE zone = :zone AND (:exact IS NULL OR hostname = :exact) \
    AND (:contains IS NULL OR instr(hostname, :contains) > 0) \
    AND (:starts IS NULL OR substr(hostname, 1, length(:starts)) = :starts) \
    AND (:status IS NULL OR status = :status) \
    AND (:wildcard IS NULL OR (substr(hostname, 1, 2) = '*.') = :wildcard)";

/// The page, and how many match in all.
pub fn page(
    connection: &Connection,
    zone: ZoneId,
    wanted: &Wanted,
) -> rusqlite::Result<(Vec<CustomHostname>, usize)> {
    let Wanted { exact, contains, starts_with, status, wildcard, .. } = wanted;
    let status = status.map(Status::word);
    let count = format!("SELECT count(*) FROM hostnames {WHERE}");
    let count: i64 = connection.prepare_cached(&count)?.query_row(
        named_params! {
            ":zone": Column(zone), ":exact": exact, ":contains": contains, ":starts": starts_with,
            ":status": status, ":wildcard": wildcard,
        },
        |row| row.get(0),
    )?;
    let order = if wanted.descending { "DESC" } else { "ASC" };
    let sql =
        format!("SELECT * FROM hostnames {WHERE} ORDER BY seq {order} LIMIT :most OFFSET :skip");
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(
        named_params! {
            ":zone": Column(zone), ":exact": exact, ":contains": contains, ":starts": starts_with,
            ":status": status, ":wildcard": wildcard,
            ":most": number(wanted.most), ":skip": number(wanted.skip),
        },
        rows::hostname,
    )?;
    let found: rusqlite::Result<Vec<CustomHostname>> = found.collect();
    Ok((found?, usize::try_from(count).unwrap_or(0)))
}

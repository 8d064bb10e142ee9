//! Pages of custom hostnames: of a zone, filtered, with the count of all that match; and of a name, of all zones.

use rusqlite::{Connection, Params, ToSql, params, params_from_iter};

use super::counts::{self, Cut};
use super::rows::{self, Column};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::hostname::object::{CustomHostname, Hostname, Status};

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

impl Wanted {
    /// Nothing is asked of a hostname but its status.
    fn is_plain(&self) -> bool {
        let texts = [&self.exact, &self.contains, &self.starts_with];
        texts.iter().all(|text| text.is_none()) && self.wildcard.is_none()
    }
}

/// What is asked of a row, as SQL with its values: only what is asked, so that indexes fit.
fn conditions(zone: ZoneId, wanted: &Wanted) -> (String, Vec<Box<dyn ToSql>>) {
    let Wanted { exact, contains, starts_with, status, wildcard, .. } = wanted;
    let mut sql = "WHERE zone = ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(Column(zone))];
    let mut and = |what: &str, value: Box<dyn ToSql>| {
        sql.push_str(what);
        values.push(value);
    };
    if let Some(exact) = exact {
        // What is no name is nobody's.
        let name = Name::from_text(exact).map(|name| rows::downward(&Hostname::of(&name)));
        and(" AND downward = ?", Box::new(name.unwrap_or_default()));
        and(" AND hostname = ?", Box::new(exact.clone()));
    }
    if let Some(text) = contains {
        and(" AND instr(hostname, ?) > 0", Box::new(text.clone()));
    }
    if let Some(text) = starts_with {
        and(" AND substr(hostname, 1, ?)", Box::new(text.chars().count() as i64));
        and(" = ?", Box::new(text.clone()));
    }
    if let Some(status) = status {
        // An index has those that are not active; it is found by these words.
        let which = match status {
            Status::Active => " AND status = ?",
            _ => " AND status <> 'active' AND status = ?",
        };
        and(which, Box::new(status.word()));
    }
    if let Some(wildcard) = wildcard {
        and(" AND (substr(hostname, 1, 2) = '*.') = ?", Box::new(*wildcard));
    }
    (sql, values)
}

/// The page, and how many match in all.
pub fn page(
    connection: &Connection,
    zone: ZoneId,
    wanted: &Wanted,
) -> rusqlite::Result<(Vec<CustomHostname>, usize)> {
    let (which, mut values) = conditions(zone, wanted);
    let count = match wanted.is_plain() {
        true => counts::of_hostnames(connection, zone, wanted.status)?,
        false => {
            let sql = format!("SELECT count(*) FROM hostnames {which}");
            let given = params_from_iter(values.iter());
            connection
                .prepare_cached(&sql)?
                .query_row(given, |row| row.get(0).map(counts::number))?
        }
    };
    let cut = Cut::of(wanted.skip, wanted.most, count);
    if cut.most == 0 {
        return Ok((Vec::new(), count));
    }
    let order = if wanted.descending != cut.backward { "DESC" } else { "ASC" };
    // An index has the zone's in this order; one of the names is asked only for a name.
    let sql = format!(
        "SELECT * FROM hostnames WHERE seq IN (SELECT seq FROM hostnames {which} \
         ORDER BY seq {order} LIMIT ? OFFSET ?) ORDER BY seq {order}"
    );
    for number in [cut.most, cut.skip] {
        values.push(Box::new(i64::try_from(number).unwrap_or(i64::MAX)));
    }
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(params_from_iter(values.iter()), rows::hostname)?;
    let found: rusqlite::Result<Vec<CustomHostname>> = found.collect();
    let mut found = found?;
    if cut.backward {
        found.reverse();
    }
    Ok((found, count))
}

/// Those at or below `apex` behind `after`, by name and zone.
pub fn within(
    connection: &Connection,
    apex: &Name,
    after: Option<&(Hostname, ZoneId)>,
    most: usize,
) -> rusqlite::Result<Vec<CustomHostname>> {
    // What is below begins with `com.example.`, and `/` is the octet behind the dot. Below the root is everything.
    let exact = rows::downward(&Hostname { base: apex.clone(), wildcard: false });
    let (from, to) = match apex.is_root() {
        true => (String::new(), "~".to_owned()),
        false => (format!("{exact}."), format!("{exact}/")),
    };
    let (after, zone) = match after {
        Some((hostname, zone)) => (rows::downward(hostname), i64::from(zone.0)),
        None => (String::new(), -1),
    };
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    // Each query is a piece of one index in its own order: nothing behind the page is looked at.
    let sql = "SELECT * FROM hostnames WHERE downward = ?1 AND (downward, zone) > (?2, ?3) \
               ORDER BY zone LIMIT ?4";
    let mut found = all(connection, sql, params![exact, after, zone, number(most)])?;
    let (after, zone) = if after < from { (from, -1) } else { (after, zone) };
    let sql = "SELECT * FROM hostnames WHERE (downward, zone) > (?1, ?2) AND downward < ?3 \
               ORDER BY downward, zone LIMIT ?4";
    let most = most.saturating_sub(found.len());
    found.extend(all(connection, sql, params![after, zone, to, number(most)])?);
    Ok(found)
}

fn all(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<CustomHostname>> {
    connection.prepare_cached(sql)?.query_map(params, rows::hostname)?.collect()
}

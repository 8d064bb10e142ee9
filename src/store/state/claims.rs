//! Zones that were claimed through the API, and what is remembered of those that were deleted.

use rusqlite::{Connection, Row as SqlRow, params};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::rows::{Column, wrong};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::policy::claims::{Claim, Proof, Status};

/// A deleted zone's set of nameservers: nobody is given it again while the parent still shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tombstone {
    pub apex: Name,
    pub nameservers: Vec<Name>,
    pub since: UnixTime,
}

/// The tables.
pub const TABLES: &str = "
CREATE TABLE claims (
    zone INTEGER PRIMARY KEY REFERENCES zones, account INTEGER NOT NULL, apex TEXT NOT NULL,
    status TEXT NOT NULL, proof TEXT,
    -- The rest, a JSON object.
    body TEXT NOT NULL
) STRICT;
CREATE TABLE tombstones (
    apex TEXT NOT NULL, nameservers TEXT NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (apex, nameservers)
) STRICT, WITHOUT ROWID;
";

/// What of a claim no question to the database is about.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    token: String,
    nameservers: Vec<String>,
    is_fresh: bool,
    paused: bool,
    created_at: u64,
    modified_at: u64,
    activated_at: Option<u64>,
    checked_at: Option<u64>,
    next_check_at: Option<u64>,
    checks: u32,
    failures: u32,
    failing_since: Option<u64>,
    saw: String,
}

fn joined(names: &[Name]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn names<'t>(texts: impl Iterator<Item = &'t str>) -> rusqlite::Result<Vec<Name>> {
    texts.map(|text| Name::from_text(text).map_err(|_| wrong())).collect()
}

fn body(claim: &Claim) -> String {
    let c = claim;
    let seconds = |at: Option<UnixTime>| at.map(|at| at.0);
    let body = Body {
        token: c.token.clone(),
        nameservers: c.nameservers.iter().map(ToString::to_string).collect(),
        is_fresh: c.is_fresh,
        paused: c.paused,
        created_at: c.created_at.0,
        modified_at: c.modified_at.0,
        activated_at: seconds(c.activated_at),
        checked_at: seconds(c.checked_at),
        next_check_at: seconds(c.next_check_at),
        checks: c.checks,
        failures: c.failures,
        failing_since: seconds(c.failing_since),
        saw: c.saw.clone(),
    };
    serde_json::to_string(&body).expect("plain data")
}

/// Makes a change of claims or tombstones.
pub fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<usize> {
    match change {
        Change::Claim(c) => {
            let sql = "INSERT OR REPLACE INTO claims (zone, account, apex, status, proof, body) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let proof = c.proof.map(Proof::word);
            let (zone, account) = (Column(c.zone), Column(c.account));
            let apex = c.apex.to_string();
            let row = params![zone, account, apex, c.status.word(), proof, body(c)];
            connection.prepare_cached(sql)?.execute(row)
        }
        Change::Tombstone(t) => {
            let sql = "INSERT OR REPLACE INTO tombstones (apex, nameservers, since) \
                       VALUES (?1, ?2, ?3)";
            let (apex, set) = (t.apex.to_string(), joined(&t.nameservers));
            connection.prepare_cached(sql)?.execute(params![apex, set, Column(t.since)])
        }
        Change::TombstoneRemoved(t) => {
            let sql = "DELETE FROM tombstones WHERE apex = ?1 AND nameservers = ?2";
            let (apex, set) = (t.apex.to_string(), joined(&t.nameservers));
            connection.prepare_cached(sql)?.execute([apex, set])
        }
        _ => Ok(0),
    }
}

pub fn claim(row: &SqlRow<'_>) -> rusqlite::Result<Claim> {
    let body: Body = serde_json::from_str(row.get_ref("body")?.as_str()?).map_err(|_| wrong())?;
    let status = Status::of(row.get_ref("status")?.as_str()?).ok_or_else(wrong)?;
    let proof: Option<String> = row.get("proof")?;
    let proof = proof.map(|word| Proof::of(&word).ok_or_else(wrong)).transpose()?;
    let time = |at: Option<u64>| at.map(UnixTime);
    Ok(Claim {
        zone: row.get::<_, Column<_>>("zone")?.0,
        account: row.get::<_, Column<_>>("account")?.0,
        apex: Name::from_text(row.get_ref("apex")?.as_str()?).map_err(|_| wrong())?,
        status,
        proof,
        token: body.token,
        nameservers: names(body.nameservers.iter().map(String::as_str))?,
        is_fresh: body.is_fresh,
        paused: body.paused,
        created_at: UnixTime(body.created_at),
        modified_at: UnixTime(body.modified_at),
        activated_at: time(body.activated_at),
        checked_at: time(body.checked_at),
        next_check_at: time(body.next_check_at),
        checks: body.checks,
        failures: body.failures,
        failing_since: time(body.failing_since),
        saw: body.saw,
    })
}

pub fn tombstone(row: &SqlRow<'_>) -> rusqlite::Result<Tombstone> {
    Ok(Tombstone {
        apex: Name::from_text(row.get_ref("apex")?.as_str()?).map_err(|_| wrong())?,
        nameservers: names(row.get_ref("nameservers")?.as_str()?.split_whitespace())?,
        since: row.get::<_, Column<_>>("since")?.0,
    })
}

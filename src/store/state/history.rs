//! Earlier versions of zones that live in the store: what each record was before the version that changed it.
//!
//! Written by the very statements that change records, so that no writer can forget it. Bounded by versions and by
//! changes of each zone: the oldest go first.

use rusqlite::{Connection, Row as SqlRow, params};

use super::records::record_of;
use super::rows::Column;
use crate::base::id::ZoneId;
use crate::base::limits::{VERSION_CHANGES, VERSIONS};
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::records::Record;

/// One version of a zone: what a write made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    pub serial: u32,
    pub at: UnixTime,
    /// As in the audit log.
    pub actor: String,
    pub action: String,
    /// Records that it changed.
    pub changes: u32,
}

/// What takes a zone back: each record that is another one now, or was not there then.
pub type Undo = Vec<(Uuid, Option<Record>)>;

/// The tables. `history` has the columns of `records`, so that a row is kept as it was.
pub const TABLES: &str = "
CREATE TABLE versions (
    zone INTEGER NOT NULL REFERENCES zones, serial INTEGER NOT NULL, at INTEGER NOT NULL,
    actor TEXT NOT NULL, action TEXT NOT NULL, changes INTEGER NOT NULL,
    PRIMARY KEY (zone, serial)
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    zone INTEGER NOT NULL,
    -- Of the version that changed it.
    serial INTEGER NOT NULL,
    id BLOB NOT NULL,
    -- 0: it was not there before.
    present INTEGER NOT NULL,
    name TEXT NOT NULL, type INTEGER NOT NULL, rdata BLOB NOT NULL, content TEXT NOT NULL,
    spelt INTEGER NOT NULL, ttl INTEGER NOT NULL, flatten INTEGER NOT NULL, comment TEXT NOT NULL,
    tags TEXT NOT NULL, created_at INTEGER NOT NULL, modified_at INTEGER NOT NULL,
    comment_at INTEGER, tags_at INTEGER,
    PRIMARY KEY (zone, serial, id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER history_counted AFTER INSERT ON history BEGIN
    UPDATE versions SET changes = changes + 1 WHERE zone = new.zone AND serial = new.serial;
END;
";

/// A version begins. Said before its records are changed.
pub fn begin(c: &Connection, zone: ZoneId, serial: u32) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO versions (zone, serial, at, actor, action, changes) \
               VALUES (?1, ?2, 0, '', '', 0)";
    c.prepare_cached(sql)?.execute(params![Column(zone), serial])?;
    // Not each time: a few versions too many do no harm.
    if serial.is_multiple_of(8) { forget(c, zone) } else { Ok(()) }
}

/// Who made the newest version of a zone, and how, if that was not said yet.
pub fn sign(
    c: &Connection,
    zone: ZoneId,
    at: UnixTime,
    actor: &str,
    action: &str,
) -> rusqlite::Result<()> {
    let sql = "UPDATE versions SET at = ?2, actor = ?3, action = ?4 WHERE zone = ?1 AND at = 0 \
               AND serial = (SELECT serial FROM contents WHERE zone = ?1)";
    c.prepare_cached(sql)?.execute(params![Column(zone), Column(at), actor, action]).map(|_| ())
}

/// Keeps what a record is before it is changed. Of one version, what was there at its beginning.
pub fn keep(c: &Connection, zone: ZoneId, id: Uuid) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO history SELECT c.zone, c.serial, ?2, r.id IS NOT NULL, \
               ifnull(r.name, ''), ifnull(r.type, 0), ifnull(r.rdata, x''), ifnull(r.content, ''), \
               ifnull(r.spelt, 0), ifnull(r.ttl, 0), ifnull(r.flatten, 0), ifnull(r.comment, ''), \
               ifnull(r.tags, ''), ifnull(r.created_at, 0), ifnull(r.modified_at, 0), \
               r.comment_at, r.tags_at FROM contents c \
               LEFT JOIN records r ON r.zone = c.zone AND r.id = ?2 \
               WHERE c.zone = ?1";
    c.prepare_cached(sql)?.execute(params![Column(zone), Column(id)]).map(|_| ())
}

/// Forgets the oldest versions beyond the bounds.
fn forget(c: &Connection, zone: ZoneId) -> rusqlite::Result<()> {
    let sql = "SELECT min(serial) FROM (SELECT serial, row_number() OVER newest AS place, \
               sum(changes) OVER newest AS total FROM versions WHERE zone = ?1 \
               WINDOW newest AS (ORDER BY serial DESC)) WHERE place <= ?2 AND total <= ?3 \
               OR place = 1";
    let bounds = params![Column(zone), VERSIONS as i64, VERSION_CHANGES as i64];
    let oldest: Option<u32> = c.prepare_cached(sql)?.query_row(bounds, |row| row.get(0))?;
    let Some(oldest) = oldest else { return Ok(()) };
    for table in ["versions", "history"] {
        let sql = format!("DELETE FROM {table} WHERE zone = ?1 AND serial < ?2");
        c.prepare_cached(&sql)?.execute(params![Column(zone), oldest])?;
    }
    Ok(())
}

/// All versions of a zone, newest first.
pub fn versions(c: &Connection, zone: ZoneId) -> rusqlite::Result<Vec<Version>> {
    let sql = "SELECT * FROM versions WHERE zone = ?1 ORDER BY serial DESC";
    c.prepare_cached(sql)?.query_map([Column(zone)], version)?.collect()
}

fn version(row: &SqlRow<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        serial: row.get("serial")?,
        at: row.get::<_, Column<_>>("at")?.0,
        actor: row.get("actor")?,
        action: row.get("action")?,
        changes: row.get("changes")?,
    })
}

/// What takes a zone back to a version; `None`: that one is not known.
pub fn undo(c: &Connection, zone: ZoneId, serial: u32) -> rusqlite::Result<Option<Undo>> {
    let sql = "SELECT count(*) FROM versions WHERE zone = ?1 AND serial = ?2";
    let known: i64 =
        c.prepare_cached(sql)?.query_row(params![Column(zone), serial], |r| r.get(0))?;
    if known == 0 {
        return Ok(None);
    }
    // Of each record the first change behind that version. (SQLite takes the other columns from the row of the least.)
    let sql = "SELECT *, min(serial) FROM history WHERE zone = ?1 AND serial > ?2 GROUP BY id";
    let mut select = c.prepare_cached(sql)?;
    let rows = select.query_map(params![Column(zone), serial], |row| {
        let id = row.get::<_, Column<_>>("id")?.0;
        let record = if row.get("present")? { Some(record_of(row)?) } else { None };
        Ok((id, record))
    })?;
    rows.collect::<rusqlite::Result<Undo>>().map(Some)
}

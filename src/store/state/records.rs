//! Zones that live in the store: rows of what they say and of their records.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, named_params, params};

use super::change::Change;
use super::history;
use super::rows::{Column, wrong};
use crate::base::id::ZoneId;
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::records::{Content, Record, Settings};

/// The tables. Records of a zone lie together, so that a zone is read at once.
pub const TABLES: &str = "
CREATE TABLE contents (
    zone INTEGER PRIMARY KEY REFERENCES zones,
    serial INTEGER NOT NULL,
    -- A JSON object.
    settings TEXT NOT NULL
) STRICT;
CREATE TABLE records (
    zone INTEGER NOT NULL REFERENCES contents,
    id BLOB NOT NULL,
    name TEXT NOT NULL, type INTEGER NOT NULL,
    -- As on the wire. `content` is the text of it, for people, and as the client spelt it.
    rdata BLOB NOT NULL, content TEXT NOT NULL, spelt INTEGER NOT NULL,
    -- 1: automatic.
    ttl INTEGER NOT NULL, flatten INTEGER NOT NULL,
    -- One tag a line.
    comment TEXT NOT NULL, tags TEXT NOT NULL,
    created_at INTEGER NOT NULL, modified_at INTEGER NOT NULL,
    comment_at INTEGER, tags_at INTEGER,
    PRIMARY KEY (zone, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_name ON records (zone, name);
";

fn put_content(connection: &Connection, content: &Content) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO contents (zone, serial, settings) VALUES (?1, ?2, ?3) \
               ON CONFLICT (zone) DO UPDATE SET serial = excluded.serial, \
               settings = excluded.settings";
    let Content { zone, serial, settings } = content;
    connection.prepare_cached(sql)?.execute(params![Column(*zone), serial, settings.to_json()])
}

/// Puts a record; 0: its zone has no content.
fn put_record(connection: &Connection, zone: ZoneId, record: &Record) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO records (zone, id, name, type, rdata, content, spelt, ttl, \
               flatten, comment, tags, created_at, modified_at, comment_at, tags_at) \
               SELECT :zone, :id, :name, :type, :rdata, :content, :spelt, :ttl, :flatten, \
               :comment, :tags, :created_at, :modified_at, :comment_at, :tags_at \
               WHERE EXISTS (SELECT 1 FROM contents WHERE zone = :zone) \
               ON CONFLICT (zone, id) DO UPDATE SET name = excluded.name, type = excluded.type, \
               rdata = excluded.rdata, content = excluded.content, spelt = excluded.spelt, \
               ttl = excluded.ttl, flatten = excluded.flatten, comment = excluded.comment, \
               tags = excluded.tags, created_at = excluded.created_at, \
               modified_at = excluded.modified_at, comment_at = excluded.comment_at, \
               tags_at = excluded.tags_at";
    let r = record;
    let content = crate::records::content::whole(r.rtype, &r.rdata, r.spelling.as_deref());
    connection.prepare_cached(sql)?.execute(named_params! {
        ":zone": Column(zone),
        ":id": Column(r.id),
        ":name": r.name.to_string(),
        ":type": r.rtype,
        ":rdata": &*r.rdata,
        ":content": content,
        ":spelt": r.spelling.is_some(),
        ":ttl": r.ttl,
        ":flatten": r.flatten,
        ":comment": &*r.comment,
        ":tags": r.tags.join("\n"),
        ":created_at": Column(r.created_at),
        ":modified_at": Column(r.modified_at),
        ":comment_at": r.comment_at.map(Column),
        ":tags_at": r.tags_at.map(Column),
    })
}

fn remove_record(connection: &Connection, zone: ZoneId, id: Uuid) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM records WHERE zone = ?1 AND id = ?2";
    connection.prepare_cached(sql)?.execute(params![Column(zone), Column(id)])
}

pub fn content(connection: &Connection, zone: ZoneId) -> rusqlite::Result<Option<Content>> {
    let mut select = connection.prepare_cached("SELECT * FROM contents WHERE zone = ?1")?;
    select.query_row([Column(zone)], content_of).optional()
}

fn content_of(row: &SqlRow<'_>) -> rusqlite::Result<Content> {
    let settings = Settings::from_json(row.get_ref("settings")?.as_str()?).ok_or_else(wrong)?;
    Ok(Content { zone: row.get::<_, Column<_>>("zone")?.0, serial: row.get("serial")?, settings })
}

pub fn contents(connection: &Connection) -> rusqlite::Result<Vec<Content>> {
    let mut select = connection.prepare_cached("SELECT * FROM contents ORDER BY zone")?;
    select.query_map([], content_of)?.collect()
}

/// The records of a zone, or those of one name.
pub fn records(
    connection: &Connection,
    zone: ZoneId,
    name: Option<&Name>,
) -> rusqlite::Result<Vec<Record>> {
    let mut all = Vec::new();
    visit(connection, zone, name, |record| all.push(record))?;
    Ok(all)
}

/// The same, one by one.
pub fn visit(
    connection: &Connection,
    zone: ZoneId,
    name: Option<&Name>,
    mut each: impl FnMut(Record),
) -> rusqlite::Result<()> {
    let sql = match name {
        // Left to itself, SQLite reads the whole zone.
        Some(_) => "SELECT * FROM records INDEXED BY records_name WHERE zone = ?1 AND name = ?2",
        None => "SELECT * FROM records WHERE zone = ?1 AND ?2 IS NULL",
    };
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(params![Column(zone), name.map(Name::to_string)])?;
    while let Some(row) = rows.next()? {
        each(record_of(row)?);
    }
    Ok(())
}

pub fn record(connection: &Connection, zone: ZoneId, id: Uuid) -> rusqlite::Result<Option<Record>> {
    let sql = "SELECT * FROM records WHERE zone = ?1 AND id = ?2";
    let mut select = connection.prepare_cached(sql)?;
    select.query_row(params![Column(zone), Column(id)], record_of).optional()
}

pub(super) fn record_of(row: &SqlRow<'_>) -> rusqlite::Result<Record> {
    let name = Name::from_text(row.get_ref("name")?.as_str()?).map_err(|_| wrong())?;
    let (rtype, rdata) = (row.get("type")?, row.get_ref("rdata")?.as_blob()?);
    // What a disk changed is never served.
    crate::rdata::check_wire(rtype, rdata).map_err(|_| wrong())?;
    let spelling = match row.get("spelt")? {
        true => Some(row.get_ref("content")?.as_str()?.into()),
        false => None,
    };
    let tags = row.get_ref("tags")?.as_str()?;
    let time = |column: &str| -> rusqlite::Result<Option<UnixTime>> {
        Ok(row.get::<_, Option<Column<_>>>(column)?.map(|c| c.0))
    };
    Ok(Record {
        id: row.get::<_, Column<_>>("id")?.0,
        name,
        rtype,
        rdata: rdata.into(),
        spelling,
        ttl: row.get("ttl")?,
        flatten: row.get("flatten")?,
        comment: row.get_ref("comment")?.as_str()?.into(),
        tags: tags.lines().map(Into::into).collect(),
        created_at: row.get::<_, Column<_>>("created_at")?.0,
        modified_at: row.get::<_, Column<_>>("modified_at")?.0,
        comment_at: time("comment_at")?,
        tags_at: time("tags_at")?,
    })
}

/// Makes a change of a zone that lives in the store.
pub fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<usize> {
    match change {
        Change::Content(content) => {
            history::begin(connection, content.zone, content.serial)?;
            put_content(connection, content)
        }
        Change::Record { zone, record } => {
            history::keep(connection, *zone, record.id)?;
            put_record(connection, *zone, record)
        }
        Change::RecordRemoved { zone, id } => {
            history::keep(connection, *zone, *id)?;
            remove_record(connection, *zone, *id)
        }
        _ => Ok(0),
    }
}

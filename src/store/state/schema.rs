//! The tables of the database, and how an older database becomes a newer one.

use rusqlite::Connection;

use super::{Failure, Trouble};

/// Says that a database is Bailiwick's ("Blwk").
const APPLICATION: i32 = 0x426C_776B;

/// Step `n` makes version `n + 1` out of version `n`. Steps that were released are never edited.
const STEPS: [&str; 8] = [
    "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    -- Changes up to this generation are not kept any more.
    forgotten INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0, 0);

-- What was removed stays, so that its id is never used again.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL, settings TEXT NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE zones (
    id INTEGER PRIMARY KEY, apex TEXT NOT NULL, account INTEGER NOT NULL REFERENCES accounts,
    created_at INTEGER NOT NULL, settings TEXT NOT NULL, removed INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE hostnames (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    -- A wildcard with its `*.`. Downward: `com.example.app`, so that what is below is a range.
    hostname TEXT NOT NULL, downward TEXT NOT NULL,
    zone INTEGER NOT NULL REFERENCES zones, account INTEGER NOT NULL,
    status TEXT NOT NULL, since INTEGER NOT NULL, created_at INTEGER NOT NULL,
    txt_token BLOB NOT NULL, http_token BLOB NOT NULL,
    revision INTEGER NOT NULL, attempts INTEGER NOT NULL, next_check_at INTEGER,
    -- When something is to be done about it.
    due_at INTEGER,
    proof TEXT, proved_at INTEGER, sequence INTEGER, owner_zone INTEGER, owner_account INTEGER,
    failures INTEGER, failing_since INTEGER, block TEXT,
    -- One sentence a line.
    errors TEXT NOT NULL,
    check_method TEXT, check_saw TEXT, check_at INTEGER,
    -- CRC of what decides about the grant.
    sum INTEGER NOT NULL,
    UNIQUE (downward, zone)
) STRICT;
CREATE INDEX hostnames_zone ON hostnames (zone);
CREATE INDEX hostnames_due ON hostnames (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE withdrawn (
    hostname TEXT NOT NULL, zone INTEGER NOT NULL, account INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (hostname, zone)
) STRICT, WITHOUT ROWID;

CREATE TABLE fallbacks (
    zone INTEGER PRIMARY KEY REFERENCES zones, origin TEXT NOT NULL, status TEXT NOT NULL,
    since INTEGER NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE holds (
    zone INTEGER PRIMARY KEY REFERENCES zones, account INTEGER NOT NULL,
    subdomains INTEGER NOT NULL, after INTEGER
) STRICT;
CREATE TABLE tokens (
    id BLOB PRIMARY KEY, name TEXT NOT NULL, account INTEGER REFERENCES accounts,
    hash BLOB NOT NULL, read_only INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,
    account INTEGER, zone INTEGER, hostname BLOB, action TEXT NOT NULL, from_status TEXT,
    to_status TEXT, evidence TEXT NOT NULL
) STRICT;
CREATE INDEX audit_account ON audit (account);
CREATE INDEX audit_hostname ON audit (hostname) WHERE hostname IS NOT NULL;

CREATE TABLE changes (
    seq INTEGER PRIMARY KEY, generation INTEGER NOT NULL, kind INTEGER NOT NULL,
    object BLOB NOT NULL
) STRICT;
CREATE INDEX changes_generation ON changes (generation);
",
    super::records::TABLES,
    "
-- What the token is limited to, a JSON object.
ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
",
    "ALTER TABLE fallbacks ADD COLUMN asserted INTEGER NOT NULL DEFAULT 1",
    super::claims::TABLES,
    super::history::TABLES,
    super::counts::TABLES,
    "
ALTER TABLE tokens ADD COLUMN parent BLOB;
ALTER TABLE tokens ADD COLUMN modified_at INTEGER;
",
];

/// Octets of a database up to which it is read whole at the start, to find damage before anything rests on it.
const CHECKED_WHOLE: u64 = 256 << 20;

/// Brings an opened database to this version, in one step or not at all.
pub fn prepare(connection: &mut Connection) -> Result<(), Failure> {
    let failed = |error: rusqlite::Error| super::sqlite::failure(&error);
    let number = |c: &Connection, pragma: &str| -> Result<i64, Failure> {
        c.pragma_query_value(None, pragma, |row| row.get(0)).map_err(failed)
    };
    let version = number(connection, "user_version")?;
    let application = number(connection, "application_id")?;
    let tables = number(connection, "schema_version")?;
    let damaged = |detail: &str| Failure { trouble: Trouble::Damaged, detail: detail.to_owned() };
    if application != i64::from(APPLICATION) && (tables != 0 || version != 0) {
        return Err(damaged("it is a database of something else"));
    }
    let known = STEPS.len() as i64;
    if version > known {
        let detail = format!("its version is {version}, this program knows {known}");
        return Err(Failure { trouble: Trouble::Newer, detail });
    }
    if number(connection, "page_count")?.saturating_mul(number(connection, "page_size")?)
        <= CHECKED_WHOLE as i64
    {
        let result: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if result != "ok" {
            return Err(damaged(&result));
        }
    }
    if version == known {
        return Ok(());
    }
    let migration = connection.transaction().map_err(failed)?;
    for step in STEPS.iter().skip(version.max(0) as usize) {
        migration.execute_batch(step).map_err(failed)?;
    }
    migration.pragma_update(None, "user_version", known).map_err(failed)?;
    migration.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    migration.commit().map_err(failed)
}

//! The store in `data/bailiwick.db`: SQLite with a write-ahead log, flushed at every commit.
//!
//! Nothing of the database is cached here: after a commit that failed, the next call sees what is really there. WAL
//! and `synchronous = FULL` make a commit durable when it returns; a process or a machine that dies in the middle
//! leaves the old state. An operator may read it with any SQLite tool while the server runs.

use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use super::change::{AuditEntry, Change};
use super::claims::{self, Tombstone};
use super::grant_rows;
use super::history::{self, Undo, Version};
use super::hostname_page::{self, Wanted};
use super::make;
use super::rows::{self, Column};
use super::{
    AuditFilter, CommitError, Control, Due, Failure, KEPT, Since, Store, Trouble, Used, schema,
};
use super::{record_page, records};
use crate::base::id::{Generation, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::grants::Row;
use crate::hostname::hold::Hold;
use crate::hostname::object::{CustomHostname, Hostname};
use crate::policy::claims::Claim;
use crate::records::filter::Query;
use crate::records::{Content, Record};

/// Kibibytes of pages that SQLite keeps in memory.
const CACHE_KIB: i32 = 16 << 10;
/// Pages of the log after which they are put into the database: 32 MiB, which a start reads in a moment. Pages that are
/// written again and again meanwhile are put there once.
const LOG_PAGES: i32 = 8 << 10;
/// How long to wait for somebody else's lock: an operator's tool that writes.
const BUSY: Duration = Duration::from_secs(2);

/// One thread uses a connection.
const COMMON: OpenFlags = OpenFlags::SQLITE_OPEN_NO_MUTEX;

/// See the head of the file.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
    group: Group,
}

/// Whether commits count together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Group {
    None,
    /// Since none came yet, no transaction was begun.
    Empty,
    Begun,
}

impl Sqlite {
    /// Opens the database at `path`; makes it if it is not there. One that cannot be written is read all the same.
    pub fn open(path: &Path) -> Result<Sqlite, Failure> {
        // Made here, so that nobody else can read it; its log gets the same rights.
        let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let writable = Connection::open_with_flags(path, flags | COMMON);
        match writable.map_err(|e| failure(&e)).and_then(Sqlite::with) {
            Err(error) if error.trouble == Trouble::ReadOnly && path.exists() => {
                Sqlite::open_read_only(path).map_err(|_| error)
            }
            other => other,
        }
    }

    /// Beside the one that writes, in this process or none: sees what was committed, and writes nothing.
    pub fn open_reader(path: &Path) -> Result<Sqlite, Failure> {
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | COMMON;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "cell_size_check", true)?;
            connection.pragma_update(None, "trusted_schema", false)?;
            connection.pragma_update(None, "query_only", true)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB / 8)?;
            connection.set_prepared_statement_cache_capacity(64);
            keep_plans(&connection)?;
            Ok(connection)
        };
        let connection = open().map_err(|e| failure(&e))?;
        Ok(Sqlite { connection, group: Group::None })
    }

    /// Without the file that processes share, and so without locks: where nothing can be written, nobody else writes.
    fn open_read_only(path: &Path) -> Result<Sqlite, Failure> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | COMMON;
        let open = || -> rusqlite::Result<Connection> {
            if !has_log {
                // A database that used to have a log wants one, unless it is told that it never changes.
                return Connection::open_with_flags(uri(path, "immutable=1"), flags);
            }
            let connection = Connection::open_with_flags(uri(path, "vfs=unix-none"), flags)?;
            connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
            Ok(connection)
        };
        Sqlite::with(open().map_err(|e| failure(&e))?)
    }

    fn with(mut connection: Connection) -> Result<Sqlite, Failure> {
        let set_up = |c: &Connection| -> rusqlite::Result<()> {
            c.busy_timeout(BUSY)?;
            c.pragma_update(None, "cell_size_check", true)?;
            c.pragma_update(None, "trusted_schema", false)?;
            c.pragma_update(None, "foreign_keys", true)?;
            c.pragma_update(None, "synchronous", "FULL")?;
            c.pragma_update(None, "cache_size", -CACHE_KIB)?;
            c.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
            // Else most statements that write are compiled anew each time: other values might want another plan.
            c.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            c.set_prepared_statement_cache_capacity(64);
            keep_plans(c)?;
            if !c.is_readonly("main")? {
                c.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            }
            Ok(())
        };
        set_up(&connection).map_err(|e| failure(&e))?;
        schema::prepare(&mut connection)?;
        Ok(Sqlite { connection, group: Group::None })
    }

    /// Writes a whole and consistent copy to `path`, where nothing is yet.
    pub fn copy_to(&self, path: &Path) -> Result<(), Failure> {
        let text = path.to_str().ok_or_else(|| Failure {
            trouble: Trouble::Other,
            detail: format!("{} is no UTF-8 text", path.display()),
        })?;
        self.connection.execute("VACUUM INTO ?1", [text]).map_err(|e| failure(&e))?;
        let synced = std::fs::File::open(path).and_then(|file| file.sync_all());
        synced.map_err(|e| Failure { trouble: Trouble::Other, detail: e.to_string() })
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        row: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Failure> {
        let all = || -> rusqlite::Result<Vec<T>> {
            self.connection.prepare_cached(sql)?.query_map(params, row)?.collect()
        };
        all().map_err(|e| failure(&e))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Visits what was withdrawn lately.
    pub fn withdrawn(&mut self, each: impl FnMut(Row)) -> Result<(), Failure> {
        grant_rows::visit_withdrawn(&self.connection, each).map_err(|e| failure(&e))
    }

    fn meta(&self) -> rusqlite::Result<(u64, u64)> {
        let numbers = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64))
        };
        let mut meta = self.connection.prepare_cached("SELECT generation, forgotten FROM meta")?;
        meta.query_row([], numbers)
    }

    fn used(&self) -> rusqlite::Result<Used> {
        let next = |table: &str| -> rusqlite::Result<u32> {
            let sql = format!("SELECT coalesce(max(id) + 1, 0) FROM {table}");
            self.connection.query_row(&sql, [], |row| row.get(0))
        };
        Ok(Used { accounts: next("accounts")?, zones: next("zones")? })
    }
}

/// Statements that are kept keep their plans: else they are made anew whenever a bound of a range has another value,
/// which takes longer than most of them.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// The URI of a file, with a parameter.
fn uri(path: &Path, parameter: &str) -> std::ffi::OsString {
    let mut uri = b"file:".to_vec();
    for &b in path.as_os_str().as_bytes() {
        match b {
            b'?' | b'#' | b'%' => uri.extend(format!("%{b:02X}").bytes()),
            _ => uri.push(b),
        }
    }
    uri.push(b'?');
    uri.extend(parameter.bytes());
    std::ffi::OsString::from_vec(uri)
}

/// What a failure of SQLite means for people.
pub(super) fn failure(error: &rusqlite::Error) -> Failure {
    let trouble = match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::Utf8Error(..) => Trouble::Damaged,
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Trouble::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Trouble::ReadOnly
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
            _ => Trouble::Other,
        },
    };
    Failure { trouble, detail: error.to_string() }
}

impl Store for Sqlite {
    fn generation(&mut self) -> Result<Generation, Failure> {
        self.meta().map(|(generation, _)| Generation(generation)).map_err(|e| failure(&e))
    }

    fn load(&mut self) -> Result<Control, Failure> {
        // One moment for all of it; a group is one already.
        let alone = self.connection.is_autocommit();
        if alone {
            self.connection.execute_batch("BEGIN").map_err(|e| failure(&e))?;
        }
        let read = || -> Result<Control, Failure> {
            let accounts = "SELECT * FROM accounts WHERE NOT removed ORDER BY id";
            let zones = "SELECT * FROM zones WHERE NOT removed ORDER BY id";
            Ok(Control {
                generation: Generation(self.meta().map_err(|e| failure(&e))?.0),
                accounts: self.all(accounts, [], rows::account)?,
                zones: self.all(zones, [], rows::zone)?,
                fallbacks: self.all("SELECT * FROM fallbacks ORDER BY zone", [], rows::fallback)?,
                holds: self.all("SELECT * FROM holds ORDER BY zone", [], rows::hold)?,
                tokens: self.all("SELECT * FROM tokens ORDER BY id", [], rows::token)?,
                used: self.used().map_err(|e| failure(&e))?,
            })
        };
        let control = read();
        if alone {
            self.connection.execute_batch("ROLLBACK").map_err(|e| failure(&e))?;
        }
        control
    }

    fn grant_rows(&mut self, visit: &mut dyn FnMut(Row)) -> Result<(), Failure> {
        let c = &self.connection;
        let read = grant_rows::visit(c, i64::MIN, i64::MAX, &mut *visit)
            .and_then(|()| grant_rows::visit_withdrawn(c, visit));
        read.map_err(|e| failure(&e))
    }

    fn fallback(&mut self, zone: ZoneId) -> Result<Option<FallbackOrigin>, Failure> {
        let sql = "SELECT * FROM fallbacks WHERE zone = ?1";
        Ok(self.all(sql, [Column(zone)], rows::fallback)?.pop())
    }

    fn hold(&mut self, zone: ZoneId) -> Result<Option<Hold>, Failure> {
        Ok(self.all("SELECT * FROM holds WHERE zone = ?1", [Column(zone)], rows::hold)?.pop())
    }

    fn hostname(&mut self, id: Uuid) -> Result<Option<CustomHostname>, Failure> {
        let sql = "SELECT * FROM hostnames WHERE id = ?1";
        Ok(self.all(sql, [Column(id)], rows::hostname)?.pop())
    }

    fn hostnames_named(&mut self, hostname: &Hostname) -> Result<Vec<CustomHostname>, Failure> {
        let sql = "SELECT * FROM hostnames WHERE downward = ?1 ORDER BY zone";
        self.all(sql, [rows::downward(hostname)], rows::hostname)
    }

    fn hostnames_of(
        &mut self,
        zone: ZoneId,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, Failure> {
        let sql = "SELECT * FROM hostnames WHERE zone = ?1 AND seq > \
                   coalesce((SELECT seq FROM hostnames WHERE id = ?2), 0) ORDER BY seq LIMIT ?3";
        self.all(sql, params![Column(zone), after.map(Column), most as i64], rows::hostname)
    }

    fn hostnames_within(
        &mut self,
        apex: &Name,
        after: Option<&(Hostname, ZoneId)>,
        most: usize,
    ) -> Result<Vec<CustomHostname>, Failure> {
        hostname_page::within(&self.connection, apex, after, most).map_err(|e| failure(&e))
    }

    fn due(&mut self, by: UnixTime, after: Option<Due>, most: usize) -> Result<Vec<Due>, Failure> {
        // An index ends in `seq`, so that this is its own order. One that is gone meanwhile had the lowest.
        let sql = "SELECT due_at, id FROM hostnames WHERE due_at <= ?1 AND (due_at, seq) > \
                   (?2, coalesce((SELECT seq FROM hostnames WHERE id = ?3), 0)) \
                   ORDER BY due_at, seq LIMIT ?4";
        let at = after.map_or(-1, |(at, _)| i64::try_from(at.0).unwrap_or(i64::MAX));
        let id = after.map(|(_, id)| Column(id));
        self.all(sql, params![Column(by), at, id, most as i64], |row| {
            Ok((row.get::<_, Column<_>>(0)?.0, row.get::<_, Column<_>>(1)?.0))
        })
    }

    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<(u64, AuditEntry)>, Failure> {
        let AuditFilter { account, hostname, before, most } = *filter;
        // Said only where it is asked: an index then has what one account did, however much the others do.
        let which = match (account, hostname) {
            (_, Some(_)) => "hostname = ?3 AND (?2 IS NULL OR account = ?2)",
            (Some(_), None) => "account = ?2 AND ?3 IS NULL",
            (None, None) => "?2 IS NULL AND ?3 IS NULL",
        };
        let sql =
            format!("SELECT * FROM audit WHERE seq < ?1 AND {which} ORDER BY seq DESC LIMIT ?4");
        let before = before.map_or(i64::MAX, |b| i64::try_from(b).unwrap_or(i64::MAX));
        let (account, hostname) = (account.map(Column), hostname.map(Column));
        self.all(&sql, params![before, account, hostname, most as i64], rows::audit)
    }

    fn hostnames_page(
        &mut self,
        zone: ZoneId,
        wanted: &Wanted,
    ) -> Result<(Vec<CustomHostname>, usize), Failure> {
        hostname_page::page(&self.connection, zone, wanted).map_err(|e| failure(&e))
    }

    fn claims(&mut self) -> Result<Vec<Claim>, Failure> {
        self.all("SELECT * FROM claims ORDER BY zone", [], claims::claim)
    }

    fn tombstones(&mut self) -> Result<Vec<Tombstone>, Failure> {
        self.all("SELECT * FROM tombstones", [], claims::tombstone)
    }

    fn contents(&mut self) -> Result<Vec<Content>, Failure> {
        records::contents(&self.connection).map_err(|e| failure(&e))
    }

    fn content(&mut self, zone: ZoneId) -> Result<Option<Content>, Failure> {
        records::content(&self.connection, zone).map_err(|e| failure(&e))
    }

    fn records(&mut self, zone: ZoneId, name: Option<&Name>) -> Result<Vec<Record>, Failure> {
        records::records(&self.connection, zone, name).map_err(|e| failure(&e))
    }

    fn records_page(
        &mut self,
        zone: ZoneId,
        query: &Query,
    ) -> Result<(Vec<Record>, usize), Failure> {
        record_page::page(&self.connection, zone, query).map_err(|e| failure(&e))
    }

    fn record(&mut self, zone: ZoneId, id: Uuid) -> Result<Option<Record>, Failure> {
        records::record(&self.connection, zone, id).map_err(|e| failure(&e))
    }

    fn versions(&mut self, zone: ZoneId) -> Result<Vec<Version>, Failure> {
        history::versions(&self.connection, zone).map_err(|e| failure(&e))
    }

    fn undo(&mut self, zone: ZoneId, serial: u32) -> Result<Option<Undo>, Failure> {
        history::undo(&self.connection, zone, serial).map_err(|e| failure(&e))
    }

    fn commit(
        &mut self,
        changes: &[Change],
        expected: Generation,
    ) -> Result<Generation, CommitError> {
        let failed = |error: rusqlite::Error| CommitError::Failed(failure(&error));
        let (current, _) = self.meta().map_err(failed)?;
        if current != expected.0 {
            return Err(CommitError::Conflict { current: Generation(current) });
        }
        match self.group {
            Group::None | Group::Empty => {
                self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
            }
            Group::Begun => {}
        }
        if self.group == Group::Empty {
            self.group = Group::Begun;
        }
        // Without a group this is the transaction itself.
        let alone = self.group == Group::None;
        let made = self.make(changes, current, alone);
        if made.is_err() && alone && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(failed)?;
        }
        made
    }

    fn begin(&mut self) {
        self.group = Group::Empty;
    }

    fn end(&mut self) -> Result<(), Failure> {
        if std::mem::replace(&mut self.group, Group::None) != Group::Begun {
            return Ok(());
        }
        // Some errors end a transaction by themselves.
        let ended = match self.connection.is_autocommit() {
            true => return Err(Failure { trouble: Trouble::Other, detail: "rolled back".into() }),
            false => self.connection.execute_batch("COMMIT"),
        };
        if ended.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(|e| failure(&e))?;
        }
        ended.map_err(|e| failure(&e))
    }

    fn changes_since(&mut self, since: Generation, most: usize) -> Result<Since, Failure> {
        let (current, forgotten) = self.meta().map_err(|e| failure(&e))?;
        if since.0 < forgotten || since.0 > current {
            return Ok(Since::TooOld);
        }
        let up_to = Generation(current.min(since.0.saturating_add(most as u64)));
        let sql = "SELECT DISTINCT kind, object FROM changes WHERE generation > ?1 \
                   AND generation <= ?2 ORDER BY kind, object";
        let objects = self.all(sql, [since.0 as i64, up_to.0 as i64], |row| {
            rows::object_in(row.get(0)?, row.get_ref(1)?.as_blob()?)
        })?;
        Ok(Since::Changed { objects, up_to })
    }
}

impl Sqlite {
    /// Makes changes within the transaction that is open: all of them or none.
    fn make(
        &mut self,
        changes: &[Change],
        current: u64,
        alone: bool,
    ) -> Result<Generation, CommitError> {
        let failed = |error: rusqlite::Error| CommitError::Failed(failure(&error));
        if self.connection.is_autocommit() {
            // A failure before ended the whole group.
            let detail = "what came before it failed".to_owned();
            return Err(CommitError::Failed(Failure { trouble: Trouble::Other, detail }));
        }
        // Dropped without a commit, it is rolled back.
        let savepoint = self.connection.savepoint().map_err(failed)?;
        let next = Generation(current + 1);
        for change in changes {
            make::apply(&savepoint, change, next)?;
        }
        let sql = "UPDATE meta SET generation = ?1 WHERE generation = ?2";
        let updated = savepoint
            .prepare_cached(sql)
            .and_then(|mut update| update.execute([next.0 as i64, current as i64]))
            .map_err(failed)?;
        if updated != 1 {
            // A tool beside us wrote in between; there is one writer, so this is as good as it gets.
            return Err(CommitError::Conflict { current: Generation(current) });
        }
        forget(&savepoint, next).map_err(failed)?;
        savepoint.commit().map_err(failed)?;
        if alone {
            self.connection.execute_batch("COMMIT").map_err(failed)?;
        }
        Ok(next)
    }
}

/// Forgets changes that are too old, now and then.
fn forget(transaction: &Connection, generation: Generation) -> rusqlite::Result<()> {
    let Some(forgotten) = generation.0.checked_sub(KEPT).filter(|g| g % 1024 == 0) else {
        return Ok(());
    };
    let forgotten = forgotten as i64;
    transaction.execute("DELETE FROM changes WHERE generation <= ?1", [forgotten])?;
    transaction.execute("UPDATE meta SET forgotten = ?1", [forgotten])?;
    Ok(())
}

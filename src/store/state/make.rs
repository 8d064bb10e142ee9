//! What one change of a commit does to the tables of the database.

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::change::{Account, AuditEntry, Change, Zone};
use super::removal::{remove_account, remove_zones};
use super::rows::{self, Column};
use super::sqlite::failure;
use super::{CommitError, Refused, claims, history, records};
use crate::base::id::{AccountId, Generation, ZoneId};
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::object::CustomHostname;

/// Makes one change within a transaction, and notes it for those who follow.
pub fn apply(
    transaction: &Connection,
    change: &Change,
    generation: Generation,
) -> Result<(), CommitError> {
    let applied = match change {
        Change::Account(account) => return put_account(transaction, account, change, generation),
        Change::Zone(zone) => return put_zone(transaction, zone, change, generation),
        Change::Hostname(hostname) => {
            expect_zone(transaction, hostname.provider.zone)?;
            match rows::put_hostname(transaction, hostname) {
                // The id belongs to another hostname.
                Ok(0) => return duplicate(hostname.id.to_string()),
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    return duplicate(format!("the custom hostname {}", hostname.hostname));
                }
                Ok(_) if hostname.status.is_grant() => end_withdrawal(transaction, hostname),
                other => other,
            }
        }
        Change::Fallback(f) => {
            expect_zone(transaction, f.zone)?;
            put_fallback(transaction, f)
        }
        Change::Hold(hold) => {
            expect_zone(transaction, hold.owner.zone)?;
            let (zone, account) = (Column(hold.owner.zone), Column(hold.owner.account));
            let sql = "INSERT OR REPLACE INTO holds (zone, account, subdomains, after) \
                       VALUES (?1, ?2, ?3, ?4)";
            let after = hold.after.map(Column);
            execute(transaction, sql, params![zone, account, hold.include_subdomains, after])
        }
        Change::Token(token) => {
            if let Some(account) = token.account {
                expect_account(transaction, account)?;
            }
            execute(
                transaction,
                "INSERT OR REPLACE INTO tokens \
                 (id, name, account, hash, read_only, created_at, expires_at, scope, parent, \
                  modified_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                params![
                    Column(token.id),
                    token.name,
                    token.account.map(Column),
                    token.hash,
                    token.read_only,
                    Column(token.created_at),
                    token.expires_at.map(Column),
                    serde_json::to_string(&token.scope).expect("scopes are plain data"),
                    token.parent.map(Column),
                    Column(token.modified_at)
                ],
            )
        }
        change if is_of_stored(change) => return apply_stored(transaction, change, generation),
        Change::AccountRemoved(id) => remove_account(transaction, *id),
        Change::ZoneRemoved(id) => remove_zones(transaction, "id = ?1", id.0),
        _ => apply_plain(transaction, change),
    };
    applied.and_then(|_| note(transaction, change, generation)).map_err(|e| failure(&e).into())
}

/// Whether a change is about a zone that lives in the store.
fn is_of_stored(change: &Change) -> bool {
    matches!(
        change,
        Change::Claim(_)
            | Change::Content(_)
            | Change::Record { .. }
            | Change::RecordRemoved { .. }
    )
}

/// Changes of zones that live in the store.
fn apply_stored(
    transaction: &Connection,
    change: &Change,
    generation: Generation,
) -> Result<(), CommitError> {
    let zone = match change {
        Change::Content(content) => Some(content.zone),
        Change::Claim(claim) => Some(claim.zone),
        _ => None,
    };
    zone.map_or(Ok(()), |zone| expect_zone(transaction, zone))?;
    claims::apply(transaction, change).map_err(|e| failure(&e))?;
    match (records::apply(transaction, change).map_err(|e| failure(&e))?, change) {
        (0, Change::Record { zone, .. }) => there(None, || format!("the content of zone {zone}")),
        _ => note(transaction, change, generation).map_err(|e| failure(&e).into()),
    }
}

fn put_fallback(transaction: &Connection, f: &FallbackOrigin) -> rusqlite::Result<usize> {
    let sql = "INSERT OR REPLACE INTO fallbacks \
               (zone, origin, status, since, created_at, updated_at, asserted) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let [since, created, updated] = [f.since, f.created_at, f.updated_at].map(Column);
    let (zone, origin, status) = (Column(f.zone), f.origin.to_string(), f.status.word());
    execute(transaction, sql, params![zone, origin, status, since, created, updated, f.asserted])
}

/// Changes that fit whatever is stored.
fn apply_plain(transaction: &Connection, change: &Change) -> rusqlite::Result<usize> {
    match change {
        Change::HostnameRemoved(id) => {
            execute(transaction, "DELETE FROM hostnames WHERE id = ?1", [Column(*id)])
        }
        Change::Withdrawn { row, at } => execute(
            transaction,
            "INSERT OR REPLACE INTO withdrawn (hostname, zone, account, at) VALUES (?1, ?2, ?3, ?4)",
            params![
                row.hostname.to_string(),
                Column(row.provider.zone),
                Column(row.provider.account),
                Column(*at)
            ],
        ),
        Change::ForgetWithdrawn(before) => {
            execute(transaction, "DELETE FROM withdrawn WHERE at < ?1", [Column(*before)])
        }
        Change::FallbackRemoved(zone) => {
            execute(transaction, "DELETE FROM fallbacks WHERE zone = ?1", [Column(*zone)])
        }
        Change::HoldRemoved(zone) => {
            execute(transaction, "DELETE FROM holds WHERE zone = ?1", [Column(*zone)])
        }
        Change::Tombstone(_) | Change::TombstoneRemoved(_) => claims::apply(transaction, change),
        Change::TokenRemoved(id) => {
            execute(transaction, "DELETE FROM tokens WHERE id = ?1", [Column(*id)])
        }
        Change::Audit(e) => {
            if let Some(zone) = e.zone {
                history::sign(transaction, zone, e.at, &e.actor, &e.action)?;
            }
            put_audit(transaction, e)
        }
        _ => Ok(0),
    }
}

fn put_audit(transaction: &Connection, e: &AuditEntry) -> rusqlite::Result<usize> {
    execute(
        transaction,
        "INSERT INTO audit (at, actor, account, zone, hostname, action, from_status, to_status,
                evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            Column(e.at),
            e.actor,
            e.account.map(Column),
            e.zone.map(Column),
            e.hostname.map(Column),
            e.action,
            e.from,
            e.to,
            e.evidence
        ],
    )
}

/// Runs a statement that is prepared once.
fn execute(c: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
    c.prepare_cached(sql)?.execute(params)
}

fn duplicate(what: String) -> Result<(), CommitError> {
    Err(CommitError::Refused(Refused::Duplicate(what)))
}

/// Remembers what was changed, for those who follow.
fn note(transaction: &Connection, change: &Change, generation: Generation) -> rusqlite::Result<()> {
    let Some(object) = change.object() else { return Ok(()) };
    let (kind, id) = rows::object_out(object);
    let sql = "INSERT INTO changes (generation, kind, object) VALUES (?1, ?2, ?3)";
    execute(transaction, sql, params![generation.0 as i64, kind, id]).map(|_| ())
}

fn end_withdrawal(t: &Connection, hostname: &CustomHostname) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM withdrawn WHERE hostname = ?1 AND zone = ?2";
    execute(t, sql, params![hostname.hostname.to_string(), Column(hostname.provider.zone)])
}

/// Whether the account or zone of that id was removed; `None`: there never was one.
fn removed(t: &Connection, table: &str, id: u32) -> Result<Option<bool>, CommitError> {
    let sql = format!("SELECT removed FROM {table} WHERE id = ?1");
    let removed =
        t.prepare_cached(&sql).and_then(|mut s| s.query_row([id], |r| r.get(0)).optional());
    removed.map_err(|e| failure(&e).into())
}

fn expect_zone(t: &Connection, id: ZoneId) -> Result<(), CommitError> {
    there(removed(t, "zones", id.0)?, || format!("zone {id}"))
}

fn expect_account(t: &Connection, id: AccountId) -> Result<(), CommitError> {
    there(removed(t, "accounts", id.0)?, || format!("account {id}"))
}

fn there(removed: Option<bool>, what: impl FnOnce() -> String) -> Result<(), CommitError> {
    match removed {
        Some(false) => Ok(()),
        Some(true) => Err(CommitError::Refused(Refused::Gone(what()))),
        None => Err(CommitError::Refused(Refused::Unknown(what()))),
    }
}

fn put_account(
    t: &Connection,
    account: &Account,
    change: &Change,
    generation: Generation,
) -> Result<(), CommitError> {
    if removed(t, "accounts", account.id.0)? == Some(true) {
        return Err(CommitError::Refused(Refused::Gone(format!("account {}", account.id))));
    }
    let sql = "INSERT INTO accounts (id, name, created_at, settings) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (id) DO UPDATE SET name = excluded.name, settings = excluded.settings";
    let (id, at) = (Column(account.id), Column(account.created_at));
    execute(t, sql, params![id, account.name, at, account.settings])
        .and_then(|_| note(t, change, generation))
        .map_err(|e| failure(&e).into())
}

fn put_zone(
    t: &Connection,
    zone: &Zone,
    change: &Change,
    generation: Generation,
) -> Result<(), CommitError> {
    expect_account(t, zone.account)?;
    if removed(t, "zones", zone.id.0)? == Some(true) {
        return Err(CommitError::Refused(Refused::Gone(format!("zone {}", zone.id))));
    }
    let sql = "INSERT INTO zones (id, apex, account, created_at, settings) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (id) DO UPDATE SET settings = excluded.settings \
               WHERE apex = excluded.apex AND account = excluded.account";
    let (id, apex, account) = (Column(zone.id), zone.apex.to_string(), Column(zone.account));
    let put = execute(t, sql, params![id, apex, account, Column(zone.created_at), zone.settings]);
    match put.map_err(|e| failure(&e))? {
        // An id is bound to its name and account for ever.
        0 => duplicate(format!("zone {} of another name or account", zone.id)),
        _ => note(t, change, generation).map_err(|e| failure(&e).into()),
    }
}

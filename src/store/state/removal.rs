//! What goes with an account or a zone that is removed from the database.

use rusqlite::Connection;

use super::rows::Column;
use crate::base::id::AccountId;

/// Removes an account, its zones and its tokens.
pub fn remove_account(t: &Connection, id: AccountId) -> rusqlite::Result<usize> {
    remove_zones(t, "account = ?1", id.0)?;
    t.execute("DELETE FROM tokens WHERE account = ?1", [Column(id)])?;
    t.execute("UPDATE accounts SET removed = 1, settings = '{}' WHERE id = ?1", [Column(id)])
}

/// Removes the zones of which `which` holds, and all that is theirs.
pub fn remove_zones(t: &Connection, which: &str, id: u32) -> rusqlite::Result<usize> {
    for table in [
        "hostnames",
        "withdrawn",
        "fallbacks",
        "holds",
        "records",
        "history",
        "versions",
        "contents",
        "claims",
    ] {
        let sql = format!("DELETE FROM {table} WHERE zone IN (SELECT id FROM zones WHERE {which})");
        t.execute(&sql, [id])?;
    }
    t.execute(&format!("UPDATE zones SET removed = 1, settings = '{{}}' WHERE {which}"), [id])
}

//! How many records and custom hostnames a zone has, kept by the database itself: a list of a million says so without
//! counting them.

use rusqlite::{Connection, params};

use super::rows::Column;
use crate::base::id::ZoneId;
use crate::base::rtype::RType;
use crate::hostname::object::Status;

/// The tables, what keeps them, and indexes in the order of the lists.
pub const TABLES: &str = "
CREATE TABLE record_counts (
    zone INTEGER NOT NULL, type INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (zone, type)
) STRICT, WITHOUT ROWID;
INSERT INTO record_counts SELECT zone, type, count(*) FROM records GROUP BY zone, type;
CREATE TRIGGER record_added AFTER INSERT ON records BEGIN
    INSERT INTO record_counts VALUES (new.zone, new.type, 1)
    ON CONFLICT (zone, type) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER record_gone AFTER DELETE ON records BEGIN
    UPDATE record_counts SET count = count - 1 WHERE zone = old.zone AND type = old.type;
END;
CREATE TRIGGER record_retyped AFTER UPDATE OF type ON records WHEN old.type <> new.type BEGIN
    UPDATE record_counts SET count = count - 1 WHERE zone = old.zone AND type = old.type;
    INSERT INTO record_counts VALUES (new.zone, new.type, 1)
    ON CONFLICT (zone, type) DO UPDATE SET count = count + 1;
END;
DROP INDEX records_name;
CREATE INDEX records_name ON records (zone, name, type);
CREATE INDEX records_type ON records (zone, type, name);

CREATE TABLE hostname_counts (
    zone INTEGER NOT NULL, status TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (zone, status)
) STRICT, WITHOUT ROWID;
INSERT INTO hostname_counts SELECT zone, status, count(*) FROM hostnames GROUP BY zone, status;
CREATE TRIGGER hostname_added AFTER INSERT ON hostnames BEGIN
    INSERT INTO hostname_counts VALUES (new.zone, new.status, 1)
    ON CONFLICT (zone, status) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER hostname_gone AFTER DELETE ON hostnames BEGIN
    UPDATE hostname_counts SET count = count - 1 WHERE zone = old.zone AND status = old.status;
END;
CREATE TRIGGER hostname_stepped AFTER UPDATE OF status ON hostnames WHEN old.status <> new.status
BEGIN
    UPDATE hostname_counts SET count = count - 1 WHERE zone = old.zone AND status = old.status;
    INSERT INTO hostname_counts VALUES (new.zone, new.status, 1)
    ON CONFLICT (zone, status) DO UPDATE SET count = count + 1;
END;

-- Of a million that are active, the few that are not.
CREATE INDEX hostnames_inactive ON hostnames (zone, status) WHERE status <> 'active';
CREATE INDEX withdrawn_zone ON withdrawn (zone);
CREATE INDEX zones_account ON zones (account);
";

/// The types of a zone's records, each with how many there are.
pub fn of_records(c: &Connection, zone: ZoneId) -> rusqlite::Result<Vec<(RType, usize)>> {
    let sql = "SELECT type, count FROM record_counts WHERE zone = ?1 AND count > 0";
    let mut select = c.prepare_cached(sql)?;
    select.query_map([Column(zone)], |row| Ok((row.get(0)?, number(row.get(1)?))))?.collect()
}

/// How many custom hostnames a zone has, of all statuses or of one.
pub fn of_hostnames(
    c: &Connection,
    zone: ZoneId,
    status: Option<Status>,
) -> rusqlite::Result<usize> {
    let sql = "SELECT coalesce(sum(count), 0) FROM hostname_counts \
               WHERE zone = ?1 AND (?2 IS NULL OR status = ?2)";
    let status = status.map(Status::word);
    c.prepare_cached(sql)?.query_row(params![Column(zone), status], |row| row.get(0).map(number))
}

pub fn number(count: i64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// Rows of an ordered list to pass over and to take, from its end if that is nearer. `backward`: from the end, so that
/// what is found has to be turned round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    pub skip: usize,
    pub most: usize,
    pub backward: bool,
}

impl Cut {
    /// `most` rows behind `skip` of a list of `all`.
    pub fn of(skip: usize, most: usize, all: usize) -> Cut {
        let most = most.min(all.saturating_sub(skip));
        let behind = all.saturating_sub(skip).saturating_sub(most);
        match behind < skip {
            true => Cut { skip: behind, most, backward: true },
            false => Cut { skip, most, backward: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_end() {
        let cut = |skip, most, all| {
            let Cut { skip, most, backward } = Cut::of(skip, most, all);
            (skip, most, backward)
        };
        assert_eq!(cut(0, 20, 100), (0, 20, false));
        assert_eq!(cut(80, 20, 100), (0, 20, true));
        assert_eq!(cut(90, 20, 100), (0, 10, true));
        assert_eq!(cut(60, 10, 100), (30, 10, true));
        assert_eq!(cut(100, 20, 100), (0, 0, true));
        assert_eq!(cut(usize::MAX, 20, 100), (0, 0, true));
        assert_eq!(cut(0, 20, 0), (0, 0, false));
    }
}

//! One page of the records of a zone that lives in the store, without reading the others where an index has the order.

use rusqlite::{Connection, ToSql, params};

use super::counts::{self, Cut};
use super::records;
use super::rows::Column;
use crate::base::id::ZoneId;
use crate::base::rtype::RType;
use crate::base::uuid::Uuid;
use crate::rdata;
use crate::records::Record;
use crate::records::filter::{Plain, Query};

/// Records on a page that are looked for one by one.
const FEW: usize = 5_000;

/// The page, and how many match in all.
pub fn page(c: &Connection, zone: ZoneId, query: &Query) -> rusqlite::Result<(Vec<Record>, usize)> {
    match query.plain() {
        // Beyond, reading the zone from end to end takes less than looking for each record.
        Some(plain) if query.per_page <= FEW => plain_page(c, zone, query, plain),
        _ => {
            let name = query.only_name();
            let mut wanted = Vec::new();
            // One by one, so that a zone of a million is never in memory for a few that match.
            records::visit(c, zone, name.as_ref(), |record| {
                if query.matches(&record) {
                    wanted.push(record);
                }
            })?;
            Ok(query.cut(wanted))
        }
    }
}

fn plain_page(
    c: &Connection,
    zone: ZoneId,
    query: &Query,
    plain: Plain,
) -> rusqlite::Result<(Vec<Record>, usize)> {
    let mut types = counts::of_records(c, zone)?;
    types.retain(|(rtype, _)| plain.rtype.is_none_or(|wanted| wanted == *rtype));
    let total: usize = types.iter().map(|(_, count)| count).sum();
    let skip = (query.page - 1).saturating_mul(query.per_page);
    let cut = Cut::of(skip, query.per_page, total);
    // Read from its other end, the list is in the other direction.
    let descending = plain.descending != cut.backward;
    let mut found = match (plain.by_name, plain.rtype) {
        (true, None) => some(c, "", &[], zone, cut, descending)?,
        (_, Some(rtype)) => some(c, "AND type = ?4", &[&rtype], zone, cut, descending)?,
        (false, None) => by_type(c, types, zone, cut, descending)?,
    };
    if cut.backward {
        found.reverse();
    }
    Ok((found, total))
}

/// Types in the order of their texts; those that are passed over whole are not looked at.
fn by_type(
    c: &Connection,
    mut types: Vec<(RType, usize)>,
    zone: ZoneId,
    cut: Cut,
    descending: bool,
) -> rusqlite::Result<Vec<Record>> {
    types.sort_by_cached_key(|(rtype, _)| rdata::type_text(*rtype).to_string());
    if descending {
        types.reverse();
    }
    let (mut skip, mut found) = (cut.skip, Vec::new());
    for (rtype, count) in types {
        let most = cut.most - found.len();
        if most == 0 {
            break;
        }
        if skip >= count {
            skip -= count;
            continue;
        }
        let part = Cut { skip, most, backward: false };
        found.extend(some(c, "AND type = ?4", &[&rtype], zone, part, descending)?);
        skip = 0;
    }
    Ok(found)
}

/// Records in the order of name, type and id: an index alone says which, and only those are read.
fn some(
    c: &Connection,
    which: &str,
    and: &[&dyn ToSql],
    zone: ZoneId,
    cut: Cut,
    descending: bool,
) -> rusqlite::Result<Vec<Record>> {
    let to = if descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT id FROM records WHERE zone = ?1 {which} \
         ORDER BY name {to}, type {to}, id {to} LIMIT ?2 OFFSET ?3"
    );
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let (zone_id, most, skip) = (Column(zone), number(cut.most), number(cut.skip));
    let mut given: Vec<&dyn ToSql> = vec![&zone_id, &most, &skip];
    given.extend(and);
    let mut select = c.prepare_cached(&sql)?;
    let ids = select.query_map(&*given, |row| Ok(row.get::<_, Column<Uuid>>(0)?.0))?;
    let ids: rusqlite::Result<Vec<Uuid>> = ids.collect();
    let sql = "SELECT * FROM records WHERE zone = ?1 AND id = ?2";
    let mut select = c.prepare_cached(sql)?;
    let one = |id| select.query_row(params![Column(zone), Column(id)], records::record_of);
    ids?.into_iter().map(one).collect()
}

//! Records as written to records as the zone has them: aliases told from CNAMEs, strangers and
//! duplicates dropped, grouped by owner and type, one TTL in each RRset.

use std::ops::Range;

use super::finding::{Finding, Findings};
use super::record::{Parsed, Record};
use crate::base::name::{self, Text};
use crate::base::rtype;
use crate::rdata;

/// Brings the records of a zone into the form `Parsed` promises, with a warning for whatever that
/// changes.
pub(super) fn normalise(parsed: &mut Parsed, apex: &[u8], findings: &mut Findings) {
    drop_strangers(parsed, apex, findings);
    for i in 0..parsed.records.len() {
        let record = &parsed.records[i];
        if record.rtype == rtype::CNAME && (record.flatten || parsed.owner(record) == apex) {
            parsed.records[i].rtype = rtype::ALIAS;
        }
    }
    group(parsed);
    let mut duplicates = Vec::new();
    let mut start = 0;
    while start < parsed.records.len() {
        let first = parsed.records[start];
        let rest = &parsed.records[start + 1..];
        let more = rest.iter().take_while(|r| same_rrset(r, &first)).count();
        if more > 0 {
            let end = start + 1 + more;
            duplicates.extend(find_duplicates(parsed, start..end, findings));
            unite_ttls(parsed, start..end, findings);
        }
        start += 1 + more;
    }
    if !duplicates.is_empty() {
        let mut at = 0;
        parsed.records.retain(|_| {
            at += 1;
            duplicates.binary_search(&(at - 1)).is_err()
        });
    }
}

/// Whether two records of a grouped zone have the same owner.
pub(super) fn same_owner(a: &Record, b: &Record) -> bool {
    a.owner_at == b.owner_at
}

fn same_rrset(a: &Record, b: &Record) -> bool {
    same_owner(a, b) && a.rtype == b.rtype
}

/// Drops records whose owner is not in the zone.
fn drop_strangers(parsed: &mut Parsed, apex: &[u8], findings: &mut Findings) {
    let mut records = std::mem::take(&mut parsed.records);
    let mut last = (u32::MAX, true);
    records.retain(|record| {
        if last.0 == record.owner_at {
            return last.1;
        }
        let owner = parsed.owner(record);
        let within = name::is_within(owner, apex);
        last = (record.owner_at, within);
        if !within {
            let message = format!("{} is not in the zone {}: dropped", Text(owner), Text(apex));
            let finding = Finding::warning("out-of-zone", parsed.owner_place(record), message);
            findings.report(finding.help("records of another zone belong into its own file"));
        }
        within
    });
    parsed.records = records;
}

/// Sorts records by owner (in the order of its hash), type and place in the file.
fn group(parsed: &mut Parsed) {
    let old = std::mem::take(&mut parsed.records);
    // The hash, the type and the number of the record in one integer, as that sorts quickest.
    let mut order: Vec<u128> = old
        .iter()
        .enumerate()
        .map(|(i, r)| u128::from(r.owner_hash) << 48 | u128::from(r.rtype) << 32 | i as u128)
        .collect();
    order.sort_unstable();
    let index = |key: u128| key as u32 as usize;
    let owner = |key: u128| parsed.owner(&old[index(key)]);
    let collides =
        |pair: &[u128]| pair[0] >> 48 == pair[1] >> 48 && owner(pair[0]) != owner(pair[1]);
    if order.windows(2).any(collides) {
        order.sort_by(|&a, &b| (a >> 48, owner(a), a).cmp(&(b >> 48, owner(b), b)));
    }
    let mut records: Vec<Record> = Vec::with_capacity(old.len());
    for key in order {
        let mut record = old[index(key)];
        // One copy of the owner for all its records.
        if let Some(last) = records.last()
            && last.owner_hash == record.owner_hash
            && parsed.owner(last) == parsed.owner(&record)
        {
            record.owner_at = last.owner_at;
        }
        records.push(record);
    }
    parsed.records = records;
}

/// Finds records of an RRset that say what an earlier one says (RFC 2181 §5: an RRset is a set).
fn find_duplicates(parsed: &Parsed, rrset: Range<usize>, findings: &mut Findings) -> Vec<usize> {
    let mut found = Vec::new();
    let mut canonical = Vec::new();
    let mut sorted: Vec<(usize, usize, usize)> = Vec::with_capacity(rrset.len());
    for i in rrset {
        let record = &parsed.records[i];
        let start = canonical.len();
        rdata::canonical(record.rtype, parsed.rdata(record), &mut canonical);
        sorted.push((start, canonical.len(), i));
    }
    sorted.sort_by(|a, b| canonical[a.0..a.1].cmp(&canonical[b.0..b.1]).then(a.2.cmp(&b.2)));
    let equal = |a: &(usize, usize, usize), b: &(usize, usize, usize)| {
        canonical[a.0..a.1] == canonical[b.0..b.1]
    };
    for same in sorted.chunk_by(equal) {
        let first = parsed.records[same[0].2];
        for &(_, _, i) in &same[1..] {
            let record = parsed.records[i];
            let message = format!(
                "{} has this {} record twice: dropped",
                Text(parsed.owner(&record)),
                rdata::type_text(record.rtype)
            );
            let finding = Finding::warning("duplicate-record", record.place, message);
            findings.report(finding.note(first.place, "it was here first"));
            found.push(i);
        }
    }
    found.sort_unstable();
    found
}

/// Gives an RRset its lowest TTL (RFC 2181 §5.2).
fn unite_ttls(parsed: &mut Parsed, rrset: Range<usize>, findings: &mut Findings) {
    let records = &parsed.records[rrset.clone()];
    let first = records[0];
    let Some(other) = records.iter().find(|r| r.ttl != first.ttl).copied() else { return };
    let lowest = records.iter().map(|r| r.ttl).min().unwrap_or(first.ttl);
    let message = format!(
        "the {} records of {} have different TTLs, {} and {}: {lowest} is used",
        rdata::type_text(first.rtype),
        Text(parsed.owner(&first)),
        first.ttl,
        other.ttl
    );
    let finding = Finding::warning("ttl-mismatch", other.place, message);
    findings.report(
        finding
            .help("give all of them the same TTL (RFC 2181 §5.2)")
            .note(first.place, format!("TTL {} is here", first.ttl)),
    );
    for record in &mut parsed.records[rrset] {
        record.ttl = lowest;
    }
}

//! Records as written to records as the zone has them: aliases told from CNAMEs, strangers and
//! duplicates dropped, grouped by owner and type, one TTL in each RRset.

use std::ops::Range;

use super::finding::{Finding, Findings};
use super::index::Index;
use super::record::{Parsed, Record};
use crate::base::name::{self, Text};
use crate::base::rtype;
use crate::rdata;

/// Brings the records of a zone into the form `Parsed` promises, with a warning for whatever that
/// changes. Gives the number of each name by its hash.
pub(super) fn normalise(parsed: &mut Parsed, apex: &[u8], findings: &mut Findings) -> Index {
    drop_strangers(parsed, apex, findings);
    for i in 0..parsed.records.len() {
        let record = &parsed.records[i];
        if record.rtype == rtype::CNAME && (record.flatten || parsed.owner(record) == apex) {
            parsed.records[i].rtype = rtype::ALIAS;
        }
    }
    let index = group(parsed);
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
    index
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

/// Puts the records of a name together, in it by type, else in the order of the file.
fn group(parsed: &mut Parsed) -> Index {
    let old = std::mem::take(&mut parsed.records);
    let runs = || old.chunk_by(same_owner);
    let mut index = Index::new(runs().count());
    // For each name the first and the last of its runs; for each run the next of the same name.
    let mut groups: Vec<(u32, u32)> = Vec::new();
    let mut starts: Vec<u32> = Vec::new();
    let mut next: Vec<u32> = Vec::new();
    let mut start = 0;
    for run in runs() {
        let number = starts.len() as u32;
        let owner = parsed.owner(&run[0]);
        let found = index.find(run[0].owner_hash, |group| {
            let first = starts[groups[group].0 as usize];
            parsed.owner(&old[first as usize]) == owner
        });
        match found {
            Some(group) => {
                let last = std::mem::replace(&mut groups[group].1, number);
                next[last as usize] = number;
            }
            None => {
                index.put(run[0].owner_hash, groups.len());
                groups.push((number, number));
            }
        }
        starts.push(start);
        next.push(number);
        start += run.len() as u32;
    }
    starts.push(start);
    // Most texts say all of a name at once: nothing has to be moved then.
    if groups.len() == next.len() {
        parsed.records = old;
        for group in parsed.records.chunk_by_mut(same_owner) {
            sort_by_type(group);
        }
        return index;
    }
    let mut records: Vec<Record> = Vec::with_capacity(old.len());
    for (mut run, last) in groups {
        let group_start = records.len();
        loop {
            let (from, to) = (starts[run as usize] as usize, starts[run as usize + 1] as usize);
            records.extend_from_slice(&old[from..to]);
            if run == last {
                break;
            }
            run = next[run as usize];
        }
        let group = &mut records[group_start..];
        // One copy of the owner for all its records.
        let owner_at = group[0].owner_at;
        group.iter_mut().for_each(|r| r.owner_at = owner_at);
        sort_by_type(group);
    }
    parsed.records = records;
    index
}

fn sort_by_type(records: &mut [Record]) {
    if !records.is_sorted_by_key(|r| r.rtype) {
        records.sort_by_key(|r| r.rtype);
    }
}

/// Finds records of an RRset that say what an earlier one says (RFC 2181 §5: an RRset is a set).
fn find_duplicates(parsed: &Parsed, rrset: Range<usize>, findings: &mut Findings) -> Vec<usize> {
    let mut found = Vec::new();
    // Equal data is equal as written but for the case of letters, which is quicker to compare.
    let same = |a: &Record, b: &Record| parsed.rdata(a).eq_ignore_ascii_case(parsed.rdata(b));
    let few = &parsed.records[rrset.clone()];
    if few.len() <= 8 && !few.iter().enumerate().any(|(i, a)| few[..i].iter().any(|b| same(a, b))) {
        return Vec::new();
    }
    // Unlike the canonical form, which keeps the case of names in newer types.
    let mut folded = Vec::new();
    let mut sorted: Vec<(usize, usize, usize)> = Vec::with_capacity(rrset.len());
    for i in rrset {
        let record = &parsed.records[i];
        let (start, data) = (folded.len(), parsed.rdata(record));
        folded.extend_from_slice(data);
        for found in rdata::names(record.rtype, data) {
            folded[start + found.at..start + found.at + found.len].make_ascii_lowercase();
        }
        sorted.push((start, folded.len(), i));
    }
    sorted.sort_by(|a, b| folded[a.0..a.1].cmp(&folded[b.0..b.1]).then(a.2.cmp(&b.2)));
    let equal =
        |a: &(usize, usize, usize), b: &(usize, usize, usize)| folded[a.0..a.1] == folded[b.0..b.1];
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

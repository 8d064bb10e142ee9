//! Names that records point to, and data that a delegation or a DNAME hides.

use std::collections::HashSet;

use super::advice::doubled;
use super::finding::{Finding, Findings};
use super::names::{Hides, Names, Node};
use super::record::Record;
use crate::base::limits::NAME_MAX;
use crate::base::name::{self, Text};
use crate::base::rtype::{self, RType};
use crate::rdata::{target, type_text};

/// Names in the zone that NS records point to: their addresses may stand below a delegation.
pub(super) struct Glue(HashSet<Vec<u8>>);

pub(super) fn glue(names: &Names<'_>) -> Glue {
    let mut targets = HashSet::new();
    if names.has_cuts() {
        for record in names.parsed.records.iter().filter(|r| r.rtype == rtype::NS) {
            if let Some(target) = target(rtype::NS, names.parsed.rdata(record)) {
                let target = target.to_ascii_lowercase();
                if name::is_within(&target, names.apex) {
                    targets.insert(target);
                }
            }
        }
    }
    Glue(targets)
}

/// Looks for data that is never answered.
pub(super) fn hidden(names: &Names<'_>, node: &Node<'_>, glue: &Glue, findings: &mut Findings) {
    let ds = node.of(rtype::DS).first();
    if node.name == names.apex {
        if let Some(ds) = ds {
            let message = format!("DS at the apex {}: it is never answered", Text(node.name));
            findings.report(
                Finding::warning("ds-at-apex", ds.place, message)
                    .help("DS belongs into the parent zone"),
            );
        }
        return;
    }
    let is_glue =
        |r: &Record| matches!(r.rtype, rtype::A | rtype::AAAA) && glue.0.contains(node.name);
    if let Some((above, hides)) = names.hidden_by(node.name) {
        let answered = |r: &Record| hides == Hides::Delegation && is_glue(r);
        let (what, rtype) = match hides {
            Hides::Delegation => ("below the delegation", rtype::NS),
            Hides::Dname => ("below the DNAME at", rtype::DNAME),
        };
        if let Some(record) = node.records.iter().find(|r| !answered(r)) {
            let (name, above_name) = (Text(node.name), Text(above.name));
            let message = format!(
                "{name} lies {what} {above_name}: its {} is never answered",
                type_text(record.rtype)
            );
            let finding = Finding::warning("occluded", record.place, message);
            findings.report(match above.of(rtype).first() {
                Some(record) => finding.note(record.place, "what hides it is here"),
                None => finding,
            });
        }
        return;
    }
    if node.name.starts_with(b"\x01*") {
        for rtype in [rtype::NS, rtype::DNAME] {
            let Some(record) = node.of(rtype).first() else { continue };
            let message = format!("{} at the wildcard {}", type_text(rtype), Text(node.name));
            findings.report(
                Finding::warning("wildcard-cut", record.place, message)
                    .help("its meaning is not defined (RFC 4592 §4.2, §4.4)"),
            );
        }
    }
    let Some(ns) = node.of(rtype::NS).first() else {
        if let Some(ds) = ds {
            let message = format!("DS at {} without a delegation there", Text(node.name));
            findings.report(
                Finding::warning("ds-without-ns", ds.place, message)
                    .expected("NS records at the same name"),
            );
        }
        return;
    };
    let answered =
        |r: &Record| matches!(r.rtype, rtype::NS | rtype::DS | rtype::NSEC) || is_glue(r);
    if let Some(record) = node.records.iter().find(|r| !answered(r)) {
        let (name, rtype) = (Text(node.name), type_text(record.rtype));
        let message = format!("{name} is delegated: its {rtype} is never answered");
        findings.report(
            Finding::warning("occluded", record.place, message)
                .help("it belongs into the child zone")
                .note(ns.place, "the delegation is here"),
        );
    }
}

/// Looks at the names that the records of a name point to. `complete` says that no record of the
/// file was left out, so that a missing name is missing.
pub(super) fn check(names: &Names<'_>, node: &Node<'_>, complete: bool, findings: &mut Findings) {
    let mut is_hidden = None;
    for record in node.records {
        let Some(target) = target(record.rtype, names.parsed.rdata(record)) else { continue };
        if *is_hidden.get_or_insert_with(|| names.hidden_by(node.name).is_some()) {
            return;
        }
        let mut buffer = [0u8; NAME_MAX];
        let lower = &mut buffer[..target.len()];
        lower.copy_from_slice(target);
        lower.make_ascii_lowercase();
        let lower = &*lower;
        if slip(names, record, target, lower, findings) {
            continue;
        }
        if matches!(record.rtype, rtype::NS | rtype::MX | rtype::SRV) {
            host(names, node, record, lower, complete, findings);
        }
    }
}

/// A final dot forgotten, or an address where a name belongs. Says whether it found one.
fn slip(
    names: &Names<'_>,
    record: &Record,
    target: &[u8],
    lower: &[u8],
    findings: &mut Findings,
) -> bool {
    let rtype = type_text(record.rtype);
    if doubled(lower, names.apex).is_some() {
        let complete = Text(&target[..target.len() - names.apex.len()]);
        let message = format!("this {rtype} points to {}: the zone's name twice", Text(target));
        findings.report(
            Finding::warning("doubled-origin", names.parsed.target_place(record), message)
                .help(format!("end the name with a dot: `{complete}.`")),
        );
        return true;
    }
    if let Some(address) = address_like(lower, names.apex) {
        let message = format!("this {rtype} points to the address {address}");
        findings.report(
            Finding::warning("address-as-name", names.parsed.target_place(record), message)
                .expected("a host name")
                .help("addresses stand in A and AAAA records: point to a name that has them"),
        );
        return true;
    }
    false
}

/// Whether a target can be reached as a host, as far as this zone knows.
fn host(
    names: &Names<'_>,
    node: &Node<'_>,
    record: &Record,
    target: &[u8],
    complete: bool,
    findings: &mut Findings,
) {
    let rtype = type_text(record.rtype);
    if target == [0] {
        root_target(names, node, record, findings);
        return;
    }
    if !name::is_within(target, names.apex) {
        return;
    }
    let found = names.find(target);
    if let Some(cname) = found.and_then(|found| found.of(rtype::CNAME).first()) {
        let message = format!("this {rtype} points to {}, which is a CNAME", Text(target));
        findings.report(
            Finding::warning(codes(record.rtype).cname, names.parsed.target_place(record), message)
                .expected("a name with addresses (RFC 2181 §10.3)")
                .note(cname.place, "the CNAME is here"),
        );
        return;
    }
    if !complete || found.is_some_and(|found| found.has_address()) {
        return;
    }
    let delegated = found.is_some_and(|n| n.name != names.apex && n.has(rtype::NS));
    if delegated || names.hidden_by(target).is_some() {
        // Addresses of nameservers in the delegated zone itself cannot be found without glue, nor
        // those of our own nameservers.
        let needed = name::is_within(target, node.name);
        if record.rtype == rtype::NS && needed {
            let message = format!("the nameserver {} has no glue", Text(target));
            findings.report(
                Finding::warning("missing-glue", names.parsed.target_place(record), message)
                    .expected("an A or AAAA record for it in this zone"),
            );
        }
        return;
    }
    if found.is_none() && names.has_wildcard(target) {
        return;
    }
    let what = if found.is_some() { "has no address" } else { "does not exist" };
    let message = format!("this {rtype} points to {}, which {what}", Text(target));
    let finding =
        Finding::warning(codes(record.rtype).missing, names.parsed.target_place(record), message);
    let relative = &target[..target.len() - names.apex.len()];
    findings.report(match found.is_none() && name::label_count(relative) > 1 {
        true => finding.help(format!("end the name with a dot if `{}.` is meant", Text(relative))),
        false => finding.expected("an A or AAAA record for it"),
    });
}

/// `.` means "there is none" in MX and SRV.
fn root_target(names: &Names<'_>, node: &Node<'_>, record: &Record, findings: &mut Findings) {
    let name = Text(node.name);
    match record.rtype {
        rtype::NS => {
            let message = format!("{name} has the root for a nameserver");
            let finding =
                Finding::warning("address-as-name", names.parsed.target_place(record), message);
            findings.report(finding.expected("the name of a nameserver"));
        }
        rtype::MX if node.of(rtype::MX).len() > 1 => {
            let message = format!("{name} takes no mail (`MX 0 .`) and has other MX records");
            let finding =
                Finding::warning("null-mx-and-others", names.parsed.target_place(record), message);
            findings.report(finding.help("remove it or the others (RFC 7505 §3)"));
        }
        _ => {}
    }
}

struct Codes {
    cname: &'static str,
    missing: &'static str,
}

fn codes(rtype: RType) -> Codes {
    match rtype {
        rtype::NS => Codes { cname: "ns-to-cname", missing: "ns-without-address" },
        rtype::MX => Codes { cname: "mx-to-cname", missing: "mx-without-address" },
        _ => Codes { cname: "srv-to-cname", missing: "srv-without-address" },
    }
}

/// The address that a name looks like, complete or with the apex appended for want of a final dot.
fn address_like(target: &[u8], apex: &[u8]) -> Option<String> {
    let arpa = name::is_within(apex, b"\x04arpa\0");
    let relative = (!arpa && name::is_within(target, apex)).then(|| target.len() - apex.len());
    let ends = [Some(target.len() - 1), relative];
    ends.into_iter().flatten().map(|end| &target[..end]).find(|name| is_address(name)).map(|name| {
        // As written, a colon or a dot needs no escape here.
        Text(name).to_string()
    })
}

fn is_address(labels: &[u8]) -> bool {
    // Most names end with a letter.
    let hex = |b: &u8| b.is_ascii_hexdigit();
    if !labels.last().is_some_and(|b| hex(b) || *b == b':') {
        return false;
    }
    let number = |label: &[u8]| {
        let text = str::from_utf8(label).unwrap_or("");
        label.iter().all(u8::is_ascii_digit) && text.parse::<u8>().is_ok()
    };
    let mut count = 0;
    let mut all_numbers = true;
    for (_, label) in name::labels(labels) {
        count += 1;
        all_numbers &= number(label);
        let colons = label.iter().filter(|&&b| b == b':').count();
        if count == 1 && colons >= 2 && label.iter().all(|b| hex(b) || *b == b':') {
            return labels.len() == label.len() + 1;
        }
    }
    count == 4 && all_numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    #[test]
    fn addresses_in_disguise() {
        let like = |target: &str, apex: &str| {
            let (target, apex) = (Name::from_text(target).unwrap(), Name::from_text(apex).unwrap());
            address_like(target.as_wire(), apex.as_wire())
        };
        assert_eq!(like("192.0.2.1", "example.com").as_deref(), Some("192.0.2.1"));
        assert_eq!(like("192.0.2.1.example.com", "example.com").as_deref(), Some("192.0.2.1"));
        assert_eq!(like("2001:db8::1", "example.com").as_deref(), Some("2001:db8::1"));
        assert_eq!(like("2001:db8::1.example.com", "example.com").as_deref(), Some("2001:db8::1"));
        assert_eq!(like("192.0.2.300", "example.com"), None);
        assert_eq!(like("1.2.0.192.in-addr.arpa", "in-addr.arpa"), None);
        assert_eq!(like("2.0.192.example.com", "example.com"), None);
        assert_eq!(like("example.com", "example.com"), None);
        assert_eq!(like(".", "example.com"), None);
    }
}

//! The rules of a zone (SPEC §3): what keeps it from loading, and what its operator should know.
//!
//! Rules see the zone as it would be served: grouped, without strangers and duplicates. All of them
//! are asked of every name, so that one reading of the findings is enough.

use super::advice;
use super::finding::{Finding, Findings, Place};
use super::names::{Names, Node};
use super::naptr;
use super::parse::Broken;
use super::record::Record;
use super::targets;
use crate::base::limits::MESSAGE_MAX;
use crate::base::name::Text;
use crate::base::rtype::{self, RType};
use crate::rdata::{target, type_text};

/// Checks a normalised zone.
pub(super) fn check(names: &Names<'_>, broken: Broken, findings: &mut Findings) {
    // Syntax errors leave records out: what is missing may be in one of those lines.
    let complete = findings.errors == 0;
    apex_records(names, broken, findings);
    let glue = targets::glue(names);
    for node in names.iter() {
        advice::name(names, &node, findings);
        targets::hidden(names, &node, &glue, findings);
        sizes(&node, findings);
        // Most names have addresses only.
        if node.records.iter().all(|r| matches!(r.rtype, rtype::A | rtype::AAAA)) {
            continue;
        }
        lonely_types(&node, findings);
        aliases(names, &node, findings);
        if node.name != names.apex && node.has(rtype::SOA) {
            soa_below_apex(names, &node, findings);
        }
        advice::place_of_service(names, &node, findings);
        advice::texts(names, &node, findings);
        naptr::check(names, &node, findings);
        targets::check(names, &node, complete, findings);
    }
    signatures(names, findings);
}

/// SOA and NS at the apex.
fn apex_records(names: &Names<'_>, broken: Broken, findings: &mut Findings) {
    let node = names.find(names.apex);
    let of = |rtype| node.map_or(&[][..], |node| node.of(rtype));
    let name = Text(names.apex);
    let start = Place::default();
    match of(rtype::SOA) {
        [] if broken.soa => {}
        [] => {
            let message = format!("the zone has no SOA record at {name}");
            findings.report(
                Finding::error("no-soa", start, message)
                    .expected("exactly one SOA record at the zone's own name")
                    .help("@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 300"),
            );
        }
        [soa] => advice::soa(names, soa, findings),
        [first, rest @ ..] => {
            for record in rest {
                let message = format!("the zone has more than one SOA record at {name}");
                findings.report(
                    Finding::error("multiple-soas", record.place, message)
                        .help("remove all but one")
                        .note(first.place, "the first is here"),
                );
            }
        }
    }
    if of(rtype::NS).is_empty() && !broken.ns {
        let message = format!("the zone has no NS record at {name}");
        findings.report(
            Finding::error("no-apex-ns", start, message)
                .expected("the nameservers of the zone, at the zone's own name"),
        );
    }
}

fn soa_below_apex(names: &Names<'_>, node: &Node<'_>, findings: &mut Findings) {
    let apex = Text(names.apex);
    for record in node.of(rtype::SOA) {
        let message = format!("an SOA record at {}, which is not the apex", Text(node.name));
        findings.report(
            Finding::error("soa-below-apex", record.place, message)
                .expected(format!("SOA at {apex} only"))
                .help("a child zone has a file of its own"),
        );
    }
}

/// CNAME stands alone, and there is one CNAME and one DNAME (RFC 1034 §3.6.2, RFC 2181 §10.1,
/// RFC 6672 §2.4).
fn lonely_types(node: &Node<'_>, findings: &mut Findings) {
    let name = Text(node.name);
    if let [first, rest @ ..] = node.of(rtype::CNAME) {
        let other = |r: &&Record| {
            !matches!(r.rtype, rtype::CNAME | rtype::RRSIG | rtype::NSEC | rtype::DNSKEY)
        };
        if let Some(other) = node.records.iter().find(other) {
            let message = format!("{name} has a CNAME and other data");
            findings.report(
                Finding::error("cname-and-other-data", first.place, message)
                    .help("write ALIAS for CNAME: it may stand beside all data but addresses")
                    .note(other.place, format!("its {} is here", type_text(other.rtype))),
            );
        }
        only_one(node, first, rest, "multiple-cnames", findings);
    }
    if let [first, rest @ ..] = node.of(rtype::DNAME) {
        only_one(node, first, rest, "multiple-dnames", findings);
    }
}

fn only_one(
    node: &Node<'_>,
    first: &Record,
    rest: &[Record],
    code: &'static str,
    findings: &mut Findings,
) {
    for record in rest {
        let rtype = type_text(first.rtype);
        let message = format!("{} has more than one {rtype}", Text(node.name));
        findings.report(
            Finding::error(code, record.place, message)
                .expected("one target")
                .note(first.place, "the first is here"),
        );
    }
}

/// An alias gives addresses, so no other addresses stand beside it (SPEC §3).
fn aliases(names: &Names<'_>, node: &Node<'_>, findings: &mut Findings) {
    let [first, rest @ ..] = node.of(rtype::ALIAS) else { return };
    let name = Text(node.name);
    for rtype in [rtype::A, rtype::AAAA] {
        if let Some(address) = node.of(rtype).first() {
            let rtype = type_text(rtype);
            let message = format!("{name} has an alias and an address of its own");
            findings.report(
                Finding::error("alias-and-address", first.place, message)
                    .expected("the alias or the addresses")
                    .help("ALIAS and ANAME, a CNAME at the apex and one that is flattened are aliases")
                    .note(address.place, format!("its {rtype} is here")),
            );
        }
    }
    only_one(node, first, rest, "multiple-aliases", findings);
    for record in node.of(rtype::ALIAS) {
        let itself = target(record.rtype, names.parsed.rdata(record))
            .is_some_and(|target| target.eq_ignore_ascii_case(node.name));
        if itself {
            let message = format!("the alias {name} leads to itself");
            findings.report(
                Finding::error("alias-to-itself", names.parsed.target_place(record), message)
                    .expected("the name that has the addresses"),
            );
        }
    }
}

/// An RRset is never split, so it must fit one message: header and question, then for each record a
/// pointer to the owner, type, class, TTL, length and data.
fn sizes(node: &Node<'_>, findings: &mut Findings) {
    if node.records.len() == 1 && usize::from(node.records[0].rdata_len) < MESSAGE_MAX / 2 {
        return;
    }
    for rrset in node.rrsets() {
        let records: usize = rrset.iter().map(|r| 12 + usize::from(r.rdata_len)).sum();
        let size = 12 + node.name.len() + 4 + records;
        if size > MESSAGE_MAX {
            let rtype = type_text(rrset[0].rtype);
            let name = Text(node.name);
            let message = format!("the {rtype} records of {name} take {size} octets in a message");
            findings.report(
                Finding::error("rrset-too-large", rrset[0].place, message)
                    .expected("at most 65535 octets")
                    .help("no answer could ever carry them"),
            );
        }
    }
}

/// Signed zones cannot be served yet: a signature would outlive what it signs.
fn signatures(names: &Names<'_>, findings: &mut Findings) {
    for rtype in [rtype::RRSIG, rtype::DNSKEY] {
        let of_type = |r: &&Record| r.rtype == rtype;
        let Some(first) = names.parsed.records.iter().filter(of_type).min_by_key(|r| r.place)
        else {
            continue;
        };
        let count = names.parsed.records.iter().filter(of_type).count();
        let message =
            format!("signed zones are not supported yet: {count} {}", plural(rtype, count));
        findings.report(
            Finding::error("signed-zone", first.place, message)
                .help("use the zone as it was before it was signed"),
        );
    }
}

fn plural(rtype: RType, count: usize) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} record{s}", type_text(rtype))
}

//! Slips that are no errors of form: forgotten dots, mail addresses in SOA, texts that lost their
//! blanks.

use super::finding::{Finding, Findings};
use super::names::{Names, Node};
use super::record::Record;
use crate::base::name::{self, Text};
use crate::base::rtype;
use crate::rdata::type_text;

/// Seconds in a week: negative answers kept longer than that are a slip.
const WEEK: u32 = 604_800;

/// Octets that names of hosts and services are made of.
static USUAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 256 {
        let octet = b as u8;
        table[b] = octet.is_ascii_lowercase() || octet.is_ascii_digit();
        b += 1;
    }
    table[b'-' as usize] = true;
    table[b'_' as usize] = true;
    table
};

/// Looks at what a name is made of.
pub(super) fn name(names: &Names<'_>, node: &Node<'_>, findings: &mut Findings) {
    let place = || {
        let first = node.records.iter().min_by_key(|r| r.place);
        first.map_or_else(Default::default, |first| names.parsed.owner_place(first))
    };
    let inner = &node.name[..node.name.len() - names.apex.len()];
    if repeats_apex(inner, names.apex) {
        let message = format!("{} has the zone's name in it twice", Text(node.name));
        let help = format!("end the name with a dot if `{}.` is meant", Text(inner));
        findings.report(Finding::warning("doubled-origin", place(), message).help(help));
    }
    for (at, label) in name::labels(inner) {
        if at == 0 && label == b"*" {
            continue;
        }
        let unusual = |b: &&u8| !(USUAL[usize::from(**b)] || **b == b'/' && names.is_reverse);
        let Some(&octet) = label.iter().find(unusual) else { continue };
        let message = format!("{} is no host name: {}", Text(node.name), octet_text(octet));
        let finding = Finding::warning("unusual-name", place(), message);
        findings.report(match octet {
            b'*' => finding.help("`*` is a wildcard only as the whole first label"),
            0x80.. => finding.help("write international names as A-labels (`xn--…`)"),
            b'@' => finding.help("`@` stands for the origin only by itself"),
            _ => finding.expected("letters, digits, hyphens and underscores"),
        });
        break;
    }
}

/// Looks for records that belong to a service, but whose name does not say so.
pub(super) fn place_of_service(names: &Names<'_>, node: &Node<'_>, findings: &mut Findings) {
    for (rtype, form) in [(rtype::SRV, "_service._proto"), (rtype::TLSA, "_port._proto")] {
        let Some(record) = node.of(rtype).first() else { continue };
        let first = name::labels(node.name).next().map_or(&b""[..], |(_, label)| label);
        if !first.starts_with(b"_") && first != b"*" {
            let rtype = type_text(rtype);
            let message = format!("{rtype} at {}: nobody looks for it there", Text(node.name));
            let place = names.parsed.owner_place(record);
            let finding = Finding::warning("no-underscore", place, message);
            findings.report(finding.expected(format!("an owner that starts with `{form}`")));
        }
    }
}

fn octet_text(octet: u8) -> String {
    match octet {
        b'!'..=b'~' => format!("it has `{}` in it", char::from(octet)),
        _ => format!("it has the octet \\{octet:03} in it"),
    }
}

/// The name without its last labels, if these are the apex and those before them are it too:
/// `www.example.com.example.com` in the zone `example.com`.
pub(super) fn doubled<'n>(name: &'n [u8], apex: &[u8]) -> Option<&'n [u8]> {
    let inner = &name[..name.len().saturating_sub(apex.len())];
    (name::is_within(name, apex) && repeats_apex(inner, apex)).then_some(inner)
}

/// Whether a name given without the apex that it ends with ends with it once more.
fn repeats_apex(inner: &[u8], apex: &[u8]) -> bool {
    let labels = &apex[..apex.len() - 1];
    !labels.is_empty()
        && inner.ends_with(labels)
        && name::labels(inner).any(|(at, _)| at == inner.len() - labels.len())
}

/// Looks at the numbers and the mailbox of the SOA.
pub(super) fn soa(names: &Names<'_>, soa: &Record, findings: &mut Findings) {
    let rdata = names.parsed.rdata(soa);
    let Ok(rname_at) = name::len_at(rdata, 0) else { return };
    let Ok(rname_len) = name::len_at(rdata, rname_at) else { return };
    let rname = &rdata[rname_at..rname_at + rname_len];
    if let Some((_, label)) = name::labels(rname).next()
        && label.contains(&b'@')
    {
        let message = format!("the mailbox {} has an `@` in it", Text(rname));
        let text = Text(rname).to_string().replace("\\@", ".");
        let finding = Finding::warning("at-sign-in-rname", soa.place, message);
        findings.report(finding.help(format!("write it as `{text}.`, with a dot for the `@`")));
    }
    let numbers = &rdata[rname_at + rname_len..];
    let number = |i: usize| {
        let octets = numbers.get(4 * i..).and_then(|rest| rest.first_chunk());
        octets.map_or(0, |octets| u32::from_be_bytes(*octets))
    };
    let (refresh, retry, expire, minimum) = (number(1), number(2), number(3), number(4));
    let mut warn = |message: String, help: &str| {
        findings.report(Finding::warning("soa-times", soa.place, message).help(help));
    };
    if refresh == 0 || retry == 0 {
        warn(
            format!("refresh {refresh} and retry {retry} let secondaries ask without pause"),
            "usual are hours, e.g. 7200 and 3600",
        );
    } else if retry > refresh {
        warn(
            format!("retry {retry} is longer than refresh {refresh}"),
            "retry is for the time after a refresh that failed: make it shorter",
        );
    }
    if u64::from(expire) <= u64::from(refresh) + u64::from(retry) {
        warn(
            format!("expire {expire} is over before refresh {refresh} and retry {retry} are"),
            "secondaries would drop the zone: usual are 2 to 4 weeks, e.g. 1209600",
        );
    }
    if minimum > WEEK {
        warn(
            format!("resolvers may remember for {minimum} s that a name does not exist"),
            "the last number is the TTL of negative answers (RFC 2308 §4): usual is 300 to 86400",
        );
    }
}

/// Looks at TXT records that mail depends on.
pub(super) fn texts(names: &Names<'_>, node: &Node<'_>, findings: &mut Findings) {
    let mut spf: Option<&Record> = None;
    let mut text = Vec::new();
    for record in node.of(rtype::TXT) {
        let rdata = names.parsed.rdata(record);
        if !rdata.get(1..3).is_some_and(|start| start.eq_ignore_ascii_case(b"v=")) {
            continue;
        }
        text.clear();
        let strings = join(rdata, &mut text);
        let lower = text.to_ascii_lowercase();
        let lost_blanks = strings > 1
            && lower.strip_prefix(b"v=spf1").is_some_and(|rest| rest.first() != Some(&b' '));
        if lost_blanks {
            let message = "the strings of this SPF record are joined without blanks between them";
            findings.report(
                Finding::warning("split-spf", record.place, message)
                    .help("quote it as a whole, or put a blank at the end of each part"),
            );
        }
        let cut = [&b"v=dmarc1"[..], b"v=dkim1", b"v=stsv1", b"v=tlsrptv1"].contains(&&lower[..]);
        if cut {
            let message = "this TXT record ends where its first `;` was to be";
            findings.report(
                Finding::warning("cut-text", record.place, message)
                    .help("quote the text: an unquoted `;` starts a comment"),
            );
        }
        if lower == b"v=spf1" || lower.starts_with(b"v=spf1 ") {
            if let Some(first) = spf {
                let message =
                    format!("{} has two SPF records: mail servers take neither", Text(node.name));
                findings.report(
                    Finding::warning("two-spf", record.place, message)
                        .help("make one record of them (RFC 7208 §4.5)")
                        .note(first.place, "the first is here"),
                );
            }
            spf = spf.or(Some(record));
        }
    }
}

/// Appends the strings of a TXT record and gives their number.
fn join(rdata: &[u8], text: &mut Vec<u8>) -> usize {
    let mut rest = rdata;
    let mut strings = 0;
    while let [len, behind @ ..] = rest {
        let (string, behind) = behind.split_at(usize::from(*len).min(behind.len()));
        text.extend_from_slice(string);
        strings += 1;
        rest = behind;
    }
    strings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::Name;

    #[test]
    fn doubled_names() {
        let apex = Name::from_text("example.com").unwrap();
        let is = |text: &str| {
            let name = Name::from_text(text).unwrap();
            doubled(name.as_wire(), apex.as_wire()).map(|n| Text(n).to_string())
        };
        assert_eq!(is("www.example.com.example.com").as_deref(), Some("www.example.com"));
        assert_eq!(is("example.com.example.com").as_deref(), Some("example.com"));
        assert_eq!(is("www.example.com"), None);
        assert_eq!(is("www.badexample.com.example.com"), None);
        assert_eq!(is("com.example.com"), None);
        assert_eq!(is("www.example.com.example.org"), None);
    }
}

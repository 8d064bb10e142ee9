//! Rdata of the tests: wire to canonical wire, text to wire and wire to text, by one table of fields.

use super::message::{Names, Wrong};
use super::name;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One field of rdata. `Packed` is a name that may be compressed (RFC 3597 §4: RFC 1035 types only).
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Packed,
    Name,
    U8,
    U16,
    U32,
    Ip4,
    Ip6,
    Text,
    Texts,
    Value,
    Hex,
    Params,
}

/// Types by mnemonic and number, with their fields.
const TYPES: &[(&str, u16, &[Field])] = &[
    ("A", 1, &[Field::Ip4]),
    ("NS", 2, &[Field::Packed]),
    ("MD", 3, &[Field::Packed]),
    ("MF", 4, &[Field::Packed]),
    ("CNAME", 5, &[Field::Packed]),
    (
        "SOA",
        6,
        &[Field::Packed, Field::Packed, Field::U32, Field::U32, Field::U32, Field::U32, Field::U32],
    ),
    ("MB", 7, &[Field::Packed]),
    ("MG", 8, &[Field::Packed]),
    ("MR", 9, &[Field::Packed]),
    ("PTR", 12, &[Field::Packed]),
    ("HINFO", 13, &[Field::Text, Field::Text]),
    ("MINFO", 14, &[Field::Packed, Field::Packed]),
    ("MX", 15, &[Field::U16, Field::Packed]),
    ("TXT", 16, &[Field::Texts]),
    ("RP", 17, &[Field::Name, Field::Name]),
    ("AAAA", 28, &[Field::Ip6]),
    ("SRV", 33, &[Field::U16, Field::U16, Field::U16, Field::Name]),
    ("NAPTR", 35, &[Field::U16, Field::U16, Field::Text, Field::Text, Field::Text, Field::Name]),
    ("DNAME", 39, &[Field::Name]),
    ("OPT", 41, &[Field::Hex]),
    ("DS", 43, &[Field::U16, Field::U8, Field::U8, Field::Hex]),
    ("RRSIG", 46, &[Field::Hex]),
    ("NSEC", 47, &[Field::Hex]),
    ("DNSKEY", 48, &[Field::Hex]),
    ("TLSA", 52, &[Field::U8, Field::U8, Field::U8, Field::Hex]),
    ("CDS", 59, &[Field::U16, Field::U8, Field::U8, Field::Hex]),
    ("SVCB", 64, &[Field::U16, Field::Name, Field::Params]),
    ("HTTPS", 65, &[Field::U16, Field::Name, Field::Params]),
    ("IXFR", 251, &[Field::Hex]),
    ("AXFR", 252, &[Field::Hex]),
    ("ANY", 255, &[Field::Hex]),
    ("CAA", 257, &[Field::U8, Field::Text, Field::Value]),
];

/// Number of a type: a mnemonic of the table or TYPEnnn.
pub fn type_number(text: &str) -> Option<u16> {
    let known = TYPES.iter().find(|(mnemonic, ..)| mnemonic.eq_ignore_ascii_case(text));
    known.map(|(_, number, _)| *number).or_else(|| text.strip_prefix("TYPE")?.parse().ok())
}

/// Mnemonic of a type, or TYPEnnn.
pub fn type_text(number: u16) -> String {
    let known = TYPES.iter().find(|(_, have, _)| *have == number);
    known.map_or_else(|| format!("TYPE{number}"), |(mnemonic, ..)| (*mnemonic).to_string())
}

fn fields(number: u16) -> &'static [Field] {
    TYPES.iter().find(|(_, have, _)| *have == number).map_or(&[Field::Hex], |(_, _, fields)| fields)
}

/// Read `len` octets of rdata at `at`, names unpacked; every octet must be used.
pub fn decode(
    number: u16,
    packet: &[u8],
    at: usize,
    len: usize,
    names: &mut Names,
) -> Result<Vec<u8>, Wrong> {
    let end = at + len;
    let mut at = at;
    let mut out = Vec::new();
    for field in fields(number) {
        let size = match field {
            Field::Packed | Field::Name => {
                let allow = *field == Field::Packed;
                let (unpacked, next) = names.read(packet, at, end, allow)?;
                out.extend_from_slice(&unpacked);
                at = next;
                continue;
            }
            Field::U8 => 1,
            Field::U16 => 2,
            Field::U32 | Field::Ip4 => 4,
            Field::Ip6 => 16,
            Field::Text => 1 + usize::from(*packet.get(at).ok_or("rdata ends in a text")?),
            Field::Texts => texts_len(packet, at, end)?,
            Field::Params => params_len(packet, at, end)?,
            Field::Value | Field::Hex => end.saturating_sub(at),
        };
        if at + size > end {
            return Err(format!("{} rdata crosses its end", type_text(number)));
        }
        out.extend_from_slice(&packet[at..at + size]);
        at += size;
    }
    if at != end {
        return Err(format!("{} rdata has octets left over", type_text(number)));
    }
    Ok(out)
}

fn texts_len(packet: &[u8], from: usize, end: usize) -> Result<usize, Wrong> {
    let mut at = from;
    while at < end {
        at += 1 + usize::from(packet[at]);
    }
    if at != end || from == end {
        return Err("texts do not fill their rdata".to_string());
    }
    Ok(end - from)
}

fn params_len(packet: &[u8], from: usize, end: usize) -> Result<usize, Wrong> {
    let mut at = from;
    let mut last = -1;
    while at < end {
        let head = packet.get(at..at + 4).ok_or("a SvcParam is cut off")?;
        let key = i32::from(u16::from_be_bytes([head[0], head[1]]));
        if key <= last {
            return Err("SvcParams are not in ascending order".to_string());
        }
        last = key;
        at += 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
    }
    if at != end {
        return Err("a SvcParam crosses its rdata".to_string());
    }
    Ok(end - from)
}

/// Rdata in lower case where it holds names: equal rdata are equal octets.
pub fn folded(number: u16, rdata: &[u8]) -> Vec<u8> {
    let mut out = rdata.to_vec();
    let mut at = 0;
    for field in fields(number) {
        at += match field {
            Field::Packed | Field::Name => {
                let len = name_len(&out[at..]);
                out[at..at + len].make_ascii_lowercase();
                len
            }
            Field::U8 => 1,
            Field::U16 => 2,
            Field::U32 | Field::Ip4 => 4,
            Field::Ip6 => 16,
            Field::Text => 1 + usize::from(out[at]),
            Field::Texts | Field::Params | Field::Value | Field::Hex => out.len() - at,
        };
    }
    out
}

fn name_len(wire: &[u8]) -> usize {
    let mut at = 0;
    while wire[at] != 0 {
        at += 1 + usize::from(wire[at]);
    }
    at + 1
}

/// Wire form of rdata written in master-file text with absolute names.
pub fn from_text(number: u16, text: &str) -> Vec<u8> {
    let tokens = tokens(text);
    let mut left = tokens.iter();
    let mut out = Vec::new();
    if tokens.first().map(Vec::as_slice) == Some(br"\#") {
        let hex: String = tokens[2..].iter().map(|part| String::from_utf8_lossy(part)).collect();
        return unhex(&hex);
    }
    for field in fields(number) {
        let mut next = || left.next().unwrap_or_else(|| panic!("rdata too short: {text}"));
        let word = |token: &Vec<u8>| String::from_utf8_lossy(token).to_string();
        match field {
            Field::Packed | Field::Name => out.extend(name::wire(&word(next()))),
            Field::U8 => out.push(word(next()).parse().expect("a number")),
            Field::U16 => out.extend(word(next()).parse::<u16>().expect("u16").to_be_bytes()),
            Field::U32 => out.extend(word(next()).parse::<u32>().expect("u32").to_be_bytes()),
            Field::Ip4 => out.extend(word(next()).parse::<Ipv4Addr>().expect("IPv4").octets()),
            Field::Ip6 => out.extend(word(next()).parse::<Ipv6Addr>().expect("IPv6").octets()),
            Field::Text => push_text(next(), &mut out),
            Field::Texts => left.by_ref().for_each(|token| push_text(token, &mut out)),
            Field::Value => out.extend_from_slice(next()),
            Field::Hex => {
                let hex: String = left.by_ref().map(word).collect();
                out.extend(unhex(&hex));
            }
            Field::Params => left.by_ref().for_each(|token| push_param(&word(token), &mut out)),
        }
    }
    assert!(left.next().is_none(), "rdata too long: {text}");
    out
}

fn push_text(token: &[u8], out: &mut Vec<u8>) {
    out.push(u8::try_from(token.len()).expect("at most 255"));
    out.extend_from_slice(token);
}

fn push_param(token: &str, out: &mut Vec<u8>) {
    let (key, value) = token.split_once('=').unwrap_or((token, ""));
    let mut octets = Vec::new();
    let number: u16 = match key {
        "alpn" => {
            value.split(',').for_each(|id| push_text(id.as_bytes(), &mut octets));
            1
        }
        "no-default-alpn" => 2,
        "port" => {
            octets.extend(value.parse::<u16>().expect("a port").to_be_bytes());
            3
        }
        "ipv4hint" => {
            let hints = value.split(',').map(|hint| hint.parse::<Ipv4Addr>().expect("IPv4"));
            hints.for_each(|hint| octets.extend(hint.octets()));
            4
        }
        other => {
            octets = value.as_bytes().to_vec();
            other.strip_prefix("key").expect("a key the tests know").parse().expect("a number")
        }
    };
    out.extend(number.to_be_bytes());
    out.extend(u16::try_from(octets.len()).expect("short").to_be_bytes());
    out.append(&mut octets);
}

/// Text of rdata in wire form, absolute names, for people and for diffs.
pub fn show(number: u16, rdata: &[u8]) -> String {
    let mut words = Vec::new();
    let mut at = 0;
    for field in fields(number) {
        let rest = &rdata[at..];
        let num = |len: usize| rest[..len].iter().fold(0u64, |sum, &o| sum << 8 | u64::from(o));
        at += match field {
            Field::Packed | Field::Name => {
                words.push(name::show(rest));
                name_len(rest)
            }
            Field::U8 | Field::U16 | Field::U32 => {
                let len = [1, 2, 4][[Field::U8, Field::U16, Field::U32]
                    .iter()
                    .position(|have| have == field)
                    .expect("one of the three")];
                words.push(num(len).to_string());
                len
            }
            Field::Ip4 => {
                words.push(Ipv4Addr::from(u32::try_from(num(4)).expect("32 bits")).to_string());
                4
            }
            Field::Ip6 => {
                let octets: [u8; 16] = rest[..16].try_into().expect("16 octets");
                words.push(Ipv6Addr::from(octets).to_string());
                16
            }
            Field::Text => {
                words.push(quoted(&rest[1..=usize::from(rest[0])]));
                1 + usize::from(rest[0])
            }
            Field::Texts => {
                let mut from = 0;
                while from < rest.len() {
                    let len = usize::from(rest[from]);
                    words.push(quoted(&rest[from + 1..from + 1 + len]));
                    from += 1 + len;
                }
                from
            }
            Field::Value => {
                words.push(quoted(rest));
                rest.len()
            }
            Field::Hex | Field::Params => {
                words.push(hex(rest));
                rest.len()
            }
        };
    }
    words.join(" ")
}

fn quoted(octets: &[u8]) -> String {
    let mut out = String::from("\"");
    for &octet in octets {
        match octet {
            b'"' | b'\\' => out.extend(['\\', char::from(octet)]),
            0x20..=0x7e => out.push(char::from(octet)),
            _ => out.push_str(&format!("\\{octet:03}")),
        }
    }
    out.push('"');
    out
}

/// Hexadecimal digits of octets.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets of hexadecimal digits.
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "an odd number of digits: {text}");
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(pair).collect()
}

/// Words of a line: quotes keep spaces, `\DDD` and `\X` are undone inside quotes only.
pub fn tokens(text: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut octets = text.bytes().peekable();
    while let Some(&first) = octets.peek() {
        if first.is_ascii_whitespace() {
            octets.next();
            continue;
        }
        let mut token = Vec::new();
        if first == b'"' {
            octets.next();
            while let Some(octet) = octets.next().filter(|octet| *octet != b'"') {
                token.push(if octet == b'\\' { escape(&mut octets) } else { octet });
            }
        } else {
            while let Some(octet) = octets.next_if(|octet| !octet.is_ascii_whitespace()) {
                token.push(octet);
            }
        }
        out.push(token);
    }
    out
}

fn escape(octets: &mut impl Iterator<Item = u8>) -> u8 {
    let first = octets.next().expect("an escape is complete");
    if !first.is_ascii_digit() {
        return first;
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        value = value * 10 + u16::from(octets.next().expect("three digits") - b'0');
    }
    u8::try_from(value).expect("an octet")
}

#[test]
fn text_and_wire_agree() {
    for (rtype, text) in [
        ("A", "192.0.2.1"),
        ("SOA", "ns1.a. host.a. 1 2 3 4 5"),
        ("MX", "10 mail.example."),
        ("TXT", r#""a b" "\"\\\000""#),
        ("CAA", r#"0 "issue" "ca.example""#),
    ] {
        let number = type_number(rtype).expect("a type of the table");
        assert_eq!(show(number, &from_text(number, text)), text);
    }
}

//! Data there and back: texts with the octets BIND 9.18 makes of them, bad texts, random data.

mod random;

use super::*;
use crate::base::rtype::RType;

/// Wire form of a text, names completed with `example.`.
fn wire(kind: &str, text: &str) -> Result<Vec<u8>, FieldError> {
    let rtype = type_from_text(kind.as_bytes()).expect(kind);
    let mut out = vec![0xAA];
    let result = from_line(rtype, text.as_bytes(), b"\x07example\0", &mut out);
    assert_eq!(out[0], 0xAA);
    if result.is_err() {
        assert_eq!(out.len(), 1, "{kind} {text} left octets behind");
    }
    result.map(|()| out.split_off(1))
}

fn text(rtype: RType, rdata: &[u8]) -> String {
    let mut out = String::new();
    to_text(rtype, rdata, &mut out);
    out
}

#[test]
fn good_texts() {
    for line in include_str!("../../../tests/rdata/good.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let [kind, input, hex] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three fields: {line}");
        };
        let rtype = type_from_text(kind.as_bytes()).expect(kind);
        let made = wire(kind, input).unwrap_or_else(|error| panic!("{kind} {input}: {error:?}"));
        let shown: String = made.iter().map(|b| format!("{b:02X}")).collect();
        assert_eq!(shown, hex, "{kind} {input}");
        assert_eq!(check_wire(rtype, &made), Ok(()), "{kind} {input}");
        let printed = text(rtype, &made);
        assert_eq!(wire(kind, &printed).as_ref(), Ok(&made), "{kind} {input} -> {printed}");
        let unknown = format!("\\# {} {hex}", made.len());
        assert_eq!(wire(kind, &unknown).as_ref(), Ok(&made), "{kind} {unknown}");
    }
}

#[test]
fn bad_texts() {
    for line in include_str!("../../../tests/rdata/bad.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let [kind, input, code, word] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four fields: {line}");
        };
        let error = wire(kind, input).expect_err(line);
        let (at, len) = (error.at as usize, error.len as usize);
        assert_eq!(error.code, code, "{kind} {input}: {error:?}");
        let blamed = if at == input.len() { "" } else { &input[at..at + len] };
        assert_eq!(blamed, word, "{kind} {input}: {error:?}");
        assert!(!error.message.is_empty() && !error.expected.is_empty());
    }
}

#[test]
fn every_type_has_a_good_text() {
    let good: Vec<&str> = include_str!("../../../tests/rdata/good.txt")
        .lines()
        .filter_map(|l| l.split('\t').next())
        .collect();
    for (names, _) in super::table::TABLE {
        for name in *names {
            assert!(good.contains(name), "{name}");
        }
    }
}

#[test]
fn printed_as_people_know_it() {
    for (kind, input, printed) in [
        ("A", "\\# 4 c0000201", "192.0.2.1"),
        ("AAAA", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("NS", "Ns1", "Ns1.example."),
        ("CNAME", ".", "."),
        ("CNAME", "a\\.b\\032c\\@\\$.", "a\\.b\\032c\\@\\$."),
        ("SOA", "@ host 1 1h 15m 1w 5m", "example. host.example. 1 3600 900 604800 300"),
        ("TXT", "a\\\"b \"c d\" \\195\\169", "\"a\\\"b\" \"c d\" \"\\195\\169\""),
        ("CAA", "0 issue ca.example", "0 issue \"ca.example\""),
        ("HTTPS", "1 . port=8443 alpn=h2,h3", "1 . alpn=\"h2,h3\" port=8443"),
        (
            "LOC",
            "52 22 23 N 4 53 32 E -2m 0.5m",
            "52 22 23.000 N 4 53 32.000 E -2.00m 0.50m 10000m 10m",
        ),
        ("NSEC", "a TYPE1234 MX A", "a.example. A MX TYPE1234"),
        ("NSEC3PARAM", "1 0 0 -", "1 0 0 -"),
        (
            "RRSIG",
            "A 8 2 60 0 1735689600 1 a. AQ==",
            "A 8 2 60 19700101000000 20250101000000 1 a. AQ==",
        ),
        ("KEY", "NOKEY 3 5", "49152 3 5"),
        ("APL", "", ""),
        ("NULL", "\\# 1 AB", "\\# 1 AB"),
        ("TYPE65280", "\\# 0", "\\# 0"),
        ("LOC", "\\# 1 01", "\\# 1 01"),
        ("DSYNC", "CDS NOTIFY 5359 a.", "CDS 1 5359 a."),
    ] {
        let rtype = type_from_text(kind.as_bytes()).expect(kind);
        assert_eq!(text(rtype, &wire(kind, input).expect(input)), printed, "{kind} {input}");
    }
    // What is not valid is shown all the same.
    assert_eq!(text(1, b"\x01\x02\x03"), "\\# 3 010203");
    assert_eq!(text(5, b"\xC0\x0C"), "\\# 2 C00C");
}

#[test]
fn names_and_canonical_form() {
    /// Kind, text, names as (offset, length, may be compressed, folded).
    type Names = &'static [(usize, usize, bool, bool)];
    let cases: &[(&str, &str, Names)] = &[
        ("A", "192.0.2.1", &[]),
        ("NS", "A.", &[(0, 3, true, true)]),
        ("SOA", "A. BC. 1 2 3 4 5", &[(0, 3, true, true), (3, 4, true, true)]),
        ("MX", "1 A.", &[(2, 3, true, true)]),
        ("SRV", "1 2 3 A.", &[(6, 3, false, true)]),
        ("DNAME", "A.", &[(0, 3, false, true)]),
        ("NAPTR", "1 2 A B C D.", &[(10, 3, false, true)]),
        ("RP", "A. B.", &[(0, 3, false, true), (3, 3, false, true)]),
        ("RRSIG", "A 8 2 60 1 1 1 A. AQ==", &[(18, 3, false, true)]),
        ("NSEC", "A. A", &[(0, 3, false, false)]),
        ("NXT", "A. A", &[(0, 3, false, true)]),
        ("SVCB", "1 A. alpn=H2", &[(2, 3, false, false)]),
        ("ALIAS", "A.", &[(0, 3, false, false)]),
        ("A6", "0 ::1", &[]),
        ("A6", "64 ::1 A.", &[(9, 3, false, true)]),
        ("A6", "128 A.", &[(1, 3, false, true)]),
        ("IPSECKEY", "1 1 2 192.0.2.1 AQ==", &[]),
        ("IPSECKEY", "1 3 2 A. AQ==", &[(3, 3, false, false)]),
        ("AMTRELAY", "1 1 3 A.", &[(2, 3, false, false)]),
        ("HIP", "2 AA AQ== A. B.", &[(6, 3, false, false), (9, 3, false, false)]),
        ("HIP", "2 AA AQ==", &[]),
        ("TXT", "A", &[]),
        ("TYPE65280", "\\# 3 014100", &[]),
    ];
    for (kind, input, expected) in cases {
        let rtype = type_from_text(kind.as_bytes()).expect(kind);
        let rdata = wire(kind, input).expect(input);
        let found: Vec<_> =
            names(rtype, &rdata).map(|n| (n.at, n.len, n.compress, n.fold)).collect();
        assert_eq!(found, *expected, "{kind} {input}");
        let mut expected_canonical = rdata.clone();
        for &(at, len, _, fold) in *expected {
            if fold {
                expected_canonical[at..at + len].make_ascii_lowercase();
            }
        }
        let mut made = vec![7];
        canonical(rtype, &rdata, &mut made);
        assert_eq!(made[1..], expected_canonical, "{kind} {input}");
    }
    assert_eq!(target(33, &wire("SRV", "1 2 3 A.").unwrap()), Some(&b"\x01A\0"[..]));
    assert_eq!(target(1, b"\x01\x02\x03\x04"), None);
    assert_eq!(target(5, b"\xC0\x00"), None);
}

#[test]
fn long_texts_are_split_not_cut() {
    let error = wire("TXT", &format!("short \"{}\"", "x".repeat(511))).unwrap_err();
    assert_eq!((error.code, error.at, error.len), ("text-too-long", 6, 513));
    assert!(error.help.unwrap().contains("split it into 3 texts"));
    assert!(wire("TXT", &"x".repeat(255)).is_ok());
    assert!(wire("HINFO", &format!("{} a", "x".repeat(256))).unwrap_err().help.is_none());
    // Texts without a length of their own may be long, the whole data not.
    assert!(wire("CAA", &format!("0 issue {}", "x".repeat(300))).is_ok());
    let error = wire("URI", &format!("1 1 {}", "x".repeat(65_532))).unwrap_err();
    assert_eq!(error.code, "rdata-too-long");
    assert!(wire("URI", &format!("1 1 {}", "x".repeat(65_531))).is_ok());
}

#[test]
fn advice_fits_the_mistake() {
    for (kind, input, advice) in [
        ("A", "2001:db8::1", "AAAA"),
        ("AAAA", "192.0.2.1", "type is A"),
        ("A", "192.0.2.01", "leading zeros"),
        ("A", "www", "CNAME"),
        ("MX", "mail", "preference, mail server"),
        ("SVCB", "1 . Port=1", "lower case"),
        ("CNAME", "\"a\"", "leave the quotes out"),
        ("EUI48", "00:00:5e:00:53:2a", "`-`"),
    ] {
        let help = wire(kind, input).unwrap_err().help.expect(input);
        assert!(help.contains(advice), "{kind} {input}: {help}");
    }
}

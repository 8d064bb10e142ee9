//! Data there and back: texts with the octets BIND 9.18 makes of them, texts to refuse, random data.

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

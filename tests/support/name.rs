//! Domain names of the tests: master-file text to wire and back, independent of the server's code.

/// Wire form of an absolute name; the final dot may be missing. Case is kept.
pub fn wire(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut label = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => close(&mut label, &mut out, text),
            b'\\' => {
                let first = octets.next().expect("an escape is complete");
                if first.is_ascii_digit() {
                    let second = octets.next().expect("three digits");
                    let third = octets.next().expect("three digits");
                    let digits = [first, second, third].map(|digit| u16::from(digit - b'0'));
                    let value = digits[0] * 100 + digits[1] * 10 + digits[2];
                    label.push(u8::try_from(value).expect("an octet"));
                } else {
                    label.push(first);
                }
            }
            other => label.push(other),
        }
    }
    if !label.is_empty() {
        close(&mut label, &mut out, text);
    }
    out.push(0);
    out
}

fn close(label: &mut Vec<u8>, out: &mut Vec<u8>, text: &str) {
    if label.is_empty() {
        assert!(out.is_empty() && text == ".", "an empty label in {text:?}");
        return;
    }
    assert!(label.len() <= 63, "a label too long in {text:?}");
    out.push(u8::try_from(label.len()).expect("at most 63"));
    out.append(label);
}

/// Master-file text of a name in wire form, with the final dot.
pub fn show(wire: &[u8]) -> String {
    let mut out = String::new();
    let mut at = 0;
    while wire[at] != 0 {
        let len = usize::from(wire[at]);
        for &octet in &wire[at + 1..at + 1 + len] {
            match octet {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    out.push('\\');
                    out.push(char::from(octet));
                }
                0x21..=0x7e => out.push(char::from(octet)),
                _ => out.push_str(&format!("\\{octet:03}")),
            }
        }
        out.push('.');
        at += 1 + len;
    }
    if out.is_empty() { ".".to_string() } else { out }
}

/// ASCII lower case; length octets are below 64 and so never letters.
pub fn lower(wire: &[u8]) -> Vec<u8> {
    wire.to_ascii_lowercase()
}

#[test]
fn text_and_wire_agree() {
    assert_eq!(wire("."), [0]);
    assert_eq!(wire("a.b"), [1, b'a', 1, b'b', 0]);
    assert_eq!(show(&wire(r"a\.b.\000.c.")), r"a\.b.\000.c.");
}

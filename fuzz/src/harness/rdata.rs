//! Target `rdata`: two octets of type, one that says whether data or their text follow.

use bailiwick::rdata;

use super::zonefile::fits;

/// Names in texts are completed with this.
const ORIGIN: &[u8] = b"\x07example\0";

/// Checks all that must hold for one input.
pub fn check(input: &[u8]) {
    let [high, low, form, rest @ ..] = input else { return };
    let rtype = u16::from_be_bytes([*high, *low]);
    let name = rdata::type_text(rtype).to_string();
    assert_eq!(rdata::type_from_text(name.as_bytes()), Some(rtype), "{name}");
    match form & 1 {
        0 => data(rtype, rest),
        _ => text(rtype, rest),
    }
}

/// Any octets are taken apart; what passes the check comes back from its text.
fn data(rtype: u16, octets: &[u8]) {
    let valid = rdata::check_wire(rtype, octets);
    let shown = printed(rtype, octets);
    let mut canonical = Vec::new();
    rdata::canonical(rtype, octets, &mut canonical);
    assert!(canonical.eq_ignore_ascii_case(octets), "{canonical:x?}");
    let mut end = 0;
    for name in rdata::names(rtype, octets) {
        assert!(name.at >= end, "names in order");
        end = name.at + name.len;
        assert!(name.len <= 255 && octets[name.at..end].last() == Some(&0));
    }
    if let Some(target) = rdata::target(rtype, octets) {
        assert_eq!(target.last(), Some(&0));
    }
    if valid.is_err() || !rdata::is_data(rtype) {
        return;
    }
    let back = read(rtype, shown.as_bytes());
    assert_eq!(back.as_deref(), Ok(octets), "type {rtype}: {shown}");
    let hex: String = octets.iter().map(|b| format!("{b:02x}")).collect();
    let unknown = format!("\\# {} {hex}", octets.len());
    assert_eq!(read(rtype, unknown.as_bytes()).as_deref(), Ok(octets), "type {rtype}: {unknown}");
}

/// Any text is data or an error in it; the data are valid and come back from their text.
fn text(rtype: u16, text: &[u8]) {
    if !rdata::is_data(rtype) {
        return;
    }
    let mut octets = vec![0xAA];
    match rdata::from_line(rtype, text, ORIGIN, &mut octets) {
        Ok(()) => {
            assert_eq!(octets.remove(0), 0xAA);
            assert_eq!(rdata::check_wire(rtype, &octets), Ok(()), "{octets:x?}");
            data(rtype, &octets);
        }
        Err(error) => {
            assert_eq!(octets, [0xAA], "an error leaves nothing behind");
            assert!(fits(error.at, error.len, text.len()), "{error:?} in {} octets", text.len());
            assert!(!error.message.is_empty() && !error.code.is_empty());
        }
    }
}

fn printed(rtype: u16, octets: &[u8]) -> String {
    let mut text = String::new();
    rdata::to_text(rtype, octets, &mut text);
    assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?}");
    text
}

fn read(rtype: u16, text: &[u8]) -> Result<Vec<u8>, rdata::FieldError> {
    let mut octets = Vec::new();
    rdata::from_line(rtype, text, ORIGIN, &mut octets).map(|()| octets)
}

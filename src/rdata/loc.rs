//! Places on earth (RFC 1876): degrees, minutes and seconds to thousandths, metres to hundredths.

use std::fmt::Write;

use super::check::{WireError, fixed};
use super::scan::Scanner;
use super::table::Part;
use super::token::{FieldError, Token, Tokens, shown};
use super::value;

/// Equator and prime meridian on the wire, counted in thousandths of a second.
const MIDDLE: u32 = 1 << 31;
/// The reference spheroid lies so many centimetres above altitude 0 of the wire.
const SPHEROID: i64 = 10_000_000;
/// Size, horizontal and vertical precision where the text has none: 1 m, 10 km, 10 m.
const DEFAULTS: [u8; 3] = [0x12, 0x16, 0x13];
/// Largest size or precision: 90 000 000.00 m.
const SIZE_MAX: u64 = 9_000_000_000;

/// Takes all words of a place.
pub(super) fn scan<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
) -> Result<(), FieldError> {
    let latitude = angle(scanner, part, 90, b'N', b'S')?;
    let longitude = angle(scanner, part, 180, b'E', b'W')?;
    let token = scanner.bare(part)?;
    let altitude = metres(token.text)
        .and_then(|cm| u32::try_from(cm + SPHEROID).ok())
        .ok_or_else(|| bad(&token, "an altitude from -100000.00m to 42849672.95m"))?;
    let mut sizes = DEFAULTS;
    for size in &mut sizes {
        let Some(token) = scanner.next() else { break };
        *size = metres(token.text)
            .and_then(|cm| u64::try_from(cm).ok())
            .filter(|cm| *cm <= SIZE_MAX && !token.is_quoted())
            .map(to_exponent)
            .ok_or_else(|| bad(&token, "a length from 0.00m to 90000000.00m"))?;
    }
    let [size, horizontal, vertical] = sizes;
    scanner.out.extend_from_slice(&[0, size, horizontal, vertical]);
    scanner.out.extend_from_slice(&latitude.to_be_bytes());
    scanner.out.extend_from_slice(&longitude.to_be_bytes());
    scanner.out.extend_from_slice(&altitude.to_be_bytes());
    Ok(())
}

/// `D [M [S]] N|S`, as counted on the wire.
fn angle<'a, T: Tokens<'a>>(
    scanner: &mut Scanner<'_, 'a, T>,
    part: &Part,
    most: u64,
    up: u8,
    down: u8,
) -> Result<u32, FieldError> {
    let token = scanner.bare(part)?;
    let wanted = if most == 90 { "degrees from 0 to 90" } else { "degrees from 0 to 180" };
    let degrees = value::number(token.text, most).map_err(|_| bad(&token, wanted))?;
    let mut thousandths = degrees * 3_600_000;
    let mut units =
        [(60_000, 0, "minutes from 0 to 59"), (1, 3, "seconds from 0 to 59.999")].iter();
    loop {
        let token = scanner.bare(part)?;
        let is = |letter: u8| token.text.eq_ignore_ascii_case(&[letter]);
        if is(up) || is(down) {
            if thousandths > most * 3_600_000 {
                return Err(bad(&token, wanted));
            }
            let offset = thousandths as u32;
            return Ok(if is(up) { MIDDLE + offset } else { MIDDLE - offset });
        }
        let direction = (0, 0, "the direction: N or S, then E or W");
        let &(unit, places, wanted) = units.next().unwrap_or(&direction);
        let count = decimal(token.text, places)
            .filter(|count| unit > 0 && *count < 60 * 10u64.pow(places))
            .ok_or_else(|| bad(&token, wanted))?;
        thousandths += count * unit;
    }
}

#[cold]
fn bad(token: &Token, wanted: &str) -> FieldError {
    let message = format!("{} does not fit here in a place", shown(token.text));
    FieldError::new(token, "bad-location", message, wanted)
        .help("a whole place: `52 22 23.000 N 4 53 32.000 E -2.00m 1m 10000m 10m`")
}

/// A decimal number with at most so many places behind the point, in units of the last place.
fn decimal(text: &[u8], places: u32) -> Option<u64> {
    let point = text.iter().position(|b| *b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[text.len()..]),
    };
    if fraction.len() > places as usize || (point.is_some() && fraction.is_empty()) {
        return None;
    }
    let whole = value::number(whole, u64::from(u32::MAX)).ok()?;
    let fraction_value = if fraction.is_empty() { 0 } else { value::number(fraction, 999).ok()? };
    Some(whole * 10u64.pow(places) + fraction_value * 10u64.pow(places - fraction.len() as u32))
}

/// Metres with or without sign and `m`, in centimetres.
fn metres(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"m").or(text.strip_suffix(b"M")).unwrap_or(text);
    let (sign, text) = match text.strip_prefix(b"-") {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    Some(sign * decimal(text, 2)? as i64)
}

/// Centimetres as one digit and a power of ten (RFC 1876 §2); what does not fit is cut off.
fn to_exponent(centimetres: u64) -> u8 {
    let mut digit = centimetres;
    let mut exponent = 0;
    while digit > 9 {
        digit /= 10;
        exponent += 1;
    }
    (digit as u8) << 4 | exponent
}

fn from_exponent(octet: u8) -> u64 {
    u64::from(octet >> 4) * 10u64.pow(u32::from(octet & 15))
}

/// Where the place ends, once it is found valid. Other versions than 0 are taken as they are (RFC
/// 1876 §2).
pub(super) fn measure(rdata: &[u8], at: usize) -> Result<usize, WireError> {
    fixed(rdata, at, 1)?;
    if rdata[at] != 0 {
        return Ok(rdata.len());
    }
    let end = fixed(rdata, at, 16)?;
    for (place, octet) in rdata.iter().enumerate().take(at + 4).skip(at + 1) {
        let (digit, exponent) = (octet >> 4, octet & 15);
        if digit > 9 || exponent > 9 || (digit == 0 && exponent > 0) {
            return Err(WireError::value(place, "no digit and power of ten"));
        }
    }
    for (place, degrees) in [(at + 4, 90), (at + 8, 180)] {
        if long(rdata, place).abs_diff(MIDDLE) > degrees * 3_600_000 {
            return Err(WireError::value(place, "an angle out of range"));
        }
    }
    Ok(end)
}

fn long(rdata: &[u8], at: usize) -> u32 {
    rdata[at..at + 4].iter().fold(0, |value, octet| value << 8 | u32::from(*octet))
}

/// Appends the place of checked rdata. `None`: it is of another version and has no text form.
pub(super) fn print(rdata: &[u8], out: &mut String) -> Option<()> {
    if rdata.len() != 16 || rdata[0] != 0 {
        return None;
    }
    push_angle(long(rdata, 4), 'N', 'S', out);
    push_angle(long(rdata, 8), 'E', 'W', out);
    let altitude = i64::from(long(rdata, 12)) - SPHEROID;
    let sign = if altitude < 0 { "-" } else { "" };
    let (metres, rest) = (altitude.unsigned_abs() / 100, altitude.unsigned_abs() % 100);
    write!(out, "{sign}{metres}.{rest:02}m").expect("a String takes all writes");
    for octet in &rdata[1..4] {
        let (metres, rest) = (from_exponent(*octet) / 100, from_exponent(*octet) % 100);
        let written = match metres {
            0 => write!(out, " 0.{rest:02}m"),
            _ => write!(out, " {metres}m"),
        };
        written.expect("a String takes all writes");
    }
    Some(())
}

fn push_angle(value: u32, up: char, down: char, out: &mut String) {
    let thousandths = value.abs_diff(MIDDLE);
    let (degrees, minutes) = (thousandths / 3_600_000, thousandths / 60_000 % 60);
    let (seconds, rest) = (thousandths / 1000 % 60, thousandths % 1000);
    let direction = if value >= MIDDLE { up } else { down };
    write!(out, "{degrees} {minutes} {seconds}.{rest:03} {direction} ")
        .expect("a String takes all writes");
}

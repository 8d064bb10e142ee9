//! Single values from text: numbers, periods, points in time, addresses. No places, no messages.

/// Why a number was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NumberFault {
    NotANumber,
    TooLarge,
}

/// A decimal number of ASCII digits only, up to `most`.
#[inline]
pub(super) fn number(text: &[u8], most: u64) -> Result<u64, NumberFault> {
    let mut value = 0u64;
    // Nineteen digits always fit.
    let (safe, rest) = text.split_at(text.len().min(19));
    for &b in safe {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NumberFault::NotANumber);
        }
        value = value * 10 + u64::from(digit);
    }
    if text.is_empty() || !rest.iter().all(u8::is_ascii_digit) {
        return Err(NumberFault::NotANumber);
    }
    for &b in rest {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_add(u64::from(b - b'0')))
            .ok_or(NumberFault::TooLarge)?;
    }
    if value > most { Err(NumberFault::TooLarge) } else { Ok(value) }
}

/// Seconds with or without units (`3600`, `1h30m`, `1W2D`), as in a TTL (RFC 2308 has none of them,
/// BIND made them custom). A number without unit stands alone.
#[inline]
pub(super) fn period(text: &[u8]) -> Result<u32, NumberFault> {
    if text.last().is_some_and(u8::is_ascii_digit) {
        return number(text, u64::from(u32::MAX)).map(|v| v as u32);
    }
    let mut total = 0u64;
    let mut rest = text;
    if rest.is_empty() {
        return Err(NumberFault::NotANumber);
    }
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let count = number(&rest[..digits], u64::from(u32::MAX))?;
        let unit = match rest.get(digits).map(u8::to_ascii_lowercase) {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3600,
            Some(b'd') => 86_400,
            Some(b'w') => 604_800,
            _ => return Err(NumberFault::NotANumber),
        };
        total += count * unit;
        if total > u64::from(u32::MAX) {
            return Err(NumberFault::TooLarge);
        }
        rest = &rest[digits + 1..];
    }
    Ok(total as u32)
}

/// Seconds since 1970 from `YYYYMMDDHHmmSS` or a decimal number (RFC 4034 §3.2: told apart by their
/// length).
pub(super) fn time(text: &[u8]) -> Result<u32, NumberFault> {
    if text.len() != 14 {
        return number(text, u64::from(u32::MAX)).map(|v| v as u32);
    }
    let part = |from: usize, to: usize| number(&text[from..to], 9999);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let in_range = year >= 1970
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_of(year, month)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return Err(NumberFault::NotANumber);
    }
    let before = |y: u64| (y - 1) * 365 + (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400;
    let days =
        before(year) - before(1970) + (1..month).map(|m| days_of(year, m)).sum::<u64>() + (day - 1);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    u32::try_from(seconds).map_err(|_| NumberFault::TooLarge)
}

fn days_of(year: u64, month: u64) -> u64 {
    let by = |divisor| year.is_multiple_of(divisor);
    let leap = by(4) && (!by(100) || by(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `YYYYMMDDHHmmSS` as numbers: year, month, day, hour, minute, second.
pub(super) fn date(seconds: u32) -> [u64; 6] {
    let seconds = u64::from(seconds);
    let mut days = seconds / 86_400;
    let mut year = 1970;
    loop {
        let length = 337 + days_of(year, 2);
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let mut month = 1;
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    [year, month, days + 1, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60]
}

/// A dotted quad; no leading zeros, since some read those as octal.
#[inline]
pub(super) fn ipv4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for (i, octet) in octets.iter_mut().enumerate() {
        if i > 0 {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let start = at;
        let mut value = 0u32;
        while let Some(digit) = text.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            value = value * 10 + u32::from(digit);
            at += 1;
            if value > 255 || at - start > 3 {
                return None;
            }
        }
        if at == start || (text[start] == b'0' && at - start > 1) {
            return None;
        }
        *octet = value as u8;
    }
    (at == text.len()).then_some(octets)
}

/// An IPv6 address (RFC 4291 §2.2), also with a dotted quad at its end.
#[inline]
pub(super) fn ipv6(text: &[u8]) -> Option<[u8; 16]> {
    let mut octets = [0u8; 16];
    let mut filled = 0;
    let mut gap = None;
    let mut at = 0;
    if text.first() == Some(&b':') {
        if text.get(1) != Some(&b':') {
            return None;
        }
        gap = Some(0);
        at = 2;
    }
    while at < text.len() {
        let start = at;
        let mut value = 0u32;
        while let Some(digit) = text.get(at).and_then(|b| hex_digit(*b)) {
            value = value << 4 | u32::from(digit);
            at += 1;
        }
        if text.get(at) == Some(&b'.') {
            octets.get_mut(filled..filled + 4)?.copy_from_slice(&ipv4(&text[start..])?);
            filled += 4;
            break;
        }
        if at == start || at - start > 4 {
            return None;
        }
        octets.get_mut(filled..filled + 2)?.copy_from_slice(&(value as u16).to_be_bytes());
        filled += 2;
        match text.get(at..) {
            Some([]) => break,
            Some([b':']) => return None,
            Some([b':', b':', ..]) if gap.is_none() => {
                gap = Some(filled);
                at += 2;
            }
            Some([b':', b':', ..]) => return None,
            Some([b':', ..]) => at += 1,
            _ => return None,
        }
    }
    match gap {
        None => (filled == 16).then_some(octets),
        Some(_) if filled > 14 => None,
        Some(gap) => {
            octets.copy_within(gap..filled, 16 - (filled - gap));
            octets[gap..16 - (filled - gap)].fill(0);
            Some(octets)
        }
    }
}

/// Value of a hexadecimal digit in either case.
#[inline]
pub(super) fn hex_digit(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn numbers_and_periods() {
        assert_eq!(number(b"65535", 65535), Ok(65535));
        assert_eq!(number(b"007", 255), Ok(7));
        assert_eq!(number(b"65536", 65535), Err(NumberFault::TooLarge));
        assert_eq!(number(b"99999999999999999999999", u64::MAX), Err(NumberFault::TooLarge));
        for text in ["", "-1", "+1", "1 ", "0x1", "1.0"] {
            assert_eq!(number(text.as_bytes(), 9), Err(NumberFault::NotANumber), "{text}");
        }
        assert_eq!(period(b"3600"), Ok(3600));
        assert_eq!(period(b"1h30m"), Ok(5400));
        assert_eq!(period(b"1W2d3H4m5S"), Ok(788_645));
        assert_eq!(period(b"1h30"), Err(NumberFault::NotANumber));
        assert_eq!(period(b"h"), Err(NumberFault::NotANumber));
        assert_eq!(period(b""), Err(NumberFault::NotANumber));
        assert_eq!(period(b"1h-"), Err(NumberFault::NotANumber));
        assert_eq!(period(b"7102w"), Err(NumberFault::TooLarge));
    }

    #[test]
    fn times() {
        assert_eq!(time(b"19700101000000"), Ok(0));
        assert_eq!(time(b"20250101000000"), Ok(1_735_689_600));
        assert_eq!(time(b"20240229235959"), Ok(1_709_251_199));
        assert_eq!(time(b"21060207062815"), Ok(u32::MAX));
        assert_eq!(time(b"1735689600"), Ok(1_735_689_600));
        assert_eq!(time(b"21060207062816"), Err(NumberFault::TooLarge));
        for text in ["20250229000000", "20251301000000", "20250100000000", "20250101240000"] {
            assert_eq!(time(text.as_bytes()), Err(NumberFault::NotANumber), "{text}");
        }
        for seconds in [0, 951_827_696, 1_709_251_199, 4_107_542_400, u32::MAX] {
            let [y, mo, d, h, mi, s] = date(seconds);
            let text = format!("{y:04}{mo:02}{d:02}{h:02}{mi:02}{s:02}");
            assert_eq!(time(text.as_bytes()), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn addresses_agree_with_the_standard_library() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "1.2.3.4",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.",
            "1..2.3",
            "01.2.3.4",
            "1.2.3.04",
            "",
            "1.2.3.4.5",
            "a.b.c.d",
            "1.2.3.1234",
            " 1.2.3.4",
        ] {
            let expected = text.parse::<Ipv4Addr>().ok().map(|a| a.octets());
            assert_eq!(ipv4(text.as_bytes()), expected, "{text}");
        }
        for text in [
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "::1.2.3.4",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1::2::3",
            ":1::",
            "1:",
            ":",
            ":::",
            "1:::2",
            "00001::",
            "g::",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "fe80::1%eth0",
            "1.2.3.4",
            "::1.2.3",
            "::01.2.3.4",
            "",
            "1::1.2.3.4:5",
            "ABCD:ef01::",
            "1:2:3:4:5:6:7",
            "::1.2.3.4.5",
        ] {
            let expected = text.parse::<Ipv6Addr>().ok().map(|a| a.octets());
            assert_eq!(ipv6(text.as_bytes()), expected, "{text}");
        }
    }
}

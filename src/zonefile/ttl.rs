//! TTLs as people write them: seconds, or numbers with units (`1h30m`).

use crate::base::time::MAX_TTL;

/// What a word that starts with a digit is, read as a TTL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TtlText {
    Ttl(u32),
    /// Written as a TTL, but more than 31 bits (RFC 2181 §8).
    TooLarge,
    /// No TTL at all.
    Not,
}

/// Reads a TTL: `300`, or numbers each with a unit of w, d, h, m, s in any case.
pub(super) fn read(text: &[u8]) -> TtlText {
    if !text.first().is_some_and(u8::is_ascii_digit) {
        return TtlText::Not;
    }
    let mut total = 0u64;
    let mut number: Option<u64> = None;
    let mut units = false;
    for &b in text {
        if b.is_ascii_digit() {
            let digit = u64::from(b - b'0');
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            continue;
        }
        let unit = match b.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return TtlText::Not,
        };
        let Some(count) = number.take() else { return TtlText::Not };
        total = total.saturating_add(count.saturating_mul(unit));
        units = true;
    }
    match number {
        // `1h30` says no unit of 30.
        Some(_) if units => return TtlText::Not,
        Some(seconds) => total = seconds,
        None => {}
    }
    match u32::try_from(total) {
        Ok(ttl) if ttl <= MAX_TTL => TtlText::Ttl(ttl),
        _ => TtlText::TooLarge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_units() {
        for (text, ttl) in [("0", 0), ("300", 300), ("1h30m", 5_400), ("1W2D3H4m5S", 788_645)] {
            assert_eq!(read(text.as_bytes()), TtlText::Ttl(ttl), "{text}");
        }
        assert_eq!(read(b"2147483647"), TtlText::Ttl(MAX_TTL));
        for text in ["2147483648", "99999999999999999999999999", "99999999999999999999w"] {
            assert_eq!(read(text.as_bytes()), TtlText::TooLarge, "{text}");
        }
        for text in ["", "h", "1h30", "1hh", "1x", "-1", "1.5h", "10.0.0.1"] {
            assert_eq!(read(text.as_bytes()), TtlText::Not, "{text}");
        }
    }
}

//! Time as values. Nothing here can read a clock: whoever calls brings the time.

use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Seconds from `earlier` to `self`; 0 if `earlier` lies ahead (clocks jump).
    pub fn since(self, earlier: UnixTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl UnixTime {
    /// A time in RFC 3339, or the begin of a day (UTC): `2026-11-21T05:04:33Z`, `2026-11-21`. Fractions of a second are
    /// dropped. Times before 1970 are none.
    pub fn from_text(text: &str) -> Option<UnixTime> {
        let (day, rest) = text.split_at_checked(10)?;
        let mut parts = day.splitn(3, '-').map(number);
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let days = (year >= 1970 && (1..=12).contains(&month)).then(|| days_to(year, month))?;
        let days = days + day.checked_sub(1)?;
        // 30 February and the like come back as another day.
        if date(days) != (year, month, day) {
            return None;
        }
        if rest.is_empty() {
            return Some(UnixTime(days * 86_400));
        }
        let (time, zone) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
        let mut parts = time.splitn(3, ':').map(number);
        let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let local = days * 86_400 + hour * 3600 + minute * 60 + second;
        let zone = zone.strip_prefix('.').map_or(zone, |z| z.trim_start_matches(is_digit));
        if matches!(zone, "Z" | "z") {
            return Some(UnixTime(local));
        }
        let (sign, offset) = zone.split_at_checked(1)?;
        let (hours, minutes) = offset.split_once(':')?;
        let offset = number(hours).filter(|h| *h < 24)? * 3600 + number(minutes)? * 60;
        match sign {
            "+" => local.checked_sub(offset).map(UnixTime),
            "-" => Some(UnixTime(local + offset)),
            _ => None,
        }
    }
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

fn number(text: &str) -> Option<u64> {
    let digits = (1..=4).contains(&text.len()) && text.chars().all(is_digit);
    digits.then(|| text.parse().ok()).flatten()
}

/// Days from 1970-01-01 to the first of a month.
fn days_to(year: u64, month: u64) -> u64 {
    // Years are counted from March here, too: see `date`.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    365 * year + leaps + (153 * month + 2) / 5 - 719_468
}

/// As people and programs read it (RFC 3339): `2026-11-21T05:04:33Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Year, month and day of a day since 1970-01-01. Years are counted from March, so that a leap day is their last.
fn date(days: u64) -> (u64, u64, u64) {
    // Days since 0000-03-01; 146 097 days are 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

/// Highest TTL (RFC 2181 §8: 31 bits). A TTL with the top bit set counts as 0.
pub const MAX_TTL: u32 = 0x7FFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_237_473, "2026-11-21T05:04:33Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(UnixTime(seconds).to_string(), text);
            assert_eq!(UnixTime::from_text(text), Some(UnixTime(seconds)));
        }
    }

    #[test]
    fn times_as_people_write_them() {
        let read = |text| UnixTime::from_text(text).map(|at| at.to_string());
        assert_eq!(read("2026-12-01").as_deref(), Some("2026-12-01T00:00:00Z"));
        assert_eq!(read("2026-12-01t01:30:00.25+01:30").as_deref(), Some("2026-12-01T00:00:00Z"));
        assert_eq!(read("2026-12-01 00:00:00-01:00").as_deref(), Some("2026-12-01T01:00:00Z"));
        for wrong in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-00-10",
            "2026-01-00",
            "1969-12-31",
            "tomorrow",
            "2026-12-01T24:00:00Z",
            "2026-12-01T00:00:00",
            "2026-12-01T00:00Z",
            "2026-12-01T00:00:00+1",
            "+026-12-01",
            "2026-12-01T00:00:00é",
            "äöüäö-12-01",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for day in 0..50_000 {
            let at = UnixTime(day * 86_400);
            assert_eq!(UnixTime::from_text(&at.to_string()), Some(at));
        }
    }
}

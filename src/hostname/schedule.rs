//! When a custom hostname is checked: the delays of SPEC §7.1, to the second; active ones daily, each at a second of
//! the day that is its own, so that millions made at once are not looked at at once.

use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;

/// Checks of a pending hostname before it is given up: 75, a little over seven days.
pub const ATTEMPTS: u32 = 75;
/// The longest pause between two of them, in seconds.
const LONGEST: u64 = 14_400;
/// An active hostname is checked this often, in seconds: once a day.
pub const RECHECK: u64 = 86_400;
/// After a recheck that found no proof, and after one without an answer, in seconds: three failures then lie over a
/// whole day.
pub const RECHECK_FAILING: u64 = 43_200;
/// A hostname moves after so many failed rechecks …
pub const FAILURES: u32 = 3;
/// … the first of which is at least so long ago, in seconds.
pub const FAILING: u64 = 86_400;
/// A moved hostname counts as deleted after this, in seconds.
pub const MOVED: u64 = 7 * 86_400;

/// Seconds from the start to check 0, or from check `n - 1` to check `n`: `min(floor(60·b^n), 14400)`, b = 1.05 for
/// n < 10 and 1.15 after. A test holds the whole table.
pub fn delay(n: u32) -> u64 {
    let base: f64 = if n < 10 { 1.05 } else { 1.15 };
    // Beyond 40 it stays at the longest; the power would only grow.
    let seconds = (60.0 * base.powi(n.min(41) as i32)).floor() as u64;
    seconds.min(LONGEST)
}

/// When an active hostname that is proved now is checked again: at its second of the day, which its id says, within a
/// day from now.
pub fn recheck_at(id: Uuid, now: UnixTime) -> UnixTime {
    // Ids are random all over, but for the digits that say so.
    let random = u64::from_be_bytes(std::array::from_fn(|i| id.0[if i < 6 { i } else { i + 3 }]));
    let (turn, at) = (random % RECHECK, now.0 % RECHECK);
    let wait = (turn + RECHECK - at) % RECHECK;
    UnixTime(now.0.saturating_add(if wait == 0 { RECHECK } else { wait }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rechecks_are_daily_and_spread_over_the_day() {
        let id = |n: u64| {
            let mut octets = [0; 16];
            octets[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
            octets[8..].copy_from_slice(&n.wrapping_mul(0xC2B2_AE3D_27D4_EB4F).to_le_bytes());
            Uuid::from_random(octets)
        };
        let now = UnixTime(1_795_000_000);
        let mut hours = [0; 24];
        for n in 0..24_000 {
            let first = recheck_at(id(n), now);
            assert!(first > now && first.since(now) <= RECHECK);
            // From then on exactly a day apart; one that came late is on time the next time.
            assert_eq!(recheck_at(id(n), first).since(first), RECHECK);
            let late = UnixTime(first.0 + 1 + n % 7_200);
            assert_eq!(recheck_at(id(n), late).0, first.0 + RECHECK);
            hours[(first.since(now) - 1) as usize / 3_600] += 1;
        }
        assert!(hours.iter().all(|in_hour| (850..1_150).contains(in_hour)), "{hours:?}");
    }

    #[test]
    fn the_schedule_to_the_second() {
        let table = [
            60, 63, 66, 69, 72, 76, 80, 84, 88, 93, 242, 279, 321, 369, 424, 488, 561, 645, 742,
            853, 981, 1129, 1298, 1493, 1717, 1975, 2271, 2612, 3003, 3454, 3972, 4568, 5253, 6041,
            6948, 7990, 9189, 10567, 12152, 13975,
        ];
        let delays: Vec<u64> = (0..40).map(delay).collect();
        assert_eq!(delays, table);
        assert!((40..200).chain([u32::MAX]).all(|n| delay(n) == 14_400));
        assert_eq!((0..10).map(delay).sum::<u64>(), 751);
        assert_eq!((0..26).map(delay).sum::<u64>(), 14_268);
        assert_eq!((0..ATTEMPTS).map(delay).sum::<u64>(), 610_263);
    }

    #[test]
    fn three_failures_lie_over_a_day() {
        assert_eq!(u64::from(FAILURES - 1) * RECHECK_FAILING, FAILING);
    }
}

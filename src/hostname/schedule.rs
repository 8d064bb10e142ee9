//! When a custom hostname is checked: the delays of SPEC §7.1, to the second.

/// Checks of a pending hostname before it is given up: 75, a little over seven days.
pub const ATTEMPTS: u32 = 75;
/// The longest pause between two of them, in seconds.
const LONGEST: u64 = 14_400;
/// An active hostname is checked this often, in seconds.
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! Time as values. Nothing here can read a clock: whoever calls brings the time.

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Seconds from `earlier` to `self`; 0 if `earlier` lies ahead (clocks jump).
    pub fn since(self, earlier: UnixTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Highest TTL (RFC 2181 §8: 31 bits). A TTL with the top bit set counts as 0.
pub const MAX_TTL: u32 = 0x7FFF_FFFF;

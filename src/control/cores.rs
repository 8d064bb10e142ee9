//! How many cores there are for work that can be shared.

use std::sync::OnceLock;
use std::thread::available_parallelism;

/// Asked once: the answer is put together from several files of the system, and each zone that is read wants to know.
pub fn count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| available_parallelism().map_or(1, |n| n.get()))
}

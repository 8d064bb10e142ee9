//! Touched paths that wait to be told: a moment for the rest of a burst, longer for a file that is being written.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Instant;

use super::Touch;
use crate::base::limits::{TOUCH_BURST, TOUCHES_MAX, ZONE_SETTLE, ZONE_SETTLE_MOST};

/// Touched paths that wait to be told.
#[derive(Default, Debug)]
pub struct Pending {
    ready: BTreeSet<PathBuf>,
    /// When those are told.
    burst_ends: Option<Instant>,
    /// Files that are being written.
    settling: HashMap<PathBuf, Settling>,
    /// When the first of those may have settled.
    settle_at: Option<Instant>,
    everything: bool,
}

#[derive(Clone, Copy, Debug)]
struct Settling {
    since: Instant,
    last: Instant,
}

impl Settling {
    fn due(self) -> Instant {
        (self.last + ZONE_SETTLE).min(self.since + ZONE_SETTLE_MOST)
    }
}

impl Pending {
    /// `path` is as it shall be.
    pub fn at_once(&mut self, path: PathBuf, now: Instant) {
        self.settling.remove(&path);
        if !self.everything && self.ready.insert(path) {
            self.burst_ends.get_or_insert(now + TOUCH_BURST);
        }
        if self.ready.len() > TOUCHES_MAX {
            self.everything();
        }
    }

    /// `path` was written to, and may be again.
    pub fn modified(&mut self, path: PathBuf, now: Instant) {
        let new = Settling { since: now, last: now };
        self.settling.entry(path).or_insert(new).last = now;
        self.settle_at.get_or_insert(now + ZONE_SETTLE);
        if self.settling.len() > TOUCHES_MAX {
            self.settling.clear();
            self.everything();
        }
    }

    /// All is to be looked at. Files that are being written are told again when they have settled.
    pub fn everything(&mut self) {
        self.everything = true;
        self.ready.clear();
    }

    /// When there is something to take.
    pub fn due(&self) -> Option<Instant> {
        self.burst_ends.into_iter().chain(self.settle_at).min()
    }

    /// What is to be told by now.
    pub fn take(&mut self, now: Instant) -> Option<Touch> {
        if std::mem::take(&mut self.everything) {
            self.burst_ends = None;
            return Some(Touch::Rescan);
        }
        if self.settle_at.is_some_and(|at| now >= at) {
            self.settle(now);
        }
        if self.burst_ends.is_none_or(|at| now < at) {
            return None;
        }
        self.burst_ends = None;
        let paths = std::mem::take(&mut self.ready);
        Some(Touch::Paths(paths.into_iter().collect()))
    }

    fn settle(&mut self, now: Instant) {
        let done: Vec<_> = self.settling.extract_if(|_, file| now >= file.due()).collect();
        for (path, _) in done {
            self.ready.insert(path);
            self.burst_ends = Some(now);
        }
        // Not more often than that, however many files are written at different times.
        let soonest = now + ZONE_SETTLE / 4;
        self.settle_at = self.settling.values().map(|file| file.due().max(soonest)).min();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn paths(names: &[&str]) -> Option<Touch> {
        Some(Touch::Paths(names.iter().map(PathBuf::from).collect()))
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_is_told_once_in_order() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        for name in ["b", "a", "b"] {
            pending.at_once(name.into(), start);
        }
        assert_eq!(pending.due(), Some(start + TOUCH_BURST));
        assert_eq!(pending.take(start), None);
        assert_eq!(pending.take(start + TOUCH_BURST), paths(&["a", "b"]));
        assert_eq!((pending.due(), pending.take(start + ms(9))), (None, None));
    }

    #[test]
    fn a_burst_does_not_wait_for_its_last() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        pending.at_once("a".into(), start);
        pending.at_once("b".into(), start + ms(1));
        assert_eq!(pending.due(), Some(start + TOUCH_BURST));
    }

    #[test]
    fn writing_settles() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        pending.modified("a".into(), start);
        pending.modified("a".into(), start + ms(60));
        assert_eq!(pending.take(start + ZONE_SETTLE), None);
        let due = pending.due().expect("it waits");
        assert!(due >= start + ms(60) + ZONE_SETTLE && due < start + ms(60) + 2 * ZONE_SETTLE);
        assert_eq!(pending.take(due), paths(&["a"]));
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn writing_without_end_is_told_all_the_same() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        let told: Vec<u64> = (0..3000)
            .filter(|&at| {
                pending.modified("a".into(), start + ms(at));
                pending.take(start + ms(at)).is_some()
            })
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        let most = ZONE_SETTLE_MOST.as_millis() as u64;
        assert!((most..most + 100).contains(&told[0]), "{told:?}");
    }

    #[test]
    fn closing_ends_the_wait() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        pending.modified("a".into(), start);
        pending.at_once("a".into(), start + ms(1));
        assert_eq!(pending.take(start + ms(3)), paths(&["a"]));
        assert_eq!(pending.take(start + ms(500)), None);
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn too_many_become_everything() {
        let (mut pending, start) = (Pending::default(), Instant::now());
        for i in 0..=TOUCHES_MAX {
            pending.at_once(format!("{i}").into(), start);
        }
        assert_eq!(pending.take(start), Some(Touch::Rescan));
        assert_eq!((pending.due(), pending.take(start + ms(9))), (None, None));
        for i in 0..=TOUCHES_MAX {
            pending.modified(format!("{i}").into(), start);
        }
        assert_eq!(pending.take(start), Some(Touch::Rescan));
    }
}

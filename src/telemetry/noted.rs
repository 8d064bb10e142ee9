//! Denied edges as a worker notes them: a fixed sheet of its own, handed over whole and given back empty.
//!
//! Noting one allocates nothing, waits for nobody and calls no kernel. A record that is asked for again only counts,
//! whatever names a wildcard or a DNAME makes of it; the sheet has room for some records of each account.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use crate::base::id::{AccountId, ZoneId};
use crate::base::limits::{NAME_MAX, NOTED_EDGES, NOTED_EDGES_PER_ACCOUNT};
use crate::base::time::UnixTime;
use crate::engine::answer::Denied;
use crate::model::settings::OnViolation;
use crate::policy::verdict::{Denial, Reason};
use crate::wire::Asked;

/// Places of the index: twice as many as entries, so that a free one is near.
const PLACES: usize = 2 * NOTED_EDGES;
/// Accounts are counted by the last bits of their number.
const SHARES: usize = 64;

/// A name, copied.
#[derive(Clone, Copy)]
struct Copied {
    len: u8,
    octets: [u8; NAME_MAX],
}

impl Copied {
    const NONE: Copied = Copied { len: 0, octets: [0; NAME_MAX] };

    fn set(&mut self, wire: &[u8]) {
        self.len = wire.len() as u8;
        self.octets[..wire.len()].copy_from_slice(wire);
    }

    fn wire(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

/// One denied record, and how often it was asked for.
#[derive(Clone, Copy)]
struct Entry {
    record: usize,
    denial: Denial,
    mode: OnViolation,
    owner: Copied,
    target: Copied,
    count: u64,
    first: UnixTime,
    last: UnixTime,
}

/// What a sheet says of one denied record. The names are those that were asked for first.
#[derive(Clone, Copy, Debug)]
pub struct Noted<'s> {
    pub denial: Denial,
    pub mode: OnViolation,
    pub owner: &'s [u8],
    pub target: &'s [u8],
    pub count: u64,
    pub first: UnixTime,
    pub last: UnixTime,
}

/// What one worker noted.
pub struct Sheet {
    entries: Box<[Entry; NOTED_EDGES]>,
    len: usize,
    /// Number of an entry plus one, by the hash of its record; 0: free.
    index: [u8; PLACES],
    shares: [u8; SHARES],
    left_out: u64,
}

// An entry's number plus one fits into an octet of the index.
const _: () = assert!(NOTED_EDGES < u8::MAX as usize && PLACES.is_power_of_two());

impl Default for Sheet {
    fn default() -> Sheet {
        let nobody = (ZoneId(0), AccountId(0));
        let none = Entry {
            record: 0,
            denial: Denial { reason: Reason::NotGranted, from: nobody, to: nobody },
            mode: OnViolation::Refuse,
            owner: Copied::NONE,
            target: Copied::NONE,
            count: 0,
            first: UnixTime::default(),
            last: UnixTime::default(),
        };
        Sheet {
            entries: Box::new([none; NOTED_EDGES]),
            len: 0,
            index: [0; PLACES],
            shares: [0; SHARES],
            left_out: 0,
        }
    }
}

impl Sheet {
    /// Denials that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub fn iter(&self) -> impl Iterator<Item = Noted<'_>> {
        self.entries[..self.len].iter().map(|e| Noted {
            denial: e.denial,
            mode: e.mode,
            owner: e.owner.wire(),
            target: e.target.wire(),
            count: e.count,
            first: e.first,
            last: e.last,
        })
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.len = 0;
        self.index = [0; PLACES];
        self.shares = [0; SHARES];
        self.left_out = 0;
    }

    fn is_empty(&self) -> bool {
        self.len == 0 && self.left_out == 0
    }

    fn note(&mut self, denied: &Denied, asked: Asked<'_>, now: UnixTime) {
        let Denied { denial, mode, record, .. } = *denied;
        let mut place = place(record, &denial);
        while let Some(number) = self.index[place].checked_sub(1) {
            let entry = &mut self.entries[usize::from(number)];
            if entry.record == record && entry.denial == denial && entry.mode == mode {
                entry.count += 1;
                entry.last = now;
                return;
            }
            place = (place + 1) % PLACES;
        }
        let share = &mut self.shares[denial.from.1.0 as usize % SHARES];
        if self.len == NOTED_EDGES || usize::from(*share) == NOTED_EDGES_PER_ACCOUNT {
            self.left_out += 1;
            return;
        }
        *share += 1;
        let entry = &mut self.entries[self.len];
        self.len += 1;
        self.index[place] = self.len as u8;
        let (owner, target) = asked.edge(denied);
        entry.owner.set(owner.wire());
        entry.target.set(target.wire());
        (entry.record, entry.denial, entry.mode) = (record, denial, mode);
        (entry.count, entry.first, entry.last) = (1, now, now);
    }
}

/// Where to look for a record first.
fn place(record: usize, denial: &Denial) -> usize {
    let mixed = record as u64 ^ u64::from(denial.to.0.0) << 32 ^ u64::from(denial.from.0.0);
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % PLACES
}

/// The worker's end.
pub struct Recorder {
    sheet: Box<Sheet>,
    /// Time of the first note on it.
    since: UnixTime,
    full: SyncSender<Box<Sheet>>,
    empty: Receiver<Box<Sheet>>,
}

/// The other end: full sheets come, empty ones go back.
pub struct Tray {
    full: Receiver<Box<Sheet>>,
    empty: SyncSender<Box<Sheet>>,
}

/// A recorder and its tray.
pub fn recorder() -> (Recorder, Tray) {
    let (full, filled) = sync_channel(1);
    let (empty, emptied) = sync_channel(1);
    // There is room: one sheet is with the worker, one goes to and fro.
    let _ = empty.try_send(Box::default());
    let recorder =
        Recorder { sheet: Box::default(), since: UnixTime::default(), full, empty: emptied };
    (recorder, Tray { full: filled, empty })
}

impl Recorder {
    /// Notes a denied edge.
    pub fn note(&mut self, denied: &Denied, asked: Asked<'_>, now: UnixTime) {
        if self.sheet.is_empty() {
            self.since = now;
        }
        self.sheet.note(denied, asked, now);
    }

    /// Hands over what was noted in another second than this one.
    #[inline]
    pub fn turn(&mut self, now: UnixTime) {
        if !self.sheet.is_empty() && self.since != now {
            self.hand_over();
        }
    }

    /// Hands over what was noted.
    pub fn hand_over(&mut self) {
        if self.sheet.is_empty() {
            return;
        }
        // The last one was not fetched yet: goes on with this one.
        let Ok(spare) = self.empty.try_recv() else { return };
        let sheet = std::mem::replace(&mut self.sheet, spare);
        match self.full.try_send(sheet) {
            Ok(()) => {}
            // Cannot be: there are two sheets, and one is here. It is kept all the same.
            Err(TrySendError::Full(sheet) | TrySendError::Disconnected(sheet)) => {
                self.sheet = sheet;
            }
        }
    }
}

impl Tray {
    /// Shows what came, if something did. `false`: the worker is gone, nothing will come any more.
    pub fn take(&self, read: impl FnOnce(&Sheet)) -> bool {
        match self.full.try_recv() {
            Ok(mut sheet) => {
                read(&sheet);
                sheet.clear();
                // A worker that is gone needs none.
                let _ = self.empty.try_send(sheet);
                true
            }
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Disconnected) => false,
        }
    }
}

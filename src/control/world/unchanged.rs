//! Zones whose files are as they were when the image was made, taken in at the start on all cores.
//!
//! This is a shorter way to what `read_in` would come to: it takes nothing but files about which there is nothing to be
//! said, and leaves all others to be noted and read one by one. `tests/image.rs` compares the two.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Account, Now, World, ZoneState};
use crate::base::hash::Keyed;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::config::settings::Settings;
use crate::control::cores;
use crate::control::files::{AccountFolder, ZonesFolder};
use crate::control::loader::Keys;
use crate::control::scan::{FoundZone, Scan};
use crate::model::catalog::{Share, Zone};
use crate::store::image::{Entry, Finder, Image};
use crate::store::zones::{ContentHash, Reader};
use crate::zonefile::filename;

/// Files of one account that a thread looks at before it asks for more.
const CHUNK: usize = 256;

/// What zones may be taken from.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub zones: &'a ZonesFolder,
    /// The last good versions.
    pub kept: &'a Reader,
    pub image: &'a Image,
}

/// What the threads look at.
struct Looker<'a> {
    sources: Sources<'a>,
    settings: &'a Settings,
    keys: Keys,
    now: Now,
    threads: usize,
}

/// An account with its files that were found.
struct Job<'a> {
    /// Number in the scan.
    number: usize,
    id: AccountId,
    name: &'a str,
    files: &'a [FoundZone],
    zones: Mutex<&'a mut HashMap<Name, ZoneState, Keyed>>,
}

impl Job<'_> {
    /// Under which ids the zones of files are held, if they were recorded.
    fn recorded(&self, files: &[FoundZone]) -> Vec<Option<ZoneId>> {
        let zones = self.zones.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |found: &FoundZone| zones.get(found.file.apex.as_wire())?.recorded;
        files.iter().map(of).collect()
    }
}

/// Some files of a job.
struct Piece {
    job: usize,
    from: usize,
}

/// What is to be noted of a file that is as it was.
struct Same<'a> {
    file: &'a FoundZone,
    hash: ContentHash,
    stamp: u64,
    is_young: bool,
    warnings: usize,
}

impl World {
    /// Takes in what is as it was, and leaves in `scan` what has to be looked at one by one. Returns how many zones
    /// were taken.
    pub(super) fn take_unchanged(
        &mut self,
        scan: &mut Scan,
        sources: Sources<'_>,
        now: Now,
    ) -> usize {
        let World { accounts, ownership, settings, keys, .. } = self;
        let threads = cores::count();
        let looker = Looker { sources, settings, keys: *keys, now, threads };
        let mut states: HashMap<AccountId, &mut Account> =
            accounts.iter_mut().map(|(id, account)| (*id, account)).collect();
        let jobs: Vec<Job<'_>> = scan
            .accounts
            .iter()
            .enumerate()
            .filter_map(|(number, found)| {
                let id = ownership.account(&found.name)?;
                let Account { name, zones, .. } = states.remove(&id)?;
                let (files, zones) = (found.zones.as_ref().ok()?, Mutex::new(zones));
                Some(Job { number, id, name, files, zones })
            })
            .collect();
        let taken = looker.look_at_all(&jobs);
        let numbers: Vec<usize> = jobs.into_iter().map(|job| job.number).collect();
        for (number, taken) in numbers.into_iter().zip(taken.files) {
            if let Ok(files) = &mut scan.accounts[number].zones {
                let mut taken = taken.into_iter();
                files.retain(|_| taken.next() == Some(false));
            }
        }
        let zones = taken.shares.iter().map(Share::len).sum();
        taken.shares.into_iter().for_each(|share| self.next.put_share(share));
        zones
    }
}

/// What was taken.
struct Taken {
    /// Of each job, whether each of its files was.
    files: Vec<Vec<bool>>,
    shares: Vec<Share>,
}

impl Looker<'_> {
    fn look_at_all(&self, jobs: &[Job<'_>]) -> Taken {
        let pieces: Vec<Piece> = jobs
            .iter()
            .enumerate()
            .flat_map(|(job, of)| {
                (0..of.files.len()).step_by(CHUNK).map(move |from| Piece { job, from })
            })
            .collect();
        let next = AtomicUsize::new(0);
        let mut taken = Taken {
            files: jobs.iter().map(|job| vec![false; job.files.len()]).collect(),
            shares: Vec::new(),
        };
        std::thread::scope(|scope| {
            let looking: Vec<_> = (0..self.threads.min(pieces.len()))
                .map(|_| scope.spawn(|| self.look_at_some(jobs, &pieces, &next)))
                .collect();
            for thread in looking {
                let (share, files) = thread.join().expect("looking at files does not panic");
                taken.shares.push(share);
                files.into_iter().for_each(|(job, file)| taken.files[job][file] = true);
            }
        });
        taken
    }

    /// Looks at pieces until none is left. Returns the zones, and which files they are of.
    fn look_at_some(
        &self,
        jobs: &[Job<'_>],
        pieces: &[Piece],
        next: &AtomicUsize,
    ) -> (Share, Vec<(usize, usize)>) {
        // About as many for each thread, and a little more: tables that grow are copied.
        let expected = self.sources.image.len() / self.threads * 9 / 8;
        let mut share = Share::new(self.keys.names);
        share.reserve(expected);
        let mut files = Vec::with_capacity(expected);
        let mut folder = None;
        let mut finder = self.sources.image.finder();
        while let Some(&Piece { job: number, from }) =
            pieces.get(next.fetch_add(1, Ordering::Relaxed))
        {
            let job = &jobs[number];
            if folder.as_ref().is_none_or(|(of, _)| *of != number) {
                folder = Some((number, self.sources.zones.account(job.name)));
            }
            let Some((_, Ok(folder))) = &folder else { continue };
            let some = &job.files[from..job.files.len().min(from + CHUNK)];
            let ids = job.recorded(some);
            let mut same = Vec::with_capacity(CHUNK);
            for (n, (file, id)) in some.iter().zip(ids).enumerate() {
                let Some(id) = id else { continue };
                if let Some((found, zone)) = self.look_at(job, folder, file, id, &mut finder) {
                    same.push(found);
                    share.add(zone);
                    files.push((number, from + n));
                }
            }
            let mut zones = job.zones.lock().unwrap_or_else(PoisonError::into_inner);
            same.into_iter().for_each(|same| note(&mut zones, same));
        }
        (share, files)
    }

    /// What reading the file would come to, if it is as it was when the image was made, and holds what was kept.
    fn look_at<'f>(
        &self,
        job: &Job<'_>,
        folder: &AccountFolder<'_>,
        file: &'f FoundZone,
        id: ZoneId,
        finder: &mut Finder<'_>,
    ) -> Option<(Same<'f>, Zone)> {
        let FoundZone { file: named, twin: None } = file else { return None };
        let apex = &named.apex;
        let found = finder.find(id)?;
        let Entry { path, stamp, hash, warnings, .. } = found.entry;
        let is_ours = self.sources.kept.hash(id) == Some(hash)
            && path == self.keys.path(folder.name(), &named.file_name);
        if !is_ours {
            return None;
        }
        let now = folder.stamp_of_file(&named.file_name).ok()?;
        let data = if now.fold == stamp { found.take()? } else { return None };
        if data.apex() != apex.as_wire() {
            return None;
        }
        let zone = Zone {
            id,
            account: job.id,
            on_violation: self.settings.on_violation(job.name, apex),
            cross_account: self.settings.cross_account(apex),
            flatten: self.settings.flatten(apex),
            data,
        };
        let is_young = now.is_young(self.now.unix);
        Some((Same { file, hash, stamp, is_young, warnings }, zone))
    }
}

fn note(zones: &mut HashMap<Name, ZoneState, Keyed>, same: Same<'_>) {
    let Same { file: FoundZone { file, .. }, hash, stamp, is_young, warnings } = same;
    // A name that an account holds has its state from the start on.
    let Some(state) = zones.get_mut(file.apex.as_wire()) else { return };
    if !filename::is_plain(&file.file_name) {
        state.set_file_name(&file.apex, &file.file_name);
    }
    state.is_there = true;
    (state.served, state.stamp, state.is_young) = (Some(hash), Some(stamp), is_young);
    if warnings > 0 {
        state.more().warnings = warnings;
    }
}

//! All that lies in `zones/`: the accounts, their zone files, and what is misplaced.

use std::io;

use super::cores;
use super::files::{AccountFolder, FileError, Stray, ZoneFile, ZonesFolder};

/// Accounts that one thread lists at least.
const SHARE: usize = 64;

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// In the order of their names.
    pub accounts: Vec<AccountScan>,
    pub strays: Vec<Stray>,
}

/// The folder of one account.
#[derive(Debug)]
pub struct AccountScan {
    pub name: String,
    /// `Err`: the folder cannot be read, so nothing is known of its files.
    pub zones: Result<Vec<FoundZone>, FileError>,
}

/// The file or files of one zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundZone {
    pub file: ZoneFile,
    /// Another file of the same apex: an error of the zone.
    pub twin: Option<Box<str>>,
}

/// Lists the whole folder; no zone file is opened.
pub fn scan(zones: &ZonesFolder) -> io::Result<Scan> {
    let accounts = zones.accounts()?;
    let mut scan = Scan { accounts: Vec::new(), strays: accounts.strays };
    let threads = cores::count();
    let share = accounts.found.len().div_ceil(threads).max(SHARE);
    std::thread::scope(|scope| {
        let listing: Vec<_> = accounts
            .found
            .chunks(share)
            .map(|names| scope.spawn(move || some_accounts(zones, names)))
            .collect();
        for thread in listing {
            let (found, strays) = thread.join().expect("listing folders does not panic");
            scan.accounts.extend(found);
            scan.strays.extend(strays);
        }
    });
    Ok(scan)
}

fn some_accounts(zones: &ZonesFolder, names: &[String]) -> (Vec<AccountScan>, Vec<Stray>) {
    let (mut found, mut strays) = (Vec::new(), Vec::new());
    for name in names {
        let listed = zones.account(name).and_then(|folder| account(&folder, &mut strays));
        // Between the two listings the folder may have gone.
        if !matches!(listed, Err(FileError::Missing)) {
            found.push(AccountScan { name: name.clone(), zones: listed });
        }
    }
    (found, strays)
}

/// Lists the folder of one account.
pub fn account(
    folder: &AccountFolder<'_>,
    strays: &mut Vec<Stray>,
) -> Result<Vec<FoundZone>, FileError> {
    let listing = folder.zone_files().map_err(FileError::Io)?;
    strays.extend(listing.strays);
    let mut zones: Vec<FoundZone> = Vec::with_capacity(listing.found.len());
    for file in listing.found {
        match zones.last_mut().filter(|last| last.file.apex == file.apex) {
            Some(last) => last.twin = Some(file.file_name),
            None => zones.push(FoundZone { file, twin: None }),
        }
    }
    Ok(zones)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_by_account_with_twins() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a", "b", ".hidden", "c"] {
            std::fs::create_dir(folder.path().join(path)).unwrap();
        }
        for path in ["a/x.example.zone", "a/X.Example.zone", "a/b.zone", "b/x.example.zone"] {
            std::fs::write(folder.path().join(path), "").unwrap();
        }
        std::fs::write(folder.path().join("b/ä.zone"), "").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("d")).unwrap();
        let scan = scan(&ZonesFolder::open(folder.path()).unwrap()).unwrap();
        let names: Vec<_> = scan.accounts.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        let zones = scan.accounts[0].zones.as_ref().unwrap();
        assert_eq!(zones.len(), 2);
        let twin = zones.iter().find(|z| z.twin.is_some()).unwrap();
        assert_eq!(twin.file.apex.to_string(), "x.example");
        assert_eq!(&*twin.file.file_name, "X.Example.zone");
        assert_eq!(twin.twin.as_deref(), Some("x.example.zone"));
        assert!(scan.accounts[2].zones.as_ref().unwrap().is_empty());
        assert!(matches!(scan.accounts[3].zones, Err(FileError::Outside)));
        assert_eq!(scan.strays.len(), 1);
    }
}

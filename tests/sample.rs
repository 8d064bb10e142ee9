//! The sample world: its config is valid, names only what is there, and its zone files are without a remark.

use std::collections::BTreeSet;
use std::path::Path;

use bailiwick::base::mem::Arena;
use bailiwick::base::name::Name;
use bailiwick::config;
use bailiwick::control::files::ZonesFolder;
use bailiwick::control::loader::{self, Keys, Known, Outcome};

#[test]
fn the_sample_world_is_without_a_remark() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (settings, remarks) = config::file::read(&root.join("config.toml")).unwrap();
    assert!(remarks.is_empty(), "{remarks:?}");
    let folder = ZonesFolder::open(&settings.server.zones).unwrap();
    let keys = Keys::new(*b"sixteen octets!!");
    let mut arena = Arena::default();
    let mut accounts = BTreeSet::new();
    let mut zones = BTreeSet::new();
    for name in folder.accounts().unwrap().found {
        let account = folder.account(&name).unwrap();
        for file in account.zone_files().unwrap().found {
            let known = Known::default();
            match loader::load(&account, &file.file_name, &file.apex, &keys, known, &mut arena)
                .outcome
            {
                Outcome::Good(good) => {
                    assert!(good.remarks.shown.is_empty(), "{:#?}", good.remarks)
                }
                other => panic!("{}: {other:?}", file.apex),
            }
            zones.insert(file.apex);
        }
        accounts.insert(name);
    }
    let has_account = |name: &str| accounts.contains(name);
    let has_zone = |name: &Name| zones.contains(name);
    let dangling = config::dangling(&settings, has_account, has_zone);
    assert!(dangling.is_empty(), "{dangling:?}");
    let must = ["example.com", "example.net", "saasprovider.com", "myclientsite.com"];
    assert!(must.iter().all(|zone| has_zone(&Name::from_text(zone).unwrap())), "{zones:?}");
}

//! The authoritative servers that answers are compared with.

use crate::peers::{Peer, bind_options};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// A zone for a peer: apex with final dot, and file.
pub struct ZoneFile<'a> {
    pub apex: &'a str,
    pub path: &'a Path,
}

/// Knot DNS with these zones.
pub fn knot(zones: &[ZoneFile<'_>]) -> Peer {
    Peer::start("knot", "knotd", &["-c", "config"], |dir, port| {
        let dir = dir.display();
        let mut text = format!(
            "server:\n  rundir: {dir}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  \
             tcp-workers: 1\n  background-workers: 1\nlog:\n  - target: stderr\n    any: warning\n\
             control:\n  listen: {dir}/control\ndatabase:\n  storage: {dir}\n\
             template:\n  - id: default\n    storage: {dir}\n    semantic-checks: off\n    \
             zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: none\nzone:\n"
        );
        for ZoneFile { apex, path } in zones {
            let path = path.display();
            writeln!(text, "  - domain: \"{apex}\"\n    file: \"{path}\"").expect("a string grows");
        }
        text
    })
}

/// NSD with these zones.
pub fn nsd(zones: &[ZoneFile<'_>]) -> Peer {
    let version = Command::new("/usr/sbin/nsd").arg("-v").output();
    let version = version.map(|out| [out.stdout, out.stderr].concat()).unwrap_or_default();
    // Up to 4.7 there was a database file, which would be written outside of the folder.
    let old = (0..8).any(|minor| {
        String::from_utf8_lossy(&version).contains(&format!("NSD version 4.{minor}."))
    });
    let database = if old { "  database: \"\"\n" } else { "" };
    Peer::start("nsd", "nsd", &["-d", "-c", "config"], |dir, port| {
        let dir = dir.display();
        let mut text = format!(
            "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  \
             chroot: \"\"\n  zonesdir: \"\"\n  logfile: \"{dir}/log\"\n  pidfile: \"{dir}/pid\"\n  \
             xfrdfile: \"{dir}/xfrd.state\"\n  xfrdir: \"{dir}\"\n  \
             zonelistfile: \"{dir}/zone.list\"\n{database}  minimal-responses: yes\n  \
             rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n  verbosity: 1\n\
             remote-control:\n  control-enable: no\n"
        );
        for ZoneFile { apex, path } in zones {
            let path = path.display();
            writeln!(text, "zone:\n  name: \"{apex}\"\n  zonefile: \"{path}\"")
                .expect("a string grows");
        }
        text
    })
}

/// BIND as an authoritative server with these zones.
pub fn bind(zones: &[ZoneFile<'_>]) -> Peer {
    Peer::start("bind", "named", &["-f", "-n", "1", "-c", "config"], |dir, port| {
        let mut text = bind_options(
            dir,
            port,
            "recursion no; notify no; minimal-responses yes; check-integrity no; \
             check-names primary ignore; max-records-per-type 0; max-types-per-name 0;",
        );
        for ZoneFile { apex, path } in zones {
            let apex = if *apex == "." { "." } else { apex.trim_end_matches('.') };
            writeln!(text, "zone \"{apex}\" {{ type primary; file \"{}\"; }};", path.display())
                .expect("a string grows");
        }
        text
    })
}

/// Our own binary with these zones, all in one account.
pub fn bailiwick(zones: &[ZoneFile<'_>]) -> Peer {
    let binary = env!("CARGO_BIN_EXE_bailiwick");
    Peer::start("bailiwick", binary, &["serve", "--config", "config"], |dir, port| {
        let folder = dir.join("zones/account");
        std::fs::create_dir_all(&folder).expect("a folder for zones");
        for ZoneFile { apex, path } in zones {
            std::fs::copy(path, folder.join(format!("{apex}zone"))).expect("a zone file");
        }
        format!("[server]\nlisten = [\"127.0.0.1:{port}\"]\n")
    })
}

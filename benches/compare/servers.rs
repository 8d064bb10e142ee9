//! The servers: how each is configured for the same zones on one core, started, and told of a change.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::process::output;
use crate::sets::Set;

/// Which server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, clap::ValueEnum)]
pub enum Server {
    Bailiwick,
    /// Bailiwick with `nap_us`.
    BailiwickNap,
    Gdnsd,
    Nsd,
    Knot,
    Bind,
    Pdns,
}

/// One server, one set, one place.
pub struct Plan {
    pub server: Server,
    pub set: Set,
    /// Where the zone files are.
    pub zones: PathBuf,
    /// Its own files: config, state, log.
    pub home: PathBuf,
    pub port: u16,
    pub binary: PathBuf,
}

/// The nap of UDP workers, as the config says it.
const NAP: &str = "nap_us = 50\n";

impl Server {
    pub fn title(self) -> &'static str {
        match self {
            Server::Bailiwick => "Bailiwick",
            Server::BailiwickNap => "Bailiwick, nap",
            Server::Gdnsd => "gdnsd",
            Server::Nsd => "NSD",
            Server::Knot => "Knot",
            Server::Bind => "BIND",
            Server::Pdns => "PowerDNS",
        }
    }

    pub fn is_ours(self) -> bool {
        matches!(self, Server::Bailiwick | Server::BailiwickNap)
    }

    fn program(self) -> &'static str {
        match self {
            Server::Bailiwick | Server::BailiwickNap => "",
            Server::Gdnsd => "/usr/sbin/gdnsd",
            Server::Nsd => "/usr/sbin/nsd",
            Server::Knot => "/usr/sbin/knotd",
            Server::Bind => "/usr/sbin/named",
            Server::Pdns => "/usr/sbin/pdns_server",
        }
    }

    pub fn is_installed(self) -> bool {
        self.is_ours() || Path::new(self.program()).exists()
    }
}

impl Plan {
    fn file(&self, name: &str) -> String {
        self.home.join(name).to_string_lossy().into_owned()
    }

    fn zone_file(&self, i: usize) -> String {
        self.zones.join(self.set.place(i)).to_string_lossy().into_owned()
    }

    fn apexes(&self) -> impl Iterator<Item = (String, String)> {
        (0..self.set.zone_count()).map(|i| (self.set.apex(i), self.zone_file(i)))
    }

    /// Writes the config and whatever the server needs beside it.
    pub fn prepare(&self) -> io::Result<()> {
        let _ = fs::remove_dir_all(&self.home);
        fs::create_dir_all(&self.home)?;
        match self.server {
            Server::Bailiwick | Server::BailiwickNap => self.bailiwick(),
            Server::Gdnsd => self.gdnsd(),
            Server::Nsd => self.nsd(),
            Server::Knot => self.knot(),
            Server::Bind => self.bind(),
            Server::Pdns => self.pdns(),
        }
    }

    /// Writes a config: a template with the places of this plan, and what comes behind it.
    fn write(&self, name: &str, template: &str, behind: &str) -> io::Result<()> {
        let text = template
            .replace("{HOME}", &self.home.to_string_lossy())
            .replace("{ZONES}", &self.zones.to_string_lossy())
            .replace("{PORT}", &self.port.to_string())
            .replace("{CONTROL}", &(self.port + 1).to_string());
        fs::write(self.home.join(name), text + behind)
    }

    /// Writes a line for each zone.
    fn each_zone(&self, line: impl Fn(String, String) -> String) -> String {
        self.apexes().map(|(apex, file)| line(apex, file)).collect()
    }

    /// Port of the resolver that is asked for what aliases lead to.
    pub fn upstream(&self) -> u16 {
        self.port + 2
    }

    fn bailiwick(&self) -> io::Result<()> {
        let nap = if self.server == Server::BailiwickNap { NAP } else { "" };
        let behind = format!("{nap}{}", self.set.config(self.upstream()));
        self.write("config.toml", include_str!("configs/bailiwick.toml"), &behind)
    }

    fn gdnsd(&self) -> io::Result<()> {
        let folders = ["zones", "run", "state"].map(|name| self.home.join(name));
        folders.iter().try_for_each(fs::create_dir_all)?;
        for (apex, file) in self.apexes() {
            symlink(file, folders[0].join(apex))?;
        }
        self.write("config", include_str!("configs/gdnsd"), "")
    }

    fn nsd(&self) -> io::Result<()> {
        let control = include_str!("configs/nsd-control.conf");
        // Whoever sends commands reads only this: the whole takes seconds.
        self.write("control.conf", control, "")?;
        let zone = |apex, file| format!("zone:\n  name: {apex}\n  zonefile: \"{file}\"\n");
        let head = format!("{control}{}", include_str!("configs/nsd.conf"));
        self.write("nsd.conf", &head, &self.each_zone(zone))
    }

    fn knot(&self) -> io::Result<()> {
        let zone = |apex, file| format!("  - domain: {apex}\n    file: {file}\n");
        self.write("knot.conf", include_str!("configs/knot.conf"), &self.each_zone(zone))
    }

    fn bind(&self) -> io::Result<()> {
        let zone = |apex, file| format!("zone \"{apex}\" {{ type primary; file \"{file}\"; }};\n");
        self.write("rndc.conf", include_str!("configs/rndc.conf"), "")?;
        self.write("named.conf", include_str!("configs/named.conf"), &self.each_zone(zone))
    }

    fn pdns(&self) -> io::Result<()> {
        let zone = |apex, file| format!("zone \"{apex}\" {{ type master; file \"{file}\"; }};\n");
        self.write("zones.conf", "", &self.each_zone(zone))?;
        self.write("pdns.conf", include_str!("configs/pdns.conf"), "")
    }

    /// The command that serves.
    pub fn command(&self) -> Vec<String> {
        let own = |arguments: &[&str]| {
            let program = match self.server.is_ours() {
                true => self.binary.to_string_lossy().into_owned(),
                false => self.server.program().to_owned(),
            };
            [program].into_iter().chain(arguments.iter().map(|a| (*a).to_owned())).collect()
        };
        match self.server {
            Server::Bailiwick | Server::BailiwickNap => {
                own(&["serve", "--config", &self.file("config.toml")])
            }
            Server::Gdnsd => own(&["-c", &self.file(""), "start"]),
            Server::Nsd => own(&["-d", "-c", &self.file("nsd.conf")]),
            // The database of its config has to hold a million zones.
            Server::Knot => own(&["-m", "4096", "-c", &self.file("knot.conf")]),
            Server::Bind => own(&["-f", "-n", "1", "-c", &self.file("named.conf")]),
            Server::Pdns => own(&[&format!("--config-dir={}", self.file(""))]),
        }
    }

    /// The commands that tell of an edited zone; `None`: it sees by itself, or cannot be told of one zone.
    pub fn told_of_edit(&self, apex: &str) -> Vec<Vec<String>> {
        match self.server {
            Server::Nsd => vec![self.control(&["reload", apex])],
            Server::Knot => vec![self.control(&["zone-reload", apex])],
            Server::Bind => vec![self.control(&["reload", apex])],
            Server::Pdns => vec![self.control(&["bind-reload-now", apex])],
            _ => Vec::new(),
        }
    }

    /// The commands that tell of a zone that was not there before.
    pub fn told_of_new(&self, apex: &str, file: &str) -> Vec<Vec<String>> {
        match self.server {
            Server::Nsd => vec![self.control(&["addzone", apex, "added"])],
            Server::Knot => vec![
                self.control(&["conf-begin"]),
                self.control(&["conf-set", &format!("zone[{apex}]")]),
                self.control(&["conf-set", &format!("zone[{apex}].file"), file]),
                self.control(&["conf-commit"]),
            ],
            Server::Bind => {
                vec![self.control(&[
                    "addzone",
                    apex,
                    &format!("{{ type primary; file \"{file}\"; }};"),
                ])]
            }
            Server::Pdns => vec![self.control(&["bind-add-zone", apex, file])],
            _ => Vec::new(),
        }
    }

    fn control(&self, arguments: &[&str]) -> Vec<String> {
        let head: [String; 3] = match self.server {
            Server::Nsd => ["/usr/sbin/nsd-control".into(), "-c".into(), self.file("control.conf")],
            Server::Knot => ["/usr/sbin/knotc".into(), "-s".into(), self.file("control")],
            Server::Bind => ["/usr/sbin/rndc".into(), "-c".into(), self.file("rndc.conf")],
            _ => {
                let folder = self.file("");
                [
                    "/usr/bin/pdns_control".into(),
                    format!("--config-dir={folder}"),
                    format!("--socket-dir={folder}"),
                ]
            }
        };
        head.into_iter().chain(arguments.iter().map(|a| (*a).to_owned())).collect()
    }

    /// Whether one edited zone can be brought in without reading everything again.
    pub fn takes_edits(&self) -> bool {
        self.server != Server::Gdnsd
    }

    /// Where the file of a zone that is added has to lie.
    pub fn new_file(&self, apex: &str) -> PathBuf {
        match self.server.is_ours() {
            true => self.zones.join("account00000").join(format!("{apex}.zone")),
            false => self.home.join("added").join(format!("{apex}.zone")),
        }
    }

    pub fn version(&self) -> String {
        let program = if self.server.is_ours() {
            self.binary.to_string_lossy().into_owned()
        } else {
            self.server.program().into()
        };
        let argument = match self.server {
            Server::Nsd => "-v",
            Server::Bind => "-V",
            Server::Gdnsd => "-h",
            _ => "--version",
        };
        let text = output(&[program, argument.to_owned()]);
        let is_version =
            |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
        text.split_whitespace().find(is_version).unwrap_or("?").to_owned()
    }
}

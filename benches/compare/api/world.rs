//! A server with an API, and what is in it: a few zones that are written to, or as many of everything as one machine is
//! planned for.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bailiwick::base::id::ZoneId;
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::lifecycle::{self, New};
use bailiwick::hostname::object::{Hostname, Method, Owner, Proof, Status};
use bailiwick::hostname::proof::Tokens;
use bailiwick::records::input::Input;
use bailiwick::store::state::Store;
use bailiwick::store::state::change::Change;
use bailiwick::store::state::sqlite::Sqlite;
use serde_json::{Value, json};

use super::http::Client;
use crate::Outcome;
use crate::load::packet;
use crate::process::{Process, output};

/// Changes of one commit, when a database is filled.
const TOGETHER: usize = 50_000;
/// Links to one file: a file system knows some 65,000.
const LINKS: usize = 60_000;
const READY: Duration = Duration::from_secs(300);

/// Where a server lives.
#[derive(Clone)]
pub struct Home {
    pub folder: PathBuf,
    pub binary: PathBuf,
    pub port: u16,
}

impl Home {
    /// Makes the folder anew, with a config.
    pub fn make(&self) -> io::Result<()> {
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(self.folder.join("zones"))?;
        let (dns, api) = (self.dns(), self.api());
        let config = format!(
            "[server]\nlisten = [\"{dns}\"]\nnameservers = [\"ns1.bench.test\", \"ns2.bench.test\"]\n\
             [api]\nlisten = \"{api}\"\n"
        );
        fs::write(self.config(), config)
    }

    fn config(&self) -> String {
        self.folder.join("config.toml").to_string_lossy().into_owned()
    }

    pub fn dns(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn api(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port + 1))
    }

    /// Starts the server, and waits until it answers questions and requests; how long each took.
    pub fn start(&self) -> Outcome<(Process, [Duration; 2])> {
        let binary = self.binary.to_string_lossy().into_owned();
        let command = [binary, "serve".into(), "--config".into(), self.config()];
        let process = Process::start(&command, &self.folder.join("log"))?;
        let answers = self.wait(&process, || self.answers().unwrap_or(false))?;
        // A token that is none: whoever says so has read all tokens.
        let is_read = || {
            let mut client = Client::open(self.api(), "none").ok()?;
            Some(client.ask("GET", "/client/v4/user/tokens/verify", None).ok()?.status == 403)
        };
        let api = self.wait(&process, || is_read().unwrap_or(false))?;
        Ok((process, [answers, api]))
    }

    fn wait(&self, process: &Process, is_there: impl Fn() -> bool) -> Outcome<Duration> {
        while !is_there() {
            if process.started.elapsed() > READY {
                return Err(format!("not ready: see {}", self.folder.join("log").display()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(process.started.elapsed())
    }

    fn answers(&self) -> io::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(self.dns())?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut question = Vec::new();
        packet("version.bind", 16, &mut question);
        socket.send(&question)?;
        Ok(socket.recv(&mut [0; 512]).is_ok())
    }

    /// A new token, of an account or an operator's.
    pub fn token(&self, account: Option<&str>) -> Outcome<String> {
        let binary = self.binary.to_string_lossy().into_owned();
        let mut command = vec![binary, "token".into(), "create".into(), "--json".into()];
        match account {
            Some(account) => command.extend(["--account".into(), account.to_owned()]),
            None => command.push("--operator".into()),
        }
        command.extend(["--config".into(), self.config()]);
        let text = output(&command);
        let token: Value = serde_json::from_str(&text).map_err(|e| format!("{text}: {e}"))?;
        Ok(token["token"].as_str().unwrap_or_default().to_owned())
    }

    /// Tiny zone files, many of them links to one: `count` in all, half of them of the account `big`, three of `few`,
    /// the others of accounts with a thousand each.
    pub fn link_zones(&self, count: usize) -> io::Result<()> {
        let text = "$TTL 3600\n@ SOA ns1.bench.test. host.bench.test. 1 7200 3600 1209600 300\n\
                    @ NS ns1.bench.test.\n@ A 192.0.2.1\n";
        let mut template = PathBuf::new();
        for i in 0..count {
            if i % LINKS == 0 {
                template = self.folder.join(format!("template-{}", i / LINKS));
                fs::write(&template, text)?;
            }
            let account = match i {
                0..3 => "few".to_owned(),
                i if i % 2 == 0 => "big".to_owned(),
                i => format!("account-{}", i / 2_000),
            };
            let folder = self.folder.join("zones").join(account);
            if i % 2_000 < 6 {
                fs::create_dir_all(&folder)?;
            }
            fs::hard_link(&template, folder.join(format!("{}.zone", apex(i))))?;
        }
        Ok(())
    }

    fn store(&self) -> Outcome<Sqlite> {
        Ok(Sqlite::open(&self.folder.join("data/bailiwick.db"))?)
    }

    /// Fills a zone of the store with records; the server is down.
    pub fn fill_records(&self, apex: &str, count: usize) -> Outcome<()> {
        let mut store = self.store()?;
        let (zone, _) = find(&mut store, apex)?;
        let name = Name::from_text(apex)?;
        let content = store.content(zone)?.ok_or("the zone has no content")?;
        let record = |n: usize| -> Outcome<Change> {
            let kind = if n.is_multiple_of(4) { "AAAA" } else { "A" };
            let content = match kind {
                "A" => format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255),
                _ => format!("2001:db8::{:x}:{:x}", n >> 16, n & 0xFFFF),
            };
            let value = json!({ "type": kind, "name": format!("h{n}.{apex}"), "content": content });
            let input = Input::from_json(value.as_object().ok_or("no object")?)
                .map_err(|problem| problem.message.to_string())?;
            let record = input.create(&name, id(n as u64, 1), now());
            let record = record.map_err(|problem| problem.message.to_string())?;
            Ok(Change::Record { zone, record: Box::new(record) })
        };
        for first in (0..count).step_by(TOGETHER) {
            let mut changes = vec![Change::Content(Box::new(content.clone()))];
            for n in first..count.min(first + TOGETHER) {
                changes.push(record(n)?);
            }
            let generation = store.generation()?;
            store.commit(&changes, generation)?;
        }
        Ok(())
    }

    /// Gives a zone as many active custom hostnames; the server is down.
    pub fn fill_hostnames(&self, apex: &str, count: usize) -> Outcome<()> {
        let mut store = self.store()?;
        let (_, provider) = find(&mut store, apex)?;
        let hostname = |n: usize| -> Outcome<Change> {
            let hostname = Hostname::of(&Name::from_text(&format!("shop.customer-{n}.net"))?);
            let tokens = Tokens { txt: id(n as u64, 2), http: id(n as u64, 3) };
            let new = New { id: id(n as u64, 4), hostname, provider, tokens, block: None };
            let mut h = lifecycle::create(new, now()).state.ok_or("no hostname was made")?;
            h.status = Status::Active;
            let sequence = n as u64;
            h.proof = Some(Proof { method: Method::Cname, at: now(), sequence, owner: None });
            // Nothing is due while lists are read.
            h.next_check_at = Some(UnixTime(now().0 + 86_400));
            Ok(Change::Hostname(Box::new(h)))
        };
        for first in (0..count).step_by(TOGETHER) {
            let numbers = first..count.min(first + TOGETHER);
            let changes = numbers.map(hostname).collect::<Outcome<Vec<_>>>()?;
            let generation = store.generation()?;
            store.commit(&changes, generation)?;
        }
        Ok(())
    }
}

/// The apex of a linked zone. Names are in no order of their numbers.
pub fn apex(i: usize) -> String {
    format!("z{:x}-{i}.test", mix(i as u64) & 0xFFFF)
}

fn find(store: &mut Sqlite, apex: &str) -> Outcome<(ZoneId, Owner)> {
    let zones = store.load()?.zones;
    let zone = zones.iter().find(|zone| zone.apex.to_string() == apex).ok_or("no such zone")?;
    Ok((zone.id, Owner { zone: zone.id, account: zone.account }))
}

fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(since.map_or(0, |since| since.as_secs()))
}

/// Numbers from a seed.
pub fn mix(n: u64) -> u64 {
    let z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB) ^ z >> 31
}

fn id(n: u64, salt: u64) -> Uuid {
    let halves = [mix(n ^ salt << 40), mix(n ^ salt << 41)];
    Uuid::from_random(std::array::from_fn(|i| halves[i / 8].to_le_bytes()[i % 8]))
}

/// Makes an account and a zone of it, through the API; the zone's id.
pub fn make_zone(operator: &mut Client, account: &str, apex: &str) -> Outcome<String> {
    let made = operator.ask("POST", "/client/v4/accounts", Some(&json!({ "name": account })))?;
    let account = match made.status {
        201 => made.body["result"]["id"].clone(),
        // It is there already.
        _ => {
            let found =
                operator.get("GET", &format!("/client/v4/accounts?name={account}"), None)?;
            found[0]["id"].clone()
        }
    };
    let zone = json!({ "name": apex, "account": { "id": account } });
    let made = operator.get("POST", "/client/v4/zones", Some(&zone))?;
    Ok(made["id"].as_str().unwrap_or_default().to_owned())
}

/// How long something took.
pub fn timed<T>(what: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let began = Instant::now();
    let done = work()?;
    eprintln!("{what}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(done)
}

/// Octets of a folder's files on disk.
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |data| data.len())
}

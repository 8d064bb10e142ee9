//! Runs the real binary in a folder of its own: no fixed ports, no fixed sleeps.

use super::client::{self, Ask, Transport};
use super::message::{Message, Wrong};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a start, a reload or an end may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The usual head of a zone, for worlds whose zones need nothing special.
pub const STANDARD: &str = "$TTL 300\n\
    @ 3600 SOA ns1 host 1 3600 600 604800 60\n\
    @ 3600 NS ns1\n\
    ns1 3600 A 192.0.2.53\n";

/// A folder with a config and zones, as an operator would have it.
pub struct World {
    dir: TempDir,
}

impl World {
    /// An empty world that listens on one address of the loopback.
    pub fn new() -> World {
        let world = World { dir: tempfile::tempdir().expect("a folder for the world") };
        std::fs::create_dir(world.path("zones")).expect("the zones folder");
        world.config("", "");
        world
    }

    /// A path in the world.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// Write the config: lines for `[server]`, then the other tables. Unless they name a resolver, nobody answers
    /// there: no test asks the network.
    pub fn config(&self, server: &str, rest: &str) {
        let nobody = "upstream = [\"127.0.0.1:9\"]";
        let rest = match (rest.contains("upstream ="), rest.contains("[flatten]\n")) {
            (true, _) => rest.to_owned(),
            (false, true) => rest.replace("[flatten]\n", &format!("[flatten]\n{nobody}\n")),
            (false, false) => format!("{rest}\n[flatten]\n{nobody}"),
        };
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nzones = \"zones\"\ndata = \"data\"\nworkers = 1\n\
             {server}\n{rest}\n"
        );
        self.file("config.toml", &text);
    }

    /// Put a file in place in one step, as careful editors do.
    pub fn file(&self, inside: &str, text: &str) {
        self.octets(inside, text.as_bytes());
    }

    /// The same with any octets.
    pub fn octets(&self, inside: &str, octets: &[u8]) {
        let path = self.path(inside);
        let folder = path.parent().expect("inside the world");
        std::fs::create_dir_all(folder).expect("the folder");
        let aside = folder.join(".aside");
        std::fs::write(&aside, octets).expect("the new text");
        std::fs::rename(&aside, &path).expect("the rename");
    }

    /// Put a zone file in place; `%std%` stands for the usual head.
    pub fn zone(&self, account_and_apex: &str, text: &str) {
        self.file(&zone_path(account_and_apex), &text.replace("%std%", STANDARD));
    }

    /// Remove a zone file.
    pub fn remove(&self, account_and_apex: &str) {
        std::fs::remove_file(self.path(&zone_path(account_and_apex))).expect("it was there");
    }

    /// Run a subcommand on this world to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let child = self.command(arguments).spawn().expect("the binary runs");
        bounded(child, arguments)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bailiwick"));
        command.args(arguments).current_dir(self.dir.path()).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Start the server and wait until it says that it is ready.
    pub fn start(self) -> Server {
        self.try_start(&[]).unwrap_or_else(|said| panic!("the server does not start:\n{said}"))
    }

    /// Start with more arguments; what it wrote when it ends instead.
    pub fn try_start(self, arguments: &[&str]) -> Result<Server, String> {
        let mut all = vec!["serve", "--log", "json"];
        all.extend(arguments);
        let (child, log, lines) = spawn(&self, &all);
        let mut server =
            Server { world: self, child, log, lines, udp: vec![], tcp: vec![], http: None };
        server.learn_addresses()?;
        Ok(server)
    }
}

fn zone_path(account_and_apex: &str) -> String {
    format!("zones/{account_and_apex}.zone")
}

/// Wait for a child with a bound, so that a server that should have failed does not hang the test.
fn bounded(mut child: Child, what: &[&str]) -> Output {
    let until = Instant::now() + PATIENCE;
    let mut out = child.stdout.take().expect("piped");
    let mut err = child.stderr.take().expect("piped");
    let out = std::thread::spawn(move || read_all(&mut out));
    let err = std::thread::spawn(move || read_all(&mut err));
    let status = loop {
        if let Some(status) = child.try_wait().expect("our own child") {
            break status;
        }
        if Instant::now() > until {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
            panic!("{what:?} did not end in {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let stdout = out.join().expect("reads to the end");
    let stderr = err.join().expect("reads to the end");
    Output { status, stdout, stderr }
}

fn read_all(from: &mut impl std::io::Read) -> Vec<u8> {
    let mut out = Vec::new();
    from.read_to_end(&mut out).expect("a pipe can be read");
    out
}

type Log = Arc<Mutex<Vec<String>>>;

fn spawn(world: &World, arguments: &[&str]) -> (Child, Log, Receiver<String>) {
    let mut child = world.command(arguments).spawn().expect("the binary runs");
    let log: Log = Arc::default();
    let (sender, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().expect("piped"));
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            kept.lock().expect("no panic under the lock").push(line.clone());
            if sender.send(line).is_err() {
                continue;
            }
        }
    });
    let mut stdout = child.stdout.take().expect("piped");
    std::thread::spawn(move || read_all(&mut stdout));
    (child, log, lines)
}

/// One field of a JSON log line, wherever the format puts it.
fn field<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line.get(name).or_else(|| line.get("fields")?.get(name))?.as_str()
}

/// A running server; it is killed when dropped.
pub struct Server {
    pub world: World,
    child: Child,
    log: Log,
    lines: Receiver<String>,
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    /// Of the API, if it is on.
    pub http: Option<SocketAddr>,
}

impl Server {
    fn learn_addresses(&mut self) -> Result<(), String> {
        (self.udp, self.tcp) = (Vec::new(), Vec::new());
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                return Err(self.log());
            };
            let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
            match field(&line, "message") {
                Some("listening") => self.learn_address(&line),
                Some("ready") => return Ok(()),
                _ => {}
            }
        }
    }

    fn learn_address(&mut self, line: &Value) {
        let address = field(line, "address").expect("listening has an address");
        let address = address.parse().expect("an address and a port");
        match field(line, "transport").expect("listening has a transport") {
            "udp" | "UDP" => self.udp.push(address),
            "tcp" | "TCP" => self.tcp.push(address),
            "http" | "https" => self.http = Some(address),
            other => panic!("listening on {other}"),
        }
    }

    /// All that was logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic under the lock").join("\n")
    }

    /// Wait until a line of the log holds all these words.
    pub fn logged(&self, words: &[&str]) -> String {
        let found = poll(PATIENCE, || {
            let log = self.log.lock().expect("no panic under the lock");
            log.iter().find(|line| words.iter().all(|word| line.contains(word))).cloned()
        });
        found.unwrap_or_else(|| panic!("never logged {words:?}:\n{}", self.log()))
    }

    /// The first address of a transport.
    pub fn address(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Udp => self.udp[0],
            Transport::Tcp => self.tcp[0],
        }
    }

    /// Ask over UDP.
    pub fn ask(&self, question: &Ask) -> Result<Message, Wrong> {
        client::ask(self.address(Transport::Udp), Transport::Udp, question)
    }

    /// Ask for a name and type over UDP; panics when there is no good answer.
    pub fn query(&self, name: &str, qtype: &str) -> Message {
        self.ask(&Ask::new(name, qtype)).unwrap_or_else(|wrong| panic!("{name} {qtype}: {wrong}"))
    }

    /// Ask again and again until the answer is as wanted.
    pub fn wait_for(&self, name: &str, qtype: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let mut last = None;
        let found = poll(PATIENCE, || {
            let answer = self.query(name, qtype);
            let good = wanted(&answer);
            last = Some(answer);
            good.then(|| last.clone()).flatten()
        });
        found.unwrap_or_else(|| {
            let last = last.map(|answer| answer.show()).unwrap_or_default();
            panic!("{name} {qtype} never became as wanted; last:\n{last}\nlog:\n{}", self.log())
        })
    }

    /// Send a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, signal).expect("our own child");
    }

    /// Read config and zones again, as SIGHUP does.
    pub fn hangup(&self) {
        self.signal(nix::sys::signal::Signal::SIGHUP);
    }

    /// End it with SIGTERM; how it ended and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let start = Instant::now();
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let status = poll(PATIENCE, || self.child.try_wait().expect("our own child"));
        (status.unwrap_or_else(|| panic!("SIGTERM ignored:\n{}", self.log())), start.elapsed())
    }

    /// End it with SIGTERM and start it again on the same folder.
    pub fn restart(&mut self) {
        self.terminate();
        self.start_again();
    }

    /// Kill it with SIGKILL and start it again on the same folder.
    pub fn crash(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
        self.start_again();
    }

    /// Start it again on the same folder, once it has ended.
    pub fn start_again(&mut self) {
        (self.child, self.log, self.lines) = spawn(&self.world, &["serve", "--log", "json"]);
        if let Err(said) = self.learn_addresses() {
            panic!("the server does not start again:\n{said}");
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Is the process still there?
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Try until there is something, with a bound.
pub fn poll<T>(patience: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = attempt() {
            return Some(found);
        }
        if Instant::now() > until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The repository's own folder.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

//! Starts other people's nameservers on loopback ports of their own, in folders of their own, for a bounded time.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a peer may take to start or to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A peer ends after this many seconds even if the test is killed and cannot end it.
const LIFETIME_SECS: &str = "900";

/// A running peer; it is ended when dropped.
pub struct Peer {
    pub name: &'static str,
    pub address: SocketAddr,
    dir: TempDir,
    child: Child,
}

impl Peer {
    /// Starts `command` of the package, with the config that `config` writes for a folder and a port.
    pub fn start(
        name: &'static str,
        command: &str,
        arguments: &[&str],
        config: impl Fn(&Path, u16) -> String,
    ) -> Peer {
        // Somebody else may take the port between looking for it and starting.
        for _ in 0..5 {
            let dir = tempfile::tempdir().expect("a folder for a peer");
            let port = free_port();
            fs::write(dir.path().join("config"), config(dir.path(), port)).expect("a config");
            let child = spawn(dir.path(), command, arguments);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut peer = Peer { name, address, dir, child };
            if peer.is_up() {
                return peer;
            }
            eprintln!("{name} does not start, trying again:\n{}", peer.log());
        }
        panic!("{name} does not start");
    }

    /// Waits until any question is answered.
    fn is_up(&mut self) -> bool {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a local port is free");
        socket.connect(self.address).expect("the loopback is reachable");
        // version.bind CH TXT, which nobody looks up elsewhere.
        let question = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03";
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.child.try_wait().expect("our own child").is_some() {
                return false;
            }
            socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout can be set");
            // Before it listens the question is refused at once, so this waits for no packet that may come late.
            if socket.send(question).is_ok() && socket.recv(&mut [0; 512]).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// The first lines that it wrote.
    pub fn log(&self) -> String {
        let read = |file: &str| fs::read(self.dir.path().join(file)).unwrap_or_default();
        let all = ["log", "stderr", "stdout"].map(read).concat();
        String::from_utf8_lossy(&all).lines().take(20).map(|line| format!("{line}\n")).collect()
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let group = i32::try_from(self.child.id()).expect("a process id");
        let group = nix::unistd::Pid::from_raw(group);
        // Already gone is as good.
        let _ = nix::sys::signal::killpg(group, signal);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if self.child.try_wait().expect("our own child").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Runs a copy of the command, or of the binary at an absolute path, since Debian confines some by the path of their
/// binary. It leads a process group.
fn spawn(dir: &Path, command: &str, arguments: &[&str]) -> Child {
    let places = ["/usr/sbin", "/usr/bin"].map(|folder| Path::new(folder).join(command));
    let found = places.iter().find(|path| path.exists());
    let found = found.unwrap_or_else(|| panic!("{command} is not installed: see tests/run"));
    let binary = dir.join(found.file_name().expect("a path of a binary"));
    fs::copy(found, &binary).expect("a binary can be copied");
    let file = |name: &str| fs::File::create(dir.join(name)).expect("a log can be written");
    Command::new("timeout")
        .args(["-k", "5", LIFETIME_SECS])
        .arg(&binary)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .process_group(0)
        .spawn()
        .expect("the peer can be run")
}

/// A port that is free for UDP and TCP.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a local port is free");
        let port = udp.local_addr().expect("it is bound").port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for UDP and TCP");
}

/// The head of a config of BIND: everything in its folder, nothing listening but the port.
pub fn bind_options(dir: &Path, port: u16, more: &str) -> String {
    let dir = dir.display();
    format!(
        "controls {{ }};\noptions {{ directory \"{dir}\"; listen-on port {port} {{ 127.0.0.1; }}; \
         listen-on-v6 {{ none; }}; pid-file none; session-keyfile none; \
         dnssec-validation no; allow-query {{ any; }}; {more} }};\n\
         logging {{ channel l {{ file \"{dir}/log\"; severity warning; }}; \
         category default {{ l; }}; }};\n"
    )
}

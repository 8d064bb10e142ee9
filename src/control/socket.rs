//! `data/control.sock`: how the command line talks to a running server. One line of JSON asks, one line answers.
//!
//! ```text
//! {"command":"reload"}                               {"ok":true,"result":{…}}
//! {"command":"zone-list"}                            {"ok":true,"result":[…]}
//! {"command":"zone-accept","zone":"example.com"}     {"ok":false,"error":"…"}
//! ```
//! The socket is for its owner alone (0600): who may write it may do what an operator may.

use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tracing::warn;

use super::command::{Command, Handle, HostnameRequest, Job, TokenRequest, reply};
use super::manage::ManageRequest;
use crate::base::name::Name;

/// Name of the socket in the data folder.
pub const FILE: &str = "control.sock";
/// How the error begins when no server runs.
pub const NOBODY: &str = "no server runs on ";
/// Octets a request may have.
const REQUEST_MAX: u64 = 4_096;
/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clients served at once; others wait.
const CLIENTS: usize = 8;
/// Octets of a socket's path that the system takes, its final zero left out.
const PATH_MAX: usize = 107;

/// What can be asked over the socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    Reload,
    ZoneList,
    ZoneAccept { zone: String },
    Hostname { request: HostnameRequest },
    Token { request: TokenRequest },
    Manage { request: ManageRequest },
}

/// The open socket; its file goes when this is dropped.
pub struct Socket {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
        // It may be gone already, and the next start replaces it anyway.
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens the socket in the folder `data`, which the caller has locked: what lies there is left over. Must be called
/// inside the runtime.
pub fn open(data: &Path, handle: Handle) -> io::Result<Socket> {
    let path = data.join(FILE);
    let new = data.join(format!("{FILE}.new"));
    remove(&new)?;
    // Nobody can connect before the permissions are right: the name that clients know comes last.
    let listener = {
        let short = Short::of(&new)?;
        UnixListener::bind(&short.path)?
    };
    fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    fs::rename(&new, &path)?;
    let task = tokio::spawn(serve(listener, handle));
    Ok(Socket { path, task })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn serve(listener: UnixListener, handle: Handle) {
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "the control socket cannot accept a client");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let handle = handle.clone();
        tokio::spawn(async move {
            // A client that went away has no use for an error.
            let _ = client(stream, handle).await;
            drop(place);
        });
    }
}

async fn client(stream: tokio::net::UnixStream, handle: Handle) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = tokio::io::BufReader::new(read.take(REQUEST_MAX));
    tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(request) => {
            // Waiting for the publisher blocks, which must not hold up the runtime.
            tokio::task::spawn_blocking(move || ask(&handle, request)).await?
        }
        Err(error) => Err(format!("not a request: {error}")),
    };
    let line = match answer {
        Ok(result) => json!({ "ok": true, "result": result }),
        Err(error) => json!({ "ok": false, "error": error }),
    };
    tokio::time::timeout(PATIENCE, write.write_all(format!("{line}\n").as_bytes())).await?
}

/// Puts a request to the publisher and waits for its answer.
fn ask(handle: &Handle, request: Request) -> Result<Value, String> {
    let (reply, answer) = reply();
    let command = match request {
        Request::Reload => Command::Reload(Some(reply)),
        Request::ZoneList => Command::ZoneList(reply),
        Request::ZoneAccept { zone } => {
            let apex =
                Name::from_text(&zone).map_err(|e| format!("`{zone}` is no zone name: {e}"))?;
            Command::ZoneAccept { apex, reply }
        }
        Request::Hostname { request } => Command::Hostname { request, reply },
        Request::Token { request } => {
            Command::Job(Job::replying(reply, move |world, now| world.token(&request, now)))
        }
        Request::Manage { request } => {
            Command::Job(Job::replying(reply, move |world, now| world.manage(&request, now)))
        }
    };
    let ending = || "the server is ending".to_owned();
    handle.send(command).map_err(|_| ending())?;
    answer.recv().map_err(|_| ending())?
}

/// Asks the server that runs on the folder `data`. Errors are sentences for people.
pub fn request(data: &Path, request: &Request) -> Result<Value, String> {
    let path = data.join(FILE);
    let shown = path.display();
    let connect = Short::of(&path).and_then(|short| UnixStream::connect(&short.path));
    let stream = connect.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("{NOBODY}{}: start one with `bailiwick serve`", data.display())
        }
        io::ErrorKind::PermissionDenied => {
            format!("{shown} is for the server's user alone: call this as that user or as root")
        }
        _ => format!("cannot connect to {shown}: {error}"),
    })?;
    let failed = |error: io::Error| format!("the server at {shown} did not answer: {error}");
    let line = serde_json::to_string(request).map_err(|e| failed(e.into()))?;
    (&stream).write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(failed)?;
    let mut answer: Value = serde_json::from_str(&line).map_err(|e| failed(e.into()))?;
    match (answer["ok"].as_bool(), answer["error"].as_str()) {
        (Some(true), _) => Ok(answer["result"].take()),
        (_, Some(error)) => Err(error.to_owned()),
        _ => Err(format!("the server at {shown} answered what is no answer: {}", line.trim_end())),
    }
}

/// A path short enough for a socket's address: a long one goes by way of its folder's descriptor.
struct Short {
    path: PathBuf,
    /// Kept open while the path is used.
    _folder: Option<File>,
}

impl Short {
    fn of(path: &Path) -> io::Result<Short> {
        let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        if path.as_os_str().as_bytes().len() <= PATH_MAX {
            return Ok(Short { path: path.to_owned(), _folder: None });
        }
        let folder = File::open(folder)?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(file);
        Ok(Short { path, _folder: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::command::QUEUE;
    use std::sync::mpsc::sync_channel;

    /// A publisher that knows one zone, on a folder with this name; `ask` is called beside it.
    fn with_server(name: &str, ask: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(name);
        fs::create_dir(&data).unwrap();
        // Left over from a server that was killed.
        fs::write(data.join(FILE), b"").unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (handle, commands) = sync_channel(QUEUE);
        let publisher = std::thread::spawn(move || {
            for command in commands {
                match command {
                    Command::Reload(Some(reply)) => {
                        reply.send(Ok(json!({ "changed": 0 }))).unwrap()
                    }
                    Command::ZoneAccept { apex, reply } => {
                        reply.send(Err(format!("{apex} is not held"))).unwrap();
                    }
                    _ => {}
                }
            }
        });
        let socket = runtime.block_on(async { open(&data, handle).unwrap() });
        ask(&data);
        runtime.block_on(async { drop(socket) });
        drop(runtime);
        publisher.join().unwrap();
        assert!(!data.join(FILE).exists());
    }

    #[test]
    fn asks_and_answers() {
        with_server("data", |data| {
            assert_eq!(request(data, &Request::Reload), Ok(json!({ "changed": 0 })));
            let accept = Request::ZoneAccept { zone: "Example.COM.".into() };
            assert_eq!(request(data, &accept), Err("example.com is not held".into()));
            let nonsense = Request::ZoneAccept { zone: "a..b".into() };
            assert!(request(data, &nonsense).unwrap_err().contains("`a..b` is no zone name"));
            let mode = fs::metadata(data.join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        });
    }

    #[test]
    fn long_paths_work() {
        with_server(&"d".repeat(200), |data| {
            assert_eq!(request(data, &Request::Reload), Ok(json!({ "changed": 0 })));
        });
    }

    #[test]
    fn nonsense_is_answered_and_harms_nobody() {
        with_server("data", |data| {
            for text in ["{}\n", "reload\n", "{\"command\":\"halt\"}\n", &"x".repeat(10_000)] {
                let mut stream = UnixStream::connect(data.join(FILE)).unwrap();
                // The server may close before it has read all.
                let _ = stream.write_all(text.as_bytes());
                let mut line = String::new();
                let _ = BufReader::new(stream).read_line(&mut line);
                assert!(line.is_empty() || line.contains("\"ok\":false"), "{line}");
            }
            assert!(request(data, &Request::Reload).is_ok());
        });
    }

    #[test]
    fn no_server_is_said_in_plain_words() {
        let folder = tempfile::tempdir().unwrap();
        let error = request(folder.path(), &Request::ZoneList).unwrap_err();
        assert!(error.contains("no server runs on"), "{error}");
    }
}

//! A server under measurement: started in a session of its own, its processor time and memory read from `/proc`, and
//! ended again with everything it started.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How much sooner than others the server and the load are run, as a niceness of their sessions.
const BOOST: &str = "-10";
/// Time to end by itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// A started server. Ended when dropped.
pub struct Process {
    child: Child,
    pub started: Instant,
}

/// Memory in MiB and CPU in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Footprint {
    pub mib: f64,
    pub cpu_s: f64,
}

/// Time on a processor at one moment, by thread: threads end, and their time would be missing from a sum.
pub struct Mark(HashMap<u32, u64>);

impl Process {
    /// Starts `command` on both cores; what it prints goes to `log`.
    pub fn start(command: &[String], log: &Path) -> io::Result<Process> {
        let out = fs::File::options().create(true).append(true).open(log)?;
        let started = Instant::now();
        let child = Command::new("setsid")
            .args(["taskset", "-c", "0,1"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        boost(child.id());
        Ok(Process { child, started })
    }

    /// Whether it ended by itself.
    pub fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// All processes of its session.
    fn ids(&self) -> Vec<u32> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| session(*id) == Some(self.child.id())).collect()
    }

    /// All threads stay on one core from now on.
    pub fn pin(&self, core: usize) {
        for id in self.ids() {
            pin(id, core);
        }
    }

    /// Nanoseconds on a processor so far, of each thread. Exact, where ticks are not.
    fn cpu(&self) -> HashMap<u32, u64> {
        let tasks = self.ids().into_iter().map(|id| fs::read_dir(format!("/proc/{id}/task")));
        let paths = tasks.flatten().flatten().flatten().map(|task| task.path());
        let ns = |path: PathBuf| {
            let id = path.file_name()?.to_str()?.parse().ok()?;
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            Some((id, text.split_whitespace().next()?.parse().ok()?))
        };
        paths.filter_map(ns).collect()
    }

    /// Starts to count the time on a processor.
    pub fn mark(&self) -> Mark {
        Mark(self.cpu())
    }

    /// Nanoseconds on a processor since then, over all threads that are there now.
    pub fn since(&self, mark: &Mark) -> u64 {
        let before = |id: &u32| mark.0.get(id).copied().unwrap_or(0);
        self.cpu().iter().map(|(id, ns)| ns.saturating_sub(before(id))).sum()
    }

    pub fn footprint(&self) -> Footprint {
        let pss = |id: u32| -> Option<f64> {
            let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").trim().parse().ok()
        };
        let kib: f64 = self.ids().into_iter().filter_map(pss).sum();
        // In ticks of a hundredth of a second, but with the threads that have ended.
        let ticks = |id: u32| -> Option<u64> {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let mut fields = stat[stat.rfind(')')? + 2..].split(' ').skip(11);
            Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
        };
        let ticks: u64 = self.ids().into_iter().filter_map(ticks).sum();
        Footprint { mib: kib / 1024.0, cpu_s: ticks as f64 / 100.0 }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ids = self.ids();
        for signal in ["-TERM", "-KILL"] {
            for id in ids.iter().filter(|id| session(**id) == Some(self.child.id())) {
                // It may be gone by now.
                let _ = Command::new("kill")
                    .args([signal, &id.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                if self.is_gone() && self.ids().is_empty() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Runs the session of a process sooner than others, where that is allowed.
pub fn boost(id: u32) {
    let _ = fs::write(format!("/proc/{id}/autogroup"), BOOST);
}

pub fn pin(id: u32, core: usize) {
    let ids = [core.to_string(), id.to_string()];
    let _ = Command::new("taskset").args(["-a", "-cp"]).args(ids).stdout(Stdio::null()).status();
}

fn session(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name in parentheses: state, parent, group, session.
    let mut fields = stat[stat.rfind(')')? + 2..].split(' ');
    let is_dead = matches!(fields.next(), Some("Z" | "X"));
    fields.nth(2)?.parse().ok().filter(|_| !is_dead)
}

/// What a command prints, both ways.
pub fn output(command: &[String]) -> String {
    let Some((program, arguments)) = command.split_first() else { return String::new() };
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => {
            let [out, err] =
                [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
            out + &err
        }
        Err(error) => error.to_string(),
    }
}

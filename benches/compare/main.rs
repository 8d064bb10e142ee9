//! Side by side with other servers: one command that makes the zones, starts the servers, asks them and writes it down.

mod api;
mod echo;
mod load;
mod outside;
mod process;
mod report;
mod servers;
mod sets;
mod sockets;
mod steps;
mod tcp;

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use process::Process;
use servers::{Plan, Server};
use sets::{Load, Set};
use steps::{SERVER_CORE, Series, Subject};

const EXAMPLES: &str = "Examples:
  cargo build --release
  cargo bench --bench compare -- run
  cargo bench --bench compare -- run --sets big,many100k --servers bailiwick,gdnsd,nsd,knot
  cargo bench --bench compare -- run --sets many100k --servers bailiwick --steps edits --rounds 3
  cargo bench --bench compare -- api --steps writes,revoked
  cargo bench --bench compare -- report target/compare/results.json

Servers that are not installed are left out. Debian's packages, whose services should be stopped:
  knot nsd gdnsd bind9 pdns-server pdns-backend-bind";

/// Measures Bailiwick beside other authoritative servers, on loopback: server on core 0, load on core 1.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Job>,
    /// Given by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Job {
    /// Measures, and writes results.json, results.md and one plot for each set.
    #[command(after_help = EXAMPLES)]
    Run(Run),
    /// Measures the API: writes beside questions, lists among a million, grants that are taken back.
    Api(api::Run),
    /// Makes the table and the plots of a results.json again.
    Report { results: PathBuf },
    /// The floor: sends all datagrams back with some octets more.
    #[command(hide = true)]
    Echo { address: SocketAddr, more: usize },
    /// The floor of TCP.
    #[command(hide = true)]
    EchoTcp { address: SocketAddr },
}

#[derive(clap::Args)]
struct Run {
    /// Which zones.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "big,many100k,pair")]
    sets: Vec<Set>,
    /// Which servers; all that are installed, if not given (for many1m: Knot and NSD).
    #[arg(long, value_enum, value_delimiter = ',')]
    servers: Vec<Server>,
    /// What is measured.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "saturation,rate,tcp,restart,edits"
    )]
    steps: Vec<Step>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a measured window.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Questions a second of the steps with a fixed rate.
    #[arg(long, default_value_t = 40_000.0)]
    rate: f64,
    /// The binary of Bailiwick.
    #[arg(long, default_value = "target/release/bailiwick")]
    binary: PathBuf,
    /// Zone files, the servers' own files and results go here.
    #[arg(long, default_value = "target/compare")]
    folder: PathBuf,
    /// First of the ports.
    #[arg(long, default_value_t = 5600)]
    port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Saturation,
    Rate,
    Tcp,
    Restart,
    Edits,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    match Cli::parse().command {
        // `cargo bench` without more runs every bench: this one only on request.
        None => println!("{EXAMPLES}"),
        Some(Job::Echo { address, more }) => echo::datagrams(address, more)?,
        Some(Job::EchoTcp { address }) => echo::messages(address)?,
        Some(Job::Report { results }) => {
            let text = fs::read_to_string(&results)?;
            publish(&serde_json::from_str(&text)?, results.parent().unwrap_or(Path::new(".")))?;
        }
        Some(Job::Api(run)) => api::measure(run)?,
        Some(Job::Run(mut run)) => {
            fs::create_dir_all(&run.folder)?;
            run.folder = run.folder.canonicalize()?;
            run.binary = run.binary.canonicalize().map_err(|e| format!("{:?}: {e}", run.binary))?;
            measure(&run)?;
        }
    }
    Ok(())
}

fn measure(run: &Run) -> Outcome<()> {
    let needed: u64 = run.sets.iter().map(|set| set.disk_gib()).sum();
    eprintln!(
        "zone files and the servers' own files: up to {needed} GiB in {}",
        run.folder.display()
    );
    // The load stays on core 1, with everything it starts by itself.
    process::pin(std::process::id(), 1);
    process::boost(std::process::id());
    let mut results = json!({ "date": date(), "machine": machine(), "versions": {}, "sets": {} });
    for &set in &run.sets {
        let measured = measure_set(run, set, &mut results["versions"]);
        match measured {
            Ok(measured) => results["sets"][set.title()] = measured,
            Err(error) => eprintln!("{}: {error}", set.title()),
        }
        // Written after each set: what was measured stays, whatever comes.
        publish(&results, &run.folder)?;
    }
    Ok(())
}

/// Writes results, table and plots.
fn publish(results: &Value, folder: &Path) -> Outcome<()> {
    fs::write(folder.join("results.json"), serde_json::to_string_pretty(results)?)?;
    let text = report::markdown(results)?;
    fs::write(folder.join("results.md"), &text)?;
    for (set, steps) in results["sets"].as_object().into_iter().flatten() {
        fs::write(folder.join(format!("{set}.svg")), report::plot(set, &steps["saturation"])?)?;
    }
    println!("{text}");
    Ok(())
}

fn servers_of(run: &Run, set: Set) -> Vec<Server> {
    let all = match set {
        // The others have no such rule to be compared with.
        Set::Pair => vec![Server::Bailiwick],
        _ if !run.servers.is_empty() => run.servers.clone(),
        Set::Many1m => vec![Server::Bailiwick, Server::Nsd, Server::Knot],
        _ => Server::value_variants().to_vec(),
    };
    all.into_iter().filter(|server| server.is_installed()).collect()
}

fn measure_set(run: &Run, set: Set, versions: &mut Value) -> Outcome<Value> {
    let zones = run.folder.join(set.title()).join("zones");
    set.write(&zones)?;
    let mut found = json!({ "start": {}, "restart": {}, "edits": {}, "edits_under_load": {} });
    let mut subjects: Vec<Subject> = Vec::new();
    for (n, server) in servers_of(run, set).into_iter().enumerate() {
        let home = run.folder.join(set.title()).join(format!("{server:?}").to_lowercase());
        let port = run.port + 4 * n as u16;
        let plan =
            Plan { server, set, zones: zones.clone(), home, port, binary: run.binary.clone() };
        match up(run, plan, &mut found) {
            Ok(subject) => {
                versions[server.title()] = json!(subject.plan.as_ref().map(Plan::version));
                subjects.push(subject);
            }
            Err(error) => eprintln!("{}: {error}", server.title()),
        }
    }
    if subjects.is_empty() {
        return Err("no server".into());
    }
    if set.aliases() > 0 {
        subjects.iter().try_for_each(outside::fill)?;
    }
    let servers = subjects.len();
    if run.steps.contains(&Step::Edits) && set != Set::Pair && set != Set::Big {
        for subject in &subjects {
            found["edits"][&subject.name] = steps::visible(subject, 15)?;
            let length = Duration::from_secs_f64(run.seconds);
            let under_load = steps::edits_under_load(subject, run.rate, 10, length)?;
            found["edits_under_load"][&subject.name] = under_load;
        }
    }
    add_echoes(run, set, &mut subjects)?;
    compare(run, set, &subjects, servers, &mut found)?;
    Ok(found)
}

/// Starts one server; if asked for, once more with what it kept. Then it stays on its core.
fn up(run: &Run, plan: Plan, found: &mut Value) -> Outcome<Subject> {
    let name = plan.server.title().to_owned();
    plan.prepare()?;
    if plan.set.aliases() > 0 {
        outside::start(plan.upstream())?;
    }
    let log = plan.home.join("log");
    let (mut process, took) = steps::bring_up(&plan, &log)?;
    eprintln!("{name:<16} up: {took}");
    found["start"][&name] = took;
    steps::rest(&process, Duration::from_secs(120));
    if plan.server.is_ours() && run.steps.contains(&Step::Restart) {
        // What it starts from next time is written when it has been quiet for a while.
        steps::wait_for_file(&plan.home.join("data/zones.image"), Duration::from_secs(120))?;
        drop(process);
        let again = steps::bring_up(&plan, &log)?;
        eprintln!("{name:<16} up again: {}", again.1);
        found["restart"][&name] = again.1;
        process = again.0;
        steps::rest(&process, Duration::from_secs(60));
    }
    process.pin(SERVER_CORE);
    let address = SocketAddr::from(([127, 0, 0, 1], plan.port));
    Ok(Subject { name, process, address, plan: Some(plan), only: None })
}

/// One echo for each load, with answers as long as the first server's, and one for TCP.
fn add_echoes(run: &Run, set: Set, subjects: &mut Vec<Subject>) -> Outcome<()> {
    let me = std::env::current_exe()?.to_string_lossy().into_owned();
    let log = run.folder.join("log");
    for (n, &load) in set.loads().iter().enumerate() {
        let more = steps::growth(&subjects[0], set, load)?;
        let address = SocketAddr::from(([127, 0, 0, 1], run.port + 60 + n as u16));
        let command = [me.clone(), "echo".into(), address.to_string(), more.to_string()];
        let process = Process::start(&command, &log)?;
        std::thread::sleep(Duration::from_millis(100));
        process.pin(SERVER_CORE);
        subjects.push(Subject {
            name: "echo".into(),
            process,
            address,
            plan: None,
            only: Some(load),
        });
    }
    Ok(())
}

fn compare(
    run: &Run,
    set: Set,
    subjects: &[Subject],
    servers: usize,
    found: &mut Value,
) -> Outcome<()> {
    let length = Duration::from_secs_f64(run.seconds);
    let to_echo = |load| Some(("echo".to_owned(), load));
    if run.steps.contains(&Step::Saturation) {
        let series: Series = steps::saturation(subjects, set, run.rounds, length)?;
        let own = Server::Bailiwick.title().to_owned();
        found["saturation"] = match set {
            Set::Pair => series.table(|load| match load {
                Load::Crossing => Some((own.clone(), Load::InZone)),
                _ => Some((own.clone(), Load::Hit)),
            }),
            _ => series.table(to_echo),
        };
    }
    if run.steps.contains(&Step::Rate) && set != Set::Pair {
        let series = steps::fixed_rate(subjects, set, run.rate, run.rounds, length)?;
        found["rate"] = series.table(|load| Some((Server::Gdnsd.title().to_owned(), load)));
    }
    if run.steps.contains(&Step::Tcp) && set != Set::Pair {
        let me = std::env::current_exe()?.to_string_lossy().into_owned();
        let address = SocketAddr::from(([127, 0, 0, 1], run.port + 70));
        let process =
            Process::start(&[me, "echo-tcp".into(), address.to_string()], &run.folder.join("log"))?;
        std::thread::sleep(Duration::from_millis(100));
        process.pin(SERVER_CORE);
        let echo = Subject { name: "echo".into(), process, address, plan: None, only: None };
        let all: Vec<&Subject> = subjects[..servers].iter().chain([&echo]).collect();
        found["tcp"] = steps::streams(&all, set, run.rounds, length)?.table(to_echo);
    }
    Ok(())
}

fn date() -> String {
    process::output(&["date".into(), "-u".into(), "+%Y-%m-%d %H:%M UTC".into()]).trim().to_owned()
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("?");
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let kernel = Command::new("uname")
        .arg("-r")
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    format!(
        "{cores} × {}, {} GiB, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kib >> 20,
        kernel.unwrap_or_default().trim()
    )
}

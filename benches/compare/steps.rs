//! What is measured, step by step. All servers of a set are up at once and are asked in turns: what a shared machine
//! does to one of them it does to all, and ratios inside one round can be trusted where single figures cannot.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::load::{Generator, Pace, Questions, Shown, packet};
use crate::process::{Footprint, Mark, Process, output};
use crate::servers::Plan;
use crate::sets::{Dice, Load, Set};
use crate::tcp;

/// The core of the server; the load has the other one.
pub const SERVER_CORE: usize = 0;
/// Questions of one load and round.
pub const QUESTIONS: usize = 300_000;
/// Names that must answer before all zones count as loaded.
const SAMPLES: usize = 200;
const LOAD_LIMIT: Duration = Duration::from_secs(400);
const VISIBLE_LIMIT: Duration = Duration::from_secs(20);
const SOA: u16 = 6;

/// A server that is up, or an echo.
pub struct Subject {
    pub name: String,
    pub process: Process,
    pub address: SocketAddr,
    /// `None`: an echo.
    pub plan: Option<Plan>,
    /// The load that an echo has the answer size of.
    pub only: Option<Load>,
}

/// Measured values by what they are of, one for each round.
#[derive(Default)]
pub struct Series(BTreeMap<(String, Load, &'static str), Vec<f64>>);

impl Series {
    fn add(&mut self, name: &str, load: Load, what: &'static str, value: f64) {
        self.0.entry((name.to_owned(), load, what)).or_default().push(value);
    }

    /// Medians, and for each value its median ratio to the same round of `base`.
    pub fn table(&self, base: impl Fn(Load) -> Option<(String, Load)>) -> Value {
        let mut table = Map::new();
        for ((name, load, what), values) in &self.0 {
            let of_load = table.entry(name.clone()).or_insert_with(|| json!({}));
            let cell = &mut of_load[load.title()];
            cell[*what] = json!(rounded(median(values.clone())));
            let base = base(*load).and_then(|(name, load)| self.0.get(&(name, load, *what)));
            if let Some(base) = base {
                let ratios = values.iter().zip(base).map(|(value, base)| value / base).collect();
                cell[format!("{what}_ratio")] = json!(rounded(median(ratios)));
            }
        }
        Value::Object(table)
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Starts a server and waits for its zones; what that took.
pub fn bring_up(plan: &Plan, log: &Path) -> io::Result<(Process, Value)> {
    let mut process = Process::start(&plan.command(), log)?;
    let address = SocketAddr::from(([127, 0, 0, 1], plan.port));
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let mut dice = Dice(1);
    let mut left: Vec<usize> =
        (0..SAMPLES).map(|_| dice.next() as usize % plan.set.zone_count()).collect();
    left.push(0);
    let mut first = None;
    while let Some(zone) = left.last() {
        if serial(&socket, &plan.set.apex(*zone)).is_some() {
            first.get_or_insert_with(|| process.started.elapsed());
            left.pop();
        } else if process.is_gone() || process.started.elapsed() > LOAD_LIMIT {
            return Err(io::Error::other(format!(
                "{} does not serve; see {log:?}",
                plan.server.title()
            )));
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let all = process.started.elapsed();
    let Footprint { mib, cpu_s } = process.footprint();
    let octets = mib * f64::from(1 << 20) / plan.set.records() as f64;
    let took = json!({
        "first_s": rounded(first.unwrap_or(all).as_secs_f64()), "all_s": rounded(all.as_secs_f64()),
        "cpu_s": rounded(cpu_s), "mib": rounded(mib), "octets_per_record": rounded(octets),
    });
    Ok((process, took))
}

/// Waits until the server rests, so that what it does after loading disturbs nobody.
pub fn rest(process: &Process, most: Duration) {
    let until = Instant::now() + most;
    let mut before = process.mark();
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(500));
        if process.since(&before) < 10_000_000 {
            return;
        }
        before = process.mark();
    }
}

/// Waits until there is such a file, and says if there is none after all that time.
pub fn wait_for_file(path: &Path, most: Duration) -> io::Result<()> {
    let until = Instant::now() + most;
    while !path.exists() {
        if Instant::now() >= until {
            let message = format!("{} was not written in {most:?}", path.display());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The serial of a zone as it is served now.
fn serial(socket: &UdpSocket, apex: &str) -> Option<u32> {
    static ID: AtomicU16 = AtomicU16::new(0);
    let mut question = Vec::new();
    packet(apex, SOA, &mut question);
    question[..2].copy_from_slice(&ID.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    socket.send(&question).ok()?;
    let mut answer = [0; 2048];
    // Answers to earlier questions may still come: a server that was loading answers all that waited.
    let len = loop {
        let len = socket.recv(&mut answer).ok()?;
        if answer[..2] == question[..2] {
            break len;
        }
    };
    // The SOA is the first answer, behind the question: name, type, class, TTL, length, two names, five numbers.
    if len < 12 || answer[3] & 15 != 0 || answer[7] == 0 {
        return None;
    }
    let record = question.len() - 11;
    let data_len = u16::from_be_bytes([answer[record + 10], answer[record + 11]]);
    let at = record + 12 + usize::from(data_len) - 20;
    answer.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// CPU of a server between the two marks of a window.
struct Cpu<'p> {
    process: &'p Process,
    from: Option<Mark>,
    ns: u64,
}

impl Cpu<'_> {
    fn new(process: &Process) -> Cpu<'_> {
        Cpu { process, from: None, ns: 0 }
    }

    fn mark(&mut self) {
        match &self.from {
            None => self.from = Some(self.process.mark()),
            Some(from) => self.ns = self.process.since(from),
        }
    }

    fn us_each(&self, answers: u64) -> f64 {
        self.ns as f64 / 1000.0 / answers.max(1) as f64
    }
}

/// One window of load on a subject, and what it cost the server.
fn window(
    subject: &Subject,
    questions: &Questions,
    pace: Pace,
    length: Duration,
) -> io::Result<(Shown, f64)> {
    let mut cpu = Cpu::new(&subject.process);
    let shown = Generator::new(subject.address, questions)?.run(pace, length, || cpu.mark());
    let us = cpu.us_each(shown.answered);
    Ok((shown, us))
}

/// Mean octets that answers of a load have beyond their questions.
pub fn growth(subject: &Subject, set: Set, load: Load) -> io::Result<usize> {
    let questions = Questions::new(set, load, 20_000, 99);
    let (shown, _) = window(subject, &questions, Pace::Rate(20_000.0), Duration::from_millis(500))?;
    Ok((shown.octets_answered - shown.octets_asked).round().max(0.0) as usize)
}

/// As fast as answers come: CPU per answer.
pub fn saturation(
    subjects: &[Subject],
    set: Set,
    rounds: usize,
    length: Duration,
) -> io::Result<Series> {
    let mut series = Series::default();
    for round in 0..rounds {
        for &load in set.loads() {
            let questions = Questions::new(set, load, QUESTIONS, round as u64);
            for subject in subjects.iter().filter(|s| s.only.is_none_or(|only| only == load)) {
                let (shown, us) = window(subject, &questions, Pace::Saturate, length)?;
                say(subject, load, &shown, us);
                series.add(&subject.name, load, "us", us);
                series.add(&subject.name, load, "qps", shown.answered as f64 / shown.seconds);
            }
        }
    }
    Ok(series)
}

/// At a fixed rate, where most batches have one datagram.
pub fn fixed_rate(
    subjects: &[Subject],
    set: Set,
    rate: f64,
    rounds: usize,
    length: Duration,
) -> io::Result<Series> {
    let mut series = Series::default();
    let load = set.loads()[0];
    for round in 0..rounds {
        let questions = Questions::new(set, load, QUESTIONS, round as u64);
        for subject in subjects.iter().filter(|s| s.only.is_none_or(|only| only == load)) {
            let (shown, us) = window(subject, &questions, Pace::Rate(rate), length)?;
            say(subject, load, &shown, us);
            series.add(&subject.name, load, "us", us);
            series.add(&subject.name, load, "p50", shown.p50_us);
            series.add(&subject.name, load, "p99", shown.p99_us);
        }
    }
    Ok(series)
}

/// Over connections that are kept.
pub fn streams(
    subjects: &[&Subject],
    set: Set,
    rounds: usize,
    length: Duration,
) -> io::Result<Series> {
    let mut series = Series::default();
    let load = set.loads()[0];
    for round in 0..rounds {
        let questions = Questions::new(set, load, 100_000, round as u64);
        for subject in subjects {
            let mut cpu = Cpu::new(&subject.process);
            let shown = tcp::run(subject.address, &questions, length, || cpu.mark());
            let Ok(shown) = shown else {
                eprintln!("{:<16} TCP failed: {:?}", subject.name, shown.err());
                continue;
            };
            let us = cpu.us_each(shown.answered);
            say(subject, load, &shown, us);
            series.add(&subject.name, load, "us", us);
            series.add(&subject.name, load, "qps", shown.answered as f64 / shown.seconds);
        }
    }
    Ok(series)
}

fn say(subject: &Subject, load: Load, shown: &Shown, us: f64) {
    eprintln!(
        "{:<16} {:<16} {us:>6.2} us  {:>7.0}/s  p50 {:>4} p99 {:>5}  lost {}",
        subject.name,
        load.title(),
        shown.answered as f64 / shown.seconds,
        shown.p50_us,
        shown.p99_us,
        shown.lost
    );
}

/// A zone file as an operator writes it: beside the zones, to be renamed into place.
fn stage(plan: &Plan, zone: usize, serial: u32) -> io::Result<PathBuf> {
    let path = plan.home.join(format!("staged.{serial}"));
    let mut text = Vec::new();
    plan.set.text(zone, serial, &mut text)?;
    fs::write(&path, text)?;
    Ok(path)
}

/// Renames what was staged into place, and tells the server if it has to be told.
fn put(plan: &Plan, zone: usize, staged: &Path) -> io::Result<()> {
    fs::rename(staged, plan.zones.join(plan.set.place(zone)))?;
    plan.told_of_edit(&plan.set.apex(zone)).iter().for_each(|command| drop(output(command)));
    Ok(())
}

/// From the rename until the first answer with the new serial, in ms: of an edited zone, of a new zone.
pub fn visible(subject: &Subject, tries: usize) -> io::Result<Value> {
    let Some(plan) = subject.plan.as_ref().filter(|plan| plan.takes_edits()) else {
        return Ok(Value::Null);
    };
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(subject.address)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let until = |apex: &str, want: u32, began: Instant| {
        while serial(&socket, apex) != Some(want) {
            if began.elapsed() > VISIBLE_LIMIT {
                return f64::NAN;
            }
        }
        began.elapsed().as_secs_f64() * 1000.0
    };
    let mut dice = Dice(7);
    let (mut edits, mut adds) = (Vec::new(), Vec::new());
    for n in 0..tries {
        let zone = dice.next() as usize % plan.set.zone_count();
        let want = 100 + n as u32;
        let staged = stage(plan, zone, want)?;
        let began = Instant::now();
        put(plan, zone, &staged)?;
        edits.push(until(&plan.set.apex(zone), want, began));
        put(plan, zone, &stage(plan, zone, 1)?)?;
        std::thread::sleep(Duration::from_millis(120));
        let apex = format!("added{n}.test");
        let path = plan.new_file(&apex);
        fs::create_dir_all(path.parent().unwrap_or(&plan.home))?;
        let staged = stage(plan, zone, want)?;
        let began = Instant::now();
        fs::rename(staged, &path)?;
        let told = plan.told_of_new(&apex, &path.to_string_lossy());
        told.iter().for_each(|command| drop(output(command)));
        adds.push(until(&apex, want, began));
        fs::remove_file(path)?;
        std::thread::sleep(Duration::from_millis(120));
    }
    eprintln!(
        "{:<16} edit {:.2} ms, add {:.2} ms",
        subject.name,
        median(edits.clone()),
        median(adds.clone())
    );
    let most = |values: &[f64]| rounded(values.iter().copied().fold(0.0, f64::max));
    Ok(json!({
        "edit_ms": rounded(median(edits.clone())), "edit_max_ms": most(&edits),
        "add_ms": rounded(median(adds.clone())), "add_max_ms": most(&adds),
    }))
}

/// p99 with an edit every 100 ms ÷ p99 without, in pairs of windows; the median.
pub fn edits_under_load(
    subject: &Subject,
    rate: f64,
    pairs: usize,
    length: Duration,
) -> io::Result<Value> {
    let Some(plan) = subject.plan.as_ref().filter(|plan| plan.takes_edits()) else {
        return Ok(Value::Null);
    };
    let questions = Questions::new(plan.set, plan.set.loads()[0], QUESTIONS, 5);
    let (mut quiet, mut edited) = (Vec::new(), Vec::new());
    let mut dice = Dice(9);
    for pair in 0..pairs {
        let (shown, _) = window(subject, &questions, Pace::Rate(rate), length)?;
        quiet.push(shown.p99_us);
        let stop = AtomicBool::new(false);
        let zone = dice.next() as usize % plan.set.zone_count();
        // Written beforehand: what the load's core does meanwhile would count as delay.
        let serials = 1000 * (pair as u32 + 1)..;
        let count = (length + Duration::from_secs(1)).as_millis() as usize / 100;
        let staged: io::Result<Vec<PathBuf>> =
            serials.take(count).map(|serial| stage(plan, zone, serial)).collect();
        let staged = staged?;
        let shown = std::thread::scope(|scope| {
            let editor = scope.spawn(|| -> io::Result<()> {
                for path in &staged {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    put(plan, zone, path)?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                put(plan, zone, &stage(plan, zone, 1)?)
            });
            let shown = window(subject, &questions, Pace::Rate(rate), length);
            stop.store(true, Ordering::Relaxed);
            editor.join().map_err(|_| io::Error::other("the editor failed"))??;
            shown
        });
        edited.push(shown?.0.p99_us);
    }
    let ratio = median(edited.iter().zip(&quiet).map(|(with, without)| with / without).collect());
    let (quiet, edited) = (median(quiet), median(edited));
    eprintln!("{:<16} p99 {quiet} us, with edits {edited} us, ratio {ratio:.2}", subject.name);
    Ok(json!({ "p99_us": quiet, "p99_edits_us": edited, "ratio": rounded(ratio) }))
}

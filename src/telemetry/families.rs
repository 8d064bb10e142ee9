//! The metrics of what is counted on this floor: questions, answers, denials, connections, the process.

use super::connections::Connections;
use super::counters::{MODES, OUTCOMES, QType, REASONS, TRANSPORTS, Totals};
use super::page::{Kind, Page};
use super::process::Process;
use crate::rdata;

/// Words of the OPCODEs (IANA registry); others by their number.
const OPCODES: [&str; 16] = [
    "QUERY", "IQUERY", "STATUS", "3", "NOTIFY", "UPDATE", "DSO", "7", "8", "9", "10", "11", "12",
    "13", "14", "15",
];

/// What the doors counted.
pub fn answers(page: &mut Page, totals: &Totals) {
    let help = "Messages that came in, by transport, OPCODE and type asked for.";
    let mut family = page.family("bailiwick_queries_total", Kind::Counter, help);
    for (transport, word) in TRANSPORTS {
        for (qtype, count) in totals.queries(transport) {
            let text = match qtype {
                QType::One(rtype) => rdata::type_text(rtype).to_string(),
                QType::Other => "other".to_owned(),
                QType::None => "none".to_owned(),
            };
            let labels = [("transport", word), ("opcode", OPCODES[0]), ("qtype", &text)];
            family.sample(&labels, count);
        }
        for (opcode, count) in totals.opcodes(transport).filter(|(_, count)| *count > 0) {
            let opcode = OPCODES[usize::from(opcode) % OPCODES.len()];
            family.sample(&[("transport", word), ("opcode", opcode), ("qtype", "none")], count);
        }
    }
    let help = "Messages that got no answer: too short, or responses themselves.";
    let mut family = page.family("bailiwick_queries_unanswered_total", Kind::Counter, help);
    for (transport, word) in TRANSPORTS {
        family.sample(&[("transport", word)], totals.silent(transport));
    }
    let help = "Answers, by RCODE and extended error (RFC 8914; empty: none).";
    let mut family = page.family("bailiwick_responses_total", Kind::Counter, help);
    for (rcode, ede, count) in totals.responses() {
        // All that can be, or all that was: a matrix of zeros helps nobody.
        if ede.is_none() || count > 0 {
            let ede = ede.map_or(String::new(), |ede| (ede as u16).to_string());
            family.sample(&[("rcode", rcode), ("ede", &ede)], count);
        }
    }
    let help = "Answers, by what was found.";
    let mut family = page.family("bailiwick_outcomes_total", Kind::Counter, help);
    for (outcome, word) in OUTCOMES {
        family.sample(&[("outcome", word)], totals.outcome(outcome));
    }
    let help = "Questions with a denied edge, by reason and by what on_violation says.";
    let mut family = page.family("bailiwick_policy_denied_total", Kind::Counter, help);
    for reason in REASONS {
        for mode in MODES {
            let labels = [("reason", reason.word()), ("mode", mode.word())];
            family.sample(&labels, totals.denied(reason, mode));
        }
    }
}

/// How many denied edges are listed, and how many found no room.
pub fn violations(page: &mut Page, (listed, left_out): (usize, u64)) {
    let help = "Records with denied edges that are listed.";
    page.one("bailiwick_violations", Kind::Gauge, help, listed);
    let help = "Denials that are counted, but not listed, since too many differ.";
    page.one("bailiwick_violations_left_out_total", Kind::Counter, help, left_out);
}

/// TCP connections.
pub fn connections(page: &mut Page, connections: &Connections) {
    let help = "TCP connections that are open.";
    page.one("bailiwick_tcp_connections", Kind::Gauge, help, connections.open());
    let help = "TCP connections that were let in.";
    page.one("bailiwick_tcp_accepted_total", Kind::Counter, help, connections.accepted());
    let help = "TCP connections closed at once, by the setting that is their limit.";
    let mut family = page.family("bailiwick_tcp_refused_total", Kind::Counter, help);
    for (limit, count) in connections.refused() {
        family.sample(&[("limit", limit)], count);
    }
}

/// The usual figures of a process, by their usual names.
pub fn process(page: &mut Page, process: &Process) {
    let mut one = |name, kind, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            page.one(name, kind, help, value);
        }
    };
    let whole = |value: Option<u64>| value.map(|value| value as f64);
    let help = "User and system CPU time spent.";
    one("process_cpu_seconds_total", Kind::Counter, help, process.cpu_seconds);
    let help = "When the process started, in seconds since 1970.";
    one("process_start_time_seconds", Kind::Gauge, help, process.start_seconds);
    let help = "Resident memory.";
    one("process_resident_memory_bytes", Kind::Gauge, help, whole(process.resident_octets));
    let help = "Virtual memory.";
    one("process_virtual_memory_bytes", Kind::Gauge, help, whole(process.virtual_octets));
    let help = "Threads.";
    one("process_threads", Kind::Gauge, help, whole(process.threads));
    let help = "Open file descriptors.";
    one("process_open_fds", Kind::Gauge, help, whole(process.open_files));
    let help = "Most file descriptors that may be open.";
    one("process_max_fds", Kind::Gauge, help, whole(process.max_files));
}

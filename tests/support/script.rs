//! Scenario files: a world, then steps; the comment above a step says what it proves.
//!
//! ```text
//! server KEY = VALUE            a line of [server]          (before the first step)
//! config <<END … END            the other tables; later: replaces them and sends SIGHUP
//! zone ACCOUNT/APEX <<END … END a zone file (`%std%`: the usual SOA, NS and glue); later: an edit
//! file PATH <<END … END         any file of the world
//! remove ACCOUNT/APEX           a zone file goes
//! hangup | restart | crash      SIGHUP; SIGTERM and start; SIGKILL and start
//! ask NAME TYPE [udp] [tcp] [plain] [do] [rd] [cd] [size=N] [class=CH] [opcode=N] [version=N]
//!     [qdcount=N] [opts=N] [tsig] [nsid] [zoneversion] [cookie=HEX] [option=CODE:HEX]
//!   RCODE [aa] [tc] [flag?]     then records, `authority`, `additional`, `additional-may`,
//!   …                           `one-of`, `exact-case`, `ede CODE ["text" | ~"part"]`,
//!                               `1014 OWNER -> TARGET`, `neg ZONE [TTL]`, `nsid "text"`,
//!                               `cookie`, `zoneversion LABELS SERIAL`,
//!                               `option CODE HEX`, `no-option CODE`, `tsig ERROR`
//! await NAME TYPE …             the same, tried again until it fits
//! ```

use super::client::{Ask, Transport};
use super::expect::Expect;
use super::rdata;

/// One step of a scenario.
pub struct Step {
    pub line: usize,
    pub title: String,
    pub act: Act,
}

/// What a step does.
pub enum Act {
    Server(String),
    Config(String),
    Zone(String, String),
    File(String, String),
    Remove(String),
    Hangup,
    Restart,
    Crash,
    Ask(Box<Question>),
}

/// A question with the answer that must come.
pub struct Question {
    pub text: String,
    pub ask: Ask,
    pub transports: Vec<Transport>,
    pub eventually: bool,
    pub expect: Expect,
}

/// Read a scenario file.
pub fn parse(text: &str) -> Vec<Step> {
    let lines: Vec<&str> = text.lines().collect();
    let mut steps = Vec::new();
    let mut title = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let number = at + 1;
        at += 1;
        if let Some(comment) = line.strip_prefix('#') {
            title.push(comment.trim());
            continue;
        }
        if line.trim().is_empty() {
            title.clear();
            continue;
        }
        assert!(!line.starts_with(' '), "line {number}: indented without a question: {line}");
        let act = act(line, &lines, &mut at);
        steps.push(Step { line: number, title: title.join(" "), act });
        if matches!(steps.last().map(|step| &step.act), Some(Act::Ask(_))) {
            continue;
        }
        title.clear();
    }
    steps
}

fn act(line: &str, lines: &[&str], at: &mut usize) -> Act {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let name = || rest.trim_end_matches("<<END").trim().to_string();
    match word {
        "server" => Act::Server(rest.to_string()),
        "config" => Act::Config(body(lines, at)),
        "zone" => Act::Zone(name(), body(lines, at)),
        "file" => Act::File(name(), body(lines, at)),
        "remove" => Act::Remove(name()),
        "hangup" => Act::Hangup,
        "restart" => Act::Restart,
        "crash" => Act::Crash,
        "ask" | "await" => {
            let from = *at;
            while lines.get(*at).is_some_and(|line| line.starts_with("  ")) {
                *at += 1;
            }
            let expect = Expect::parse(&lines[from..*at]);
            Act::Ask(Box::new(question(line, rest, word == "await", expect)))
        }
        other => panic!("line {}: no step {other:?}", *at),
    }
}

/// The lines up to END.
fn body(lines: &[&str], at: &mut usize) -> String {
    let from = *at;
    while *at < lines.len() && lines[*at] != "END" {
        *at += 1;
    }
    let text = lines[from..*at].join("\n") + "\n";
    *at += 1;
    text
}

fn question(line: &str, rest: &str, eventually: bool, expect: Expect) -> Question {
    let mut words = rest.split_whitespace();
    let name = words.next().expect("a name");
    let qtype = words.next().expect("a type");
    let mut ask = Ask::new(name, qtype);
    let mut transports = Vec::new();
    for word in words {
        match word {
            "udp" => transports.push(Transport::Udp),
            "tcp" => transports.push(Transport::Tcp),
            other => option(&mut ask, other),
        }
    }
    if transports.is_empty() {
        transports.push(Transport::Udp);
        if !expect.truncated() {
            transports.push(Transport::Tcp);
        }
    }
    Question { text: line.to_string(), ask, transports, eventually, expect }
}

fn option(ask: &mut Ask, word: &str) {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let number = || value.parse::<u16>().expect("a number");
    let push = |ask: &mut Ask, code: u16, data: Vec<u8>| {
        ask.edns.as_mut().expect("has EDNS").options.push((code, data));
    };
    match key {
        "plain" => ask.edns = None,
        "tsig" => ask.signatures += 1,
        "rd" => ask.flags |= 0x100,
        "cd" => ask.flags |= 0x10,
        "do" => ask.edns.as_mut().expect("has EDNS").dnssec_ok = true,
        "size" => ask.edns.as_mut().expect("has EDNS").size = number(),
        "version" => {
            ask.edns.as_mut().expect("has EDNS").version = value.parse().expect("a version");
        }
        "class" => {
            ask.class = match value {
                "CH" => 3,
                "HS" => 4,
                "NONE" => 254,
                "ANY" => 255,
                _ => number(),
            };
        }
        "opcode" => ask.opcode = value.parse().expect("an opcode"),
        "qdcount" => ask.questions = number(),
        "opts" => ask.opts = number(),
        "nsid" => push(ask, 3, Vec::new()),
        "zoneversion" => push(ask, 19, Vec::new()),
        "cookie" => push(ask, 10, rdata::unhex(value)),
        "option" => {
            let (code, data) = value.split_once(':').expect("CODE:HEX");
            push(ask, code.parse().expect("a code"), rdata::unhex(data));
        }
        other => panic!("no option {other:?}"),
    }
}

#[test]
fn a_scenario_is_read() {
    let steps = parse(
        "server nsid = \"a\"\n\nzone a/b <<END\n%std%\nEND\n\n# why\nask www.b A do\n  NOERROR aa\n  \
         www.b. 1 A 192.0.2.1\n",
    );
    assert_eq!(steps.len(), 3);
    assert_eq!((steps[2].title.as_str(), steps[2].line), ("why", 8));
}

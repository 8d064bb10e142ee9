//! The house rules that a compiler does not know: floors, sizes, words. Each finding says what to do instead.
//!
//! Rules look at code without comments, texts and tests, so that these may speak of anything.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Each module with its floor: it may use only modules of lower floors.
const FLOORS: [(&str, u8); 24] = [
    ("base", 0),
    ("rdata", 1),
    ("model", 2),
    ("hostname", 3),
    ("policy", 3),
    ("zonefile", 3),
    ("engine", 4),
    ("records", 4),
    ("wire", 5),
    ("telemetry", 6),
    ("store", 6),
    ("config", 6),
    ("control", 7),
    ("outside", 7),
    ("transport", 8),
    ("api", 8),
    ("page", 8),
    ("beside", 8),
    ("verifier", 8),
    ("daemon", 9),
    ("check", 9),
    ("explain", 7),
    ("cli", 10),
    ("main", 11),
];
/// Up to this floor nothing knows a socket, a file, a clock, a lock, randomness or `async`.
const PURE: u8 = 5;

/// Lines of code in a file, in a function, and columns of code and of comments and texts.
const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
/// A test may be a list of cases.
const TEST_LINES: usize = 120;
const COLUMNS: usize = 100;
const PROSE_COLUMNS: usize = 120;

const UNSAFE: [&str; 2] = ["src/transport/mmsg.rs", "src/base/mem.rs"];
/// Where a clock may be read; whoever else needs the time gets it as a value.
const CLOCKS: [&str; 6] = [
    "src/transport/",
    "src/control/",
    "src/outside/",
    "src/daemon",
    "src/api/stream.rs",
    "src/verifier/",
];
/// Functions that are one table: a row is no step to follow.
const TABLES: [(&str, &str); 1] = [("src/rdata/table.rs", "parts")];
/// RFCs marked in the code (`//= RFC …`) that no test names yet. Shorten it, never lengthen it.
const UNTESTED: [u16; 0] = [];
/// Where output of a command is made.
const SPEAKERS: [&str; 2] = ["src/cli.rs", "src/main.rs"];
/// The number of the house: once as a constant, everywhere else by its name.
const NUMBER: &str = "1014";

/// Words that code does not use, where they may stand all the same, and what to use instead.
const BANNED: [(&str, &[&str], &str); 15] = [
    (".unwrap()", &[], "`expect(\"why it holds\")`, or hand the error on with `?`"),
    ("todo!", &[], "finish it, or leave it out"),
    ("unimplemented!", &[], "finish it, or leave it out"),
    ("dbg!", &[], "`tracing::debug!`"),
    ("panic!", &[], "an error, or `expect(\"why it holds\")` for an invariant"),
    ("println!", &SPEAKERS, "`cli::print` for answers, `tracing` for the log"),
    ("print!", &SPEAKERS, "`cli::print` for answers, `tracing` for the log"),
    ("eprintln!", &SPEAKERS, "`tracing`, or an error that `main` prints"),
    ("eprint!", &SPEAKERS, "`tracing`, or an error that `main` prints"),
    ("process::exit", &SPEAKERS, "an `ExitCode` handed back to `main`"),
    ("Instant::now", &CLOCKS, "the time that the caller brings"),
    ("SystemTime::now", &CLOCKS, "`base::time::UnixTime` that the caller brings"),
    ("unbounded", &[], "a bounded channel: a queue without end hides a slow reader"),
    ("allow(", &[], "the better code that the lint asks for"),
    ("unsafe", &UNSAFE, "a safe wrapper; unsafe code lives in two files"),
];

/// What floors up to `PURE` do not know.
const IMPURE: [&str; 13] = [
    "std::fs",
    "std::env",
    "std::thread",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Mutex",
    "RwLock",
    "tokio",
    "getrandom",
    "async fn",
    ".await",
];

/// One source file in three views of the same length: as it is, without comments, and code alone.
struct Source {
    path: String,
    text: String,
    /// Comments are blanked.
    spoken: String,
    /// Comments, and what stands in texts and characters, are blanked.
    code: String,
    /// `#[cfg(test)]` items, or all of it.
    tests: Vec<Range<usize>>,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Source {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        Source::new(path, text)
    }

    fn new(path: String, text: String) -> Source {
        let (spoken, code) = views(&text);
        let in_src = path.starts_with("src/");
        let is_test = !in_src || path.ends_with("/tests.rs") || path.contains("/tests/");
        let all = 0..text.len();
        let tests = if is_test { vec![all] } else { test_items(&code) };
        Source { path, text, spoken, code, tests }
    }

    fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }

    /// Places of a word in the code that is no test.
    fn uses<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        places(&self.code, word).filter(|&at| !self.is_test(at))
    }

    /// The module of the house this file belongs to.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let module = inside.split('/').next()?;
        Some(module.strip_suffix(".rs").unwrap_or(module))
    }
}

/// Where `word` stands as a word of its own.
fn places<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let (first, last) = (word.starts_with(part), word.ends_with(part));
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = code[..at].chars().next_back().is_some_and(part);
        let after = code[at + word.len()..].chars().next().is_some_and(part);
        !(first && before || last && after)
    })
}

/// Blanks comments, and comments and texts; lengths and lines stay.
fn views(text: &str) -> (String, String) {
    let (mut spoken, mut code) = (text.as_bytes().to_vec(), text.as_bytes().to_vec());
    let blank = |view: &mut Vec<u8>, range: Range<usize>| {
        view[range].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
    };
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let name_before = at > 0 && is_word(text.as_bytes()[at - 1]);
        let (len, comment) = match rest.as_bytes() {
            [b'/', b'/', ..] => (rest.find('\n').unwrap_or(rest.len()), true),
            [b'/', b'*', ..] => (block_comment(rest), true),
            [b'"', ..] => (quoted(rest, 1), false),
            [b'r', b'"' | b'#', ..] if !name_before => (raw(rest), false),
            [b'b', b'r', b'"' | b'#', ..] if !name_before => (1 + raw(&rest[1..]), false),
            [b'\'', ..] => (character(rest), false),
            _ => (0, false),
        };
        if comment {
            blank(&mut spoken, at..at + len);
            blank(&mut code, at..at + len);
        } else if len > 2 {
            blank(&mut code, at + 1..at + len - 1);
        }
        at += if len > 0 { len } else { rest.chars().next().map_or(1, char::len_utf8) };
    }
    let text = |view| String::from_utf8(view).expect("whole characters are blanked");
    (text(spoken), text(code))
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            Some(_) => at += 1,
            None => return rest.len(),
        }
        if depth == 0 {
            return at;
        }
    }
}

/// Length of a text that begins with `open` octets.
fn quoted(rest: &str, open: usize) -> usize {
    let mut at = open;
    while let Some(b) = rest.as_bytes().get(at) {
        match b {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a raw text; 0 for a raw name (`r#type`).
fn raw(rest: &str) -> usize {
    let hashes = rest[1..].bytes().take_while(|b| *b == b'#').count();
    if rest.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 2 + hashes;
    rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
}

/// Length of a character; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => {
            let after = 1 + inside.nth(1).map_or(rest.len() - 1, |(at, _)| at);
            rest[after..].find('\'').map_or(rest.len(), |at| after + at + 1)
        }
        Some((_, first)) if rest[1 + first.len_utf8()..].starts_with('\'') => first.len_utf8() + 2,
        _ => 0,
    }
}

/// The block in braces that begins behind `at`; `None` if the item ends before one.
fn block(code: &str, at: usize) -> Option<Range<usize>> {
    let (mut depth, mut start) = (0, None);
    for (i, b) in code.bytes().enumerate().skip(at) {
        match b {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 && start.is_none() => return None,
            b'{' => {
                if depth == 0 {
                    start = Some(i);
                }
                depth += 1;
            }
            b'}' => {
                depth -= 1;
                if let (0, Some(start)) = (depth, start) {
                    return Some(start..i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn test_items(code: &str) -> Vec<Range<usize>> {
    let marks = code.match_indices("#[cfg(test)]").map(|(at, mark)| (at, at + mark.len()));
    let item = |(at, behind): (usize, usize)| {
        let end = block(code, behind).map(|block| block.end);
        at..end.unwrap_or_else(|| behind + code[behind..].find(';').unwrap_or(0))
    };
    marks.map(item).collect()
}

/// All Rust sources below some folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        let hidden = ["target", "corpus", "artifacts"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !hidden {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(Source::read(root, &path));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn everything() -> Vec<Source> {
    sources(&["src", "tests", "benches", "fuzz"])
}

/// Fails with all findings at once.
fn none(findings: &[String]) {
    let mut list = String::new();
    findings.iter().for_each(|finding| writeln!(list, "  {finding}").unwrap());
    assert!(findings.is_empty(), "{} findings:\n{list}", findings.len());
}

#[test]
fn imports_go_down() {
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        let module = source.module().unwrap();
        if module == "lib" {
            continue;
        }
        let Some(floor) = floors.get(module) else {
            findings.push(format!("{}: no floor: add `{module}` to FLOORS", source.path));
            continue;
        };
        for (at, used) in imports(&source) {
            let above = floors.get(&*used).is_none_or(|other| other >= floor);
            if used != module && above && !source.is_test(at) {
                findings.push(format!(
                    "{}:{}: `{module}` (floor {floor}) uses `{used}`: imports go down only; \
                     move what both need to a lower floor",
                    source.path,
                    source.line(at),
                ));
            }
        }
    }
    none(&findings);
}

/// Modules of ours that a file names, as `crate::x`, `crate::{x, y}` or `bailiwick::x`.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "bailiwick::"] {
        for at in places(&source.code, root) {
            let rest = &source.code[at + root.len()..];
            let word = |text: &str| -> String {
                text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
            };
            match rest.strip_prefix('{').and(block(rest, 0)) {
                Some(group) => {
                    let names = top_level(&rest[group.start + 1..group.end - 1]);
                    found.extend(names.iter().map(|name| (at, word(name))));
                }
                None => found.push((at, word(rest))),
            }
        }
    }
    found.retain(|(_, name)| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

/// Splits at the commas that stand in no inner braces.
fn top_level(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    list.split(split).filter(|part| !part.trim().is_empty()).collect()
}

#[test]
fn low_floors_are_pure() {
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        if floors.get(source.module().unwrap()).is_none_or(|floor| *floor > PURE) {
            continue;
        }
        for word in IMPURE {
            for at in source.uses(word) {
                let (path, line) = (&source.path, source.line(at));
                findings.push(format!(
                    "{path}:{line}: `{word}` below floor {}: let the caller bring it",
                    PURE + 1
                ));
            }
        }
    }
    none(&findings);
}

#[test]
fn first_line_tells_the_duty() {
    let mut findings = Vec::new();
    for source in everything() {
        let first = source.text.lines().next().unwrap_or_default();
        let duty = first.strip_prefix("//! ").unwrap_or_default();
        if !duty.contains(' ') {
            findings.push(format!("{}: begin with `//! ` and the duty of the file", source.path));
        }
    }
    none(&findings);
}

#[test]
fn files_functions_and_lines_are_short() {
    let mut findings = Vec::new();
    for source in everything() {
        let path = &source.path;
        let is_code = |at: usize| !path.starts_with("src/") || !source.is_test(at);
        let mut at = 0;
        let mut lines = 0;
        for (line, code) in source.text.split_inclusive('\n').zip(source.code.split_inclusive('\n'))
        {
            lines += usize::from(is_code(at) && !code.trim().is_empty());
            let prose = line.trim_start().starts_with("//") || line.contains('"');
            let most = if prose { PROSE_COLUMNS } else { COLUMNS };
            let columns = line.trim_end().chars().count();
            if columns > most {
                let line = source.line(at);
                findings.push(format!("{path}:{line}: {columns} columns; break after {most}"));
            }
            at += line.len();
        }
        if lines > FILE_LINES {
            let advice = "split it by duty";
            findings
                .push(format!("{path}: {lines} lines of code; {advice} (at most {FILE_LINES})"));
        }
        findings.extend(long_functions(&source));
    }
    none(&findings);
}

fn long_functions(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for at in places(&source.code, "fn") {
        let rest = source.code[at + 2..].trim_start();
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let table = TABLES.contains(&(&source.path, &name));
        let Some(body) = block(&source.code, at).filter(|_| !name.is_empty() && !table) else {
            continue;
        };
        let body = &source.code[at..body.end];
        let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
        let most = if source.is_test(at) { TEST_LINES } else { FUNCTION_LINES };
        if lines > most {
            let (path, line) = (&source.path, source.line(at));
            findings.push(format!(
                "{path}:{line}: `{name}` has {lines} lines of code; give its parts names \
                 (at most {most})"
            ));
        }
    }
    findings
}

#[test]
fn banned_words() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        for (word, fine, instead) in BANNED {
            if fine.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for at in source.uses(word) {
                let (path, line) = (&source.path, source.line(at));
                findings.push(format!("{path}:{line}: `{word}`: use {instead}"));
            }
        }
    }
    none(&findings);
}

#[test]
fn the_number_is_written_once() {
    let mut findings = Vec::new();
    for source in sources(&["src"]) {
        for at in places(&source.spoken, NUMBER).filter(|&at| !source.is_test(at)) {
            findings.push(format!("{}:{}", source.path, source.line(at)));
        }
    }
    assert!(findings.len() <= 1, "{NUMBER} stands in {findings:?}: name the constant instead");
}

#[test]
fn marked_behaviour_is_tested() {
    let everything = everything();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenarios = fs::read_dir(root.join("tests/scenarios")).into_iter().flatten();
    let mut tested: String =
        scenarios.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    for source in &everything {
        source.tests.iter().for_each(|range| tested.push_str(&source.text[range.clone()]));
    }
    let mut findings = Vec::new();
    for source in &everything {
        for at in source.text.match_indices("//= RFC ").map(|(at, _)| at) {
            let number: String =
                source.text[at + 8..].chars().take_while(char::is_ascii_digit).collect();
            let excused = number.parse().is_ok_and(|number| UNTESTED.contains(&number));
            let tested = excused || places(&tested, &format!("RFC {number}")).next().is_some();
            if !source.is_test(at) && !tested {
                let (path, line) = (&source.path, source.line(at));
                findings.push(format!("{path}:{line}: no test names RFC {number}: add its twin"));
            }
        }
    }
    none(&findings);
}

#[test]
fn dependencies_say_what_they_are_for() {
    let manifest = include_str!("../Cargo.toml");
    let mut findings = Vec::new();
    let mut inside = false;
    let mut before = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.contains(" = ") && !before.starts_with('#') {
            findings.push(format!("Cargo.toml: {line}: say above it what for, and why this one"));
        }
        before = line;
    }
    none(&findings);
}

#[test]
fn the_views_blank_what_they_should() {
    let text = r##"let a = "fn // no"; // fn
let b = r#"un"safe"#; /* a /* b */ c */ let c = '"'; let d: &'a str = b"\"x"; '\'' '\u{1F600}' 'ü' r#fn"##;
    let (spoken, code) = views(text);
    assert_eq!((spoken.len(), code.len()), (text.len(), text.len()));
    assert!(spoken.contains("fn // no") && !spoken.contains("// fn") && !spoken.contains("b */"));
    let kept: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected =
        r#"let a = " "; let b = r @; let c = ' '; let d: &'a str = b" "; ' ' ' ' ' ' r@fn"#;
    assert_eq!(kept, expected.replace('@', "#"));
    let tests = Source::new("src/x.rs".into(), "a\n#[cfg(test)]\nmod tests { b }\nc".into());
    let seen: Vec<_> =
        ["a\n", "b", "c"].map(|w| places(&tests.code, w.trim()).next().unwrap()).into();
    let is_test: Vec<_> = seen.iter().map(|&at| tests.is_test(at)).collect();
    assert_eq!(is_test[..2], [false, true]);
    assert!(!tests.is_test(tests.text.len() - 1));
}

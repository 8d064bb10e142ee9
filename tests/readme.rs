//! What the documents show is real: outputs, paths, links, config keys.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const BAILIWICK: &str = env!("CARGO_BIN_EXE_bailiwick");
/// Stands for any number of lines.
const ANYTHING: &str = "…";
/// The port of the sample config, which another server may hold during tests.
const PORT: &str = "5300";
/// No test asks the network.
const NOBODY: &str = "upstream = [\"127.0.0.1:9\"]";
/// Likewise of its API.
const API: &str = "127.0.0.1:8053";
/// Likewise of its block page.
const PAGE: &str = "127.0.0.1:8054";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// A command of the README and the output that it shows.
struct Shown {
    command: Vec<String>,
    output: Vec<String>,
}

/// The chapters of the README that tell a story: its commands are run one after the other.
const HOSTNAMES: &str = "\n## Custom hostnames\n";
/// This one in a shell, which keeps what a command says for those behind it.
const TOKEN: &str = "\n## The first token\n";

/// A chapter, and everything else.
fn story_and_rest(text: &str, title: &str) -> (String, String) {
    let (before, from) = text.split_once(title).expect("the README tells the story");
    let (story, after) = from.split_once("\n## ").expect("a chapter follows");
    (story.to_owned(), format!("{before}\n## {after}"))
}

/// What is no story.
fn rest() -> String {
    let (_, rest) = story_and_rest(&document("README.md"), HOSTNAMES);
    story_and_rest(&rest, TOKEN).1
}

/// Every block that begins with a command behind `$`.
fn shown(text: &str) -> Vec<Shown> {
    let blocks = text.split("```console\n$ ").skip(1);
    blocks
        .filter_map(|block| {
            let (block, _) = block.split_once("\n```").expect("a block ends");
            let mut lines = block.lines();
            let command = lines.next()?.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let output = lines.map(str::to_owned).collect();
            Some(Shown { command, output })
        })
        .collect()
}

/// The server on the sample world, with data of its own, on a free port.
struct Server {
    child: Child,
    data: TempDir,
    port: String,
    api: String,
    page: String,
}

impl Server {
    fn start() -> Server {
        let data = tempfile::tempdir().unwrap();
        let config = data.path().join("config.toml");
        let sample = document("config.toml").replace(API, "127.0.0.1:0");
        fs::write(&config, sample.replace(PAGE, "127.0.0.1:0").replace("upstream = []", NOBODY))
            .unwrap();
        let mut child = Command::new(BAILIWICK)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "json",
                "--zones",
                "zones",
                "--config",
            ])
            .args([config.as_path(), Path::new("--data"), data.path()])
            .current_dir(root())
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut port, mut api, mut page) = (None, None, None);
        let log = BufReader::new(child.stderr.take().unwrap());
        for line in log.lines().map_while(Result::ok) {
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["address"].as_str().filter(|_| line["transport"] == "udp") {
                port = address.rsplit(':').next().map(str::to_owned);
            }
            api = line["address"]
                .as_str()
                .filter(|_| line["transport"] == "http")
                .map_or(api, |address| Some(address.to_owned()));
            page = line["page"].as_str().map(str::to_owned).or(page);
            if line["message"] == "ready" {
                break;
            }
        }
        let (port, page) = (port.expect("the log tells the port"), page.expect("and the page"));
        Server { child, data, port, api: api.expect("and the API"), page }
    }

    /// Runs commands one after the other in one shell. Returns what each prints to stdout.
    fn shell<'c>(&self, commands: impl Iterator<Item = &'c Shown>) -> Vec<Vec<String>> {
        const END: &str = "=== end of the output";
        let data = self.data.path().display();
        let mut script = format!("bailiwick() {{ '{BAILIWICK}' \"$@\" --data '{data}'; }}\n");
        for shown in commands {
            let command = shown.command.join(" ").replace(API, &self.api).replace(PORT, &self.port);
            script.push_str(&format!("{command}\necho '{END}'\n"));
        }
        let output = Command::new("sh").args(["-c", &script]).current_dir(root()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut outputs: Vec<Vec<String>> = vec![Vec::new()];
        for line in text.lines() {
            match line == END {
                true => outputs.push(Vec::new()),
                false => outputs.last_mut().unwrap().push(line.to_owned()),
            }
        }
        outputs.pop();
        outputs
    }

    /// Runs a command of the README against this server. Returns what it prints to stdout.
    fn output(&self, command: &[String]) -> Vec<String> {
        let mut run = match command[0].as_str() {
            "bailiwick" => Command::new(BAILIWICK),
            other => Command::new(other),
        };
        for word in &command[1..] {
            let word = if word == PORT { &self.port } else { word };
            run.arg(word.replace(PAGE, &self.page));
        }
        if command[0] == "bailiwick" {
            run.arg("--data").arg(self.data.path());
        }
        let output = run.current_dir(root()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn compare(&self, shown: impl Iterator<Item = Shown>, at_least: usize) {
        let mut compared = 0;
        for Shown { command, output } in shown {
            let real = self.output(&command);
            assert_agree(&Shown { command, output }, &real);
            compared += 1;
        }
        assert!(compared >= at_least, "the README shows {compared} outputs");
    }

    /// What is shown of one program outside the story.
    fn compare_program(&self, program: &str, at_least: usize) {
        let shown = shown(&rest()).into_iter();
        self.compare(shown.filter(|shown| shown.command[0] == program), at_least);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        // It may have ended by itself; then the test says why.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::SIGTERM);
        let patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_agree(shown: &Shown, real: &[String]) {
    assert!(
        agrees(&shown.output, real),
        "the README shows for `{}`:\n{}\nbut it prints:\n{}",
        shown.command.join(" "),
        shown.output.join("\n"),
        real.join("\n")
    );
}

/// Whether `shown` is `real`, save for lines left out and what changes from run to run.
fn agrees(shown: &[String], real: &[String]) -> bool {
    match shown {
        [] => real.is_empty(),
        [anything, rest @ ..] if anything == ANYTHING => {
            (0..=real.len()).any(|skip| agrees(rest, &real[skip..]))
        }
        [line, rest @ ..] => match real {
            [first, others @ ..] => steady(line) == steady(first) && agrees(rest, others),
            [] => false,
        },
    }
}

/// A line without what differs from run to run: the number of the query, the cookie, times, ids and tokens.
fn steady(line: &str) -> String {
    let cut = [", id: ", "; COOKIE: "].into_iter().find_map(|mark| {
        let at = line.find(mark)? + mark.len();
        Some(line[..at].to_owned())
    });
    let line = cut.unwrap_or_else(|| line.trim_end().to_owned());
    let word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == ':';
    let mut steady = String::new();
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (head, tail) = rest.split_at(end);
        let dashes = head.matches('-').count();
        steady.push_str(match head.len() {
            36 if dashes == 4 => "UUID",
            20 if head.ends_with('Z') && head.starts_with("20") && dashes == 2 => "TIME",
            _ => head,
        });
        rest = tail;
    }
    steady
}

#[test]
fn what_the_readme_shows_of_bailiwick_is_real() {
    Server::start().compare_program("bailiwick", 5);
}

#[test]
#[ignore = "needs dig"]
fn what_the_readme_shows_of_dig_is_real() {
    Server::start().compare_program("dig", 6);
}

#[test]
#[ignore = "needs curl"]
fn what_the_readme_shows_of_curl_is_real() {
    Server::start().compare_program("curl", 1);
}

#[test]
#[ignore = "needs dig"]
fn the_story_of_custom_hostnames_is_real() {
    let story = story_and_rest(&document("README.md"), HOSTNAMES).0;
    Server::start().compare(shown(&story).into_iter(), 9);
}

#[test]
#[ignore = "needs curl, dig and jq"]
fn the_story_of_the_first_token_is_real() {
    let story = shown(&story_and_rest(&document("README.md"), TOKEN).0);
    let real = Server::start().shell(story.iter());
    assert!(story.len() >= 5 && real.len() == story.len(), "{real:?}");
    story.iter().zip(&real).for_each(|(shown, real)| assert_agree(shown, real));
}

#[test]
fn every_config_key_has_a_row() {
    let readme = document("README.md");
    let mut table = "";
    let mut keys = 0;
    for line in document("config.toml").lines() {
        let Some(head) = line.strip_prefix('[') else {
            let Some((key, _)) = line.split_once(" = ").filter(|(key, _)| !key.starts_with('#'))
            else {
                continue;
            };
            let section = readme.split(table).nth(1).unwrap_or_else(|| panic!("{table}"));
            let section = section.split("\n| **").next().unwrap();
            assert!(section.contains(&format!("\n| `{key}` |")), "{table} has no row `{key}`");
            keys += 1;
            continue;
        };
        table = match head.trim_start_matches('[').split(['.', ']']).next().unwrap() {
            "server" => "| **`[server]`**",
            "policy" => "| **`[policy]`**",
            "hold" => "| **`[hold]`**",
            "log" => "| **`[log]`**",
            "flatten" => "| **`[flatten]`**",
            "api" => "| **`[api]`**",
            "block_page" => "| **`[block_page]`**",
            "hostnames" => "| **`[hostnames]`**",
            "accounts" => "| **`[accounts.NAME]`**",
            "zones" => "| **`[zones.\"APEX\"]`**",
            "grants" => "| **`[[grants]]`**",
            other => panic!("the README has no table for {other}"),
        };
    }
    assert!(keys > 25, "{keys} keys");
}

/// Texts between backticks that look like paths of this repository, and targets of links.
fn paths(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2).filter(|word| {
        let top = ["src/", "tests/", "docs/"].iter().any(|top| word.starts_with(top));
        top && !word.contains([' ', '*', '…'])
    });
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = links.filter(|link| !link.starts_with("https://") && !link.starts_with('#'));
    quoted.chain(local).map(str::to_owned).collect()
}

#[test]
fn paths_and_links_lead_somewhere() {
    for (folder, file) in [("", "README.md"), ("docs", "ARCHITECTURE.md"), ("docs", "CHANGELOG.md")]
    {
        let text = document(Path::new(folder).join(file).to_str().unwrap());
        for path in paths(&text) {
            let here = root().join(folder).join(&path);
            assert!(here.exists() || root().join(&path).exists(), "{file}: {path}");
        }
    }
}

#[test]
fn every_module_is_on_the_map() {
    let map = document("docs/ARCHITECTURE.md");
    for line in document("src/lib.rs").lines() {
        if let Some(module) = line.strip_prefix("pub mod ").and_then(|m| m.strip_suffix(';')) {
            assert!(map.contains(&format!("`{module}`")), "ARCHITECTURE.md does not know {module}");
        }
    }
}

#[test]
fn lines_left_out_and_numbers_that_change() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let real = lines("a\nb, id: 1\nc\nd");
    for shown in ["a\nb, id: 2\nc\nd", "…\nb, id: 3\n…", "…", "…\nd", "a\n…\nd\n…"] {
        assert!(agrees(&lines(shown), &real), "{shown}");
    }
    for shown in ["a", "…\nc", "b, id: 1\n…", "…\nx\n…", "a\nb, id: 1\nc\nd\ne"] {
        assert!(!agrees(&lines(shown), &real), "{shown}");
    }
}

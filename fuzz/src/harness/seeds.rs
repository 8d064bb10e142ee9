//! Inputs to begin with: questions for all names of the fixed world, and what the tests hold of texts and data.

use std::fs;
use std::path::Path;

use bailiwick::base::name::Name;
use bailiwick::rdata;

use super::world::WORLDS;

/// Seeds of one target; `root` is the folder of the repository.
pub fn seeds(target: &str, root: &Path) -> Vec<Vec<u8>> {
    match target {
        "answer" => questions(root),
        "zonefile" => zones(root),
        "rdata" => data(root),
        "config" => files(&root.join("tests/golden/config"), "toml")
            .into_iter()
            .chain(fs::read(root.join("config.toml")))
            .collect(),
        _ => Vec::new(),
    }
}

/// Words of a target's dictionary, as libFuzzer reads it.
pub fn dictionary(target: &str, root: &Path) -> Vec<Vec<u8>> {
    let path = root.join(format!("fuzz/dictionaries/{target}.dict"));
    let text = fs::read_to_string(path).expect("every target has a dictionary");
    let quoted = text.lines().filter(|line| !line.starts_with('#'));
    quoted.filter_map(|line| Some(unescaped(line.split_once('"')?.1.rsplit_once('"')?.0))).collect()
}

/// `\xHH`, `\\` and `\"` to octets.
fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        match (first, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digit = |b: u8| char::from(b).to_digit(16).expect("a hex digit") as u8;
                octets.push(digit(*high) << 4 | digit(*low));
                rest = behind;
            }
            (b'\\', [escaped, behind @ ..]) => {
                octets.push(*escaped);
                rest = behind;
            }
            _ => octets.push(*first),
        }
    }
    octets
}

/// Files with an ending below a folder, in order of their paths.
fn files(folder: &Path, ending: &str) -> Vec<Vec<u8>> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if let Ok(entries) = fs::read_dir(&path) {
            open.extend(entries.flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found.sort();
    found.iter().map(|path| fs::read(path).expect("a file of the repository")).collect()
}

/// Zone texts: the golden files with what they include, the sample world, the fixed world, the scenarios' zones.
fn zones(root: &Path) -> Vec<Vec<u8>> {
    let golden = root.join("tests/golden/zonefile");
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for folder in ["good", "bad"] {
        let includes = files(&golden.join(folder), "inc");
        for zone in files(&golden.join(folder), "zone") {
            let includes = includes.iter().filter(|_| contains(&zone, b"$INCLUDE"));
            let parts =
                includes.fold(zone.clone(), |all, part| [&all[..], b"\n;;;\n", part].concat());
            seeds.push(parts);
        }
    }
    seeds.extend(files(&root.join("zones"), "zone"));
    seeds.extend(files(&root.join("fuzz/world"), "zone"));
    for scenario in files(&root.join("tests/scenarios"), "rpl") {
        let text = String::from_utf8_lossy(&scenario).into_owned();
        let zones = text.split("<<END\n").skip(1).filter_map(|rest| rest.split("END\n").next());
        let standard = "@ 3600 SOA ns1 host 7 3600 600 604800 60\n@ 3600 NS ns1\n";
        seeds.extend(zones.map(|zone| zone.replace("%std%\n", standard).into_bytes()));
    }
    seeds
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

/// Data and texts of every type, from the tables of the tests.
fn data(root: &Path) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (table, good) in [("good", true), ("bad", false)] {
        let path = root.join(format!("tests/rdata/{table}.txt"));
        let text = fs::read_to_string(path).expect("a file of the repository");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [rtype, words, hex, ..] = fields[..] else { continue };
            let rtype = rdata::type_from_text(rtype.as_bytes()).expect("a type");
            let head = |form| [&rtype.to_be_bytes()[..], &[form]].concat();
            seeds.push([&head(1)[..], words.as_bytes()].concat());
            if good {
                let octets = hex.as_bytes().chunks(2).map(|two| {
                    let two = std::str::from_utf8(two).expect("ASCII");
                    u8::from_str_radix(two, 16).expect("hex")
                });
                seeds.push(head(0).into_iter().chain(octets).collect());
            }
        }
    }
    seeds
}

/// Types asked for, in turn, beside those that make chains.
const TYPES: &[u16] =
    &[2, 5, 6, 15, 16, 39, 43, 46, 64, 65, 255, 252, 251, 41, 250, 249, 253, 47, 33, 65401, 65280];

/// Questions for every name of the world and for names below, and the shapes of messages.
fn questions(root: &Path) -> Vec<Vec<u8>> {
    let mut names = WORLDS[1].facts.owners();
    let below: Vec<_> = names.iter().map(|name| [b"\x01x", &name[..]].concat()).collect();
    names.extend(below.into_iter().filter(|name| name.len() <= 255));
    names.extend(asked_in_scenarios(&root.join("tests/scenarios")));
    names.push(b"\x07version\x04bind\0".to_vec());
    let mut seeds = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let types = [1, 28, TYPES[i % TYPES.len()], TYPES[(i / TYPES.len()) % TYPES.len()]];
        for (j, rtype) in types.into_iter().enumerate() {
            let n = i + j;
            let class = if name.starts_with(b"\x07version") { 3 } else { 1 };
            let message = message(name, rtype, class, &OPTS[n % OPTS.len()]);
            seeds.push([&[(n / 3) as u8 & 3], &message[..]].concat());
        }
    }
    seeds.extend(malformed());
    seeds
}

/// Names in the `ask` lines of scenarios.
fn asked_in_scenarios(folder: &Path) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    for scenario in files(folder, "rpl") {
        let text = String::from_utf8_lossy(&scenario).into_owned();
        let asked = text.lines().filter_map(|line| line.strip_prefix("ask ")?.split(' ').next());
        names.extend(asked.filter_map(|name| Some(Name::from_text(name).ok()?.as_wire().to_vec())));
    }
    names.sort();
    names.dedup();
    names
}

/// Size, version, DO and options of an OPT.
struct OptOf {
    size: u16,
    version: u8,
    high: u8,
    options: &'static [(u16, &'static [u8])],
}

const fn opt(size: u16, options: &'static [(u16, &'static [u8])]) -> Option<OptOf> {
    Some(OptOf { size, version: 0, high: 0, options })
}

const OPTS: &[Option<OptOf>] = &[
    None,
    opt(1232, &[]),
    opt(512, &[(3, b"")]),
    opt(1400, &[(10, b"12345678")]),
    Some(OptOf { size: 4096, version: 0, high: 0x80, options: &[(19, b""), (3, b"")] }),
    opt(0, &[(10, b"12345678abcdefgh"), (8, b"\x00\x01\x18\x00\xc0\x00\x02")]),
    opt(600, &[(11, b""), (65001, b"unknown")]),
    Some(OptOf { size: 1232, version: 1, high: 0, options: &[(3, b"")] }),
    opt(700, &[(3, b""), (10, b"12345678"), (11, b"\x00\x01"), (19, b"")]),
];

/// A query with one question.
fn message(name: &[u8], rtype: u16, class: u16, opt: &Option<OptOf>) -> Vec<u8> {
    let mut message = b"\x13\x37\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    message.extend_from_slice(name);
    message.extend(rtype.to_be_bytes());
    message.extend(class.to_be_bytes());
    let Some(opt) = opt else { return message };
    message[11] = 1;
    message.extend(b"\0\0\x29");
    message.extend(opt.size.to_be_bytes());
    message.extend([0, opt.version, opt.high, 0]);
    let option = |(code, value): &(u16, &[u8])| {
        [&code.to_be_bytes(), &(value.len() as u16).to_be_bytes(), *value].concat()
    };
    let options: Vec<u8> = opt.options.iter().flat_map(option).collect();
    message.extend((options.len() as u16).to_be_bytes());
    message.extend(options);
    message
}

/// Messages that are no good question.
fn malformed() -> Vec<Vec<u8>> {
    let name = b"\x03www\x07example\x03com\0";
    let good = message(name, 1, 1, &OPTS[4]);
    let mut seeds: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    let with = |at: usize, octet: u8| {
        let mut changed = good.clone();
        changed[at] = octet;
        changed
    };
    // A response; other opcodes; no question and two; counts that lie; a pointer for a name.
    seeds.extend([with(2, 0x80), with(2, 0x28), with(2, 0x20), with(5, 0), with(5, 2)]);
    seeds.extend([
        with(7, 1),
        with(9, 1),
        with(11, 0),
        with(11, 2),
        with(12, 0xC0),
        with(12, 0x41),
    ]);
    seeds.push([&good[..], b"more"].concat());
    let plain = message(name, 1, 1, &None);
    let behind = |count_at: usize, record: &[u8]| {
        let mut message = plain.clone();
        message[count_at] = 1;
        message.extend_from_slice(record);
        message
    };
    // A record in each section, its owner a pointer; a TSIG; a cookie alone.
    let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x0a\0\0\x01";
    seeds.extend([7, 9, 11].map(|at| behind(at, record)));
    seeds.push(behind(11, b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\0"));
    seeds.push(behind(
        11,
        b"\xc0\x10\0\xfa\0\xff\0\0\0\0\0\x18\x01a\x03sha\0\0\0ijkl\x01\x2c\0\x01m\x13\x37\0\0\0\0",
    ));
    let mut cookie =
        b"\0\x01\0\0\0\0\0\0\0\0\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08".to_vec();
    cookie.extend(b"12345678");
    seeds.push(cookie);
    seeds.into_iter().map(|message| [&[0], &message[..]].concat()).collect()
}

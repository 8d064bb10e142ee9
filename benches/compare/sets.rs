//! The data sets: zone files on disk, and the questions that are asked about them. Everything follows from an index,
//! so that a file can be written again as it was after an edit.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Zones of one account, in sets of many zones.
const PER_ACCOUNT: usize = 100;
/// Names of each kind in the zones of the two accounts.
const PAIR_HOSTS: usize = 100_000;
/// Groups of twenty records in the one large zone.
const GROUPS: usize = 50_000;
const TLDS: [&str; 8] = ["com", "net", "org", "de", "io", "info", "eu", "dev"];

/// A set of zones.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Set {
    /// One zone of a million records.
    Big,
    /// 100,000 zones of ten records.
    Many100k,
    /// 1,000,000 zones of five records.
    Many1m,
    /// Two accounts with one zone each, and 100,000 grants between them.
    Pair,
}

/// A stream of questions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Load {
    /// What a server of such zones meets: few names often, most names rarely.
    Mixed,
    /// Random names that do not exist.
    Nx,
    /// Every name once, in no order.
    Uniq,
    /// Addresses, as a base for the five below.
    Hit,
    /// A CNAME inside the zone.
    InZone,
    /// A CNAME into the other account's zone, granted.
    Crossing,
    /// The same, not granted.
    Denied,
    /// Names of no zone.
    Unknown,
    /// An alias of a name outside, out of the cache.
    Alias,
}

impl Load {
    pub fn title(self) -> &'static str {
        match self {
            Load::Mixed => "mixed",
            Load::Nx => "nx",
            Load::Uniq => "uniq",
            Load::Hit => "address",
            Load::InZone => "in-zone CNAME",
            Load::Crossing => "granted crossing",
            Load::Denied => "denied",
            Load::Unknown => "unknown zone",
            Load::Alias => "cached alias",
        }
    }
}

/// Numbers that look random and are the same in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// The r-th of `end` things with a probability of about 1/r. Which thing is r-th looks random.
    fn zipf(&mut self, end: usize) -> usize {
        let even = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let rank = ((end as f64).powf(even) as usize).clamp(1, end) - 1;
        shuffled(rank, end)
    }
}

/// One after the other, all indices below `end` in an order that looks random.
fn shuffled(i: usize, end: usize) -> usize {
    (i * 7_368_787 + 12_345) % end
}

const A: u16 = 1;
const NS: u16 = 2;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;

impl Set {
    pub fn title(self) -> &'static str {
        match self {
            Set::Big => "big",
            Set::Many100k => "many100k",
            Set::Many1m => "many1m",
            Set::Pair => "pair",
        }
    }

    pub fn zone_count(self) -> usize {
        match self {
            Set::Big => 1,
            Set::Many100k => 100_000,
            Set::Many1m => 1_000_000,
            Set::Pair => 2,
        }
    }

    pub fn records(self) -> usize {
        match self {
            Set::Big => GROUPS * 20 + 3,
            Set::Many100k => 100_000 * 10,
            Set::Many1m => 1_000_000 * 5,
            Set::Pair => PAIR_HOSTS * 6 + 4,
        }
    }

    /// What it takes on disk with the copies that servers make, in GiB.
    pub fn disk_gib(self) -> u64 {
        match self {
            Set::Big | Set::Pair => 1,
            Set::Many100k => 2,
            Set::Many1m => 8,
        }
    }

    /// Apex of the i-th zone, without the final dot.
    pub fn apex(self, i: usize) -> String {
        match (self, i) {
            (Set::Big, _) => "big.example".to_owned(),
            (Set::Pair, 0) => "shop.example".to_owned(),
            (Set::Pair, _) => "provider.example".to_owned(),
            _ => format!("tenant{i:06}.{}", TLDS[i % TLDS.len()]),
        }
    }

    /// Where the file of the i-th zone lies in the folder of zones.
    pub fn place(self, i: usize) -> PathBuf {
        let account = if self == Set::Pair { i } else { i / PER_ACCOUNT };
        Path::new(&format!("account{account:05}")).join(format!("{}.zone", self.apex(i)))
    }

    /// Text of the i-th zone with this serial.
    pub fn text(self, i: usize, serial: u32, out: &mut dyn Write) -> io::Result<()> {
        let server = "ns1.dnshost.example.";
        write!(
            out,
            "$TTL 3600\n@ SOA {server} hostmaster.dnshost.example. {serial} 7200 900 1209600 300\n"
        )?;
        write!(out, "@ NS {server}\n@ NS ns2.dnshost.example.\n")?;
        match self {
            Set::Big => (0..GROUPS).try_for_each(|group| big_group(group, out)),
            Set::Pair if i == 0 => (0..PAIR_HOSTS).try_for_each(|host| {
                write!(out, "h{host} A {0}\nc{host} CNAME h{host}\n", address(host))?;
                writeln!(out, "g{host} CNAME h{host}.provider.example.")?;
                writeln!(out, "r{host} CNAME h{host}.provider.example.")?;
                writeln!(out, "f{host} ALIAS t{host}.edge.example.")
            }),
            Set::Pair => {
                (0..PAIR_HOSTS).try_for_each(|host| writeln!(out, "h{host} A {}", address(host)))
            }
            Set::Many1m => write!(out, "@ A {}\nwww CNAME @\n", address(i)),
            Set::Many100k => {
                let a = address(i);
                write!(
                    out,
                    "@ A {a}\n@ AAAA 2001:db8:{:x}:{:x}::1\n@ MX 10 mail\n",
                    i >> 16,
                    i & 0xFFFF
                )?;
                writeln!(out, "@ TXT \"v=spf1 ip4:{a} include:_spf.dnshost.example -all\"")?;
                let last =
                    if i % 10 == 9 { format!("* A {a}") } else { "shop CNAME www".to_owned() };
                write!(out, "mail A {a}\nwww CNAME @\n{last}\n")
            }
        }
    }

    /// Writes all zone files below `zones`, unless they are there already.
    pub fn write(self, zones: &Path) -> io::Result<()> {
        let done = zones.with_extension("complete");
        if done.exists() {
            return Ok(());
        }
        eprintln!("writing {} zone files of {}", self.zone_count(), self.title());
        for i in 0..self.zone_count() {
            let path = zones.join(self.place(i));
            if i == 0 || i % PER_ACCOUNT == 0 || self == Set::Pair {
                fs::create_dir_all(path.parent().unwrap_or(zones))?;
            }
            let mut file = BufWriter::new(fs::File::create(path)?);
            self.text(i, 1, &mut file)?;
            file.flush()?;
        }
        fs::write(done, "")
    }

    /// Tables that the config needs beside the server's own; `upstream` is the port of one.
    pub fn config(self, upstream: u16) -> String {
        let grant = |host| {
            format!(
                "[[grants]]\nhostname = \"g{host}.shop.example\"\nzone = \"provider.example\"\n"
            )
        };
        if self != Set::Pair {
            return String::new();
        }
        let flatten =
            format!("[flatten]\nupstream = [\"127.0.0.1:{upstream}\"]\nallow_special = true\n");
        (0..PAIR_HOSTS).map(grant).chain([flatten]).collect()
    }

    pub fn loads(self) -> &'static [Load] {
        match self {
            Set::Pair => {
                &[Load::Hit, Load::Alias, Load::InZone, Load::Crossing, Load::Denied, Load::Unknown]
            }
            _ => &[Load::Mixed, Load::Nx, Load::Uniq],
        }
    }

    /// How many names are asked outside for the cached aliases.
    pub fn aliases(self) -> usize {
        if self == Set::Pair { PAIR_HOSTS } else { 0 }
    }

    /// One question of a load; `n` counts them.
    pub fn question(self, load: Load, n: usize, dice: &mut Dice) -> (String, u16) {
        let pair = |letter: &str| (format!("{letter}{}.shop.example", shuffled(n, PAIR_HOSTS)), A);
        match (load, self) {
            (Load::Hit, _) => pair("h"),
            (Load::Alias, _) => pair("f"),
            (Load::InZone, _) => pair("c"),
            (Load::Crossing, _) => pair("g"),
            (Load::Denied, _) => pair("r"),
            (Load::Unknown, _) => (format!("h{n}.nowhere.invalid"), A),
            (Load::Mixed, Set::Big) => big_mixed(dice),
            (Load::Uniq, Set::Big) => big_record(shuffled(n, GROUPS * 20), dice),
            (Load::Mixed, _) => self.many_mixed(dice),
            (Load::Uniq, _) => self.many_uniq(n),
            (Load::Nx, Set::Big) => (format!("{:012x}.big.example", dice.next() >> 16), A),
            (Load::Nx, _) => {
                // A thousand zones are flooded; none has a wildcard.
                let zone = shuffled(dice.below(1000), self.zone_count() / 10) * 10;
                (format!("{:012x}.{}", dice.next() >> 16, self.apex(zone)), A)
            }
        }
    }

    fn many_mixed(self, dice: &mut Dice) -> (String, u16) {
        let apex = self.apex(dice.zipf(self.zone_count()));
        let hundredth = dice.below(100);
        match (hundredth, self) {
            (0..5, _) => (format!("nx{:08x}.{apex}", dice.next() >> 32), A),
            (5..15, Set::Many100k) => (apex, AAAA),
            (15..20, Set::Many100k) => (format!("shop.{apex}"), A),
            (20..22, Set::Many100k) => (apex, MX),
            (22..25, Set::Many100k) => (apex, TXT),
            (5..25, _) | (25..30, _) => (format!("www.{apex}"), A),
            (30..50, Set::Many100k) => (format!("mail.{apex}"), A),
            _ => (apex, A),
        }
    }

    fn many_uniq(self, n: usize) -> (String, u16) {
        let kinds: &[(&str, u16)] = match self {
            Set::Many1m => &[("", A), ("www.", A)],
            _ => &[
                ("", A),
                ("www.", A),
                ("", AAAA),
                ("", MX),
                ("", TXT),
                ("mail.", A),
                ("shop.", A),
                ("", NS),
            ],
        };
        let at = shuffled(n, self.zone_count() * kinds.len());
        let (prefix, qtype) = kinds[at % kinds.len()];
        (format!("{prefix}{}", self.apex(at / kinds.len())), qtype)
    }
}

fn address(i: usize) -> String {
    let hash = (i as u32).wrapping_mul(2_654_435_761);
    format!("10.{}.{}.{}", hash >> 16 & 255, hash >> 8 & 255, hash & 255)
}

/// Twenty records: 12 A, 3 AAAA, 2 CNAME of which one leads to the other, MX, TXT, and a wildcard or a delegation.
fn big_group(group: usize, out: &mut dyn Write) -> io::Result<()> {
    let first = group * 12;
    for host in first..first + 12 {
        writeln!(out, "h{host} A {}", address(host))?;
    }
    for host in first..first + 3 {
        writeln!(out, "h{host} AAAA 2001:db8::{:x}:{:x}", host >> 16, host & 0xFFFF)?;
    }
    write!(out, "c{group} CNAME h{first}\nd{group} CNAME c{group}\nm{group} MX 10 h{first}\n")?;
    writeln!(
        out,
        "t{group} TXT \"v=spf1 ip4:{}/28 include:_spf{group}.example.net -all\"",
        address(group)
    )?;
    match group % 2 {
        0 => writeln!(out, "*.w{group} A {}", address(group)),
        _ => writeln!(out, "s{group} NS ns1.dnshost.example."),
    }
}

/// The question that meets the i-th record of the large zone.
fn big_record(i: usize, dice: &mut Dice) -> (String, u16) {
    let (group, at) = (i / 20, i % 20);
    let (name, qtype) = match at {
        0..12 => (format!("h{}", group * 12 + at), A),
        12..15 => (format!("h{}", group * 12 + at - 12), AAAA),
        15 => (format!("c{group}"), A),
        16 => (format!("d{group}"), A),
        17 => (format!("m{group}"), MX),
        18 => (format!("t{group}"), TXT),
        _ if group % 2 == 0 => (format!("x{:06x}.w{group}", dice.next() >> 40), A),
        _ => (format!("www.s{group}"), A),
    };
    (format!("{name}.big.example"), qtype)
}

fn big_mixed(dice: &mut Dice) -> (String, u16) {
    let group = dice.zipf(GROUPS);
    let at = match dice.below(100) {
        0..60 => dice.below(12),
        60..70 => 19,
        70..80 => 12 + dice.below(3),
        80..90 => 15 + dice.below(2),
        90..95 => 17 + dice.below(2),
        _ => return (format!("nx{:08x}.big.example", dice.next() >> 32), A),
    };
    big_record(group * 20 + at, dice)
}

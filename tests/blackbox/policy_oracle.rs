//! A second, tiny mind judges random worlds beside the server; `ORACLE_WORLDS` makes more of them.

use crate::support::client::Ask;
use crate::support::message::Message;
use crate::support::name;
use crate::support::rdata;
use crate::support::server::{Server, World};
use std::collections::{BTreeMap, BTreeSet};

/// What stands at a name; every target is an absolute name without the final dot.
#[derive(Clone, Debug)]
enum Data {
    Address,
    Cname(String),
    Dname(String),
    Alias(String),
}

#[derive(Default)]
struct Zones {
    /// Apex to account.
    accounts: BTreeMap<String, String>,
    /// Owner to data; apexes included.
    data: BTreeMap<String, Data>,
    grants: BTreeSet<(String, String)>,
    trusts: BTreeSet<(String, String)>,
    open: BTreeSet<String>,
}

/// What must come back: RCODE, extended error, answer records as `owner TYPE target`.
#[derive(Debug, PartialEq)]
struct Verdict {
    rcode: &'static str,
    ede: Option<(u16, Option<String>)>,
    answer: Vec<String>,
}

/// Every account has addresses of its own, so that an answer shows whose data it is.
fn address(account: &str) -> String {
    let accounts = ["one", "two", "three", "four"];
    let at = accounts.iter().position(|have| *have == account).expect("an account of the worlds");
    format!("192.0.2.{}", at + 1)
}

fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, rest)| rest)
}

fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| parent(name))
}

// The oracle: SPEC §4 and §5 in as few lines as they take. `None`: the text leaves room.
impl Zones {
    fn zone<'n>(&self, name: &'n str) -> Option<&'n str> {
        above(name).find(|name| self.accounts.contains_key(*name))
    }

    fn exists(&self, name: &str) -> bool {
        let inside = |owner: &String| owner == name || owner.ends_with(&format!(".{name}"));
        self.data.keys().chain(self.accounts.keys()).any(inside)
    }

    /// The data found for a name, and the DNAME owner where it is one above the name.
    fn find(&self, name: &str, zone: &str) -> Option<(Data, Option<String>)> {
        let path: Vec<&str> = above(name).take_while(|at| at.len() >= zone.len()).collect();
        for at in path.iter().skip(1).rev() {
            if let Some(Data::Dname(target)) = self.data.get(*at) {
                let label = &name[..name.len() - at.len()];
                return Some((Data::Cname(format!("{label}{target}")), Some((*at).to_string())));
            }
        }
        if self.exists(name) {
            return self.data.get(name).map(|data| (data.clone(), None));
        }
        let encloser = path.iter().find(|at| self.exists(at)).expect("the apex exists");
        self.data.get(&format!("*.{encloser}")).map(|data| (data.clone(), None))
    }

    fn matches(&self, grant: &str, name: &str) -> bool {
        let Some(base) = grant.strip_prefix("*.") else { return grant == name };
        let account = |name: &str| self.zone(name).map(|zone| &self.accounts[zone]);
        name.ends_with(&format!(".{base}")) && account(name) == account(base)
    }

    fn allowed(
        &self,
        owner: &str,
        dname: Option<&str>,
        alias: Option<&str>,
        to: &str,
    ) -> Option<bool> {
        let (from, zone) = (self.zone(owner)?, self.zone(to));
        let Some(zone) = zone else { return Some(true) };
        let (a, b) = (&self.accounts[from], &self.accounts[zone]);
        if a == b || self.open.contains(zone) || self.trusts.contains(&(b.clone(), a.clone())) {
            return Some(true);
        }
        let mut grants = self.grants.iter().filter(|(_, of)| of == zone).map(|(grant, _)| grant);
        let alias =
            alias.filter(|alias| self.zone(alias).map(|zone| &self.accounts[zone]) == Some(a));
        let Some(dname) = dname else {
            let names = [Some(owner), alias];
            return Some(
                grants.any(|grant| names.iter().flatten().any(|name| self.matches(grant, name))),
            );
        };
        if self.grants.contains(&(format!("*.{dname}"), zone.to_string())) {
            return Some(true);
        }
        // A wider wildcard, or the name of an alias that hides the DNAME: the text leaves room.
        let doubt = grants.any(|grant| {
            (grant.starts_with("*.") && self.matches(grant, dname))
                || alias.is_some_and(|alias| self.matches(grant, alias))
        });
        if doubt { None } else { Some(false) }
    }

    fn target_of(&self, dname: &str) -> &str {
        let Some(Data::Dname(target)) = self.data.get(dname) else { panic!("{dname} is no DNAME") };
        target
    }

    /// A DNAME is withheld when names that resolvers would make from it could lead where they may not.
    fn shown(&self, dname: &str, to: &str) -> Option<bool> {
        let account = &self.accounts[self.zone(dname).expect("owners lie in zones")];
        let beneath =
            |(apex, of): (&String, &String)| apex.ends_with(&format!(".{to}")) && of != account;
        let allowed = self.allowed(dname, Some(dname), None, to)?;
        Some(allowed && !self.accounts.iter().any(beneath))
    }

    fn judge(&self, asked: &str) -> Option<Verdict> {
        let verdict = |rcode, ede, answer| Some(Verdict { rcode, ede, answer });
        let (mut name, mut answer, mut alias, mut seen) = (asked.to_string(), vec![], None, vec![]);
        loop {
            let Some(zone) = self.zone(&name) else {
                return match (&alias, answer.is_empty()) {
                    (Some(_), _) => verdict("SERVFAIL", Some((23, None)), vec![]),
                    (None, true) => verdict("REFUSED", Some((20, None)), vec![]),
                    (None, false) => verdict("NOERROR", None, answer),
                };
            };
            let found = self.find(&name, zone);
            let (target, dname) = match found {
                Some((Data::Cname(target), dname)) if name != zone => (target, dname),
                Some((Data::Cname(target) | Data::Alias(target), _)) if alias.is_none() => {
                    alias = Some(name.clone());
                    (target, None)
                }
                Some((Data::Cname(_) | Data::Alias(_), _)) => return None,
                Some((Data::Address, _)) => {
                    let address = address(&self.accounts[zone]);
                    answer.push(format!("{} A {address}", alias.unwrap_or(name)));
                    return verdict("NOERROR", None, answer);
                }
                _ if alias.is_some() => return verdict("NOERROR", Some((0, None)), answer),
                Some((Data::Dname(_), _)) => return verdict("NOERROR", None, answer),
                None if self.exists(&name) => return verdict("NOERROR", None, answer),
                None => {
                    let zone_star = above(&name).skip(1).find(|at| self.exists(at))?;
                    let star = self.exists(&format!("*.{zone_star}"));
                    return verdict(if star { "NOERROR" } else { "NXDOMAIN" }, None, answer);
                }
            };
            let full = seen.len() == 10;
            let allowed = self.allowed(&name, dname.as_deref(), alias.as_deref(), &target)?;
            if !allowed {
                let mine = |name: &str| self.zone(name).map(|zone| &self.accounts[zone]);
                let named = format!("{name} -> {target}");
                let text = if mine(&name) == mine(asked) { named } else { asked.to_string() };
                let text = format!("1014 CNAME cross-user banned: {text}");
                return if full {
                    None
                } else {
                    verdict("REFUSED", Some((15, Some(text))), vec![])
                };
            }
            seen.push(name.clone());
            if full || seen.contains(&target) {
                return verdict("SERVFAIL", Some((0, None)), vec![]);
            }
            if alias.is_none() {
                if let Some(dname) = dname {
                    let to = self.target_of(&dname);
                    let line = format!("{dname} DNAME {to}");
                    if self.shown(&dname, to)? && !answer.contains(&line) {
                        answer.push(line);
                    }
                }
                answer.push(format!("{name} CNAME {target}"));
            }
            name = target;
        }
    }
}

/// Pseudo-random numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("53 bits") % bound
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const APEXES: [(&str, &str); 8] = [
    ("p.test", "one"),
    ("q.test", "one"),
    ("a.p.test", "one"),
    ("r.test", "two"),
    ("s.test", "two"),
    ("b.p.test", "two"),
    ("t.test", "three"),
    ("u.test", "four"),
];

/// A name in some zone, seldom outside.
fn somewhere(random: &mut Random) -> String {
    if random.chance(4) {
        return "out.elsewhere.example".to_string();
    }
    let (apex, _) = *random.of(&APEXES);
    let labels = [0, 1, 1, 1, 1, 2, 2][random.below(7)];
    let mut name = apex.to_string();
    for _ in 0..labels {
        name = format!("{}.{name}", random.of(&["a", "b", "c", "d"]));
    }
    name
}

fn random_world(random: &mut Random) -> Zones {
    let mut zones = Zones::default();
    for (apex, account) in APEXES {
        zones.accounts.insert(apex.to_string(), account.to_string());
    }
    for _ in 0..45 {
        let mut owner = somewhere(random);
        if random.chance(15) {
            owner = format!("*.{owner}");
        }
        let target = somewhere(random);
        let apex = zones.accounts.contains_key(&owner);
        let data = match random.below(10) {
            0..=2 if !apex => Data::Address,
            3 if !owner.starts_with('*') => Data::Dname(target.clone()),
            4 | 5 => Data::Alias(target.clone()),
            _ => Data::Cname(target.clone()),
        };
        if zones.zone(&owner).is_some() && owner != target {
            zones.data.entry(owner).or_insert(data);
        }
    }
    let owners: Vec<String> = zones.data.keys().cloned().collect();
    for _ in 0..25 {
        let mut hostname = random.of(&owners).clone();
        if random.chance(50) && !hostname.starts_with('*') {
            hostname = format!("*.{hostname}");
        }
        let (zone, _) = *random.of(&APEXES);
        zones.grants.insert((hostname, zone.to_string()));
    }
    for _ in 0..2 {
        let (b, a) = (random.of(&APEXES).1, random.of(&APEXES).1);
        zones.trusts.insert((b.to_string(), a.to_string()));
    }
    if random.chance(50) {
        zones.open.insert(random.of(&APEXES).0.to_string());
    }
    zones
}

/// Config and zone files of a world, as a scenario writes them.
fn texts(zones: &Zones) -> (String, Vec<(String, String)>) {
    let mut config = String::new();
    let accounts: BTreeSet<&String> = zones.accounts.values().collect();
    for account in accounts {
        let trusted = zones.trusts.iter().filter(|(b, a)| b == account && a != account);
        let trusted: Vec<String> = trusted.map(|(_, a)| format!("\"{a}\"")).collect();
        config.push_str(&format!("[accounts.{account}]\ntrusts = [{}]\n", trusted.join(", ")));
    }
    for apex in zones.accounts.keys() {
        config.push_str(&format!("[zones.\"{apex}\"]\n"));
        if zones.open.contains(apex) {
            config.push_str("cross_account = \"anyone\"\n");
        }
        if apex == "p.test" {
            config.push_str("delegates = { \"b.p.test\" = \"two\" }\n");
        }
    }
    for (hostname, zone) in &zones.grants {
        config.push_str(&format!("[[grants]]\nhostname = \"{hostname}\"\nzone = \"{zone}\"\n"));
    }
    let mut files = Vec::new();
    for (apex, account) in &zones.accounts {
        let mut text =
            "$TTL 60\n@ SOA x.elsewhere.example. h 1 2 3 4 5\n@ NS x.elsewhere.example.\n"
                .to_string();
        let here = |(owner, _): &(&String, &Data)| zones.zone(owner) == Some(apex.as_str());
        for (owner, data) in zones.data.iter().filter(here) {
            let line = match data {
                Data::Address => format!("A {}\n{owner}. MX 1 {owner}.", address(account)),
                Data::Cname(target) => format!("CNAME {target}."),
                Data::Dname(target) => format!("DNAME {target}."),
                Data::Alias(target) => format!("ALIAS {target}."),
            };
            text.push_str(&format!("{owner}. {line}\n"));
        }
        files.push((format!("{account}/{apex}"), text));
    }
    (config, files)
}

fn start(zones: &Zones) -> Server {
    let world = World::new();
    let (config, files) = texts(zones);
    for (path, text) in &files {
        world.zone(path, text);
    }
    world.config("", &config);
    world.start()
}

fn said(got: &Message) -> (String, Option<(u16, String)>, Vec<String>) {
    let line = |record: &crate::support::message::Record| {
        let data = rdata::show(record.rtype, &record.rdata);
        let owner = name::show(&record.owner);
        let (owner, data) = (owner.trim_end_matches('.'), data.trim_end_matches('.'));
        format!("{owner} {} {data}", rdata::type_text(record.rtype))
    };
    let ede = got.extended_errors().first().cloned();
    (got.rcode_text(), ede, got.answer.iter().map(line).collect())
}

fn agrees(want: &Verdict, got: &Message) -> bool {
    let (rcode, ede, answer) = said(got);
    let ede = match (&want.ede, &ede) {
        (None, None) => true,
        (Some((code, text)), Some((have, said))) => {
            code == have && text.as_ref().is_none_or(|text| text == said)
        }
        _ => false,
    };
    rcode == want.rcode && ede && answer == want.answer
}

/// The difference as a scenario that can be pasted.
fn ready_made(zones: &Zones, asked: &str, want: &Verdict, got: &Message) -> String {
    let (config, files) = texts(zones);
    let mut out = format!("config <<END\n{config}END\n\n");
    for (path, text) in files {
        out.push_str(&format!("zone {path} <<END\n{text}END\n\n"));
    }
    format!("{out}ask {asked} A\n  expected {want:#?}\ngot:\n{}", got.show())
}

#[test]
fn random_worlds_are_judged_as_the_oracle_judges_them() {
    let worlds = std::env::var("ORACLE_WORLDS").ok().and_then(|text| text.parse().ok());
    let (mut judged, mut denied, mut crossed) = (0, 0, 0);
    for seed in 1..=worlds.unwrap_or(40_u64) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let zones = random_world(&mut random);
        let server = start(&zones);
        let mut names: BTreeSet<String> =
            zones.data.keys().map(|owner| owner.replace("*", "w")).collect();
        names.extend((0..40).map(|_| somewhere(&mut random)));
        names.extend(zones.data.keys().map(|owner| format!("x.{}", owner.replace('*', "b"))));
        for asked in names {
            let Some(want) = zones.judge(&asked) else { continue };
            let got = server.ask(&Ask::new(&asked, "A")).unwrap_or_else(|wrong| panic!("{wrong}"));
            if !agrees(&want, &got) {
                panic!("seed {seed}: {}", ready_made(&zones, &asked, &want, &got));
            }
            judged += 1;
            denied += usize::from(want.rcode == "REFUSED");
            crossed += usize::from(want.answer.len() > 1);
        }
    }
    assert!(judged > 1_000 && denied > 100 && crossed > 100, "{judged}, {denied}, {crossed}");
}

/// Whose data an answer carries: accounts of owners, targets and addresses.
fn carried(zones: &Zones, got: &Message) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for record in got.records() {
        let mut names = vec![name::show(&record.owner)];
        let data = rdata::show(record.rtype, &record.rdata);
        match rdata::type_text(record.rtype).as_str() {
            "A" => {
                let all = zones.accounts.values();
                out.extend(all.filter(|account| address(account) == data).cloned());
            }
            "CNAME" | "DNAME" => names.push(data),
            _ => {}
        }
        let zone = |name: &String| zones.zone(name.trim_end_matches('.')).map(str::to_string);
        out.extend(names.iter().filter_map(zone).map(|zone| zones.accounts[&zone].clone()));
    }
    out
}

#[test]
fn without_a_grant_nothing_of_another_account_is_in_any_answer() {
    let (mut asked, mut denied) = (0, 0);
    for seed in 1_001..=1_010_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut zones = random_world(&mut random);
        zones.grants.clear();
        zones.trusts.clear();
        zones.open.clear();
        let server = start(&zones);
        let owners = zones.data.keys().flat_map(|owner| {
            [owner.replace('*', "w"), format!("x.{}", owner.replace('*', "b")), owner.clone()]
        });
        for name in owners {
            let Some(mine) = zones.zone(&name).map(|zone| &zones.accounts[zone]) else { continue };
            for qtype in ["A", "AAAA", "CNAME", "DNAME", "MX", "NS", "SOA", "TXT", "ANY", "DS"] {
                let got =
                    server.ask(&Ask::new(&name, qtype)).unwrap_or_else(|wrong| panic!("{wrong}"));
                let whose = carried(&zones, &got);
                let foreign = whose.iter().find(|account| *account != mine);
                // The DS of an apex is in the zone above, whoever holds that: its SOA then says so.
                let parents = qtype == "DS" && got.authority.len() == 1 && got.rcode == 0;
                assert!(
                    foreign.is_none() || parents,
                    "seed {seed}: {name} {qtype} carries data of {foreign:?}:\n{}",
                    got.show()
                );
                asked += 1;
                denied += usize::from(got.extended_errors().iter().any(|(code, _)| *code == 15));
            }
        }
    }
    assert!(asked > 5_000 && denied > 500, "{asked}, {denied}");
}

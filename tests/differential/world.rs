//! Random zones from a seed: what operators write and what they should not, but every server loads.

use crate::label::Labels;
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A zone of the world with its text.
pub struct ZoneText {
    pub apex: Labels,
    pub text: String,
    /// Every owner name and the types at it.
    pub owners: BTreeMap<Labels, Vec<String>>,
    /// Where CNAMEs and DNAMEs lead.
    pub targets: Vec<Labels>,
}

/// Labels that names are made of: few, so that names meet.
const LABELS: &[&str] = &["a", "b", "c", "d", "www", "_tcp", "x1", "\\046", "\\000z", "a\\032b"];

/// What stands at a name.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Data,
    Cname,
    Cut,
    Dname,
}

/// A zone while it is made: its apex, and what stands where.
struct Plan {
    apex: Labels,
    nodes: BTreeMap<Labels, Kind>,
}

/// Makes the zones with these apexes; `strangers` are names elsewhere that targets may lead to.
pub fn make(random: &mut Random, apexes: &[Labels], strangers: &[Labels]) -> Vec<ZoneText> {
    let mut plans: Vec<Plan> = apexes.iter().map(|apex| plan(random, apex, apexes)).collect();
    // NSD has one tree for all zones: what a zone has below a cut may not be below a DNAME of the zone there.
    let all: Vec<Labels> = plans.iter().flat_map(|plan| plan.nodes.keys().cloned()).collect();
    for (name, kind) in plans.iter_mut().flat_map(|plan| &mut plan.nodes) {
        if *kind == Kind::Dname && all.iter().any(|other| other.is_below(name)) {
            *kind = Kind::Data;
        }
    }
    (0..plans.len()).map(|at| Writer::new(random, &plans, at, strangers).write()).collect()
}

fn plan(random: &mut Random, apex: &Labels, apexes: &[Labels]) -> Plan {
    let mut nodes = BTreeMap::new();
    let below = |apex: &&Labels, of: &Labels| apex.is_below(of);
    for child in apexes.iter().filter(|child| below(child, apex)) {
        // The zone between them, if there is one, delegates it; and now and then nobody does.
        let between = apexes.iter().any(|mid| child.is_below(mid) && mid.is_below(apex));
        if !between && random.percent(85) {
            nodes.insert(child.clone(), Kind::Cut);
        }
    }
    let mut made = vec![apex.clone()];
    for _ in 0..8 + random.below(40) {
        let mut name = random.pick(&made);
        if random.percent(50) {
            name = apex.clone();
        }
        let depth = [1, 1, 1, 2, 2, 3, 4, 12][random.below(8)];
        for _ in 0..depth {
            name = name.child(random.pick(LABELS));
        }
        if random.percent(22) {
            name = name.child("*");
            if random.percent(15) {
                name = name.child(random.pick(LABELS));
            }
        }
        if name.wire().len() > 200 {
            continue;
        }
        made.push(name.clone());
        let wild = name.0[0] == "*";
        let kind =
            [Kind::Data, Kind::Cname, Kind::Cut, Kind::Dname][random.weighted(&[50, 28, 12, 10])];
        let kind = match kind {
            // A delegation or DNAME at a wildcard means nothing (RFC 4592 §4.2, RFC 6672 §3.3).
            Kind::Cut | Kind::Dname if wild => Kind::Data,
            kind => kind,
        };
        nodes.entry(name).or_insert(kind);
    }
    // Nothing may be below a DNAME, also no zone.
    let is_dname = |name: &Labels| nodes.get(name) == Some(&Kind::Dname);
    let occluded: BTreeSet<Labels> = nodes
        .keys()
        .filter(|name| {
            std::iter::successors(name.parent(), Labels::parent)
                .take_while(|up| up.is_within(apex))
                .any(|up| is_dname(&up))
        })
        .cloned()
        .collect();
    nodes.retain(|name, _| !occluded.contains(name));
    let above_zone = |name: &Labels| apexes.iter().any(|zone| zone.is_below(name));
    for (name, kind) in &mut nodes {
        if *kind == Kind::Dname && above_zone(name) {
            *kind = Kind::Data;
        }
    }
    Plan { apex: apex.clone(), nodes }
}

struct Writer<'a> {
    random: &'a mut Random,
    plans: &'a [Plan],
    plan: &'a Plan,
    strangers: &'a [Labels],
    text: String,
    owners: BTreeMap<Labels, Vec<String>>,
    targets: Vec<Labels>,
}

impl<'a> Writer<'a> {
    fn new(
        random: &'a mut Random,
        plans: &'a [Plan],
        at: usize,
        strangers: &'a [Labels],
    ) -> Writer<'a> {
        let (owners, targets) = (BTreeMap::new(), Vec::new());
        Writer { random, plans, plan: &plans[at], strangers, text: String::new(), owners, targets }
    }

    fn write(mut self) -> ZoneText {
        let apex = self.plan.apex.clone();
        self.apex();
        for (name, kind) in &self.plan.nodes {
            match kind {
                Kind::Data => self.data(name),
                Kind::Cname => {
                    let target = self.target();
                    self.targets.push(target.clone());
                    self.rrset(name, "CNAME", &[target.to_string()]);
                }
                Kind::Dname => {
                    let target = self.target();
                    // A DNAME to itself or above loops at once, which the zone-file check refuses.
                    let target = if target.is_within(name) {
                        Labels::of("d.outside.example")
                    } else {
                        target
                    };
                    self.targets.push(target.clone());
                    self.rrset(name, "DNAME", &[target.to_string()]);
                    if self.random.percent(30) {
                        self.rrset(name, "TXT", &["\"beside\"".to_owned()]);
                    }
                }
                Kind::Cut => self.cut(name),
            }
        }
        ZoneText { apex, text: self.text, owners: self.owners, targets: self.targets }
    }

    fn apex(&mut self) {
        let apex = self.plan.apex.clone();
        let minimum = self.random.pick(&[0, 30, 60, 300, 7200]);
        let ns1 = apex.child("ns1");
        let soa = format!("{ns1} {} 7 7200 900 1209600 {minimum}", apex.child("hostmaster"));
        self.rrset(&apex, "SOA", &[soa]);
        let mut servers = vec![ns1.to_string()];
        // BIND does not load a zone with a server in it that has no address.
        let outside = Labels::of("ns.outside.example");
        if self.random.percent(50) && !outside.is_within(&apex) {
            servers.push(outside.to_string());
        }
        self.rrset(&apex, "NS", &servers);
        if !self.plan.nodes.contains_key(&ns1) {
            self.rrset(&ns1, "A", &["192.0.2.53".to_owned()]);
        }
        self.data(&apex);
    }

    fn data(&mut self, name: &Labels) {
        let mut types = BTreeSet::new();
        for _ in 0..1 + self.random.below(3) {
            types.insert(self.random.weighted(&WEIGHTS));
        }
        for at in types {
            let count = match TYPES[at] {
                "HINFO" | "SVCB" => 1,
                "A" | "AAAA" | "TXT" if self.random.percent(4) => 20 + self.random.below(70),
                _ => 1 + self.random.below(3),
            };
            let mut all: Vec<String> = (0..count).map(|i| self.rdata(TYPES[at], i)).collect();
            all.sort();
            all.dedup();
            self.rrset(name, TYPES[at], &all);
        }
    }

    fn rdata(&mut self, rtype: &str, i: usize) -> String {
        let n = self.random.below(250);
        match rtype {
            "A" => format!("192.0.{}.{n}", i % 250),
            "AAAA" => format!("2001:db8:{i}::{n:x}"),
            "TXT" => format!("\"text {n}\" \"{}\"", "x".repeat(self.random.below(80))),
            "MX" => format!("{n} {}", self.target()),
            "SRV" => format!("{n} 0 443 {}", self.target()),
            "CAA" => format!("0 issue \"ca{n}.example\""),
            "HTTPS" => format!("{} . alpn=h2,h3 port={n}", n + 1),
            "SVCB" => format!("0 {}", self.target()),
            "PTR" => self.target().to_string(),
            "KX" | "AFSDB" => format!("{n} {}", self.target()),
            "NAPTR" => format!("{n} 1 \"s\" \"SIP+D2U\" \"\" {}", self.target()),
            "HINFO" => format!("\"cpu{n}\" \"os\""),
            "TLSA" => format!("3 1 1 {n:064x}"),
            "SSHFP" => format!("4 2 {n:064x}"),
            "RP" => format!("{} {}", self.target(), self.target()),
            "LOC" => format!("52 22 {}.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", n % 60),
            "URI" => format!("10 {n} \"https://example/{n}\""),
            _ => format!("\\# 3 {n:06x}"),
        }
    }

    fn cut(&mut self, name: &Labels) {
        let mut servers = BTreeSet::new();
        for _ in 0..1 + self.random.below(3) {
            let server = match self.random.weighted(&[40, 10, 10, 15, 15, 10]) {
                0 => name.child(self.random.pick(&["ns", "ns2", "b"])),
                1 => name.child("deep").child("ns"),
                2 => name.clone(),
                3 => self.plan.apex.child("ns1"),
                4 => Labels::of("ns.outside.example"),
                _ => self.target(),
            };
            servers.insert(server);
        }
        let texts: Vec<String> = servers.iter().map(Labels::to_string).collect();
        self.rrset(name, "NS", &texts);
        for server in servers.iter().filter(|server| server.is_within(name)) {
            // Somebody may have put a record there already, which may be a CNAME.
            let redirected =
                |(up, kind): (&Labels, &Kind)| *kind == Kind::Dname && server.is_below(up);
            if self.plan.nodes.contains_key(server) && server != name
                || self.plans.iter().flat_map(|plan| &plan.nodes).any(redirected)
                || self.owners.get(server).is_some_and(|types| types.iter().any(|t| t == "A"))
            {
                continue;
            }
            if self.random.percent(75) {
                let address = self.rdata("A", 9);
                self.rrset(server, "A", &[address]);
            }
            if self.random.percent(35) {
                let address = self.rdata("AAAA", 9);
                self.rrset(server, "AAAA", &[address]);
            }
        }
        if self.random.percent(30) {
            let digest = format!("4711 13 2 {:064x}", self.random.below(1 << 30));
            self.rrset(name, "DS", &[digest]);
        }
        if self.random.percent(15) {
            self.rrset(name, "TXT", &["\"not the zone's own\"".to_owned()]);
        }
    }

    /// A name to lead to: mostly of the zone, also of others, outside, or of nobody.
    fn target(&mut self) -> Labels {
        let plan = self.plan;
        let any = |random: &mut Random, plan: &Plan| {
            let names: Vec<&Labels> = plan.nodes.keys().collect();
            if names.is_empty() { plan.apex.clone() } else { random.pick(&names).clone() }
        };
        let target = match self.random.weighted(&[40, 14, 12, 8, 6, 10, 6]) {
            0 => any(self.random, plan),
            1 => {
                let other = self.random.below(self.plans.len());
                any(self.random, &self.plans[other])
            }
            2 => any(self.random, plan).child(self.random.pick(LABELS)),
            3 => plan.apex.child(self.random.pick(LABELS)).child(self.random.pick(LABELS)),
            4 => plan.apex.clone(),
            5 => Labels::of("www.outside.example"),
            _ => self.random.pick(self.strangers),
        };
        if target.wire().len() > 200 { plan.apex.clone() } else { target }
    }

    fn rrset(&mut self, owner: &Labels, rtype: &str, rdata: &[String]) {
        let ttl = self.random.pick(&[0, 5, 60, 300, 3600, 86_400]);
        let mut types = self.owners.remove(owner).unwrap_or_default();
        if !types.iter().any(|have| have == rtype) {
            types.push(rtype.to_owned());
            for rdata in rdata {
                let owner = self.any_case(owner);
                writeln!(self.text, "{owner} {ttl} IN {rtype} {rdata}").expect("a string grows");
            }
        }
        self.owners.insert(owner.clone(), types);
    }

    fn any_case(&mut self, name: &Labels) -> String {
        let text = name.to_string();
        if self.random.percent(80) {
            return text;
        }
        text.chars()
            .map(|c| if self.random.percent(50) { c.to_ascii_uppercase() } else { c })
            .collect()
    }
}

/// Types of ordinary data, and how often they are used.
pub const TYPES: [&str; 18] = [
    "A",
    "AAAA",
    "TXT",
    "MX",
    "SRV",
    "CAA",
    "HTTPS",
    "SVCB",
    "PTR",
    "KX",
    "AFSDB",
    "NAPTR",
    "HINFO",
    "TLSA",
    "SSHFP",
    "RP",
    "LOC",
    "TYPE65280",
];
const WEIGHTS: [usize; 18] = [30, 15, 12, 10, 4, 3, 6, 3, 3, 2, 2, 2, 2, 2, 2, 2, 2, 4];

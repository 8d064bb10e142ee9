//! The server's side: store, registrar, snapshot, and the checks that are on their way. Dies and starts as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::name_buf::NameBuf;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::control::registrar::{Check, Context, Done, Registrar, RequestError, World};
use bailiwick::engine::answer::{Answer, Names, Outcome};
use bailiwick::hostname::object::{CustomHostname, Hostname, Owner};
use bailiwick::hostname::proof::{Places, Tokens};
use bailiwick::hostname::seen::{Chain, Lookup, Page, Seen, Target, Texts};
use bailiwick::hostname::{create, grants};
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::grant::{Grant, GrantState, GrantTable, Trusts};
use bailiwick::model::hold::{Holds, ZoneHold};
use bailiwick::model::prefix::Prefixes;
use bailiwick::model::question::Question;
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::{ZoneBuilder, ZoneData};
use bailiwick::store::state::Store;
use bailiwick::store::state::memory::Memory;

use super::truth::{Config, Facts, Node, PARTIAL_SUFFIX, Random, Truth, network};

pub fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// What the server knows beside its store: the catalog that it serves, and its config.
pub struct Zones<'z> {
    pub catalog: &'z Catalog,
    pub key: HashKey,
    pub config: &'z Config,
    pub prefixes: &'z Prefixes,
}

impl grants::World for Zones<'_> {
    fn holder(&self, zone: ZoneId) -> Option<AccountId> {
        self.catalog.iter().find(|z| z.id == zone).map(|z| z.account)
    }

    fn owner(&self, name: &Name) -> Option<Owner> {
        let zone = self.catalog.zone_for(&NameBuf::of(name, &self.key))?;
        Some(Owner { zone: zone.id, account: zone.account })
    }
}

impl create::World for Zones<'_> {
    fn is_here(&self, name: &Name) -> bool {
        grants::World::owner(self, name).is_some()
    }

    fn is_public_suffix(&self, _: &Name) -> bool {
        false
    }
}

impl World for Zones<'_> {
    fn apex(&self, zone: ZoneId) -> Option<Name> {
        let zone = self.catalog.iter().find(|z| z.id == zone)?;
        Some(Name::from_wire(zone.apex()).unwrap())
    }

    fn asserted_elsewhere(&self, hostname: &Hostname, zone: ZoneId) -> bool {
        let text = hostname.to_string();
        let mut same = self.config.grants.iter().filter(|(hostname, _)| *hostname == text);
        same.any(|(_, apex)| self.catalog.zone_at(&name(apex)).is_some_and(|z| z.id != zone))
    }

    fn partial(&self, zone: ZoneId) -> Option<Name> {
        let apex = self.apex(zone)?.to_string();
        let is_partial = self.config.partial.contains(apex.as_str());
        is_partial.then(|| name(&format!("{apex}.{PARTIAL_SUFFIX}")))
    }

    fn apex_proxying(&self, account: AccountId) -> bool {
        self.config.proxying.contains(&account.0)
    }

    fn prefixes(&self) -> &Prefixes {
        self.prefixes
    }

    fn is_abuse(&self, hostname: &Hostname) -> bool {
        self.config.abuse.contains(hostname.to_string().as_str())
    }
}

/// A check on its way, and what is true of it.
#[derive(Clone)]
pub struct Flying {
    pub check: Check,
    /// What there is to be seen, for these tokens.
    pub facts: Facts,
    pub tokens: Tokens,
}

type Key = (Hostname, ZoneId);

/// See the head of the file.
pub struct Server {
    pub store: Memory,
    pub registrar: Registrar,
    pub snapshot: Snapshot,
    /// Checks that were begun and not taken in.
    pub checks: Vec<Flying>,
    config: Config,
    prefixes: Prefixes,
    /// The operator's grants into zones that are here.
    asserted: BTreeSet<Key>,
    names: Names,
}

impl Server {
    pub fn start(mut store: Memory) -> Server {
        let snapshot = Snapshot::empty(HashKey::new([5; 16]));
        let registrar = Registrar::open(&mut store).unwrap();
        Server {
            store,
            registrar,
            snapshot,
            checks: Vec::new(),
            config: Config::default(),
            prefixes: Prefixes::default(),
            asserted: BTreeSet::new(),
            names: Names::default(),
        }
    }

    /// What was in memory is gone; zones are read anew, grants are derived from the store.
    pub fn restart(&mut self, truth: &Truth) {
        let mut store = std::mem::take(&mut self.store);
        store.fault = None;
        *self = Server::start(store);
        let key = self.snapshot.key;
        let zones = truth.zones.keys().map(|apex| zone(truth, apex, &key)).collect();
        self.snapshot.catalog = Catalog::build(key, zones);
        self.configure(truth);
        let rows =
            self.derived().into_iter().map(|((Hostname { base, wildcard }, zone), state)| {
                (key.name(base.as_wire()), Grant { hostname: base, wildcard, zone, state })
            });
        self.snapshot.grants = GrantTable::build(rows.collect());
    }

    /// The operator's config as it is now.
    pub fn configure(&mut self, truth: &Truth) {
        let changed = std::mem::replace(&mut self.config, truth.config.clone());
        for apex in changed.anyone.symmetric_difference(&truth.config.anyone) {
            if truth.zones.contains_key(apex) {
                self.snapshot.catalog.put(zone(truth, apex, &self.snapshot.key.clone()));
            }
        }
        let networks = self.config.networks.iter().enumerate();
        let prefixes = networks.flat_map(|(n, account)| {
            let host = |a: IpAddr| format!("{a}/{}", if a.is_ipv4() { 32 } else { 128 });
            network(n).map(|a| (host(a).parse().unwrap(), AccountId(*account)))
        });
        self.prefixes = Prefixes::build(prefixes.collect());
        let trusts = self.config.trusts.iter().map(|&(a, b)| (AccountId(a), AccountId(b)));
        self.snapshot.trusts = Trusts::build(trusts.collect());
        self.assert_grants();
    }

    /// What the operator asserts, of zones that are here now.
    fn assert_grants(&mut self) {
        let catalog = &self.snapshot.catalog;
        let asserted = self.config.grants.iter().filter_map(|(hostname, apex)| {
            Some((Hostname::of(&name(hostname)), catalog.zone_at(&name(apex))?.id))
        });
        let new: BTreeSet<Key> = asserted.collect();
        let old = std::mem::replace(&mut self.asserted, new);
        let changed: Vec<Key> = old.symmetric_difference(&self.asserted).cloned().collect();
        self.restate(changed);
    }

    /// Asks the registrar for something, and publishes what follows. All that a step changed of grants it has to tell:
    /// the server states nothing else anew. Of a commit that failed, it tells what is in doubt.
    pub fn ask(
        &mut self,
        now: u64,
        random: &mut Random,
        job: impl FnOnce(&mut Registrar, &mut Context<'_>) -> Result<Done, RequestError>,
    ) -> Result<Done, RequestError> {
        let (catalog, key) = (&self.snapshot.catalog, self.snapshot.key);
        let world = Zones { catalog, key, config: &self.config, prefixes: &self.prefixes };
        let mut tokens = || Tokens::from_random(random.octets());
        let mut context = Context {
            store: &mut self.store,
            world: &world,
            tokens: &mut tokens,
            now: UnixTime(now),
            actor: "simulation",
        };
        let done = job(&mut self.registrar, &mut context);
        let mut told = self.registrar.take_doubtful();
        told.extend(done.iter().flat_map(|done| done.changed.iter().cloned()));
        self.restate(told);
        done
    }

    fn world(&self) -> Zones<'_> {
        let (catalog, key) = (&self.snapshot.catalog, self.snapshot.key);
        Zones { catalog, key, config: &self.config, prefixes: &self.prefixes }
    }

    /// States some grants anew: nothing else changes what is granted. Holds are few: they are stated all.
    fn restate(&mut self, told: Vec<Key>) {
        for (hostname, zone) in told {
            let named = self.store.hostnames_named(&hostname).unwrap();
            let row = named.iter().find(|h| h.provider.zone == zone).and_then(grants::Row::of);
            let own = row.and_then(|row| row.grant(&self.world())).map(|grant| grant.state);
            let key = (hostname, zone);
            let asserted = self.asserted.contains(&key).then_some(GrantState::Active);
            let (Hostname { base, wildcard }, zone) = key;
            let hash = self.snapshot.key.name(base.as_wire());
            let table = &mut self.snapshot.grants;
            match grants::joined(asserted, own) {
                Some(state) => table.put(hash, &Grant { hostname: base, wildcard, zone, state }),
                None => _ = table.remove(hash, &base, wildcard, zone),
            }
        }
        let world = self.world();
        let holds = self.registrar.control().holds.iter().filter(|hold| {
            grants::World::holder(&world, hold.owner.zone) == Some(hold.owner.account)
        });
        let holds = holds.map(|hold| {
            let from = hold.after.unwrap_or(UnixTime(0));
            (hold.owner.zone, ZoneHold { subdomains: hold.include_subdomains, from })
        });
        self.snapshot.holds = Holds::build(holds.collect());
        self.snapshot.generation.0 += 1;
    }

    /// What is granted or blocked by everything there is: as a start derives it.
    fn derived(&mut self) -> BTreeMap<Key, GrantState> {
        let mut rows = Vec::new();
        self.store.grant_rows(&mut |row| rows.push(row)).unwrap();
        let mut all: BTreeMap<Key, GrantState> = BTreeMap::new();
        for row in rows {
            // When something was withdrawn decides about no verdict.
            let grant = row.grant(&self.world());
            let grant = grant.filter(|g| !matches!(g.state, GrantState::Withdrawn(_)));
            all.extend(grant.map(|grant| ((row.hostname, grant.zone), grant.state)));
        }
        for key in &self.asserted {
            let joined = grants::joined(Some(GrantState::Active), all.get(key).copied());
            all.extend(joined.map(|state| (key.clone(), state)));
        }
        all
    }

    /// Whatever changed was told: what is granted is what a start would grant.
    pub fn expect_as_derived(&mut self) {
        let hostname = |base, wildcard| Hostname { base, wildcard };
        // Into a zone that is not here nothing leads.
        let here: BTreeSet<ZoneId> = self.snapshot.catalog.iter().map(|z| z.id).collect();
        let served = self.snapshot.grants.iter().filter(|grant| here.contains(&grant.zone));
        let served: BTreeMap<Key, GrantState> =
            served.map(|g| ((hostname(g.hostname, g.wildcard), g.zone), g.state)).collect();
        assert_eq!(served, self.derived(), "something changed and nobody was told");
    }

    /// The edit of a zone as the publisher takes it in: served from the next snapshot on.
    pub fn serve(&mut self, truth: &Truth, apex: &'static str) {
        match truth.zones.contains_key(apex) {
            true => self.snapshot.catalog.put(zone(truth, apex, &self.snapshot.key.clone())),
            false => _ = self.snapshot.catalog.remove(name(apex).as_wire()),
        }
        self.assert_grants();
    }

    /// Asks the engine. Whether something came, and whether it crossed.
    pub fn query(&mut self, text: &str, now: u64) -> (Outcome, bool) {
        let name = NameBuf::of(&name(text), &self.snapshot.key);
        let question = Question { name, qtype: rtype::A, qclass: rtype::CLASS_IN };
        let mut answer = Answer::default();
        let names = &mut self.names;
        let now = UnixTime(now);
        bailiwick::engine::answer(&self.snapshot, &question, None, now, names, &mut answer);
        (answer.outcome, answer.crossed)
    }
}

/// Looks at a hostname now. What is found arrives later, or never.
pub fn look(truth: &Truth, h: &CustomHostname, random: &mut Random) -> Seen {
    let text = h.hostname.to_string();
    let owner = |name: &str| {
        truth.owner(name).map(|(z, a)| Owner { zone: ZoneId(z), account: AccountId(a) })
    };
    let chain = match truth.chain(&text, 11) {
        Some(names) => {
            let target = |n: &String| Target { name: name(n), owner: owner(n) };
            Chain { targets: names.iter().map(target).collect(), is_loop: false }
        }
        None => Chain { targets: Vec::new(), is_loop: true },
    };
    let all = truth.addresses(&text);
    let (v4, v6) = all.into_iter().partition(IpAddr::is_ipv4);
    let base = h.hostname.base.to_string();
    let found = truth.texts.get(&base);
    let texts = Texts {
        values: found.map(|(value, _)| value.clone().into_bytes()).into_iter().collect(),
        elsewhere: found.is_some_and(|(_, elsewhere)| *elsewhere),
    };
    // Where a zone here owns the name, no page is asked for.
    let is_asked = truth.owner(&base).is_none() && !h.hostname.wildcard;
    let page = match truth.pages.get(&text) {
        _ if !is_asked => Page::NotAsked,
        _ if random.chance(12) => Page::Failed("no reply".to_owned()),
        Some(body) => Page::Got { status: 200, body: body.clone().into_bytes() },
        None => Page::Got { status: 404, body: Vec::new() },
    };
    Seen {
        owner: owner(&base),
        chain: or_silent(chain, random),
        v4: or_silent(v4, random),
        v6: or_silent(v6, random),
        texts: or_silent(texts, random),
        page,
    }
}

fn or_silent<T>(answer: T, random: &mut Random) -> Lookup<T> {
    match random.chance(12) {
        true => Lookup::NoAnswer("no reply".to_owned()),
        false => Lookup::Answered(answer),
    }
}

/// The places of tokens, as customers are told.
pub fn txt_place(h: &CustomHostname) -> String {
    let at = Places::default().txt_name(&h.hostname).unwrap().to_string();
    at.strip_prefix("_cf-custom-hostname.").unwrap().to_owned()
}

fn zone(truth: &Truth, apex: &'static str, key: &HashKey) -> Zone {
    let of = &truth.zones[apex];
    let anyone = truth.config.anyone.contains(apex);
    Zone {
        id: ZoneId(of.id),
        account: AccountId(of.account),
        on_violation: OnViolation::Refuse,
        cross_account: if anyone { CrossAccount::Anyone } else { CrossAccount::Granted },
        flatten: FlattenMode::Apex,
        data: data(truth, apex, key),
    }
}

fn data(truth: &Truth, apex: &'static str, key: &HashKey) -> ZoneData {
    let mut records: Vec<(Name, u16, Vec<u8>)> = Vec::new();
    let root = name(apex);
    let ns = name(&format!("ns1.{apex}"));
    let mut soa = [ns.as_wire(), ns.as_wire()].concat();
    soa.extend([1u32, 7200, 900, 1_209_600, 60].into_iter().flat_map(u32::to_be_bytes));
    records.push((root.clone(), 6, soa));
    records.push((root.clone(), 2, ns.as_wire().to_vec()));
    for label in ["ns1", "proxy"] {
        records.push((name(&format!("{label}.{apex}")), 1, vec![192, 0, 2, 1]));
    }
    for (owner, node) in &truth.zones[apex].names {
        let owner = name(owner);
        match node {
            Node::Cname(target) => records.push((owner, 5, name(target).as_wire().to_vec())),
            Node::Alias(target) => {
                records.push((owner, rtype::ALIAS, name(target).as_wire().to_vec()));
            }
            Node::Addresses(all) => records.extend(all.iter().map(|address| match address {
                IpAddr::V4(a) => (owner.clone(), 1, a.octets().to_vec()),
                IpAddr::V6(a) => (owner.clone(), 28, a.octets().to_vec()),
            })),
        }
    }
    records.sort_by(|a, b| a.0.as_wire().cmp(b.0.as_wire()).then(a.1.cmp(&b.1)));
    let mut builder = ZoneBuilder::new(&root, key);
    for (owner, rtype, rdata) in records {
        let hash = key.name(owner.as_wire());
        builder.push(owner.as_wire(), hash, rtype, 300, &rdata);
    }
    builder.finish().unwrap()
}

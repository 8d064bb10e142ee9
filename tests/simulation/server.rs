//! The server's side: store, registrar, snapshot, and the checks that are on their way. Dies and starts as it is told.

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::name_buf::NameBuf;
use bailiwick::base::rtype;
use bailiwick::base::time::UnixTime;
use bailiwick::control::registrar::{Check, Context, Done, Registrar, RequestError, World};
use bailiwick::engine::answer::{Answer, Names, Outcome};
use bailiwick::hostname::object::{Hostname, Owner};
use bailiwick::hostname::proof::{Places, Tokens};
use bailiwick::hostname::seen::{Chain, Lookup, Page, Seen, Target, Texts};
use bailiwick::hostname::{create, grants};
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::grant::GrantTable;
use bailiwick::model::hold::{Holds, ZoneHold};
use bailiwick::model::prefix::Prefixes;
use bailiwick::model::question::Question;
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::{ZoneBuilder, ZoneData};
use bailiwick::store::state::Store;
use bailiwick::store::state::memory::Memory;

use super::truth::{Random, Truth};

pub fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

/// What the server knows of the zones: the catalog that it serves.
pub struct Zones<'z> {
    pub catalog: &'z Catalog,
    pub key: HashKey,
    pub prefixes: Prefixes,
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

    fn asserted_elsewhere(&self, _: &Hostname, _: ZoneId) -> bool {
        false
    }

    fn partial(&self, _: ZoneId) -> Option<Name> {
        None
    }

    fn apex_proxying(&self, _: AccountId) -> bool {
        false
    }

    fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    fn is_abuse(&self, _: &Hostname) -> bool {
        false
    }
}

/// See the head of the file.
pub struct Server {
    pub store: Memory,
    pub registrar: Registrar,
    pub snapshot: Snapshot,
    /// Checks that were begun and not taken in.
    pub checks: Vec<Check>,
    names: Names,
}

impl Server {
    pub fn start(mut store: Memory) -> Server {
        let snapshot = Snapshot::empty(HashKey::new([5; 16]));
        let registrar = Registrar::open(&mut store).unwrap();
        Server { store, registrar, snapshot, checks: Vec::new(), names: Names::default() }
    }

    /// What was in memory is gone; zones are read anew, grants are derived from the store.
    pub fn restart(&mut self, truth: &Truth) {
        let mut store = std::mem::take(&mut self.store);
        store.fault = None;
        *self = Server::start(store);
        let key = self.snapshot.key;
        let zones = truth.zones.keys().map(|apex| zone(truth, apex, &key)).collect();
        self.snapshot.catalog = Catalog::build(key, zones);
        self.publish();
    }

    /// Asks the registrar for something, and publishes what follows. A failure of the store is met as the server
    /// meets it: it looks at what is stored.
    pub fn ask(
        &mut self,
        now: u64,
        random: &mut Random,
        job: impl FnOnce(&mut Registrar, &mut Context<'_>) -> Result<Done, RequestError>,
    ) -> Result<Done, RequestError> {
        let key = self.snapshot.key;
        let world = Zones { catalog: &self.snapshot.catalog, key, prefixes: Prefixes::default() };
        let mut tokens = || Tokens::from_random(random.octets());
        let mut context = Context {
            store: &mut self.store,
            world: &world,
            tokens: &mut tokens,
            now: UnixTime(now),
            actor: "simulation",
        };
        let done = job(&mut self.registrar, &mut context);
        if !done.as_ref().is_ok_and(|done| done.changed.is_empty()) {
            self.publish();
        }
        done
    }

    /// Derives the grants, all of them.
    pub fn publish(&mut self) {
        let key = self.snapshot.key;
        let world = Zones { catalog: &self.snapshot.catalog, key, prefixes: Prefixes::default() };
        let mut rows = Vec::new();
        let visit = &mut |row: grants::Row| {
            rows.extend(row.grant(&world).map(|g| (key.name(g.hostname.as_wire()), g)));
        };
        self.store.grant_rows(visit).unwrap();
        self.snapshot.grants = GrantTable::build(rows);
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

    /// The edit of a zone as the publisher takes it in: served from the next snapshot on.
    pub fn serve(&mut self, truth: &Truth, apex: &'static str) {
        match truth.zones.contains_key(apex) {
            true => self.snapshot.catalog.put(zone(truth, apex, &self.snapshot.key.clone())),
            false => _ = self.snapshot.catalog.remove(name(apex).as_wire()),
        }
        self.publish();
    }

    /// Looks at a hostname now. What is found arrives later, or never.
    pub fn look(&self, truth: &Truth, hostname: &Hostname, random: &mut Random) -> Seen {
        let text = hostname.to_string();
        let owner = |name: &str| {
            truth.owner(name).map(|(z, a)| Owner { zone: ZoneId(z), account: AccountId(a) })
        };
        let silent = |random: &mut Random| random.chance(12);
        let chain = match truth.chain(&text, 11) {
            Some(names) => {
                let target = |n: &String| Target { name: name(n), owner: owner(n) };
                Chain { targets: names.iter().map(target).collect(), is_loop: false }
            }
            None => Chain { targets: Vec::new(), is_loop: true },
        };
        let txt_name = Places::default().txt_name(hostname).unwrap().to_string();
        let values = truth.texts.get(&txt_name).map(|v| v.clone().into_bytes());
        let texts = Texts { values: values.into_iter().collect(), elsewhere: false };
        let no_answer = || "no reply".to_owned();
        Seen {
            owner: owner(&hostname.base.to_string()),
            chain: if silent(random) {
                Lookup::NoAnswer(no_answer())
            } else {
                Lookup::Answered(chain)
            },
            v4: Lookup::Answered(Vec::new()),
            v6: if silent(random) {
                Lookup::NoAnswer(no_answer())
            } else {
                Lookup::Answered(Vec::new())
            },
            texts: if silent(random) {
                Lookup::NoAnswer(no_answer())
            } else {
                Lookup::Answered(texts)
            },
            page: Page::NotAsked,
        }
    }

    /// Asks the engine. Whether something came, and whether it was denied.
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

fn zone(truth: &Truth, apex: &'static str, key: &HashKey) -> Zone {
    let of = &truth.zones[apex];
    Zone {
        id: ZoneId(of.id),
        account: AccountId(of.account),
        on_violation: OnViolation::Refuse,
        cross_account: CrossAccount::Granted,
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
    for (owner, target) in &truth.zones[apex].cnames {
        records.push((name(owner), 5, name(target).as_wire().to_vec()));
    }
    let mut builder = ZoneBuilder::new(&root, key);
    for (owner, rtype, rdata) in records {
        let hash = key.name(owner.as_wire());
        builder.push(owner.as_wire(), hash, rtype, 300, &rdata);
    }
    builder.finish().unwrap()
}

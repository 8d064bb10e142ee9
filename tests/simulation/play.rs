//! What can happen, and what must hold after each of it.

use std::collections::BTreeMap;

use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::control::registrar::{Check, Done};
use bailiwick::engine::answer::Outcome;
use bailiwick::hostname::fallback::{self, FallbackOrigin};
use bailiwick::hostname::hold::Hold;
use bailiwick::hostname::lifecycle::{Event, Trigger};
use bailiwick::hostname::object::{CustomHostname, Owner, Status};
use bailiwick::store::state::change::{Account, Change, Zone as StoredZone};
use bailiwick::store::state::memory::{Fault, Memory};
use bailiwick::store::state::{Store, Trouble};

use super::server::{Server, name};
use super::truth::{OUTSIDE, Random, Truth, Zone};

const APEXES: [&str; 5] = ["alpha.com", "app.alpha.com", "beta.com", "saas.com", "cdn.com"];
const OWNERS: [&str; 6] = ["www", "app", "*", "x.app", "a", "*.app"];
const HOSTNAMES: [&str; 10] = [
    "www.alpha.com",
    "app.alpha.com",
    "*.alpha.com",
    "x.app.alpha.com",
    "*.app.alpha.com",
    "www.beta.com",
    "*.beta.com",
    OUTSIDE[0],
    OUTSIDE[1],
    OUTSIDE[2],
];
const QUESTIONS: [&str; 10] = [
    "www.alpha.com",
    "app.alpha.com",
    "some.alpha.com",
    "x.app.alpha.com",
    "y.app.alpha.com",
    "deep.y.app.alpha.com",
    "www.beta.com",
    "any.beta.com",
    "www.saas.com",
    "a.cdn.com",
];
const TARGETS: [&str; 8] = [
    "proxy.saas.com",
    "proxy.saas.com",
    "proxy.cdn.com",
    "www.saas.com",
    "a.cdn.com",
    "www.beta.com",
    "www.elsewhere.org",
    "pay.elsewhere.org",
];
/// Accounts there are at a time; a slot's account may be deleted and made anew, with another id.
const SLOTS: usize = 4;
const START: u64 = 1_700_000_000;

/// How often what happened: a simulation in which nothing happens proves nothing.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub steps: u64,
    pub answers: u64,
    pub crossed: u64,
    pub denied: u64,
    pub active: u64,
    pub moved: u64,
    pub deleted: u64,
    pub blocked: u64,
    pub void: u64,
    pub displaced: u64,
    pub failures: u64,
    pub restarts: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, t: Tally) {
        for (sum, more) in self.all().into_iter().zip(t.clone().all()) {
            *sum += *more;
        }
    }
}

impl Tally {
    fn all(&mut self) -> [&mut u64; 12] {
        [
            &mut self.steps,
            &mut self.answers,
            &mut self.crossed,
            &mut self.denied,
            &mut self.active,
            &mut self.moved,
            &mut self.deleted,
            &mut self.blocked,
            &mut self.void,
            &mut self.displaced,
            &mut self.failures,
            &mut self.restarts,
        ]
    }

    /// Everything that can happen did happen, in a run that is long enough.
    pub fn expect_healthy(mut self) {
        if self.steps >= 100_000 {
            assert!(self.all().iter().all(|n| **n > 0), "{self:?}");
        }
    }
}

pub struct Play {
    seed: u64,
    random: Random,
    now: u64,
    truth: Truth,
    server: Server,
    /// The account of each slot.
    accounts: [u32; SLOTS],
    next_account: u32,
    tally: Tally,
}

impl Play {
    pub fn new(seed: u64) -> Play {
        let mut play = Play {
            seed,
            random: Random::new(seed),
            now: START,
            truth: Truth::default(),
            server: Server::start(Memory::default()),
            accounts: [0; SLOTS],
            next_account: 0,
            tally: Tally::default(),
        };
        (0..SLOTS).for_each(|slot| play.make_account(slot));
        for (apex, slot) in APEXES.into_iter().zip([0, 0, 1, 2, 3]) {
            if apex != "app.alpha.com" {
                play.make_zone(apex, slot);
            }
        }
        play
    }

    pub fn run(mut self, steps: u64) -> Tally {
        for step in 0..steps {
            self.step();
            self.look_around(step);
        }
        self.tally.steps = steps;
        self.tally
    }

    fn step(&mut self) {
        let days = self.random.chance(40);
        self.now += self.random.below(if days { 400_000 } else { 400 }) as u64;
        if self.random.chance(60) {
            let trouble = *self.random.pick(&[Trouble::Full, Trouble::ReadOnly]);
            let forgets = self.random.chance(2);
            let fault = if forgets { Fault::ForgetsToSay } else { Fault::Refuses(trouble) };
            self.server.store.fault = Some(fault);
        }
        match self.random.below(1000) {
            0..80 => self.edit(),
            80..110 => self.edit_outside(),
            110..190 => self.create_hostname(),
            190..205 => self.with_some(|play, h| play.request(h, "delete")),
            205..235 => self.with_some(|play, h| play.request(h, "refresh")),
            235..275 => self.with_some(|play, h| play.request(h, "edit")),
            275..335 => self.with_some(|play, h| play.begin(h, Trigger::Extra)),
            335..435 => self.due(),
            435..695 => self.deliver(),
            695..710 => self.lose(),
            710..760 => self.text(),
            760..800 => self.fallback(),
            800..820 => self.hold(),
            820..835 => self.change_hands(),
            835..838 => self.change_account(),
            838..850 => self.restart(),
            _ => self.with_some(|play, h| play.point_at_provider(h)),
        }
    }

    // --- what people do ---------------------------------------------------------------------------------------------

    fn make_account(&mut self, slot: usize) {
        let id = self.next_account;
        self.next_account += 1;
        self.accounts[slot] = id;
    }

    fn make_zone(&mut self, apex: &'static str, slot: usize) {
        let (id, account) = (self.truth.next_id, self.accounts[slot]);
        self.truth.next_id += 1;
        self.truth.zones.insert(apex, Zone { id, account, cnames: BTreeMap::new() });
        let (created_at, settings) = (UnixTime(self.now), "{}".to_owned());
        let of = Account {
            id: AccountId(account),
            name: format!("slot{slot}"),
            created_at,
            settings: settings.clone(),
        };
        let account = AccountId(account);
        let zone = StoredZone { id: ZoneId(id), apex: name(apex), account, created_at, settings };
        // In either order: a server may die between the two.
        let first = self.random.chance(2);
        if first {
            self.server.serve(&self.truth, apex);
        }
        self.commit(&[Change::Account(of), Change::Zone(zone)]);
        if !first {
            self.server.serve(&self.truth, apex);
        }
        self.names_changed(apex);
    }

    fn remove_zone(&mut self, apex: &'static str) {
        let Some(zone) = self.truth.zones.remove(apex) else { return };
        let first = self.random.chance(2);
        if first {
            self.server.serve(&self.truth, apex);
            // Dies here now and then, and what was stored of the zone stays.
            if self.random.chance(10) {
                return self.restart();
            }
        }
        self.commit(&[Change::ZoneRemoved(ZoneId(zone.id))]);
        self.server.serve(&self.truth, apex);
        self.names_changed(apex);
    }

    fn change_hands(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let slot = self.random.below(SLOTS);
        match self.truth.zones.contains_key(apex) {
            true => self.remove_zone(apex),
            false => self.make_zone(apex, slot),
        }
    }

    fn change_account(&mut self) {
        let slot = self.random.below(SLOTS);
        let gone = self.accounts[slot];
        let zones: Vec<_> = APEXES
            .into_iter()
            .filter(|a| self.truth.zones.get(a).is_some_and(|z| z.account == gone))
            .collect();
        zones.iter().for_each(|apex| self.remove_zone(apex));
        self.commit(&[Change::AccountRemoved(AccountId(gone))]);
        self.make_account(slot);
        // The same names, made anew under the same name of the account.
        zones.iter().for_each(|apex| self.make_zone(apex, slot));
    }

    fn edit(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let owner = format!("{}.{apex}", self.random.pick(&OWNERS));
        let target = (*self.random.pick(&TARGETS)).to_owned();
        self.set(apex, owner, target);
    }

    fn set(&mut self, apex: &'static str, owner: String, target: String) {
        let remove = self.random.chance(4);
        let Some(zone) = self.truth.zones.get_mut(apex) else { return };
        if remove || target == owner {
            zone.cnames.remove(&owner);
        } else {
            zone.cnames.insert(owner, target);
        }
        self.server.serve(&self.truth, apex);
        if self.random.chance(2) {
            self.names_changed(apex);
        }
    }

    fn edit_outside(&mut self) {
        let owner = *self.random.pick(&OUTSIDE);
        let target = *self.random.pick(&TARGETS);
        if target == owner || self.random.chance(4) {
            self.truth.outside.remove(owner);
        } else {
            self.truth.outside.insert(owner, target.to_owned());
        }
    }

    /// A customer does what the provider asks for.
    fn point_at_provider(&mut self, h: &CustomHostname) {
        let Some(apex) = self.apex_of(h.provider.zone) else { return };
        let (hostname, target) = (h.hostname.to_string(), format!("proxy.{apex}"));
        let base = h.hostname.base.to_string();
        match self.truth.zone_of(&base).map(|(apex, _)| apex) {
            Some(zone) if hostname != zone => self.set(zone, hostname, target),
            Some(_) => {}
            None => {
                if let Some(owner) = OUTSIDE.into_iter().find(|n| **n == hostname) {
                    self.truth.outside.insert(owner, target);
                }
            }
        }
    }

    fn text(&mut self) {
        let hostnames = self.all();
        if hostnames.is_empty() || self.random.chance(4) {
            return self.truth.texts.clear();
        }
        let h = self.random.pick(&hostnames);
        let at = format!("_cf-custom-hostname.{}", h.hostname.base);
        self.truth.texts.insert(at, h.tokens.txt.to_string());
    }

    fn create_hostname(&mut self) {
        let apexes: Vec<_> = self.truth.zones.values().map(|z| z.id).collect();
        let Some(&zone) = apexes.get(self.random.below(5)) else { return };
        let hostname = *self.random.pick(&HOSTNAMES);
        let id = Uuid::from_random(self.random.octets());
        let (now, random) = (self.now, &mut self.random);
        let done = self.server.ask(now, random, |r, cx| r.create(cx, id, ZoneId(zone), hostname));
        self.follow(done.ok());
    }

    fn request(&mut self, h: &CustomHostname, what: &str) {
        let (now, random, id) = (self.now, &mut self.random, h.id);
        let done = self.server.ask(now, random, |registrar, cx| match what {
            "delete" => registrar.delete(cx, id),
            "refresh" => registrar.refresh(cx, id),
            _ if h.status == Status::Active => registrar.step(cx, id, Event::Edited),
            _ => registrar.step(cx, id, Event::Deployed),
        });
        self.tally.failures += u64::from(done.is_err());
        self.follow(done.ok());
    }

    fn fallback(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let Some(zone) = self.truth.zones.get(apex) else { return };
        let zone = ZoneId(zone.id);
        let origin = name(&format!("proxy.{apex}"));
        let new = fallback::create(zone, origin, UnixTime(self.now));
        let change = match self.random.below(12) {
            0 => Change::FallbackRemoved(zone),
            1 => Change::Fallback(new),
            _ => Change::Fallback(FallbackOrigin { status: fallback::Status::Active, ..new }),
        };
        self.commit(&[change]);
    }

    fn hold(&mut self) {
        let apex = *self.random.pick(&APEXES);
        let Some(zone) = self.truth.zones.get(apex) else { return };
        let owner = Owner { zone: ZoneId(zone.id), account: AccountId(zone.account) };
        let include_subdomains = self.random.chance(2);
        let change = match self.random.chance(4) {
            true => Change::Hold(Hold { owner, include_subdomains, after: None }),
            false => Change::HoldRemoved(owner.zone),
        };
        self.commit(&[change]);
        self.names_changed(apex);
    }

    // --- what the server does by itself -----------------------------------------------------------------------------

    fn commit(&mut self, changes: &[Change]) {
        let (now, random) = (self.now, &mut self.random);
        let done = self.server.ask(now, random, |registrar, cx| {
            registrar.commit(cx, changes)?;
            Ok(Done::default())
        });
        self.tally.failures += u64::from(done.is_err());
        self.server.publish();
    }

    fn names_changed(&mut self, apex: &str) {
        let (now, random) = (self.now, &mut self.random);
        let done = self.server.ask(now, random, |r, cx| r.names_changed(cx, &name(apex)));
        self.follow(done.ok());
    }

    fn due(&mut self) {
        let (now, random) = (self.now, &mut self.random);
        let Ok(done) =
            self.server.ask(now, random, |registrar, cx| registrar.due(cx, &mut None, 8))
        else {
            return;
        };
        for id in done.check {
            if let Ok(Some(h)) = self.server.store.hostname(id) {
                self.begin(&h, Trigger::Schedule);
            }
        }
    }

    fn follow(&mut self, done: Option<Done>) {
        for id in done.map(|done| done.check).unwrap_or_default() {
            if let Ok(Some(h)) = self.server.store.hostname(id) {
                self.begin(&h, Trigger::Extra);
            }
        }
    }

    /// A check begins: it sees what is true now. If that is a proof, somebody gave it.
    fn begin(&mut self, h: &CustomHostname, trigger: Trigger) {
        if self.server.checks.len() >= 30 {
            self.lose();
        }
        let text = h.hostname.to_string();
        let base = h.hostname.base.to_string();
        let at = format!("_cf-custom-hostname.{base}");
        let token = self.truth.texts.get(&at).is_some_and(|v| *v == h.tokens.txt.to_string());
        let zone = h.provider.zone.0;
        if self.truth.leads_to(&text, zone) || token && self.truth.is_free(&text) {
            self.truth.proofs.insert((text, zone, self.truth.owner(&base)));
        }
        let seen = self.server.look(&self.truth, &h.hostname, &mut self.random);
        self.server.checks.push(Check { id: h.id, revision: h.revision, trigger, seen });
    }

    /// A result arrives, in any order; now and then twice.
    fn deliver(&mut self) {
        if self.server.checks.is_empty() {
            return;
        }
        let at = self.random.below(self.server.checks.len());
        let check = match self.random.chance(10) {
            true => self.server.checks[at].clone(),
            false => self.server.checks.swap_remove(at),
        };
        let (now, random) = (self.now, &mut self.random);
        let done = self.server.ask(now, random, |registrar, cx| registrar.checked(cx, check));
        self.tally.failures += u64::from(done.is_err());
        self.follow(done.ok());
    }

    fn lose(&mut self) {
        if !self.server.checks.is_empty() {
            let at = self.random.below(self.server.checks.len());
            self.server.checks.swap_remove(at);
        }
    }

    fn restart(&mut self) {
        self.tally.restarts += 1;
        self.server.restart(&self.truth);
        // What is stored of zones that are gone is removed at the start.
        let there = |id: ZoneId| self.truth.zones.values().any(|z| z.id == id.0);
        let zones = self.server.registrar.control().zones.iter().map(|z| z.id);
        let gone: Vec<Change> = zones.filter(|id| !there(*id)).map(Change::ZoneRemoved).collect();
        self.commit(&gone);
    }

    // --- what must hold ---------------------------------------------------------------------------------------------

    fn all(&mut self) -> Vec<CustomHostname> {
        self.server.store.hostnames_within(&name("."), None, usize::MAX).unwrap()
    }

    fn with_some(&mut self, job: fn(&mut Play, &CustomHostname)) {
        let all = self.all();
        if !all.is_empty() {
            let h = self.random.pick(&all).clone();
            job(self, &h);
        }
    }

    fn apex_of(&self, zone: ZoneId) -> Option<&'static str> {
        self.truth.zones.iter().find(|(_, z)| z.id == zone.0).map(|(apex, _)| *apex)
    }

    fn look_around(&mut self, step: u64) {
        for entry in self.server.store.take_audit() {
            let from = entry.from.as_deref();
            let to = entry.to.as_deref().unwrap_or("");
            self.tally.active += u64::from(to == "active" && from == Some("pending"));
            self.tally.moved += u64::from(to == "moved");
            self.tally.deleted += u64::from(to == "deleted");
            self.tally.blocked += u64::from(to == "blocked");
            self.tally.void += u64::from(entry.action.starts_with("hostname.owner_changed"));
            self.tally.displaced += u64::from(entry.action.starts_with("hostname.displaced"));
        }
        let all = self.all();
        for h in all.iter().filter(|h| self.grants(h)) {
            let owner = self.truth.owner(&h.hostname.base.to_string());
            let proof = (h.hostname.to_string(), h.provider.zone.0, owner);
            assert!(
                self.truth.proofs.contains(&proof),
                "seed {} step {step}: {proof:?} is active and nobody proved it: {h:?}",
                self.seed
            );
        }
        for _ in 0..2 {
            let question = *self.random.pick(&QUESTIONS);
            let (outcome, crossed) = self.server.query(question, self.now);
            let (allowed, crosses) = self.expected(question, &all);
            self.tally.answers += 1;
            self.tally.crossed += u64::from(crossed && allowed);
            self.tally.denied += u64::from(!allowed);
            let denied = outcome == Outcome::Denied;
            assert!(
                denied != allowed && (denied || crossed == crosses),
                "seed {} step {step}: {question} gives {outcome:?}, crossed {crossed}; expected allowed {allowed}, \
                 crosses {crosses}; zones {:?}; hostnames {all:?}",
                self.seed,
                self.truth.zones
            );
        }
    }

    /// Whether a custom hostname is a grant now: by its status, and by the ids of both sides.
    fn grants(&self, h: &CustomHostname) -> bool {
        let provider = self.truth.zones.values().find(|z| z.id == h.provider.zone.0);
        let there = provider.is_some_and(|z| z.account == h.provider.account.0);
        let owner = h.proof.and_then(|p| p.owner).map(|o| (o.zone.0, o.account.0));
        let same = owner == self.truth.owner(&h.hostname.base.to_string());
        matches!(h.status, Status::Active | Status::ActiveRedeploying) && there && same
    }

    /// Whether an answer may be given, and whether its chain crosses.
    fn expected(&self, question: &str, all: &[CustomHostname]) -> (bool, bool) {
        let (mut at, mut met, mut crosses) = (question.to_owned(), Vec::new(), false);
        for _ in 0..=10 {
            let Some((from, _)) = self.truth.zone_of(&at).map(|(_, z)| (z.account, z.id)) else {
                return (true, crosses);
            };
            let Some(target) = self.truth.target(&at) else { return (true, crosses) };
            if let Some((_, to)) = self.truth.zone_of(target).filter(|(_, z)| z.account != from) {
                if !self.allowed(&at, from, to.id, all) {
                    return (false, crosses);
                }
                crosses = true;
            }
            met.push(std::mem::replace(&mut at, target.to_owned()));
            if met.contains(&at) {
                return (true, crosses);
            }
        }
        (true, crosses)
    }

    fn allowed(&self, owner: &str, account: u32, zone: u32, all: &[CustomHostname]) -> bool {
        let into = || all.iter().filter(|h| h.provider.zone.0 == zone);
        let exact = into().find(|h| !h.hostname.wildcard && h.hostname.base.to_string() == owner);
        if exact.is_some_and(|h| h.status == Status::Blocked) {
            return false;
        }
        exact.is_some_and(|h| self.grants(h))
            || into().filter(|h| h.hostname.wildcard && self.grants(h)).any(|h| {
                let base = h.hostname.base.to_string();
                owner.ends_with(&format!(".{base}"))
                    && self.truth.owner(&base).is_some_and(|(_, a)| a == account)
                    && !self.is_held(owner, h.provider.account.0)
            })
    }

    /// Whether somebody else than `provider` keeps the name from wildcards.
    fn is_held(&self, name: &str, provider: u32) -> bool {
        self.server.registrar.control().holds.iter().any(|hold| {
            let zone = self.truth.zones.iter().find(|(_, z)| z.id == hold.owner.zone.0);
            let Some((apex, zone)) = zone else { return false };
            let below = hold.include_subdomains && name.ends_with(&format!(".{apex}"));
            zone.account == hold.owner.account.0
                && zone.account != provider
                && (below || name == *apex)
        })
    }
}

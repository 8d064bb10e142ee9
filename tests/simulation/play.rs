//! What can happen: what the server does by itself, and how often what people do comes in between.

use bailiwick::base::id::ZoneId;
use bailiwick::control::registrar::{Check, Done};
use bailiwick::engine::answer::Outcome;
use bailiwick::hostname::lifecycle::Trigger;
use bailiwick::hostname::object::{CustomHostname, Owner};
use bailiwick::store::state::change::Change;
use bailiwick::store::state::memory::{Fault, Memory};
use bailiwick::store::state::{Store, Trouble};

use super::referee::{Moment, QUESTIONS, Referee};
use super::server::{Flying, Server, look, name};
use super::tally::Tally;
use super::truth::{Random, Truth};

pub const APEXES: [&str; 5] = ["alpha.com", "app.alpha.com", "beta.com", "saas.com", "cdn.com"];
/// Accounts there are at a time; a slot's account may be deleted and made anew, with another id.
pub const SLOTS: usize = 4;
const START: u64 = 1_700_000_000;

pub struct Play {
    seed: u64,
    pub random: Random,
    pub now: u64,
    pub truth: Truth,
    pub server: Server,
    pub referee: Referee,
    /// The account of each slot.
    pub accounts: [u32; SLOTS],
    pub next_account: u32,
    pub tally: Tally,
}

/// Says how to see a failure again.
impl Drop for Play {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("SIMULATION_SEED={} shows it again, at step {}", self.seed, self.tally.steps);
        }
    }
}

impl Play {
    pub fn new(seed: u64) -> Play {
        let mut play = Play {
            seed,
            random: Random::new(seed),
            now: START,
            truth: Truth::default(),
            server: Server::start(Memory::default()),
            referee: Referee::default(),
            accounts: [0; SLOTS],
            next_account: 0,
            tally: Tally::default(),
        };
        (0..SLOTS).for_each(|slot| play.make_account(slot));
        play.truth.config.proxying = play.accounts[2..].iter().copied().collect();
        play.settle_config();
        for (apex, slot) in APEXES.into_iter().zip([0, 0, 1, 2, 3]) {
            if apex != "app.alpha.com" {
                play.make_zone(apex, slot);
            }
        }
        play
    }

    pub fn run(mut self, steps: u64) -> Tally {
        for _ in 0..steps {
            self.step();
            self.look_around();
            self.tally.steps += 1;
        }
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
            0..90 => self.edit(),
            90..130 => self.edit_outside(),
            130..200 => self.create_hostname(),
            200..215 => self.with_some(|play, h| play.request(h, "delete")),
            215..245 => self.with_some(|play, h| play.request(h, "refresh")),
            245..285 => self.with_some(|play, h| play.request(h, "edit")),
            285..345 => self.with_some(|play, h| play.begin(h, Trigger::Extra)),
            345..445 => self.due(),
            445..705 => self.deliver(),
            705..720 => self.lose(),
            720..760 => self.text(),
            760..785 => self.page(),
            785..820 => self.fallback(),
            820..838 => self.hold(),
            838..858 => self.operate(),
            858..870 => self.change_hands(),
            870..873 => self.change_account(),
            873..885 => self.restart(),
            _ => self.with_some(|play, h| play.point_at_provider(h)),
        }
    }

    // --- what the server does by itself -----------------------------------------------------------------------------

    pub fn commit(&mut self, changes: &[Change]) {
        // Whoever removes a zone states anew what was granted into it.
        let is_gone = |h: &CustomHostname| {
            changes.iter().any(|change| match change {
                Change::ZoneRemoved(id) => h.provider.zone == *id,
                Change::AccountRemoved(id) => h.provider.account == *id,
                _ => false,
            })
        };
        let mut changed = Vec::new();
        if changes.iter().any(|c| matches!(c, Change::ZoneRemoved(_) | Change::AccountRemoved(_))) {
            let gone = self.all().into_iter().filter(is_gone);
            changed = gone.map(|h| (h.hostname, h.provider.zone)).collect();
        }
        let (now, random) = (self.now, &mut self.random);
        let mut failed = false;
        let done = self.server.ask(now, random, |registrar, cx| {
            failed = registrar.commit(cx, changes).is_err();
            Ok(Done { changed, check: Vec::new() })
        });
        self.tally.failures += u64::from(failed || done.is_err());
    }

    pub fn names_changed(&mut self, apex: &str) {
        // The disk may fill up between a change and what follows from it.
        if self.random.chance(20) {
            self.server.store.fault = Some(Fault::Refuses(Trouble::Full));
        }
        let (now, random) = (self.now, &mut self.random);
        let done = self.server.ask(now, random, |r, cx| r.names_changed(cx, &name(apex)));
        self.follow(done.ok());
    }

    fn due(&mut self) {
        let (now, random) = (self.now, &mut self.random);
        let due = self.server.ask(now, random, |registrar, cx| registrar.due(cx, &mut None, 8));
        let Ok(done) = due else { return };
        for id in done.check {
            if let Ok(Some(h)) = self.server.store.hostname(id) {
                self.begin(&h, Trigger::Schedule);
            }
        }
    }

    pub fn follow(&mut self, done: Option<Done>) {
        for id in done.map(|done| done.check).unwrap_or_default() {
            if let Ok(Some(h)) = self.server.store.hostname(id) {
                self.begin(&h, Trigger::Extra);
            }
        }
    }

    /// A check begins: it sees what is true now.
    fn begin(&mut self, h: &CustomHostname, trigger: Trigger) {
        if self.server.checks.len() >= 30 {
            self.lose();
        }
        let (txt, http) = (h.tokens.txt.to_string(), h.tokens.http.to_string());
        let facts = self.truth.facts(&h.hostname.to_string(), &txt, &http);
        let seen = look(&self.truth, h, &mut self.random);
        let check = Check { id: h.id, revision: h.revision, trigger, seen };
        self.server.checks.push(Flying { check, facts, tokens: h.tokens });
    }

    /// A result arrives, in any order; now and then twice.
    fn deliver(&mut self) {
        if self.server.checks.is_empty() {
            return;
        }
        let at = self.random.below(self.server.checks.len());
        let flying = match self.random.chance(10) {
            true => self.server.checks[at].clone(),
            false => self.server.checks.swap_remove(at),
        };
        let before = self.all();
        if !self.is_of_now(&flying) {
            // As the server does: what it saw of zones is not so any more, so it is looked at again.
            let old = before.iter().find(|h| h.id == flying.check.id);
            return old.map_or((), |h| self.begin(h, flying.check.trigger));
        }
        let (now, random, check) = (self.now, &mut self.random, flying.check.clone());
        let done = self.server.ask(now, random, |registrar, cx| registrar.checked(cx, check));
        self.tally.failures += u64::from(done.is_err());
        let after = self.server.store.hostname(flying.check.id).unwrap();
        if let Some(after) = after {
            let fallbacks = &self.server.registrar.control().fallbacks;
            let origin = fallbacks.iter().find(|f| f.zone == after.provider.zone);
            let earned = self.referee.saw_check(&self.truth, &flying, &before, &after, origin);
            let partial = &self.truth.config.partial;
            let apex = self.truth.zone(after.provider.zone.0).map(|(apex, _)| apex);
            let is_partial = apex.is_some_and(|apex| partial.contains(apex));
            self.tally.by_partial += u64::from(earned && is_partial);
        }
        self.follow(done.ok());
    }

    fn is_of_now(&self, flying: &Flying) -> bool {
        let owner = |o: Owner| (o.zone.0, o.account.0);
        let mut targets =
            flying.check.seen.chain.answer().into_iter().flat_map(|chain| &chain.targets);
        targets.all(|t| t.owner.map(owner) == self.truth.owner(&t.name.to_string()))
    }

    fn lose(&mut self) {
        if !self.server.checks.is_empty() {
            let at = self.random.below(self.server.checks.len());
            self.server.checks.swap_remove(at);
        }
    }

    pub fn restart(&mut self) {
        self.tally.restarts += 1;
        self.server.restart(&self.truth);
        // What is stored of zones that are gone is removed at the start.
        let there = |id: ZoneId| self.truth.zone(id.0).is_some();
        let zones = self.server.registrar.control().zones.iter().map(|z| z.id);
        let gone: Vec<Change> = zones.filter(|id| !there(*id)).map(Change::ZoneRemoved).collect();
        self.commit(&gone);
    }

    // --- what must hold ---------------------------------------------------------------------------------------------

    pub fn all(&mut self) -> Vec<CustomHostname> {
        self.server.store.hostnames_within(&name("."), None, usize::MAX).unwrap()
    }

    fn with_some(&mut self, job: fn(&mut Play, &CustomHostname)) {
        let all = self.all();
        if !all.is_empty() {
            let h = self.random.pick(&all).clone();
            job(self, &h);
        }
    }

    fn look_around(&mut self) {
        for entry in self.server.store.take_audit() {
            self.tally.count(&entry);
        }
        if self.random.chance(4) {
            self.server.expect_as_derived();
        }
        let all = self.all();
        self.referee.expect_proved(&self.truth, &all);
        let holds = self.server.registrar.control().holds.clone();
        let moment = Moment { truth: &self.truth, all: &all, holds: &holds };
        for _ in 0..2 {
            let question = *self.random.pick(&QUESTIONS);
            let (outcome, crossed) = self.server.query(question, self.now);
            let wanted = moment.expected(question);
            self.tally.answers += 1;
            self.tally.crossed += u64::from(crossed && wanted.allowed);
            self.tally.denied += u64::from(!wanted.allowed);
            self.tally.by_operator += u64::from(crossed && wanted.by_operator);
            self.tally.by_alias += u64::from(crossed && wanted.by_alias);
            let denied = outcome == Outcome::Denied;
            assert!(
                denied != wanted.allowed && (denied || crossed == wanted.crosses),
                "{question} gives {outcome:?}, crossed {crossed}; wanted {wanted:?}; {moment:?}"
            );
        }
    }
}

//! The life of what is known of the outside, second by second: renewed, stale, failed, forgotten, shared fairly.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bailiwick::base::id::AccountId;
use bailiwick::base::name::Name;
use bailiwick::base::share::Share;
use bailiwick::base::time::UnixTime;
use bailiwick::config::settings::{Flatten, TrustAnchor};
use bailiwick::model::flattened::{Entry, FailureKind, Key, News, Outcome, Standing};
use bailiwick::outside::cache::{Cache, Limits};
use bailiwick::outside::counters::Counters;
use bailiwick::outside::journal::Journal;
use bailiwick::outside::resolve::Found;

const NOW: u64 = 1_800_000_000;

/// A cache with a clock of the test's own.
struct Scene {
    cache: Cache,
    counters: Arc<Counters>,
    now: u64,
    start: Instant,
    news: News,
    called: Arc<AtomicUsize>,
}

fn key(n: u32) -> Key {
    Key { target: Name::from_text(&format!("t{n}.example")).unwrap(), rtype: 1 }
}

fn found(outcome: Outcome, ttl: u32, addresses: &[&str]) -> Found {
    Found {
        hops: Vec::new(),
        outcome,
        addresses: addresses.iter().map(|a| a.parse::<IpAddr>().unwrap()).collect(),
        ttl,
        validated: None,
        upstream: None,
        took: Duration::ZERO,
    }
}

fn good(ttl: u32) -> Found {
    found(Outcome::Addresses, ttl, &["8.8.8.8"])
}

fn failure() -> Found {
    found(Outcome::Failed(FailureKind::Timeout), 0, &[])
}

impl Scene {
    fn new(settings: Flatten, limits: Limits) -> Scene {
        let counters = Arc::<Counters>::default();
        let cache = Cache::new(settings, limits, counters.clone());
        let (news, called) = (News::default(), Arc::default());
        Scene { cache, counters, now: NOW, start: Instant::now(), news, called }
    }

    fn default() -> Scene {
        Scene::new(Flatten::default(), Limits::default())
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_secs(self.now - NOW)
    }

    /// Somebody asks; returns how many have been called back by then.
    fn ask(&mut self, n: u32, account: u32) -> usize {
        let called = Arc::clone(&self.called);
        let waiter = Box::new(move || _ = called.fetch_add(1, Ordering::Relaxed));
        let deadline = self.instant() + Duration::from_millis(1500);
        let ask = (key(n), AccountId(account), waiter as _);
        self.cache.ask(ask, UnixTime(self.now), deadline, &mut self.news);
        self.call()
    }

    fn call(&mut self) -> usize {
        self.news.waiters.drain(..).for_each(|waiter| waiter());
        self.called.load(Ordering::Relaxed)
    }

    /// The look-ups that begin now.
    fn lookups(&mut self) -> Vec<(AccountId, Arc<Key>)> {
        std::iter::from_fn(|| self.cache.next_lookup()).collect()
    }

    /// Each look-up that begins now ends with `found`; what is published of the last.
    fn answer(&mut self, found: &Found) -> Option<Arc<Entry>> {
        for (account, key) in self.lookups() {
            let now = UnixTime(self.now);
            self.cache.learned(account, &key, found.clone(), now, &mut self.news);
        }
        self.call();
        self.news.updates.drain(..).next_back().and_then(|(_, entry)| entry)
    }

    /// Time goes on second by second; what was forgotten meanwhile.
    fn until(&mut self, now: u64) -> usize {
        while self.now < now {
            self.now += 1;
            self.cache.tick(UnixTime(self.now), self.instant(), &mut self.news);
        }
        self.call();
        self.news.updates.drain(..).filter(|(_, entry)| entry.is_none()).count()
    }

    fn standing(&self, entry: &Entry) -> Standing {
        entry.standing(UnixTime(self.now))
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.all().into_iter().find(|(n, _)| *n == name).unwrap().1
    }
}

#[test]
fn what_is_used_is_renewed_before_it_expires_and_what_is_not_is_forgotten() {
    let mut scene = Scene::default();
    scene.ask(0, 1);
    let first = scene.answer(&good(100)).unwrap();
    // Ten seconds before its end, and only if somebody was answered with it.
    first.mark_used();
    scene.until(NOW + 89);
    assert!(scene.lookups().is_empty());
    scene.until(NOW + 90);
    let second = scene.answer(&good(100)).unwrap();
    assert_eq!(scene.standing(&first), Standing::Fresh(10));
    assert_eq!(scene.standing(&second), Standing::Fresh(100));
    assert_eq!((scene.count("refreshes"), scene.count("lookups")), (1, 2));
    // Nobody uses the second one: it expires, and goes when it may not even be stale any more.
    let end = NOW + 90 + 100 + u64::from(Flatten::default().stale);
    assert_eq!(scene.until(end - 1), 0);
    assert_eq!(scene.count("lookups"), 2);
    assert_eq!(scene.until(end), 1);
    assert_eq!(scene.count("entries"), 0);
    assert_eq!(scene.count("octets"), 0, "nothing is lost count of");
}

//= RFC 9520 §3.2
#[test]
fn a_dead_target_is_asked_ever_more_seldom_and_nobody_waits_for_it() {
    let mut scene = Scene::default();
    scene.ask(0, 1);
    let mut entry = scene.answer(&failure()).unwrap();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        // As when somebody is answered with the failure every now and then.
        entry.mark_used();
        let since = scene.now;
        loop {
            assert_eq!(scene.standing(&entry), Standing::Failed(FailureKind::Timeout));
            scene.until(scene.now + 1);
            if let Some(next) = scene.answer(&failure()) {
                entry = next;
                break;
            }
        }
        pauses.push(scene.now - since);
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    // It is answered again, and counts from the start.
    entry.mark_used();
    scene.until(scene.now + 300);
    assert_eq!(scene.answer(&good(60)).unwrap().outcome, Outcome::Addresses);
    assert_eq!(scene.count("failures"), 9);
}

//= RFC 8767 §5
#[test]
fn while_the_outside_fails_the_last_answer_stands_until_it_is_too_old() {
    let mut scene = Scene::new(Flatten { stale: 600, ..Flatten::default() }, Limits::default());
    scene.ask(0, 1);
    let mut entry = scene.answer(&good(60)).unwrap();
    let mut stale = 0;
    while scene.now < NOW + 650 {
        entry.mark_used();
        scene.until(scene.now + 1);
        match scene.standing(&entry) {
            Standing::Fresh(_) => assert!(scene.now < NOW + 60),
            Standing::Stale(FailureKind::Timeout) => stale += 1,
            // Never `Expired`: whoever asks is answered at once, since it is asked for behind their backs.
            other => panic!("{other:?} after {} s", scene.now - NOW),
        }
        entry = scene.answer(&failure()).unwrap_or(entry);
        assert_eq!(entry.addresses.len(), 1);
    }
    assert_eq!(stale, 591);
    scene.until(NOW + 660);
    assert_eq!(scene.standing(&entry), Standing::Failed(FailureKind::Timeout));
    // Recovered.
    scene.until(NOW + 1000);
    scene.ask(0, 1);
    let new = scene.answer(&good(60)).unwrap();
    assert_eq!(scene.standing(&new), Standing::Fresh(60));
}

#[test]
fn none_and_no_such_name_are_remembered_as_long_as_the_outside_says() {
    for outcome in [Outcome::NoData, Outcome::NxDomain] {
        // Below `min_ttl`, within, and beyond what is believed of nothing.
        for (ttl, kept) in [(0, 30), (300, 300), (1_000_000, 10_800)] {
            let mut scene = Scene::default();
            scene.ask(0, 1);
            let entry = scene.answer(&found(outcome, ttl, &[])).unwrap();
            assert_eq!((entry.outcome, entry.ttl), (outcome, kept));
            assert_eq!(scene.ask(0, 1), 2, "known");
            assert_eq!(scene.count("lookups"), 1);
        }
    }
}

#[test]
fn times_to_live_stay_within_the_bounds_and_nothing_lives_forever() {
    let bounds = Flatten { min_ttl: 0, max_ttl: 1000, ..Flatten::default() };
    for (ttl, kept) in [(0, 1), (1, 1), (999, 999), (1001, 1000), (u32::MAX, 1000)] {
        let mut scene = Scene::new(bounds.clone(), Limits::default());
        scene.ask(0, 1);
        assert_eq!(scene.answer(&good(ttl)).unwrap().ttl, kept);
    }
}

#[test]
fn who_waits_is_called_once_by_the_deadline() {
    let mut scene = Scene::default();
    for _ in 0..3 {
        assert_eq!(scene.ask(0, 1), 0);
    }
    assert_eq!(scene.lookups().len(), 1);
    scene.until(NOW + 1);
    assert_eq!(scene.call(), 0);
    scene.until(NOW + 2);
    assert_eq!((scene.call(), scene.count("overdue"), scene.count("waiting")), (3, 3, 0));
}

#[test]
fn one_account_neither_takes_all_waiters_nor_all_lookups() {
    let mut limits = Limits { waiters: Share { all: 128, each: 80 }, ..Limits::default() };
    limits.lookups.flying = Share { all: 64, each: 40 };
    let mut scene = Scene::new(Flatten::default(), limits);
    // More and more accounts storm: each gets less, and there is room for one more.
    let mut begun = 0;
    for account in 1..6 {
        for n in 0..40 {
            scene.ask(account * 100 + n, account);
        }
        let lookups = scene.lookups();
        assert!(lookups.iter().any(|(who, _)| who.0 == account), "account {account} has its turn");
        begun += lookups.len();
    }
    assert!((50..64).contains(&begun), "{begun}");
    let waiting = 5 * 40 - scene.called.load(Ordering::Relaxed);
    assert!((100..128).contains(&waiting), "{waiting}");
    assert_eq!(scene.count("refused") as usize, 200 - waiting);
}

#[test]
fn what_was_used_longest_ago_goes_when_there_is_no_more_room() {
    let limits = Limits { entries: (10, 6), ..Limits::default() };
    let mut scene = Scene::new(Flatten::default(), limits);
    for n in 0..6 {
        scene.ask(n, 1);
        scene.answer(&good(100));
    }
    // One more of this account: its oldest goes.
    scene.ask(6, 1);
    let forgotten = |scene: &mut Scene| -> Vec<String> {
        let gone = scene.news.updates.iter().filter(|(_, entry)| entry.is_none());
        gone.map(|(key, _)| key.target.to_string()).collect()
    };
    assert_eq!(forgotten(&mut scene), ["t0.example"]);
    scene.answer(&good(100));
    // Another account finds room, until all is full; then who has most gives way.
    for n in 10..14 {
        scene.ask(n, 2);
        assert!(forgotten(&mut scene).is_empty());
        scene.answer(&good(100));
    }
    scene.ask(14, 2);
    assert_eq!(forgotten(&mut scene), ["t1.example"]);
    scene.answer(&good(100));
    assert_eq!(scene.count("evicted"), 2);
    scene.until(NOW + 1);
    assert_eq!(scene.count("entries"), 10);
}

#[test]
fn octets_are_bounded_as_well() {
    let limits = Limits { octets: (20_000, 10_000), ..Limits::default() };
    let mut scene = Scene::new(Flatten::default(), limits);
    let addresses: Vec<String> = (0..60).map(|n| format!("9.9.9.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    for n in 0..200 {
        scene.ask(n, 1 + n % 4);
        scene.answer(&found(Outcome::Addresses, 100, &addresses));
        scene.until(scene.now);
    }
    scene.until(NOW + 1);
    let (octets, entries) = (scene.count("octets"), scene.count("entries"));
    assert!((15_000..22_000).contains(&octets), "{octets} octets in {entries} entries");
    assert_eq!(scene.count("evicted"), 200 - entries);
}

#[test]
fn other_settings_count_for_what_is_known_already() {
    let open = Flatten { allow_special: true, ..Flatten::default() };
    let mut scene = Scene::new(open.clone(), Limits::default());
    let mixed = found(Outcome::Addresses, 100, &["8.8.8.8", "10.0.0.1"]);
    let inner = found(Outcome::Addresses, 100, &["10.0.0.1"]);
    for (n, found) in [(0, &mixed), (1, &inner)] {
        scene.ask(n, 1);
        scene.answer(found);
    }
    let mut reconfigure = |settings: &Flatten| {
        scene.cache.reconfigure(settings.clone(), &mut scene.news);
        let mut all: Vec<_> = scene.news.updates.drain(..).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>()
    };
    // Special addresses are left out at once …
    let closed = reconfigure(&Flatten::default());
    let shown: Vec<(Outcome, usize, u8)> =
        closed.iter().flatten().map(|e| (e.outcome, e.addresses.len(), e.dropped)).collect();
    assert_eq!(shown, [(Outcome::Addresses, 1, 1), (Outcome::NoData, 0, 1)]);
    // … and asked for anew when they are wanted again.
    assert_eq!(reconfigure(&open).iter().filter(|entry| entry.is_none()).count(), 2);
    scene.ask(2, 1);
    scene.answer(&good(100));
    let mut reconfigure = |settings: Flatten| {
        scene.cache.reconfigure(settings, &mut scene.news);
        scene.news.updates.drain(..).map(|(_, entry)| entry).collect::<Vec<_>>()
    };
    // Less patience with what expired.
    let short = reconfigure(Flatten { stale: 5, ..open.clone() });
    assert_eq!(short[0].as_ref().unwrap().stale_until, UnixTime(NOW + 105));
    // What was never proved is nothing under `validate`.
    assert!(reconfigure(Flatten { validate: true, ..open })[0].is_none());
}

#[test]
fn what_is_remembered_from_the_future_is_as_if_it_had_just_expired() {
    let mut old = Scene::default();
    old.ask(0, 1);
    let entry = old.answer(&good(100)).unwrap();
    let mut scene = Scene::default();
    let restore = |scene: &mut Scene, now: u64| {
        let entry = entry.with(None, entry.stale_until);
        scene.cache.restore(key(0), AccountId(1), entry, UnixTime(now))
    };
    scene.now = NOW + 50;
    let kept = restore(&mut scene, NOW + 50).unwrap();
    assert_eq!(scene.standing(&kept), Standing::Fresh(50));
    // The clock was a year ahead when it was learnt.
    let mut scene = Scene::default();
    let now = NOW - 365 * 86_400;
    let kept = restore(&mut scene, now).unwrap();
    assert_eq!(kept.standing(UnixTime(now)), Standing::Expired);
    assert_eq!(kept.stale_until, UnixTime(now + u64::from(Flatten::default().stale)));
    assert!(restore(&mut Scene::default(), NOW + 10 * 86_400).is_none(), "worth nothing any more");
}

#[test]
fn what_some_anchors_proved_is_nothing_by_others_also_after_a_restart() {
    let root = Name::from_wire(&[0]).unwrap();
    let anchor = |last: u8| TrustAnchor {
        zone: root.clone(),
        rtype: 43,
        rdata: Box::new([1, 2, 13, 2, 7, last]),
    };
    let by = |anchors: &[u8], validate| Flatten {
        validate,
        trust_anchors: anchors.iter().copied().map(anchor).collect(),
        ..Flatten::default()
    };
    let proved = || {
        let mut scene = Scene::new(by(&[1, 2], true), Limits::default());
        scene.ask(0, 1);
        let set = scene.cache.settings().anchor_set();
        let entry = scene.answer(&Found { validated: Some(set), ..good(100) }).unwrap();
        (scene, entry)
    };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("flattened.log");
    let restart = |settings: Flatten| {
        let mut scene = Scene::new(settings, Limits::default());
        let mut kept = 0;
        let opened = Journal::open(&log, |key, account, entry| {
            let entry = scene.cache.restore(key, account, entry, UnixTime(NOW + 1))?;
            kept += 1;
            Some(entry)
        });
        drop(opened.unwrap());
        kept
    };
    let journal = Journal::open(&log, |_, _, _| None).unwrap();
    journal.note([(key(0), Some((AccountId(1), proved().1)))].into_iter());
    drop(journal);
    assert_eq!(restart(by(&[1, 2], true)), 1);
    assert_eq!(restart(by(&[2, 1, 2], true)), 1, "the same anchors, listed otherwise");
    assert_eq!(restart(by(&[3], false)), 1, "nobody asks who proved it");
    assert_eq!(restart(by(&[1], true)), 0, "one of the two may have proved it alone");
    // Without a restart, also by way of settings that did not care.
    for (between, after, kept) in
        [(by(&[3], false), by(&[3], true), false), (by(&[3], false), by(&[1, 2], true), true)]
    {
        let (mut scene, _) = proved();
        scene.cache.reconfigure(between, &mut scene.news);
        scene.cache.reconfigure(after, &mut scene.news);
        let gone = scene.news.updates.iter().any(|(_, entry)| entry.is_none());
        assert_eq!(gone, !kept);
    }
}

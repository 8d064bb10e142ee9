//! Every arrow of the diagram, and what must not be one.

use super::*;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::hostname::object::Method;
use crate::hostname::schedule::{ATTEMPTS, MOVED, RECHECK, RECHECK_FAILING, delay, recheck_at};

const SAAS: Owner = Owner { zone: ZoneId(2), account: AccountId(2) };
const CLIENT: Owner = Owner { zone: ZoneId(1), account: AccountId(1) };
const START: u64 = 1_000_000;

fn tokens(n: u8) -> Tokens {
    Tokens::from_random([n; 32])
}

fn new() -> CustomHostname {
    let hostname = Hostname::of(&Name::from_text("app.client.example").unwrap());
    let new = New { id: Uuid([1; 16]), hostname, provider: SAAS, tokens: tokens(1), block: None };
    create(new, UnixTime(START)).state.unwrap()
}

fn findings(method: Option<Method>) -> Findings {
    let of = |m| if method == Some(m) { Finding::Holds } else { Finding::Missing };
    Findings {
        cname: of(Method::Cname),
        address: of(Method::Address),
        txt: of(Method::Txt),
        http: of(Method::Http),
        guarded: false,
        missing: VerificationError::NoCname,
        saw: "what was seen".to_owned(),
    }
}

fn check(h: &CustomHostname, method: Option<Method>) -> Checked {
    Checked {
        revision: h.revision,
        owner: Some(CLIENT),
        trigger: Trigger::Schedule,
        findings: findings(method),
        standing: Standing {
            owner: Some(CLIENT),
            fallback: Some(fallback::Status::Active),
            block: None,
            rivals: Vec::new(),
            sequence: 7,
        },
    }
}

fn go(h: &CustomHostname, event: Event, now: u64) -> CustomHostname {
    step(h, event, UnixTime(now)).state.unwrap()
}

fn checked(h: &CustomHostname, checked: Checked, now: u64) -> CustomHostname {
    go(h, Event::Checked(Box::new(checked)), now)
}

fn tried(h: &CustomHostname, method: Option<Method>, now: u64) -> CustomHostname {
    checked(h, check(h, method), now)
}

fn active() -> CustomHostname {
    let active = tried(&new(), Some(Method::Cname), START + 60);
    assert_eq!(active.status, Status::Active);
    active
}

fn transitions(step: &Step) -> Vec<(Option<Status>, Option<Status>, Cause)> {
    let audits = step.effects.iter().filter_map(|e| match e {
        Effect::Audit(t) => Some((t.from, t.to, t.cause)),
        _ => None,
    });
    audits.collect()
}

#[test]
fn pending_to_moved_to_deleted_on_the_second() {
    let mut h = new();
    let mut now = START;
    for n in 0..ATTEMPTS {
        assert_eq!((h.status, h.attempts), (Status::Pending, n));
        assert_eq!(next_at(&h), Some(UnixTime(now + delay(n))));
        now += delay(n);
        h = tried(&h, None, now);
    }
    assert_eq!((h.status, now - START), (Status::Moved, 610_263));
    assert_eq!(h.errors, [VerificationError::NoCname]);
    assert_eq!(next_at(&h), Some(UnixTime(now + MOVED)));
    assert_eq!(go(&h, Event::Time, now + MOVED - 1).status, Status::Moved);
    let deleted = step(&h, Event::Time, UnixTime(now + MOVED));
    let arrow = (Some(Status::Moved), Some(Status::Deleted), Cause::Expired);
    assert_eq!(transitions(&deleted), [arrow]);
    let deleted = deleted.state.unwrap();
    assert_eq!(next_at(&deleted), None);
    // Revived, with new tokens: the old ones may still stand somewhere.
    let refresh = Event::Refresh { tokens: tokens(2), block: None };
    let again = go(&deleted, refresh, now + MOVED + 5);
    assert_eq!((again.status, again.attempts, again.tokens), (Status::Pending, 0, tokens(2)));
    assert_eq!(again.next_check_at, Some(UnixTime(now + MOVED + 5 + 60)));
}

#[test]
fn verified_with_its_evidence() {
    let h = new();
    let done =
        step(&h, Event::Checked(Box::new(check(&h, Some(Method::Txt)))), UnixTime(START + 60));
    let Some(Effect::Audit(t)) = done.effects.first() else { panic!("{done:?}") };
    assert_eq!((t.from, t.to), (Some(Status::Pending), Some(Status::Active)));
    assert_eq!(t.evidence, "txt: what was seen");
    let h = done.state.unwrap();
    let at = UnixTime(START + 60);
    let proof = Proof { method: Method::Txt, at, sequence: 7, owner: Some(CLIENT) };
    assert_eq!((h.proof, h.errors.len()), (Some(proof), 0));
    assert_eq!(next_at(&h), Some(recheck_at(h.id, at)));
    assert_eq!(h.last_check.unwrap().method, Some(Method::Txt));
}

#[test]
fn no_activation_without_a_fallback_origin() {
    for (status, error) in [
        (None, VerificationError::NoFallbackOrigin),
        (
            Some(fallback::Status::Initializing),
            VerificationError::FallbackOrigin(fallback::Status::Initializing),
        ),
    ] {
        let h = new();
        let mut c = check(&h, Some(Method::Cname));
        c.standing.fallback = status;
        let h = checked(&h, c, START + 60);
        assert_eq!((h.status, h.errors, h.attempts), (Status::Pending, vec![error], 1));
        // What the owner has to do is said beside it.
        let h = new();
        let mut c = check(&h, None);
        c.standing.fallback = status;
        let h = checked(&h, c, START + 60);
        assert_eq!(h.errors, [error, VerificationError::NoCname]);
    }
}

#[test]
fn results_that_came_too_late_count_for_nothing() {
    // A refresh of a moved hostname made new tokens while the old ones were looked for.
    let mut h = active();
    let late = check(&h, Some(Method::Txt));
    for now in [1, 2, 3] {
        h = tried(&h, None, START + 60 + now * RECHECK);
    }
    assert_eq!(h.status, Status::Moved);
    assert_eq!(checked(&h, late.clone(), START + 60 + 4 * RECHECK), h);
    let refresh = Event::Refresh { tokens: tokens(2), block: None };
    let again = go(&h, refresh, START + 5 * RECHECK);
    assert_eq!(checked(&again, late, START + 5 * RECHECK + 1), again);
    // The hostname was looked up in a zone that is not its owner's any more.
    let h = new();
    let mut stale = check(&h, Some(Method::Cname));
    stale.owner = None;
    let after = step(&h, Event::Checked(Box::new(stale)), UnixTime(START + 60));
    assert_eq!((after.state.as_ref(), after.effects), (Some(&h), vec![Effect::Check]));
}

#[test]
fn hysteresis_of_rechecks() {
    let h = active();
    let start = START + 60;
    let one = tried(&h, None, start + 10);
    assert_eq!(
        (one.status, next_at(&one)),
        (Status::Active, Some(UnixTime(start + 10 + RECHECK_FAILING)))
    );
    let two = tried(&one, None, start + 20);
    // Three, but not over a day.
    let three = tried(&two, None, start + 30);
    assert_eq!((three.status, three.failures.unwrap().count), (Status::Active, 3));
    assert_eq!(tried(&three, None, start + 9 + RECHECK).status, Status::Active);
    let moved =
        step(&three, Event::Checked(Box::new(check(&three, None))), UnixTime(start + 10 + RECHECK));
    let arrow = (Some(Status::Active), Some(Status::Moved), Cause::ProofGone);
    assert_eq!(transitions(&moved), [arrow]);
    // A day, but only two.
    assert_eq!(tried(&one, None, start + 10 + 5 * RECHECK).status, Status::Active);
    // A success in between starts anew; it may be by another proof.
    let back = tried(&three, Some(Method::Http), start + 40);
    assert_eq!((back.failures, back.proof.unwrap().method), (None, Method::Http));
    assert_eq!(back.proof.unwrap().sequence, 7);
    assert_eq!(tried(&back, None, start + 10 * RECHECK).status, Status::Active);
    // Checks out of turn do not count against it.
    let mut h = h;
    for n in 0..10 {
        let extra = Checked { trigger: Trigger::Extra, ..check(&h, None) };
        h = checked(&h, extra, start + n * RECHECK);
        assert_eq!((h.status, h.failures), (Status::Active, None));
    }
}

#[test]
fn no_answer_proves_nothing() {
    let silent = |h: &CustomHostname| {
        let mut c = check(h, None);
        c.findings.cname = Finding::NoAnswer;
        c
    };
    let mut h = active();
    for day in 1..100 {
        h = checked(&h, silent(&h), START + day * RECHECK);
    }
    assert_eq!((h.status, h.failures), (Status::Active, None));
    let h = new();
    let h = checked(&h, silent(&h), START + 60);
    assert_eq!((h.status, h.attempts), (Status::Pending, 1));
}

#[test]
fn rivals() {
    let h = new();
    let rival = Uuid([2; 16]);
    let mut c = check(&h, Some(Method::Cname));
    c.standing.rivals = vec![Rival::Hostname { id: rival, leads_there: true }];
    let won = step(&h, Event::Checked(Box::new(c.clone())), UnixTime(START + 60));
    assert!(won.effects.contains(&Effect::Displace { id: rival, sequence: 7 }));
    // A token against a zone that the DNS leads to, or anything against the operator's word.
    for (method, rival) in [
        (Method::Txt, Rival::Hostname { id: rival, leads_there: true }),
        (Method::Cname, Rival::Operator),
    ] {
        let mut c = check(&h, Some(method));
        c.standing.rivals = vec![rival];
        let lost = checked(&h, c, START + 60);
        let refused = vec![VerificationError::OnThisNetwork];
        assert_eq!((lost.status, lost.errors), (Status::Pending, refused));
    }
    // Only by a later verification.
    let h = active();
    assert_eq!(go(&h, Event::Displaced { sequence: 7 }, START + 70), h);
    assert_eq!(go(&h, Event::Displaced { sequence: 8 }, START + 70).status, Status::Moved);
    assert_eq!(go(&new(), Event::Displaced { sequence: 8 }, START + 70), new());
    // A recheck displaces nobody.
    let again = step(&h, Event::Checked(Box::new(c)), UnixTime(START + 80));
    assert_eq!(again.effects, []);
}

#[test]
fn bound_to_the_owner_of_the_hostname() {
    let h = active();
    let same = Event::OwnerChanged { owner: Some(CLIENT), tokens: tokens(3) };
    assert_eq!(go(&h, same, START + 70), h);
    for owner in [None, Some(Owner { zone: ZoneId(9), ..CLIENT })] {
        let changed =
            step(&h, Event::OwnerChanged { owner, tokens: tokens(3) }, UnixTime(START + 70));
        let arrow = (Some(Status::Active), Some(Status::Pending), Cause::OwnerChanged);
        assert_eq!(transitions(&changed), [arrow]);
        let void = changed.state.unwrap();
        assert_eq!((void.proof, void.tokens, void.attempts), (None, tokens(3), 0));
        assert!(changed.effects.contains(&Effect::Check));
    }
}

#[test]
fn blocked_until_released_and_refreshed() {
    for h in [new(), active()] {
        let blocked = go(&h, Event::Blocked(Block::Hold), START + 100);
        assert_eq!((blocked.status, blocked.proof), (Status::Blocked, None));
        assert_eq!(
            (&blocked.errors[..], next_at(&blocked)),
            (&[VerificationError::Held][..], None)
        );
        let held = Event::Refresh { tokens: tokens(2), block: Some(Block::Hold) };
        assert_eq!(go(&blocked, held, START + 200), blocked);
        let late = check(&h, Some(Method::Cname));
        assert_eq!(checked(&blocked, late, START + 201), blocked);
        let free = Event::Refresh { tokens: tokens(2), block: None };
        let free = go(&blocked, free, START + 300);
        assert_eq!((free.status, free.block, free.tokens), (Status::Pending, None, tokens(2)));
        assert_eq!(free.errors, []);
    }
    // The hold came while the look-up was on its way.
    let h = new();
    let mut c = check(&h, Some(Method::Cname));
    c.standing.block = Some(Block::Hold);
    assert_eq!(checked(&h, c, START + 60).status, Status::Blocked);
    let hostname = h.hostname.clone();
    let block = Some(Block::Abuse);
    let new = New { id: h.id, hostname, provider: SAAS, tokens: tokens(1), block };
    let born = create(new, UnixTime(START));
    assert_eq!(transitions(&born), [(None, Some(Status::Blocked), Cause::Blocked)]);
}

#[test]
fn refresh_and_edit() {
    let pending = tried(&new(), None, START + 60);
    let refresh = Event::Refresh { tokens: tokens(2), block: None };
    let again = go(&pending, refresh.clone(), START + 100);
    assert_eq!((again.tokens, again.attempts), (tokens(1), 0));
    assert_eq!(again.next_check_at, Some(UnixTime(START + 160)));
    let h = active();
    let edited = go(&h, refresh, START + 100);
    assert_eq!((edited.status, edited.tokens), (Status::ActiveRedeploying, tokens(2)));
    assert_eq!(edited.proof, h.proof);
    // What looked for the old tokens is worthless.
    assert_eq!(checked(&edited, check(&h, Some(Method::Txt)), START + 101), edited);
    let h = go(&edited, Event::Deployed, START + 102);
    assert_eq!(h.status, Status::Active);
    assert_eq!(go(&h, Event::Edited, START + 103).status, Status::ActiveRedeploying);
    assert_eq!(go(&pending, Event::Edited, START + 103), pending);
}

#[test]
fn deletion_from_everywhere() {
    let moved = go(&active(), Event::Displaced { sequence: 9 }, START + 70);
    let deleted = go(&moved, Event::Time, START + 70 + MOVED);
    let blocked = go(&new(), Event::Blocked(Block::Abuse), START);
    for h in [new(), active(), moved, deleted, blocked] {
        let gone = go(&h, Event::Delete, START + 1000);
        assert_eq!((gone.status, gone.proof), (Status::PendingDeletion, None));
        for event in [
            Event::Refresh { tokens: tokens(5), block: None },
            Event::Blocked(Block::Hold),
            Event::Checked(Box::new(check(&gone, Some(Method::Cname)))),
            Event::Time,
            Event::Delete,
        ] {
            assert_eq!(go(&gone, event, START + 2000), gone);
        }
        assert_eq!(step(&h, Event::Removed, UnixTime(START)).state, Some(h));
        let removed = step(&gone, Event::Removed, UnixTime(START + 3000));
        assert_eq!(removed.state, None);
        let arrow = (Some(Status::PendingDeletion), None, Cause::Removed);
        assert_eq!(transitions(&removed), [arrow]);
    }
}

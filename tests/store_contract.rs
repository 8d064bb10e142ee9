//! What every store of the state has to do: the same cases for each of them.

use bailiwick::base::id::{AccountId, Generation, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::base::uuid::Uuid;
use bailiwick::hostname::fallback;
use bailiwick::hostname::grants::{Row, RowState};
use bailiwick::hostname::hold::Hold;
use bailiwick::hostname::lifecycle::{self, New};
use bailiwick::hostname::object::{
    Block, CustomHostname, Failures, Hostname, LastCheck, Method, Owner, Proof, Status,
};
use bailiwick::hostname::proof::Tokens;
use bailiwick::store::state::change::{Account, AuditEntry, Change, Object, Token, Zone, of_step};
use bailiwick::store::state::memory::{Fault, Memory};
use bailiwick::store::state::sqlite::Sqlite;
use bailiwick::store::state::{
    AuditFilter, CommitError, Refused, Since, Store, Trouble, Used, backup,
};

/// A case, for any store that is empty.
type Case = fn(&mut dyn Store);

fn all(cases: &[Case]) {
    for case in cases {
        case(&mut Memory::default());
        let folder = tempfile::tempdir().unwrap();
        case(&mut Sqlite::open(&folder.path().join("state.db")).unwrap());
    }
}

fn name(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

fn account(id: u32) -> Change {
    let created_at = UnixTime(100);
    let (id, name) = (AccountId(id), format!("account-{id}"));
    Change::Account(Account { id, name, created_at, settings: "{}".to_owned() })
}

fn zone(id: u32, account: u32) -> Change {
    Change::Zone(Zone {
        id: ZoneId(id),
        apex: name(&format!("zone{id}.example")),
        account: AccountId(account),
        created_at: UnixTime(100),
        settings: "{\"flatten\":\"all\"}".to_owned(),
    })
}

fn hostname(n: u8, text: &str, zone: u32, account: u32) -> CustomHostname {
    let provider = Owner { zone: ZoneId(zone), account: AccountId(account) };
    let hostname = Hostname::of(&name(text));
    let (id, tokens) = (Uuid([n; 16]), Tokens::from_random([n; 32]));
    let new = New { id, hostname, provider, tokens, block: None };
    lifecycle::create(new, UnixTime(1000)).state.unwrap()
}

fn active(mut h: CustomHostname) -> CustomHostname {
    let owner = Some(Owner { zone: ZoneId(77), account: AccountId(7) });
    (h.status, h.attempts, h.revision) = (Status::Active, 3, 9);
    h.proof = Some(Proof { method: Method::Cname, at: UnixTime(1500), sequence: 5, owner });
    h.next_check_at = Some(UnixTime(90_000));
    h
}

fn put(hostname: &CustomHostname) -> Change {
    Change::Hostname(Box::new(hostname.clone()))
}

/// Commits, and compares what a reader in memory makes of it with what the store says.
fn commit(store: &mut dyn Store, changes: &[Change]) -> Result<Generation, CommitError> {
    let mut kept = store.load().unwrap();
    let committed = store.commit(changes, kept.generation);
    if let Ok(generation) = &committed {
        kept.apply(changes);
        kept.generation = *generation;
        assert_eq!(kept, store.load().unwrap());
    }
    committed
}

/// Accounts 1 and 2, zone 10 of the first and zone 20 of the second.
fn world(store: &mut dyn Store) {
    commit(store, &[account(1), account(2), zone(10, 1), zone(20, 2)]).unwrap();
}

fn rows(store: &mut dyn Store) -> Vec<Row> {
    let mut rows = Vec::new();
    store.grant_rows(&mut |row| rows.push(row)).unwrap();
    rows
}

#[test]
fn everything_comes_back_as_it_was() {
    all(&[|store| {
        world(store);
        let mut one = active(hostname(1, "app.client.example", 10, 1));
        one.failures = Some(Failures { count: 2, since: UnixTime(1600) });
        let saw = "CNAME app.client.example\nwith a line".to_owned();
        one.last_check = Some(LastCheck { method: Some(Method::Http), saw, at: UnixTime(1700) });
        let mut two = hostname(2, "*.client.example", 10, 1);
        two.errors = bailiwick::hostname::errors::VerificationError::all().collect();
        two.last_check = Some(LastCheck { method: None, saw: String::new(), at: UnixTime(0) });
        let mut three = hostname(3, "app.client.example", 20, 2);
        (three.status, three.block) = (Status::Blocked, Some(Block::Hold));
        let owner = Owner { zone: ZoneId(10), account: AccountId(1) };
        let hold = Hold { owner, include_subdomains: true, after: Some(UnixTime(5000)) };
        let fallback = fallback::create(ZoneId(20), name("proxy.zone20.example"), UnixTime(7));
        let token = Token {
            id: Uuid([9; 16]),
            name: "ci".to_owned(),
            account: Some(AccountId(2)),
            hash: [3; 32],
            read_only: true,
            created_at: UnixTime(8),
            modified_at: UnixTime(9),
            expires_at: None,
            scope: Default::default(),
            parent: Some(Uuid([8; 16])),
        };
        let (id, parent) = (Uuid([8; 16]), None);
        let operator = Token { id, account: None, read_only: false, parent, ..token.clone() };
        let changes = [
            put(&one),
            put(&two),
            put(&three),
            Change::Hold(hold),
            Change::Fallback(fallback.clone()),
            Change::Token(token.clone()),
            Change::Token(operator.clone()),
        ];
        commit(store, &changes).unwrap();
        for h in [&one, &two, &three] {
            assert_eq!(store.hostname(h.id).unwrap().as_ref(), Some(h));
        }
        assert_eq!(store.hostname(Uuid([4; 16])).unwrap(), None);
        assert_eq!(store.hostnames_named(&one.hostname).unwrap(), [one.clone(), three.clone()]);
        assert_eq!(store.hostnames_named(&two.hostname).unwrap(), [two.clone()]);
        let page = |store: &mut dyn Store, after, most| {
            store.hostnames_of(ZoneId(10), after, most).unwrap()
        };
        assert_eq!(page(store, None, 9), [one.clone(), two.clone()]);
        assert_eq!(page(store, None, 1), [one.clone()]);
        assert_eq!(page(store, Some(one.id), 9), [two.clone()]);
        let within = |store: &mut dyn Store, apex: &str, after: Option<&CustomHostname>, most| {
            let after = after.map(|h| (h.hostname.clone(), h.provider.zone));
            let mut found = store.hostnames_within(&name(apex), after.as_ref(), most).unwrap();
            found.sort_by_key(|h| h.id);
            found.iter().map(|h| h.id.0[0]).collect::<Vec<u8>>()
        };
        for apex in ["client.example", "example", "."] {
            assert_eq!(within(store, apex, None, 9), [1, 2, 3], "{apex}");
            let first = store.hostnames_within(&name(apex), None, 1).unwrap().remove(0);
            let mut paged = within(store, apex, Some(&first), 9);
            paged.push(first.id.0[0]);
            paged.sort_unstable();
            assert_eq!(paged, [1, 2, 3], "{apex}");
        }
        assert_eq!(within(store, "app.client.example", None, 9), [1, 3]);
        for apex in ["lient.example", "b.client.example", "com", "client.exampl"] {
            assert!(within(store, apex, None, 9).is_empty(), "{apex}");
        }
        let control = store.load().unwrap();
        assert_eq!(control.generation, Generation(2));
        assert_eq!(control.used, Used { accounts: 3, zones: 21 });
        assert_eq!((control.accounts.len(), control.zones.len()), (2, 2));
        assert_eq!(control.zones[1].settings, "{\"flatten\":\"all\"}");
        assert_eq!((control.holds, control.fallbacks), (vec![hold], vec![fallback]));
        assert_eq!(control.tokens, [operator, token]);
        let state = RowState::Active { owner: one.proof.unwrap().owner };
        let granted = Row { hostname: one.hostname, provider: one.provider, state };
        let blocked =
            Row { hostname: three.hostname, provider: three.provider, state: RowState::Blocked };
        assert_eq!(rows(store), [granted, blocked]);
    }]);
}

#[test]
fn a_commit_is_whole_or_nothing_and_for_one_generation() {
    all(&[|store| {
        world(store);
        let h = hostname(1, "app.client.example", 10, 1);
        let twin = hostname(2, "app.client.example", 10, 1);
        let wrong = [account(3), put(&h), put(&twin)];
        let refused = commit(store, &wrong).unwrap_err();
        assert!(matches!(refused, CommitError::Refused(Refused::Duplicate(_))), "{refused:?}");
        assert_eq!(store.hostname(h.id).unwrap(), None);
        assert_eq!(store.load().unwrap().accounts.len(), 2);
        assert_eq!(store.generation().unwrap(), Generation(1));
        let late = store.commit(&[put(&h)], Generation(0));
        assert_eq!(late, Err(CommitError::Conflict { current: Generation(1) }));
        let early = store.commit(&[put(&h)], Generation(2));
        assert_eq!(early, Err(CommitError::Conflict { current: Generation(1) }));
        assert_eq!(commit(store, &[put(&h)]), Ok(Generation(2)));
        // The same object again, and another with its id.
        assert_eq!(commit(store, &[put(&active(h.clone()))]), Ok(Generation(3)));
        let other = hostname(1, "other.client.example", 10, 1);
        let refused = commit(store, &[put(&other)]).unwrap_err();
        assert!(matches!(refused, CommitError::Refused(Refused::Duplicate(_))), "{refused:?}");
    }]);
}

#[test]
fn nothing_is_inherited_by_what_is_made_anew() {
    all(&[|store| {
        world(store);
        let h = active(hostname(1, "app.client.example", 10, 1));
        let owner = Owner { zone: ZoneId(10), account: AccountId(1) };
        let hold = Hold { owner, include_subdomains: false, after: None };
        let token = Token {
            id: Uuid([9; 16]),
            name: String::new(),
            account: Some(AccountId(1)),
            hash: [3; 32],
            read_only: false,
            created_at: UnixTime(8),
            modified_at: UnixTime(8),
            expires_at: Some(UnixTime(9)),
            scope: Default::default(),
            parent: None,
        };
        let row = Row::of(&active(hostname(2, "b.client.example", 10, 1))).unwrap();
        let changes = [
            put(&h),
            Change::Hold(hold),
            Change::Token(token.clone()),
            Change::Withdrawn { row, at: UnixTime(1800) },
        ];
        commit(store, &changes).unwrap();
        assert_eq!(rows(store).len(), 2);
        commit(store, &[Change::AccountRemoved(AccountId(1))]).unwrap();
        let left = store.load().unwrap();
        assert_eq!((left.accounts.len(), left.zones.len()), (1, 1));
        assert_eq!((left.holds.len(), left.tokens.len(), rows(store).len()), (0, 0, 0));
        assert_eq!(store.hostname(h.id).unwrap(), None);
        assert_eq!(store.due(UnixTime(u64::MAX >> 1), None, 10).unwrap(), []);
        assert_eq!(left.used, Used { accounts: 3, zones: 21 });
        for gone in [account(1), zone(10, 2), put(&h), Change::Hold(hold), Change::Token(token)] {
            let refused = commit(store, std::slice::from_ref(&gone)).unwrap_err();
            assert!(
                matches!(refused, CommitError::Refused(Refused::Gone(_))),
                "{gone:?} {refused}"
            );
        }
        // An id is bound to its name and its account.
        let refused = commit(store, &[account(3), zone(20, 3)]).unwrap_err();
        assert!(matches!(refused, CommitError::Refused(Refused::Duplicate(_))), "{refused:?}");
        let unknown = commit(store, &[put(&hostname(5, "x.example", 33, 1))]).unwrap_err();
        assert!(matches!(unknown, CommitError::Refused(Refused::Unknown(_))), "{unknown:?}");
    }]);
}

#[test]
fn what_was_withdrawn_is_remembered() {
    all(&[|store| {
        world(store);
        let h = active(hostname(1, "*.client.example", 10, 1));
        commit(store, &[put(&h)]).unwrap();
        // Deleted for good, in two steps.
        let step = lifecycle::step(&h, lifecycle::Event::Delete, UnixTime(2000));
        let changes = of_step(Some(&h), &step, "operator", UnixTime(2000));
        commit(store, &changes).unwrap();
        let state = RowState::Withdrawn(UnixTime(2000));
        let gone = Row { hostname: h.hostname.clone(), provider: h.provider, state };
        assert_eq!(rows(store), std::slice::from_ref(&gone));
        let deleted = step.state.unwrap();
        assert_eq!(store.due(UnixTime(2000), None, 9).unwrap(), [(UnixTime(2000), h.id)]);
        let step = lifecycle::step(&deleted, lifecycle::Event::Removed, UnixTime(2001));
        let changes = of_step(Some(&deleted), &step, "schedule", UnixTime(2001));
        commit(store, &changes).unwrap();
        assert_eq!((rows(store), store.hostname(h.id).unwrap()), (vec![gone], None));
        let audit = store.audit(&AuditFilter { most: 9, ..AuditFilter::default() }).unwrap();
        let arrows: Vec<_> =
            audit.iter().map(|(_, e)| (e.from.as_deref(), e.to.as_deref())).collect();
        assert_eq!(
            arrows,
            [(Some("pending_deletion"), None), (Some("active"), Some("pending_deletion"))]
        );
        // Granted anew, it is not withdrawn any more.
        let again = active(hostname(2, "*.client.example", 10, 1));
        commit(store, &[put(&again)]).unwrap();
        assert!(matches!(rows(store)[..], [Row { state: RowState::Active { .. }, .. }]));
        let row = Row::of(&h).unwrap();
        commit(store, &[Change::Withdrawn { row, at: UnixTime(3000) }]).unwrap();
        commit(store, &[Change::ForgetWithdrawn(UnixTime(3000))]).unwrap();
        assert_eq!(rows(store).len(), 2);
        commit(store, &[Change::ForgetWithdrawn(UnixTime(3001))]).unwrap();
        assert_eq!(rows(store).len(), 1);
    }]);
}

#[test]
fn due_and_audit_in_order() {
    all(&[|store| {
        world(store);
        let mut hostnames: Vec<_> =
            (1..=5).map(|n| hostname(n, &format!("h{n}.client.example"), 10, 1)).collect();
        for (n, h) in (0..).zip(&mut hostnames) {
            h.next_check_at = Some(UnixTime(5000 - 100 * n));
        }
        hostnames[2].status = Status::Blocked;
        let changes: Vec<_> = hostnames.iter().map(put).collect();
        commit(store, &changes).unwrap();
        let due = |store: &mut dyn Store, by, most| -> Vec<u8> {
            store.due(UnixTime(by), None, most).unwrap().iter().map(|(_, id)| id.0[0]).collect()
        };
        assert_eq!(due(store, 4900, 9), [5, 4, 2]);
        assert_eq!(due(store, 4900, 2), [5, 4]);
        // From one call to the next, to the end.
        let first = store.due(UnixTime(4900), None, 2).unwrap();
        let rest = store.due(UnixTime(4900), first.last().copied(), 9).unwrap();
        assert_eq!(rest.iter().map(|(_, id)| id.0[0]).collect::<Vec<_>>(), [2]);
        assert_eq!(store.due(UnixTime(4900), rest.last().copied(), 9).unwrap(), []);
        hostnames[4].next_check_at = Some(UnixTime(9000));
        commit(store, &[put(&hostnames[4]), Change::HostnameRemoved(Uuid([4; 16]))]).unwrap();
        assert_eq!(due(store, 4999, 9), [2]);
        let entries: Vec<_> = (0..6u8)
            .map(|n| {
                Change::Audit(AuditEntry {
                    at: UnixTime(u64::from(n)),
                    actor: "operator".to_owned(),
                    account: Some(AccountId(u32::from(n % 2) + 1)),
                    hostname: (n > 3).then_some(Uuid([n; 16])),
                    action: "x".to_owned(),
                    ..AuditEntry::default()
                })
            })
            .collect();
        commit(store, &entries).unwrap();
        let ats = |store: &mut dyn Store, filter: AuditFilter| -> Vec<u64> {
            store.audit(&filter).unwrap().iter().map(|(_, e)| e.at.0).collect()
        };
        let most = AuditFilter { most: 3, ..AuditFilter::default() };
        assert_eq!(ats(store, most), [5, 4, 3]);
        let page = store.audit(&most).unwrap();
        assert_eq!(ats(store, AuditFilter { before: Some(page[2].0), ..most }), [2, 1, 0]);
        assert_eq!(ats(store, AuditFilter { account: Some(AccountId(1)), ..most }), [4, 2, 0]);
        assert_eq!(ats(store, AuditFilter { hostname: Some(Uuid([4; 16])), ..most }), [4]);
    }]);
}

#[test]
fn changes_can_be_followed() {
    all(&[|store| {
        world(store);
        let h = hostname(1, "app.client.example", 10, 1);
        commit(store, &[put(&h)]).unwrap();
        commit(store, &[put(&active(h.clone())), Change::Audit(AuditEntry::default())]).unwrap();
        commit(store, &[Change::ZoneRemoved(ZoneId(20))]).unwrap();
        let since =
            |store: &mut dyn Store, g, most| store.changes_since(Generation(g), most).unwrap();
        let changed = |objects: &[Object], up_to| Since::Changed {
            objects: objects.to_vec(),
            up_to: Generation(up_to),
        };
        let all = [
            Object::Account(AccountId(1)),
            Object::Account(AccountId(2)),
            Object::Zone(ZoneId(10)),
            Object::Zone(ZoneId(20)),
            Object::Hostname(h.id),
        ];
        assert_eq!(since(store, 0, 100), changed(&all, 4));
        assert_eq!(since(store, 1, 2), changed(&all[4..], 3));
        assert_eq!(since(store, 3, 2), changed(&all[3..4], 4));
        assert_eq!(since(store, 4, 2), changed(&[], 4));
        assert_eq!(since(store, 5, 2), Since::TooOld);
    }]);
}

#[test]
fn a_restore_brings_back_no_grant_and_no_token() {
    let make = |store: &mut dyn Store| {
        world(store);
        let mut blocked = hostname(3, "blocked.client.example", 20, 2);
        (blocked.status, blocked.block) = (Status::Blocked, Some(Block::Abuse));
        let token = Token {
            id: Uuid([9; 16]),
            name: String::new(),
            account: None,
            hash: [3; 32],
            read_only: false,
            created_at: UnixTime(8),
            modified_at: UnixTime(8),
            expires_at: None,
            scope: Default::default(),
            parent: None,
        };
        let changes = [
            put(&active(hostname(1, "app.client.example", 10, 1))),
            put(&active(hostname(2, "b.client.example", 10, 1))),
            put(&blocked),
            put(&active(hostname(4, "c.client.example", 20, 2))),
            Change::Token(token),
            Change::Fallback(fallback::create(ZoneId(10), name("p.zone10.example"), UnixTime(5))),
            Change::Audit(AuditEntry { at: UnixTime(9), ..AuditEntry::default() }),
        ];
        commit(store, &changes).unwrap();
    };
    let tokens = || {
        let mut n = 100;
        move || {
            n += 1;
            Tokens::from_random([n; 32])
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let mut live = Sqlite::open(&folder.path().join("live.db")).unwrap();
    make(&mut live);
    let copy = folder.path().join("backup.db");
    live.copy_to(&copy).unwrap();
    assert!(live.copy_to(&copy).is_err(), "a backup overwrites nothing");
    // Since then: one grant revoked, one hostname deleted, a token revoked, an account gone.
    let mut one = live.hostname(Uuid([1; 16])).unwrap().unwrap();
    one = lifecycle::step(&one, lifecycle::Event::Blocked(Block::Abuse), UnixTime(5000))
        .state
        .unwrap();
    let since = [
        put(&one),
        Change::HostnameRemoved(Uuid([2; 16])),
        Change::TokenRemoved(Uuid([9; 16])),
        Change::AccountRemoved(AccountId(2)),
    ];
    commit(&mut live, &since).unwrap();
    let mut from = Sqlite::open(&copy).unwrap();
    let same = |zone: &Zone, _: &str| Some(Owner { zone: zone.id, account: zone.account });
    let mut tokens_of = tokens();
    let now = UnixTime(6000);
    let restored = backup::restore(&mut from, &mut live, &same, &mut tokens_of, now).unwrap();
    // What was taken away from the store that the backup was made of stays away: nobody meant it to come back.
    assert_eq!((restored.hostnames, restored.accounts, restored.zones), (0, 0, 0));
    assert_eq!((restored.is_own, restored.left_out), (true, 4));
    assert_eq!(live.hostname(one.id).unwrap().as_ref(), Some(&one));
    assert_eq!(live.hostname(Uuid([2; 16])).unwrap(), None);
    let states: Vec<_> = rows(&mut live).into_iter().map(|r| r.state).collect();
    assert_eq!(states, [RowState::Blocked]);
    assert_eq!(live.load().unwrap().tokens, []);

    // Into nothing: what was active has to be proved again, what was blocked stays so.
    let mut empty = Memory::default();
    let restored = backup::restore(&mut from, &mut empty, &same, &mut tokens_of, now).unwrap();
    assert_eq!((restored.hostnames, restored.zones, restored.left_out), (4, 2, 0));
    let states: Vec<_> = rows(&mut empty).into_iter().map(|r| r.state).collect();
    assert_eq!(states, [RowState::Blocked]);
    let two = empty.hostname(Uuid([2; 16])).unwrap().unwrap();
    assert_eq!((two.status, two.proof), (Status::Pending, None));
    assert_ne!(two.tokens, Tokens::from_random([2; 32]));
    // Whatever of it is taken away there does not come back by another restore.
    commit(&mut empty, &[Change::HostnameRemoved(Uuid([2; 16]))]).unwrap();
    let again = backup::restore(&mut from, &mut empty, &same, &mut tokens_of, now).unwrap();
    assert_eq!((again.is_own, again.hostnames, again.left_out), (false, 0, 1));
    let control = empty.load().unwrap();
    assert_eq!((control.tokens.len(), control.fallbacks.len()), (0, 1));
    assert_eq!(control.fallbacks[0].status, fallback::Status::Initializing);

    // Into a folder in which the same zone has other ids, and another zone has its old one.
    let mut other = Memory::default();
    let moved = |zone: &Zone, account: &str| {
        let owner = Owner { zone: ZoneId(zone.id.0 + 10), account: AccountId(zone.account.0 + 1) };
        (account == "account-1").then_some(owner)
    };
    let restored = backup::restore(&mut from, &mut other, &moved, &mut tokens_of, now).unwrap();
    assert_eq!((restored.hostnames, restored.zones, restored.left_out), (2, 1, 1));
    let two = other.hostname(Uuid([2; 16])).unwrap().unwrap();
    assert_eq!(two.provider, Owner { zone: ZoneId(20), account: AccountId(2) });
}

#[test]
fn faults_on_demand() {
    let mut store = Memory::default();
    world(&mut store);
    store.fault = Some(Fault::Refuses(Trouble::Full));
    let full = commit(&mut store, &[account(3)]).unwrap_err().to_string();
    assert!(full.contains("nothing was changed") && full.contains("disk is full"), "{full}");
    assert_eq!(store.load().unwrap().accounts.len(), 2);
    store.fault = Some(Fault::ForgetsToSay);
    assert!(commit(&mut store, &[account(3)]).is_err());
    assert_eq!(store.load().unwrap().accounts.len(), 3);
}

#[test]
fn zones_of_the_store_go_back_to_earlier_versions() {
    use bailiwick::records::{Content, Record};
    all(&[|store| {
        world(store);
        let mut content = Content::new(ZoneId(10), vec![name("ns1.example")], UnixTime(5));
        let record = |n: u8, text: &[u8]| Record {
            id: Uuid([n; 16]),
            name: name("w.zone10.example"),
            rtype: 16,
            rdata: text.into(),
            spelling: None,
            ttl: 60,
            flatten: false,
            comment: "".into(),
            tags: Vec::new(),
            created_at: UnixTime(6),
            modified_at: UnixTime(7),
            comment_at: None,
            tags_at: None,
        };
        let mut write = |store: &mut dyn Store, changes: Vec<Change>| {
            content.serial += 1;
            let mut all = vec![Change::Content(Box::new(content.clone()))];
            all.extend(changes);
            let (at, zone) = (UnixTime(50), Some(ZoneId(10)));
            let (actor, action) = ("token 1".to_owned(), "record.changed".to_owned());
            all.push(Change::Audit(AuditEntry { at, zone, actor, action, ..Default::default() }));
            commit(store, &all).unwrap();
            content.serial
        };
        let put = |record: Record| Change::Record { zone: ZoneId(10), record: Box::new(record) };
        let remove = |n: u8| Change::RecordRemoved { zone: ZoneId(10), id: Uuid([n; 16]) };
        let (one, two) = (record(1, b"\x01a"), record(2, b"\x01b"));
        let first = write(store, vec![put(one.clone())]);
        let second = write(store, vec![put(record(1, b"\x01c")), put(two.clone())]);
        let third = write(store, vec![remove(2), put(record(3, b"\x01d"))]);
        let undo = |store: &mut dyn Store, serial| {
            let mut undo = store.undo(ZoneId(10), serial).unwrap().unwrap();
            undo.sort_by_key(|(id, _)| *id);
            undo
        };
        let id = |n: u8| Uuid([n; 16]);
        assert_eq!(undo(store, third), []);
        assert_eq!(undo(store, second), [(id(2), Some(two)), (id(3), None)]);
        assert_eq!(undo(store, first), [(id(1), Some(one)), (id(2), None), (id(3), None)]);
        assert_eq!(store.undo(ZoneId(10), third + 1), Ok(None));
        assert_eq!(store.undo(ZoneId(20), first), Ok(None));
        let versions = store.versions(ZoneId(10)).unwrap();
        let shown: Vec<_> = versions.iter().map(|v| (v.serial, v.changes, v.at.0)).collect();
        assert_eq!(shown, [(third, 2, 50), (second, 2, 50), (first, 1, 50)]);
        assert_eq!((&*versions[0].actor, &*versions[0].action), ("token 1", "record.changed"));
        commit(store, &[Change::ZoneRemoved(ZoneId(10))]).unwrap();
        assert_eq!(store.versions(ZoneId(10)), Ok(Vec::new()));
        assert_eq!(store.undo(ZoneId(10), first), Ok(None));
    }]);
}

#[test]
fn zones_of_the_store_come_back_with_their_records() {
    use bailiwick::records::{Content, Record};
    all(&[|store| {
        world(store);
        let mut content = Content::new(ZoneId(10), vec![name("ns1.example")], UnixTime(5));
        let record = |n: u8, owner: &str| Record {
            id: Uuid([n; 16]),
            name: name(owner),
            rtype: 16,
            rdata: b"\x01x".as_slice().into(),
            spelling: (n == 1).then(|| "\"x\"".into()),
            ttl: 1,
            flatten: n == 2,
            comment: "one; line".into(),
            tags: vec!["team:dns".into(), "old".into()],
            created_at: UnixTime(6),
            modified_at: UnixTime(7),
            comment_at: Some(UnixTime(8)),
            tags_at: None,
        };
        let put = |zone: u32, record: &Record| Change::Record {
            zone: ZoneId(zone),
            record: Box::new(record.clone()),
        };
        let (one, two) = (record(1, "w.zone10.example"), record(2, "v.zone10.example"));
        // Not before the zone has a content.
        let early = commit(store, &[put(10, &one)]);
        assert!(matches!(early, Err(CommitError::Refused(Refused::Unknown(_)))));
        let changes = [Change::Content(Box::new(content.clone())), put(10, &one), put(10, &two)];
        let before = store.generation().unwrap();
        commit(store, &changes).unwrap();
        let changed = Since::Changed {
            objects: vec![Object::Content(ZoneId(10))],
            up_to: Generation(before.0 + 1),
        };
        assert_eq!(store.changes_since(before, 9), Ok(changed));
        assert_eq!(store.content(ZoneId(10)), Ok(Some(content.clone())));
        assert_eq!(store.content(ZoneId(20)), Ok(None));
        assert_eq!(store.record(ZoneId(10), Uuid([1; 16])), Ok(Some(one.clone())));
        assert_eq!(store.record(ZoneId(20), Uuid([1; 16])), Ok(None));
        assert_eq!(store.records(ZoneId(10), None).unwrap().len(), 2);
        assert_eq!(store.records(ZoneId(10), Some(&two.name)), Ok(vec![two]));
        content.serial += 1;
        let removed = Change::RecordRemoved { zone: ZoneId(10), id: Uuid([2; 16]) };
        commit(store, &[Change::Content(Box::new(content.clone())), removed]).unwrap();
        assert_eq!(store.contents(), Ok(vec![content]));
        assert_eq!(store.records(ZoneId(10), None), Ok(vec![one]));
        // Gone with its zone.
        commit(store, &[Change::ZoneRemoved(ZoneId(10))]).unwrap();
        assert_eq!(store.contents(), Ok(Vec::new()));
        assert_eq!(store.records(ZoneId(10), None), Ok(Vec::new()));
    }]);
}

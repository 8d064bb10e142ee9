//! The fixed world that questions are put to: accounts, zones, grants and modes of every kind, twice.
//!
//! Account 4 grants nothing. In the twin of a world its zones hold other data or none; whoever does not ask for a name
//! of that account must not be able to tell the two apart.

use std::sync::LazyLock;

use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::grant::{Grant, GrantState, GrantTable, Trusts};
use bailiwick::model::settings::{CrossAccount, FlattenMode, Identity, OnViolation, Rules};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::model::zone::ZoneData;
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::{self, NoIncludes};

use super::facts::Facts;

pub const NOW: UnixTime = UnixTime(1_800_000_000);
/// The account that grants nothing.
pub const VAULT: u32 = 4;

/// One state of the world, its twin, and what is known of it beside the server.
pub struct World {
    pub snapshot: Snapshot,
    pub twin: Snapshot,
    pub facts: Facts,
}

/// The worlds: without a root zone, and with one and with tighter rules.
pub static WORLDS: LazyLock<[World; 2]> = LazyLock::new(|| [World::new(false), World::new(true)]);

/// One zone as it is set up.
pub struct Spec {
    pub account: u32,
    pub apex: Name,
    pub mode: OnViolation,
    pub cross: CrossAccount,
    pub flatten: FlattenMode,
    /// Nothing: it never loaded.
    pub text: Option<String>,
    /// What is in the twin, where that differs.
    twin: Option<Option<String>>,
}

/// A custom hostname: account 1 unless the name is of account 3.
pub struct Given {
    pub hostname: &'static str,
    pub zone: &'static str,
    pub state: GrantState,
}

const fn given(hostname: &'static str, zone: &'static str, state: GrantState) -> Given {
    Given { hostname, zone, state }
}

const DAY: u64 = 86_400;
pub const GRANTS: &[Given] = &[
    given("granted.example.com", "saas.example", GrantState::Active),
    given("granted2.example.com", "saas.example", GrantState::Active),
    given("back.example.com", "saas.example", GrantState::Active),
    given("asaas.example.com", "saas.example", GrantState::Active),
    given("ahid.example.com", "saas.example", GrantState::Active),
    given("hsaas.example.com", "saas.example", GrantState::Active),
    given("*.wsaas.example.com", "saas.example", GrantState::Active),
    given("*.dsaas.example.com", "saas.example", GrantState::Active),
    given("blocked.wsaas.example.com", "saas.example", GrantState::Blocked),
    given("withdrawn.example.com", "saas.example", GrantState::Withdrawn(UnixTime(NOW.0 - DAY))),
    given(
        "withdrawn-long.example.com",
        "saas.example",
        GrantState::Withdrawn(UnixTime(NOW.0 - 8 * DAY)),
    ),
    given("back.saas.example", "example.com", GrantState::Active),
    given("mixed.refuse.test", "example.com", GrantState::Active),
    // Stops at the zone of another account, so it opens nothing for account 4.
    given("*.example.com", "example.net", GrantState::Active),
];
/// Who trusts whom.
pub const TRUSTS: &[(u32, u32)] = &[(6, 1)];

pub const SINKHOLE: &[&str] = &["192.0.2.1", "192.0.2.2", "2001:db8:ffff::1"];

const CUSTOMER: &str = include_str!("../../world/customer.zone");
const NET: &str = include_str!("../../world/customer-net.zone");
const SAAS: &str = include_str!("../../world/saas.zone");
const MODES: &str = include_str!("../../world/modes.zone");
const VAULT_TEXT: &str = include_str!("../../world/vault.zone");
const VAULT_OTHER: &str = include_str!("../../world/vault-other.zone");
const OPEN: &str = include_str!("../../world/open.zone");
const SMALL: &str = include_str!("../../world/small.zone");
const ROOT: &str = include_str!("../../world/root.zone");

fn spec(account: u32, apex: &str, text: Option<&str>) -> Spec {
    // Addresses tell the account.
    let mark = |text: &str| {
        ["10.8.", "10.9."]
            .iter()
            .fold(text.to_owned(), |text, from| text.replace(from, &format!("10.{account}.")))
            .replace("2001:db8:9:", &format!("2001:db8:{account}:"))
    };
    Spec {
        account,
        apex: Name::from_text(apex).expect("written by hand"),
        mode: OnViolation::Refuse,
        cross: CrossAccount::Granted,
        flatten: FlattenMode::Apex,
        text: text.map(mark),
        twin: None,
    }
}

/// All zones of a world.
pub fn zones(with_root: bool) -> Vec<Spec> {
    let modes = [
        ("refuse.test", OnViolation::Refuse),
        ("nodata.test", OnViolation::NoData),
        ("nxdomain.test", OnViolation::NxDomain),
        ("sinkhole.test", OnViolation::Sinkhole),
        ("report.test", OnViolation::Report),
    ];
    let vault = |apex: &str, text: Option<&str>, twin: Option<&str>| Spec {
        twin: Some(twin.map(str::to_owned)),
        ..spec(VAULT, apex, text)
    };
    let long = ["l".repeat(63), "m".repeat(63), "n".repeat(63), "o".repeat(40)].join(".");
    let mut zones = vec![
        spec(1, "example.com", Some(CUSTOMER)),
        Spec { flatten: FlattenMode::All, ..spec(1, "example.net", Some(NET)) },
        spec(1, "own.example.com", Some(SMALL)),
        spec(1, "2.0.192.in-addr.arpa", Some(SMALL)),
        spec(1, &"a.".repeat(110), Some(SMALL)),
        spec(1, &long, Some(SMALL)),
        spec(2, "saas.example", Some(SAAS)),
        spec(2, "unready.saas.example", None),
        spec(3, "zone.on.nxdomain.test", Some(SMALL)),
        vault("vault.example", Some(VAULT_TEXT), Some(VAULT_OTHER)),
        vault("secret.example.com", Some(VAULT_TEXT), None),
        vault("cellar.test", None, Some(VAULT_TEXT)),
        vault("b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.deep.test", Some(VAULT_OTHER), Some(VAULT_TEXT)),
        vault("vault", Some(VAULT_TEXT), Some(VAULT_OTHER)),
        Spec { cross: CrossAccount::Anyone, ..spec(5, "open.example", Some(OPEN)) },
        spec(6, "partner.example", Some(OPEN)),
    ];
    zones.extend(modes.map(|(apex, mode)| Spec { mode, ..spec(3, apex, Some(MODES)) }));
    if with_root {
        zones.push(spec(7, ".", Some(ROOT)));
    }
    zones
}

impl World {
    fn new(with_root: bool) -> World {
        let specs = zones(with_root);
        let facts = Facts::new(&specs);
        let [snapshot, twin] = [false, true].map(|twin| snapshot(&specs, with_root, twin));
        World { snapshot, twin, facts }
    }
}

fn snapshot(specs: &[Spec], with_root: bool, twin: bool) -> Snapshot {
    let key = HashKey::new(*b"a fixed hash key");
    let mut zones = Vec::new();
    for (spec, id) in specs.iter().zip(1..) {
        let text = spec.twin.as_ref().filter(|_| twin).unwrap_or(&spec.text);
        let data = match text {
            Some(text) => data(&spec.apex, text, &key),
            None => ZoneData::unready(&spec.apex),
        };
        zones.push(Zone {
            id: ZoneId(id),
            account: AccountId(spec.account),
            on_violation: spec.mode,
            cross_account: spec.cross,
            flatten: spec.flatten,
            data,
        });
    }
    let id_of = |apex: &str| {
        let apex = Name::from_text(apex).expect("written by hand");
        let at = specs.iter().position(|spec| spec.apex == apex).expect("one of the zones");
        ZoneId(at as u32 + 1)
    };
    let grant = |given: &Given| {
        let bare = given.hostname.trim_start_matches("*.");
        let hostname = Name::from_text(bare).expect("written by hand");
        let wildcard = bare != given.hostname;
        let hash = key.name(hostname.as_wire());
        (hash, Grant { hostname, wildcard, zone: id_of(given.zone), state: given.state })
    };
    let mut snapshot = Snapshot::empty(key);
    snapshot.catalog = Catalog::build(key, zones);
    snapshot.grants = GrantTable::build(GRANTS.iter().map(grant).collect());
    let trusts = TRUSTS.iter().map(|&(who, whom)| (AccountId(who), AccountId(whom)));
    snapshot.trusts = Trusts::build(trusts.collect());
    let sinkhole = SINKHOLE.iter().map(|a| a.parse().expect("written by hand")).collect();
    snapshot.rules = Rules { sinkhole, ..Rules::default() };
    snapshot.identity = Identity {
        nsid: "node-7 é".to_owned(),
        version: "fuzzed".to_owned(),
        cookie_secret: [7; 16],
        tcp_idle: 10,
    };
    if with_root {
        snapshot.rules = Rules { max_hops: 3, crossing_ttl: 30, ..snapshot.rules };
        snapshot.rules.sinkhole.truncate(1);
        snapshot.identity = Identity { nsid: "n".repeat(128), ..Identity::default() };
    }
    snapshot
}

/// A zone text, which has no errors, to what the server serves.
fn data(apex: &Name, text: &str, key: &HashKey) -> ZoneData {
    let source = Source { path: apex.to_string(), text: text.as_bytes().into() };
    let parsed = zonefile::read(apex, source, &mut NoIncludes, key);
    assert!(!parsed.has_errors(), "{apex}: {:#?}", parsed.findings);
    zonefile::build::build(apex, &parsed, key).expect("a zone without errors")
}

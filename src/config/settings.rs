//! What a config means: checked values with the defaults filled in (SPEC §2).
//!
//! Whether an account or zone that a setting names exists is not known here: such names keep their [`Place`], for the
//! warnings of `dangling`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::base::name::Name;
use crate::base::rtype::RType;
use crate::hostname::proof::Places;
use crate::model::barred::Barred;
use crate::model::flattened::AnchorSet;
use crate::model::prefix::Prefix;
use crate::model::settings::{CrossAccount, FlattenMode, OnViolation, Rules};
use crate::zonefile::filename::is_account_name;
use crate::zonefile::finding::{Place, Source};

/// Name of an account: `[a-z0-9][a-z0-9._-]*`, also the name of its folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AccountName(Box<str>);

impl AccountName {
    /// `None` if the text is no account name.
    pub fn new(text: &str) -> Option<AccountName> {
        is_account_name(text).then(|| AccountName(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for AccountName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A whole config.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What places mean, secrets blotted out.
    pub source: Source,
    pub server: Server,
    pub policy: Policy,
    pub hold: Hold,
    pub log: Log,
    pub flatten: Flatten,
    pub api: Api,
    pub block_page: BlockPage,
    pub hostnames: Hostnames,
    pub accounts: BTreeMap<AccountName, Account>,
    pub zones: BTreeMap<Name, Zone>,
    /// In the order of the file.
    pub grants: Vec<Grant>,
}

/// What the command line puts over a config. Paths are relative to the current folder.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Overrides {
    /// Empty: as the config says.
    pub listen: Vec<SocketAddr>,
    pub zones: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub log: Option<LogFormat>,
}

/// Default of `server.data`.
pub(super) const DATA: &str = "data";

/// `[server]`. Paths are already joined with the folder of the config.
#[derive(Clone, PartialEq, Debug)]
pub struct Server {
    /// Without duplicates; port 0 means any free port.
    pub listen: Vec<SocketAddr>,
    pub zones: PathBuf,
    pub data: PathBuf,
    /// UDP worker threads; `None`: one per core.
    pub workers: Option<usize>,
    /// Drop to this user after binding.
    pub user: Option<String>,
    /// Empty: no NSID.
    pub nsid: String,
    /// CH TXT `version.bind`; empty: REFUSED.
    pub version: String,
    /// `None`: random at start.
    pub cookie_secret: Option<[u8; 16]>,
    pub tcp_max: usize,
    pub tcp_per_address: usize,
    /// Seconds without a question; also the longest a write may take.
    pub tcp_idle: u16,
    /// A newer Public Suffix List; `None`: the built-in one.
    pub public_suffixes: Option<PathBuf>,
    /// Most microseconds a busy UDP worker may wait for more questions; 0: never.
    pub nap_us: u32,
    /// Names of this server's nameservers, for zones made through the API; without duplicates.
    pub nameservers: Vec<Name>,
}

/// `[policy]`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Policy {
    /// Of the server; an account or a zone may say otherwise ([`Settings::on_violation`]).
    pub on_violation: OnViolation,
    /// `max_hops`, `crossing_ttl`, `sinkhole`, `sinkhole_ttl`.
    pub rules: Rules,
    /// Public suffixes (or the root) that an account may hold.
    pub suffixes: BTreeMap<Name, AccountRef>,
}

/// `[hold]`: an edit that removes more than both is held (SPEC §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    pub percent: u8,
    pub records: usize,
}

/// A key of a zone, or the digest of one, that is believed without further proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustAnchor {
    pub zone: Name,
    /// DNSKEY or DS.
    pub rtype: RType,
    pub rdata: Box<[u8]>,
}

/// Tells sets of anchors apart, in whatever order and however often they are listed.
pub fn anchor_set(anchors: &[TrustAnchor]) -> AnchorSet {
    let parts = |anchor: &TrustAnchor| {
        let [high, low] = anchor.rtype.to_be_bytes();
        let length = (anchor.rdata.len() as u16).to_be_bytes();
        [anchor.zone.as_wire(), &[high, low], &length, &anchor.rdata].concat()
    };
    let mut all: Vec<Vec<u8>> = anchors.iter().map(parts).collect();
    all.sort_unstable();
    all.dedup();
    let digest = Sha256::digest(all.concat());
    AnchorSet(digest.iter().take(8).fold(0, |set, octet| set << 8 | u64::from(*octet)))
}

/// `[flatten]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flatten {
    /// Of the server; a zone may say otherwise ([`Settings::flatten`]).
    pub mode: FlattenMode,
    /// Recursive resolvers for targets outside, without duplicates; empty: the system's.
    pub upstream: Vec<SocketAddr>,
    /// Seconds; never above `max_ttl`.
    pub min_ttl: u32,
    pub max_ttl: u32,
    /// Seconds that an expired answer may still be served when no upstream answers (RFC 8767).
    pub stale: u32,
    /// An answer that needs the outside goes out by then.
    pub deadline_ms: u32,
    /// Only answers that hold against DNSSEC.
    pub validate: bool,
    /// Where validation begins; empty: the keys of the root that the program knows.
    pub trust_anchors: Vec<TrustAnchor>,
    /// Special-purpose addresses may come from outside.
    pub allow_special: bool,
    /// The order of addresses changes from answer to answer.
    pub rotate: bool,
}

/// `[api]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Api {
    /// `None`: there is no API.
    pub listen: Option<SocketAddr>,
    /// A record that makes a denied edge, a circle or too long a chain is refused, not only warned about.
    pub deny_violations: bool,
    /// Certificate chain and key; both or neither.
    pub tls: Option<Tls>,
}

/// Where a certificate and its key lie, both as PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// `[block_page]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockPage {
    /// `None`: no page is served.
    pub listen: Option<SocketAddr>,
    /// HTTP status of a denied name.
    pub status: u16,
}

/// `[hostnames]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hostnames {
    /// `label_prefix` and `path_prefix`: where tokens are looked for.
    pub places: Places,
    /// Of the look for the HTTP token.
    pub user_agent: String,
    /// Names of partial zones are served below it.
    pub partial_suffix: Name,
    /// HTTP tokens may be fetched from special-purpose addresses.
    pub allow_special: bool,
    /// The abuse list.
    pub blocked: Barred,
}

/// `[log]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Log {
    pub format: LogFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// `[accounts.NAME]`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Account {
    /// For people; empty if not given.
    pub name: String,
    /// Accounts whose names may lead into any zone of this one.
    pub trusts: Vec<AccountRef>,
    pub on_violation: Option<OnViolation>,
    /// Addresses that prove a hostname, with `apex_proxying`; no two accounts share one.
    pub ip_prefixes: Vec<Prefix>,
    pub apex_proxying: bool,
    /// Of the table.
    pub place: Place,
}

/// How the names of a zone are served (SPEC §7.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ZoneType {
    #[default]
    Full,
    /// As `<name>.<partial_suffix>`: the zone itself is served elsewhere.
    Partial,
}

/// `[zones."NAME"]`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Zone {
    pub kind: ZoneType,
    pub cross_account: Option<CrossAccount>,
    pub flatten: Option<FlattenMode>,
    pub on_violation: Option<OnViolation>,
    /// Zones strictly below this one that other accounts may hold.
    pub delegates: BTreeMap<Name, AccountRef>,
    /// The name in this zone that its custom hostnames lead to.
    pub fallback_origin: Option<Name>,
    /// Of the table.
    pub place: Place,
}

/// An account that a setting names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountRef {
    pub account: AccountName,
    pub place: Place,
}

/// One `[[grants]]`: names that match `hostname` may lead into `zone`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// A leading `*` label makes it a wildcard.
    pub hostname: Name,
    pub zone: Name,
    /// Of `hostname`.
    pub place: Place,
    pub zone_place: Place,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            source: Source { path: "config.toml".into(), text: [].into() },
            server: Server::default(),
            policy: Policy::default(),
            hold: Hold::default(),
            log: Log::default(),
            flatten: Flatten::default(),
            api: Api::default(),
            block_page: BlockPage::default(),
            hostnames: Hostnames::default(),
            accounts: BTreeMap::new(),
            zones: BTreeMap::new(),
            grants: Vec::new(),
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: Vec::new(),
            zones: "zones".into(),
            data: DATA.into(),
            workers: None,
            user: None,
            nsid: String::new(),
            version: String::new(),
            cookie_secret: None,
            tcp_max: 1024,
            tcp_per_address: 128,
            tcp_idle: 10,
            public_suffixes: None,
            nap_us: 0,
            nameservers: Vec::new(),
        }
    }
}

impl Flatten {
    /// What `validate` goes down from.
    pub fn anchor_set(&self) -> AnchorSet {
        anchor_set(&self.trust_anchors)
    }
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten {
            mode: FlattenMode::default(),
            upstream: Vec::new(),
            min_ttl: 30,
            max_ttl: 86_400,
            stale: 86_400,
            deadline_ms: 1500,
            validate: false,
            trust_anchors: Vec::new(),
            allow_special: false,
            rotate: false,
        }
    }
}

impl Default for BlockPage {
    fn default() -> BlockPage {
        BlockPage { listen: None, status: 409 }
    }
}

impl Default for Hostnames {
    fn default() -> Hostnames {
        let partial_suffix = Name::from_text("cdn.bailiwick.invalid").expect("a name");
        Hostnames {
            places: Places::default(),
            user_agent: "Bailiwick Custom Hostname Verification".to_owned(),
            partial_suffix,
            allow_special: false,
            blocked: Barred::default(),
        }
    }
}

impl Default for Hold {
    fn default() -> Hold {
        Hold { percent: 50, records: 20 }
    }
}

impl Overrides {
    pub fn apply(&self, settings: &mut Settings) {
        let server = &mut settings.server;
        if !self.listen.is_empty() {
            server.listen.clone_from(&self.listen);
        }
        if let Some(zones) = &self.zones {
            server.zones.clone_from(zones);
        }
        if let Some(data) = &self.data {
            server.data.clone_from(data);
        }
        if let Some(format) = self.log {
            settings.log.format = format;
        }
    }
}

impl Settings {
    /// How a denied question looks whose owner lies in `zone` of `account`: the zone says, else the account, else the
    /// server.
    pub fn on_violation(&self, account: &str, zone: &Name) -> OnViolation {
        let of_zone = self.zones.get(zone).and_then(|z| z.on_violation);
        let of_account = || self.accounts.get(account).and_then(|a| a.on_violation);
        of_zone.or_else(of_account).unwrap_or(self.policy.on_violation)
    }

    /// Which CNAMEs of `zone` are flattened.
    pub fn flatten(&self, zone: &Name) -> FlattenMode {
        self.zones.get(zone).and_then(|z| z.flatten).unwrap_or(self.flatten.mode)
    }

    /// Who may lead into `zone` without a grant.
    pub fn cross_account(&self, zone: &Name) -> CrossAccount {
        self.zones.get(zone).and_then(|z| z.cross_account).unwrap_or_default()
    }

    /// The zones that are partial.
    pub fn partial_zones(&self) -> impl Iterator<Item = &Name> {
        self.zones.iter().filter(|(_, zone)| zone.kind == ZoneType::Partial).map(|(apex, _)| apex)
    }

    /// Of a partial zone: the name below which its names are served. `None`: a full zone, or the name is too long.
    pub fn partial(&self, zone: &Name) -> Option<Name> {
        self.zones.get(zone).filter(|z| z.kind == ZoneType::Partial)?;
        let front = zone.as_wire().strip_suffix(b"\0")?;
        Name::from_wire(&[front, self.hostnames.partial_suffix.as_wire()].concat()).ok()
    }

    /// Names of the settings that changed from `self` to `new` and need a restart.
    pub fn needs_restart(&self, new: &Settings) -> Vec<&'static str> {
        let (a, b) = (&self.server, &new.server);
        [
            ("server.listen", a.listen != b.listen),
            ("server.workers", a.workers != b.workers),
            ("server.data", a.data != b.data),
            ("server.user", a.user != b.user),
            ("log.format", self.log != new.log),
            (
                "api",
                Api { deny_violations: false, ..self.api.clone() }
                    != Api { deny_violations: false, ..new.api.clone() },
            ),
            ("block_page.listen", self.block_page.listen != new.block_page.listen),
        ]
        .into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names() {
        for good in ["a", "0", "acct-b", "a.b_c"] {
            assert_eq!(AccountName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "_a", "A", "a b", "a/b", "ä"] {
            assert_eq!(AccountName::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn zone_before_account_before_server() {
        let zone = Name::from_text("example.com").unwrap();
        let mut settings = Settings::default();
        assert_eq!(settings.on_violation("a", &zone), OnViolation::Refuse);
        let account = Account { on_violation: Some(OnViolation::Report), ..Account::default() };
        settings.accounts.insert(AccountName::new("a").unwrap(), account);
        assert_eq!(settings.on_violation("a", &zone), OnViolation::Report);
        let settings_of_zone = Zone { on_violation: Some(OnViolation::NoData), ..Zone::default() };
        settings.zones.insert(zone.clone(), settings_of_zone);
        assert_eq!(settings.on_violation("a", &zone), OnViolation::NoData);
        assert_eq!(settings.on_violation("b", &Name::root()), OnViolation::Refuse);
    }
}

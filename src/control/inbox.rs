//! Stored names that lead into zones of other accounts without being let in: what these accounts may want to grant.
//!
//! Found by a look at all zones, made when somebody asks and the last one is old: one that takes long is made more
//! rarely. What it finds is bounded, for each pair of account and zone and in all, so that nobody fills the list of
//! somebody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::base::id::{AccountId, Generation, ZoneId};
use crate::base::limits::{REQUESTS, REQUESTS_PER_PAIR};
use crate::base::name::{Name, Text};
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::model::catalog::Zone;
use crate::model::grant::Grants;
use crate::model::snapshot::Snapshot;
use crate::model::zone::{Node, NodeFlags, RrSet};
use crate::policy::judge::{Edge, EdgeKind, judge};
use crate::policy::verdict::{Reason, Verdict};
use crate::rdata;

/// Looks at all zones take at most this share of the time.
const SHARE: u32 = 20;

/// One record that leads into a zone of another account, which does not let it in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What a grant would have to name: the owner, for a DNAME a wildcard at it.
    pub hostname: String,
    pub rtype: RType,
    /// Where it leads.
    pub target: Name,
    pub from: (ZoneId, AccountId),
    pub to: ZoneId,
    pub reason: Reason,
}

/// All of them, by the account that they lead to, in the order of zone and hostname.
#[derive(Debug, Default)]
pub struct Requests {
    of: HashMap<AccountId, Vec<Request>>,
    /// How many more there are.
    left_out: HashMap<AccountId, usize>,
}

impl Requests {
    /// Those that lead to `account`, and how many more there are.
    pub fn of(&self, account: AccountId) -> (&[Request], usize) {
        let list = self.of.get(&account).map_or(&[][..], Vec::as_slice);
        (list, self.left_out.get(&account).copied().unwrap_or(0))
    }
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct Inbox {
    last: Mutex<Option<Seen>>,
    /// Held by who looks.
    turn: Mutex<()>,
}

#[derive(Clone, Debug)]
struct Seen {
    generation: Generation,
    until: Instant,
    requests: Arc<Requests>,
}

impl Inbox {
    /// What leads where in `snapshot`, or a little earlier. May take seconds.
    pub fn look(&self, snapshot: &Snapshot, now: UnixTime) -> Arc<Requests> {
        let is_new =
            |seen: &Seen| seen.generation == snapshot.generation || Instant::now() < seen.until;
        let last = self.last();
        if let Some(seen) = last.as_ref().filter(|seen| is_new(seen)) {
            return Arc::clone(&seen.requests);
        }
        let _turn = match (self.turn.try_lock(), last) {
            (Ok(turn), _) => turn,
            // Somebody looks: what was found before will do, and nobody waits for a million zones.
            (Err(TryLockError::WouldBlock), Some(seen)) => return seen.requests,
            (Err(_), _) => self.turn.lock().unwrap_or_else(PoisonError::into_inner),
        };
        // Who waited for the first look has it now.
        if let Some(seen) = self.last().filter(is_new) {
            return seen.requests;
        }
        let began = Instant::now();
        let requests = Arc::new(scan(snapshot, now));
        let until = Instant::now() + began.elapsed().min(Duration::from_secs(60)) * SHARE;
        let found = Arc::clone(&requests);
        let seen = Seen { generation: snapshot.generation, until, requests };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        found
    }

    fn last(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks at all zones.
pub fn scan(snapshot: &Snapshot, now: UnixTime) -> Requests {
    let mut scan = Scan {
        snapshot,
        now,
        owner: NameBuf::default(),
        target: NameBuf::default(),
        pairs: HashMap::new(),
        count: 0,
        requests: Requests::default(),
    };
    for zone in snapshot.catalog.iter().filter(|zone| zone.data.is_ready()) {
        for node in zone.data.nodes() {
            scan.node(zone, node);
        }
    }
    for list in scan.requests.of.values_mut() {
        list.sort_by(|a, b| (a.to, &a.hostname, a.rtype).cmp(&(b.to, &b.hostname, b.rtype)));
    }
    scan.requests
}

struct Scan<'s> {
    snapshot: &'s Snapshot,
    now: UnixTime,
    owner: NameBuf,
    target: NameBuf,
    /// How many each account has into each zone.
    pairs: HashMap<(AccountId, ZoneId), usize>,
    count: usize,
    requests: Requests,
}

impl Scan<'_> {
    fn node(&mut self, zone: &Zone, node: Node<'_>) {
        if node.flags().has(NodeFlags::OCCLUDED) || node.flags().has(NodeFlags::CUT) {
            return;
        }
        for set in node.rrsets() {
            let kind = match set.rtype {
                rtype::CNAME => EdgeKind::Cname,
                rtype::ALIAS => EdgeKind::Alias,
                rtype::HTTPS | rtype::SVCB => EdgeKind::Service,
                rtype::DNAME => EdgeKind::Dname { owner_labels: 0 },
                _ => continue,
            };
            self.set(zone, node, set, kind);
        }
    }

    fn set(&mut self, zone: &Zone, node: Node<'_>, set: RrSet<'_>, kind: EdgeKind) {
        let snapshot = self.snapshot;
        for (_, stored) in set.records() {
            // What ends in the apex stays in the zone, or goes to one below it.
            let target = match stored {
                [front @ .., 0xC0, 0x00] if set.placeholders().next().is_some() => {
                    [front, zone.apex()].concat()
                }
                _ => rdata::target(set.rtype, stored).unwrap_or_default().to_vec(),
            };
            if target == [0] || self.target.set(&target, &snapshot.key).is_err() {
                continue;
            }
            let Some(to) = snapshot.catalog.zone_for(&self.target) else { continue };
            if to.account == zone.account {
                continue;
            }
            let owner = node.owner();
            if self.owner.set(owner.as_wire(), &snapshot.key).is_err() {
                continue;
            }
            let kind = match kind {
                EdgeKind::Dname { .. } => EdgeKind::Dname { owner_labels: self.owner.labels() },
                kind => kind,
            };
            let (edge_owner, target_zone) = (&self.owner, Some(to));
            let edge = Edge {
                owner: edge_owner,
                owner_zone: zone,
                kind,
                alias: None,
                target_zone,
                seal: None,
            };
            let grants = Grants {
                table: &snapshot.grants,
                trusts: &snapshot.trusts,
                holds: &snapshot.holds,
                catalog: &snapshot.catalog,
            };
            let Verdict::Deny(denial) = judge(&edge, &grants, self.now) else { continue };
            let hostname = match kind {
                EdgeKind::Dname { .. } => format!("*.{}", Text(owner.as_wire())),
                _ => owner.to_string(),
            };
            self.put(
                to.account,
                Request {
                    hostname,
                    rtype: set.rtype,
                    target: self.target.to_name(),
                    from: denial.from,
                    to: to.id,
                    reason: denial.reason,
                },
            );
        }
    }

    fn put(&mut self, account: AccountId, request: Request) {
        let pair = self.pairs.entry((request.from.1, request.to)).or_default();
        if *pair >= REQUESTS_PER_PAIR || self.count >= REQUESTS {
            *self.requests.left_out.entry(account).or_default() += 1;
            return;
        }
        *pair += 1;
        self.count += 1;
        self.requests.of.entry(account).or_default().push(request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;
    use crate::model::catalog::Catalog;
    use crate::model::grant::{Grant, GrantState, GrantTable};
    use crate::model::settings::{CrossAccount, FlattenMode, OnViolation};
    use crate::zonefile::build::build;
    use crate::zonefile::finding::Source;
    use crate::zonefile::{self, NoIncludes};

    fn zone(id: u32, account: u32, apex: &str, text: &str) -> Zone {
        let (key, apex) = (HashKey::new([5; 16]), Name::from_text(apex).unwrap());
        let text = format!("@ 300 SOA ns. m. 1 2 3 4 300\n@ 300 NS ns.\n{text}");
        let source = Source { path: "zone".to_owned(), text: text.as_bytes().into() };
        let parsed = zonefile::read(&apex, source, &mut NoIncludes, &key);
        let data = build(&apex, &parsed, &key).unwrap();
        let (cross_account, flatten) = (CrossAccount::Granted, FlattenMode::Apex);
        let (id, account, on_violation) = (ZoneId(id), AccountId(account), OnViolation::Refuse);
        Zone { id, account, on_violation, cross_account, flatten, data }
    }

    #[test]
    fn finds_what_is_not_let_in() {
        let key = HashKey::new([5; 16]);
        let client = "www 60 CNAME app.saas.test.\n*.w 60 CNAME app.saas.test.\n\
                      in 60 CNAME www\nout 60 CNAME app.elsewhere.test.\n\
                      good 60 CNAME app.saas.test.\n\
                      d 60 DNAME cust.saas.test.\ns 60 HTTPS 1 .\ns 60 HTTPS 2 svc.saas.test.\n\
                      @ 60 CNAME app.saas.test.\nsub 60 NS ns.\nx.sub 60 A 192.0.2.1\n";
        let many: String =
            (0..REQUESTS_PER_PAIR + 7).map(|i| format!("h{i} 60 CNAME app.saas.test.\n")).collect();
        let zones = vec![
            zone(1, 1, "saas.test", "app 60 A 192.0.2.1\n"),
            zone(2, 1, "b.saas.test", ""),
            zone(3, 2, "client.test", client),
            zone(4, 3, "many.test", &many),
        ];
        let mut snapshot = Snapshot::empty(key);
        snapshot.catalog = Catalog::build(key, zones);
        let hostname = Name::from_text("good.client.test").unwrap();
        let hash = key.name(hostname.as_wire());
        let state = GrantState::Active;
        let mut grants = GrantTable::default();
        grants.put(hash, &Grant { hostname, wildcard: false, zone: ZoneId(1), state });
        snapshot.grants = grants;
        let inbox = Inbox::default();
        let requests = inbox.look(&snapshot, UnixTime(1));
        let (list, more) = requests.of(AccountId(1));
        let shown: Vec<String> = list
            .iter()
            .filter(|r| r.from.1 == AccountId(2))
            .map(|r| format!("{} {} {}", r.hostname, rdata::type_text(r.rtype), r.target))
            .collect();
        assert_eq!(
            shown,
            [
                "*.d.client.test DNAME cust.saas.test",
                "*.w.client.test CNAME app.saas.test",
                "client.test ALIAS app.saas.test",
                "s.client.test HTTPS svc.saas.test",
                "www.client.test CNAME app.saas.test",
            ]
        );
        assert_eq!((list.len(), more), (5 + REQUESTS_PER_PAIR, 7));
        assert_eq!(requests.of(AccountId(2)), (&[][..], 0));
        assert!(Arc::ptr_eq(&requests, &inbox.look(&snapshot, UnixTime(2))), "nothing changed");
    }
}

//! What the zones here show of a custom hostname: the chain, the addresses and the texts, with the policy off.
//!
//! Only data of active zones counts, which is all that a catalog has. Whatever lies outside, or below a delegation,
//! is not here to be seen: that is no answer, and proves nothing either way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::name::Name;
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::engine::lookup::{self, Found};
use crate::hostname::object::{Hostname, Owner};
use crate::hostname::proof::Places;
use crate::hostname::seen::{Chain, Lookup, Page, Seen, Target, Texts};
use crate::model::catalog::Zone;
use crate::model::snapshot::Snapshot;
use crate::model::zone::{Node, RrSet};

/// How the walk ended.
enum End<'s> {
    At(Option<Node<'s>>),
    /// In a loop, or after too many names.
    Nowhere,
    /// It leads to what is not here.
    Unseen(&'static str),
}

/// The zone that owns a name.
pub fn owner(snapshot: &Snapshot, name: &Name) -> Option<Owner> {
    snapshot.catalog.zone_for(&NameBuf::of(name, &snapshot.key)).map(owner_of)
}

fn owner_of(zone: &Zone) -> Owner {
    Owner { zone: zone.id, account: zone.account }
}

/// Looks at a hostname; `None`: no zone here owns it.
pub fn look(snapshot: &Snapshot, hostname: &Hostname, places: &Places) -> Option<Seen> {
    let owner = owner(snapshot, &hostname.base)?;
    let name = hostname.name()?;
    let (chain, end) = walk(snapshot, &name);
    fn no_answer<T>(why: &str) -> Lookup<T> {
        Lookup::NoAnswer(why.to_owned())
    }
    let (chain, addresses) = match end {
        End::Unseen(why) => (no_answer(why), [no_answer(why), no_answer(why)]),
        End::At(node) => {
            let of = |rtype| Lookup::Answered(node.map_or_else(Vec::new, |n| addresses(n, rtype)));
            (Lookup::Answered(chain), [of(rtype::A), of(rtype::AAAA)])
        }
        End::Nowhere => (Lookup::Answered(chain), [(); 2].map(|()| Lookup::Answered(Vec::new()))),
    };
    let [v4, v6] = addresses;
    let texts = match places.txt_name(hostname) {
        Some(name) => texts(snapshot, &name).unwrap_or_else(|why| Lookup::NoAnswer(why.to_owned())),
        None => Lookup::Answered(Texts::default()),
    };
    Some(Seen { owner: Some(owner), chain, v4, v6, texts, page: Page::NotAsked })
}

/// Whether a name of the zone has an A, AAAA or CNAME, and whether it leads to an address; `None`: it cannot be told.
pub fn resolves(snapshot: &Snapshot, name: &Name) -> (bool, Option<bool>) {
    let there = {
        let buf = NameBuf::of(name, &snapshot.key);
        let zone = snapshot.catalog.zone_for(&buf).filter(|z| z.data.is_ready());
        let node = zone.map(|zone| lookup::find(&zone.data, &buf, &snapshot.key));
        let wanted = [rtype::A, rtype::AAAA, rtype::CNAME, rtype::ALIAS];
        matches!(node, Some(Found::Node(node) | Found::Wildcard(node))
            if wanted.iter().any(|t| node.rrset(*t).is_some()))
    };
    let leads = match walk(snapshot, name).1 {
        End::At(Some(node)) => {
            Some([rtype::A, rtype::AAAA].iter().any(|t| node.rrset(*t).is_some()))
        }
        End::Unseen(_) => None,
        End::At(None) | End::Nowhere => Some(false),
    };
    (there, leads)
}

/// What the zones here say of one name.
pub enum Hop<'s> {
    /// No zone here owns it.
    Outside,
    /// Other servers have its data.
    Delegated,
    /// Its zone has no good data.
    NotReady,
    /// It leads nowhere else: what stands there, if it exists.
    End(Option<Node<'s>>),
    To(Name),
}

/// One step from `name`, by a CNAME, a DNAME or an alias.
pub fn hop<'s>(snapshot: &'s Snapshot, name: &Name) -> Hop<'s> {
    let key = &snapshot.key;
    let name = NameBuf::of(name, key);
    let Some(zone) = snapshot.catalog.zone_for(&name) else { return Hop::Outside };
    if !zone.data.is_ready() {
        return Hop::NotReady;
    }
    let mut next = NameBuf::default();
    let followed = match lookup::find(&zone.data, &name, key) {
        Found::Cut(_) => return Hop::Delegated,
        Found::NxDomain => return Hop::End(None),
        Found::Node(node) | Found::Wildcard(node) => {
            let set = node.rrset(rtype::CNAME).or_else(|| node.rrset(rtype::ALIAS));
            let Some(set) = set else { return Hop::End(Some(node)) };
            target(zone, &name, set, snapshot, &mut next)
        }
        Found::Dname(node) => match node.rrset(rtype::DNAME) {
            Some(set) => synthesised(zone, &name, node, set, snapshot, &mut next),
            None => false,
        },
    };
    match Name::from_wire(next.wire()) {
        Ok(next) if followed => Hop::To(next),
        _ => Hop::End(None),
    }
}

/// Walks from `name`: the names it leads to.
fn walk<'s>(snapshot: &'s Snapshot, name: &Name) -> (Chain, End<'s>) {
    let mut at = name.clone();
    let mut chain = Chain::default();
    loop {
        let next = match hop(snapshot, &at) {
            Hop::Outside => return (chain, End::Unseen("it leads out of this server")),
            Hop::NotReady => return (chain, End::Unseen("a zone on the way has no data")),
            Hop::Delegated => return (chain, End::Unseen("it is delegated to other servers")),
            Hop::End(node) => return (chain, End::At(node)),
            Hop::To(next) => next,
        };
        let owner = owner(snapshot, &next);
        if !chain.push(name, Target { name: next.clone(), owner }) {
            return (chain, End::Nowhere);
        }
        at = next;
    }
}

/// Writes the target of a stored CNAME, DNAME or alias.
fn target(
    zone: &Zone,
    name: &NameBuf,
    set: RrSet<'_>,
    snapshot: &Snapshot,
    next: &mut NameBuf,
) -> bool {
    let (front, in_zone) = set.first_target();
    match in_zone {
        true => next.set_joined(front, name, zone.data.apex_labels(), &snapshot.key).is_ok(),
        false => next.set(front, &snapshot.key).is_ok(),
    }
}

/// Writes the name that a DNAME makes of `name`.
fn synthesised(
    zone: &Zone,
    name: &NameBuf,
    node: Node<'_>,
    set: RrSet<'_>,
    snapshot: &Snapshot,
    next: &mut NameBuf,
) -> bool {
    let mut base = NameBuf::default();
    let front = name.wire().len().checked_sub(node.owner_len()).map(|len| &name.wire()[..len]);
    target(zone, name, set, snapshot, &mut base)
        && front.is_some_and(|f| next.set_joined(f, &base, base.labels(), &snapshot.key).is_ok())
}

/// The addresses of one family at a node.
pub fn addresses(node: Node<'_>, rtype: RType) -> Vec<IpAddr> {
    let Some(set) = node.rrset(rtype) else { return Vec::new() };
    let address = |rdata: &[u8]| match rtype {
        rtype::A => <[u8; 4]>::try_from(rdata).ok().map(|a| IpAddr::V4(Ipv4Addr::from(a))),
        _ => <[u8; 16]>::try_from(rdata).ok().map(|a| IpAddr::V6(Ipv6Addr::from(a))),
    };
    set.records().filter_map(|(_, rdata)| address(rdata)).collect()
}

/// The TXT records at exactly `name`; the error says why they are not here to be seen.
pub fn texts(snapshot: &Snapshot, name: &Name) -> Result<Lookup<Texts>, &'static str> {
    let buf = NameBuf::of(name, &snapshot.key);
    let Some(zone) = snapshot.catalog.zone_for(&buf) else {
        return Err("it lies outside this server");
    };
    if !zone.data.is_ready() {
        return Ok(Lookup::NoAnswer("its zone has no data".to_owned()));
    }
    let elsewhere = || Lookup::Answered(Texts { values: Vec::new(), elsewhere: true });
    Ok(match lookup::find(&zone.data, &buf, &snapshot.key) {
        Found::Cut(_) => return Err("it is delegated to other servers"),
        Found::NxDomain => Lookup::Answered(Texts::default()),
        Found::Wildcard(_) | Found::Dname(_) => elsewhere(),
        Found::Node(node) if node.rrset(rtype::CNAME).is_some() => elsewhere(),
        Found::Node(node) => {
            let mut texts = Texts::default();
            if let Some(set) = node.rrset(rtype::TXT) {
                texts.values.extend(set.records().map(|(_, rdata)| joined(rdata)));
            }
            Lookup::Answered(texts)
        }
    })
}

/// The strings of a TXT record in one.
fn joined(mut rdata: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some((&len, rest)) = rdata.split_first() {
        let (string, more) = rest.split_at(usize::from(len).min(rest.len()));
        whole.extend_from_slice(string);
        rdata = more;
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::hash::HashKey;
    use crate::base::id::{AccountId, ZoneId};
    use crate::model::catalog::Catalog;
    use crate::model::settings::{CrossAccount, FlattenMode, OnViolation};
    use crate::zonefile::finding::Source;
    use crate::zonefile::{self, NoIncludes, build};

    fn zone(key: &HashKey, id: u32, apex: &str, records: &str) -> Zone {
        let text = format!(
            "@ 300 SOA ns1 host 1 7200 900 1209600 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n{records}"
        );
        let text: Arc<[u8]> = text.into_bytes().into();
        let source = Source { path: format!("{apex}.zone"), text };
        let apex = Name::from_text(apex).unwrap();
        let parsed = zonefile::read(&apex, source, &mut NoIncludes, key);
        assert_eq!(parsed.errors, 0, "{:?}", parsed.findings);
        Zone {
            id: ZoneId(id),
            account: AccountId(id),
            on_violation: OnViolation::Refuse,
            cross_account: CrossAccount::Granted,
            flatten: FlattenMode::Apex,
            data: build::build(&apex, &parsed, key).unwrap(),
        }
    }

    fn seen(hostname: &str) -> Option<Seen> {
        let key = HashKey::new([1; 16]);
        let one = "@ 300 CNAME p.two.net.\nwww 300 CNAME app\napp 300 CNAME p.two.net.\n\
            * 300 CNAME p.two.net.\ndn 300 DNAME d.two.net.\nloop 300 CNAME loop2\n\
            loop2 300 CNAME loop\nout 300 CNAME www.example.org.\nsub 300 NS ns.example.org.\n\
            _cf-custom-hostname.app 300 TXT \"one\" \"two\"\n\
            _cf-custom-hostname.www 300 CNAME _cf-custom-hostname.app\n";
        let two = "p 300 A 203.0.113.1\np 300 AAAA 2001:db8::1\nx.d 300 CNAME p\n";
        let mut snapshot = Snapshot::empty(key);
        let zones = vec![zone(&key, 1, "one.net", one), zone(&key, 2, "two.net", two)];
        snapshot.catalog = Catalog::build(key, zones);
        let hostname = Hostname::of(&Name::from_text(hostname).unwrap());
        look(&snapshot, &hostname, &Places::default())
    }

    fn chain(hostname: &str) -> Vec<String> {
        let seen = seen(hostname).unwrap();
        seen.chain.answer().unwrap().targets.iter().map(|t| t.name.to_string()).collect()
    }

    #[test]
    fn chains_and_addresses() {
        assert_eq!(chain("www.one.net"), ["app.one.net", "p.two.net"]);
        assert_eq!(chain("one.net"), ["p.two.net"]);
        assert_eq!(chain("*.one.net"), ["p.two.net"]);
        assert_eq!(chain("x.dn.one.net"), ["x.d.two.net", "p.two.net"]);
        assert_eq!(chain("loop.one.net"), ["loop2.one.net", "loop.one.net"]);
        assert!(seen("loop.one.net").unwrap().chain.answer().unwrap().is_loop);
        let app = seen("app.one.net").unwrap();
        assert_eq!(app.owner.unwrap().zone, ZoneId(1));
        let target = &app.chain.answer().unwrap().targets[0];
        assert_eq!(target.owner.unwrap().zone, ZoneId(2));
        assert_eq!(app.v4, Lookup::Answered(vec!["203.0.113.1".parse().unwrap()]));
        assert_eq!(app.v6, Lookup::Answered(vec!["2001:db8::1".parse().unwrap()]));
        for unseen in ["out.one.net", "a.sub.one.net"] {
            let seen = seen(unseen).unwrap();
            assert!(seen.chain.answer().is_none() && seen.v4.answer().is_none(), "{unseen}");
        }
        assert_eq!(seen("www.example.org"), None);
    }

    #[test]
    fn texts_at_exactly_that_name() {
        let texts = |hostname| seen(hostname).unwrap().texts;
        let values = vec![b"onetwo".to_vec()];
        assert_eq!(texts("app.one.net"), Lookup::Answered(Texts { values, elsewhere: false }));
        let elsewhere = Lookup::Answered(Texts { values: Vec::new(), elsewhere: true });
        assert_eq!(texts("www.one.net"), elsewhere);
        // The wildcard of the zone makes one for every name that has none.
        assert_eq!(texts("none.one.net"), elsewhere);
        assert_eq!(texts("p.two.net"), Lookup::Answered(Texts::default()));
    }
}

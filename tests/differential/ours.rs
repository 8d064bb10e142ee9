//! The same zones in Bailiwick, asked without a socket: octets in, octets out, as every door does.

use crate::ask;
use crate::question::Question;
use crate::reply::Reply;
use crate::world::ZoneText;
use bailiwick::base::hash::HashKey;
use bailiwick::base::id::{AccountId, ZoneId};
use bailiwick::base::name::Name;
use bailiwick::base::time::UnixTime;
use bailiwick::model::catalog::{Catalog, Zone};
use bailiwick::model::question::{Client, Transport};
use bailiwick::model::settings::{CrossAccount, FlattenMode, OnViolation};
use bailiwick::model::snapshot::Snapshot;
use bailiwick::wire::{Scratch, respond};
use bailiwick::zonefile::finding::Source;
use bailiwick::zonefile::{self, Colour, NoIncludes, Renderer};
use std::net::{IpAddr, Ipv4Addr};

/// All zones, in one account.
pub fn snapshot(zones: &[ZoneText]) -> Snapshot {
    let key = HashKey::new(*b"differences here");
    let mut snapshot = Snapshot::empty(key);
    let zones = zones.iter().zip(1..).map(|(zone, id)| Zone {
        id: ZoneId(id),
        account: AccountId(1),
        on_violation: OnViolation::Refuse,
        cross_account: CrossAccount::Granted,
        flatten: FlattenMode::Apex,
        data: data(zone, &key),
    });
    snapshot.catalog = Catalog::build(key, zones.collect());
    snapshot
}

fn data(zone: &ZoneText, key: &HashKey) -> bailiwick::model::zone::ZoneData {
    let apex = Name::from_text(&zone.apex.to_string()).expect("an apex");
    let text = zone.text.clone().into_bytes().into();
    let source = Source { path: format!("{}zone", zone.apex), text };
    let parsed = zonefile::read(&apex, source, &mut NoIncludes, key);
    if parsed.has_errors() {
        let renderer = Renderer::new(&parsed.sources);
        let mut shown = String::new();
        for finding in &parsed.findings {
            renderer.write(finding, Colour::Plain, &mut shown);
        }
        panic!("the zone does not load:\n{shown}");
    }
    zonefile::build::build(&apex, &parsed, key).expect("a checked zone can be built")
}

/// One answer, and its octets.
pub fn answer(
    snapshot: &Snapshot,
    scratch: &mut Scratch,
    question: &Question,
    transport: Transport,
) -> (Result<Reply, String>, usize) {
    let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport };
    let mut out = vec![0; 65_535];
    let now = UnixTime(1_800_000_000);
    let packet = question.encode(1);
    let reply = respond(snapshot, &packet, client, now, scratch, &mut out);
    let Some(reply) = reply else { return (Err("silence".to_owned()), 0) };
    (ask::read(&out[..reply.len], question), reply.len)
}

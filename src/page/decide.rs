//! What is to be said of a name: the engine is asked for its addresses, as over DNS.

use crate::base::id::AccountId;
use crate::base::name::Name;
use crate::base::name_buf::NameBuf;
use crate::base::rtype::{self, RType};
use crate::base::time::UnixTime;
use crate::engine::answer::Names;
use crate::engine::follow::{self, Chain, Ending};
use crate::model::flattened::{Key, Outcome};
use crate::model::question::Question;
use crate::model::snapshot::Snapshot;

/// How a name stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// It is in no zone here, or there is no such name.
    Unknown,
    /// It is there and leads to no address. `for_now`: that may be over soon.
    Unresolved { for_now: bool },
    /// It has an address, or is answered elsewhere: nothing keeps visitors from it.
    Open,
    /// An edge of its chain is denied.
    Denied,
}

/// Something outside that has to be asked first, and for whom.
pub type Needed = (Key, AccountId);

/// How `name` stands. What comes with it may change that, once it is known.
pub fn decide(snapshot: &Snapshot, name: &Name, now: UnixTime) -> (Standing, Vec<Needed>) {
    let mut needed = Vec::new();
    let both = [rtype::A, rtype::AAAA].map(|rtype| {
        let (standing, need) = family(snapshot, name, rtype, now);
        needed.extend(need);
        standing
    });
    // One address is enough, and one denied family is a denied name.
    let [v4, v6] = both;
    (v4.max(v6), needed)
}

fn family(
    snapshot: &Snapshot,
    name: &Name,
    qtype: RType,
    now: UnixTime,
) -> (Standing, Option<Needed>) {
    let name = NameBuf::of(name, &snapshot.key);
    let question = Question { name, qtype, qclass: rtype::CLASS_IN };
    let mut names = Names::default();
    let chain = follow::walk(snapshot, &question, None, now, &mut names);
    let standing = standing(&chain);
    let asks = chain.needs.filter(|_| matches!(standing, Standing::Unresolved { .. }));
    let needed = asks.and_then(|(at, zone)| {
        let target = Name::from_wire(names.of(&question.name, at).wire()).ok()?;
        Some((Key { target, rtype: qtype }, zone.account))
    });
    (standing, needed)
}

fn standing(chain: &Chain<'_>) -> Standing {
    match chain.ending {
        Ending::Denied(_) => Standing::Denied,
        Ending::Data(_) | Ending::Cut(_) | Ending::LeavesUs | Ending::Synthesised => Standing::Open,
        Ending::Outside(known) if known.entry().outcome == Outcome::Addresses => Standing::Open,
        Ending::NoZone => Standing::Unknown,
        Ending::NxDomain if chain.hops.is_empty() => Standing::Unknown,
        Ending::Failed(_) | Ending::Unready => Standing::Unresolved { for_now: true },
        Ending::Outside(_)
        | Ending::NoData(_)
        | Ending::NxDomain
        | Ending::Loop
        | Ending::TooLong
        | Ending::NameTooLong => Standing::Unresolved { for_now: false },
    }
}

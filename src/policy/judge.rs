//! 1014 is decided here: may this edge lead from one account into another's zone?

use crate::base::id::AccountId;
use crate::base::limits;
use crate::base::name_buf::NameBuf;
use crate::base::time::UnixTime;
use crate::model::catalog::Zone;
use crate::model::grant::{GrantState, Grants};
use crate::model::seal::Seal;
use crate::model::settings::CrossAccount;
use crate::policy::verdict::{Denial, Permitted, Reason, Rule, Verdict};

/// What kind of step leads from owner to target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EdgeKind {
    /// A CNAME, also one that a wildcard made.
    Cname,
    /// An alias: apex CNAME, ALIAS, ANAME or a flattened CNAME.
    Alias,
    /// A DNAME whose owner has this many labels. Resolvers synthesise other names from it, so only a wildcard grant
    /// at that owner opens it.
    Dname { owner_labels: usize },
    /// The TargetName of an HTTPS or SVCB record.
    Service,
}

/// One step of a chain, before anything of its target is read.
#[derive(Clone, Copy)]
pub struct Edge<'e> {
    /// The owner as asked for, not the `*` or DNAME behind it.
    pub owner: &'e NameBuf,
    pub owner_zone: &'e Zone,
    pub kind: EdgeKind,
    /// The alias that hides this edge, if the edge's owner is in the alias's account.
    pub alias: Option<&'e NameBuf>,
    /// The zone that owns the target; `None`: outside this server.
    pub target_zone: Option<&'e Zone>,
    /// Of the record that the edge comes from, if that is the owner's own.
    pub seal: Option<Seal<'e>>,
}

/// Judges one edge (SPEC §5). A pure function: same edge, same grants, same time, same verdict.
pub fn judge(edge: &Edge<'_>, grants: &Grants<'_>, now: UnixTime) -> Verdict {
    let Some(target) = edge.target_zone else { return Verdict::Inside };
    let (from, to) = (edge.owner_zone.account, target.account);
    if from == to {
        return Verdict::Inside;
    }
    if target.cross_account == CrossAccount::Anyone {
        return Verdict::Allow(Permitted::by(Rule::Anyone, None));
    }
    if grants.trusts.has(to, from) {
        return Verdict::Allow(Permitted::by(Rule::Trust, None));
    }
    let own = match edge.kind {
        EdgeKind::Dname { owner_labels } => below(edge, owner_labels, target, grants, now),
        _ => own(edge, target, grants, now),
    };
    if let Match::Active(wildcard) = own {
        return Verdict::Allow(Permitted::by(Rule::Grant, wildcard));
    }
    let hidden = match (edge.alias, edge.kind) {
        // A blocked hostname stays denied, whatever the alias in front of it may do.
        (Some(alias), EdgeKind::Cname | EdgeKind::Alias) if own != Match::Blocked => {
            matching(alias, edge.owner_zone, target, grants, now)
        }
        _ => Match::None,
    };
    if let Match::Active(wildcard) = hidden {
        return Verdict::Allow(Permitted::by(Rule::AliasGrant, wildcard));
    }
    let reason = match (own, hidden) {
        (Match::Blocked, _) | (_, Match::Blocked) => Reason::Blocked,
        (Match::Withdrawn, _) | (_, Match::Withdrawn) => Reason::Withdrawn,
        _ => Reason::NotGranted,
    };
    Verdict::Deny(Denial { reason, from: (edge.owner_zone.id, from), to: (target.id, to) })
}

/// What the grants into `target` say of the owner. That one for exactly this name lets it in is remembered beside its
/// record: the next time it need not be found among all others.
fn own(edge: &Edge<'_>, target: &Zone, grants: &Grants<'_>, now: UnixTime) -> Match {
    let hash = edge.owner.hash_value();
    if edge.seal.is_some_and(|seal| grants.table.is_sealed(seal, hash, target.id)) {
        return Match::Active(None);
    }
    let found = matching(edge.owner, edge.owner_zone, target, grants, now);
    if let (Match::Active(None), Some(seal)) = (found, edge.seal) {
        grants.table.seal(seal, hash, target.id);
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    /// By a wildcard: with the labels of the name below which it holds.
    Active(Option<u8>),
    Blocked,
    Withdrawn,
    None,
}

/// What the grants into `target` say of `name`, which lies in `name_zone`: exact before wildcard.
fn matching(
    name: &NameBuf,
    name_zone: &Zone,
    target: &Zone,
    grants: &Grants<'_>,
    now: UnixTime,
) -> Match {
    let zone = target.id;
    let exact = grants.table.find(name.hash_value(), name.wire(), false, zone);
    let mut best = exact.map_or(Match::None, |granted| state(granted, now));
    if matches!(best, Match::Active(_) | Match::Blocked) {
        return best;
    }
    // A wildcard at `x` matches one or more labels below `x`: so at most one label fewer than the name has.
    let below_name = (1u128 << name.labels()) - 1;
    let mut left = grants.table.wildcard_depths() & below_name;
    while left != 0 {
        let k = 127 - left.leading_zeros() as usize;
        left &= !(1 << k);
        let found = grants.table.find(name.suffix_hash(k), name.suffix(k), true, zone);
        let Some(granted) = found else { continue };
        // It stops at a zone of another account: name and `x` must have one owner.
        let base = grants.catalog.zone_for_suffix(name, k);
        if base.is_none_or(|z| z.account != name_zone.account) {
            continue;
        }
        match state(granted, now) {
            // No other wildcard matches what is held either.
            Match::Active(_) if is_held(name, name_zone, target.account, grants, now) => {
                return best;
            }
            Match::Active(_) => return Match::Active(Some(k as u8)),
            Match::None => {}
            other if best == Match::None => best = other,
            _ => {}
        }
    }
    best
}

/// What the wildcard grant at the owner of a DNAME says: nothing less covers the names made from it.
fn below(
    edge: &Edge<'_>,
    owner_labels: usize,
    target: &Zone,
    grants: &Grants<'_>,
    now: UnixTime,
) -> Match {
    let name = edge.owner;
    let owner = name.suffix(owner_labels);
    let found = grants.table.find(name.suffix_hash(owner_labels), owner, true, target.id);
    match found.map_or(Match::None, |granted| state(granted, now)) {
        Match::Active(_) if is_held(name, edge.owner_zone, target.account, grants, now) => {
            Match::None
        }
        Match::Active(_) => Match::Active(Some(owner_labels as u8)),
        other => other,
    }
}

/// Whether a zone that encloses the name, of somebody else than `provider`, keeps it from wildcards (SPEC §7.4), or the
/// operator does.
fn is_held(
    name: &NameBuf,
    name_zone: &Zone,
    provider: AccountId,
    grants: &Grants<'_>,
    now: UnixTime,
) -> bool {
    if grants.holds.is_empty() {
        return false;
    }
    if grants.holds.bars(name) {
        return true;
    }
    let mut enclosing = Some(name_zone);
    while let Some(zone) = enclosing {
        let labels = zone.data.apex_labels();
        if let Some(hold) = grants.holds.of(zone.id).filter(|_| zone.account != provider)
            && hold.from <= now
            && (hold.subdomains || name.labels() == labels)
        {
            return true;
        }
        let above = labels.checked_sub(1);
        enclosing = above.and_then(|above| grants.catalog.zone_for_suffix(name, above));
    }
    false
}

fn state(state: GrantState, now: UnixTime) -> Match {
    match state {
        GrantState::Active => Match::Active(None),
        GrantState::Blocked => Match::Blocked,
        GrantState::Withdrawn(at) if now.since(at) < limits::WITHDRAWN_SECS => Match::Withdrawn,
        GrantState::Withdrawn(_) => Match::None,
    }
}

//! Tests of ownership: every rule by itself, then random worlds beside an oracle that compares every pair.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const A: AccountId = AccountId(1);
const B: AccountId = AccountId(2);
const C: AccountId = AccountId(3);

fn n(text: &str) -> Name {
    Name::from_text(text).unwrap()
}

#[derive(Default, Debug)]
struct Allowed {
    suffixes: Vec<Name>,
    given: BTreeMap<Name, AccountId>,
    delegates: BTreeMap<Name, BTreeMap<Name, AccountId>>,
}

impl Allowed {
    fn delegate(mut self, upper: &str, name: &str, to: AccountId) -> Allowed {
        self.delegates.entry(n(upper)).or_default().insert(n(name), to);
        self
    }
}

impl Permissions for Allowed {
    fn is_public_suffix(&self, name: &[u8]) -> bool {
        self.suffixes.iter().any(|s| s.as_wire() == name)
    }

    fn given_to(&self, name: &[u8]) -> Option<AccountId> {
        self.given.get(name).copied()
    }

    fn delegated_to(&self, upper: &[u8], name: &[u8]) -> Option<AccountId> {
        let entries = self.delegates.get(upper)?;
        let covering = entries.iter().filter(|(n, _)| name::is_within(name, n.as_wire()));
        covering.max_by_key(|(n, _)| n.label_count()).map(|(_, &a)| a)
    }
}

fn account_name(account: AccountId) -> &'static str {
    ["", "a", "b", "c"][account.0 as usize]
}

fn claim(apex: &Name, account: AccountId) -> Claim<'_> {
    let account_name = account_name(account);
    Claim { apex: apex.as_wire(), account, account_name, standing: Standing::New }
}

/// Settles one load after the other; returns what is refused.
fn loads(allowed: &Allowed, loads: &[&[(&str, AccountId)]]) -> Vec<(String, AccountId, Refusal)> {
    let mut register = Register::default();
    let mut refused = Vec::new();
    for load in loads {
        let names: Vec<(Name, AccountId)> = load.iter().map(|(t, a)| (n(t), *a)).collect();
        let claims: Vec<Claim<'_>> = names.iter().map(|(name, a)| claim(name, *a)).collect();
        for ((name, account), decision) in names.iter().zip(register.settle(&claims, allowed)) {
            if let Err(refusal) = decision {
                refused.push((name.to_string(), *account, refusal));
            }
        }
    }
    refused
}

fn taken(by: AccountId) -> Refusal {
    Refusal::Taken { by }
}

fn below(upper: &str, by: AccountId) -> Refusal {
    Refusal::Below { upper: n(upper), by }
}

fn above(lower: &str, by: AccountId) -> Refusal {
    Refusal::Above { lower: n(lower), by }
}

#[test]
fn one_apex_one_account() {
    let none = Allowed::default();
    let refused = loads(&none, &[&[("x.example", B), ("X.Example", A), ("y.example", B)]]);
    assert_eq!(refused, [("x.example".to_owned(), B, taken(A))]);
    // Who came first stays, whatever the names say.
    let refused = loads(&none, &[&[("x.example", B)], &[("x.example", A)]]);
    assert_eq!(refused, [("x.example".to_owned(), A, taken(B))]);
}

#[test]
fn no_child_and_no_parent_of_another_account() {
    let none = Allowed::default();
    // V1: at once the upper one wins, whatever the accounts are called.
    let refused = loads(&none, &[&[("mail.x.example", A), ("x.example", B)]]);
    assert_eq!(refused, [("mail.x.example".to_owned(), A, below("x.example", B))]);
    // V2: later the incumbent wins.
    let refused = loads(&none, &[&[("mail.x.example", A)], &[("x.example", B)]]);
    assert_eq!(refused, [("x.example".to_owned(), B, above("mail.x.example", A))]);
    // Also over names in between that nobody holds, and never at mere text endings.
    let refused = loads(
        &none,
        &[&[("x.example", A), ("a.b.c.x.example", B), ("ax.example", B), ("c.x.example", A)]],
    );
    assert_eq!(refused, [("a.b.c.x.example".to_owned(), B, below("c.x.example", A))]);
    // Inside one account everything goes.
    assert_eq!(
        loads(&none, &[&[("a.x.example", A)], &[("x.example", A)], &[("b.a.x.example", A)]]),
        []
    );
}

#[test]
fn delegates_cover_a_name_and_below_and_the_nearest_zone_decides() {
    let allowed = Allowed::default().delegate("x.example", "sub.x.example", B);
    assert_eq!(
        loads(&allowed, &[&[("x.example", A), ("sub.x.example", B), ("deep.sub.x.example", B)]]),
        []
    );
    // In either order.
    assert_eq!(loads(&allowed, &[&[("d.sub.x.example", B)], &[("x.example", A)]]), []);
    // Not beside it, not to others, and the delegated account decides below its own zone.
    let refused = loads(
        &allowed,
        &[&[
            ("x.example", A),
            ("other.x.example", B),
            ("sub.x.example", B),
            ("c.sub.x.example", C),
            ("a.sub.x.example", A),
        ]],
    );
    assert_eq!(
        refused,
        [
            ("other.x.example".to_owned(), B, below("x.example", A)),
            ("c.sub.x.example".to_owned(), C, below("sub.x.example", B)),
            ("a.sub.x.example".to_owned(), A, below("sub.x.example", B)),
        ]
    );
    // A zone that would come between decides from then on, so it has to allow what is there.
    let refused =
        loads(&allowed, &[&[("x.example", A), ("deep.sub.x.example", B)], &[("sub.x.example", A)]]);
    assert_eq!(refused, [("sub.x.example".to_owned(), A, above("deep.sub.x.example", B))]);
    // The most specific delegation counts.
    let allowed = allowed.delegate("x.example", "c.sub.x.example", C);
    let refused = loads(
        &allowed,
        &[
            &[("x.example", A), ("c.sub.x.example", C), ("d.c.sub.x.example", B)],
            &[("q.c.sub.x.example", B), ("r.sub.x.example", B)],
        ],
    );
    assert_eq!(
        refused,
        [
            ("d.c.sub.x.example".to_owned(), B, below("c.sub.x.example", C)),
            ("q.c.sub.x.example".to_owned(), B, below("c.sub.x.example", C)),
        ]
    );
}

#[test]
fn suffixes_and_the_root_are_refused_unless_given() {
    let mut allowed = Allowed { suffixes: vec![n("com"), n("co.uk")], ..Allowed::default() };
    let refused =
        loads(&allowed, &[&[(".", A), ("com", A), ("co.uk", B), ("uk", B), ("x.com", B)]]);
    assert_eq!(
        refused,
        [
            (".".to_owned(), A, Refusal::Root),
            ("com".to_owned(), A, Refusal::PublicSuffix),
            ("co.uk".to_owned(), B, Refusal::PublicSuffix),
        ]
    );
    allowed.given.insert(n("com"), B);
    allowed.given.insert(n("."), C);
    let refused = loads(&allowed, &[&[("com", A), ("com", B)], &[(".", C)]]);
    assert_eq!(
        refused,
        [("com".to_owned(), A, Refusal::PublicSuffix), (".".to_owned(), C, above("com", B)),]
    );
}

#[test]
fn incumbents_in_the_order_in_which_they_came() {
    let allowed = Allowed { suffixes: vec![n("new.example")], ..Allowed::default() };
    let names = [n("x.example"), n("sub.x.example"), n("new.example"), n("given.example")];
    let incumbent = |name, account, id, given| Claim {
        standing: Standing::Incumbent { id: ZoneId(id), given },
        ..claim(name, account)
    };
    let mut register = Register::default();
    // The lower zone came first; what allowed the upper one is gone, so the upper one goes.
    let decisions = register.settle(
        &[
            claim(&names[1], C),
            incumbent(&names[0], A, 9, false),
            incumbent(&names[1], B, 4, false),
            // On the list only since it is held.
            incumbent(&names[2], A, 5, false),
            // Held by gift, and the gift is gone.
            incumbent(&n("new.example"), B, 2, true),
        ],
        &allowed,
    );
    assert_eq!(
        decisions,
        [
            Err(taken(B)),
            Err(above("sub.x.example", B)),
            Ok(Title { given: false }),
            Ok(Title { given: false }),
            Err(Refusal::PublicSuffix),
        ]
    );
    let gift = Allowed { given: [(n("."), A)].into(), ..Allowed::default() };
    let root = Name::root();
    assert_eq!(Register::default().settle(&[claim(&root, A)], &gift), [Ok(Title { given: true })]);
}

#[test]
fn a_released_name_is_free_again() {
    let allowed = Allowed::default().delegate("m.x.example", "z.m.x.example", B);
    let mut register = Register::default();
    let names = [n("x.example"), n("m.x.example"), n("z.m.x.example")];
    let claims = [claim(&names[0], A), claim(&names[1], A), claim(&names[2], B)];
    assert!(register.settle(&claims, &allowed).iter().all(Result::is_ok));
    assert_eq!(register.release(n("other.example").as_wire()), Released::Alone);
    // Without the middle one, the lower zone lies right below a zone that allows nothing.
    assert_eq!(register.release(names[1].as_wire()), Released::Disturbs);
    assert_eq!(register.release(names[2].as_wire()), Released::Alone);
    assert_eq!(register.release(names[0].as_wire()), Released::Alone);
    assert_eq!(register.holder(names[0].as_wire()), None);
    assert!(register.settle(&[claim(&names[0], B)], &allowed)[0].is_ok());
}

#[test]
fn refusals_say_what_would_allow_them() {
    let apex = n("sub.x.example");
    let text = below("x.example", A).explain(&apex, "b", "a").to_string();
    assert_eq!(
        text,
        "sub.x.example lies below x.example, which account a holds; to allow it: \
         [zones.\"x.example\"] delegates = { \"sub.x.example\" = \"b\" }"
    );
    let text = above("sub.x.example", B).explain(&n("x.example"), "a", "b").to_string();
    assert!(text.contains("[zones.\"x.example\"] delegates = { \"sub.x.example\" = \"b\" }"));
    let text = Refusal::PublicSuffix.explain(&n("co.uk"), "a", "").to_string();
    assert!(text.contains("policy.suffixes = { \"co.uk\" = \"a\" }"), "{text}");
    assert!(Refusal::Root.explain(&Name::root(), "a", "").help.contains("\".\""));
    assert!(taken(B).explain(&apex, "a", "b").what.contains("account b already holds"));
    let codes = [Refusal::Root, Refusal::PublicSuffix, taken(A), below("x", A), above("x", A)];
    let codes: std::collections::BTreeSet<_> = codes.iter().map(Refusal::code).collect();
    assert_eq!(codes.len(), 5);
}

/// Compares every pair of names; text and lists only.
fn oracle(
    held: &mut Vec<(Name, AccountId)>,
    apex: &Name,
    account: AccountId,
    allowed: &Allowed,
) -> bool {
    let strictly = |low: &Name, high: &Name| low.is_within(high) && low != high;
    let delegated = |upper: &Name, name: &Name, to: AccountId| {
        allowed.delegated_to(upper.as_wire(), name.as_wire()) == Some(to)
    };
    let special = apex.is_root() || allowed.suffixes.contains(apex);
    if special && allowed.given.get(apex) != Some(&account) {
        return false;
    }
    if held.iter().any(|(h, _)| h == apex) {
        return false;
    }
    let nearest = |name: &Name, among: &[(Name, AccountId)]| {
        among
            .iter()
            .filter(|(h, _)| strictly(name, h))
            .max_by_key(|(h, _)| h.label_count())
            .cloned()
    };
    if let Some((upper, by)) = nearest(apex, held)
        && by != account
        && !delegated(&upper, apex, account)
    {
        return false;
    }
    let mut with = held.clone();
    with.push((apex.clone(), account));
    let fine = held.iter().all(|(lower, by)| match nearest(lower, &with) {
        Some((upper, _)) if upper == *apex => *by == account || delegated(apex, lower, *by),
        _ => true,
    });
    if fine {
        *held = with;
    }
    fine
}

fn names() -> impl Strategy<Value = Name> {
    "([a-c]\\.){1,4}".prop_map(|t| n(&t))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn agrees_with_the_oracle(
        claims in prop::collection::vec((names(), 1u32..4), 1..25),
        delegates in prop::collection::vec((names(), names(), 1u32..4), 0..12),
        suffixes in prop::collection::vec(names(), 0..3),
        given in prop::collection::vec((names(), 1u32..4), 0..3),
        released in prop::collection::vec(0usize..25, 0..5),
    ) {
        let mut allowed = Allowed { suffixes, ..Allowed::default() };
        for (name, to) in given {
            allowed.given.insert(name, AccountId(to));
        }
        for (upper, name, to) in delegates {
            allowed.delegates.entry(upper).or_default().insert(name, AccountId(to));
        }
        // One load with all of them: upper names first, then accounts in order.
        let mut order: Vec<(Name, AccountId)> =
            claims.iter().map(|(name, a)| (name.clone(), AccountId(*a))).collect();
        let mut register = Register::default();
        let at_once: Vec<Claim<'_>> = order.iter().map(|(name, a)| claim(name, *a)).collect();
        let decisions = register.settle(&at_once, &allowed);
        let mut granted: Vec<(Name, AccountId)> = order
            .iter()
            .zip(&decisions)
            .filter(|(_, d)| d.is_ok())
            .map(|(c, _)| c.clone())
            .collect();
        let mut held = Vec::new();
        order.sort_by_key(|(name, a)| (name.label_count(), name.clone(), *a));
        for (name, account) in &order {
            oracle(&mut held, name, *account, &allowed);
        }
        granted.sort();
        held.sort();
        prop_assert_eq!(&granted, &held);

        // Some go; what is claimed then is decided against the rest.
        for i in released {
            if let Some((name, _)) = order.get(i) {
                register.release(name.as_wire());
                held.retain(|(h, _)| h != name);
            }
        }
        for (name, account) in order.iter().rev() {
            let decision = register.settle(&[claim(name, *account)], &allowed);
            prop_assert_eq!(decision[0].is_ok(), oracle(&mut held, name, *account, &allowed));
        }
    }

    /// A register that is resumed is the one that judging every name would make.
    #[test]
    fn resuming_is_settling(
        held in prop::collection::btree_map(names(), (1u32..4, 0u32..8, any::<u32>()), 1..25),
        delegates in prop::collection::vec((names(), names(), 1u32..4), 0..12),
        suffixes in prop::collection::vec(names(), 0..3),
        given in prop::collection::vec((names(), 1u32..4), 0..3),
        root in 0u32..12,
    ) {
        let mut allowed = Allowed { suffixes, ..Allowed::default() };
        for (name, to) in given {
            allowed.given.insert(name, AccountId(to));
        }
        for (upper, name, to) in delegates {
            allowed.delegates.entry(upper).or_default().insert(name, AccountId(to));
        }
        allowed.given.insert(Name::root(), AccountId(1));
        let held = held.into_iter().map(|(n, (account, given, id))| (n, account, given == 0, id));
        let mut held: Vec<(Name, u32, bool, u32)> = held.collect();
        if (1..4).contains(&root) {
            held.push((Name::root(), root, true, 7));
        }
        held.sort_by_key(|(.., id)| *id);
        let claims: Vec<Claim<'_>> = held
            .iter()
            .map(|(name, account, given, id)| Claim {
                standing: Standing::Incumbent { id: ZoneId(*id), given: *given },
                ..claim(name, AccountId(*account))
            })
            .collect();
        let mut settled = Register::default();
        let decisions = settled.settle(&claims, &allowed);
        let (mut resumed, refused) = Register::resume(&claims, &allowed);
        let expected: Vec<(usize, Refusal)> =
            decisions.into_iter().enumerate().filter_map(|(n, d)| Some((n, d.err()?))).collect();
        prop_assert_eq!(refused, expected);
        for (name, account, ..) in &held {
            let is_new = [claim(name, AccountId(*account))];
            prop_assert_eq!(settled.holder(name.as_wire()), resumed.holder(name.as_wire()));
            prop_assert_eq!(settled.settle(&is_new, &allowed), resumed.settle(&is_new, &allowed));
            let below = |r: &Register| {
                let below = r.tree.below(name.as_wire());
                let mut all: Vec<_> = below.map(|h| h.name.to_vec()).collect();
                all.sort();
                all
            };
            prop_assert_eq!(below(&settled), below(&resumed));
            let above = [&settled, &resumed].map(|r| r.tree.above(name.as_wire()));
            prop_assert_eq!(above[0], above[1]);
        }
    }
}

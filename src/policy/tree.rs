//! Held names as a tree: who holds a name, what is the nearest held name above it, what are those right below it.
//!
//! Every step is one hash look-up a label; nothing is ever scanned, among a million names either. One pass over a name
//! gives the hashes of all names above it.

use crate::base::hash::{HashKey, Keyed};
use crate::base::id::AccountId;
use crate::base::name;

/// Names with their holders. Wire names, lower case.
#[derive(Debug, Default)]
pub struct Tree {
    key: Keyed,
    index: Index,
    /// Every held name, and every name between one and the root.
    nodes: Vec<Node>,
    /// Nodes that are not used.
    free: Vec<u32>,
    names: Names,
}

/// The names of nodes, one behind the other, some of them of nodes that are gone.
#[derive(Debug, Default)]
struct Names {
    octets: Vec<u8>,
    /// Octets of nodes that are gone.
    gone: usize,
}

/// Octets of names that are gone are not worth the work before there are so many.
const GONE: usize = 1 << 16;

impl Names {
    fn get(&self, node: &Node) -> &[u8] {
        &self.octets[node.at as usize..][..usize::from(node.len)]
    }
}

/// Octets of a name, about.
const EXPECTED: usize = 24;
/// No node.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node {
    /// Of its name.
    at: u32,
    len: u8,
    hash: u64,
    holder: Option<AccountId>,
    parent: u32,
    first_child: u32,
    /// Siblings.
    next: u32,
    previous: u32,
}

/// Nodes by the hashes of their names: open addressing over numbers, at most half full.
#[derive(Debug, Default)]
struct Index {
    /// A power of two of them, or none.
    slots: Vec<u32>,
    count: usize,
}

impl Index {
    fn find(&self, nodes: &[Node], names: &Names, hash: u64, name: &[u8]) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        loop {
            let at = self.slots[slot];
            let node = nodes.get(at as usize)?;
            if node.hash == hash && names.get(node) == name {
                return Some(at);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Adds a node that is in `nodes` and not here.
    fn put(&mut self, nodes: &[Node], at: u32) {
        if self.slots.len() < 2 * (self.count + 1) {
            self.resize(nodes, self.count + 1);
        }
        self.enter(nodes[at as usize].hash, at);
        self.count += 1;
    }

    /// Makes room for as many nodes.
    fn resize(&mut self, nodes: &[Node], count: usize) {
        let slots = (2 * count).next_power_of_two().max(8);
        for at in std::mem::replace(&mut self.slots, vec![NONE; slots]) {
            if at != NONE {
                self.enter(nodes[at as usize].hash, at);
            }
        }
    }

    fn enter(&mut self, hash: u64, at: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != NONE {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = at;
    }

    /// Takes out a node. Those behind it move up, so that no gap ends a search too early.
    fn take(&mut self, nodes: &[Node], at: u32) {
        let mask = self.slots.len() - 1;
        let mut gap = nodes[at as usize].hash as usize & mask;
        while self.slots[gap] != at {
            gap = (gap + 1) & mask;
        }
        let mut slot = gap;
        loop {
            slot = (slot + 1) & mask;
            let Some(node) = nodes.get(self.slots[slot] as usize) else { break };
            let home = node.hash as usize & mask;
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(gap) & mask {
                self.slots[gap] = self.slots[slot];
                gap = slot;
            }
        }
        self.slots[gap] = NONE;
        self.count -= 1;
    }
}

/// A held name and its holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding<'a> {
    pub name: &'a [u8],
    pub holder: AccountId,
}

impl Tree {
    /// Makes room for as many names.
    pub fn reserve(&mut self, names: usize) {
        self.nodes.reserve(names);
        self.names.octets.reserve(names * EXPECTED);
        let count = self.index.count + names;
        if self.index.slots.len() < 2 * count {
            self.index.resize(&self.nodes, count);
        }
    }

    fn key(&self) -> &HashKey {
        self.key.key()
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        self.index.find(&self.nodes, &self.names, self.key().name(name), name)
    }

    /// Who holds exactly `name`.
    pub fn holder(&self, name: &[u8]) -> Option<AccountId> {
        self.nodes[self.find(name)? as usize].holder
    }

    /// The nearest held name strictly above `name`.
    pub fn above(&self, name: &[u8]) -> Option<Holding<'_>> {
        let mut rest = name::parent(name);
        while let Some(above) = rest {
            if let Some(at) = self.find(above) {
                // From here on the tree has every name up to the root.
                return self.held_from(at);
            }
            rest = name::parent(above);
        }
        None
    }

    fn held_from(&self, mut at: u32) -> Option<Holding<'_>> {
        while at != NONE {
            let node = &self.nodes[at as usize];
            if let Some(holder) = node.holder {
                return Some(Holding { name: self.names.get(node), holder });
            }
            at = node.parent;
        }
        None
    }

    /// The held names strictly below `name` with no held name between.
    pub fn below(&self, name: &[u8]) -> impl Iterator<Item = Holding<'_>> {
        let mut open = match self.find(name) {
            Some(at) => vec![self.nodes[at as usize].first_child],
            None => Vec::new(),
        };
        std::iter::from_fn(move || {
            while let Some(at) = open.pop() {
                if at == NONE {
                    continue;
                }
                let node = &self.nodes[at as usize];
                open.push(node.next);
                match node.holder {
                    Some(holder) => return Some(Holding { name: self.names.get(node), holder }),
                    None => open.push(node.first_child),
                }
            }
            None
        })
    }

    /// All held names strictly below `name`.
    pub fn all_below(&self, name: &[u8]) -> impl Iterator<Item = Holding<'_>> {
        let mut next: Vec<Holding<'_>> = self.below(name).collect();
        std::iter::from_fn(move || {
            let one = next.pop()?;
            next.extend(self.below(one.name));
            Some(one)
        })
    }

    /// `holder` holds `name` from now on.
    pub fn insert(&mut self, name: &[u8], holder: AccountId) {
        let at = self.node(name, self.key().name(name));
        self.nodes[at as usize].holder = Some(holder);
    }

    /// Nobody holds `name` any more.
    pub fn remove(&mut self, name: &[u8]) {
        let Some(at) = self.find(name) else { return };
        self.nodes[at as usize].holder = None;
        self.prune(at);
    }

    /// Names that stand in each other's way, though of different accounts, and those of which `is_doubtful` is true:
    /// all names at and below a held name above which nothing is held go together. Only for a tree from which nothing
    /// was ever removed. Tells each held name whether it is of such a family.
    pub fn families(&self, is_doubtful: impl Fn(&[u8]) -> bool) -> Families {
        // Names are entered after those above them.
        let mut top = vec![NONE; self.nodes.len()];
        let mut mixed = vec![false; self.nodes.len()];
        let mut any = false;
        for (at, node) in self.nodes.iter().enumerate() {
            top[at] = match top.get(node.parent as usize) {
                Some(&above) if above != NONE => above,
                _ if node.holder.is_some() => at as u32,
                _ => NONE,
            };
            let Some(first) = self.nodes.get(top[at] as usize) else { continue };
            if node.holder.is_some()
                && (node.holder != first.holder || is_doubtful(self.names.get(node)))
            {
                mixed[top[at] as usize] = true;
                any = true;
            }
        }
        Families { top, mixed, any }
    }

    /// Whether a held name is of a mixed family.
    pub fn is_mixed(&self, families: &Families, name: &[u8]) -> bool {
        families.any
            && self.find(name).is_some_and(|at| {
                let top = families.top[at as usize];
                families.mixed.get(top as usize).is_some_and(|mixed| *mixed)
            })
    }

    /// The node of `name`, made with all above it if it is missing.
    fn node(&mut self, name: &[u8], hash: u64) -> u32 {
        if let Some(at) = self.index.find(&self.nodes, &self.names, hash, name) {
            return at;
        }
        let parent = match name::parent(name) {
            Some(above) => self.node(above, self.key().name(above)),
            None => NONE,
        };
        let next = match self.nodes.get(parent as usize) {
            Some(parent) => parent.first_child,
            None => NONE,
        };
        let (holder, first_child, previous) = (None, NONE, NONE);
        let from = u32::try_from(self.names.octets.len()).expect("names fit in memory");
        let len = u8::try_from(name.len()).expect("names have 255 octets at the most");
        self.names.octets.extend_from_slice(name);
        let node = Node { at: from, len, hash, holder, parent, first_child, next, previous };
        let at = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer names than fit in memory")
            }
        };
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.first_child = at;
        }
        if let Some(next) = self.nodes.get_mut(next as usize) {
            next.previous = at;
        }
        self.index.put(&self.nodes, at);
        at
    }

    /// Drops the node and those above it that hold nothing and lead to nothing.
    fn prune(&mut self, mut at: u32) {
        while let Some(node) = self.nodes.get(at as usize)
            && node.holder.is_none()
            && node.first_child == NONE
        {
            let (parent, next, previous) = (node.parent, node.next, node.previous);
            self.names.gone += usize::from(node.len);
            self.index.take(&self.nodes, at);
            match self.nodes.get_mut(previous as usize) {
                Some(previous) => previous.next = next,
                None => {
                    if let Some(parent) = self.nodes.get_mut(parent as usize) {
                        parent.first_child = next;
                    }
                }
            }
            if let Some(next) = self.nodes.get_mut(next as usize) {
                next.previous = previous;
            }
            self.free.push(at);
            self.nodes[at as usize].len = 0;
            at = parent;
        }
        if self.names.gone > GONE.max(self.names.octets.len() / 2) {
            self.pack();
        }
    }

    /// Drops the names of nodes that are gone.
    fn pack(&mut self) {
        let mut octets = Vec::with_capacity(self.names.octets.len() - self.names.gone);
        for node in &mut self.nodes {
            let at = octets.len() as u32;
            octets.extend_from_slice(self.names.get(node));
            node.at = at;
        }
        self.names = Names { octets, gone: 0 };
    }
}

/// Which held names of a tree are related: see [`Tree::families`].
#[derive(Debug)]
pub struct Families {
    /// Of each node the held one above which nothing is held.
    top: Vec<u32>,
    /// Of each such node.
    mixed: Vec<bool>,
    any: bool,
}

impl Families {
    /// Whether some family is mixed.
    pub fn any_mixed(&self) -> bool {
        self.any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::base::name::Name;

    fn n(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn holder_above_below() {
        let mut tree = Tree::default();
        for (name, holder) in
            [("example", 1), ("a.b.example", 2), ("c.a.b.example", 3), ("d.example", 1), ("x", 4)]
        {
            tree.insert(n(name).as_wire(), AccountId(holder));
        }
        assert_eq!(tree.holder(n("a.b.example").as_wire()), Some(AccountId(2)));
        assert_eq!(tree.holder(n("b.example").as_wire()), None);
        assert_eq!(tree.above(n("a.b.example").as_wire()).unwrap().name, n("example").as_wire());
        assert_eq!(tree.above(n("q.c.a.b.example").as_wire()).unwrap().holder, AccountId(3));
        assert_eq!(tree.above(n("example").as_wire()), None);
        assert_eq!(tree.all_below(n("example").as_wire()).count(), 3);
        assert_eq!(tree.all_below(n("b.example").as_wire()).count(), 2);
        assert_eq!(tree.above(n(".").as_wire()), None);
        let below = |name: &str| {
            let mut all: Vec<_> = tree.below(n(name).as_wire()).map(|h| h.holder.0).collect();
            all.sort();
            all
        };
        assert_eq!(below("example"), [1, 2]);
        assert_eq!(below("b.example"), [2]);
        assert_eq!(below("."), [1, 4]);
        assert!(below("nothing").is_empty());
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut tree = Tree::default();
        for round in 0..3 {
            tree.insert(n("a.b.c").as_wire(), AccountId(round));
            tree.insert(n("b.c").as_wire(), AccountId(round));
            tree.insert(n(".").as_wire(), AccountId(round));
            tree.remove(n("a.b.c").as_wire());
            tree.remove(n("missing").as_wire());
            assert_eq!(tree.holder(n("b.c").as_wire()), Some(AccountId(round)));
            tree.remove(n("b.c").as_wire());
            tree.remove(n(".").as_wire());
            assert!(tree.index.count == 0 && tree.index.slots.iter().all(|at| *at == NONE));
            assert_eq!(tree.free.len(), tree.nodes.len());
        }
        assert_eq!(tree.nodes.len(), 4);
        tree.insert(n("stays.b.c").as_wire(), AccountId(1));
        for round in 0..20_000 {
            let name = n(&format!("name{round}.b.c"));
            tree.insert(name.as_wire(), AccountId(2));
            tree.remove(name.as_wire());
        }
        assert!(tree.names.octets.len() <= GONE + 300);
        assert_eq!(tree.holder(n("stays.b.c").as_wire()), Some(AccountId(1)));
    }

    proptest! {
        /// Against a plain map, whatever is put in and taken out.
        #[test]
        fn agrees_with_a_plain_map(
            steps in prop::collection::vec(("([a-c]\\.){0,4}", 0u32..4), 1..60),
            asked in prop::collection::vec("([a-c]\\.){0,5}", 1..10),
        ) {
            let of = |text: &str| n(if text.is_empty() { "." } else { text });
            let mut tree = Tree::default();
            let mut plain = BTreeMap::new();
            for (text, holder) in &steps {
                let name = of(text);
                if *holder == 0 {
                    tree.remove(name.as_wire());
                    plain.remove(&name);
                } else {
                    tree.insert(name.as_wire(), AccountId(*holder));
                    plain.insert(name, *holder);
                }
            }
            for text in &asked {
                let name = of(text);
                let holder = tree.holder(name.as_wire()).map(|a| a.0);
                prop_assert_eq!(holder, plain.get(&name).copied());
                let above = plain
                    .keys()
                    .filter(|k| name.is_within(k) && **k != name)
                    .max_by_key(|k| k.label_count());
                prop_assert_eq!(
                    tree.above(name.as_wire()).map(|h| h.name),
                    above.map(|k| k.as_wire())
                );
                let mut below: Vec<&[u8]> = tree.below(name.as_wire()).map(|h| h.name).collect();
                below.sort();
                let strictly_below = |k: &Name, above: &Name| k.is_within(above) && k != above;
                let mut expected: Vec<&[u8]> = plain
                    .keys()
                    .filter(|k| strictly_below(k, &name))
                    .filter(|k| {
                        !plain.keys().any(|m| strictly_below(m, &name) && strictly_below(k, m))
                    })
                    .map(|k| k.as_wire())
                    .collect();
                expected.sort();
                prop_assert_eq!(below, expected);
            }
        }
    }
}

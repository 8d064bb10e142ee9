//! Names that the operator bars from becoming custom hostnames (SPEC §7.1, the abuse list).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::name::Name;
use crate::base::name_buf::NameBuf;

/// The list. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Barred(Arc<Lists>);

#[derive(PartialEq, Eq, Debug, Default)]
struct Lists {
    exact: BTreeSet<Name>,
    /// Everything below these, not they themselves.
    below: BTreeSet<Name>,
}

impl Barred {
    /// Of names, some of which are wildcards: `*.bad.example` bars what is below `bad.example`.
    pub fn build(names: impl IntoIterator<Item = Name>) -> Barred {
        let mut lists = Lists::default();
        for name in names {
            match name.parent() {
                Some(base) if name.is_wildcard() => _ = lists.below.insert(base),
                _ => _ = lists.exact.insert(name),
            }
        }
        Barred(Arc::new(lists))
    }

    pub fn is_empty(&self) -> bool {
        self.0.exact.is_empty() && self.0.below.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.exact.len() + self.0.below.len()
    }

    /// Names that are barred here and not by `old`; and those below which everything is.
    pub fn since<'l>(
        &'l self,
        old: &'l Barred,
    ) -> (impl Iterator<Item = &'l Name>, impl Iterator<Item = &'l Name>) {
        (self.0.exact.difference(&old.0.exact), self.0.below.difference(&old.0.below))
    }

    /// Whether a custom hostname of this name, or of everything below it, is barred.
    pub fn covers(&self, base: &Name, wildcard: bool) -> bool {
        let Lists { exact, below } = &*self.0;
        if !wildcard && exact.contains(base) {
            return true;
        }
        let first = if wildcard { Some(base.clone()) } else { base.parent() };
        let mut above = std::iter::successors(first.filter(|_| !below.is_empty()), Name::parent);
        above.any(|name| below.contains(&name))
    }

    /// Whether a name that is asked for is barred. Nothing is allocated.
    pub fn has(&self, name: &NameBuf) -> bool {
        let Lists { exact, below } = &*self.0;
        exact.contains(name.wire())
            || (!below.is_empty() && (0..name.labels()).any(|k| below.contains(name.suffix(k))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::HashKey;

    #[test]
    fn exact_names_and_what_is_below() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let list = Barred::build(["bad.example", "*.worse.example"].map(name));
        assert_eq!((list.len(), list.is_empty()), (2, false));
        let key = HashKey::new([1; 16]);
        for (text, barred) in [
            ("bad.example", true),
            ("BAD.Example", true),
            ("a.bad.example", false),
            ("notbad.example", false),
            ("worse.example", false),
            ("a.worse.example", true),
            ("a.b.worse.example", true),
            ("example", false),
        ] {
            assert_eq!(list.covers(&name(text), false), barred, "{text}");
            assert_eq!(list.has(&NameBuf::of(&name(text), &key)), barred, "{text}");
        }
        for (base, barred) in [
            ("bad.example", false),
            ("example", false),
            ("worse.example", true),
            ("b.worse.example", true),
        ] {
            assert_eq!(list.covers(&name(base), true), barred, "*.{base}");
        }
        let root = Barred::build([name("*")]);
        assert!(root.covers(&name("a.example"), false) && root.covers(&name("example"), true));
        assert!(root.has(&NameBuf::of(&name("a.example"), &key)));
        assert!(!Barred::default().has(&NameBuf::of(&name("a.example"), &key)));
        let more = Barred::build(["bad.example", "new.example", "*.worse.example"].map(name));
        let (exact, below) = more.since(&list);
        assert_eq!((exact.collect::<Vec<_>>(), below.count()), (vec![&name("new.example")], 0));
    }
}

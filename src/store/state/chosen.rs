//! Settings of zones and accounts that were chosen through the API, as they are stored and as they are meant.
//!
//! They belong to the id of a zone or account, and name accounts by ids that are never used again: nothing here is
//! inherited by a zone or account that is made later under the same name. What cannot be read allows nothing.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::Control;
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::{self, Name};
use crate::base::public_id::PublicIds;
use crate::model::settings::{CrossAccount, FlattenMode, OnViolation};

/// Names that one zone may delegate, and accounts that one account may trust.
pub const MOST: usize = 1_000;

/// Everything that was chosen. Zones and accounts without a choice are not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Chosen {
    pub zones: HashMap<ZoneId, ZoneChoice>,
    /// Whom an account trusts.
    pub trusts: BTreeMap<AccountId, Vec<Whom>>,
}

/// What was chosen for one zone; `None`: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ZoneChoice {
    pub cross_account: Option<CrossAccount>,
    pub flatten: Option<FlattenMode>,
    pub on_violation: Option<OnViolation>,
    /// Names below the zone, and who may hold them.
    pub delegates: BTreeMap<Name, Whom>,
}

/// An account by the id that the API shows. Whether there is such an account, or ever was, makes no difference to
/// whoever names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Whom {
    pub shown: Box<str>,
    id: Option<AccountId>,
}

impl Whom {
    /// `None`: it does not look like an id.
    pub fn read(text: &str, ids: &PublicIds) -> Option<Whom> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let looks = text.len() == 32 && text.bytes().all(is_hex);
        looks.then(|| Whom { shown: text.into(), id: ids.read_account(text) })
    }

    pub fn of(id: AccountId, ids: &PublicIds) -> Whom {
        Whom { shown: ids.account(id).into(), id: Some(id) }
    }

    pub fn account(&self) -> Option<AccountId> {
        self.id
    }
}

const CROSS_ACCOUNT: [(&str, CrossAccount); 2] =
    [("granted", CrossAccount::Granted), ("anyone", CrossAccount::Anyone)];
const FLATTEN: [(&str, FlattenMode); 2] = [("apex", FlattenMode::Apex), ("all", FlattenMode::All)];
const ON_VIOLATION: [OnViolation; 5] = [
    OnViolation::Refuse,
    OnViolation::NoData,
    OnViolation::NxDomain,
    OnViolation::Sinkhole,
    OnViolation::Report,
];

pub fn cross_account(word: &str) -> Option<CrossAccount> {
    CROSS_ACCOUNT.iter().find(|(w, _)| *w == word).map(|(_, value)| *value)
}

pub fn cross_account_word(value: CrossAccount) -> &'static str {
    CROSS_ACCOUNT.iter().find(|(_, v)| *v == value).map_or("granted", |(word, _)| word)
}

pub fn flatten(word: &str) -> Option<FlattenMode> {
    FLATTEN.iter().find(|(w, _)| *w == word).map(|(_, value)| *value)
}

pub fn flatten_word(value: FlattenMode) -> &'static str {
    FLATTEN.iter().find(|(_, v)| *v == value).map_or("apex", |(word, _)| word)
}

pub fn on_violation(word: &str) -> Option<OnViolation> {
    ON_VIOLATION.into_iter().find(|value| value.word() == word)
}

impl Chosen {
    /// What the database says.
    pub fn read(control: &Control, ids: &PublicIds) -> Chosen {
        let object = |text: &str| -> Option<Map<String, Value>> {
            // Most have nothing.
            if text == "{}" { None } else { serde_json::from_str(text).ok() }
        };
        let zones = control.zones.iter().filter_map(|zone| {
            let choice = ZoneChoice::read(&object(&zone.settings)?, ids);
            (choice != ZoneChoice::default()).then_some((zone.id, choice))
        });
        let trusts = control.accounts.iter().filter_map(|account| {
            let trusts = trusts(&object(&account.settings)?, ids);
            (!trusts.is_empty()).then_some((account.id, trusts))
        });
        Chosen { zones: zones.collect(), trusts: trusts.collect() }
    }

    pub fn zone(&self, id: ZoneId) -> Option<&ZoneChoice> {
        self.zones.get(&id)
    }
}

/// The key of an account's settings that says whom it trusts.
const TRUSTS: &str = "trusts";

fn trusts(settings: &Map<String, Value>, ids: &PublicIds) -> Vec<Whom> {
    let list = settings.get(TRUSTS).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|id| Whom::read(id.as_str()?, ids)).collect()
}

/// The settings of an account with other trusts.
pub fn with_trusts(settings: &str, trusts: &[Whom]) -> String {
    let mut settings: Map<String, Value> = serde_json::from_str(settings).unwrap_or_default();
    match trusts {
        [] => _ = settings.remove(TRUSTS),
        some => {
            let shown = some.iter().map(|whom| &*whom.shown).collect::<Vec<_>>();
            settings.insert(TRUSTS.to_owned(), json!(shown));
        }
    }
    Value::Object(settings).to_string()
}

impl ZoneChoice {
    fn read(settings: &Map<String, Value>, ids: &PublicIds) -> ZoneChoice {
        let word = |key: &str| settings.get(key).and_then(Value::as_str);
        let delegates = settings.get("delegates").and_then(Value::as_object);
        let delegates = delegates.into_iter().flatten().filter_map(|(name, whom)| {
            Some((Name::from_text(name).ok()?, Whom::read(whom.as_str()?, ids)?))
        });
        ZoneChoice {
            cross_account: word("cross_account").and_then(cross_account),
            flatten: word("flatten").and_then(flatten),
            on_violation: word("on_violation").and_then(on_violation),
            delegates: delegates.collect(),
        }
    }

    /// As it is stored and shown: only what was chosen.
    pub fn object(&self) -> Map<String, Value> {
        let mut settings = Map::new();
        let mut put = |key: &str, word: Option<&'static str>| {
            settings.extend(word.map(|word| (key.to_owned(), json!(word))));
        };
        put("cross_account", self.cross_account.map(cross_account_word));
        put("flatten", self.flatten.map(flatten_word));
        put("on_violation", self.on_violation.map(OnViolation::word));
        if !self.delegates.is_empty() {
            let delegates = self.delegates.iter();
            let delegates: Map<String, Value> =
                delegates.map(|(name, whom)| (name.to_string(), json!(whom.shown))).collect();
            settings.insert("delegates".to_owned(), Value::Object(delegates));
        }
        settings
    }

    /// The account that may hold `name`, by the most specific entry that covers it.
    pub fn delegated_to(&self, upper: &[u8], name: &[u8]) -> Option<&Whom> {
        let mut covering = Some(name).filter(|_| !self.delegates.is_empty());
        while let Some(entry) = covering.filter(|entry| *entry != upper) {
            if let Some(whom) = self.delegates.get(entry) {
                return Some(whom);
            }
            covering = name::parent(entry);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_read_again() {
        let ids = PublicIds::new([7; 16]);
        let name = |text: &str| Name::from_text(text).unwrap();
        let nobody = Whom::read("0123456789abcdef0123456789abcdef", &ids).unwrap();
        assert_eq!(nobody.account(), None);
        let some = Whom::of(AccountId(5), &ids);
        let choice = ZoneChoice {
            cross_account: Some(CrossAccount::Anyone),
            flatten: Some(FlattenMode::All),
            on_violation: Some(OnViolation::NoData),
            delegates: [(name("a.x.example"), some.clone()), (name("b.x.example"), nobody)].into(),
        };
        assert_eq!(ZoneChoice::read(&choice.object(), &ids), choice);
        let to = |at: &str| {
            let whom = choice.delegated_to(name("x.example").as_wire(), name(at).as_wire());
            whom.map(Whom::account)
        };
        assert_eq!(to("c.a.x.example"), Some(Some(AccountId(5))));
        assert_eq!(to("b.x.example"), Some(None));
        assert_eq!((to("x.example"), to("c.x.example"), to("example")), (None, None, None));
        // With another key of ids it is nobody.
        let other = ZoneChoice::read(&choice.object(), &PublicIds::new([8; 16]));
        assert!(other.delegates.values().all(|whom| whom.account().is_none()));
        assert_eq!(ZoneChoice::read(&Map::new(), &ids), ZoneChoice::default());
    }

    #[test]
    fn trusts_stand_beside_other_settings_of_an_account() {
        let ids = PublicIds::new([7; 16]);
        let some = Whom::of(AccountId(5), &ids);
        let text = with_trusts("{\"made\":\"api\"}", std::slice::from_ref(&some));
        let settings: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert!(settings["made"] == "api" && trusts(&settings, &ids) == [some]);
        assert_eq!(with_trusts(&text, &[]), "{\"made\":\"api\"}");
    }
}

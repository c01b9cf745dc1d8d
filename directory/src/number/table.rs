//! Numbers beside those of the configuration file: many, and changed one at a time.

use super::parse_e164;
use crate::VoiceConnector;
use model::VoiceConnectorId;
use std::array;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

/// A change copies one of so many parts.
const SHARDS: usize = 256;

type Shard = HashMap<u64, NumberEntry>;

/// What calls know of a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberEntry {
    /// Where it leads.
    pub owner: NumberOwner,
    /// The caller's name of outbound calls from it.
    pub calling_name: Option<Arc<str>>,
}

/// Where a number leads.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum NumberOwner {
    /// To a voice connector.
    Connector(VoiceConnectorId),
    /// To the voice connectors of a group.
    Group(Arc<str>),
}

/// Numbers and where they lead. A copy shares everything with what it is a copy of; a change afterwards
/// copies a 256th of the numbers, and those of the owners that it is about.
#[derive(Clone, PartialEq, Eq)]
pub struct NumberTable {
    shards: Arc<[Arc<Shard>; SHARDS]>,
    by_owner: Arc<HashMap<NumberOwner, Arc<BTreeSet<u64>>>>,
    len: usize,
    /// The caller's name of outbound calls from numbers that have none of their own.
    default_calling_name: Option<Arc<str>>,
}

impl NumberTable {
    /// Where a number leads; `None` for numbers that are not in the table, and for what is none.
    pub fn get(&self, e164: &str) -> Option<&NumberEntry> {
        let number = packed(e164)?;
        self.shards.get(place(number))?.get(&number)
    }

    /// Puts a number in the table, or takes it out. Returns false, and changes nothing, for a text that
    /// is no E.164 number.
    pub fn set(&mut self, e164: &str, entry: Option<NumberEntry>) -> bool {
        let Some(number) = packed(e164) else { return false };
        let Some(shard) = Arc::make_mut(&mut self.shards).get_mut(place(number)) else {
            return false;
        };
        let shard = Arc::make_mut(shard);
        let entry = entry.map(|entry| match self.by_owner.get_key_value(&entry.owner) {
            // One text for all numbers of an owner.
            Some((owner, _)) => NumberEntry { owner: owner.clone(), ..entry },
            None => entry,
        });
        let owner = entry.as_ref().map(|entry| entry.owner.clone());
        let before = match entry {
            Some(entry) => shard.insert(number, entry),
            None => shard.remove(&number),
        };
        let before = before.map(|before| before.owner);
        if before == owner {
            return true;
        }
        let by_owner = Arc::make_mut(&mut self.by_owner);
        if let Some(before) = before {
            self.len -= 1;
            if let Some(numbers) = by_owner.get_mut(&before) {
                Arc::make_mut(numbers).remove(&number);
                if numbers.is_empty() {
                    by_owner.remove(&before);
                }
            }
        }
        if let Some(owner) = owner {
            self.len += 1;
            Arc::make_mut(by_owner.entry(owner).or_default()).insert(number);
        }
        true
    }

    /// The caller's name of outbound calls from a number of the table.
    pub fn calling_name(&self, e164: &str) -> Option<&Arc<str>> {
        self.get(e164)?.calling_name.as_ref().or(self.default_calling_name.as_ref())
    }

    /// Sets the caller's name of numbers that have none of their own.
    pub fn set_default_calling_name(&mut self, name: Option<Arc<str>>) {
        self.default_calling_name = name;
    }

    /// How many numbers an owner has.
    pub fn count_of(&self, owner: &NumberOwner) -> usize {
        self.by_owner.get(owner).map_or(0, |numbers| numbers.len())
    }

    /// The numbers of an owner in E.164 form, the lowest first.
    pub fn of(&self, owner: &NumberOwner) -> impl Iterator<Item = String> {
        let numbers = self.by_owner.get(owner).into_iter();
        numbers.flat_map(|numbers| numbers.iter().map(|number| unpacked(*number)))
    }

    /// A voice connector with all of its numbers: those that it declares, then those of the table.
    pub fn with_own(&self, connector: &VoiceConnector) -> VoiceConnector {
        let mut all = connector.clone();
        let owner = NumberOwner::Connector(connector.id.clone());
        let own = self.of(&owner).map(Arc::from);
        all.numbers.extend(own.filter(|number| !connector.numbers.contains(number)));
        all
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Default for NumberTable {
    fn default() -> Self {
        NumberTable {
            shards: Arc::new(array::from_fn(|_| Arc::default())),
            by_owner: Arc::default(),
            len: 0,
            default_calling_name: None,
        }
    }
}

impl fmt::Debug for NumberTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NumberTable").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The digits as a number: an E.164 number does not begin with 0, so that none is lost.
pub(crate) fn packed(e164: &str) -> Option<u64> {
    let digits = parse_e164(e164)?.strip_prefix('+')?;
    // At most 15 digits: 64 bits hold them.
    Some(digits.bytes().fold(0, |number, digit| number * 10 + u64::from(digit & 0x0f)))
}

pub(crate) fn unpacked(number: u64) -> String {
    format!("+{number}")
}

/// Numbers of one range differ in their last digits.
fn place(number: u64) -> usize {
    (number % SHARDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn owner(n: u8) -> NumberOwner {
        match n {
            0 => NumberOwner::Group("hq".into()),
            n => {
                let id = format!("abcdef1ghij2klmno3pqr{n}");
                NumberOwner::Connector(VoiceConnectorId::new(&id).unwrap())
            }
        }
    }

    proptest! {
        /// As a plain map would do it; copies that were taken before stay as they were.
        #[test]
        fn a_table_is_a_map(steps in prop::collection::vec((0u64..700, prop::option::of(0u8..4)), 0..300)) {
            let mut table = NumberTable::default();
            let mut model: BTreeMap<String, NumberOwner> = BTreeMap::new();
            let mut earlier = Vec::new();
            for (n, to) in steps {
                let number = format!("+1206555{n:04}");
                earlier.push((table.clone(), model.len()));
                let entry = to.map(|to| NumberEntry { owner: owner(to), calling_name: None });
                prop_assert!(table.set(&number, entry));
                match to {
                    Some(to) => model.insert(number, owner(to)),
                    None => model.remove(&number),
                };
                prop_assert_eq!(table.len(), model.len());
            }
            for (number, owner) in &model {
                prop_assert_eq!(&table.get(number).unwrap().owner, owner);
            }
            for n in 0..4 {
                let owner = owner(n);
                let first = model.iter().find(|(_, each)| **each == owner);
                prop_assert_eq!(table.of(&owner).next(), first.map(|(number, _)| number.clone()));
            }
            for (table, len) in earlier {
                let counted: usize = table.shards.iter().map(|shard| shard.len()).sum();
                prop_assert_eq!((table.len(), counted), (len, len));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_not_taken() {
        let mut table = NumberTable::default();
        for wrong in ["", "+", "12065550100", "+0206555010", "+1206555", "+1206555010x", "+12345"] {
            let entry = NumberEntry { owner: owner(0), calling_name: None };
            assert_eq!(table.set(wrong, Some(entry)), wrong == "+1206555", "{wrong}");
        }
        assert_eq!(table.get("+1206555").map(|entry| &entry.owner), Some(&owner(0)));
        assert_eq!(table.get("1206555"), None);
    }

    #[test]
    fn a_number_without_a_name_has_the_common_one() {
        let mut table = NumberTable::default();
        let named =
            |name: Option<&str>| NumberEntry { owner: owner(1), calling_name: name.map(Arc::from) };
        table.set("+12065550100", Some(named(Some("Front desk"))));
        table.set("+12065550101", Some(named(None)));
        assert_eq!(table.calling_name("+12065550101"), None);
        table.set_default_calling_name(Some("Example Corp".into()));
        let name = |number| table.calling_name(number).map(|name| &**name);
        assert_eq!(name("+12065550100"), Some("Front desk"));
        assert_eq!(name("+12065550101"), Some("Example Corp"));
        assert_eq!(name("+12065550102"), None);
    }
}

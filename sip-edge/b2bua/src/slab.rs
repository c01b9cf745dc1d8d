//! The calls of a worker in one table, found by index and told apart by generation.

use crate::call::Call;
use crate::context::CallKey;

/// At most this many calls, so that a handle's index fits the 24 bits that ids have for it.
/// The index after the last is left to questions that no call asks.
pub(crate) const MAX_CALLS: usize = (1 << 24) - 2;

/// An index that the table never reaches: that of questions by registrations to the resolver.
pub(crate) const REGISTRATIONS: u32 = MAX_CALLS as u32 + 1;

struct Slot {
    generation: u32,
    /// `None` while free, and while the call is being worked on.
    call: Option<Box<Call>>,
}

pub(crate) struct Calls {
    slots: Vec<Slot>,
    free: Vec<u32>,
    used: usize,
    limit: usize,
}

impl Calls {
    pub(crate) fn new(limit: usize) -> Self {
        Calls { slots: Vec::new(), free: Vec::new(), used: 0, limit: limit.min(MAX_CALLS) }
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used >= self.limit
    }

    /// Makes room for a call; the caller has asked [`Calls::is_full`].
    pub(crate) fn reserve(&mut self) -> CallKey {
        self.used += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, call: None });
            (self.slots.len() - 1) as u32
        });
        CallKey { index, generation: self.slots[index as usize].generation }
    }

    /// Puts calls where they were before this process began; those whose place is taken or beyond the
    /// limit are given back. For an empty table; returns the handles of the others too.
    pub(crate) fn restore(
        &mut self,
        calls: Vec<(CallKey, Box<Call>)>,
    ) -> (Vec<CallKey>, Vec<Box<Call>>) {
        let (mut keys, mut refused) = (Vec::new(), Vec::new());
        for (key, call) in calls {
            let index = key.index as usize;
            if index >= self.limit {
                refused.push(call);
                continue;
            }
            while self.slots.len() <= index {
                self.slots.push(Slot { generation: 0, call: None });
            }
            let slot = &mut self.slots[index];
            if slot.call.is_none() {
                *slot = Slot { generation: key.generation, call: Some(call) };
                keys.push(key);
            } else {
                refused.push(call);
            }
        }
        self.used = keys.len();
        let vacant = |(_, slot): &(usize, &Slot)| slot.call.is_none();
        let vacant = self.slots.iter().enumerate().filter(vacant);
        self.free = vacant.map(|(index, _)| index as u32).collect();
        (keys, refused)
    }

    /// Takes a call out to work on it; [`Calls::put`] or [`Calls::remove`] follows.
    pub(crate) fn take(&mut self, key: CallKey) -> Option<Box<Call>> {
        self.slot(key)?.call.take()
    }

    pub(crate) fn put(&mut self, key: CallKey, call: Box<Call>) {
        if let Some(slot) = self.slot(key) {
            slot.call = Some(call);
        }
    }

    /// Frees the place; the old handle finds nothing any more.
    pub(crate) fn remove(&mut self, key: CallKey) {
        let Some(slot) = self.slot(key) else { return };
        slot.call = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        self.used -= 1;
    }

    pub(crate) fn get(&self, key: CallKey) -> Option<&Call> {
        let slot = self.slots.get(key.index as usize)?;
        slot.call.as_deref().filter(|_| slot.generation == key.generation)
    }

    pub(crate) fn for_each(&mut self, work: impl FnMut(&mut Call)) {
        self.slots.iter_mut().filter_map(|slot| slot.call.as_deref_mut()).for_each(work);
    }

    /// The calls of which `is_wanted` holds; it looks at every one.
    pub(crate) fn all_of(&self, is_wanted: impl Fn(&Call) -> bool) -> Vec<CallKey> {
        let wanted = |(index, slot): (usize, &Slot)| {
            slot.call.as_deref().filter(|call| is_wanted(call))?;
            Some(CallKey { index: index as u32, generation: slot.generation })
        };
        self.slots.iter().enumerate().filter_map(wanted).collect()
    }

    /// The first call of which `is_wanted` holds; it looks at every one.
    pub(crate) fn find(&self, is_wanted: impl Fn(&Call) -> bool) -> Option<CallKey> {
        let wanted = |(index, slot): (usize, &Slot)| {
            slot.call.as_deref().filter(|call| is_wanted(call))?;
            Some(CallKey { index: index as u32, generation: slot.generation })
        };
        self.slots.iter().enumerate().find_map(wanted)
    }

    pub(crate) fn keys(&self) -> Vec<CallKey> {
        let used = |(index, slot): (usize, &Slot)| {
            slot.call.as_ref()?;
            Some(CallKey { index: index as u32, generation: slot.generation })
        };
        self.slots.iter().enumerate().filter_map(used).collect()
    }

    fn slot(&mut self, key: CallKey) -> Option<&mut Slot> {
        self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)
    }
}

//! A hierarchical, hashed timer wheel (Varghese and Lauck, schemes 6 and 7).
//!
//! Seven levels of 64 slots cover the whole life of [`Instant`], so nothing ever wraps around.
//! A timer sits in the level of the highest digit (base 64) in which its tick differs from now, and
//! moves to finer levels as its time comes near: at most six moves in its life. Setting and
//! stopping a timer are O(1); the earliest one is found through one occupancy word per level.

use std::time::Duration;

use model::Instant;

/// The length of one tick. Deadlines are rounded up to the next one: a timer fires up to this much
/// late, and never early.
pub const RESOLUTION: Duration = Duration::from_millis(10);

const TICK_NANOS: u64 = 10_000_000;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 7 × 6 = 42 bits; the last tick of an [`Instant`] is below 2^41.
const LEVELS: usize = 7;
const NIL: u32 = u32::MAX;

/// A handle to a timer that is set. It stays harmless after the timer fired or was stopped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// Timers that carry a key of type `K`.
///
/// Memory is one entry per timer that is set (entries are reused, stopped timers leave nothing
/// behind); a caller whose own tables are bounded therefore bounds the wheel.
#[derive(Debug)]
pub struct TimerWheel<K> {
    /// Every tick before this one has fired.
    elapsed: u64,
    levels: Vec<Level>,
    entries: Vec<Entry<K>>,
    free: u32,
    armed: usize,
}

impl<K> TimerWheel<K> {
    /// An empty wheel.
    pub fn new() -> Self {
        TimerWheel {
            elapsed: 0,
            levels: (0..LEVELS).map(|_| Level::default()).collect(),
            entries: Vec::new(),
            free: NIL,
            armed: 0,
        }
    }

    /// Sets a timer for `at`. One that lies in the past fires at the next [`pop`](Self::pop).
    pub fn insert(&mut self, at: Instant, key: K) -> TimerId {
        let tick = at.as_nanos().div_ceil(TICK_NANOS).max(self.elapsed);
        let index = self.allocate(tick, key);
        self.link(index);
        self.armed += 1;
        TimerId { index, generation: self.entries[index as usize].generation }
    }

    /// Stops a timer and returns its key; `None` when it has fired or was stopped before.
    pub fn cancel(&mut self, id: TimerId) -> Option<K> {
        let entry = self.entries.get(id.index as usize)?;
        if entry.generation != id.generation || entry.key.is_none() {
            return None;
        }
        self.unlink(id.index);
        self.release(id.index)
    }

    /// Takes one timer whose time has come, earliest first; those of one tick in the order in which
    /// they were set, except that a timer set long ago may follow one set later.
    ///
    /// Call it until it returns `None`.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let now_tick = now.as_nanos() / TICK_NANOS;
        while let Some((level, slot, start)) = self.next_slot() {
            if start > now_tick {
                break;
            }
            self.elapsed = self.elapsed.max(start);
            if level == 0 {
                let index = self.levels[0].slots[slot].head;
                self.unlink(index);
                return self.release(index);
            }
            self.cascade(level, slot);
        }
        self.elapsed = self.elapsed.max(now_tick);
        None
    }

    /// When [`pop`](Self::pop) should be called next; `None` when no timer is set.
    ///
    /// Never later than the tick of the earliest timer. For a timer more than 64 ticks away it may
    /// be earlier: the moment at which the timer moves to a finer level.
    pub fn next_deadline(&self) -> Option<Instant> {
        let (_, _, start) = self.next_slot()?;
        Some(Instant::from_nanos(start.saturating_mul(TICK_NANOS)))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.armed
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// The earliest occupied slot and its first tick. Levels hold disjoint spans of time in
    /// ascending order, and no slot lies behind `elapsed`, so the first set bit of the first
    /// occupied level is the earliest.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.levels.iter().position(|l| l.occupied != 0)?;
        let slot = self.levels[level].occupied.trailing_zeros() as usize;
        let shift = SLOT_BITS * level as u32;
        let above = self.elapsed >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some((level, slot, above | (slot as u64) << shift))
    }

    /// Moves the timers of a slot whose span begins now to finer levels.
    fn cascade(&mut self, level: usize, slot: usize) {
        let mut index = self.levels[level].slots[slot].head;
        self.levels[level].slots[slot] = Slot::default();
        self.levels[level].occupied &= !(1 << slot);
        while index != NIL {
            let next = self.entries[index as usize].next;
            self.link(index);
            index = next;
        }
    }

    /// Appends the entry to the slot that its tick belongs to, seen from `elapsed`.
    fn link(&mut self, index: u32) {
        let tick = self.entries[index as usize].tick;
        let differing = (tick ^ self.elapsed) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros()) / SLOT_BITS) as usize;
        let slot = (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;

        let tail = self.levels[level].slots[slot].tail;
        let entry = &mut self.entries[index as usize];
        entry.level = level as u8;
        entry.slot = slot as u8;
        entry.previous = tail;
        entry.next = NIL;
        match tail {
            NIL => self.levels[level].slots[slot].head = index,
            tail => self.entries[tail as usize].next = index,
        }
        self.levels[level].slots[slot].tail = index;
        self.levels[level].occupied |= 1 << slot;
    }

    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (level, slot) = (entry.level as usize, entry.slot as usize);
        let (previous, next) = (entry.previous, entry.next);
        match previous {
            NIL => self.levels[level].slots[slot].head = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NIL => self.levels[level].slots[slot].tail = previous,
            next => self.entries[next as usize].previous = previous,
        }
        if self.levels[level].slots[slot].head == NIL {
            self.levels[level].occupied &= !(1 << slot);
        }
    }

    fn allocate(&mut self, tick: u64, key: K) -> u32 {
        if self.free == NIL {
            let index = u32::try_from(self.entries.len()).unwrap_or(NIL);
            assert!(index != NIL, "a wheel holds fewer than 2^32 - 1 timers");
            self.entries.push(Entry {
                tick,
                key: Some(key),
                generation: 0,
                previous: NIL,
                next: NIL,
                level: 0,
                slot: 0,
            });
            return index;
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.tick = tick;
        entry.key = Some(key);
        index
    }

    fn release(&mut self, index: u32) -> Option<K> {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        self.armed -= 1;
        entry.key.take()
    }
}

impl<K> Default for TimerWheel<K> {
    fn default() -> Self {
        TimerWheel::new()
    }
}

#[derive(Debug)]
struct Level {
    /// Bit n is set when slot n holds a timer.
    occupied: u64,
    slots: [Slot; SLOTS],
}

impl Default for Level {
    fn default() -> Self {
        Level { occupied: 0, slots: [Slot::default(); SLOTS] }
    }
}

/// The ends of a list that is threaded through the entries.
#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u32,
    tail: u32,
}

impl Default for Slot {
    fn default() -> Self {
        Slot { head: NIL, tail: NIL }
    }
}

#[derive(Debug)]
struct Entry<K> {
    tick: u64,
    /// `None` while the entry is free.
    key: Option<K>,
    generation: u32,
    previous: u32,
    /// The next timer of the slot, or the next free entry.
    next: u32,
    level: u8,
    slot: u8,
}

#[cfg(test)]
mod tests;

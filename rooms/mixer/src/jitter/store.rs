//! Packets that wait to be played, in the order of their sequence numbers. Fixed in size.

/// Packets that can wait: 1.28 s of 20 ms.
pub(super) const SLOTS: usize = 64;
/// The longest payload that is kept, in octets: what a path of 1,500 octets takes.
pub(super) const LONGEST: usize = 1_460;

/// A packet that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Waiting {
    /// Its sequence number with the wraps counted.
    pub(super) sequence: i64,
    /// Where its audio begins on the sender's clock, in 1/48,000 s.
    pub(super) position: i64,
    /// How long its audio is, in 1/48,000 s; 0 for comfort noise.
    pub(super) duration: i64,
    /// What reads it: the index of a source.
    pub(super) source: u8,
    /// Its payload describes noise (RFC 3389).
    pub(super) is_noise: bool,
    len: u16,
}

impl Waiting {
    pub(super) const fn end(&self) -> i64 {
        self.position + self.duration
    }
}

/// What [`Store::put`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stored {
    Kept,
    /// The same sequence number waits already.
    Duplicate,
    /// Kept; an older packet had to go for it.
    Displaced,
    /// Payload too long.
    TooLong,
}

pub(super) struct Store {
    slots: Box<[Option<Waiting>; SLOTS]>,
    payloads: Box<[u8]>,
    count: usize,
    /// The slot of the packet that is to be played first, while there is one.
    first: usize,
}

impl Store {
    pub(super) fn new() -> Self {
        let payloads = vec![0; SLOTS * LONGEST].into();
        Store { slots: Box::new([None; SLOTS]), payloads, count: 0, first: 0 }
    }

    /// Keeps a packet. When its place is taken by an older one, that one is dropped.
    pub(super) fn put(&mut self, waiting: Waiting, payload: &[u8]) -> Stored {
        let Ok(len) = u16::try_from(payload.len()) else { return Stored::TooLong };
        let at = slot_of(waiting.sequence);
        let place = self.payloads.get_mut(at * LONGEST..(at + 1) * LONGEST);
        let Some(place) = place.and_then(|place| place.get_mut(..payload.len())) else {
            return Stored::TooLong;
        };
        let before = self.slots[at];
        if before.is_some_and(|before| before.sequence == waiting.sequence) {
            return Stored::Duplicate;
        }
        place.copy_from_slice(payload);
        self.slots[at] = Some(Waiting { len, ..waiting });
        self.count += usize::from(before.is_none());
        self.find_first();
        if before.is_some() { Stored::Displaced } else { Stored::Kept }
    }

    /// The packet that is to be played first.
    pub(super) fn first(&self) -> Option<Waiting> {
        self.slots.get(self.first).copied().flatten()
    }

    /// The payload of a packet that waits.
    pub(super) fn payload(&self, waiting: &Waiting) -> &[u8] {
        let at = slot_of(waiting.sequence) * LONGEST;
        self.payloads.get(at..at + usize::from(waiting.len)).unwrap_or_default()
    }

    /// Drops the first packet.
    pub(super) fn drop_first(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.first)
            && slot.take().is_some()
        {
            self.count -= 1;
            self.find_first();
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Where the last packet's audio ends.
    pub(super) fn end(&self) -> Option<i64> {
        self.slots.iter().flatten().map(Waiting::end).max()
    }

    fn find_first(&mut self) {
        let waiting = self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, (*slot)?)));
        let first = waiting.min_by_key(|(_, waiting)| waiting.sequence);
        self.first = first.map_or(0, |(at, _)| at);
    }
}

/// A packet as [`Store::put`] takes it.
pub(super) const fn waiting(
    sequence: i64,
    position: i64,
    duration: i64,
    source: u8,
    is_noise: bool,
) -> Waiting {
    Waiting { sequence, position, duration, source, is_noise, len: 0 }
}

const fn slot_of(sequence: i64) -> usize {
    sequence.rem_euclid(SLOTS as i64) as usize
}

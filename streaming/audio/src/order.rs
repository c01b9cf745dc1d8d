//! Packets in the order of their sequence numbers.
//!
//! What comes in order passes at once. What comes too soon is held until what is missing has come, or
//! until its own place is due ([`Order::pop_due`]); what comes after that is too late.

use model::Instant;
use rtp_proto::{ExtendedSequence, RtpPacket, SequenceStep};

/// Packets that are held at most; with one more, what is missing before the first of them is given up.
const HELD: usize = 32;

/// A packet that waits.
#[derive(Debug)]
pub(crate) struct Held {
    number: u64,
    pub(crate) arrival: Instant,
    pub(crate) octets: Vec<u8>,
}

/// What is to be done with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// It is the next one. After it, [`Order::pop_next`] may have more.
    Next,
    /// It is kept.
    Waits,
    /// It came twice, or too late, or fits nothing that came before.
    Dropped,
    /// It begins anew. Before it, [`Order::pop`] gives what is still there; then it is to be said
    /// to [`Order::restart`].
    Restarts,
    /// As it is kept there is one too many: before anything else [`Order::pop`] is to be heard.
    Crowded,
}

/// The order of one channel's packets, source after source.
#[derive(Debug, Default)]
pub(crate) struct Order {
    source: Option<Source>,
    /// By number.
    held: Vec<Held>,
    /// What packets were kept in, to be used again.
    spare: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    sequence: ExtendedSequence,
    /// The number that is awaited.
    next: u64,
}

impl Order {
    /// Takes the next packet in order of arrival.
    pub(crate) fn accept(&mut self, packet: &RtpPacket<'_>, arrival: Instant) -> Turn {
        let Some(source) = self.source.as_mut().filter(|s| s.ssrc == packet.ssrc()) else {
            return Turn::Restarts;
        };
        let number = match source.sequence.update(packet.sequence()) {
            SequenceStep::Ahead { .. } => source.sequence.highest(),
            SequenceStep::Behind { by } => source.sequence.highest() - u64::from(by),
            SequenceStep::Restarted => return Turn::Restarts,
            SequenceStep::Jumped | SequenceStep::Probation => return Turn::Dropped,
        };
        if number == source.next {
            source.next += 1;
            return Turn::Next;
        }
        if number < source.next {
            return Turn::Dropped;
        }
        self.hold(number, packet, arrival)
    }

    /// Begins with this packet.
    pub(crate) fn restart(&mut self, packet: &RtpPacket<'_>) {
        let sequence = ExtendedSequence::accepted(packet.sequence());
        let next = sequence.highest() + 1;
        self.source = Some(Source { ssrc: packet.ssrc(), sequence, next });
    }

    /// The first of those that wait, if it is the next one.
    pub(crate) fn pop_next(&mut self) -> Option<Held> {
        let awaited = self.source.as_ref()?.next;
        if self.held.first()?.number == awaited { self.pop() } else { None }
    }

    /// The first of those that wait, if it is the next one or `is_due`.
    pub(crate) fn pop_due(&mut self, is_due: impl Fn(&Held) -> bool) -> Option<Held> {
        let awaited = self.source.as_ref()?.next;
        let first = self.held.first()?;
        if first.number == awaited || is_due(first) { self.pop() } else { None }
    }

    /// The first of those that wait; what is missing before it is given up.
    pub(crate) fn pop(&mut self) -> Option<Held> {
        if self.held.is_empty() {
            return None;
        }
        let held = self.held.remove(0);
        if let Some(source) = &mut self.source {
            source.next = held.number + 1;
        }
        Some(held)
    }

    /// Takes back what a packet was kept in.
    pub(crate) fn give_back(&mut self, held: Held) {
        self.spare.push(held.octets);
    }

    fn hold(&mut self, number: u64, packet: &RtpPacket<'_>, arrival: Instant) -> Turn {
        let Err(at) = self.held.binary_search_by_key(&number, |held| held.number) else {
            return Turn::Dropped;
        };
        let mut octets = self.spare.pop().unwrap_or_default();
        octets.clear();
        octets.extend_from_slice(packet.raw());
        self.held.insert(at, Held { number, arrival, octets });
        if self.held.len() > HELD { Turn::Crowded } else { Turn::Waits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtp_proto::RtpHeader;

    fn octets(ssrc: u32, sequence: u16) -> Vec<u8> {
        RtpHeader { sequence, ssrc, ..RtpHeader::default() }.to_bytes().to_vec()
    }

    /// What is heard of packets that come in this order.
    #[derive(Default)]
    struct Ear {
        order: Order,
        heard: Vec<u16>,
    }

    impl Ear {
        fn hear(&mut self, held: Held) {
            self.heard.push(RtpPacket::parse(&held.octets).unwrap().sequence());
            self.order.give_back(held);
        }

        fn take(&mut self, ssrc: u32, sequence: u16) -> Turn {
            let octets = octets(ssrc, sequence);
            let packet = RtpPacket::parse(&octets).unwrap();
            let turn = self.order.accept(&packet, Instant::ZERO);
            match turn {
                Turn::Next => self.heard.push(sequence),
                Turn::Restarts => {
                    while let Some(held) = self.order.pop() {
                        self.hear(held);
                    }
                    self.order.restart(&packet);
                    self.heard.push(sequence);
                }
                Turn::Crowded => {
                    let held = self.order.pop().unwrap();
                    self.hear(held);
                }
                Turn::Waits | Turn::Dropped => {}
            }
            while let Some(held) = self.order.pop_next() {
                self.hear(held);
            }
            turn
        }
    }

    #[test]
    fn what_comes_too_soon_waits_for_what_is_missing() {
        let mut ear = Ear::default();
        let turns = [10, 13, 12, 12, 11, 11, 14].map(|sequence| ear.take(1, sequence));
        let (waits, dropped) = (Turn::Waits, Turn::Dropped);
        let expected = [Turn::Restarts, waits, waits, dropped, Turn::Next, dropped, Turn::Next];
        assert_eq!(turns, expected);
        assert_eq!(ear.heard, [10, 11, 12, 13, 14]);
    }

    #[test]
    fn what_is_due_is_not_waited_for() {
        let mut ear = Ear::default();
        for sequence in [65_533, 65_535, 1] {
            ear.take(1, sequence);
        }
        assert!(ear.order.pop_due(|_| false).is_none());
        let held = ear.order.pop_due(|_| true).unwrap();
        ear.hear(held);
        assert_eq!(ear.take(1, 65_534), Turn::Dropped);
        assert_eq!(ear.take(1, 0), Turn::Next);
        assert_eq!(ear.heard, [65_533, 65_535, 0, 1]);
    }

    #[test]
    fn another_source_begins_anew_and_so_does_one_that_restarts() {
        let mut ear = Ear::default();
        ear.take(1, 10);
        ear.take(1, 12);
        assert_eq!(ear.take(2, 500), Turn::Restarts);
        assert_eq!(ear.take(2, 40_000), Turn::Dropped);
        assert_eq!(ear.take(2, 501), Turn::Next);
        assert_eq!(ear.take(2, 20_000), Turn::Dropped);
        assert_eq!(ear.take(2, 20_001), Turn::Restarts);
        assert_eq!(ear.heard, [10, 12, 500, 501, 20_001]);
    }

    #[test]
    fn no_more_than_so_many_wait() {
        let mut ear = Ear::default();
        ear.take(1, 0);
        for sequence in 2..200 {
            ear.take(1, sequence);
            assert!(ear.order.held.len() <= HELD);
        }
        assert_eq!(ear.heard.len(), 199);
        assert!(ear.order.spare.len() <= HELD + 1);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_heard_in_order_and_once(steps in prop::collection::vec(0_u16..40, 1..300)) {
            let mut ear = Ear::default();
            for step in steps {
                ear.take(1, 1_000 + step);
            }
            while let Some(held) = ear.order.pop() {
                ear.hear(held);
            }
            prop_assert!(ear.heard.is_sorted_by(|a, b| a < b));
        }
    }
}

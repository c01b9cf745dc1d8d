//! Packets of one sender that others wait behind, and when it is asked for them again: generic NACK (RFC
//! 4585 section 6.2.1).

use model::Instant;
use rtp_proto::AskedPackets;
use rtp_proto::rtcp::Nack;
use std::time::Duration;

/// How long packets wait for one that the sender is asked for: as long as is seen, and no longer.
pub const ASKED_WAIT: Duration = Duration::from_millis(80);
/// A sender that is further away, there and back, is not asked: what it sent would come too late.
pub const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(60);
/// What is taken for the way there and back where no report has said.
const USUAL_ROUND_TRIP: Duration = Duration::from_millis(30);
/// What a sender needs beside the way.
const REACTION: Duration = Duration::from_millis(10);
/// How often it is asked for one packet.
const TIMES: u8 = 2;
/// Entries of one message. What is more is asked for by the next.
const ENTRIES: usize = 4;
/// Packets that one entry names, and those behind the first.
const FOLLOWING: u64 = 16;

/// Packets that a sender is asked for in one message.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MissingPackets {
    entries: [Nack; ENTRIES],
    count: usize,
}

impl MissingPackets {
    /// The message's entries, one at least.
    pub fn entries(&self) -> &[Nack] {
        self.entries.get(..self.count).unwrap_or_default()
    }

    /// Adds a packet behind those that are there; `false` where there is no room.
    fn add(&mut self, first: &mut u64, number: u64) -> bool {
        let last = self.count.checked_sub(1).and_then(|last| self.entries.get_mut(last));
        if let Some(last) = last
            && let after @ 1..=FOLLOWING = number.saturating_sub(*first)
        {
            last.following |= 1 << (after - 1);
            return true;
        }
        let Some(entry) = self.entries.get_mut(self.count) else { return false };
        *entry = Nack { packet: number as u16, following: 0 };
        *first = number;
        self.count += 1;
        true
    }
}

/// What of one stream is missing; of a sender that sends again.
#[derive(Debug)]
pub(crate) struct Missing {
    /// In the order of their numbers; as many as may wait at most.
    packets: Vec<MissingPacket>,
    /// The number behind the last that was looked at.
    seen: u64,
    round_trip: Option<Duration>,
    asked: u64,
    /// What answers may still come to, given up or not.
    answers: AskedPackets,
}

#[derive(Clone, Copy, Debug)]
struct MissingPacket {
    number: u64,
    times: u8,
    /// When it is to be asked for.
    due: Instant,
}

impl Missing {
    /// Has room for as many.
    pub(crate) fn new(most: usize) -> Self {
        let (packets, answers) = (Vec::with_capacity(most), AskedPackets::default());
        Missing { packets, seen: 0, round_trip: None, asked: 0, answers }
    }

    /// As the last report says; `None` where it does not.
    pub(crate) const fn set_round_trip(&mut self, round_trip: Option<Duration>) {
        self.round_trip = round_trip;
    }

    /// How long to wait for a packet; `None` for one that cannot come in time.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let is_near = self.round_trip.is_none_or(|time| time <= LONGEST_ROUND_TRIP);
        is_near.then_some(ASKED_WAIT)
    }

    /// A packet has come that waits; those between `next` and it have not, but those behind the last
    /// that came so are known. Whether it had been asked for.
    pub(crate) fn note_ahead(&mut self, now: Instant, next: u64, number: u64) -> bool {
        let was_asked = self.note_came(number);
        if self.wait().is_some() {
            for number in self.seen.max(next)..number {
                if self.packets.len() < self.packets.capacity() {
                    self.packets.push(MissingPacket { number, times: 0, due: now });
                }
            }
        }
        self.seen = self.seen.max(number + 1);
        was_asked
    }

    /// A packet has come; whether it had been asked for.
    pub(crate) fn note_came(&mut self, number: u64) -> bool {
        let Ok(at) = self.packets.binary_search_by_key(&number, |packet| packet.number) else {
            return false;
        };
        self.packets.remove(at).times > 0
    }

    /// Those before `next` are not waited for any more.
    pub(crate) fn give_up(&mut self, next: u64) {
        self.packets.retain(|packet| packet.number >= next);
    }

    /// Whether the sender was asked for this one, however long ago; of the last of them.
    pub(crate) fn was_asked(&self, sequence: u16) -> bool {
        self.answers.has(sequence)
    }

    /// Another stream begins.
    pub(crate) fn forget(&mut self) {
        self.packets.clear();
        self.answers.forget();
        self.seen = 0;
    }

    /// When something is to be asked for.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.packets.iter().filter(|packet| packet.times < TIMES);
        due.map(|packet| packet.due).min()
    }

    /// What is to be asked for now.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<MissingPackets> {
        let again = self.round_trip.unwrap_or(USUAL_ROUND_TRIP) + REACTION;
        let mut message = MissingPackets::default();
        let mut first = 0;
        for packet in &mut self.packets {
            if packet.times < TIMES && now >= packet.due {
                if !message.add(&mut first, packet.number) {
                    break;
                }
                self.answers.note(packet.number as u16);
                packet.times += 1;
                packet.due = now + again;
                self.asked += 1;
            }
        }
        (message.count > 0).then_some(message)
    }

    /// Packets that were asked for, each as often as it was.
    pub(crate) const fn asked(&self) -> u64 {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn named(message: Option<MissingPackets>) -> Vec<u16> {
        let entries = message.iter().flat_map(|message| message.entries().to_vec());
        entries.flat_map(Nack::packets).collect()
    }

    #[test]
    fn what_is_missing_is_asked_for_twice_and_until_it_comes() {
        let mut missing = Missing::new(64);
        missing.note_ahead(at(0), 65_534, 65_536);
        missing.note_ahead(at(1), 65_534, 65_539);
        assert_eq!(missing.poll_timeout(), Some(at(0)));
        assert_eq!(named(missing.poll(at(1))), [65_534, 65_535, 1, 2]);
        assert_eq!((missing.poll(at(1)), missing.poll_timeout()), (None, Some(at(41))));
        assert!(missing.note_came(65_535) && !missing.note_came(65_535));
        assert_eq!(missing.poll(at(40)), None);
        assert_eq!(named(missing.poll(at(41))), [65_534, 1, 2]);
        assert_eq!((missing.poll(at(500)), missing.poll_timeout()), (None, None), "no third time");
        assert_eq!(missing.asked(), 7);
        // What overtook and came in the end is missed no more; what is given up neither.
        missing.note_ahead(at(600), 65_540, 65_543);
        missing.note_ahead(at(601), 65_540, 65_541);
        missing.give_up(65_542);
        assert_eq!(named(missing.poll(at(601))), [6]);
        missing.note_ahead(at(602), 65_540, 65_550);
        missing.forget();
        assert_eq!(missing.poll(at(900)), None);
    }

    #[test]
    fn the_way_there_and_back_says_when_to_ask_again_and_whether() {
        let mut missing = Missing::new(64);
        missing.set_round_trip(Some(LONGEST_ROUND_TRIP));
        assert_eq!(missing.wait(), Some(ASKED_WAIT));
        missing.note_ahead(at(0), 5, 6);
        assert_eq!(named(missing.poll(at(0))), [5]);
        assert_eq!(missing.poll_timeout(), Some(at(70)));
        missing.set_round_trip(Some(LONGEST_ROUND_TRIP + Duration::from_millis(1)));
        assert_eq!(missing.wait(), None);
        missing.note_ahead(at(100), 7, 9);
        missing.give_up(6);
        assert_eq!((missing.poll(at(100)), missing.poll_timeout()), (None, None));
    }

    #[test]
    fn a_message_has_an_end_and_the_next_has_the_rest() {
        let mut missing = Missing::new(96);
        missing.note_ahead(at(0), 10, 200);
        let first = named(missing.poll(at(0)));
        assert_eq!((first.len(), first[0], first[67]), (68, 10, 77));
        let rest = named(missing.poll(at(0)));
        assert_eq!((rest.len(), rest[0], rest[27]), (28, 78, 105), "as many as there is room for");
        assert_eq!(missing.poll(at(0)), None);
    }
}

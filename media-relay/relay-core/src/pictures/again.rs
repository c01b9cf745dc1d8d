//! Packets of pictures that a leg was sent, kept for a moment, and sent again where it says that they
//! did not come: generic NACK (RFC 4585 section 6.2.1), without a stream of their own (RFC 4588).
//!
//! What is kept is what was sent, octet by octet: under SRTP the same packet under the same index, so that
//! no keystream meets other octets (RFC 3711 section 9.1), and the receiver's replay list drops what had come
//! (section 3.3.2).

use super::{LEG, Pictured};
use crate::decision::PacketKind;
use crate::made::MadePacket;
use crate::rtp_session::RtpSession;
use model::Instant;
use rtp_proto::rtcp::{Feedback, FeedbackMessage, Nack};
use std::time::Duration;

/// Octets that are kept. Full: the oldest goes. Half a second of 2 Mbit/s, or a key frame of 100 KB.
pub(crate) const ROOM: usize = 128 * 1024;
/// Packets that are kept. Full: the oldest goes.
pub(crate) const PACKETS: usize = 256;
/// How long a packet is of use to whoever misses it.
const LIFE: Duration = Duration::from_millis(500);
/// How often one packet is sent again.
const TIMES: u8 = 2;
/// Packets that wait to be sent again. Full: what is new is refused, and counted; it is asked for again.
const WAITING: usize = 64;
/// Of what a line is sent, this part may be sent again.
const SHARE: usize = 10;
/// Octets of that part that may be saved up: a burst that was lost of a key frame.
const MOST_SAVED: usize = 16 * 1024;
/// Octets that a line may have again from the beginning: some packets of its first key frame.
const FIRST_SAVED: usize = 6_000;

/// What became of packets that a leg asked for again.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SentAgain {
    /// They were sent.
    pub sent: u64,
    /// They were not: they are gone, were sent twice already, or would be more than a tenth of what the
    /// line is sent.
    pub refused: u64,
}

/// What is kept of one line.
pub(crate) struct Again {
    octets: Box<[u8]>,
    /// By the last octet of their numbers.
    kept: Box<[Kept; PACKETS]>,
    /// Octets that were ever written, what was left out at the end of the room among them.
    written: u64,
    waiting: [u16; WAITING],
    waits: usize,
    saved: usize,
    counts: SentAgain,
}

#[derive(Clone, Copy, Default)]
struct Kept {
    sequence: u16,
    /// 0 where there is none.
    len: u16,
    times: u8,
    waits: bool,
    /// Where it begins, counted as `written`.
    begin: u64,
    at: Instant,
}

impl std::fmt::Debug for Again {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Again").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Again {
    /// Has all the room that it ever has.
    pub(crate) fn new() -> Box<Self> {
        Box::new(Again {
            octets: vec![0; ROOM].into_boxed_slice(),
            kept: Box::new([Kept::default(); PACKETS]),
            written: 0,
            waiting: [0; WAITING],
            waits: 0,
            saved: FIRST_SAVED,
            counts: SentAgain::default(),
        })
    }

    /// Keeps a packet as it was sent.
    #[inline]
    pub(crate) fn keep(&mut self, sequence: u16, packet: &[u8], now: Instant) {
        self.saved = (self.saved + packet.len() / SHARE).min(MOST_SAVED);
        let Ok(len) = u16::try_from(packet.len()) else { return };
        let left = ROOM - (self.written % ROOM as u64) as usize;
        if left < packet.len() {
            self.written += left as u64;
        }
        let begin = self.written;
        let Some(place) = self.room(begin, packet.len()) else { return };
        place.copy_from_slice(packet);
        self.written += packet.len() as u64;
        let kept = &mut self.kept[usize::from(sequence) % PACKETS];
        *kept = Kept { sequence, len, times: 0, waits: false, begin, at: now };
    }

    /// Forgets all: they were sent under another key, or of another source.
    pub(crate) fn forget(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.len = 0);
        self.waits = 0;
    }

    /// Takes what the leg says of source `ssrc`.
    pub(crate) fn hear(&mut self, feedback: &Feedback<'_>, ssrc: u32, now: Instant) {
        let FeedbackMessage::Nack(nacks) = feedback.message() else { return };
        if feedback.media_ssrc == ssrc {
            nacks.iter().flat_map(Nack::packets).for_each(|sequence| self.want(sequence, now));
        }
    }

    fn want(&mut self, sequence: u16, now: Instant) {
        match self.find(sequence, now) {
            Some(kept) if kept.waits => return,
            Some(kept) if kept.times < TIMES && self.waits < WAITING => {}
            _ => return self.counts.refused += 1,
        }
        if let (Some(kept), Some(place)) =
            (self.kept.get_mut(usize::from(sequence) % PACKETS), self.waiting.get_mut(self.waits))
        {
            (kept.waits, *place) = (true, sequence);
            self.waits += 1;
        }
    }

    /// What is kept under a number, and not too old.
    fn find(&self, sequence: u16, now: Instant) -> Option<Kept> {
        let kept = self.kept[usize::from(sequence) % PACKETS];
        let is_whole = self.written - kept.begin <= ROOM as u64;
        let is_it = kept.len > 0 && kept.sequence == sequence;
        (is_it && is_whole && now - kept.at <= LIFE).then_some(kept)
    }

    /// Whether anything waits to be sent again.
    pub(crate) const fn has_more(&self) -> bool {
        self.waits > 0
    }

    /// Nothing that waits is sent: the leg takes nothing now.
    pub(crate) fn drop_waiting(&mut self) {
        self.counts.refused += self.waits as u64;
        let waiting = self.waiting.get(..self.waits).unwrap_or_default();
        for sequence in waiting {
            self.kept[usize::from(*sequence) % PACKETS].waits = false;
        }
        self.waits = 0;
    }

    /// Writes the next packet that waits to the front of `buffer`; its octets.
    pub(crate) fn poll(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        while self.waits > 0 {
            let sequence = self.waiting[0];
            self.waiting.rotate_left(1);
            self.waits -= 1;
            let kept = self.find(sequence, now);
            self.kept[usize::from(sequence) % PACKETS].waits = false;
            let written = kept.and_then(|kept| {
                let len = usize::from(kept.len);
                self.saved = self.saved.checked_sub(len)?;
                let octets = self.room(kept.begin, len)?;
                buffer.get_mut(..len)?.copy_from_slice(octets);
                Some(len)
            });
            if let Some(len) = written {
                self.kept[usize::from(sequence) % PACKETS].times += 1;
                self.counts.sent += 1;
                return Some(len);
            }
            self.counts.refused += 1;
        }
        None
    }

    /// What became of packets since this was asked last.
    pub(crate) fn take_counts(&mut self) -> SentAgain {
        std::mem::take(&mut self.counts)
    }

    fn room(&mut self, begin: u64, len: usize) -> Option<&mut [u8]> {
        let begin = (begin % ROOM as u64) as usize;
        self.octets.get_mut(begin..begin + len)
    }
}

impl RtpSession {
    /// Leg A may ask for packets again (generic NACK), now that it takes part with pictures.
    pub fn send_pictures_again(&mut self) {
        if let Some(pictured) = self.pictured.as_deref_mut() {
            pictured.again.get_or_insert_with(Again::new);
        }
    }

    /// What became of packets that the leg asked for again, since this was last asked.
    pub fn take_sent_again(&mut self) -> SentAgain {
        let again = self.pictured.as_deref_mut().and_then(|pictured| pictured.again.as_deref_mut());
        again.map_or_else(SentAgain::default, Again::take_counts)
    }

    /// Keys may be others: what was sent is not to be sent again.
    pub(crate) fn forget_pictures_sent(&mut self) {
        if let Some(pictured) = self.pictured.as_deref_mut() {
            pictured.forget_sent();
        }
    }

    /// Sends a packet again that the leg has asked for.
    pub(super) fn send_again(
        &mut self,
        pictured: &mut Pictured,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        let again = pictured.again.as_deref_mut().filter(|again| again.has_more())?;
        let leg = &mut self.legs[LEG.index()];
        let destination = leg.rtp.destination();
        let destination = destination.filter(|_| leg.plan.as_ref().is_some_and(|p| p.sends_to));
        let Some(destination) = destination else {
            again.drop_waiting();
            return None;
        };
        let len = again.poll(now, buffer)?;
        leg.stream.sent(PacketKind::Rtp, len);
        Some(MadePacket { to: LEG, destination, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_proto::rtcp::{RtcpPacket, parse_compound, write_nack};

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn packet(sequence: u16, len: usize) -> Vec<u8> {
        let mut packet = vec![sequence as u8; len];
        packet[..2].copy_from_slice(&sequence.to_be_bytes());
        packet
    }

    /// After `count` packets of `len` octets from `first` on, one a millisecond.
    fn after(first: u16, count: u16, len: usize) -> Box<Again> {
        let mut again = Again::new();
        for n in 0..count {
            let sequence = first.wrapping_add(n);
            again.keep(sequence, &packet(sequence, len), at(u64::from(n)));
        }
        again
    }

    fn ask(again: &mut Again, ssrc: u32, nacks: &[Nack], now: u64) {
        let mut said = Vec::new();
        write_nack(&mut said, 1, ssrc, nacks);
        let Some(Ok(RtcpPacket::Feedback(feedback))) = parse_compound(&said).next() else {
            panic!("no feedback")
        };
        again.hear(&feedback, 7, at(now));
    }

    fn gets(again: &mut Again, now: u64) -> Vec<u16> {
        let mut buffer = [0; 2_000];
        let mut got = Vec::new();
        while let Some(len) = again.poll(at(now), &mut buffer) {
            let sequence = u16::from_be_bytes([buffer[0], buffer[1]]);
            assert_eq!(&buffer[..len], packet(sequence, len), "whole");
            got.push(sequence);
        }
        got
    }

    fn one(packet: u16) -> [Nack; 1] {
        [Nack { packet, following: 0 }]
    }

    #[test]
    fn what_is_asked_for_is_sent_again_as_it_was_over_the_end_of_the_numbers() {
        let mut again = after(65_500, 100, 1_200);
        assert!(!again.has_more() && gets(&mut again, 100).is_empty());
        ask(&mut again, 7, &[Nack { packet: 65_534, following: 0b1010 }], 100);
        assert!(again.has_more());
        // Once more before they have gone, and about somebody else's stream.
        ask(&mut again, 7, &one(65_534), 100);
        ask(&mut again, 8, &one(5), 100);
        assert_eq!(gets(&mut again, 100), [65_534, 0, 2]);
        assert_eq!(again.take_counts(), SentAgain { sent: 3, refused: 0 });
    }

    #[test]
    fn each_is_sent_again_twice_at_most_and_not_when_it_is_old() {
        let mut again = after(0, 100, 1_200);
        for (round, expected) in [vec![50], vec![50], vec![]].into_iter().enumerate() {
            ask(&mut again, 7, &one(50), 110);
            assert_eq!(gets(&mut again, 110), expected, "{round}");
        }
        ask(&mut again, 7, &one(40), 540);
        assert_eq!(gets(&mut again, 540), [40]);
        ask(&mut again, 7, &one(39), 540);
        ask(&mut again, 7, &one(100), 540);
        assert!(gets(&mut again, 540).is_empty(), "too old, and never sent");
        assert_eq!(again.take_counts(), SentAgain { sent: 3, refused: 3 });
        // It grows old while it waits.
        ask(&mut again, 7, &one(60), 560);
        assert!(gets(&mut again, 561).is_empty());
        assert_eq!(again.take_counts(), SentAgain { sent: 0, refused: 1 });
    }

    #[test]
    fn the_oldest_goes_where_there_is_no_room() {
        // By octets: 109 of 1,200 fit.
        let mut again = after(0, 200, 1_200);
        let begin = (0..200).find(|sequence| again.find(*sequence, at(200)).is_some());
        assert_eq!(begin, Some(91));
        ask(&mut again, 7, &[Nack { packet: 90, following: 1 }], 200);
        assert_eq!(gets(&mut again, 200), [91]);
        // By numbers: 256 small ones.
        let again = after(0, 300, 100);
        let begin = (0..300).find(|sequence| again.find(*sequence, at(300)).is_some());
        assert_eq!(begin, Some(44));
    }

    #[test]
    fn no_more_than_a_tenth_is_sent_again() {
        let mut again = after(0, 50, 1_200);
        let all = Nack { packet: 0, following: u16::MAX };
        ask(&mut again, 7, &[all], 50);
        // 5 of the first moment, and 5 of 50 that were sent.
        assert_eq!(gets(&mut again, 50).len(), 10);
        assert_eq!(again.take_counts(), SentAgain { sent: 10, refused: 7 });
        // What was saved up has an end.
        let mut again = Again::new();
        for round in 0..100 {
            for sequence in 0..200 {
                again.keep(sequence, &packet(sequence, 1_000), at(round));
            }
        }
        let nacks: Vec<_> =
            (0..8).map(|n| Nack { packet: 80 + 17 * n, following: u16::MAX }).collect();
        ask(&mut again, 7, &nacks, 100);
        assert_eq!(gets(&mut again, 100).len(), MOST_SAVED / 1_000);
    }

    #[test]
    fn what_waits_has_an_end_and_a_leg_on_hold_gets_nothing() {
        let mut again = after(0, 250, 20);
        let nacks: Vec<_> = (0..10).map(|n| Nack { packet: 17 * n, following: u16::MAX }).collect();
        ask(&mut again, 7, &nacks, 250);
        assert_eq!(again.waits, WAITING);
        again.drop_waiting();
        assert_eq!(again.take_counts(), SentAgain { sent: 0, refused: 170 });
        ask(&mut again, 7, &one(3), 250);
        assert_eq!(gets(&mut again, 250), [3], "it can be asked for anew");
        again.forget();
        ask(&mut again, 7, &one(4), 250);
        assert!(gets(&mut again, 250).is_empty());
    }
}

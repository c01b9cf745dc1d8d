//! The numbers of what goes to a leg as one source although not all of it comes from the other leg.
//!
//! A translator passes sequence numbers and sources as they are. That ends with the first packet that
//! is made here and put among those that pass, or where SRTP would take a number twice, see
//! `restart.rs`: from then on the leg gets one continuous source (RFC 3550 section 5.1), whatever the
//! other leg begins, and RTCP ends here (RFC 7667 section 3.1).

use crate::fast_path::FastNumbers;
use model::Instant;
use rtp_proto::{MAX_DROPOUT, MAX_MISORDER, RtpHeader};

/// Insertions that a late packet can be told to be before: those of a pressed key come every 20 ms.
const STEPS: usize = 16;
/// A packet that is this far behind is none that was late: the source started over. The bound of
/// RFC 3550 appendix A.1 and some room for long jitter.
const MISORDER: u16 = 1_000;
/// The same towards a leg that has SRTP, whose window tells no older packet from a repeated one: the
/// bound of RFC 3550 appendix A.1.
pub(crate) const MISORDER_IN_SRTP: u16 = MAX_MISORDER;
/// So many packets behind the last change of its numbers a source passes steadily: what is later still is
/// not waited for (RFC 3550 appendix A.1), and may be numbered by sockets alone.
const STEADY: u16 = MAX_MISORDER;
/// Sequence numbers that pass steadily: fewer than [`STEADY`] behind the highest, or no farther ahead
/// than a gap may be.
const STEADY_SPAN: u16 = STEADY - 1 + MAX_DROPOUT - 1;
/// How far behind the highest number a step is at most: far enough for all that comes late, and near
/// enough for serial arithmetic (RFC 1982) to know on which side it is.
const OLDEST: u16 = 1 << 13;
/// How often, in sequence numbers, steps are looked at for that.
const AGING: u16 = 1 << 12;
const _: () = assert!(MISORDER < OLDEST && OLDEST + AGING + MAX_DROPOUT < 1 << 15);
const _: () = assert!(STEADY < OLDEST);

/// A place in the numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) at: Instant,
    /// Of its format, in Hz.
    pub(crate) clock_rate: u32,
}

/// The numbers of a packet that passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
}

/// One continuous source towards a leg.
#[derive(Clone, Debug)]
pub(crate) struct Outbound {
    ssrc: u32,
    last: Sent,
    passing: Option<Passing>,
    /// What passed before a jump that nothing has confirmed yet: it may have been one stray packet.
    before: Option<Passing>,
    /// From so many behind on a packet is none that was late.
    misorder: u16,
}

/// The other leg's source whose packets pass, and how its numbers are changed.
#[derive(Clone, Debug)]
struct Passing {
    ssrc: u32,
    /// The highest of its own sequence numbers that came.
    highest: u16,
    /// Numbers from its first to the highest. Saturates.
    span: u16,
    timestamp_offset: u32,
    /// The newest last.
    steps: [Step; STEPS],
}

/// From which of the source's own sequence numbers on what is added to them.
#[derive(Clone, Copy, Debug)]
struct Step {
    after: u16,
    offset: u16,
}

impl Numbers {
    /// Of the RTP packet in `buffer`.
    #[inline]
    pub(crate) fn read(buffer: &[u8]) -> Option<Self> {
        let header = buffer.first_chunk::<{ RtpHeader::BYTES }>()?;
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        Some(Numbers {
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        })
    }

    /// Gives them to the RTP packet in `buffer`.
    #[inline]
    pub(crate) fn write(self, buffer: &mut [u8]) -> Option<()> {
        let header = buffer.first_chunk_mut::<{ RtpHeader::BYTES }>()?;
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        Some(())
    }
}

impl Outbound {
    /// Of a leg that has no numbers yet.
    pub(crate) const fn idle() -> Self {
        let last = Sent { sequence: 0, timestamp: 0, at: Instant::ZERO, clock_rate: 0 };
        Outbound::new(0, last)
    }

    /// Begins with numbers that the leg has not seen; `sequence` and `timestamp` are drawn at random.
    pub(crate) const fn new(ssrc: u32, last: Sent) -> Self {
        Outbound { ssrc, last, passing: None, before: None, misorder: MISORDER }
    }

    /// Goes on where `passed`, the last packet of the other leg, stands: the leg knows that one as
    /// `ssrc` with the same numbers.
    pub(crate) fn after(ssrc: u32, passed: Numbers, at: Instant, clock_rate: u32) -> Self {
        let Numbers { sequence, timestamp, .. } = passed;
        let step = Step { after: sequence, offset: 0 };
        let passing = Passing {
            ssrc: passed.ssrc,
            highest: sequence,
            span: u16::MAX,
            timestamp_offset: 0,
            steps: [step; STEPS],
        };
        let last = Sent { sequence, timestamp, at, clock_rate };
        Outbound { passing: Some(passing), ..Outbound::new(ssrc, last) }
    }

    /// Whether the leg has SRTP, which takes no number twice.
    pub(crate) fn is_for_srtp(&mut self, has_srtp: bool) {
        self.misorder = if has_srtp { MISORDER_IN_SRTP } else { MISORDER };
    }

    /// The source that the leg knows.
    pub(crate) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The leg knows what goes on as another source from now on.
    pub(crate) fn rename(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
    }

    /// The timestamp of what is made at `now`.
    pub(crate) fn timestamp_at(&self, now: Instant) -> u32 {
        let gone = u128::from((now - self.last.at).as_nanos() as u64);
        let ticks = gone * u128::from(self.last.clock_rate) / 1_000_000_000;
        self.last.timestamp.wrapping_add(ticks as u32)
    }

    /// The sequence number of a packet that is made and sent now. What still arrives of before it
    /// keeps the numbers that it had.
    pub(crate) fn insert(&mut self) -> u16 {
        self.last.sequence = self.last.sequence.wrapping_add(1);
        if let Some(passing) = &mut self.passing {
            let [.., newest] = passing.steps;
            passing.add(Step { after: passing.highest, offset: newest.offset.wrapping_add(1) });
        }
        self.last.sequence
    }

    /// A made packet has moved the source's time to `timestamp`, which is due at `at`.
    pub(crate) fn advance(&mut self, timestamp: u32, clock_rate: u32, at: Instant) {
        self.last = Sent { timestamp, clock_rate, at, ..self.last };
    }

    /// A packet that is sent now has numbers that somebody else has counted. Pictures may be sent in another
    /// order than shown: the latest time counts.
    pub(crate) fn give(&mut self, sequence: u16, timestamp: u32, clock_rate: u32, at: Instant) {
        self.last.sequence = sequence;
        if self.last.clock_rate != clock_rate
            || timestamp.wrapping_sub(self.last.timestamp) < 1 << 31
        {
            self.last = Sent { sequence, timestamp, at, clock_rate };
        }
    }

    /// The next packet of the other leg, even of the source that it had, follows what was made.
    pub(crate) fn part(&mut self) {
        (self.passing, self.before) = (None, None);
    }

    /// What a packet of the other leg is to the leg. One that `is_other` than the packet which had its
    /// number is not late.
    #[inline]
    pub(crate) fn pass(
        &mut self,
        numbers: Numbers,
        clock_rate: u32,
        at: Instant,
        is_other: bool,
    ) -> Numbers {
        let misorder = if is_other { 0 } else { self.misorder };
        let known = self.follow(numbers, misorder, at);
        let Some(passing) = &mut self.passing else { return numbers };
        let sequence = numbers.sequence.wrapping_add(passing.offset(numbers.sequence));
        let timestamp = numbers.timestamp.wrapping_add(passing.timestamp_offset);
        passing.note(numbers.sequence);
        if !known || is_after(sequence, self.last.sequence) {
            self.last = Sent { sequence, timestamp, at, clock_rate };
        }
        Numbers { ssrc: self.ssrc, sequence, timestamp }
    }

    /// Notes a packet of the other leg that the leg does not get: what follows it leaves no gap.
    #[inline]
    pub(crate) fn skip(&mut self, numbers: Numbers, at: Instant) {
        self.follow(numbers, self.misorder, at);
        let Some(passing) = &mut self.passing else { return };
        // A late one's place was left free when what follows it passed.
        if !is_after(numbers.sequence, passing.highest) {
            return;
        }
        let offset = passing.offset(numbers.sequence).wrapping_sub(1);
        passing.note(numbers.sequence);
        passing.add(Step { after: numbers.sequence, offset });
    }

    /// What becomes of the numbers of the other leg's source `ssrc` while nothing is put among them;
    /// `None` before that has been the same for [`STEADY`] packets.
    pub(crate) fn steady(&self, ssrc: u32) -> Option<FastNumbers> {
        let passing = self.passing.as_ref().filter(|p| p.ssrc == ssrc && self.before.is_none())?;
        let [.., newest] = passing.steps;
        let is_steady = passing.highest.wrapping_sub(newest.after) >= STEADY;
        is_steady.then_some(FastNumbers {
            ssrc: self.ssrc,
            sequence_offset: newest.offset,
            timestamp_offset: passing.timestamp_offset,
            span: STEADY_SPAN,
        })
    }

    /// The first of the sequence numbers that [`Outbound::steady`] is for.
    pub(crate) fn steady_from(&self) -> Option<u16> {
        self.passing.as_ref().map(|passing| passing.highest.wrapping_sub(STEADY - 1))
    }

    /// Notes a packet of the other leg that the leg got as `given` without [`Outbound::pass`]. What
    /// passes, or is made, later follows that too, even when something changed meanwhile.
    #[inline]
    pub(crate) fn passed(
        &mut self,
        numbers: Numbers,
        given: Numbers,
        clock_rate: u32,
        at: Instant,
    ) {
        let Numbers { sequence, timestamp, .. } = given;
        let misorder = self.misorder;
        let passing = self.passing.as_mut();
        if let Some(passing) = passing.filter(|p| p.goes_on_with(&numbers, misorder)) {
            passing.note(numbers.sequence);
        }
        if !is_after(sequence, self.last.sequence) {
            return;
        }
        self.last = Sent { sequence, timestamp, at, clock_rate };
        if let Some(passing) = &mut self.passing {
            let [.., newest] = passing.steps;
            let after = passing.highest;
            if is_after(sequence, after.wrapping_add(newest.offset)) {
                passing.add(Step { after, offset: sequence.wrapping_sub(after) });
            }
        }
    }

    /// The number that a packet of source `ssrc` of the other leg had, which the leg knows as
    /// `sequence`; `None` where it was made here, is none of that source's, or long gone. What was made
    /// in the place of a packet that was skipped leads back to that one.
    pub(crate) fn original(&self, ssrc: u32, sequence: u16) -> Option<u16> {
        let passing = self.passing.as_ref().filter(|passing| passing.ssrc == ssrc)?;
        let mut until = passing.highest;
        let own = passing.steps.iter().rev().find_map(|step| {
            let own = sequence.wrapping_sub(step.offset);
            let is_of_step = is_after(own, step.after) && !is_after(own, until);
            until = step.after;
            is_of_step.then_some(own)
        });
        // What is older than all steps.
        let before = sequence.wrapping_sub(passing.steps[0].offset);
        let own = own.or((!is_after(before, until)).then_some(before))?;
        (passing.highest.wrapping_sub(own) < MISORDER).then_some(own)
    }

    /// Makes `passing` what a packet belongs to, which is late less than `misorder` behind; `false`
    /// when that begins with it.
    #[inline]
    fn follow(&mut self, numbers: Numbers, misorder: u16, at: Instant) -> bool {
        let goes_on = self.passing.as_ref().is_some_and(|p| p.goes_on_with(&numbers, misorder));
        (goes_on && self.before.is_none()) || self.follow_jump(numbers, misorder, goes_on, at)
    }

    /// RFC 3550 appendix A.1: two packets in sequence after a jump show that the source started over;
    /// until then what was before may go on, and the jump was a stray packet. Unlike there none of
    /// them is left out: what is stray takes a number like one that was inserted.
    #[cold]
    fn follow_jump(&mut self, numbers: Numbers, misorder: u16, goes_on: bool, at: Instant) -> bool {
        let passing = self.passing.as_ref().filter(|p| p.ssrc == numbers.ssrc);
        if goes_on && passing.is_some_and(|p| p.highest == numbers.sequence) {
            // What jumped, once more: that shows nothing.
            return true;
        }
        let is_next = passing.is_some_and(|p| p.is_followed_by(&numbers));
        let before = self.before.take_if(|p| is_next || p.goes_on_with(&numbers, misorder));
        if let Some(mut before) = before.filter(|_| !is_next) {
            let offset = self.last.sequence.wrapping_sub(before.highest);
            before.add(Step { after: before.highest, offset });
            self.passing = Some(before);
            return true;
        }
        if is_next || goes_on {
            self.before = None;
            return true;
        }
        // Another source's numbers tell nothing of this one's.
        let passing = self.passing.take();
        let before = self.before.take().or(passing);
        self.before = before.filter(|before| before.ssrc == numbers.ssrc);
        self.begin(numbers, at);
        false
    }

    /// Another source passes from now on; its first packet follows what went before.
    fn begin(&mut self, first: Numbers, at: Instant) {
        let sequence = self.last.sequence.wrapping_add(1);
        let before = first.sequence.wrapping_sub(1);
        let step = Step { after: before, offset: sequence.wrapping_sub(first.sequence) };
        self.passing = Some(Passing {
            ssrc: first.ssrc,
            highest: before,
            span: 0,
            timestamp_offset: self.timestamp_at(at).wrapping_sub(first.timestamp),
            steps: [step; STEPS],
        });
    }
}

impl Passing {
    /// Adds the newest step; it takes the place of one that begins where it does.
    fn add(&mut self, step: Step) {
        let [.., newest] = self.steps;
        if newest.after != step.after {
            self.steps.rotate_left(1);
        }
        self.steps[STEPS - 1] = step;
    }

    /// Neither another source nor one that started over, forwards (RFC 3550 appendix A.1) or
    /// backwards.
    #[inline]
    fn goes_on_with(&self, numbers: &Numbers, misorder: u16) -> bool {
        let ahead = numbers.sequence.wrapping_sub(self.highest);
        let behind = ahead.wrapping_neg();
        // What is before the first of it has no place: there are the numbers of what went before.
        let is_late = behind < misorder && behind < self.span;
        self.ssrc == numbers.ssrc && ((1..MAX_DROPOUT).contains(&ahead) || is_late)
    }

    /// Whether a packet is the very next one.
    fn is_followed_by(&self, numbers: &Numbers) -> bool {
        self.ssrc == numbers.ssrc && numbers.sequence == self.highest.wrapping_add(1)
    }

    /// Takes the number of a packet.
    #[inline]
    fn note(&mut self, sequence: u16) {
        if is_after(sequence, self.highest) {
            self.span = self.span.saturating_add(sequence.wrapping_sub(self.highest));
            let is_due = sequence / AGING != self.highest / AGING;
            self.highest = sequence;
            if is_due {
                self.age();
            }
        }
    }

    /// Takes steps along that are long past: half of the numbers behind them they would seem to lie ahead.
    #[cold]
    fn age(&mut self) {
        let oldest = self.highest.wrapping_sub(OLDEST);
        for step in &mut self.steps {
            if self.highest.wrapping_sub(step.after) > OLDEST {
                step.after = oldest;
            }
        }
    }

    /// What is added to a sequence number: the newest step's that it is behind, the oldest one's when
    /// it is older than all.
    #[inline]
    fn offset(&self, sequence: u16) -> u16 {
        let step = self.steps.iter().rev().find(|step| is_after(sequence, step.after));
        step.unwrap_or(&self.steps[0]).offset
    }
}

/// Serial arithmetic (RFC 1982).
#[inline]
fn is_after(sequence: u16, other: u16) -> bool {
    sequence.wrapping_sub(other).wrapping_sub(1) < 0x7fff
}

#[cfg(test)]
mod tests;

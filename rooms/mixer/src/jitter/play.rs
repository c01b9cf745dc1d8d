//! Which audio is due, and what stands in for it.

use super::delay::MS;
use super::store::Waiting;
use super::{JitterBuffer, MOST_MS, Played};
use codecs::ComfortNoise;
use model::Instant;

/// Steps that fill a frame: as many packets as can wait, and some ms of noise each.
const MOST_STEPS: usize = 256;
/// A timestamp that is off by less is nothing that is to be heard.
const SLACK: i64 = 2 * MS;
/// What is made up, or made as noise, at a time.
const CHUNK: i64 = 10 * MS;
/// What is made up at most before the participant counts as silent.
const LONGEST_CONCEALMENT: i64 = 100 * MS;
/// A longer hole is a silence.
const LONGEST_LOSS: i64 = 120 * MS;
/// Holes up to this are asked of the packet behind them.
const LONGEST_RECOVERY: i64 = 60 * MS;
/// How far the wait may be off before it is mended: too long while somebody speaks, and while nobody
/// does; too short.
const TOO_LONG: f32 = 8.0;
const TOO_LONG_QUIET: f32 = 3.0;
const TOO_SHORT: f32 = 5.0;
/// Frames between two mends: a voice is changed by a tenth or so at most.
const REST: u32 = 3;
/// How alike two periods must be for one to go or come; of a wait that is far too long, less.
const LIKENESS: f32 = 0.8;
const LIKENESS_IN_HASTE: f32 = 0.5;
const HASTE_MS: f32 = 60.0;
/// A mean square that everything is below.
pub(super) const NO_FLOOR: f32 = f32::INFINITY;
/// By how much the floor rises with a packet: 4 dB in a second.
const FLOOR_RISE: f32 = 1.02;
/// Quieter than this mean square is silence: -55 dBov.
const QUIET: f32 = 3_400.0;

/// Where playing is.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    /// Where the next sample to be decoded lies.
    pub(super) next: i64,
    /// Something was played.
    pub(super) has_begun: bool,
    /// Nothing is due before the next packet.
    pub(super) is_silent: bool,
    /// What was made up since the last packet, and not taken off `next`.
    starved: i64,
    /// The number of the last packet that was played.
    sequence: Option<i64>,
    /// The format of the last packet, and its length.
    pub(super) source: usize,
    pub(super) packet: i64,
    /// How long the last sample waited.
    pub(super) lag: i64,
    rest: u32,
    is_concealed: bool,
    /// A part of this frame came from packets, or was made up.
    is_audible: bool,
}

impl Default for State {
    fn default() -> Self {
        State {
            next: 0,
            has_begun: false,
            is_silent: true,
            starved: 0,
            sequence: None,
            source: 0,
            packet: 20 * MS,
            lag: 0,
            rest: 0,
            is_concealed: false,
            is_audible: false,
        }
    }
}

/// 1/48,000 s since the clock's origin.
pub(super) fn ticks(at: Instant) -> i64 {
    // 48 / 1,000,000 of the nanoseconds.
    i64::try_from(at.as_nanos() / 125 * 6 / 1_000).unwrap_or(i64::MAX / 4)
}

impl JitterBuffer {
    /// Writes the audio that is due by `now`, which is the end of the frame: `out` is a frame of
    /// [`JitterBuffer::sample_rate`], at most 60 ms. To be called once for each frame.
    pub fn pull(&mut self, now: Instant, out: &mut [i16]) -> Played {
        let now = ticks(now);
        self.play.is_concealed = false;
        self.play.is_audible = self.fifo.len() > 0 && !self.play.is_silent;
        self.skip(now, out.len());
        // Each step adds audio or takes a packet.
        let mut steps = MOST_STEPS;
        while self.fifo.len() < out.len() && steps > 0 {
            self.fill(now, out.len());
            steps -= 1;
        }
        self.mend(now, out.len());
        if !self.fifo.play(out) {
            out.fill(0);
        }
        match (self.play.is_audible, self.play.is_concealed) {
            (false, _) => Played::Noise,
            (true, true) => Played::Concealed,
            (true, false) => Played::Audio,
        }
    }

    /// The head of what waits, and how far behind the one played last it is.
    fn head(&self) -> Option<(Waiting, i64)> {
        let head = self.store.first()?;
        Some((head, head.position - self.play.next))
    }

    fn is_next(&self, head: &Waiting) -> bool {
        self.play.sequence.is_none_or(|last| head.sequence == last + 1)
    }

    /// How long the last of `wanted` samples will have waited if the next one decoded is that at
    /// `next`.
    fn lag(&self, now: i64, next: i64, wanted: usize) -> i64 {
        let fastest = self.delay.fastest().unwrap_or(now);
        let rest = wanted as i64 - self.fifo.len() as i64;
        now - fastest - next - self.to_ticks(rest)
    }

    const fn to_ticks(&self, samples: i64) -> i64 {
        samples * MS / self.per_ms as i64
    }

    const fn to_samples(&self, ticks: i64) -> usize {
        (if ticks > 0 { ticks } else { 0 }) as usize * self.per_ms / MS as usize
    }

    /// Drops what has waited too long while more is there.
    fn skip(&mut self, now: i64, wanted: usize) {
        let most = (MOST_MS as i64 + 20) * MS;
        while let Some((head, _)) = self.head() {
            let is_too_long = self.lag(now, head.position.max(self.play.next), wanted) > most;
            let have = self.store.end().unwrap_or_default() - self.play.next;
            if !is_too_long || self.store.len() < 2 || have < most / 2 {
                return;
            }
            self.pass(&head);
            self.counts.lost += 1;
            self.store.drop_first();
            self.play.next = self.play.next.max(head.end());
            self.play.starved = 0;
        }
    }

    /// Counts the packets that are missing before `head`, which is done with.
    fn pass(&mut self, head: &Waiting) {
        let missing = self.play.sequence.map_or(0, |last| head.sequence - last - 1);
        self.counts.lost += u64::try_from(missing).unwrap_or_default();
        self.play.sequence = Some(head.sequence.max(self.play.sequence.unwrap_or(i64::MIN)));
    }

    /// Adds at least one sample to what waits to be played.
    fn fill(&mut self, now: i64, wanted: usize) {
        let Some((head, gap)) = self.head() else { return self.starve() };
        if head.is_noise {
            self.describe(&head);
            return self.make_noise(CHUNK);
        }
        if self.play.has_begun && head.end() <= self.play.next {
            // A packet that overlaps those before it wholly.
            self.pass(&head);
            self.counts.late += 1;
            return self.store.drop_first();
        }
        let is_pause = gap > SLACK && self.is_next(&head);
        if is_pause || gap > LONGEST_LOSS {
            self.play.is_silent = true;
        }
        if self.play.is_silent {
            let lag = self.lag(now, head.position, wanted);
            let early = (self.target_ms() * MS as f32) as i64 - lag;
            let missing = self.to_ticks(wanted as i64 - self.fifo.len() as i64);
            if early > 0 && self.store.len() < super::store::SLOTS / 2 {
                return self.make_noise(early.min(missing).max(MS));
            }
            self.play.next = self.play.next.max(head.position);
            (self.play.is_silent, self.play.starved) = (false, 0);
            return self.decode(&head);
        }
        if gap > 0 && !self.is_next(&head) {
            return self.bridge(&head, gap);
        }
        self.decode(&head);
    }

    /// Fills the hole before `head`.
    fn bridge(&mut self, head: &Waiting, gap: i64) {
        let made_up = gap.min(self.play.starved);
        self.play.next += made_up;
        self.play.starved = 0;
        let gap = gap - made_up;
        if gap <= 0 {
            return;
        }
        if gap <= LONGEST_RECOVERY {
            self.play.next += gap;
            return self.conceal(gap, Some(head));
        }
        self.play.next += CHUNK;
        self.conceal(CHUNK, None);
    }

    /// Nothing is there.
    fn starve(&mut self) {
        if self.play.is_silent {
            return self.make_noise(CHUNK);
        }
        if self.play.starved >= LONGEST_CONCEALMENT {
            self.play.is_silent = true;
            return self.make_noise(CHUNK);
        }
        self.play.starved += CHUNK;
        self.conceal(CHUNK, None);
    }

    /// Makes up `ticks` of audio; what stood before `next` may be recovered from it.
    fn conceal(&mut self, ticks: i64, next: Option<&Waiting>) {
        (self.play.is_concealed, self.play.is_audible) = (true, true);
        let count = self.to_samples(ticks).max(1);
        let payload = next.map(|next| self.store.payload(next));
        let Some(room) = self.fifo.room(count) else { return self.fifo.clear() };
        let of_next = next.is_none_or(|next| usize::from(next.source) == self.play.source);
        let source = self.sources.get_mut(self.play.source);
        let known = source.and_then(|source| source.conceal(payload.filter(|_| of_next), room));
        if known.is_none() {
            self.concealment.conceal(room);
        }
        self.fifo.add(count);
        let ms = u64::try_from(ticks / MS).unwrap_or_default();
        if known == Some(true) {
            self.counts.recovered_ms += ms;
        } else {
            self.counts.concealed_ms += ms;
        }
    }

    /// Decodes the head.
    fn decode(&mut self, head: &Waiting) {
        self.pass(head);
        self.play.has_begun = true;
        let payload = self.store.payload(head);
        let at = usize::from(head.source);
        let decoded =
            self.sources.get_mut(at).map(|source| source.decode(payload, &mut self.scratch));
        self.store.drop_first();
        let Some(Ok(count)) = decoded else {
            // Its place is filled when the next one is due.
            self.counts.malformed += 1;
            return self.starve();
        };
        self.play.starved = 0;
        (self.play.source, self.play.packet) = (at, head.duration);
        let played = self.to_samples(self.play.next - head.position).min(count);
        self.play.next = head.end().max(self.play.next);
        let Some(samples) = self.scratch.get_mut(played..count) else { return };
        self.concealment.received(samples);
        learn(&mut self.floor, samples);
        self.play.is_audible = true;
        let Some(room) = self.fifo.room(samples.len()) else { return self.fifo.clear() };
        room.copy_from_slice(samples);
        self.fifo.add(samples.len());
    }

    /// Takes what the sender says of its noise.
    fn describe(&mut self, head: &Waiting) {
        self.pass(head);
        let payload = self.store.payload(head);
        // The colour is that of 8,000 samples a second (RFC 3389 section 3.2).
        let told = if self.per_ms == 8 { payload } else { payload.get(..1).unwrap_or_default() };
        self.noise.describe(told);
        self.is_described = true;
        self.play.next = self.play.next.max(head.position);
        (self.play.is_silent, self.play.starved, self.play.has_begun) = (true, 0, true);
        self.store.drop_first();
    }

    /// What a participant sounds like that says nothing: as it told, or as its pauses were.
    fn make_noise(&mut self, ticks: i64) {
        if !self.is_described {
            self.noise.describe(&[level_of(self.floor)]);
        }
        let count = self.to_samples(ticks).max(1);
        let Some(room) = self.fifo.room(count) else { return self.fifo.clear() };
        ComfortNoise::generate(&mut self.noise, room);
        self.fifo.add(count);
    }

    /// Brings the wait nearer to what it should be.
    fn mend(&mut self, now: i64, wanted: usize) {
        self.play.lag = self.lag(now, self.play.next, wanted);
        self.play.rest = self.play.rest.saturating_sub(1);
        if self.play.is_silent || self.play.is_concealed || self.play.rest > 0 {
            return;
        }
        let off = self.play.lag as f32 / MS as f32 - self.target_ms();
        let is_quiet = self.floor.is_finite() && self.is_quiet();
        let too_long = if is_quiet { TOO_LONG_QUIET } else { TOO_LONG };
        let likeness = if off.abs() > HASTE_MS { LIKENESS_IN_HASTE } else { LIKENESS };
        if off > too_long {
            self.shorten(wanted, likeness);
        } else if off < -TOO_SHORT {
            let put_in = self.fifo.lengthen(likeness);
            self.counts.lengthened_ms += (put_in / self.per_ms) as u64;
            self.has_changed(put_in);
        }
    }

    fn shorten(&mut self, wanted: usize, likeness: f32) {
        // One packet more must be there already: else the wait is not too long, the way has changed.
        if self.fifo.len() < wanted + 20 * self.per_ms {
            let Some((head, gap)) = self.head() else { return };
            if gap.abs() > SLACK || head.is_noise || !self.is_next(&head) {
                return;
            }
            self.decode(&head);
        }
        if self.fifo.len() < wanted + 12 * self.per_ms {
            return;
        }
        let left_out = self.fifo.shorten(likeness);
        self.counts.shortened_ms += (left_out / self.per_ms) as u64;
        self.has_changed(left_out);
    }

    fn has_changed(&mut self, samples: usize) {
        if samples > 0 {
            self.play.rest = REST;
        }
    }

    fn is_quiet(&self) -> bool {
        self.fifo.waiting_power() < QUIET
    }
}

/// Follows the quietest packets down at once, and up slowly.
fn learn(floor: &mut f32, samples: &[i16]) {
    let sum: f32 = samples.iter().map(|sample| f32::from(*sample) * f32::from(*sample)).sum();
    let power = sum / samples.len().max(1) as f32;
    *floor = if power < *floor { power } else { (*floor * FLOOR_RISE).max(1.0).min(power) };
}

/// A mean square in -dBov, not louder than -50: what is taken for somebody's silence may be a voice.
fn level_of(power: f32) -> u8 {
    if !power.is_finite() {
        return 127;
    }
    let level = -10.0 * (power.max(1e-3) / (32_768.0 * 32_768.0)).log10();
    level.clamp(50.0, 127.0) as u8
}

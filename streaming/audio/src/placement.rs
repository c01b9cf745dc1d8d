//! Where on the call's timeline a packet's audio belongs.
//!
//! Timestamps say how far packets are apart, to the sample; arrivals say when they were heard, and how
//! fast the sender's clock really goes. A source is placed once, by an arrival, and from then on by its
//! timestamps. The least delayed packets of the last seconds tell how far that is off by now, and the
//! difference is made up for a sample at a time ([`crate::slide`]).

use crate::timeline::FRAME_MS;

/// A packet that comes so long before its place proves that the source was placed too late.
const EARLIEST_MS: i64 = 100;
/// The same for the first moments of a source: nothing much can be lost by placing it anew.
const EARLIEST_AT_FIRST_MS: i64 = 10;
const AT_FIRST_MS: i64 = 500;
/// Behind a pause of so long a source can be placed anew, and nobody hears it.
const PAUSE_MS: i64 = 100;
/// ... and is, where it is off by more than this: early, late.
const OFF_BEHIND_PAUSE_MS: [i64; 2] = [20, 60];
/// A packet that comes so long after its place has a sender that began anew.
const LATEST_MS: i64 = 10_000;
/// So does one after packets that were too late for so long. Packets that a network held back and
/// lets go all at once are late for a shorter time.
const LATE_FOR_MS: i64 = 300;
/// So does one that is as late as the first one so long before it, but for this: its sender goes at its own
/// pace, as one does that had stopped its clock. What a network held back comes faster than it was sent.
const STEADY_FOR_MS: i64 = 60;
const STEADY_WITHIN_MS: i64 = 10;
/// How long the least delayed packet is looked for, twice over.
const WINDOW_MS: i64 = 2_000;
/// Less than this is not corrected.
const TOLERANCE_MS: i64 = 2;
/// What is further off is corrected four times as fast: legs must not be more than 20 ms apart.
const FAR_OFF_MS: i64 = 10;

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Talk {
    pub(crate) ssrc: u32,
    /// Of its timestamps, in Hz; not 0.
    pub(crate) clock_rate: u32,
    pub(crate) timestamp: u32,
    /// The first of a talkspurt (RFC 3551 section 4.1).
    pub(crate) marker: bool,
    /// Where its first sample would be if it was not delayed.
    pub(crate) heard_at: i64,
    /// Samples.
    pub(crate) len: i64,
}

/// Where it belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Its first sample's place, and how many samples it should be longer by, or shorter.
    At(i64, i64),
    /// What was there was given away.
    TooLate,
}

/// Places the packets of one channel, source after source.
#[derive(Debug)]
pub(crate) struct Placement {
    /// Samples of the timeline in a millisecond.
    per_ms: i64,
    source: Option<Source>,
    jumps: u64,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    clock_rate: u32,
    /// The last packet's timestamp, as it came, and with its wraps from the first one on.
    timestamp: u32,
    elapsed: i64,
    /// Where the first packet's first sample would be by what is known now.
    offset: i64,
    /// The same by the least delayed packet of the window before this one, and of this one.
    least: [Option<i64>; 2],
    window_began: i64,
    placed: i64,
    /// Since when all packets were too late.
    late: Option<Late>,
}

/// The first of packets that were too late.
#[derive(Clone, Copy, Debug)]
struct Late {
    since: i64,
    /// How late it was.
    by: i64,
}

impl Placement {
    pub(crate) const fn new(sample_rate: u32) -> Self {
        Placement { per_ms: sample_rate as i64 / 1_000, source: None, jumps: 0 }
    }

    /// How often a source was placed, the first time included.
    pub(crate) const fn jumps(&self) -> u64 {
        self.jumps
    }

    /// Where a packet would be, by its timestamp alone.
    pub(crate) fn expected(&self, ssrc: u32, clock_rate: u32, timestamp: u32) -> Option<i64> {
        let source = self.source.filter(|s| s.is(ssrc, clock_rate))?;
        let elapsed = source.elapsed + distance(source.timestamp, timestamp);
        Some(source.offset + self.samples(elapsed, clock_rate))
    }

    /// Places the next packet. Before `given` everything was given away; `written` is behind the last
    /// sample that has its place.
    pub(crate) fn place(&mut self, talk: &Talk, given: i64, written: i64) -> Place {
        let Some(mut source) = self.source.filter(|s| s.is(talk.ssrc, talk.clock_rate)) else {
            return self.begin(talk);
        };
        source.elapsed += distance(source.timestamp, talk.timestamp);
        source.timestamp = talk.timestamp;
        let along = self.samples(source.elapsed, talk.clock_rate);
        let at = source.offset + along;
        let late_by = talk.heard_at - at;
        if -late_by > self.earliest(&source, talk.heard_at) {
            return self.begin(talk);
        }
        if at + talk.len <= given {
            let late = *source.late.get_or_insert(Late { since: talk.heard_at, by: late_by });
            let lasts = talk.heard_at - late.since;
            let is_long = lasts >= LATE_FOR_MS * self.per_ms;
            let is_steady = lasts >= STEADY_FOR_MS * self.per_ms
                && late.by - late_by <= STEADY_WITHIN_MS * self.per_ms;
            let is_new = talk.marker || is_long || is_steady;
            if is_new || late_by > LATEST_MS * self.per_ms {
                return self.begin(talk);
            }
            self.source = Some(source);
            return Place::TooLate;
        }
        // Behind packets that were too late this one is late for the same reason.
        let was_late = source.late.take().is_some();
        let is_pause = at - written >= PAUSE_MS * self.per_ms && !was_late;
        let is_behind_pause = talk.marker || is_pause;
        let [early, late] = OFF_BEHIND_PAUSE_MS.map(|ms| ms * self.per_ms);
        if is_behind_pause && !(-early..=late).contains(&late_by) {
            return self.begin(talk);
        }
        let owed = self.owed(&mut source, talk, talk.heard_at - along);
        self.source = Some(source);
        Place::At(at, owed)
    }

    /// A packet was made longer by so many samples: what follows is that much later.
    pub(crate) fn moved(&mut self, by: i64) {
        if let Some(source) = &mut self.source {
            source.offset += by;
        }
    }

    fn begin(&mut self, talk: &Talk) -> Place {
        self.jumps += 1;
        self.source = Some(Source {
            ssrc: talk.ssrc,
            clock_rate: talk.clock_rate,
            timestamp: talk.timestamp,
            elapsed: 0,
            offset: talk.heard_at,
            least: [None, Some(talk.heard_at)],
            window_began: talk.heard_at,
            placed: talk.heard_at,
            late: None,
        });
        Place::At(talk.heard_at, 0)
    }

    fn earliest(&self, source: &Source, now: i64) -> i64 {
        let is_first = now - source.placed < AT_FIRST_MS * self.per_ms;
        self.per_ms * if is_first { EARLIEST_AT_FIRST_MS } else { EARLIEST_MS }
    }

    /// `seen` is where the first packet's first sample was by this packet.
    fn owed(&self, source: &mut Source, talk: &Talk, seen: i64) -> i64 {
        let [before, now] = source.least;
        if talk.heard_at - source.window_began >= WINDOW_MS * self.per_ms {
            source.least = [now, Some(seen)];
            source.window_began = talk.heard_at;
        } else {
            source.least = [before, Some(now.map_or(seen, |now| now.min(seen)))];
        }
        let [before, now] = source.least;
        let least = now.into_iter().chain(before).min().unwrap_or(seen);
        let off = least - source.offset;
        // That nothing came early must be true for a while; that something did is true at once.
        let is_known = before.is_some() || off < 0;
        if !is_known || off.abs() < TOLERANCE_MS * self.per_ms {
            return 0;
        }
        // A sample in 20 ms, 6,250 parts in a million, is heard by nobody.
        let slow = (talk.len / (FRAME_MS * 8)).max(1);
        let is_far = off.abs() > FAR_OFF_MS * self.per_ms;
        let most = if is_far { slow * 4 } else { slow };
        off.clamp(-most, most)
    }

    fn samples(&self, elapsed: i64, clock_rate: u32) -> i64 {
        (elapsed * self.per_ms * 1_000).div_euclid(i64::from(clock_rate))
    }
}

impl Source {
    fn is(&self, ssrc: u32, clock_rate: u32) -> bool {
        self.ssrc == ssrc && self.clock_rate == clock_rate
    }
}

/// Between two timestamps that wrap.
fn distance(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from) as i32)
}

#[cfg(test)]
mod tests;

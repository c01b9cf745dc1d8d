//! How long packets must be waited for.
//!
//! A packet's transit is its arrival less the end of its audio on the sender's clock, which contains
//! an unknown constant; the fastest packet of the last seconds is taken for 0. What the others took
//! longer is counted in a histogram that forgets; its 97th percentile is waited for.

/// 1/48,000 s in a millisecond.
pub(super) const MS: i64 = 48;
/// The fastest packet is looked for in so many spans of so many packets' time.
const SPANS: usize = 5;
const SPAN: i64 = 1_000 * MS;
/// Of the histogram: a bucket, and how many.
const BUCKET_MS: i64 = 2;
const BUCKETS: usize = 128;
/// What a packet's weight is by the time the next has come: 10 s of 20 ms are remembered.
const REMEMBERED: f32 = 0.998;
/// What the share of later packets may be.
const LATER: f32 = 0.03;
/// A packet that is later than what is waited for counts so often: it is followed quickly.
const EAGER: f32 = 5.0;
/// The wait falls by no more than so much with a packet of 20 ms: 5 ms in a second.
const FALL: f32 = 0.1;

/// Learns how late packets are.
#[derive(Clone, Debug)]
pub(super) struct Delay {
    /// The fastest transit of each span, the newest first, in 1/48,000 s.
    fastest: [Option<i64>; SPANS],
    /// When the newest span began.
    span_began: i64,
    histogram: [f32; BUCKETS],
    sum: f32,
    /// In ms.
    wait_ms: f32,
}

impl Delay {
    /// Waits `first_ms` ms until packets have told better.
    pub(super) fn new(first_ms: f32) -> Self {
        Delay {
            fastest: [None; SPANS],
            span_began: 0,
            histogram: [0.0; BUCKETS],
            sum: 0.0,
            wait_ms: first_ms,
        }
    }

    /// Takes a packet that came at `arrival` and whose audio ends at `end`; how late it is, in
    /// 1/48,000 s.
    pub(super) fn observe(&mut self, arrival: i64, end: i64) -> i64 {
        let transit = arrival - end;
        if arrival - self.span_began >= SPAN {
            self.fastest.rotate_right(1);
            self.fastest[0] = None;
            self.span_began = arrival;
        }
        let newest = self.fastest[0].map_or(transit, |fastest| fastest.min(transit));
        self.fastest[0] = Some(newest);
        let late = transit - self.fastest().unwrap_or(transit);
        self.count(late);
        late
    }

    /// The fastest transit of the last seconds; `None` before the first packet.
    pub(super) fn fastest(&self) -> Option<i64> {
        self.fastest.iter().flatten().copied().min()
    }

    /// How late a packet may be, in ms.
    pub(super) const fn wait_ms(&self) -> f32 {
        self.wait_ms
    }

    fn count(&mut self, late: i64) {
        let late_ms = (late / MS) as f32;
        let weight = if late_ms > self.wait_ms + BUCKET_MS as f32 { EAGER } else { 1.0 };
        for bucket in &mut self.histogram {
            *bucket *= REMEMBERED;
        }
        self.sum = self.sum * REMEMBERED + weight;
        let at = usize::try_from(late / MS / BUCKET_MS).unwrap_or(0).min(BUCKETS - 1);
        self.histogram[at] += weight;
        let wanted = self.percentile_ms();
        // Before so many packets the first wait stands.
        if wanted > self.wait_ms || self.sum > 20.0 {
            self.wait_ms = wanted.max(self.wait_ms - FALL);
        }
    }

    fn percentile_ms(&self) -> f32 {
        let mut later = 0.0;
        for (at, bucket) in self.histogram.iter().enumerate().rev() {
            later += bucket;
            if later > self.sum * LATER {
                return ((at + 1) as i64 * BUCKET_MS) as f32;
            }
        }
        BUCKET_MS as f32
    }
}

//! What a receiver should find, written a second time from the texts: RFC 3550 sections 6.4.1, A.1
//! and A.3, and ITU-T G.107. Nothing of the relay is used here.

use super::hop::{Delivery, Passage};
use std::time::Duration;

/// RFC 3550 section 6.4.1: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16, in order of arrival and
/// without rounding.
///
/// `arrivals` holds the sending time by the sender's timestamps and the arrival, in seconds.
pub(crate) fn jitter(arrivals: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let (mut jitter, mut before) = (0.0, None);
    for (stamp, arrival) in arrivals {
        let transit: f64 = arrival - stamp;
        if let Some(before) = before.replace(transit) {
            jitter += ((transit - before).abs() - jitter) / 16.0;
        }
    }
    jitter
}

/// The same of a passage whose packets are `packet` apart by their timestamps.
pub(crate) fn jitter_of(deliveries: &[Delivery], packet: Duration) -> f64 {
    jitter(
        deliveries.iter().map(|delivery| {
            (delivery.number as f64 * packet.as_secs_f64(), delivery.at.as_secs_f64())
        }),
    )
}

/// A.1's state as far as A.3 needs it: `base_seq`, the extended highest number, `received`.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counted {
    base: Option<u16>,
    max: u16,
    cycles: u64,
    received: u64,
}

impl Counted {
    /// A.1's `update_seq` for a source that is valid and never jumps.
    pub(crate) fn update(&mut self, sequence: u16) {
        self.received += 1;
        if self.base.is_none() {
            self.base = Some(sequence);
            self.max = sequence;
            return;
        }
        // Ahead by less than half the number space: in order, perhaps behind a gap.
        let ahead = sequence.wrapping_sub(self.max);
        if ahead < 0x8000 {
            if sequence < self.max {
                self.cycles += 1 << 16;
            }
            self.max = sequence;
        }
    }

    /// A.3: `expected = extended_max - base_seq + 1`.
    pub(crate) fn expected(&self) -> u64 {
        let Some(base) = self.base else { return 0 };
        self.cycles + u64::from(self.max) - u64::from(base) + 1
    }

    /// A.3: `lost = expected - received`.
    pub(crate) fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }
}

/// Ppl in percent and BurstR (G.107 clause 7.5) of what the hop did, between the first and the last
/// packet that left it.
pub(crate) fn loss_pattern(passage: &Passage) -> (f64, f64) {
    let (first, last) = passage.ends();
    let within = &passage.lost[first as usize..=last as usize];
    let lost = within.iter().filter(|lost| **lost).count() as f64;
    // A run of losses begins where the packet before was not lost.
    let runs = within.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
    let share = lost / within.len() as f64;
    // The mean run over the mean run of random loss, 1 / (1 - p); less than random gets no credit.
    let burst_ratio = if runs == 0.0 { 1.0 } else { (lost / runs * (1.0 - share)).max(1.0) };
    (share * 100.0, burst_ratio)
}

/// G.113 appendix I: equipment impairment and robustness against loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Equipment {
    pub(crate) ie: f64,
    pub(crate) bpl: f64,
}

/// G.711 whose receiver conceals losses.
pub(crate) const G711: Equipment = Equipment { ie: 0.0, bpl: 25.1 };
/// G.729 annex A with voice activity detection.
pub(crate) const G729: Equipment = Equipment { ie: 11.0, bpl: 19.0 };

/// MOS by G.107 at the defaults of its table 3. What a relay cannot see is as Tandem documents it:
/// 20 ms of network where no RTCP tells, 20 ms in the packet, a jitter buffer of twice the jitter
/// within 20 to 200 ms, and packets that miss the longest buffer count as lost.
pub(crate) fn mos(equipment: Equipment, passage: &Passage, jitter: f64) -> f64 {
    let (ppl, burst_ratio) = loss_pattern(passage);
    let ppl = ppl + (100.0 - ppl) * too_late(jitter);
    let buffer = (2.0 * jitter).clamp(0.020, 0.200);
    let delay_ms = 1_000.0 * (0.020 + 0.020 + buffer);
    let ie_eff = equipment.ie + (95.0 - equipment.ie) * ppl / (ppl / burst_ratio + equipment.bpl);
    score(RO - IS - delay_impairment(delay_ms) - ie_eff)
}

/// Published results of clauses 7.2 and 7.3 at the default values.
const NO: f64 = -61.18;
const RO: f64 = 94.77;
const IS: f64 = 1.41;

/// Id of clause 7.4 with T = Ta and Tr = 2 T, TELR 65, WEPL 110, RLR 2.
fn delay_impairment(t: f64) -> f64 {
    let terv = 65.0 - 40.0 * ((1.0 + t / 10.0) / (1.0 + t / 150.0)).log10()
        + 6.0 * (-0.3 * t.powi(2)).exp();
    let re = 80.0 + 2.5 * (terv - 14.0);
    let roe = -1.5 * (NO - 2.0);
    let idte =
        ((roe - re) / 2.0 + ((roe - re).powi(2) / 4.0 + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp());
    let rle = 10.5 * (110.0 + 7.0) * (2.0 * t + 1.0).powf(-0.25);
    let idle = (RO - rle) / 2.0 + ((RO - rle).powi(2) / 4.0 + 169.0).sqrt();
    let idd = if t <= 100.0 {
        0.0
    } else {
        let x = (t / 100.0).ln() / 2f64.ln();
        let sixth = |y: f64| (1.0 + y.powi(6)).powf(1.0 / 6.0);
        25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
    };
    idte + idle + idd
}

/// Annex B.
fn score(r: f64) -> f64 {
    match r {
        r if r <= 0.0 => 1.0,
        r if r >= 100.0 => 4.5,
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7.0e-6).max(1.0),
    }
}

/// The share that misses a buffer of 200 ms: exponential delays with the jitter as their mean, moved
/// to begin with 0 where the buffer stops growing.
fn too_late(jitter: f64) -> f64 {
    if jitter <= 0.100 {
        return 0.0;
    }
    let begin = (-2f64).exp();
    ((-0.200 / jitter).exp() - begin) / (1.0 - begin)
}

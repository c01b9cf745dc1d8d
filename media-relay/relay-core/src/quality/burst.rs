//! How losses bunch: RFC 3611 bursts and gaps, and ITU-T G.107's burst ratio, in one pass over the
//! packets in sequence order.

/// RFC 3611 section 4.7.2's Gmin: this many received packets in a row end a burst.
pub const GMIN: u64 = 16;

/// Counts over received and lost packets in sequence order.
///
/// Each packet counts once: a duplicate is not a packet here, and one that came out of order was
/// received.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct LossPattern {
    received: u64,
    lost: u64,
    /// Runs of losses without a received packet between.
    loss_runs: u64,
    since_loss: u64,
    /// The losses that may still become a burst, and the packets from their first to their last.
    open_lost: u64,
    open_packets: u64,
    bursts: u64,
    burst_packets: u64,
    burst_lost: u64,
}

impl LossPattern {
    /// The next `count` packets were received.
    #[inline]
    pub fn push_received(&mut self, count: u64) {
        self.received += count;
        self.since_loss += count;
    }

    /// The next `count` packets were lost.
    pub fn push_lost(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        if self.since_loss > 0 || self.lost == 0 {
            self.loss_runs += 1;
        }
        if self.open_lost > 0 && self.since_loss < GMIN {
            self.open_packets += self.since_loss + count;
            self.open_lost += count;
        } else {
            self.close();
            self.open_packets = count;
            self.open_lost = count;
        }
        self.lost += count;
        self.since_loss = 0;
    }

    /// Adds another source's pattern; no burst crosses from one to the other.
    pub(super) fn absorb(&mut self, mut other: LossPattern) {
        self.close();
        other.close();
        self.received += other.received;
        self.lost += other.lost;
        self.loss_runs += other.loss_runs;
        self.bursts += other.bursts;
        self.burst_packets += other.burst_packets;
        self.burst_lost += other.burst_lost;
        self.since_loss = GMIN;
    }

    /// A lone loss belongs to its gap; two or more make a burst (RFC 3611 section 4.7.2).
    fn close(&mut self) {
        if self.open_lost >= 2 {
            self.bursts += 1;
            self.burst_packets += self.open_packets;
            self.burst_lost += self.open_lost;
        }
        self.open_lost = 0;
        self.open_packets = 0;
    }

    /// Packets received, each once.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Bursts of RFC 3611 that have ended or would end here.
    pub fn bursts(&self) -> u64 {
        self.closed().bursts
    }

    /// Mean packets in a burst; 0 without bursts.
    pub fn mean_burst_packets(&self) -> f64 {
        let closed = self.closed();
        ratio(closed.burst_packets, closed.bursts)
    }

    /// Share lost within bursts, 0 to 1.
    pub fn burst_density(&self) -> f64 {
        let closed = self.closed();
        ratio(closed.burst_lost, closed.burst_packets)
    }

    /// Share lost outside of bursts, 0 to 1.
    pub fn gap_density(&self) -> f64 {
        let closed = self.closed();
        let packets = closed.received + closed.lost;
        ratio(closed.lost - closed.burst_lost, packets - closed.burst_packets)
    }

    /// Mean packets from burst to burst; 0 without packets.
    pub fn mean_gap_packets(&self) -> f64 {
        let closed = self.closed();
        let packets = closed.received + closed.lost;
        ratio(packets.saturating_sub(closed.burst_packets), closed.bursts + 1)
    }

    /// BurstR (ITU-T G.107 clause 7.5): the mean length of loss runs over the mean that random
    /// loss of the same share p would have, 1 / (1 - p). At least 1.0: G.107 defines no credit for
    /// losses that are spread more evenly than chance.
    pub fn burst_ratio(&self) -> f64 {
        run_ratio(self.received, self.lost, self.loss_runs)
    }

    /// BurstR of what came after the snapshot `before`.
    pub fn burst_ratio_since(&self, before: &LossPattern) -> f64 {
        run_ratio(
            self.received.saturating_sub(before.received),
            self.lost.saturating_sub(before.lost),
            self.loss_runs.saturating_sub(before.loss_runs),
        )
    }

    fn closed(&self) -> LossPattern {
        let mut closed = *self;
        closed.close();
        closed
    }
}

fn run_ratio(received: u64, lost: u64, runs: u64) -> f64 {
    if lost == 0 || runs == 0 {
        return 1.0;
    }
    let delivered = ratio(received, received + lost);
    (ratio(lost, runs) * delivered).max(1.0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;

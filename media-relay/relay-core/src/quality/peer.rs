//! What a leg's report blocks say of what it received from us.

use super::jitter::jitter_duration;
use model::PeerView;
use rtp_proto::rtcp::ReportBlock;

/// A leg's reports on what we forwarded to it, over changes of the forwarded SSRC.
///
/// The leg counts losses end to end; what had been lost before it came to us (the other leg's
/// [`super::StreamTotals::cumulative`]) is taken out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PeerReports {
    view: PeerView,
    ssrc: u32,
    current_lost: i64,
    /// Of the sources before `ssrc`.
    finished_lost: i64,
}

impl PeerReports {
    /// Nothing reported yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a report block about the media that we forward to the leg. `upstream_lost` is what is
    /// missing of that media on its way to us, now; `clock_rate` is that of its format.
    pub fn on_report_block(&mut self, block: &ReportBlock, upstream_lost: i64, clock_rate: u32) {
        if self.view.reports > 0 && block.ssrc != self.ssrc {
            self.finished_lost = self.finished_lost.saturating_add(self.current_lost);
        }
        self.ssrc = block.ssrc;
        self.current_lost = i64::from(block.cumulative_lost);
        let end_to_end = self.finished_lost.saturating_add(self.current_lost);
        self.view.packets_lost = end_to_end.saturating_sub(upstream_lost).max(0);
        self.view.jitter = jitter_duration(block.jitter, clock_rate);
        self.view.reports += 1;
    }

    /// What the leg has said; `None` while it has said nothing.
    pub fn view(&self) -> Option<PeerView> {
        (self.view.reports > 0).then_some(self.view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn block(ssrc: u32, cumulative_lost: i32, jitter: u32) -> ReportBlock {
        ReportBlock { ssrc, cumulative_lost, jitter, ..ReportBlock::default() }
    }

    #[test]
    fn silence_is_no_report() {
        assert_eq!(PeerReports::new().view(), None);
    }

    #[test]
    fn upstream_loss_is_taken_out() {
        let mut reports = PeerReports::new();
        reports.on_report_block(&block(1, 10, 160), 4, 8_000);
        let expected = PeerView { packets_lost: 6, jitter: Duration::from_millis(20), reports: 1 };
        assert_eq!(reports.view(), Some(expected));
        // Duplicates made upstream (-2) reach the leg as well (-2): nothing of it is ours.
        reports.on_report_block(&block(1, -2, 0), -2, 8_000);
        assert_eq!(reports.view().unwrap().packets_lost, 0);
        // The report is older than our count: never below 0.
        reports.on_report_block(&block(1, 3, 0), 5, 8_000);
        assert_eq!(reports.view().unwrap().packets_lost, 0);
    }

    #[test]
    fn a_new_source_adds_to_what_the_old_one_lost() {
        let mut reports = PeerReports::new();
        reports.on_report_block(&block(1, 10, 0), 0, 8_000);
        reports.on_report_block(&block(2, 1, 0), 0, 8_000);
        reports.on_report_block(&block(2, 3, 0), 0, 8_000);
        assert_eq!(reports.view().unwrap().packets_lost, 13);
    }

    #[test]
    fn a_lying_jitter_stays_bounded() {
        let mut reports = PeerReports::new();
        reports.on_report_block(&block(1, 0, u32::MAX), 0, 1);
        assert_eq!(reports.view().unwrap().jitter, Duration::from_secs(3_600));
        reports.on_report_block(&block(1, 0, u32::MAX), 0, 0);
        assert_eq!(reports.view().unwrap().jitter, Duration::ZERO);
    }
}

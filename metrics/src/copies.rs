//! What the recorder copies to a HEP collector.

mod sender;

use crate::Recorder;
use crate::hep;
use model::{Instant, QualityReport, ReportKind, RtcpCopy, SipMessageEvent};

pub(crate) use sender::CopySender;

/// Copies that wait for [`Recorder::poll_copy`]. Full policy: the newest is dropped, and counted.
const WAITING: usize = 4_096;

impl Recorder {
    /// The next packet for the collector.
    pub fn poll_copy(&mut self) -> Option<Vec<u8>> {
        self.copies.pop_front()
    }

    pub(crate) fn copy_message(&mut self, event: &SipMessageEvent) {
        let Some(config) = self.config.hep.as_ref().filter(|config| config.messages) else {
            return;
        };
        let is_copied = match event.transaction_id {
            Some(call) => config.sample.has(call, event.voice_connector.as_ref()),
            None => config.others,
        };
        let privacy = &self.config.privacy.hep;
        if is_copied
            && let Some(packet) = hep::of_message(config, privacy, self.micros(event.at), event)
        {
            self.copy(packet);
        }
    }

    /// Live reports are for eyes alone.
    pub(crate) fn copy_quality(&mut self, report: &QualityReport) {
        let Some(config) = self.config.hep.as_ref().filter(|config| config.quality) else { return };
        let parties =
            self.calls.get(&report.transaction_id).and_then(|call| call.parties.as_deref());
        if let Some(parties) = parties
            && report.kind != ReportKind::Live
            && config.sample.has(report.transaction_id, Some(&parties.voice_connector))
        {
            let at = self.micros(report.at);
            let packet = hep::of_quality(config, at, report, &parties.call_id);
            self.copy(packet);
        }
    }

    /// Takes in RTCP of a call. That of a call which is not recorded is counted and dropped.
    pub fn handle_rtcp(&mut self, copy: &RtcpCopy) {
        let Some(config) = self.config.hep.as_ref().filter(|config| config.rtcp) else { return };
        let call = self.calls.get(&copy.transaction_id);
        let Some(parties) = call.and_then(|call| call.parties.as_deref()) else {
            return self.page.dropped("rtcp_without_call");
        };
        // A relay may have been asked by another run of the edge.
        if !config.sample.has(copy.transaction_id, Some(&parties.voice_connector)) {
            return;
        }
        let (at, numbers) = (self.micros(copy.at), &self.config.privacy.hep.numbers);
        if let Some(packet) = hep::of_rtcp(config, numbers, at, copy, &parties.call_id) {
            self.copy(packet);
        }
    }

    /// The calendar time, in µs since 1970: milliseconds would give messages of one turn one time.
    fn micros(&self, at: Instant) -> u64 {
        let origin = self.config.origin.as_millis().saturating_mul(1_000);
        origin.saturating_add(at.as_nanos() / 1_000)
    }

    fn copy(&mut self, packet: Vec<u8>) {
        if self.copies.len() >= WAITING || packet.len() > hep::LONGEST {
            self.page.dropped("hep");
        } else {
            self.copies.push_back(packet);
        }
    }
}

#[cfg(test)]
mod tests;

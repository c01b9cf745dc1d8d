//! Tells of keys (DTMF) that a leg pressed, and has them made for the other leg.

use super::Worker;
use super::streams::StreamKey;
use crate::random::draw;
use model::MediaEvent;
use relay_core::DtmfNews;

impl Worker {
    /// Serves what the keys of a stream ask for, and arms its timer for what follows.
    pub(super) fn serve_dtmf(&mut self, key: StreamKey) {
        let now = self.parts.clock.now();
        // Each turn takes one; the core keeps few of them.
        while let Some(stream) = self.streams.get_mut(key) {
            let id = stream.session.id();
            match stream.session.poll_dtmf(now, &mut draw) {
                Some(DtmfNews::Tell { leg, press }) => {
                    self.emit(MediaEvent::Dtmf { id, leg, press });
                }
                Some(DtmfNews::EventToTones) => self.parts.counters.events_to_tones.add(1),
                Some(DtmfNews::TonesToEvent) => self.parts.counters.tones_to_events.add(1),
                Some(DtmfNews::Lost) => self.parts.counters.lost_keys.add(1),
                None => break,
            }
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        let session = &stream.session;
        let deadlines = [session.dtmf_deadline(), session.made_deadline(), session.rtcp_deadline()];
        if let Some(at) = deadlines.into_iter().flatten().min()
            && at < stream.deadline
        {
            stream.deadline = at;
            self.timers.set(at, key);
        }
    }
}

//! What a worker does when it is told to: signalling's commands, and legs that go over from one stream
//! to another, which may be another worker's.

use super::Worker;
use super::life::Wanted;
use crate::queue::Order;
use model::{LegSide, MediaCommand, MediaEvent, MediaId, ReportKind};
use relay_core::LegContexts;
use std::sync::Arc;

impl Worker {
    /// Copies what SRTP remembers of a leg of ours to the stream that the leg goes over to. A leg
    /// without SRTP has nothing to copy.
    fn move_leg(&mut self, from: (MediaId, LegSide), to: (MediaId, LegSide)) {
        let Some(stream) = self.streams.find(from.0) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        let Some(contexts) = stream.session.copy_contexts(from.1) else { return };
        let Some(queue) = self.parts.queues.of(to.0) else { return };
        if Arc::ptr_eq(queue, &self.parts.queue) {
            self.adopt(to, contexts);
        } else if !queue.push_contexts(to, Box::new(contexts)) {
            // The new stream finds the roll-over counters by trying.
            tracing::debug!(media = to.0.0, "what SRTP remembered of a leg was not handed over");
        }
    }

    /// Takes what another stream remembered of a leg.
    fn adopt(&mut self, to: (MediaId, LegSide), contexts: LegContexts) {
        match self.streams.find(to.0) {
            Some(stream) => stream.session.adopt_contexts(to.1, contexts),
            None => self.parts.counters.unknown_streams.add(1),
        }
    }

    /// Reports what a stream has measured so far.
    fn report(&mut self, id: MediaId) {
        let now = self.parts.clock.now();
        let Some(stream) = self.streams.find(id) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        if let Some(lane) = &self.lane {
            stream.count_fast_path(lane, &self.parts.counters, now);
        }
        for report in stream.session.poll_report(now, ReportKind::Live) {
            self.emit(MediaEvent::Report(Box::new(report)));
        }
    }

    /// Serves one order.
    pub(super) fn serve(&mut self, order: Order) {
        match order {
            Order::Command(MediaCommand::Allocate {
                id,
                transaction_id,
                families,
                emergency,
                line,
            }) => {
                let wanted = Wanted { transaction_id, families, emergency, line };
                let event = match self.allocate(id, &wanted) {
                    Ok(local) => MediaEvent::Allocated { id, local },
                    Err(reason) => MediaEvent::AllocationFailed { id, reason },
                };
                self.emit(event);
            }
            Order::Command(MediaCommand::Apply { id, plan }) => self.apply(id, *plan),
            Order::Command(MediaCommand::MoveLeg { from, to }) => self.move_leg(from, to),
            Order::Command(MediaCommand::SendEvent { id, leg, key, duration }) => {
                self.send_event(id, leg, key.event(), duration);
            }
            Order::Command(MediaCommand::Play { id, leg, playing }) => self.play(id, leg, playing),
            Order::Command(MediaCommand::StopPlaying { id, leg }) => self.stop_playing(id, leg),
            Order::Command(MediaCommand::Record { id, recording, legs }) => {
                self.record(id, recording, legs);
            }
            Order::Command(MediaCommand::StopRecording { id }) => self.stop_recording(id),
            Order::Command(MediaCommand::Copy { id, leg, to }) => self.copy_leg(id, leg, to),
            Order::Command(MediaCommand::Listen { id, listening }) => self.listen(id, *listening),
            Order::Command(MediaCommand::UpdateListening { id, update }) => {
                self.update_listening(id, update);
            }
            Order::Command(MediaCommand::StopListening { id }) => self.stop_listening(id),
            Order::Command(MediaCommand::Sit { id, seat }) => self.sit(id, seat),
            Order::Command(MediaCommand::SitPicture { id, seat }) => self.sit_picture(id, seat),
            Order::Command(MediaCommand::RefreshPicture { id }) => self.refresh_picture(id),
            Order::Command(MediaCommand::Announce { id, source, except }) => {
                self.announce(id, source, except);
            }
            Order::Command(MediaCommand::RecordUtterance { id, longest }) => {
                self.record_utterance(id, longest);
            }
            Order::Command(MediaCommand::RecordConference { id, recording }) => {
                self.record_conference(id, recording);
            }
            Order::Command(MediaCommand::StandUp { id }) => self.stand_up(id),
            Order::Command(MediaCommand::Report { id }) => self.report(id),
            Order::Command(MediaCommand::Release { id }) => self.release(id),
            Order::Clip { to, ticket, clip } => self.take_clip(to, ticket, clip),
            Order::Adopt { to, contexts } => self.adopt(to, *contexts),
        }
    }
}

//! Recordings of meetings: orders to the relay by way of the meetings' calls, and what comes of them.

use super::desk::{Desk, now};
use super::ears::Ears;
use super::taping::Next;
use model::{
    ConferenceRecording, ConferenceRecordingFailure, ConferenceRecordingId,
    ConferenceRecordingOrder, RecordedPerson, TransactionId,
};
use room_core::MeetingId;

/// Calls by which a recording is stopped.
const STOPS: usize = 16;

impl Desk {
    /// The relay records the conference of this call's meeting.
    pub(super) fn is_recorded(&mut self, call: TransactionId) {
        let meeting = self.callers.get(&call).and_then(Ears::meeting);
        let Some(meeting) = meeting.filter(|meeting| self.tapings.has(*meeting)) else { return };
        if self.tapings.records(meeting) == Next::Begun {
            let there = self.callers.iter().filter(|(_, ears)| ears.is_in(meeting));
            there.for_each(|(call, _)| (self.noted)(*call, meeting, true));
            self.focus.handle_recording_started(now(self.clock), meeting);
        } else {
            // Somebody who came later.
            (self.noted)(call, meeting, true);
        }
    }

    /// The conference of a call is not recorded, or not any more.
    pub(super) fn not_recorded(
        &mut self,
        call: TransactionId,
        failure: &ConferenceRecordingFailure,
    ) {
        let Some(meeting) = self.callers.get(&call).and_then(Ears::meeting) else { return };
        match self.tapings.failed(meeting, call, failure) {
            Next::Ask => self.order_recording(meeting, Some(call)),
            Next::Failed(id) => {
                tracing::warn!(%meeting, %failure, "a meeting is not recorded");
                // It may have been one order of several that found no room.
                self.stop_recording(meeting, id);
                self.focus.handle_recording_failed(now(self.clock), meeting);
            }
            Next::Nothing | Next::Begun => {}
        }
    }

    /// Has the relay record a meeting, by way of one of its calls, rather another one than `failed`, and one that
    /// has a seat for sure; of a meeting that nobody is in the next one who joins brings the order.
    pub(super) fn order_recording(&mut self, meeting: MeetingId, failed: Option<TransactionId>) {
        let there = self.callers.iter().filter(|(_, ears)| ears.is_in(meeting));
        let best = there.max_by_key(|(call, ears)| (Some(**call) != failed, ears.is_seated()));
        let Some(call) = best.map(|(call, _)| *call) else { return };
        let recording = self.recording_of(meeting, None);
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.record(ConferenceRecordingOrder::Record(Box::new(recording)));
            self.tapings.asked(meeting, call);
        }
    }

    /// Has the relay record a meeting no more, by several of its calls, since none of them is answered: one that
    /// leaves meanwhile, or a worker with no room for the order, must not be the only one. Not by all: in a
    /// large meeting these would take the places of seats.
    pub(super) fn stop_recording(&mut self, meeting: MeetingId, id: ConferenceRecordingId) {
        let mut there: Vec<_> =
            self.callers.values_mut().filter(|ears| ears.is_in(meeting)).collect();
        there.sort_by_key(|ears| !ears.is_seated());
        let stop = ConferenceRecordingOrder::Stop(id);
        there.into_iter().take(STOPS).for_each(|ears| ears.record(stop.clone()));
    }

    /// The call is in no meeting any more. If it had an order to record one that is not answered, another gets it.
    pub(super) fn record_by_another(&mut self, call: TransactionId) {
        if let Some(meeting) = self.tapings.gone(call) {
            self.order_recording(meeting, Some(call));
        }
    }

    /// What the relay is told of a meeting, and of everyone in it, or of one.
    pub(super) fn recording_of(
        &self,
        meeting: MeetingId,
        only: Option<TransactionId>,
    ) -> ConferenceRecording {
        let record = self.focus.registry().get_meeting(meeting).ok();
        let name = record.map(|record| match record.settings.name.as_str() {
            "" => record.request.external_meeting_id.as_str().into(),
            name => name.into(),
        });
        let roster = self
            .focus
            .roster(meeting)
            .into_iter()
            .filter(|entry| entry.is_in && only.is_none_or(|call| entry.person.call == call));
        let people = roster.map(|entry| RecordedPerson {
            call: entry.person.call,
            name: self.recorded.user(&entry.person.name).as_ref().into(),
            is_moderator: entry.person.moderator,
        });
        ConferenceRecording {
            id: self.tapings.id(meeting).unwrap_or_default(),
            meeting: meeting.to_string().into(),
            name: name.unwrap_or_default(),
            people: people.collect(),
        }
    }
}

//! Orders to end recordings that their thread had no room for: nothing else would end them.

use media_relay::RecordingOrder;
use model::{ConferenceId, ConferenceRecordingId, ConferenceRecordingOrder};
use std::collections::BTreeMap;

/// Conferences with such an order. More than wait for the threads at a time; of more the order is left out,
/// and its recording ends with its meeting.
const MOST: usize = 4_096;

/// Of each conference the newest recording that is to end.
#[derive(Debug, Default)]
pub(crate) struct KeptStops(BTreeMap<ConferenceId, (ConferenceRecordingId, RecordingOrder)>);

impl KeptStops {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps an order to end a recording.
    ///
    /// # Errors
    /// The order, where it begins one, or where there are too many.
    pub(crate) fn keep(&mut self, order: RecordingOrder) -> Result<(), RecordingOrder> {
        let ConferenceRecordingOrder::Stop(id) = order.recording else { return Err(order) };
        let kept = self.0.get(&order.conference);
        if kept.is_none() && self.0.len() >= MOST {
            return Err(order);
        }
        // The newer ends the older one too.
        if kept.is_none_or(|(kept, _)| *kept < id) {
            self.0.insert(order.conference, (id, order));
        }
        Ok(())
    }

    /// Offers all again to `send`, which gives back what still finds no room.
    pub(crate) fn offer(
        &mut self,
        mut send: impl FnMut(RecordingOrder) -> Result<(), RecordingOrder>,
    ) {
        for (_, order) in std::mem::take(&mut self.0).into_values() {
            // It was kept: there is room for it.
            let _ = send(order).or_else(|order| self.keep(order));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ConferenceRecording, MediaId};

    fn stop(conference: u64, number: u64) -> RecordingOrder {
        let recording = ConferenceRecordingOrder::Stop(ConferenceRecordingId(number));
        RecordingOrder { id: MediaId(1), conference: ConferenceId(conference), recording }
    }

    fn offered(stops: &mut KeptStops, has_room: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let mut taken = Vec::new();
        stops.offer(|order| {
            let ConferenceRecordingOrder::Stop(id) = order.recording else { panic!("{order:?}") };
            taken.push((order.conference.0, id.0));
            if has_room(order.conference.0) { Ok(()) } else { Err(order) }
        });
        taken
    }

    #[test]
    fn what_found_no_room_is_offered_until_it_does() {
        let mut stops = KeptStops::default();
        for (conference, number) in [(7, 1), (8, 3), (7, 2), (8, 2)] {
            stops.keep(stop(conference, number)).unwrap();
        }
        assert_eq!(offered(&mut stops, |_| false), [(7, 2), (8, 3)], "the newest of each");
        assert_eq!(offered(&mut stops, |conference| conference == 7), [(7, 2), (8, 3)]);
        assert_eq!(offered(&mut stops, |_| true), [(8, 3)]);
        assert!(stops.is_empty());
    }

    #[test]
    fn what_begins_a_recording_is_not_kept_and_there_is_an_end() {
        let mut stops = KeptStops::default();
        let (id, meeting, name) = (ConferenceRecordingId(1), "m".into(), "One".into());
        let recording = ConferenceRecording { id, meeting, name, people: Vec::new() };
        let recording = ConferenceRecordingOrder::Record(Box::new(recording));
        assert!(stops.keep(RecordingOrder { recording, ..stop(7, 1) }).is_err());
        (0..MOST as u64).for_each(|conference| stops.keep(stop(conference, 1)).unwrap());
        assert!(stops.keep(stop(MOST as u64, 1)).is_err());
        assert!(stops.keep(stop(7, 2)).is_ok(), "it has its place");
    }
}

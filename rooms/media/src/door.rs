//! The thread between the relay and those that mix: it shows each leg to the thread of its conference, and
//! draws what a leg sees while it sees nobody, which no frame is to wait for.

use crate::cards::Cards;
use crate::clock::Clock;
use crate::inbox::{Admitted, Inboxes, News, place_of};
use crate::recording::Recording;
use crate::statistics::Counters;
use crate::stops::KeptStops;
use media_relay::{RecordingOrder, SeatNews};
use model::{ConferenceRecordingFailure, ConferenceRecordingOrder};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How soon the door sees that it is to close while the relay goes on; the relay's end is seen at once.
const DOOR_CHECK: Duration = Duration::from_secs(1);
/// How often orders that a thread had no room for are offered again.
const OFFER_CHECK: Duration = Duration::from_millis(100);

/// Shows each leg, and each order, to the thread of its conference.
pub(crate) struct Door {
    inboxes: Inboxes,
    cards: Cards,
    recording: Recording,
    counters: Arc<Counters>,
    clock: Clock,
    /// Offered to their threads at each check.
    stops: KeptStops,
}

impl Door {
    pub(crate) fn new(
        inboxes: Inboxes,
        recording: Recording,
        counters: Arc<Counters>,
        clock: Clock,
    ) -> Self {
        let (cards, stops) = (Cards::default(), KeptStops::default());
        Door { inboxes, cards, recording, counters, clock, stops }
    }

    /// Serves until `stops`, or until the relay has ended.
    pub(crate) fn keep(mut self, news: &Receiver<SeatNews>, stops: &AtomicBool) {
        let mut check = self.clock.now();
        while !stops.load(Ordering::Acquire) {
            if !self.stops.is_empty() && self.clock.now() >= check {
                self.offer_stops();
                check = self.clock.now() + OFFER_CHECK;
            }
            let wait = if self.stops.is_empty() { DOOR_CHECK } else { OFFER_CHECK };
            match news.recv_timeout(wait) {
                Ok(news) => self.let_in(news),
                Err(RecvTimeoutError::Timeout) => {}
                // The relay has ended.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn let_in(&mut self, news: SeatNews) {
        let still = match &news {
            // Drawn here, where nobody waits for a frame.
            SeatNews::Picture(stream) => self.cards.of(&stream.seat),
            SeatNews::Audio(_) | SeatNews::Record(_) | SeatNews::Utter(_) => None,
        };
        let (_, conference) = place_of(&news);
        let sent = self.inboxes.send(conference, News::Seat(Admitted { news, still }));
        let Err(News::Seat(refused)) = sent else { return };
        match refused.news {
            SeatNews::Audio(_) => self.counters.refuse(),
            SeatNews::Picture(_) => self.counters.refuse_picture(),
            SeatNews::Record(order) => return self.keep_stop(order),
            SeatNews::Utter(order) => return self.recording.leave_unheard(&order),
        }
        tracing::warn!(
            conference = conference.0,
            "a call has no part in its conference: the thread that would mix it is behind"
        );
    }

    /// A recording that is to end is not one that failed; one that is to begin is.
    fn keep_stop(&mut self, order: RecordingOrder) {
        let conference = order.conference.0;
        let why = match self.stops.keep(order) {
            Ok(()) => "a recording ends later: the thread that mixes its meeting is behind",
            Err(order) if matches!(order.recording, ConferenceRecordingOrder::Record(_)) => {
                return self.recording.refuse(&order, ConferenceRecordingFailure::TooMany);
            }
            Err(_) => "a recording ends with its meeting: the threads that mix are behind",
        };
        tracing::warn!(conference, "{why}");
    }

    fn offer_stops(&mut self) {
        let inboxes = &self.inboxes;
        self.stops.offer(|order| {
            let (conference, news) = (order.conference, SeatNews::Record(order));
            match inboxes.send(conference, News::Seat(Admitted { news, still: None })) {
                Err(News::Seat(Admitted { news: SeatNews::Record(order), .. })) => Err(order),
                _ => Ok(()),
            }
        });
    }
}

//! One thread that mixes: the conferences that it has, and when it looks at them.

use crate::announcements::Sound;
use crate::clock::Clock;
use crate::conference::{Conference, Turn};
use crate::inbox::{Admitted, News, place_of};
use crate::pictures::{Composer, PictureTurn};
use crate::recording::Recording;
use crate::statistics::{Counters, PictureTally};
use media_relay::{MixBell, RecordingOrder, SeatNews, UtteranceOrder};
use mixer::RoomConfig;
use model::{ConferenceId, ConferenceRecordingFailure, ConferenceRecordingOrder, Instant};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// What a frame lasts.
const FRAME: Duration = Duration::from_millis(mixer::TICK_MS as u64);
/// The least time between two looks at pictures: what comes meanwhile is taken together.
const GATHER: Duration = Duration::from_millis(2);
/// How soon a thread without conferences sees that it is to end.
const IDLE_CHECK: Duration = Duration::from_millis(100);
/// Octets of a packet that is looked at; of one that is longer the room grows.
const LONGEST_PACKET: usize = 2_048;
/// People of a thread whose words are kept at a time, each 128 kB. Full policy: what the next one says is
/// not kept, and that is told.
const MOST_UTTERANCES: usize = 128;

/// One thread's own.
pub(crate) struct Desk {
    config: RoomConfig,
    clock: Clock,
    conferences: HashMap<ConferenceId, Conference>,
    counters: Arc<Counters>,
    /// A packet, while it is looked at.
    octets: Vec<u8>,
    /// Workers to be told that there is something to be sent, while pictures are looked at.
    bells: Vec<MixBell>,
    /// Conferences, legs and lines of pictures, as they were told.
    held: [u64; 3],
    recording: Recording,
    composer: Option<Composer>,
}

impl Desk {
    pub(crate) fn new(
        config: RoomConfig,
        clock: Clock,
        counters: Arc<Counters>,
        recording: Recording,
        composer: Option<Composer>,
    ) -> Self {
        let (octets, bells) = (Vec::with_capacity(LONGEST_PACKET), Vec::new());
        let (conferences, held) = (HashMap::new(), [0; 3]);
        Desk { config, clock, conferences, counters, octets, bells, held, recording, composer }
    }

    /// Serves until `stops`, or until nobody will come any more.
    pub(crate) fn serve(mut self, inbox: &Receiver<News>, stops: &AtomicBool) {
        // When frames are mixed next, and pictures looked at again at the earliest.
        let (mut due, mut look) = (self.clock.now(), Instant::ZERO);
        // Somebody has woken it since pictures were looked at.
        let mut is_called = false;
        while !stops.load(Ordering::Acquire) {
            if self.conferences.is_empty() {
                // The clock of frames stands while there is nothing to be mixed.
                due = self.clock.now() + FRAME;
            }
            // `due` less a frame is when frames were mixed last: those of all conferences together.
            let is_open = self.let_in(inbox, due - FRAME);
            let now = self.clock.now();
            if now >= look {
                self.look(now);
                (look, is_called) = (now + GATHER, false);
            }
            if now >= due && !self.conferences.is_empty() {
                self.turn(now);
                due += FRAME;
                // A thread that is always late does not run after what is past.
                if due + 5 * FRAME < self.clock.now() {
                    due = self.clock.now();
                }
                continue;
            }
            if !is_open {
                break;
            }
            is_called = self.rest(due, is_called.then_some(look));
        }
        self.conferences.clear();
        self.count();
    }

    /// Takes who waits; `false` when nobody will come any more.
    fn let_in(&mut self, inbox: &Receiver<News>, last: Instant) -> bool {
        loop {
            match inbox.try_recv() {
                Ok(News::Seat(news)) => self.take(news, last),
                Ok(News::Sound(sound)) => self.announce(sound),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Sleeps until frames are due or somebody wakes it; whether somebody has. With `look` somebody has
    /// already, just after pictures were looked at: it sleeps until then, and what comes meanwhile is taken with
    /// the rest.
    #[expect(
        clippy::disallowed_methods,
        reason = "the point is not to be woken by the next packet"
    )]
    fn rest(&self, due: Instant, look: Option<Instant>) -> bool {
        if self.conferences.is_empty() {
            thread::park_timeout(IDLE_CHECK);
            return false;
        }
        if let Some(look) = look {
            thread::sleep(look.min(due) - self.clock.now());
            return true;
        }
        thread::park_timeout(due - self.clock.now());
        self.clock.now() < due
    }

    fn record(&mut self, order: &RecordingOrder) {
        let done = match (&self.recording.recorder, self.conferences.get_mut(&order.conference)) {
            (None, _) => Err(ConferenceRecordingFailure::NotConfigured),
            (Some(recorder), Some(conference)) => conference.record(order, &**recorder),
            // Whoever named it has left meanwhile.
            (Some(_), None) => Err(ConferenceRecordingFailure::NoSeat),
        };
        if let Err(failure) = done
            && matches!(order.recording, ConferenceRecordingOrder::Record(_))
        {
            self.recording.refuse(order, failure);
        }
    }

    /// Keeps what somebody says, or tells it.
    fn utter(&mut self, order: &UtteranceOrder) {
        let kept = self.conferences.values().map(Conference::uttering).sum::<usize>();
        let conference = self.conferences.get_mut(&order.conference);
        let conference = conference.filter(|_| order.longest.is_none() || kept < MOST_UTTERANCES);
        match conference {
            Some(conference) => conference.utter(order, &self.recording.events),
            None => self.recording.leave_unheard(order),
        }
    }

    /// `last` is when frames were mixed last.
    fn take(&mut self, admitted: Admitted, last: Instant) {
        let Admitted { news, still } = admitted;
        match &news {
            SeatNews::Record(order) => return self.record(order),
            SeatNews::Utter(order) => return self.utter(order),
            SeatNews::Audio(_) | SeatNews::Picture(_) => {}
        }
        let (_, id) = place_of(&news);
        let config = self.config;
        let conference = self.conferences.entry(id);
        let composer = &self.composer;
        let conference =
            conference.or_insert_with(|| Conference::new(id, config, composer.clone(), last));
        match news {
            SeatNews::Record(_) | SeatNews::Utter(_) => {}
            SeatNews::Audio(stream) => conference.sit(stream, &self.recording.events),
            SeatNews::Picture(stream) => {
                stream.call.wake(thread::current());
                let (transaction, media) = (stream.transaction_id, stream.id.0);
                if let Err(why) = conference.sit_picture(self.clock.now(), stream, still) {
                    self.counters.refuse_picture();
                    tracing::warn!(%transaction, media, "a call has no pictures in its conference: {why}");
                }
            }
        }
        self.count();
    }

    fn announce(&mut self, sound: Sound) {
        // Of a conference that everybody has left meanwhile there is nobody to hear it.
        let conference = self.conferences.get_mut(&sound.conference);
        let heard = conference.map(|conference| conference.announce(sound.recording, sound.except));
        if let Some(Err(error)) = heard {
            self.counters.leave_out();
            tracing::debug!("an announcement is not heard: {error}");
        }
    }

    /// Switches pictures.
    fn look(&mut self, now: Instant) {
        if self.held[2] == 0 {
            return;
        }
        let mut tally = PictureTally::default();
        let (octets, bells) = (&mut self.octets, &mut self.bells);
        let mut turn = PictureTurn { now, octets, bells, tally: &mut tally };
        for conference in self.conferences.values_mut() {
            conference.turn_pictures(&mut turn);
        }
        self.bells.drain(..).for_each(|bell| bell.ring());
        self.counters.add_pictures(tally, self.clock.now() - now);
    }

    fn turn(&mut self, now: Instant) {
        let mut turn = Turn::default();
        for conference in self.conferences.values_mut() {
            conference.turn(now, &mut self.octets, &mut turn);
        }
        for conference in self.conferences.values_mut() {
            conference.look_at_tape(&self.recording.events);
            conference.end_utterances(&self.recording.events);
        }
        turn.bells.iter().for_each(MixBell::ring);
        self.conferences.retain(|_, conference| !conference.is_empty());
        (0..turn.refused).for_each(|_| self.counters.refuse());
        self.counters.add(turn.tally, self.clock.now() - now);
        self.count();
    }

    fn count(&mut self) {
        let legs = self.conferences.values().map(|conference| conference.len() as u64).sum();
        let lines = self.conferences.values().map(|conference| conference.pictures() as u64).sum();
        let held = [self.conferences.len() as u64, legs, lines];
        if held != self.held {
            self.counters.hold(held, std::mem::replace(&mut self.held, held));
        }
    }
}

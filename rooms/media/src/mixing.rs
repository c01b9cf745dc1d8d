//! The threads.

use crate::announcements::{self, Sound};
use crate::cards::Cards;
use crate::clock::Clock;
use crate::conference::{Conference, Turn};
use crate::error::MixingError;
use crate::pictures::{Composer, PictureTurn};
use crate::recording::{Recorder, RecordingEvents};
use crate::statistics::{Counters, MixingStatistics, PictureTally};
use crate::stops::KeptStops;
use media_relay::{Announcement, MixBell, RecordingOrder, SeatNews, UtteranceOrder};
use mixer::RoomConfig;
use model::{
    ConferenceId, ConferenceRecordingFailure, ConferenceRecordingOrder, Instant, MediaEvent,
    MediaId,
};
use room_grid::{GridPool, GridSettings};
use room_video::StillPicture;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// What a frame lasts.
const FRAME: Duration = Duration::from_millis(mixer::TICK_MS as u64);
/// The least time between two looks at pictures: what comes meanwhile is taken together.
const GATHER: Duration = Duration::from_millis(2);
/// How soon the door sees that it is to close.
const DOOR_CHECK: Duration = Duration::from_millis(100);
/// People of a thread whose words are kept at a time, each 128 kB. Full policy: what the next one says is
/// not kept, and that is told.
const MOST_UTTERANCES: usize = 128;
/// News that wait for a thread. When there are more it is behind by far, and legs beyond are refused.
const INBOX: usize = 1_024;

/// How much is mixed, and how.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MixingConfig {
    /// Threads, 1 to 64. A conference is mixed by one of them.
    pub threads: usize,
    /// What conferences are like.
    pub room: RoomConfig,
    /// How many pictures are composed of several, and how; `None` for none.
    pub grids: Option<GridSettings>,
}

impl Default for MixingConfig {
    fn default() -> Self {
        MixingConfig { threads: 1, room: RoomConfig::default(), grids: None }
    }
}

/// What records conferences.
#[derive(Clone)]
pub struct Recording {
    /// What makes recordings; `None` where nothing may be recorded.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Who is told what becomes of them.
    pub events: RecordingEvents,
}

/// The threads that mix. Stopped when it is dropped.
#[derive(Debug)]
pub struct Mixing {
    counters: Arc<Counters>,
    pub(crate) composer: Option<Composer>,
    stops: Arc<AtomicBool>,
    /// Those that hand over to the others.
    beside: Vec<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// What a relay has to tell the threads.
#[derive(Debug)]
pub struct MixingOrders {
    /// Legs that take part from now on.
    pub seats: Receiver<SeatNews>,
    /// What everybody in a conference is to hear.
    pub announcements: Receiver<Announcement>,
}

impl Mixing {
    /// Starts the threads. `origin` is when the clock of arrivals was at [`Instant::ZERO`]; `recording`
    /// records.
    ///
    /// # Errors
    /// The system has no thread; this program composes no pictures, where it is to.
    pub fn start(
        config: MixingConfig,
        origin: std::time::Instant,
        orders: MixingOrders,
        recording: Recording,
    ) -> Result<Mixing, MixingError> {
        let composer = config.grids.map(|grids| {
            let pool = Arc::new(GridPool::start(grids)?);
            Ok(Composer { pool, per_second: grids.frames_per_second })
        });
        let composer = composer.transpose().map_err(MixingError::Grids)?;
        let mut mixing = Mixing {
            counters: Arc::default(),
            composer: composer.clone(),
            stops: Arc::default(),
            beside: Vec::new(),
            threads: Vec::new(),
        };
        let mut inboxes = Vec::new();
        for number in 0..config.threads.clamp(1, 64) {
            let (inbox, taken) = mpsc::sync_channel(INBOX);
            let desk = Desk {
                config: config.room,
                clock: Clock::new(origin),
                conferences: HashMap::new(),
                counters: Arc::clone(&mixing.counters),
                octets: Vec::with_capacity(2_048),
                bells: Vec::new(),
                held: [0; 3],
                recording: recording.clone(),
                composer: composer.clone(),
            };
            let stops = Arc::clone(&mixing.stops);
            let thread = thread::Builder::new().name(format!("mixing-{number}"));
            let thread = thread.spawn(move || desk.serve(&taken, &stops))?;
            inboxes.push((inbox, thread.thread().clone()));
            mixing.threads.push(thread);
        }
        let inboxes = Inboxes(inboxes.into());
        let (counters, stops) = (Arc::clone(&mixing.counters), Arc::clone(&mixing.stops));
        let door = Door {
            inboxes: inboxes.clone(),
            cards: Cards::default(),
            recording,
            counters,
            clock: Clock::new(origin),
            stops: KeptStops::default(),
        };
        let thread = thread::Builder::new().name("mixing-door".to_owned());
        let MixingOrders { seats, announcements } = orders;
        mixing.beside.push(thread.spawn(move || door.keep(&seats, &stops))?);
        let (counters, stops) = (Arc::clone(&mixing.counters), Arc::clone(&mixing.stops));
        let thread = thread::Builder::new().name("mixing-sounds".to_owned());
        let sounds = move || announcements::serve(&announcements, &inboxes, &counters, &stops);
        mixing.beside.push(thread.spawn(sounds)?);
        Ok(mixing)
    }

    /// What was done so far.
    pub fn statistics(&self) -> MixingStatistics {
        let composer = self.composer.as_ref();
        let grids = composer.map(|composer| composer.pool.statistics()).unwrap_or_default();
        MixingStatistics { grids, ..self.counters.read() }
    }

    /// Ends the threads. After the relay.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stops.store(true, Ordering::Release);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
        let threads = self.beside.drain(..).chain(self.threads.drain(..));
        if !threads.map(JoinHandle::join).all(|ended| ended.is_ok()) {
            tracing::error!("a thread that mixes conferences had ended by a fault of ours");
        }
    }
}

impl Drop for Mixing {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a thread that mixes is told.
enum News {
    Seat(Admitted),
    Sound(Sound),
}

/// The ways to the threads, and the threads, to be woken.
#[derive(Clone)]
pub(crate) struct Inboxes(Arc<[(SyncSender<News>, Thread)]>);

impl Inboxes {
    /// Tells the thread of a conference, and gives back what it has no room for; it never waits.
    fn send(&self, conference: ConferenceId, news: News) -> Result<(), News> {
        let count = self.0.len().max(1) as u64;
        let Some((inbox, thread)) = self.0.get((conference.0 % count) as usize) else {
            return Err(news);
        };
        let sent = inbox.try_send(news);
        thread.unpark();
        sent.map_err(|error| match error {
            TrySendError::Full(news) | TrySendError::Disconnected(news) => news,
        })
    }

    /// Hands a sound to the thread of its conference.
    pub(crate) fn sound(&self, sound: Sound) -> Result<(), ()> {
        self.send(sound.conference, News::Sound(sound)).map_err(|_| ())
    }
}

/// Shows each leg, and each order, to the thread of its conference.
struct Door {
    inboxes: Inboxes,
    cards: Cards,
    recording: Recording,
    counters: Arc<Counters>,
    clock: Clock,
    /// Offered to their threads at each check.
    stops: KeptStops,
}

impl Door {
    fn keep(mut self, news: &Receiver<SeatNews>, stops: &AtomicBool) {
        let mut check = self.clock.now() + DOOR_CHECK;
        while !stops.load(Ordering::Acquire) {
            if !self.stops.is_empty() && self.clock.now() >= check {
                self.offer_stops();
                check = self.clock.now() + DOOR_CHECK;
            }
            match news.recv_timeout(DOOR_CHECK) {
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

/// A leg on its way to the thread of its conference.
struct Admitted {
    news: SeatNews,
    /// What it sees while it sees nobody.
    still: Option<Arc<StillPicture>>,
}

/// Whose stream it is, and its conference.
fn place_of(news: &SeatNews) -> (MediaId, ConferenceId) {
    match news {
        SeatNews::Audio(stream) => (stream.id, stream.seat.conference),
        SeatNews::Picture(stream) => (stream.id, stream.seat.conference),
        SeatNews::Record(order) => (order.id, order.conference),
        SeatNews::Utter(order) => (order.id, order.conference),
    }
}

/// One thread's own.
struct Desk {
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

impl Recording {
    fn refuse(&self, order: &RecordingOrder, failure: ConferenceRecordingFailure) {
        tracing::warn!(conference = order.conference.0, %failure, "a meeting is not recorded");
        (self.events)(MediaEvent::ConferenceRecordingFailed { id: order.id, failure });
    }

    /// What somebody says cannot be kept. What is only to be ended ends by itself.
    fn leave_unheard(&self, order: &UtteranceOrder) {
        if order.longest.is_some() {
            (self.events)(MediaEvent::Uttered { id: order.id, utterance: None });
        }
    }
}

impl Desk {
    fn serve(mut self, inbox: &Receiver<News>, stops: &AtomicBool) {
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
            thread::park_timeout(DOOR_CHECK);
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

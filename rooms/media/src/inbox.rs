//! The ways to the threads that mix, and what comes by them.

use crate::announcements::Sound;
use media_relay::SeatNews;
use model::{ConferenceId, MediaId};
use room_video::StillPicture;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::Thread;

/// What a thread that mixes is told.
pub(crate) enum News {
    Seat(Admitted),
    Sound(Sound),
}

/// A leg on its way to the thread of its conference.
pub(crate) struct Admitted {
    pub(crate) news: SeatNews,
    /// What it sees while it sees nobody.
    pub(crate) still: Option<Arc<StillPicture>>,
}

/// The ways to the threads, and the threads, to be woken.
#[derive(Clone)]
pub(crate) struct Inboxes(pub(crate) Arc<[(SyncSender<News>, Thread)]>);

impl Inboxes {
    /// Tells the thread of a conference, and gives back what it has no room for; it never waits.
    pub(crate) fn send(&self, conference: ConferenceId, news: News) -> Result<(), News> {
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

/// Whose stream it is, and its conference.
pub(crate) fn place_of(news: &SeatNews) -> (MediaId, ConferenceId) {
    match news {
        SeatNews::Audio(stream) => (stream.id, stream.seat.conference),
        SeatNews::Picture(stream) => (stream.id, stream.seat.conference),
        SeatNews::Record(order) => (order.id, order.conference),
        SeatNews::Utter(order) => (order.id, order.conference),
    }
}

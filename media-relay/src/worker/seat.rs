//! Streams of this worker that take part in conferences, which somebody else mixes.

use super::Worker;
use super::picture::SeatedPicture;
use super::streams::StreamKey;
use crate::queue::MixBell;
use crate::random::draw;
use model::{
    AudioSource, ConferenceId, ConferenceRecordingFailure, ConferenceRecordingOrder, Instant,
    MediaEvent, MediaId, MediaType, ParticipantId, Seat, SeatFailure, TransactionId,
};
use relay_core::{SeatRings, seat_rings};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

/// Octets of what a leg says: a second and a half of G.711, a fifth of one of L16 in stereo.
const RING: usize = 32 * 1024;

/// What a relay tells whoever mixes and switches conferences.
#[derive(Debug)]
pub enum SeatNews {
    /// The audio of a leg.
    Audio(Box<SeatedStream>),
    /// Its camera, or its slides.
    Picture(Box<SeatedPicture>),
    /// What is recorded.
    Record(RecordingOrder),
    /// What one leg says is kept for a while.
    Utter(UtteranceOrder),
}

/// A leg that takes part in a conference. Its end is the end of its rings, or another one of the same
/// participant.
#[derive(Debug)]
pub struct SeatedStream {
    /// The stream.
    pub id: MediaId,
    /// Its call.
    pub transaction_id: TransactionId,
    /// Where it sits.
    pub seat: Seat,
    /// What it says, and where it is spoken to.
    pub rings: SeatRings,
    /// To be rung when something has been said to it, once for all legs of a worker.
    pub bell: MixBell,
    /// Since when, by the clock of the packets' arrival.
    pub began: Instant,
}

/// Something that everybody in a conference is to hear.
#[derive(Debug)]
pub struct Announcement {
    /// The conference.
    pub conference: ConferenceId,
    /// What.
    pub source: AudioSource,
    /// Who does not.
    pub except: Option<ParticipantId>,
}

/// That a conference is recorded from now on, or not any more.
#[derive(Debug)]
pub struct RecordingOrder {
    /// The stream that named the conference, of which is told what becomes of it.
    pub id: MediaId,
    /// The conference.
    pub conference: ConferenceId,
    /// What is recorded, or no more.
    pub recording: ConferenceRecordingOrder,
}

/// That what a leg says is kept from now on, to be told once as [`MediaEvent::Uttered`], or is told now.
#[derive(Debug)]
pub struct UtteranceOrder {
    /// The stream.
    pub id: MediaId,
    /// Its conference.
    pub conference: ConferenceId,
    /// For how long at most; `None` ends it.
    pub longest: Option<Duration>,
}

impl Worker {
    /// Has whoever mixes record the conference of a stream, or stop it.
    pub(super) fn record_conference(&mut self, id: MediaId, recording: ConferenceRecordingOrder) {
        let is_begun = matches!(recording, ConferenceRecordingOrder::Record(_));
        let Err(failure) = self.pass_recording(id, recording) else { return };
        if is_begun {
            tracing::warn!(media = id.0, %failure, "a meeting is not recorded");
            self.emit(MediaEvent::ConferenceRecordingFailed { id, failure });
        } else {
            tracing::warn!(media = id.0, %failure, "an order to stop a meeting's recording is not carried out");
        }
    }

    fn pass_recording(
        &mut self,
        id: MediaId,
        recording: ConferenceRecordingOrder,
    ) -> Result<(), ConferenceRecordingFailure> {
        let tell = self.parts.config.conferences.as_ref();
        let tell = tell.ok_or(ConferenceRecordingFailure::NotConfigured)?;
        let seat = self.streams.find(id).and_then(|stream| stream.seat);
        let conference = seat.ok_or(ConferenceRecordingFailure::NoSeat)?.conference;
        let order = SeatNews::Record(RecordingOrder { id, conference, recording });
        tell.try_send(order).map_err(|_| ConferenceRecordingFailure::TooMany)
    }

    /// Has whoever mixes keep what a leg says, or tell what it has said.
    pub(super) fn record_utterance(&mut self, id: MediaId, longest: Option<Duration>) {
        let seat = self.streams.find(id).and_then(|stream| stream.seat);
        let passed = seat.zip(self.parts.config.conferences.as_ref()).map(|(seat, to)| {
            let conference = seat.conference;
            to.try_send(SeatNews::Utter(UtteranceOrder { id, conference, longest })).is_ok()
        });
        // What has begun ends by itself.
        if passed != Some(true) && longest.is_some() {
            self.emit(MediaEvent::Uttered { id, utterance: None });
        }
    }

    /// Has everybody in a stream's conference, but one, hear something.
    pub(super) fn announce(
        &mut self,
        id: MediaId,
        source: AudioSource,
        except: Option<ParticipantId>,
    ) {
        let seat = self.streams.find(id).and_then(|stream| stream.seat);
        let announced = seat.zip(self.parts.config.announcements.as_ref()).map(|(seat, to)| {
            let conference = seat.conference;
            to.try_send(Announcement { conference, source, except }).is_ok()
        });
        if announced != Some(true) {
            let why = if seat.is_none() { "its call has left" } else { "too many wait" };
            tracing::warn!(media = id.0, "an announcement is not heard in its conference: {why}");
        }
    }

    /// From now on a leg of a stream takes part in a conference.
    pub(super) fn sit(&mut self, id: MediaId, seat: Seat) {
        let event = match self.begin_seat(id, seat) {
            Ok(()) => MediaEvent::Sits { id },
            Err(failure) => {
                self.parts.counters.seat_failures.add(1);
                tracing::warn!(media = id.0, %failure, "a call takes no part in a conference");
                MediaEvent::SeatFailed { id, failure }
            }
        };
        self.emit(event);
    }

    /// Of another place: the seat of before is left, whatever comes of this.
    fn begin_seat(&mut self, id: MediaId, seat: Seat) -> Result<(), SeatFailure> {
        if self.is_changed(id, seat) {
            return Ok(());
        }
        self.stand_up(id);
        let now = self.parts.clock.now();
        let tell = self.parts.config.conferences.clone().ok_or(SeatFailure::NoConferences)?;
        let is_full = self.seats.len() >= self.parts.config.seats_by_worker();
        let key = self.streams.key_of(id).ok_or(SeatFailure::NoStream)?;
        let stream = self.streams.find(id).ok_or(SeatFailure::NoStream)?;
        if stream.session.line().media() != MediaType::Audio {
            return Err(SeatFailure::NoStream);
        }
        if is_full {
            return Err(SeatFailure::TooMany);
        }
        let (ends, rings) = seat_rings(RING);
        let bell = MixBell::new(self.parts.queue.clone());
        let transaction_id = stream.session.transaction_id();
        let seated = SeatedStream { id, transaction_id, seat, rings, bell, began: now };
        send(&tell, SeatNews::Audio(Box::new(seated)))?;
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards takes part in nothing; what needs not go through here goes back.
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        stream.session.sit(seat.leg, ends, now, &mut draw);
        stream.session.mute_seat(seat.is_muted);
        stream.seat = Some(seat);
        self.seats.push(key);
        self.parts.counters.seats.add(1);
        self.part_sources_of(key);
        self.schedule_reports(key);
        Ok(())
    }

    /// Whether the leg sits there already; it is muted or heard then.
    fn is_changed(&mut self, id: MediaId, seat: Seat) -> bool {
        let Some(stream) = self.streams.find(id) else { return false };
        let is_same = stream.seat.is_some_and(|before| before.is_same_place(&seat));
        if is_same && !stream.session.is_seat_abandoned() {
            stream.session.mute_seat(seat.is_muted);
            stream.seat = Some(seat);
            return true;
        }
        false
    }

    /// Ends the seat of a stream that nobody mixes for, and says so.
    pub(super) fn end_abandoned_seat(&mut self, id: MediaId) {
        self.stand_up(id);
        self.parts.counters.seat_failures.add(1);
        tracing::warn!(media = id.0, "nobody mixes or switches for a call in a conference");
        self.emit(MediaEvent::SeatFailed { id, failure: SeatFailure::Abandoned });
    }

    /// The leg of a stream leaves its conference.
    pub(super) fn stand_up(&mut self, id: MediaId) {
        let Some(key) = self.streams.key_of(id) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        if let Some(stream) = self.streams.get_mut(key) {
            self.parts.counters.unheard_mixed.add(stream.session.take_unheard_mixed());
            stream.count_pictures(&self.parts.counters);
            stream.session.stand_up();
            stream.session.stand_up_picture();
            (stream.seat, stream.picture) = (None, None);
        }
        self.forget_seat(key);
    }

    /// Of a stream that has left, or is no more.
    pub(super) fn forget_seat(&mut self, key: StreamKey) {
        let before = self.seats.len();
        self.seats.retain(|seat| *seat != key);
        self.parts.counters.seats.subtract((before - self.seats.len()) as u64);
        let before = self.pictures.len();
        self.pictures.retain(|picture| *picture != key);
        self.parts.counters.picture_seats.subtract((before - self.pictures.len()) as u64);
    }

    /// Sends what has been mixed, if somebody has said so.
    pub(super) fn serve_seats(&mut self) {
        if !self.parts.queue.take_mixed() {
            return;
        }
        let now = self.parts.clock.now();
        let seats = std::mem::take(&mut self.seats);
        for key in &seats {
            self.send_what_waits(*key, now);
            if let Some(stream) = self.streams.get_mut(*key) {
                self.parts.counters.unheard_mixed.add(stream.session.take_unheard_mixed());
                let id = stream.session.id();
                if let Some(heard) = stream.session.take_heard() {
                    self.emit(MediaEvent::Heard { id, heard });
                }
            }
        }
        self.seats = seats;
        self.serve_pictures(now);
    }
}

/// Hands a stream over without waiting.
pub(super) fn send(to: &SyncSender<SeatNews>, news: SeatNews) -> Result<(), SeatFailure> {
    to.try_send(news).map_err(|error| match error {
        TrySendError::Full(_) => SeatFailure::TooMany,
        TrySendError::Disconnected(_) => SeatFailure::NoConferences,
    })
}

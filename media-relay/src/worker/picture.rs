//! Streams of this worker whose pictures take part in conferences, which somebody else switches.

use super::Worker;
use super::seat::{SeatNews, send};
use super::streams::{Stream, StreamKey};
use crate::counters::WorkerCounters;
use crate::queue::MixBell;
use crate::random::draw;
use model::{Instant, MediaEvent, MediaId, MediaType, PictureSeat, SeatFailure, TransactionId};
use relay_core::{PictureNumbers, PictureRings, SentAgain, picture_rings};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// A leg whose pictures take part in a conference. Its end is the end of its rings, or another one for the
/// same line of the same participant.
#[derive(Debug)]
pub struct SeatedPicture {
    /// The stream.
    pub id: MediaId,
    /// Its call.
    pub transaction_id: TransactionId,
    /// Where it sits. Whether it is hidden, and what it sees, stand in its rings, where they are kept up to
    /// date.
    pub seat: Box<PictureSeat>,
    /// What it sends, and where it is given pictures.
    pub rings: PictureRings,
    /// Where the numbers of what it is given begin.
    pub numbers: PictureNumbers,
    /// To be rung when something has been given to it, once for all legs of a worker.
    pub bell: MixBell,
    /// Rung when there is something of it to be looked at.
    pub call: PictureBell,
    /// Since when, by the clock of the packets' arrival.
    pub began: Instant,
}

/// Tells the thread that switches a leg's pictures that there is something of that leg.
#[derive(Clone, Debug, Default)]
pub struct PictureBell(Arc<BellState>);

#[derive(Debug, Default)]
struct BellState {
    is_rung: AtomicBool,
    thread: OnceLock<Thread>,
}

impl PictureBell {
    /// From now on this thread is woken (`std::thread::park`). The first one counts.
    pub fn wake(&self, thread: Thread) {
        let _ = self.0.thread.set(thread);
    }

    /// Whether it was rung since this was last asked.
    pub fn take(&self) -> bool {
        self.0.is_rung.load(Ordering::Relaxed) && self.0.is_rung.swap(false, Ordering::AcqRel)
    }

    /// Never waits. Rung again before the thread has looked, it costs a few instructions.
    fn ring(&self) {
        if !self.0.is_rung.swap(true, Ordering::AcqRel)
            && let Some(thread) = self.0.thread.get()
        {
            thread.unpark();
        }
    }
}

/// What a stream has while its pictures take part in a conference.
#[derive(Debug)]
pub(super) struct StreamPicture {
    seat: Box<PictureSeat>,
    call: PictureBell,
}

impl StreamPicture {
    /// Tells whoever switches that there is something to look at.
    pub(super) fn call(&self) {
        self.call.ring();
    }
}

impl Stream {
    /// Counts what became of pictures since they were counted last.
    pub(super) fn count_pictures(&mut self, counters: &WorkerCounters) {
        counters.unshown_pictures.add(self.session.take_unshown());
        let SentAgain { sent, refused } = self.session.take_sent_again();
        counters.pictures_again.add(sent);
        counters.pictures_not_again.add(refused);
    }
}

impl Worker {
    /// From now on the pictures of leg A of a stream take part in a conference.
    pub(super) fn sit_picture(&mut self, id: MediaId, seat: Box<PictureSeat>) {
        let event = match self.begin_picture(id, seat) {
            Ok(()) => MediaEvent::Sits { id },
            Err(failure) => {
                self.parts.counters.seat_failures.add(1);
                tracing::warn!(media = id.0, %failure, "a call has no pictures in its conference");
                MediaEvent::SeatFailed { id, failure }
            }
        };
        self.emit(event);
    }

    /// Of another place: the seat of before is left, whatever comes of this.
    fn begin_picture(&mut self, id: MediaId, seat: Box<PictureSeat>) -> Result<(), SeatFailure> {
        if self.is_only_hidden(id, &seat) {
            return Ok(());
        }
        self.stand_up(id);
        let now = self.parts.clock.now();
        let tell = self.parts.config.conferences.clone().ok_or(SeatFailure::NoConferences)?;
        let is_full = self.pictures.len() >= self.parts.config.picture_seats_by_worker();
        let key = self.streams.key_of(id).ok_or(SeatFailure::NoStream)?;
        let stream = self.streams.find(id).ok_or(SeatFailure::NoStream)?;
        if stream.session.line().media() != MediaType::Video {
            return Err(SeatFailure::NoStream);
        }
        if is_full {
            return Err(SeatFailure::TooMany);
        }
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards takes part in nothing.
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        let (ends, rings) = picture_rings();
        let numbers = stream.session.sit_picture(ends, seat.payload_type, now, &mut draw);
        stream.session.hide_picture(seat.is_hidden);
        stream.session.lay_out_picture(seat.layout);
        stream.session.withhold_pictures(seat.withheld);
        if seat.feedback.nack {
            stream.session.send_pictures_again();
        }
        let call = PictureBell::default();
        let seated = SeatedPicture {
            id,
            transaction_id: stream.session.transaction_id(),
            seat: seat.clone(),
            rings,
            numbers,
            bell: MixBell::new(self.parts.queue.clone()),
            call: call.clone(),
            began: now,
        };
        if let Err(failure) = send(&tell, SeatNews::Picture(Box::new(seated))) {
            stream.session.stand_up_picture();
            return Err(failure);
        }
        stream.picture = Some(Box::new(StreamPicture { seat, call }));
        self.pictures.push(key);
        self.parts.counters.picture_seats.add(1);
        self.part_sources_of(key);
        self.schedule_reports(key);
        Ok(())
    }

    /// Whether the leg sits there already; it is hidden or shown then, and so are the others to it, as it is to see
    /// them.
    fn is_only_hidden(&mut self, id: MediaId, seat: &PictureSeat) -> bool {
        let Some(stream) = self.streams.find(id) else { return false };
        let is_abandoned = stream.session.is_picture_abandoned();
        let Some(picture) = stream.picture.as_deref_mut() else { return false };
        if is_abandoned || !picture.seat.is_same_place(seat) {
            return false;
        }
        stream.session.hide_picture(seat.is_hidden);
        stream.session.lay_out_picture(seat.layout);
        stream.session.withhold_pictures(seat.withheld);
        let known = &mut picture.seat;
        (known.is_hidden, known.layout, known.withheld) =
            (seat.is_hidden, seat.layout, seat.withheld);
        picture.call();
        true
    }

    /// Leg A asks for a key frame by signalling.
    pub(super) fn refresh_picture(&mut self, id: MediaId) {
        let Some(stream) = self.streams.find(id) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        stream.session.refresh_picture();
        if let Some(picture) = stream.picture.as_deref() {
            picture.call();
        }
    }

    /// Sends what has been given to legs.
    pub(super) fn serve_pictures(&mut self, now: Instant) {
        let pictures = std::mem::take(&mut self.pictures);
        for key in &pictures {
            self.send_what_waits(*key, now);
            self.schedule_reports(*key);
            let Some(stream) = self.streams.get_mut(*key) else { continue };
            stream.count_pictures(&self.parts.counters);
            if stream.session.take_picture_news()
                && let Some(picture) = stream.picture.as_deref()
            {
                picture.call();
            }
            self.tell_picture_wanted(*key, now);
        }
        self.pictures = pictures;
    }

    /// Has signalling ask leg A for a key frame, if that is due, or arms the stream's timer for it.
    pub(super) fn tell_picture_wanted(&mut self, key: StreamKey, now: Instant) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let id = stream.session.id();
        if stream.session.poll_picture_wanted(now) {
            self.parts.counters.pictures_wanted.add(1);
            self.emit(MediaEvent::PictureWanted { id });
        } else if let Some(at) = stream.session.picture_wanted_deadline()
            && at < stream.deadline
        {
            stream.deadline = at;
            self.timers.set(at, key);
        }
    }
}

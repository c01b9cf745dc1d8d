//! The near leg's place in a conference: the relay hands what it says to whoever mixes, and what is mixed
//! for it back.

use super::Call;
use crate::context::Context;
use crate::edge::Output;
use model::{
    ApplicationNews, AudioSource, ConferenceId, ConferenceRecordingOrder, Heard, Instant,
    MediaCommand, MediaEvent, MediaId, ParticipantId, PictureLayout, PictureSeat, PicturesShown,
    PicturesWithheld, Seat, SeatFailure, Utterance,
};
use sdp::RoomPicture;
use std::time::Duration;

/// Where the near leg sits.
pub(super) struct Seating {
    /// The newest order, and whether the relay's answer to it is still to come.
    order: u32,
    waits: bool,
    /// Answers to what was said of seats before it, which come first.
    others: u32,
    /// As ordered.
    seat: Seat,
    shown: PicturesShown,
    /// What the relay was told last, and of which stream.
    told: Option<(MediaId, Seat)>,
}

/// What the relay was told of seats and has not answered yet, for each stream. It answers one after the
/// other, and names the stream alone.
#[derive(Default)]
pub(super) struct Unanswered(Vec<(MediaId, u32)>);

/// Streams of a call whose answers are counted at a time. Those that a relay lost never come; the oldest are
/// not waited for any more.
const MOST_UNANSWERED: usize = 8;

impl Unanswered {
    fn of(&self, id: MediaId) -> u32 {
        self.0.iter().find(|(of, _)| *of == id).map_or(0, |(_, count)| *count)
    }

    /// Whether an answer about this stream is still to come: what is said of it meanwhile is about what was
    /// before.
    pub(super) fn has(&self, id: MediaId) -> bool {
        self.of(id) > 0
    }

    pub(super) fn told(&mut self, id: MediaId) {
        if let Some((_, count)) = self.0.iter_mut().find(|(of, _)| *of == id) {
            *count = count.saturating_add(1);
            return;
        }
        if self.0.len() >= MOST_UNANSWERED {
            self.0.remove(0);
        }
        self.0.push((id, 1));
    }

    /// Counts what the relay says of a stream, where that is an answer.
    pub(super) fn take(&mut self, event: &MediaEvent) {
        if matches!(event, MediaEvent::SeatFailed { failure: SeatFailure::Abandoned, .. }) {
            return;
        }
        let id = event.id();
        if let Some((_, count)) = self.0.iter_mut().find(|(of, _)| *of == id) {
            *count -= 1;
        }
        self.0.retain(|(_, count)| *count > 0);
    }
}

impl Seating {
    /// The place of a line of pictures, of a leg that holds the call or does not.
    pub(super) fn seat_of(&self, picture: &RoomPicture, holds: bool) -> PictureSeat {
        let is_hidden = holds || !self.shown.has(picture.content);
        let place = place_of(picture, self.seat.conference, self.seat.participant);
        PictureSeat { is_hidden, withheld: self.shown.withheld, ..place }
    }
}

/// The place of a line of pictures that shows nothing of the leg's.
pub(super) fn place_of(
    picture: &RoomPicture,
    conference: ConferenceId,
    participant: ParticipantId,
) -> PictureSeat {
    PictureSeat {
        conference,
        participant,
        content: picture.content,
        payload_type: picture.payload_type,
        format: picture.format.clone(),
        feedback: picture.feedback,
        most_bits_per_second: picture.most_bits_per_second,
        is_hidden: true,
        withheld: PicturesWithheld::default(),
        card: None,
        name: "".into(),
        layout: PictureLayout::Speaker,
    }
}

impl Call {
    pub(super) fn sit_by_order(
        &mut self,
        context: &mut Context,
        order: u32,
        (seat, shown): (Seat, PicturesShown),
    ) -> Result<(), &'static str> {
        if seat.leg != self.near() {
            return Err("leg B takes no part in conferences");
        }
        self.is_there(seat.leg)?;
        let id = self.media.id().filter(|_| self.media.is_allocated());
        let id = id.ok_or("the call has no media")?;
        let Some(steering) = self.steering.as_mut() else { return Ok(()) };
        if steering.is_bridged || steering.bridging.is_some() {
            return Err("there is a leg B, or one is being called; hang it up first");
        }
        let others = steering.unanswered.of(id);
        steering.seating = Some(Seating { order, waits: true, others, seat, shown, told: None });
        self.review_seat(context, id);
        self.review_pictures(context);
        Ok(())
    }

    pub(super) fn stand_up_by_order(&mut self, context: &mut Context) {
        let seating = self.steering.as_mut().and_then(|steering| steering.seating.take());
        let told = seating.and_then(|seating| seating.told);
        let id = told.map(|(id, _)| id).filter(|id| self.media.id() == Some(*id));
        context.outputs.extend(id.map(|id| Output::Media(MediaCommand::StandUp { id })));
        self.review_pictures(context);
    }

    /// Has the conference of the seat recorded, or not any more.
    pub(super) fn record_conference_by_order(
        &mut self,
        context: &mut Context,
        recording: ConferenceRecordingOrder,
    ) -> Result<(), &'static str> {
        let id = self.seated_stream()?;
        context.outputs.push_back(Output::Media(MediaCommand::RecordConference { id, recording }));
        Ok(())
    }

    /// The stream with the seat, as the relay knows it.
    fn seated_stream(&self) -> Result<MediaId, &'static str> {
        let seating = self.steering.as_ref().and_then(|steering| steering.seating.as_ref());
        let told = seating.and_then(|seating| seating.told);
        told.map(|(id, _)| id).ok_or("the call takes part in no conference")
    }

    /// Has what the leg says in its seat kept for a while, or ends that.
    pub(super) fn record_utterance_by_order(
        &mut self,
        context: &mut Context,
        longest: Option<Duration>,
    ) -> Result<(), &'static str> {
        let id = self.seated_stream()?;
        context.outputs.push_back(Output::Media(MediaCommand::RecordUtterance { id, longest }));
        Ok(())
    }

    /// What the leg has said, or that it has said nothing.
    pub(in crate::call) fn uttered_in_seat(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        utterance: Option<&Utterance>,
    ) {
        if self.steering.is_some() && self.media.id() == Some(id) {
            self.tell(context, now, ApplicationNews::Uttered(utterance.cloned()));
        }
    }

    /// The conference of the seat is recorded, or is not.
    pub(in crate::call) fn conference_recording_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) {
        if self.steering.is_none() || self.media.id() != Some(event.id()) {
            return;
        }
        let news = match event {
            MediaEvent::ConferenceRecordingFailed { failure, .. } => {
                ApplicationNews::ConferenceRecordingFailed(failure.clone())
            }
            _ => ApplicationNews::ConferenceRecords,
        };
        self.tell(context, now, news);
    }

    /// Has everybody in the leg's conference hear something.
    pub(super) fn announce_by_order(
        &mut self,
        context: &mut Context,
        source: AudioSource,
        except: Option<ParticipantId>,
    ) -> Result<(), &'static str> {
        let id = self.seated_stream()?;
        context.outputs.push_back(Output::Media(MediaCommand::Announce { id, source, except }));
        Ok(())
    }

    /// How the leg is heard in its conference.
    pub(in crate::call) fn heard_in_seat(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        heard: Heard,
    ) {
        let seating = self.steering.as_ref().and_then(|steering| steering.seating.as_ref());
        // Of a seat that was left meanwhile it says nothing any more.
        if seating.is_some() && self.media.id() == Some(id) {
            self.tell(context, now, ApplicationNews::Heard(heard));
        }
    }

    /// Has the relay know the seat as it is to be now. A leg that holds the call is not heard: what it
    /// sends then is music.
    pub(in crate::call) fn review_seat(&mut self, context: &mut Context, id: MediaId) {
        let holds = !self.media.wants_media(self.near());
        let Some(steering) = self.steering.as_mut() else { return };
        let Some(seating) = steering.seating.as_mut() else { return };
        let seat = Seat { is_muted: seating.seat.is_muted || holds, ..seating.seat };
        if seating.told.replace((id, seat)) != Some((id, seat)) {
            steering.unanswered.told(id);
            context.outputs.push_back(Output::Media(MediaCommand::Sit { id, seat }));
        }
    }

    /// The relay has taken an order of a seat, or has not.
    pub(in crate::call) fn seat_answered(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) {
        if self.picture_event(context, now, event) {
            return;
        }
        let current = self.media.id();
        let Some(steering) = self.steering.as_mut() else { return };
        steering.unanswered.take(event);
        let Some(seating) = steering.seating.as_mut() else { return };
        let is_abandoned =
            matches!(event, MediaEvent::SeatFailed { failure: SeatFailure::Abandoned, .. });
        if is_abandoned && steering.unanswered.has(event.id()) {
            // Of the seat of before: the relay has let it go before it saw what was ordered since.
            return;
        }
        if current == Some(event.id()) && seating.others > 0 {
            // Of a seat that was left meanwhile, or of an order that another has replaced.
            seating.others -= 1;
            return;
        }
        let order = seating.order;
        let news = match event {
            MediaEvent::Sits { id } if current == Some(*id) => {
                // What follows a hold was nobody's order.
                if !std::mem::take(&mut seating.waits) {
                    return;
                }
                ApplicationNews::Seated { order }
            }
            MediaEvent::SeatFailed { id, failure } if current == Some(*id) => {
                steering.seating = None;
                // Nobody is seen who is not heard.
                self.review_pictures(context);
                ApplicationNews::SeatFailed { order, failure: *failure }
            }
            _ => return,
        };
        self.tell(context, now, news);
    }
}

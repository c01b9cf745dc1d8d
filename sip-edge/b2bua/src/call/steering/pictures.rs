//! Pictures of a call to a meeting room: ports for their lines, their places in the conference where the
//! call sits, and requests for key frames by INFO (RFC 5168). Whatever fails of them, the sound goes on.

use super::Call;
use super::seat::place_of;
use crate::call::ClientPurpose;
use crate::call::lines::WaitingInput;
use crate::context::Context;
use crate::edge::Output;
use crate::media::RoomOffer;
use model::{
    ApplicationNews, ConferenceId, Instant, IpFamily, LegSide, MediaCommand, MediaEvent, MediaId,
    ParticipantId, PictureCard, PictureContent, PictureLayout, PictureSeat,
};
use sdp::{PictureTerms, RoomPicture, SessionDescription};
use sip_proto::{HeaderName, Message, Method, ServerKey};
use std::sync::Arc;

/// The body type of RFC 5168.
const MEDIA_CONTROL: &str = "application/media_control+xml";

/// What asks a sender for a key frame (RFC 5168 section 5).
const FAST_UPDATE: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<media_control>\
    <vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n";

/// What of pictures a call to a room has.
#[derive(Default)]
pub(super) struct Pictures {
    /// What the rooms want to be sent; `None` where they take sound alone.
    terms: Option<PictureTerms>,
    /// The places that the relay was told of last.
    told: Vec<(MediaId, PictureSeat)>,
    /// What the camera's line shows while it shows nobody.
    card: Option<Arc<PictureCard>>,
    /// What stands in its picture among several, and what it sees of the others.
    name: Option<Arc<str>>,
    layout: PictureLayout,
    /// What the rooms know of its lines: a camera's, one of slides.
    known: [bool; 2],
    /// An INFO of ours is not answered yet.
    asks: bool,
    /// The device takes no such INFO.
    refuses: bool,
}

impl Call {
    /// Whether the rooms take pictures, and under which terms; fixed for the life of the call.
    pub(super) fn begin_pictures(&mut self, context: &Context) {
        let rooms = context.directory.rooms().filter(|rooms| rooms.video);
        let terms = rooms.map(|rooms| PictureTerms { high_definition: rooms.video_hd });
        if let Some(steering) = self.steering.as_mut().filter(|steering| steering.room.is_some()) {
            steering.pictures.terms = terms;
        }
    }

    pub(super) fn picture_terms(&self) -> Option<PictureTerms> {
        self.steering.as_ref()?.pictures.terms
    }

    /// The lines of pictures that the room takes of leg A's offer, which is seen under its policy.
    pub(super) fn pictures_in(&self, offer: &SessionDescription) -> Vec<RoomPicture> {
        match self.picture_terms() {
            Some(terms) if self.near() == LegSide::A => offer.room_pictures(terms),
            _ => Vec::new(),
        }
    }

    /// What the room reads in an offer of leg A's.
    pub(super) fn room_offer(&self, offer: &SessionDescription) -> RoomOffer {
        let offer = offer.clone().for_leg(self.media.encryption(LegSide::A));
        self.media.bundle_in(offer, |offer| self.pictures_in(offer))
    }

    /// Asks for ports of the lines of pictures: those that leg A offers, or those that it is to be offered.
    pub(super) fn allocate_pictures(&mut self, context: &mut Context, families: [IpFamily; 2]) {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.clone());
        let pictures = match offer {
            Some(offer) => self.room_offer(&offer).pictures,
            None => self.own_offer().map(|own| self.pictures_in(&own)).unwrap_or_default(),
        };
        let wanted = self.media.pictures_wanted(pictures.iter().map(|picture| picture.index));
        self.ask_for_ports(context, &wanted, families);
    }

    fn ask_for_ports(&mut self, context: &mut Context, wanted: &[usize], families: [IpFamily; 2]) {
        for index in wanted {
            let id = self.next_media_id();
            let line = self.media.picture_requested(id, *index);
            context.outputs.push_back(Output::Media(MediaCommand::Allocate {
                id,
                transaction_id: self.id,
                families,
                emergency: false,
                line,
            }));
        }
    }

    /// Whether a re-INVITE or UPDATE of leg A has to wait for ports of the pictures that it offers, or that a
    /// re-INVITE without an offer is to be offered again.
    pub(in crate::call) fn pictures_wait(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        request: &Message,
        offer: Option<&SessionDescription>,
    ) -> bool {
        let from = LegSide::A;
        let is_invite = request.method() == Some(Method::Invite);
        let Some(families) = self.families_of_lines() else { return false };
        let pictures = match offer {
            Some(offer) if self.media.is_unchanged(from, offer) => Vec::new(),
            Some(offer) => self.room_offer(offer).pictures,
            None => {
                let own = self.own_offer_again().filter(|_| is_invite);
                own.map(|own| self.pictures_in(&own)).unwrap_or_default()
            }
        };
        let wanted = self.media.pictures_wanted(pictures.iter().map(|picture| picture.index));
        if wanted.is_empty() {
            return false;
        }
        self.ask_for_ports(context, &wanted, families);
        self.wait_for_lines(now, WaitingInput::Request { from, server, request: request.clone() });
        if is_invite {
            // To hear of its CANCEL.
            self.open_invite(context, server, from);
        }
        true
    }

    /// Has the relay know the places of leg A's pictures as they are to be now, and nothing of those
    /// that are no more. Called after every plan and every order of a seat.
    pub(in crate::call) fn review_pictures(&mut self, context: &mut Context) {
        let holds = !self.media.wants_media(LegSide::A);
        let Some(steering) = self.steering.as_mut() else { return };
        let Pictures { card, name, layout, .. } = &steering.pictures;
        // Before it has a place it is alone with the card.
        let number = self.id.as_u128();
        let (own, participant) =
            (ConferenceId((number >> 64) as u64), ParticipantId(number as u64));
        let is_camera = |picture: &RoomPicture| picture.content == PictureContent::Main;
        let place = |picture: &RoomPicture| match &steering.seating {
            Some(seating) => Some(seating.seat_of(picture, holds)),
            None if card.is_some() && is_camera(picture) => {
                Some(place_of(picture, own, participant))
            }
            None => None,
        };
        let seat = |(id, picture): (MediaId, &RoomPicture)| {
            let place = place(picture)?;
            if !is_camera(picture) {
                return Some((id, place));
            }
            let name = name.clone().unwrap_or_default();
            Some((id, PictureSeat { card: card.clone(), name, layout: *layout, ..place }))
        };
        let wanted: Vec<(MediaId, PictureSeat)> = self.media.pictures().filter_map(seat).collect();
        let told = std::mem::take(&mut steering.pictures.told);
        // The end of a stream is the seat's.
        let left = told.iter().filter(|(id, _)| {
            wanted.iter().all(|(other, _)| other != id) && self.media.has_line(*id)
        });
        let stand_up = |(id, _): &(MediaId, PictureSeat)| MediaCommand::StandUp { id: *id };
        context.outputs.extend(left.map(stand_up).map(Output::Media));
        for place in wanted.iter().filter(|place| !told.contains(place)) {
            let (id, seat) = (place.0, Box::new(place.1.clone()));
            steering.unanswered.told(id);
            context.outputs.push_back(Output::Media(MediaCommand::SitPicture { id, seat }));
        }
        steering.pictures.told = wanted;
    }

    pub(super) fn show_card_by_order(
        &mut self,
        context: &mut Context,
        card: Option<Arc<PictureCard>>,
    ) {
        let Some(steering) = self.steering.as_mut() else { return };
        steering.pictures.card = card;
        self.review_pictures(context);
    }

    pub(super) fn lay_out_by_order(
        &mut self,
        context: &mut Context,
        name: Arc<str>,
        layout: PictureLayout,
    ) {
        let Some(steering) = self.steering.as_mut() else { return };
        (steering.pictures.name, steering.pictures.layout) = (Some(name), layout);
        // Alone with the card it is called nothing and sees nobody: what joins takes its place once.
        if steering.seating.is_some() {
            self.review_pictures(context);
        }
    }

    /// Tells the rooms what lines of pictures there are, where that has changed.
    pub(in crate::call) fn tell_pictures(&mut self, context: &mut Context, now: Instant) {
        let has = |wanted| self.media.pictures().any(|(_, picture)| picture.content == wanted);
        let has = [has(PictureContent::Main), has(PictureContent::Slides)];
        let Some(steering) = self.steering.as_mut() else { return };
        if steering.is_told && std::mem::replace(&mut steering.pictures.known, has) != has {
            let [camera, slides] = has;
            self.tell(context, now, ApplicationNews::Pictures { camera, slides });
        }
    }

    /// The relay's word about a stream of pictures; `false` of any other stream.
    pub(in crate::call) fn picture_event(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) -> bool {
        let (MediaEvent::Sits { id }
        | MediaEvent::SeatFailed { id, .. }
        | MediaEvent::PictureWanted { id }) = event
        else {
            return false;
        };
        if !self.media.has_line(*id) {
            return false;
        }
        if matches!(event, MediaEvent::PictureWanted { .. }) {
            self.ask_for_picture(context, now);
        } else if let Some(steering) = self.steering.as_mut() {
            steering.unanswered.take(event);
            // The relay counts what it cannot do, and the sound goes on. What changes is tried again. While more
            // is to come, this is about a place of before: that of now is left when the leg leaves.
            if matches!(event, MediaEvent::SeatFailed { .. }) && !steering.unanswered.has(*id) {
                steering.pictures.told.retain(|(told, _)| told != id);
            }
        }
        true
    }

    /// Asks leg A for a key frame by INFO. One is open at a time, and a device that refuses it is not
    /// asked again.
    fn ask_for_picture(&mut self, context: &mut Context, now: Instant) {
        let Some(steering) = self.steering.as_ref() else { return };
        let leg = &mut self.legs[LegSide::A.index()];
        let may = !steering.pictures.asks && !steering.pictures.refuses && !leg.refuses_info;
        if !may || leg.dialog.is_none() || !self.is_live() {
            return;
        }
        let leg = &mut self.legs[LegSide::A.index()];
        let cseq = leg.next_cseq();
        let request = leg.request(context, Method::Info, cseq);
        let sent = request.and_then(|(mut composer, branch, flow)| {
            composer.header(HeaderName::UserAgent, &context.config.product);
            let bytes = composer.body(Some(MEDIA_CONTROL), FAST_UPDATE.as_bytes());
            context.send(now, flow, &branch, Method::Info, bytes)
        });
        // Without room for a transaction the relay asks again.
        let Some(client) = sent else { return };
        if let Some(steering) = self.steering.as_mut() {
            steering.pictures.asks = true;
        }
        self.open_client(context, client, ClientPurpose::Picture(LegSide::A));
    }

    /// Leg A has answered that INFO, or not at all.
    pub(in crate::call) fn picture_answered(&mut self, status: u16) {
        let Some(steering) = self.steering.as_mut() else { return };
        steering.pictures.asks = false;
        // Nothing of this kind will ever be taken, or not this body (RFC 3261 section 21.4).
        steering.pictures.refuses |= matches!(status, 405 | 415 | 469 | 488 | 489 | 501);
    }

    /// An INFO of leg A with media control: whether it wants a key frame, which it then is to get.
    pub(super) fn take_media_control(&mut self, context: &mut Context, request: &Message) {
        let wants = b"picture_fast_update";
        if !request.body_bytes().windows(wants.len()).any(|part| part == wants) {
            return;
        }
        let Some(steering) = self.steering.as_ref() else { return };
        let refresh = |(id, _): &(MediaId, PictureSeat)| MediaCommand::RefreshPicture { id: *id };
        context.outputs.extend(steering.pictures.told.iter().map(refresh).map(Output::Media));
    }
}

/// Whether it is an INFO with media control (RFC 5168).
pub(super) fn is_media_control(request: &Message) -> bool {
    let content_type = request.header(HeaderName::ContentType).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    request.method() == Some(Method::Info) && media_type.eq_ignore_ascii_case(MEDIA_CONTROL)
}

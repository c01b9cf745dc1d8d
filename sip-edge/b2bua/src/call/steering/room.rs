//! What a device in a meeting room is answered and offered.

use super::Call;
use crate::context::Context;
use crate::media::{BodyFault, RoomOffer};
use model::{Instant, LegSide, PictureContent};
use sdp::{Limits, PictureTerms, SessionDescription, agreed_floor};
use std::fmt::{self, Write as _};

/// What we offer where leg A's INVITE offers nothing; anchoring gives it our address.
pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

/// The same for the meeting rooms, whose sound is the best that a device has.
const ROOM_OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 9 RTP/AVP 96 9 0 8 97 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
    a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-15\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

/// What of pictures follows it, of each line, in both packetization modes of H.264 and in VP8.
const FEEDBACK: &str = "a=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n\
    a=rtcp-fb:* ccm tmmbr\r\na=rtcp-fb:* goog-remb\r\n";

/// A line of floor control (RFC 8856), whose address and attributes anchoring gives.
const FLOOR: &str = "m=application 9 UDP/BFCP *\r\n";

/// A line of pictures of our offer: what it is for, its payload types and its label (RFC 4574), a number as
/// devices write them.
struct OfferedPicture {
    content: PictureContent,
    name: &'static str,
    payload_types: [u8; 3],
    label: u8,
}

const PICTURES: [OfferedPicture; 2] = [
    OfferedPicture {
        content: PictureContent::Main,
        name: "main",
        payload_types: [102, 103, 104],
        label: 1,
    },
    OfferedPicture {
        content: PictureContent::Slides,
        name: "slides",
        payload_types: [105, 106, 107],
        label: 2,
    },
];

impl OfferedPicture {
    fn write(&self, own: &mut String, terms: PictureTerms) -> fmt::Result {
        let [single, fragments, vp8] = self.payload_types;
        let (with_headers, most) =
            (terms.most_with_headers(self.content), terms.most(self.content));
        let level = terms.level(self.content);
        write!(own, "m=video 9 RTP/AVP {single} {fragments} {vp8}\r\n")?;
        write!(own, "b=AS:{with_headers}\r\nb=TIAS:{most}\r\n")?;
        for (number, mode) in [(single, 0), (fragments, 1)] {
            write!(
                own,
                "a=rtpmap:{number} H264/90000\r\n\
                 a=fmtp:{number} profile-level-id=42e0{level:02x};packetization-mode={mode};\
                 level-asymmetry-allowed=1\r\n"
            )?;
        }
        write!(own, "a=rtpmap:{vp8} VP8/90000\r\n{FEEDBACK}")?;
        write!(own, "a=content:{}\r\na=label:{}\r\na=sendrecv\r\n", self.name, self.label)
    }
}

impl Call {
    /// What leg A is offered where it offers nothing itself: a caller through a carrier sound alone, for a
    /// gateway of telephones may fail by a long offer.
    pub(super) fn own_offer(&self) -> Result<SessionDescription, BodyFault> {
        let mut own = if self.is_in_room() { ROOM_OFFER } else { OFFER }.to_owned();
        let terms = self.picture_terms().filter(|_| self.parties.carrier.is_none());
        if let Some(terms) = terms {
            for picture in &PICTURES {
                // Writing into a String cannot fail.
                let _ = picture.write(&mut own, terms);
            }
            if self.has_floor_control() {
                own.push_str(FLOOR);
            }
        }
        Ok(SessionDescription::parse(own.as_bytes(), &Limits::default())?)
    }

    /// Describes it to leg A.
    pub(super) fn describe_own(
        &mut self,
        context: &mut Context,
        own: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        self.offer_floor_line(own);
        self.media.write_offer(context.random.as_mut(), LegSide::A, own)
    }

    /// What a device whose lines are those of our offer is offered once more, where its INVITE offers
    /// nothing again: all of it, as in a new call (RFC 3261 section 14.2). `None` of other devices, and of one
    /// that has floor control over TCP by now: our offer would put UDP in its place.
    pub(super) fn own_offer_again(&self) -> Option<SessionDescription> {
        self.steering.as_ref().filter(|steering| steering.has_own_lines)?;
        if self.has_floor_over_tcp() {
            return None;
        }
        let told = self.media.last_told(LegSide::A)?;
        // A device may have added lines, which keep their places (RFC 3264 section 8).
        let own = self.own_offer().ok()?;
        (own.media_count() == told.media_count()).then_some(own)
    }

    /// What refreshes such a device's session: our offer as it stands, without what the device has declined, whose
    /// ports may be another call's by now. `None` of other devices. Followed by [`Call::end_own_refresh`].
    pub(in crate::call) fn own_offer_as_it_stands(
        &mut self,
        context: &mut Context,
    ) -> Option<Vec<u8>> {
        let own = self.own_offer_again()?;
        let undo = self.media.before_offer(LegSide::A);
        if let Some(steering) = self.steering.as_mut() {
            steering.own_refresh = Some(undo);
        }
        match self.has_agreed_floor() {
            true => self.offer_floor_line(&own),
            false => self.media.set_floor(LegSide::A, None),
        }
        let written = self.media.write_offer(context.random.as_mut(), LegSide::A, &own).ok();
        if written.is_none() {
            self.end_own_refresh(false);
        }
        written
    }

    /// An offer that was to refresh the session was answered, or was not: then what the device was told before
    /// holds (RFC 3264 section 8).
    pub(in crate::call) fn end_own_refresh(&mut self, is_answered: bool) {
        let undo = self.steering.as_mut().and_then(|steering| steering.own_refresh.take());
        if let Some(undo) = undo.filter(|_| !is_answered) {
            self.media.undo(undo);
        }
    }

    /// Whether what a device in a room was told last is an offer of ours, which is no answer to what it offers
    /// itself, though that be what it has answered.
    pub(in crate::call) fn was_offered_in_room(&self) -> bool {
        self.is_in_room() && self.media.was_offered(LegSide::A)
    }

    /// Takes an offer of a device in a meeting room.
    pub(super) fn answer_in_room(
        &mut self,
        context: &mut Context,
        offer: &SessionDescription,
    ) -> Result<Vec<u8>, BodyFault> {
        self.take_floor_line(offer);
        let RoomOffer { offer, pictures, bundle } = self.room_offer(offer);
        let offer = offer.in_room(&pictures);
        if offer.audio_ref().is_none() {
            return Err(BodyFault::NotAcceptable);
        }
        let terms = self.picture_terms().unwrap_or_default();
        let mut spoken = offer.spoken_in_room(&pictures, terms);
        if let Some(bundle) = &bundle {
            spoken = spoken.saying_mids(bundle);
        }
        let random = context.random.as_mut();
        let before = self.media.set_bundle(bundle);
        let body = match self.media.write_answer(random, LegSide::A, &offer, &spoken) {
            Ok(body) => body,
            Err(fault) => {
                self.media.set_bundle(before);
                return Err(fault);
            }
        };
        self.media.note_received(LegSide::A, &offer);
        self.media.note_pictures(pictures);
        Ok(body)
    }

    /// Takes a device's answer to an offer of ours, or to what it was told before and was told again.
    pub(super) fn take_answer_in_room(
        &mut self,
        context: &mut Context,
        now: Instant,
        answer: &SessionDescription,
    ) {
        let Some(ours) = self.media.last_told(LegSide::A) else { return };
        let seen = answer.clone().for_leg(self.media.encryption(LegSide::A));
        let pictures = self.picture_terms().map(|terms| seen.answered_pictures(&ours, terms));
        self.media.note_pictures(pictures.unwrap_or_default());
        self.tell_floor_of(context, now, agreed_floor(&ours, answer));
        self.give_back_declined(context);
    }

    /// Gives back the ports of what a device does not take of an offer of ours. What it offered itself and was
    /// told again keeps them, for it is told them once more when it asks.
    pub(super) fn give_back_declined(&mut self, context: &mut Context) {
        if self.own_offer_again().is_some() {
            self.release_declined_pictures(context);
        }
    }
}

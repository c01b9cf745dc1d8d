//! What a device in a meeting room is answered and offered.

use super::Call;
use crate::context::Context;
use crate::media::{BodyFault, RoomOffer};
use model::{LegSide, PictureContent};
use sdp::{Limits, SessionDescription};
use std::fmt::Write as _;

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

/// What of pictures follows it: one camera. A device that is offered a second picture before it has said
/// that it knows what slides are may well show that one in the place of the first.
const ROOM_PICTURES: &str = "a=rtpmap:102 H264/90000\r\na=rtpmap:103 H264/90000\r\n\
    a=rtpmap:104 VP8/90000\r\na=rtcp-fb:* nack\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\n\
    a=rtcp-fb:* ccm tmmbr\r\na=rtcp-fb:* goog-remb\r\na=content:main\r\na=sendrecv\r\n";

impl Call {
    /// What leg A is offered where it offers nothing itself.
    pub(super) fn own_offer(&self) -> Result<SessionDescription, BodyFault> {
        let mut own = if self.is_in_room() { ROOM_OFFER } else { OFFER }.to_owned();
        if let Some(terms) = self.picture_terms() {
            let content = PictureContent::Main;
            let (with_headers, most) = (terms.most_with_headers(content), terms.most(content));
            let level = terms.level(content);
            // Writing into a String cannot fail.
            let _ = write!(
                own,
                "m=video 9 RTP/AVP 102 103 104\r\nb=AS:{with_headers}\r\nb=TIAS:{most}\r\n\
                 {ROOM_PICTURES}"
            );
            for (number, mode) in [(102, 0), (103, 1)] {
                let _ = write!(
                    own,
                    "a=fmtp:{number} profile-level-id=42e0{level:02x};packetization-mode={mode};\
                     level-asymmetry-allowed=1\r\n"
                );
            }
        }
        Ok(SessionDescription::parse(own.as_bytes(), &Limits::default())?)
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

    /// Takes a device's answer to an offer of ours.
    pub(super) fn take_answer_in_room(&mut self, answer: &SessionDescription) {
        let seen = answer.clone().for_leg(self.media.encryption(LegSide::A));
        let pictures = self.picture_terms().map(|terms| seen.answered_pictures(terms));
        self.media.note_pictures(pictures.unwrap_or_default());
    }
}

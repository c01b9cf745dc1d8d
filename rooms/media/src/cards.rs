//! What callers see who see nobody: words of the rooms, drawn and coded once for all who see the same.

use model::{PictureCard, PictureFormat, PictureSeat};
use room_stills::{
    Card, FRAME_NUMBERS, Picture, USUAL_MACROBLOCKS, key_picture, parameter_sets, repeat,
    vp8_key_frame, vp8_payloads, vp8_repeat,
};
use room_video::h264::H264Format;
use room_video::{StillCodec, StillPicture};
use std::collections::VecDeque;
use std::sync::Arc;

/// Pictures that are kept. Full policy: the oldest goes, and is drawn again where it is wanted.
const KEPT: usize = 16;
/// Octets of a slice: it fits into a packet with SRTP, of receivers of single units too.
const SLICE: usize = 1_200;

/// A card, whether it has the usual size or the small one, and the level of H.264 that it says; `None` of VP8.
type Key = (Arc<PictureCard>, bool, Option<u8>);

/// Those that were drawn.
#[derive(Default)]
pub(crate) struct Cards {
    drawn: VecDeque<(Key, Arc<StillPicture>)>,
}

impl Cards {
    /// What a line shows while it shows nobody;
    /// `None` for one without words, and for who takes no picture of that size.
    pub(crate) fn of(&mut self, seat: &PictureSeat) -> Option<Arc<StillPicture>> {
        let card = seat.card.as_ref()?;
        let (most, level) = match &seat.format {
            PictureFormat::H264 { receives, .. } => {
                // One that cannot be read has no pictures at all, which is said elsewhere.
                let format = H264Format::parse(receives).ok()?;
                (format.limits().macroblocks, Some(format.profile_level_id.level.idc()))
            }
            // Browsers, whose decoders have no levels.
            PictureFormat::Vp8 => (USUAL_MACROBLOCKS, None),
        };
        if most < room_stills::LEAST_MACROBLOCKS {
            return None;
        }
        let key = (Arc::clone(card), most >= USUAL_MACROBLOCKS, level);
        if let Some((_, known)) = self.drawn.iter().find(|(known, _)| *known == key) {
            return Some(Arc::clone(known));
        }
        let drawn = Arc::new(draw(card, most, level));
        if self.drawn.len() >= KEPT {
            self.drawn.pop_front();
        }
        self.drawn.push_back((key, Arc::clone(&drawn)));
        Some(drawn)
    }
}

fn draw(card: &PictureCard, most_macroblocks: u32, level: Option<u8>) -> StillPicture {
    let card = Card {
        title: card.title.to_string(),
        action: card.action.to_string(),
        lines: card.lines.iter().map(ToString::to_string).collect(),
    };
    let picture = card.draw(most_macroblocks);
    match level {
        Some(level) => in_h264(&picture, level),
        None => in_vp8(&picture),
    }
}

fn in_h264(picture: &Picture, level: u8) -> StillPicture {
    let key = |idr| {
        let sets = parameter_sets(picture, level).into_iter();
        sets.chain(key_picture(picture, idr, SLICE)).collect()
    };
    let repeats = (0..FRAME_NUMBERS).map(|number| repeat(picture, number)).collect();
    StillPicture { codec: StillCodec::H264, keys: [key(0), key(1)], repeats }
}

fn in_vp8(picture: &Picture) -> StillPicture {
    let key = vp8_payloads(&vp8_key_frame(picture), SLICE);
    let repeats = vp8_payloads(&vp8_repeat(picture), SLICE);
    StillPicture { codec: StillCodec::Vp8, keys: [key.clone(), key], repeats }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        ConferenceId, ParticipantId, PictureContent, PictureFeedback, PictureLayout,
        PicturesWithheld,
    };

    fn seat(title: &str, receives: &str) -> PictureSeat {
        let format = PictureFormat::H264 { sends: receives.into(), receives: receives.into() };
        let card = PictureCard { title: title.into(), ..PictureCard::default() };
        PictureSeat {
            conference: ConferenceId(1),
            participant: ParticipantId(1),
            content: PictureContent::Main,
            payload_type: 96,
            format,
            feedback: PictureFeedback::default(),
            most_bits_per_second: None,
            is_hidden: true,
            withheld: PicturesWithheld::default(),
            card: Some(Arc::new(card)),
            name: "".into(),
            layout: PictureLayout::Speaker,
        }
    }

    #[test]
    fn those_who_see_the_same_share_it() {
        let mut cards = Cards::default();
        let first = cards.of(&seat("Board room", "profile-level-id=42e01f")).unwrap();
        let again = cards.of(&seat("Board room", "profile-level-id=42e01f")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let small = cards.of(&seat("Board room", "profile-level-id=42e00c")).unwrap();
        assert!(small.keys[0].len() < first.keys[0].len());
        let other = cards.of(&seat("Lobby", "profile-level-id=42e01f")).unwrap();
        assert_ne!(first, other);
        assert!(first.keys.iter().flatten().all(|unit| unit.len() <= SLICE));
        assert_eq!(first.keys[0][..2], first.keys[1][..2], "the same parameter sets");
        assert_ne!(first.keys[0][2], first.keys[1][2], "and other key frames");
        (0..KEPT).for_each(|number| {
            cards.of(&seat(&number.to_string(), "profile-level-id=42e01f"));
        });
        assert_eq!(cards.drawn.len(), KEPT);
    }

    #[test]
    fn whoever_takes_no_picture_of_its_size_has_none() {
        let mut cards = Cards::default();
        for least in ["profile-level-id=42e00a", "profile-level-id=42f00b"] {
            assert_eq!(cards.of(&seat("Board room", least)), None, "{least}");
        }
        assert!(cards.of(&seat("Board room", "profile-level-id=42e00b")).is_some());
        assert!(cards.of(&seat("Board room", "profile-level-id=42e00a;max-fs=396")).is_some());
    }

    #[test]
    fn a_receiver_of_vp8_sees_it_too() {
        let mut cards = Cards::default();
        let seat = seat("Board room", "profile-level-id=42e01f");
        let vp8 = PictureSeat { format: PictureFormat::Vp8, ..seat.clone() };
        let picture = cards.of(&vp8).unwrap();
        assert_eq!((picture.codec, picture.repeats.len()), (StillCodec::Vp8, 1));
        assert!(picture.keys[0].iter().all(|payload| payload.len() <= SLICE));
        assert!(Arc::ptr_eq(&picture, &cards.of(&vp8).unwrap()));
        assert_eq!(cards.of(&seat).unwrap().codec, StillCodec::H264);
    }

    #[test]
    fn without_words_there_is_none() {
        let mut cards = Cards::default();
        let seat = seat("Board room", "profile-level-id=42e01f");
        assert_eq!(cards.of(&PictureSeat { card: None, ..seat }), None);
    }
}

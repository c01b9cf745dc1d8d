//! Telephone events (RFC 4733) put into a description, or taken out of it, where the two legs of a
//! call say in different ways that a key was pressed.

use crate::audio::{AudioStream, payload_types};
use crate::description::SessionDescription;
use model::Codec;
use sdp_types::{Attribute, Media};

/// The payload type that nearly everybody gives telephone-event.
const USUAL: u8 = 101;
/// Payload types that a description may give any meaning (RFC 3551 section 3).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// The keys of a telephone (RFC 4733 section 2.4.1).
const KEYS: &str = "0-15";

impl SessionDescription {
    /// The same without telephone-event in its audio. A line that has no other format keeps it.
    #[must_use]
    pub fn without_events(&self) -> Self {
        let mut inner = self.inner.clone();
        for media in inner.medias.iter_mut().filter(|m| m.media.eq_ignore_ascii_case("audio")) {
            let (events, others): (Vec<u8>, Vec<u8>) =
                payload_types(&media.fmt).partition(|number| is_event(media, *number));
            if events.is_empty() || others.is_empty() {
                continue;
            }
            media.fmt = others.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
            media.attributes.retain(|a| described(a).is_none_or(|n| !events.contains(&n)));
        }
        self.changed(inner)
    }

    /// The same, as an offer, with telephone-event in its audio stream, under the number that it had
    /// in `last` if that is free. `None` when the stream has it, or there is none.
    pub fn with_events(&self, last: Option<&AudioStream>) -> Option<Self> {
        let audio = self.audio_ref().filter(|audio| is_without(audio))?;
        let media = self.inner.medias.get(audio.index)?;
        let last = last.and_then(|last| last.telephone_event);
        let is_free = |number: &u8| {
            payload_types(&media.fmt).all(|used| used != *number)
                && media.attributes.iter().all(|a| described(a) != Some(*number))
        };
        let wanted = last.into_iter().chain([USUAL]).chain(DYNAMIC).find(is_free)?;
        let clock_rate = first_clock(audio)?;
        self.with_event(audio.index, wanted, clock_rate, KEYS)
    }

    /// The same, as an answer, with the telephone-event of the stream that it answers. `None` when it
    /// has one of its own, or `offer` none for its clock.
    pub fn with_events_of(&self, offer: &SessionDescription) -> Option<Self> {
        let audio = self.audio_ref().filter(|audio| is_without(audio))?;
        let clock_rate = first_clock(audio)?;
        let offered = offer.audio_ref()?;
        let number = offered
            .codecs
            .iter()
            .find(|c| c.codec == Codec::TelephoneEvent && c.clock_rate == clock_rate)?
            .payload_type;
        // The answer's own use of the number is another format.
        if audio.codecs.iter().any(|c| c.payload_type == number) {
            return None;
        }
        self.with_event(audio.index, number, clock_rate, KEYS)
    }

    fn with_event(&self, index: usize, number: u8, clock_rate: u32, events: &str) -> Option<Self> {
        let mut inner = self.inner.clone();
        let media = inner.medias.get_mut(index)?;
        media.fmt = format!("{} {number}", media.fmt.trim());
        let attribute = |name: &str, value: String| Attribute {
            attribute: name.to_owned(),
            value: Some(value),
        };
        media.attributes.extend([
            attribute("rtpmap", format!("{number} telephone-event/{clock_rate}")),
            attribute("fmtp", format!("{number} {events}")),
        ]);
        Some(self.changed(inner))
    }
}

fn is_without(audio: &AudioStream) -> bool {
    !audio.profile.is_fax() && audio.telephone_event.is_none()
}

/// The clock of what is spoken: events have the same (RFC 4733 section 2.1).
fn first_clock(audio: &AudioStream) -> Option<u32> {
    let is_speech = |codec| !matches!(codec, Codec::TelephoneEvent | Codec::ComfortNoise);
    audio.codecs.iter().find(|c| is_speech(c.codec)).map(|c| c.clock_rate)
}

/// The payload type that an attribute describes.
fn described(attribute: &Attribute) -> Option<u8> {
    let name = attribute.attribute.trim();
    let is_of_format = ["rtpmap", "fmtp", "rtcp-fb"].iter().any(|n| name.eq_ignore_ascii_case(n));
    let value = attribute.value.as_deref().filter(|_| is_of_format)?;
    value.trim().split([' ', '\t']).next()?.parse().ok()
}

fn is_event(media: &Media, number: u8) -> bool {
    media.attributes.iter().any(|attribute| {
        attribute.attribute.trim().eq_ignore_ascii_case("rtpmap")
            && described(attribute) == Some(number)
            && attribute.value.as_deref().is_some_and(|value| {
                let encoding = value.trim().split_once(' ').map_or("", |(_, rest)| rest.trim());
                let name = encoding.split('/').next().unwrap_or_default();
                Codec::from_encoding_name(name) == Codec::TelephoneEvent
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use proptest::prelude::*;

    fn described_by(formats: &str, maps: &str) -> SessionDescription {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP {formats}\r\n{maps}a=sendrecv\r\n"
        );
        SessionDescription::parse(text.as_bytes(), &Limits::default()).expect("valid SDP")
    }

    fn text(description: &SessionDescription) -> String {
        String::from_utf8(description.write()).expect("text")
    }

    const WITH: &str = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n";

    #[test]
    fn events_are_taken_out_with_all_that_describes_them() {
        let description = described_by("0 101 8", WITH).without_events();
        let text = text(&description);
        assert!(text.contains("m=audio 4000 RTP/AVP 0 8\r\n"), "{text}");
        assert!(!text.contains("101"), "{text}");
        assert_eq!(description.audio_ref().and_then(|audio| audio.telephone_event), None);
        let alone = described_by("101", WITH).without_events();
        assert_eq!(alone.audio_ref().and_then(|a| a.telephone_event), Some(101), "nothing else");
    }

    #[test]
    fn an_offer_gets_events_under_a_free_number_with_the_clock_of_its_audio() {
        let offer = described_by("0 8", "").with_events(None).expect("added");
        let told = text(&offer);
        assert!(told.contains("m=audio 4000 RTP/AVP 0 8 101\r\n"), "{told}");
        assert!(
            told.contains("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"),
            "{told}"
        );
        let taken = described_by("111 101", "a=rtpmap:111 opus/48000/2\r\na=rtpmap:101 X/8000\r\n");
        let told = text(&taken.with_events(None).expect("added"));
        assert!(told.contains("a=rtpmap:96 telephone-event/48000"), "{told}");
        let stream = described_by("0 120", "a=rtpmap:120 telephone-event/8000\r\n").audio();
        let again = described_by("0", "").with_events(stream.as_ref()).expect("added");
        assert_eq!(again.audio_ref().and_then(|a| a.telephone_event), Some(120), "as before");
        assert!(described_by("0 101", WITH).with_events(None).is_none(), "it has them");
    }

    #[test]
    fn an_answer_gets_the_number_of_the_offer_where_the_clock_is_the_same() {
        let offer = described_by("0 97", "a=rtpmap:97 telephone-event/8000\r\n");
        let answer = described_by("0", "").with_events_of(&offer).expect("added");
        assert_eq!(answer.audio_ref().and_then(|a| a.telephone_event), Some(97));
        let opus = described_by("111", "a=rtpmap:111 opus/48000/2\r\n");
        assert!(opus.with_events_of(&offer).is_none(), "another clock");
        assert!(described_by("0", "").with_events_of(&described_by("0", "")).is_none());
        let other = described_by("0 97", "a=rtpmap:97 iLBC/8000\r\n");
        assert!(other.with_events_of(&offer).is_none(), "the number is taken");
    }

    proptest! {
        #[test]
        fn whatever_is_described_stays_readable_and_loses_nothing_else(
            formats in proptest::collection::vec(0_u8..128, 1..8),
            event in 96_u8..128,
        ) {
            let list = formats.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
            let map = format!("a=rtpmap:{event} telephone-event/8000\r\n");
            let description = described_by(&list, &map);
            let without = description.without_events();
            let left = without.audio_ref().map_or(0, |audio| audio.codecs.len());
            prop_assert!(left > 0);
            if let Some(with) = without.with_events(None) {
                let again = SessionDescription::parse(&with.write(), &Limits::default());
                prop_assert!(again.is_ok());
                prop_assert_eq!(with.audio_ref().map_or(0, |audio| audio.codecs.len()), left + 1);
            }
        }
    }
}

//! Legs without a common format: what is offered and answered so that the relay can transcode
//! between them, and what it is to do then.

use crate::audio::AudioStream;
use crate::description::SessionDescription;
use model::{Codec, CodecMapping, ComfortNoise, LegPlan, TranscodableFormat, Transcoding};
use sdp_types::{Attribute, Media};
use std::borrow::Cow;
use std::fmt::Write as _;

/// Payload types without a fixed meaning (RFC 3551 section 6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// The keys of a telephone (RFC 4733 section 3.2).
const EVENTS: &str = "0-15";

/// `offer` for a leg that may have other formats than its maker: those of `added` that it lacks
/// stand behind its own, because what both legs have needs no transcoding.
///
/// `told` is the stream that was last described to the leg, whose payload types keep their meaning
/// (RFC 3264 section 8.3.2). An offer without a format that can be transcoded stays as it is.
pub fn with_formats<'a>(
    offer: &'a SessionDescription,
    added: &[TranscodableFormat],
    told: Option<&AudioStream>,
) -> Cow<'a, SessionDescription> {
    let Some(audio) = offer.audio_ref() else { return Cow::Borrowed(offer) };
    if added.is_empty() || !audio.codecs.iter().any(is_transcodable) {
        return Cow::Borrowed(offer);
    }
    let has = |format: TranscodableFormat| audio.codecs.iter().any(|mapping| format.is(mapping));
    let mut numbers = Numbers { offered: &audio.codecs, told, given: Vec::new() };
    let mut lines = Vec::new();
    for format in added.iter().filter(|format| !has(**format)) {
        let (codec, clock_rate) = (format.codec, format.clock_rate);
        let Some(number) = numbers.give(codec, clock_rate, format.static_payload_type()) else {
            continue;
        };
        let channels = if codec == Codec::Opus { "/2" } else { "" };
        let rtpmap = format!("{number} {}/{clock_rate}{channels}", codec.name());
        lines.push(Attribute::with_value("rtpmap", rtpmap));
    }
    if lines.is_empty() {
        return Cow::Borrowed(offer);
    }
    if audio.telephone_event.is_some() {
        // RFC 4733 section 2.1: events have the clock of the audio that they stand beside.
        let mut clocks: Vec<u32> = numbers.given.iter().map(|(_, _, clock)| *clock).collect();
        clocks.sort_unstable();
        clocks.dedup();
        for clock in clocks {
            let known = |mapping: &CodecMapping| is_event(mapping) && mapping.clock_rate == clock;
            if audio.codecs.iter().any(known) {
                continue;
            }
            let Some(number) = numbers.give(Codec::TelephoneEvent, clock, None) else { continue };
            let rtpmap = format!("{number} {}/{clock}", Codec::TelephoneEvent.name());
            lines.push(Attribute::with_value("rtpmap", rtpmap));
            lines.push(Attribute::with_value("fmtp", format!("{number} {EVENTS}")));
        }
    }
    let given = numbers.given;
    Cow::Owned(offer.with_media(audio.index, |media| {
        for (number, _, _) in given {
            // Writing into a String cannot fail.
            let _ = write!(media.fmt, " {number}");
        }
        media.attributes.extend(lines);
    }))
}

/// `answer` as the answer to `offer`, which has fewer formats than the offer that `answer` was made
/// to. What both have stays; where that is nothing that the relay can make of the answer's other
/// formats, the first of the offer that it can make stands there too, and with it the offer's comfort noise if
/// the answer has some, or `sends_noise` says that we make it.
pub fn in_formats_of<'a>(
    answer: &'a SessionDescription,
    offer: &SessionDescription,
    sends_noise: bool,
) -> Cow<'a, SessionDescription> {
    let (Some(answered), Some(offered)) = (answer.audio_ref(), offer.audio_ref()) else {
        return Cow::Borrowed(answer);
    };
    let is_offered =
        |mapping: &CodecMapping| offered.codecs.iter().any(|other| is_same(mapping, other));
    let foreign = |mapping: &&CodecMapping| !is_offered(mapping) && is_known(mapping);
    if !answered.codecs.iter().any(|mapping| foreign(&mapping)) {
        return Cow::Borrowed(answer);
    }
    let is_shared = |mapping: &&CodecMapping| is_audio(mapping) && is_offered(mapping);
    let shares_audio = answered.codecs.iter().any(|mapping| is_shared(&mapping));
    let shares_enough = answered.codecs.iter().filter(is_shared).any(is_transcodable);
    let can_be_made = answered.codecs.iter().filter(foreign).any(is_transcodable);
    let is_wanted = can_be_made && !shares_enough;
    let chosen = offered.codecs.iter().find(|mapping| is_wanted && is_transcodable(mapping));
    if !shares_audio && chosen.is_none() {
        return Cow::Borrowed(answer);
    }
    let mut added: Vec<u8> = chosen.iter().map(|mapping| mapping.payload_type).collect();
    let events = match (shares_audio, chosen, answered.telephone_event) {
        (false, Some(chosen), Some(_)) => events_beside(chosen, offered),
        _ => None,
    };
    added.extend(events);
    let has_noise = |mapping: &CodecMapping| mapping.codec == Codec::ComfortNoise;
    let takes_noise = sends_noise || answered.codecs.iter().any(has_noise);
    let stays = |mapping: &CodecMapping| {
        shares_audio && answered.codecs.iter().any(|other| is_same(mapping, other))
    };
    let noise = chosen.filter(|_| takes_noise).and_then(|c| noise_beside(c, &offered.codecs));
    added.extend(noise.filter(|noise| !stays(noise)).map(|noise| noise.payload_type));
    let is_dropped = |mapping: &&CodecMapping| !shares_audio || foreign(mapping);
    let dropped = answered.codecs.iter().filter(is_dropped);
    let dropped: Vec<u8> = dropped.map(|mapping| mapping.payload_type).collect();
    let lines = offer.lines_about(offered.index, |name, number| {
        name == "rtpmap" && added.contains(&number) || name == "fmtp" && Some(number) == events
    });
    Cow::Owned(answer.with_media(answered.index, |media| {
        drop_formats(media, &dropped);
        for number in added {
            // Writing into a String cannot fail.
            let _ = write!(media.fmt, " {number}");
        }
        media.fmt = media.fmt.trim().to_owned();
        media.attributes.extend(lines);
    }))
}

/// What may be made of audio on its way from one leg to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Making {
    /// Other formats, where a leg has not agreed to what may come.
    pub formats: bool,
    /// Comfort noise in the place of silence, for legs that have agreed to it (RFC 3389).
    pub noise: bool,
    /// Other packets, where the legs ask for different durations (`a=ptime`, `a=maxptime`) and the
    /// format loses nothing by it: PCMU, PCMA, G.722 and L16.
    pub packets: bool,
}

/// What the relay does with audio from leg A and from leg B, so that each gets only formats, and
/// packets, that it has agreed to; `None` where all that may come passes.
pub fn transcoding(legs: [&LegPlan; 2], making: Making) -> [Option<Box<Transcoding>>; 2] {
    let [a, b] = legs;
    [direction(a, b, making), direction(b, a, making)]
}

fn direction(from: &LegPlan, to: &LegPlan, making: Making) -> Option<Box<Transcoding>> {
    let first = to.codecs.iter().find(|mapping| is_transcodable(mapping))?;
    let is_foreign = |mapping: &CodecMapping| {
        making.formats
            && is_transcodable(mapping)
            && !to.codecs.iter().any(|other| is_same(mapping, other))
    };
    let is_repacketised = |mapping: &CodecMapping| {
        making.packets
            && matches!(mapping.codec, Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16)
            && is_same(mapping, first)
            && mapping.packet_duration != first.packet_duration
    };
    let is_made = |mapping: &&CodecMapping| is_foreign(mapping) || is_repacketised(mapping);
    let made: Vec<CodecMapping> = from.codecs.iter().filter(is_made).cloned().collect();
    let noise = noise_beside(first, &to.codecs).map(|mapping| ComfortNoise {
        payload_type: mapping.payload_type,
        in_place_of_silence: making.noise,
    });
    let transcoding =
        Transcoding { from: made, to: first.clone(), bitrate: None, comfort_noise: noise };
    (!transcoding.from.is_empty()).then(|| Box::new(transcoding))
}

/// The offer's events with the clock of `audio`, else its first.
fn events_beside(audio: &CodecMapping, offered: &AudioStream) -> Option<u8> {
    let mut events = offered.codecs.iter().filter(|mapping| is_event(mapping));
    let first = events.clone().next();
    let same_clock = events.find(|mapping| mapping.clock_rate == audio.clock_rate);
    same_clock.or(first).map(|mapping| mapping.payload_type)
}

/// The comfort noise that can stand among `audio`: with its clock (RFC 3389 section 4). Opus has a
/// way of its own.
fn noise_beside<'a>(audio: &CodecMapping, among: &'a [CodecMapping]) -> Option<&'a CodecMapping> {
    among.iter().find(|mapping| {
        mapping.codec == Codec::ComfortNoise && mapping.clock_rate == audio.clock_rate
    })
}

fn is_same(a: &CodecMapping, b: &CodecMapping) -> bool {
    a.codec == b.codec && a.clock_rate == b.clock_rate
}

fn is_transcodable(mapping: &CodecMapping) -> bool {
    TranscodableFormat::of(mapping).is_some()
}

fn is_event(mapping: &CodecMapping) -> bool {
    mapping.codec == Codec::TelephoneEvent
}

fn is_audio(mapping: &CodecMapping) -> bool {
    !matches!(mapping.codec, Codec::TelephoneEvent | Codec::ComfortNoise)
}

/// Formats without a name here are told apart by nothing: they pass as they came.
fn is_known(mapping: &CodecMapping) -> bool {
    mapping.codec != Codec::Other
}

/// Takes payload types out of an `m=` section.
fn drop_formats(media: &mut Media, dropped: &[u8]) {
    let is_dropped = |number: &str| number.parse().is_ok_and(|number| dropped.contains(&number));
    let kept: Vec<&str> =
        media.fmt.split_ascii_whitespace().filter(|number| !is_dropped(number)).collect();
    media.fmt = kept.join(" ");
    media
        .attributes
        .retain(|attribute| about(attribute).is_none_or(|(_, number)| !dropped.contains(&number)));
}

/// The name of an attribute that speaks of one payload type, and that.
fn about(attribute: &Attribute) -> Option<(&'static str, u8)> {
    const NAMES: [&str; 3] = ["rtpmap", "fmtp", "rtcp-fb"];
    let name = attribute.attribute.trim();
    let name = NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let number = attribute.value.as_deref()?.split_ascii_whitespace().next()?;
    Some((name, number.parse().ok()?))
}

/// Payload types for formats that join an offer.
struct Numbers<'a> {
    offered: &'a [CodecMapping],
    told: Option<&'a AudioStream>,
    /// With what each stands for.
    given: Vec<(u8, Codec, u32)>,
}

impl Numbers<'_> {
    /// A number for a format: the one that the leg knows it by, `usual`, or a free one. `None` when
    /// none is left.
    fn give(&mut self, codec: Codec, clock_rate: u32, usual: Option<u8>) -> Option<u8> {
        let told = self.told.map(|told| told.codecs.as_slice()).unwrap_or_default();
        let known = told
            .iter()
            .find(|mapping| mapping.codec == codec && mapping.clock_rate == clock_rate)
            .map(|mapping| mapping.payload_type);
        let is_free = |number: &u8| {
            self.offered.iter().all(|mapping| mapping.payload_type != *number)
                && self.given.iter().all(|(given, _, _)| given != number)
        };
        let is_new = |number: &u8| told.iter().all(|mapping| mapping.payload_type != *number);
        let number = known.filter(is_free).or_else(|| {
            let mut numbers = usual.into_iter().chain(DYNAMIC);
            numbers.find(|number| is_free(number) && is_new(number))
        })?;
        self.given.push((number, codec, clock_rate));
        Some(number)
    }
}

impl SessionDescription {
    /// A copy whose relayed stream, at `index`, is changed.
    fn with_media(&self, index: usize, change: impl FnOnce(&mut Media)) -> SessionDescription {
        let mut changed = self.clone();
        if let Some(media) = changed.inner.medias.get_mut(index) {
            change(media);
        }
        changed.read_audio_again(index);
        changed
    }

    /// The attributes of `m=` line `index`, and of the whole, that speak of a payload type.
    fn lines_about(&self, index: usize, wanted: impl Fn(&str, u8) -> bool) -> Vec<Attribute> {
        let media = self.inner.medias.get(index).map(|media| media.attributes.as_slice());
        let all = media.unwrap_or_default().iter().chain(&self.inner.attributes);
        all.filter(|attribute| about(attribute).is_some_and(|(name, number)| wanted(name, number)))
            .cloned()
            .collect()
    }
}

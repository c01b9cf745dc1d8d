//! How the legs of a call say that a key was pressed: what each speaks, what their descriptions say
//! of it, and keys in the bodies of INFO.

use directory::Dtmf;
use model::{CodecMapping, DtmfConversion, DtmfKey, DtmfPress, LegPlan, TranscodableFormat};
use sdp::{AudioStream, SessionDescription};
use sip_proto::{HeaderName, Message};
use std::borrow::Cow;
use std::time::Duration;

/// Media types of keys in INFO, as an Accept header.
pub(crate) const ACCEPT: &str = "application/dtmf-relay, application/dtmf";

/// The duration of a key that comes without one.
const USUAL: Duration = Duration::from_millis(160);
/// Shorter keys are not heard by everybody (ITU-T Q.24); longer ones are taken for noise.
const SHORTEST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_secs(5);

/// What a leg speaks, by its side's setting and what was agreed with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Spoken {
    Events,
    Info,
    /// In a format that can be read and written.
    Tones,
    Unknown,
}

fn spoken(setting: Dtmf, leg: &LegPlan) -> Spoken {
    let has_events = leg.telephone_event.is_some();
    match setting {
        Dtmf::Pass => Spoken::Unknown,
        Dtmf::Info => Spoken::Info,
        Dtmf::Rfc4733 | Dtmf::Auto if has_events => Spoken::Events,
        Dtmf::Rfc4733 => Spoken::Unknown,
        Dtmf::Auto | Dtmf::Inband => {
            let speech = leg.codecs.first();
            let has_tones = speech.is_some_and(carries_tones);
            if has_tones { Spoken::Tones } else { Spoken::Unknown }
        }
    }
}

/// Formats that the relay searches for tones and writes tones in.
fn carries_tones(mapping: &CodecMapping) -> bool {
    TranscodableFormat::of(mapping).is_some()
}

/// What becomes of keys from leg A and from leg B.
pub(crate) fn conversions(settings: [Dtmf; 2], legs: [&LegPlan; 2]) -> [DtmfConversion; 2] {
    let [a, b] = [spoken(settings[0], legs[0]), spoken(settings[1], legs[1])];
    let between = |from, to| match (from, to) {
        (Spoken::Events, Spoken::Info) => DtmfConversion::EventsToSignalling,
        (Spoken::Events, Spoken::Tones) => DtmfConversion::EventsToTones,
        (Spoken::Tones, Spoken::Info) => DtmfConversion::TonesToSignalling,
        (Spoken::Tones, Spoken::Events) => DtmfConversion::TonesToEvents,
        _ => DtmfConversion::None,
    };
    [between(a, b), between(b, a)]
}

/// How keys of a leg come to signalling where that is to hear of all of them.
pub(crate) fn told(setting: Dtmf, leg: &LegPlan) -> DtmfConversion {
    match spoken(setting, leg) {
        Spoken::Events => DtmfConversion::EventsToSignalling,
        Spoken::Tones => DtmfConversion::TonesToSignalling,
        // A side that says nothing of its keys is heard by events where it has agreed to them.
        Spoken::Unknown if leg.telephone_event.is_some() => DtmfConversion::EventsToSignalling,
        Spoken::Unknown | Spoken::Info => DtmfConversion::None,
    }
}

/// What a key in an INFO becomes for the other leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InfoBecomes {
    /// An event.
    Event,
    /// Tones.
    Tones,
}

/// What a key in an INFO from a leg becomes; `None` when it passes as any other INFO.
pub(crate) fn info_becomes(from: (Dtmf, &LegPlan), to: (Dtmf, &LegPlan)) -> Option<InfoBecomes> {
    match (spoken(from.0, from.1), spoken(to.0, to.1)) {
        (Spoken::Info, Spoken::Events) => Some(InfoBecomes::Event),
        (Spoken::Info, Spoken::Tones) => Some(InfoBecomes::Tones),
        _ => None,
    }
}

/// What is offered to `target` of what `other` offered; `last` is what `target` was told before.
pub(crate) fn offer_for<'a>(
    target: Dtmf,
    other: Dtmf,
    last: Option<&AudioStream>,
    offer: Cow<'a, SessionDescription>,
) -> Cow<'a, SessionDescription> {
    if target == Dtmf::Pass || other == Dtmf::Pass {
        return offer;
    }
    if target.has_no_events() {
        return Cow::Owned(offer.without_events());
    }
    let has_tones = |audio: &AudioStream| audio.codecs.iter().any(carries_tones);
    let converts = target.is_offered_events(other)
        && (other == Dtmf::Info || offer.audio_ref().is_some_and(has_tones));
    let added = converts.then(|| offer.with_events(last)).flatten();
    added.map_or(offer, Cow::Owned)
}

/// What `target` gets as the answer to its `offer`, of what `other` answered.
pub(crate) fn answer_for<'a>(
    target: Dtmf,
    other: Dtmf,
    offer: &SessionDescription,
    answer: Cow<'a, SessionDescription>,
) -> Cow<'a, SessionDescription> {
    if target == Dtmf::Pass || other == Dtmf::Pass {
        return answer;
    }
    let offered = offer.audio_ref().is_some_and(|audio| audio.telephone_event.is_some());
    // RFC 3264 section 6.1: no format that was not offered. It is there because we offered it.
    let ours_alone = !offered && other.is_offered_events(target);
    if target.has_no_events() || ours_alone {
        return Cow::Owned(answer.without_events());
    }
    let first = answer.audio_ref().and_then(|audio| audio.codecs.first());
    let converts = target.is_offered_events(other)
        && (other == Dtmf::Info || first.is_some_and(carries_tones));
    let added = converts.then(|| answer.with_events_of(offer)).flatten();
    added.map_or(answer, Cow::Owned)
}

/// The form of a key in the body of an INFO. No RFC describes either.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum InfoBody {
    /// `application/dtmf-relay`: lines of `Signal=` and `Duration=`, in ms.
    #[default]
    Relay,
    /// `application/dtmf`: the key alone.
    Plain,
}

impl InfoBody {
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            InfoBody::Relay => "application/dtmf-relay",
            InfoBody::Plain => "application/dtmf",
        }
    }

    pub(crate) fn write(self, press: DtmfPress) -> String {
        let symbol = press.key.symbol();
        match self {
            InfoBody::Relay => {
                let millis = press.duration.clamp(SHORTEST, LONGEST).as_millis();
                format!("Signal={symbol}\r\nDuration={millis}\r\n")
            }
            InfoBody::Plain => format!("{symbol}\r\n"),
        }
    }
}

/// Why an INFO that should hold a key holds none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum KeyFault {
    /// Its body is encoded in a way that is not read: 415 (RFC 3261 section 21.4.13).
    Encoded,
    /// Its body is not what its type says: 400.
    Malformed,
}

/// The key in an INFO; `None` when its type is not one of keys.
pub(crate) fn key_in(request: &Message) -> Option<Result<DtmfPress, KeyFault>> {
    let content_type = request.header(HeaderName::ContentType)?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let form = [InfoBody::Relay, InfoBody::Plain]
        .into_iter()
        .find(|form| form.media_type().eq_ignore_ascii_case(media_type))?;
    let encoding = request.header(HeaderName::ContentEncoding).unwrap_or("identity").trim();
    if !encoding.eq_ignore_ascii_case("identity") {
        return Some(Err(KeyFault::Encoded));
    }
    Some(parse(form, request.body_bytes()).ok_or(KeyFault::Malformed))
}

/// Reads a body. What is written in it besides the key and its duration does not matter.
pub(crate) fn parse(form: InfoBody, body: &[u8]) -> Option<DtmfPress> {
    let text = std::str::from_utf8(body).ok()?.trim();
    if form == InfoBody::Plain {
        return Some(DtmfPress { key: key_of(text)?, duration: USUAL });
    }
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (found, value) = line.split_once('=').or_else(|| line.split_once(':'))?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let key = key_of(field("Signal")?)?;
    let duration = match field("Duration") {
        Some(millis) => Duration::from_millis(millis.parse::<u32>().ok()?.into()),
        None => USUAL,
    };
    Some(DtmfPress { key, duration: duration.clamp(SHORTEST, LONGEST) })
}

/// The key itself, or the number of its event where that has two digits.
fn key_of(text: &str) -> Option<DtmfKey> {
    let mut symbols = text.chars();
    match (symbols.next(), symbols.next()) {
        (Some(symbol), None) => DtmfKey::from_symbol(symbol),
        _ => text.parse().ok().filter(|event| *event >= 10).and_then(DtmfKey::from_event),
    }
}

#[cfg(test)]
mod tests;

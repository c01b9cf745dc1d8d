//! Actions from JSON.

use super::{
    Action, GetDigits, Legs, Planned, Receive, Sent, Sound, Speech, bridge, meeting, record,
};
use crate::digits::{KeySet, MOST_DIGITS, Pattern};
use crate::reader::{AUDIO, ActionError, INVALID, Object, Place, UNSUPPORTED};
use model::{DtmfKey, LegSide};
use serde_json::{Map, Value};
use std::time::Duration;

/// Characters of a text to be spoken.
const MOST_TEXT: usize = 3_000;
/// How often something may be played or asked.
const MOST_ROUNDS: u64 = 1_000;
/// Signals of one `SendDigits`.
const MOST_SIGNALS: usize = 50;
const COMMA: Duration = Duration::from_millis(500);

/// The names of actions that there are, here or at the service.
const NAMES: [&str; 17] = [
    "Answer",
    "Hangup",
    "Pause",
    "PlayAudio",
    "Speak",
    "PlayAudioAndGetDigits",
    "SpeakAndGetDigits",
    "ReceiveDigits",
    "SendDigits",
    "CallAndBridge",
    "RecordAudio",
    "StartCallRecording",
    "StopCallRecording",
    "PauseCallRecording",
    "ResumeCallRecording",
    "JoinChimeMeeting",
    "ModifyChimeMeetingAttendees",
];

/// An action's name where it is one that is known, for counting: an application may write anything.
pub(crate) fn known(name: &str) -> &'static str {
    NAMES.into_iter().find(|known| *known == name).unwrap_or("other")
}

/// Reads the action at `index`.
///
/// # Errors
/// In words, when it is no action at all. What is wrong with one that is stands in the action.
pub(crate) fn read(index: usize, value: Value, legs: &Legs) -> Result<Planned, String> {
    let Value::Object(mut fields) = value else {
        return Err(format!("Actions[{index}] is no object"));
    };
    let Some(Value::String(name)) = fields.remove("Type") else {
        return Err(format!("Actions[{index}].Type is missing"));
    };
    let mut parameters = match fields.remove("Parameters") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(format!("Actions[{index}].Parameters is no object")),
    };
    let object = Object { fields: &parameters, place: Place::Parameters(index) };
    let leg = leg(object, legs);
    let action = leg.clone().and_then(|leg| typed(&name, index, object, leg));
    if let Ok(leg) = leg {
        tell_leg(&mut parameters, leg, legs);
    }
    Ok(Planned { name, parameters, action })
}

/// The service names the leg in what it says of an action, whether or not the application did.
fn tell_leg(parameters: &mut Map<String, Value>, leg: LegSide, legs: &Legs) {
    if let Some(Some(id)) = legs.0.get(leg.index()) {
        parameters.entry("CallId").or_insert_with(|| id.clone().into());
    }
}

/// Leg A, unless the action says otherwise.
fn leg(object: Object<'_>, legs: &Legs) -> Result<LegSide, ActionError> {
    if let Some(id) = object.text("CallId")? {
        let is_it =
            |leg: &LegSide| legs.0.get(leg.index()).is_some_and(|of| of.as_deref() == Some(id));
        let leg = LegSide::BOTH.into_iter().find(is_it);
        return leg.ok_or_else(|| object.invalid("CallId", "is of nobody in this call"));
    }
    match object.text("ParticipantTag")? {
        None | Some("LEG-A") => Ok(LegSide::A),
        Some("LEG-B") => Ok(LegSide::B),
        Some(_) => Err(object.invalid("ParticipantTag", "is to be \"LEG-A\" or \"LEG-B\"")),
    }
}

fn typed(
    name: &str,
    index: usize,
    object: Object<'_>,
    leg: LegSide,
) -> Result<Action, ActionError> {
    let unserved =
        |why: &str| Err(ActionError::new(UNSUPPORTED, format!("Actions[{index}], {name}: {why}")));
    match name {
        "Answer" => Ok(Action::Answer),
        "Hangup" => hang_up(object, leg),
        "Pause" => Ok(Action::Pause(object.required_millis("DurationInMilliseconds")?)),
        "PlayAudio" => {
            let sound = object.within("AudioSource", audio)?;
            play(object, leg, sound.ok_or_else(|| object.missing("AudioSource"))?)
        }
        "Speak" => play(object, leg, Sound::Speech(speech(object, None)?)),
        "PlayAudioAndGetDigits" => {
            let prompt = object.within("AudioSource", audio)?;
            let failure = object.within("FailureAudioSource", audio)?;
            get_digits(object, leg, prompt.ok_or_else(|| object.missing("AudioSource"))?, failure)
        }
        "SpeakAndGetDigits" => {
            let prompt = object.within("SpeechParameters", |inner| speech(inner, None))?;
            let prompt = prompt.ok_or_else(|| object.missing("SpeechParameters"))?;
            let failure =
                object.within("FailureSpeechParameters", |inner| speech(inner, Some(&prompt)))?;
            get_digits(object, leg, Sound::Speech(prompt), failure.map(Sound::Speech))
        }
        "ReceiveDigits" => receive(object, leg),
        "SendDigits" => send(object, leg),
        "CallAndBridge" => bridge::read(object),
        "JoinChimeMeeting" => meeting::join(object, leg),
        "ModifyChimeMeetingAttendees" => meeting::modify(object),
        "RecordAudio" => record::audio(object, leg),
        "StartCallRecording" => record::call(object, leg),
        "StopCallRecording" => Ok(Action::StopRecording),
        "PauseCallRecording" => Ok(Action::PauseRecording(true)),
        "ResumeCallRecording" => Ok(Action::PauseRecording(false)),
        _ => unserved(
            "there is no such action here; the table in docs/media-applications.md has \
                       those that there are",
        ),
    }
}

fn hang_up(object: Object<'_>, leg: LegSide) -> Result<Action, ActionError> {
    let status = object.number("SipResponseCode", 0..=699)?.unwrap_or(0);
    let status = match u16::try_from(status) {
        Ok(0) => 480,
        Ok(status @ 400..=699) => status,
        _ => return Err(object.invalid("SipResponseCode", "is to be 0, or 400 to 699")),
    };
    Ok(Action::HangUp { leg, status })
}

fn play(object: Object<'_>, leg: LegSide, sound: Sound) -> Result<Action, ActionError> {
    let rounds = object.number("Repeat", 1..=MOST_ROUNDS)?.unwrap_or(1);
    let terminators = keys(object, "PlaybackTerminators")?.unwrap_or_default();
    Ok(Action::Play { leg, sound, rounds: u32::try_from(rounds).unwrap_or(1), terminators })
}

/// An `AudioSource`.
pub(super) fn audio(object: Object<'_>) -> Result<Sound, ActionError> {
    let wrong = |name: &str, why: &str| {
        Err(ActionError::new(AUDIO, format!("{}.{name}: {why}", object.place)))
    };
    if object.text("Type")?.is_some_and(|kind| kind != "S3") {
        return wrong("Type", "is to be \"S3\"");
    }
    let bucket = object.required("BucketName")?;
    if !is_bucket(bucket) {
        return wrong("BucketName", NO_BUCKET);
    }
    let key = object.required("Key")?;
    if !(1..=1_024).contains(&key.len()) || key.bytes().any(|c| c.is_ascii_control()) {
        return wrong("Key", "is no key: 1 to 1024 octets");
    }
    Ok(Sound::Object { bucket: bucket.into(), key: key.into() })
}

const NO_BUCKET: &str = "is no name of a bucket: 1 to 63 letters, digits, '.' and '-'";

fn is_bucket(name: &str) -> bool {
    let is_name = |c: u8| c.is_ascii_alphanumeric() || b".-_".contains(&c);
    (1..=63).contains(&name.len())
        && name.bytes().all(is_name)
        && name.bytes().any(|c| c.is_ascii_alphanumeric())
}

/// `name`, which stands in `field`, where it is a bucket's.
pub(super) fn bucket(object: Object<'_>, field: &str, name: &str) -> Result<String, ActionError> {
    match is_bucket(name) {
        true => Ok(name.to_owned()),
        false => Err(object.invalid(field, NO_BUCKET)),
    }
}

/// What is to be spoken. A failure's words are spoken as the prompt's, where nothing else is said.
fn speech(object: Object<'_>, like: Option<&Speech>) -> Result<Speech, ActionError> {
    let text = object.required("Text")?;
    if text.trim().is_empty() || text.chars().count() > MOST_TEXT {
        return Err(object.invalid("Text", format_args!("is to be 1 to {MOST_TEXT} characters")));
    }
    let is_ssml = match object.text("TextType")? {
        None => like.is_some_and(|like| like.is_ssml),
        Some("text") => false,
        Some("ssml") => true,
        Some(_) => return Err(object.invalid("TextType", "is to be \"text\" or \"ssml\"")),
    };
    let engine = match object.text("Engine")? {
        Some(engine @ ("standard" | "neural")) => engine,
        None => like.map_or("standard", |like| &like.engine),
        Some(_) => return Err(object.invalid("Engine", "is to be \"standard\" or \"neural\"")),
    };
    let word = |name: &str, usual: &str| -> Result<String, ActionError> {
        let word = object.text(name)?.unwrap_or(usual);
        let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        if word.len() > 32 || !word.bytes().all(is_word) || word.starts_with('-') {
            return Err(object.invalid(name, "is to be letters, digits and hyphens, 32 at most"));
        }
        Ok(word.to_owned())
    };
    Ok(Speech {
        text: text.into(),
        is_ssml,
        engine: engine.into(),
        language: word("LanguageCode", like.map_or("", |like| &like.language))?.into(),
        voice: word("VoiceId", like.map_or("Joanna", |like| &like.voice))?.into(),
    })
}

fn get_digits(
    object: Object<'_>,
    leg: LegSide,
    prompt: Sound,
    failure: Option<Sound>,
) -> Result<Action, ActionError> {
    let most_digits = MOST_DIGITS as u64;
    let count = |name: &str, least: u64, usual: u64| -> Result<usize, ActionError> {
        let count = object.number(name, least..=most_digits)?.unwrap_or(usual);
        Ok(usize::try_from(count).unwrap_or(MOST_DIGITS))
    };
    let least = count("MinNumberOfDigits", 0, 0)?;
    let most = count("MaxNumberOfDigits", 1, most_digits)?;
    if most < least {
        return Err(object.invalid("MaxNumberOfDigits", "is less than MinNumberOfDigits"));
    }
    let pattern = object.text("InputDigitsRegex")?.map(Pattern::new).transpose();
    let pattern = pattern.map_err(|why| object.invalid("InputDigitsRegex", why))?;
    let hash = DtmfKey::from_symbol('#').map(|key| KeySet::default().with(key));
    let patience = object.required_millis("RepeatDurationInMilliseconds")?;
    let attempts = object.number("Repeat", 1..=MOST_ROUNDS)?.unwrap_or(1);
    Ok(Action::GetDigits(Box::new(GetDigits {
        leg,
        prompt,
        failure,
        pattern,
        least,
        most,
        terminators: keys(object, "TerminatorDigits")?.or(hash).unwrap_or_default(),
        between: object.millis("InBetweenDigitsDurationInMilliseconds")?.unwrap_or(patience),
        attempts: u32::try_from(attempts).unwrap_or(1),
        patience,
    })))
}

/// A list of keys, each a text of one.
pub(super) fn keys(object: Object<'_>, name: &str) -> Result<Option<KeySet>, ActionError> {
    let Some(list) = object.list(name)? else { return Ok(None) };
    let mut set = KeySet::default();
    for (index, value) in list.iter().enumerate() {
        let mut symbols = value.as_str().unwrap_or_default().chars();
        let key = symbols.next().and_then(DtmfKey::from_symbol);
        match (key, symbols.next()) {
            (Some(key), None) => set = set.with(key),
            _ => {
                let place = Place::Item(&object.place, name, index);
                let message = format!("{place}: is to be a key: \"0\" to \"9\", \"*\", \"#\"");
                return Err(ActionError::new(INVALID, message));
            }
        }
    }
    Ok(Some(set))
}

fn receive(object: Object<'_>, leg: LegSide) -> Result<Action, ActionError> {
    let pattern = Pattern::new(object.required("InputDigitsRegex")?);
    let pattern = pattern.map_err(|why| object.invalid("InputDigitsRegex", why))?;
    let between = object.required_millis("InBetweenDigitsDurationInMilliseconds")?;
    let flush = object.required_millis("FlushDigitsDurationInMilliseconds")?;
    Ok(Action::Receive { leg, rule: Receive { pattern, between, flush } })
}

fn send(object: Object<'_>, leg: LegSide) -> Result<Action, ActionError> {
    let digits = object.required("Digits")?;
    let mut sent: Vec<Sent> = Vec::new();
    if !(1..=MOST_SIGNALS).contains(&digits.chars().count()) {
        return Err(object.invalid("Digits", format_args!("is to be 1 to {MOST_SIGNALS} signals")));
    }
    for symbol in digits.chars() {
        match (DtmfKey::from_symbol(symbol), sent.last_mut()) {
            (Some(key), Some(Sent::Keys(keys))) => keys.push(key),
            (Some(key), _) => sent.push(Sent::Keys(vec![key])),
            (None, Some(Sent::Pause(pause))) if symbol == ',' => *pause += COMMA,
            (None, _) if symbol == ',' => sent.push(Sent::Pause(COMMA)),
            (None, _) => {
                let why = "has something else than 0 to 9, *, #, A to D and the comma";
                return Err(object.invalid("Digits", why));
            }
        }
    }
    let duration = object.number("ToneDurationInMilliseconds", 50..=24_000)?.unwrap_or(250);
    Ok(Action::Send { leg, keys: sent, duration: Duration::from_millis(duration) })
}

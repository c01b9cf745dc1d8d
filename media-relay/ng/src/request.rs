//! A request's command, and the call and parties that it names.

use crate::flags::{Flags, normal};
use crate::playing::Played;
use crate::value::{Dictionary, Value};
use std::net::IpAddr;

/// Octets of a Call-ID, tag, branch, label or a recording's metadata: longer than any proxy takes.
const MAX_NAME: usize = 1_024;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    Ping,
    Offer,
    Answer,
    Delete,
    Query,
    List,
    Statistics,
    /// Media or telephone events of a party, passed on or not.
    Mute(Muting),
    /// Media or a key to be played ([`Request::played`]), or media to be played no more.
    Play,
    /// A recording of the call begins, ends or pauses.
    Record(RecordingOrder),
    /// One that rtpengine has and this relay has not; why not.
    Unserved(&'static str),
}

/// What is to become of the recording of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordingOrder {
    /// Begin, or go on after a pause.
    Start,
    Stop,
    Pause,
}

/// What is blocked or let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Muting {
    pub(crate) what: Muted,
    pub(crate) on: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Muted {
    Media,
    /// Media, in whose place the other party hears silence.
    Silence,
    Events,
}

const NO_FORWARDING: &str = "Forwarding of media is not served by this relay";
const NO_SUBSCRIPTION: &str = "Subscriptions are not served by this relay";

impl Command {
    fn parse(name: &str) -> Option<Self> {
        let mute = |what, on| Some(Command::Mute(Muting { what, on }));
        match name {
            "ping" => Some(Command::Ping),
            "offer" => Some(Command::Offer),
            "answer" => Some(Command::Answer),
            "delete" => Some(Command::Delete),
            "query" => Some(Command::Query),
            "list" => Some(Command::List),
            "statistics" => Some(Command::Statistics),
            "block-media" => mute(Muted::Media, true),
            "unblock-media" => mute(Muted::Media, false),
            "silence-media" => mute(Muted::Silence, true),
            "unsilence-media" => mute(Muted::Silence, false),
            "block-dtmf" => mute(Muted::Events, true),
            "unblock-dtmf" => mute(Muted::Events, false),
            "start-recording" => Some(Command::Record(RecordingOrder::Start)),
            "stop-recording" => Some(Command::Record(RecordingOrder::Stop)),
            "pause-recording" => Some(Command::Record(RecordingOrder::Pause)),
            "start-forwarding" | "stop-forwarding" => Some(Command::Unserved(NO_FORWARDING)),
            "play-media" | "stop-media" | "play-dtmf" => Some(Command::Play),
            "publish" | "subscribe-request" | "subscribe-answer" | "unsubscribe" => {
                Some(Command::Unserved(NO_SUBSCRIPTION))
            }
            _ => None,
        }
    }
}

/// A request that can be served.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    /// Empty for commands without a call.
    pub(crate) call_id: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) to_tag: Option<String>,
    pub(crate) via_branch: Option<String>,
    pub(crate) label: Option<String>,
    /// A party's address in its description.
    pub(crate) address: Option<IpAddr>,
    pub(crate) sdp: Vec<u8>,
    /// What is to be written beside a recording.
    pub(crate) metadata: Option<String>,
    /// How many a list is to have.
    pub(crate) limit: Option<i64>,
    /// What is to be played.
    pub(crate) played: Option<Played>,
    pub(crate) flags: Flags,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// Words for the reply.
    pub(crate) fn read(dictionary: &Dictionary) -> Result<Self, String> {
        let name =
            dictionary.get("command").and_then(Value::text).ok_or("No command in message")?;
        let name: String = normal(name).chars().take(64).collect();
        let command =
            Command::parse(&name).ok_or_else(|| format!("Unrecognized command '{name}'"))?;
        let has_call = !matches!(command, Command::Ping | Command::List | Command::Statistics);
        let call_id = named(dictionary, "call-id")?;
        if has_call && call_id.is_none() {
            return Err("No call-id in message".to_owned());
        }
        let needs_sdp = matches!(command, Command::Offer | Command::Answer);
        let sdp = dictionary.get("sdp").and_then(Value::text).unwrap_or_default().to_vec();
        if needs_sdp && sdp.is_empty() {
            return Err("No SDP body in message".to_owned());
        }
        let request = Request {
            command,
            call_id: call_id.unwrap_or_default(),
            from_tag: named(dictionary, "from-tag")?,
            to_tag: named(dictionary, "to-tag")?,
            via_branch: named(dictionary, "via-branch")?,
            label: match named(dictionary, "label")? {
                Some(label) => Some(label),
                None => named(dictionary, "from-label")?,
            },
            address: named(dictionary, "address")?.and_then(|text| text.parse().ok()),
            sdp,
            metadata: named(dictionary, "metadata")?,
            limit: dictionary.get("limit").and_then(Value::integer),
            played: match name.as_str() {
                "play-media" => Some(Played::media(dictionary)?),
                "play-dtmf" => Some(Played::key(dictionary)?),
                _ => None,
            },
            flags: Flags::read(dictionary),
        };
        match command {
            Command::Offer | Command::Answer if request.from_tag.is_none() => {
                Err("No from-tag in message".to_owned())
            }
            Command::Answer if request.to_tag.is_none() => Err("No to-tag in message".to_owned()),
            _ => Ok(request),
        }
    }
}

/// A text by name, with hyphens or spaces in it; `None` when it is absent or empty.
fn named(dictionary: &Dictionary, name: &str) -> Result<Option<String>, String> {
    let spaced = name.replace('-', " ");
    let value = dictionary.get(name).or_else(|| dictionary.get(spaced)).and_then(Value::text);
    match value {
        Some(text) if text.len() > MAX_NAME => Err(format!("The {name} is too long")),
        Some(text) if !text.is_empty() => Ok(Some(String::from_utf8_lossy(text).into_owned())),
        _ => Ok(None),
    }
}

//! The texts of both directions: small JSON objects with a `type`.

use call_audio::Opening;
use model::{CallDirection, Channel, ChannelLayout, LegSide, ListenedUpdate, WebSocketListener};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The longest name of a mark, in octets.
const LONGEST_MARK: usize = 256;
/// What a text from outside may say of itself before it is cut, in an answer.
const LONGEST_QUOTE: usize = 40;

/// What is sent as a text.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Told<'a> {
    Start(Start<'a>),
    Update { headers: Map<String, Value>, siprec_metadata: Option<&'a str> },
    Stop { reason: StopReason },
    Mark { name: &'a str, played: bool },
    Error { message: String },
}

/// What a listener is told first, on each connection.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Start<'a> {
    version: u32,
    transaction_id: String,
    voice_connector_id: String,
    call_id: &'a str,
    direction: &'static str,
    from: &'a str,
    to: &'a str,
    /// Of both ways.
    encoding: &'static str,
    sample_rate: u32,
    /// Of the frames that are sent.
    channels: u8,
    message_ms: u16,
    parties: Vec<Party<'a>>,
    speaks_to: Vec<&'static str>,
    began_ms: u64,
    /// Connections that the call had before this one.
    reconnects: u32,
    headers: Map<String, Value>,
    siprec_metadata: Option<&'a str>,
}

#[derive(Clone, Debug, Serialize)]
struct Party<'a> {
    /// Which channel of the frames, from 0.
    channel: u8,
    role: &'static str,
    label: Option<&'a str>,
}

/// Why nothing more comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StopReason {
    CallEnded,
    Stopping,
}

impl Told<'_> {
    /// What it is on the wire.
    pub(crate) fn to_json(&self) -> String {
        // Strings, numbers and lists of them: this does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'a> Start<'a> {
    pub(crate) fn new(opening: &'a Opening, to: &WebSocketListener, reconnects: u32) -> Self {
        let call = &opening.call;
        let channels = opening.channels.iter().flatten();
        let party = |channel: &'a Channel| Party {
            channel: match to.layout {
                ChannelLayout::Stereo => channel.side.index() as u8,
                ChannelLayout::Mixed => 0,
            },
            role: if channel.is_caller { "caller" } else { "callee" },
            label: channel.label.as_deref(),
        };
        let spoken = LegSide::BOTH.into_iter().filter(|leg| to.speaks_to[leg.index()]);
        Start {
            version: 1,
            transaction_id: call.transaction_id.to_string(),
            voice_connector_id: call.voice_connector_id.to_string(),
            call_id: &call.call_id,
            direction: match call.direction {
                CallDirection::Outbound => "outbound",
                CallDirection::Inbound => "inbound",
            },
            from: &call.from_number,
            to: &call.to_number,
            encoding: "L16",
            sample_rate: opening.sample_rate,
            channels: channels_of(to.layout),
            message_ms: to.message_ms,
            parties: channels.map(party).collect(),
            speaks_to: spoken.map(role_of).collect(),
            began_ms: opening.began.as_millis(),
            reconnects,
            headers: object_of(&call.invite_headers),
            siprec_metadata: call.siprec_metadata.as_deref(),
        }
    }
}

/// Channels in a message.
pub(crate) const fn channels_of(layout: ChannelLayout) -> u8 {
    match layout {
        ChannelLayout::Stereo => 2,
        ChannelLayout::Mixed => 1,
    }
}

/// What is said of a change of the call.
pub(crate) fn update(update: &ListenedUpdate) -> String {
    let siprec_metadata = update.siprec_metadata.as_deref();
    Told::Update { headers: object_of(&update.headers), siprec_metadata }.to_json()
}

/// Leg A is the side that called.
const fn role_of(leg: LegSide) -> &'static str {
    match leg {
        LegSide::A => "caller",
        LegSide::B => "callee",
    }
}

fn object_of(headers: &[(Arc<str>, Arc<str>)]) -> Map<String, Value> {
    let entry = |(name, value): &(Arc<str>, Arc<str>)| (name.to_string(), Value::from(&**value));
    headers.iter().map(entry).collect()
}

/// What the other end orders in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// What it has said and nobody has heard yet is not to be heard.
    Clear,
    /// To be told when what it has said so far was heard.
    Mark(Box<str>),
}

/// Why a text is no [`Command`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum CommandError {
    /// No JSON object with a `type`.
    Malformed,
    /// A `type` that is not known; the beginning of it.
    Unknown(Box<str>),
    /// A mark whose name is missing, empty or too long.
    Name,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Malformed => {
                f.write_str("a text must be a JSON object with a type, as {\"type\":\"clear\"}")
            }
            CommandError::Unknown(kind) => {
                write!(f, "{kind:?} is unknown; there are \"clear\" and \"mark\"")
            }
            CommandError::Name => {
                write!(f, "a mark needs a name of 1 to {LONGEST_MARK} octets")
            }
        }
    }
}

impl Command {
    /// Reads a text of the other end; what else is in the object is not looked at.
    ///
    /// # Errors
    /// [`CommandError`].
    pub(crate) fn parse(text: &str) -> Result<Self, CommandError> {
        #[derive(Deserialize)]
        struct Text {
            #[serde(rename = "type")]
            kind: String,
            name: Option<Value>,
        }
        let text: Text = serde_json::from_str(text).map_err(|_| CommandError::Malformed)?;
        match text.kind.as_str() {
            "clear" => Ok(Command::Clear),
            "mark" => match text.name {
                Some(Value::String(name)) if (1..=LONGEST_MARK).contains(&name.len()) => {
                    Ok(Command::Mark(name.into()))
                }
                _ => Err(CommandError::Name),
            },
            other => Err(CommandError::Unknown(
                other.chars().take(LONGEST_QUOTE).collect::<String>().into(),
            )),
        }
    }
}

#[cfg(test)]
mod tests;

//! What the service says of fragments while they are sent: JSON objects, one after the other.

use crate::fragment::FragmentNumber;
use serde_json::{Map, Value};
use std::fmt;

/// Octets of one acknowledgement at most; AWS's have about 150.
pub const MAX_BYTES: usize = 4_096;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AckEvent {
    /// The service began to read a fragment.
    Buffering,
    /// It read all of it.
    Received,
    /// It is kept: it need not be sent again.
    Persisted,
    /// Nothing happens; the connection is alive.
    Idle,
    /// The fragment, or the stream, has a fault, by its number.
    Error(u16),
}

/// One acknowledgement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Acknowledgement {
    /// What happened.
    pub event: AckEvent,
    /// To which fragment, in milliseconds as it was sent.
    pub timecode: Option<u64>,
    /// Its name.
    pub number: Option<FragmentNumber>,
    /// The fault in the service's words, printable, at most 64 octets; empty where nothing failed.
    pub code: String,
}

/// Why octets are no acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// They are no JSON object.
    Json,
    /// They are longer than [`MAX_BYTES`].
    TooLong,
    /// There is no known event, or an error without its number.
    Event,
    /// A fragment's event does not name the fragment.
    Timecode,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Json => "an acknowledgement is no JSON object",
            Malformed::TooLong => "an acknowledgement is too long",
            Malformed::Event => "an acknowledgement names no known event",
            Malformed::Timecode => "an acknowledgement names no fragment",
        })
    }
}

/// Finds acknowledgements in octets that come in pieces of any size.
///
/// What is no object costs one [`Malformed`], wherever it is; reading goes on with the next object.
#[derive(Clone, Default, Debug)]
pub struct AckReader {
    /// Of the object that is read; empty between objects.
    object: Vec<u8>,
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    /// The last octet that is neither in a string nor white space.
    last: u8,
    /// Octets are passed over until an object begins; it was said.
    is_lost: bool,
}

impl AckReader {
    /// Reads `octets`, and gives what was found to `found`.
    pub fn read(
        &mut self,
        octets: &[u8],
        mut found: impl FnMut(Result<Acknowledgement, Malformed>),
    ) {
        for octet in octets {
            if let Some(result) = self.take(*octet) {
                found(result);
            }
        }
    }

    fn take(&mut self, octet: u8) -> Option<Result<Acknowledgement, Malformed>> {
        if self.object.is_empty() {
            return self.between(octet);
        }
        if self.object.len() >= MAX_BYTES {
            return Some(Err(self.lose(Malformed::TooLong)));
        }
        if self.in_string {
            // No string has a control character (RFC 8259 section 7): its end is missing.
            if octet < b' ' {
                return Some(Err(self.lose(Malformed::Json)));
            }
            self.object.push(octet);
            match octet {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return None;
        }
        // An object stands after one of these: otherwise the end of the one before is missing.
        if octet == b'{' && !matches!(self.last, b':' | b',' | b'[') {
            let fault = self.lose(Malformed::Json);
            self.between(octet);
            return Some(Err(fault));
        }
        self.object.push(octet);
        match octet {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if !octet.is_ascii_whitespace() {
            self.last = octet;
        }
        if self.depth > 0 {
            return None;
        }
        let object = std::mem::take(&mut self.object);
        Some(Acknowledgement::parse(&object))
    }

    /// Octets that stand between objects.
    fn between(&mut self, octet: u8) -> Option<Result<Acknowledgement, Malformed>> {
        if octet == b'{' {
            self.object.push(octet);
            (self.depth, self.last, self.is_lost) = (1, octet, false);
            return None;
        }
        if octet.is_ascii_whitespace() || std::mem::replace(&mut self.is_lost, true) {
            return None;
        }
        Some(Err(Malformed::Json))
    }

    /// Forgets the object that is read.
    fn lose(&mut self, fault: Malformed) -> Malformed {
        self.object.clear();
        (self.in_string, self.is_escaped, self.is_lost) = (false, false, true);
        fault
    }
}

impl Acknowledgement {
    /// Reads one JSON object. The event is called `EventType` by the service and `AckEventType` in
    /// its documentation, which also puts all of it into an `Acknowledgement`.
    ///
    /// # Errors
    /// [`Malformed`], when it is none.
    pub fn parse(object: &[u8]) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_slice(object).map_err(|_| Malformed::Json)?;
        let fields = value.as_object().ok_or(Malformed::Json)?;
        let inner = fields.get("Acknowledgement").and_then(Value::as_object);
        let fields = inner.unwrap_or(fields);
        let event = event(fields).ok_or(Malformed::Event)?;
        let timecode = fields.get("FragmentTimecode").and_then(whole);
        let of_fragment =
            matches!(event, AckEvent::Buffering | AckEvent::Received | AckEvent::Persisted);
        if of_fragment && timecode.is_none() {
            return Err(Malformed::Timecode);
        }
        let number = fields.get("FragmentNumber").and_then(text);
        let number = number.as_deref().and_then(FragmentNumber::parse);
        let code = fields.get("ErrorCode").and_then(Value::as_str).unwrap_or_default();
        Ok(Acknowledgement { event, timecode, number, code: printable(code) })
    }
}

fn event(fields: &Map<String, Value>) -> Option<AckEvent> {
    let name = fields.get("EventType").or_else(|| fields.get("AckEventType"))?.as_str()?;
    Some(match name {
        "BUFFERING" => AckEvent::Buffering,
        "RECEIVED" => AckEvent::Received,
        "PERSISTED" => AckEvent::Persisted,
        "IDLE" => AckEvent::Idle,
        "ERROR" => {
            let id = fields.get("ErrorId").and_then(whole)?;
            AckEvent::Error(u16::try_from(id).ok()?)
        }
        _ => return None,
    })
}

/// A number, or its digits in a string.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if out.len() + c.len_utf8() > 64 {
            break;
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests;

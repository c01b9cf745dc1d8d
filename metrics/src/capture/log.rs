//! The messages of one call in the SIP log of its voice connector.

use serde::Deserialize;
use std::io::{self, BufRead, Read as _};

/// Messages of one call, and octets of one line of the log, that are looked at. A line that is
/// longer is passed over, in pieces.
const MESSAGES: usize = 2_000;
const LINE: u64 = 1 << 20;

/// A line of the log.
#[derive(Deserialize)]
pub(crate) struct Logged {
    /// Milliseconds since 1970.
    pub(crate) event_timestamp: u64,
    pub(crate) call_id: Option<String>,
    pub(crate) sip_message: String,
}

/// The first [`MESSAGES`] of a call by its transaction id.
pub(super) fn messages_of(mut log: impl BufRead, id: &str) -> io::Result<Vec<Logged>> {
    let mut messages = Vec::new();
    let mut line = Vec::new();
    while messages.len() < MESSAGES {
        line.clear();
        if (&mut log).take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let of_call = line.windows(id.len().max(1)).any(|part| part == id.as_bytes());
        // A line that is no message, or cut, is none of this call's.
        if of_call
            && let Ok(logged) = serde_json::from_slice::<Logged>(&line)
            && logged.call_id.as_deref() == Some(id)
        {
            messages.push(logged);
        }
    }
    Ok(messages)
}

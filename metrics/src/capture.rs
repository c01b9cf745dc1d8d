//! A call's signalling as a capture file, rebuilt from the SIP log.
//!
//! The log has the messages and their times. Who they went to and over what stands in the call's
//! record, and of messages that its ladder left out in their own Via. Each message is written as its
//! transport would have carried it; of TLS, what was inside, so that a reader needs no key.

mod files;
mod log;
mod packet;
mod passage;

use crate::CallRecord;
pub(crate) use log::Logged;
use packet::Streams;
use passage::Passages;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// LINKTYPE_RAW: an IP header stands first.
const RAW_IP: u32 = 101;
/// More than any packet has, as the file's header says it.
const LONGEST_PACKET: u32 = 262_144;

/// The SIP log of the call's voice connector.
pub fn sip_log_of(data_dir: &Path, record: &CallRecord) -> PathBuf {
    // An id is letters and digits; of a record that somebody else wrote nothing leads elsewhere.
    let id: String =
        record.voice_connector_id.chars().filter(char::is_ascii_alphanumeric).collect();
    data_dir.join(format!("logs/aws/ChimeVoiceConnectorSipMessages/{id}.jsonl"))
}

/// The call's messages as a capture file (pcap, microseconds); `None` when none were logged.
///
/// # Errors
/// When the log cannot be read.
pub fn signalling_capture(data_dir: &Path, record: &CallRecord) -> io::Result<Option<Vec<u8>>> {
    let log = files::logs_of(&sip_log_of(data_dir, record), record)?;
    capture_from(BufReader::new(log), record)
}

/// The call's messages in the log, oldest first.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn logged_messages(data_dir: &Path, record: &CallRecord) -> io::Result<Vec<Logged>> {
    let log = files::logs_of(&sip_log_of(data_dir, record), record)?;
    log::messages_of(BufReader::new(log), &record.transaction_id)
}

/// [`signalling_capture`] of a SIP log that is open.
///
/// # Errors
/// When the log cannot be read. What stands in it is no error: a line that is no message is left
/// out.
pub fn capture_from(log: impl BufRead, record: &CallRecord) -> io::Result<Option<Vec<u8>>> {
    let messages = log::messages_of(log, &record.transaction_id)?;
    if messages.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::new();
    let words = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, LONGEST_PACKET, RAW_IP];
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    let mut passages = Passages::new(record, &messages);
    let mut streams = Streams::default();
    for message in &messages {
        let passage = passages.of(message);
        for packet in streams.packets(&passage, &message.sip_message) {
            put(&mut out, message.event_timestamp, &packet);
        }
    }
    Ok(Some(out))
}

/// A packet of a time in ms since 1970.
fn put(out: &mut Vec<u8>, at: u64, packet: &[u8]) {
    let seconds = u32::try_from(at / 1_000).unwrap_or(u32::MAX);
    let micros = (at % 1_000) as u32 * 1_000;
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    for word in [seconds, micros, length, length] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(packet);
}

#[cfg(test)]
mod tests;

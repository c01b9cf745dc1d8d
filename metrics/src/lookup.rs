//! Finds a call's record in `data_dir`.

use crate::CallRecord;
use model::TransactionId;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

/// The record of a call under `data_dir/calls`, newest day first; `None` when there is none.
///
/// # Errors
/// When the directory or a file in it cannot be read, or when the record's line is damaged.
pub fn find_call_record(data_dir: &Path, id: TransactionId) -> io::Result<Option<CallRecord>> {
    let start = format!("{{\"transaction_id\":\"{id}\"");
    let found = |line: &[u8]| line.starts_with(start.as_bytes());
    find(data_dir, found, |_| true)
}

/// The same by the Call-ID of the leg that called; the first of the newest day, should it have
/// been used twice.
///
/// # Errors
/// As [`find_call_record`].
pub fn find_call_record_by_call_id(
    data_dir: &Path,
    call_id: &str,
) -> io::Result<Option<CallRecord>> {
    find(data_dir, |_| true, |record| record.call_id == call_id)
}

/// The first record whose line and then whose content is wanted. The line is looked at first,
/// because most need not be read in full.
fn find(
    data_dir: &Path,
    line_wanted: impl Fn(&[u8]) -> bool,
    wanted: impl Fn(&CallRecord) -> bool,
) -> io::Result<Option<CallRecord>> {
    let entries = match fs::read_dir(data_dir.join("calls")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut days = entries.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>()?;
    days.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    days.sort_unstable();
    let mut line = Vec::new();
    for day in days.iter().rev() {
        let mut reader = BufReader::new(fs::File::open(day)?);
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            // The last line may still be being written.
            if !line.ends_with(b"\n") || !line_wanted(&line) {
                continue;
            }
            let record: CallRecord = serde_json::from_slice(&line)?;
            if wanted(&record) {
                return Ok(Some(record));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Recorder, RecorderConfig};
    use model::{
        CallDirection, CallEvent, CallEventKind, CallParties, Instant, UnixTime, VoiceConnectorId,
    };

    fn record_line(id: TransactionId) -> Vec<u8> {
        let config = RecorderConfig::new("n", "us-east-1", "111122223333", UnixTime::default());
        let mut recorder = Recorder::new(config);
        let parties = CallParties {
            direction: CallDirection::Outbound,
            voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
            from_user: "a".into(),
            from_country: "",
            to_user: "b".into(),
            to_country: "",
            call_id: "c".into(),
            carrier: None,
            emergency: None,
            source: "127.0.0.1:5060".parse().unwrap(),
            sip_auth_user: None,
            log_sip_messages: false,
            log_media_metrics: false,
        };
        recorder.handle_call_event(CallEvent {
            transaction_id: id,
            at: Instant::ZERO,
            kind: CallEventKind::Attempted { parties: parties.into() },
        });
        assert!(!recorder.handle_shutdown(Instant::ZERO));
        let mut records = std::iter::from_fn(|| recorder.poll_record());
        let record = records.find(|record| record.path.as_str().starts_with("calls/")).unwrap();
        assert_eq!(record.path.as_str(), "calls/1970-01-01.jsonl");
        [record.body, b"\n".to_vec()].concat()
    }

    #[test]
    fn a_record_is_found_among_days_and_damaged_lines() {
        let root = std::env::temp_dir().join(format!("lookup-test-{}", std::process::id()));
        let ids = [1, 2, 3].map(TransactionId::from_random);
        let [first, second, missing] = ids;
        assert_eq!(find_call_record(&root, first).unwrap(), None, "no directory yet");
        fs::create_dir_all(root.join("calls")).unwrap();
        let old = [b"{\"cut\":\n".to_vec(), record_line(first)].concat();
        fs::write(root.join("calls/1970-01-01.jsonl"), old).unwrap();
        fs::write(root.join("calls/1970-01-02.jsonl"), record_line(second)).unwrap();
        for id in [first, second] {
            let found = find_call_record(&root, id).unwrap().unwrap();
            assert_eq!(found.transaction_id, id.to_string());
        }
        assert_eq!(find_call_record(&root, missing).unwrap(), None);
        fs::remove_dir_all(&root).unwrap();
    }
}

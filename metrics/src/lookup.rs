//! Finds a call's record in `data_dir`.

use crate::CallRecord;
use model::TransactionId;
use std::fs;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Octets of one line that are read: a record of the most messages and intervals has fewer.
const LINE: u64 = 16 << 20;

/// The record of a call under `data_dir/calls`, newest day first; `None` when there is none.
///
/// # Errors
/// When the directory or a file in it cannot be read, or when the record's line is damaged.
pub fn find_call_record(data_dir: &Path, id: TransactionId) -> io::Result<Option<CallRecord>> {
    for day in days(data_dir)? {
        let found = call_record_in(BufReader::new(fs::File::open(day)?), id)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The record of a call in one file of records.
///
/// # Errors
/// When the file cannot be read, or when all that it has of the call is damaged.
pub fn call_record_in(records: impl BufRead, id: TransactionId) -> io::Result<Option<CallRecord>> {
    let start = format!("{{\"transaction_id\":\"{id}\"");
    let mut damage = None;
    let found = find(records, |line| {
        let record = line.starts_with(start.as_bytes()).then(|| serde_json::from_slice(line))?;
        record.map_err(|error| damage = Some(error)).ok()
    })?;
    match (found, damage) {
        (None, Some(error)) => Err(error.into()),
        (found, _) => Ok(found),
    }
}

/// The same by the Call-ID of the leg that called; the first of the newest day, should it have
/// been used twice. Damaged lines are passed over: whose they are cannot be told.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn find_call_record_by_call_id(
    data_dir: &Path,
    call_id: &str,
) -> io::Result<Option<CallRecord>> {
    for day in days(data_dir)? {
        let found = find(BufReader::new(fs::File::open(day)?), |line| {
            let record: Option<CallRecord> = serde_json::from_slice(line).ok();
            record.filter(|record| record.call_id == call_id)
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The files of records, newest first.
fn days(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(data_dir.join("calls")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut days = entries.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>()?;
    days.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
    // Of a day the last part first: without the extension its first file is the shortest name.
    days.sort_unstable_by(|a, b| b.file_stem().cmp(&a.file_stem()));
    Ok(days)
}

/// The first record that is made of a whole line.
fn find(
    mut records: impl BufRead,
    mut wanted: impl FnMut(&[u8]) -> Option<CallRecord>,
) -> io::Result<Option<CallRecord>> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut records).take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        // The last line may still be being written, and a longer one is no record of ours.
        if line.ends_with(b"\n")
            && let Some(record) = wanted(&line)
        {
            return Ok(Some(record));
        }
    }
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
            proxy: None,
            log_sip_messages: false,
            log_media_metrics: false,
        };
        recorder.handle_call_event(CallEvent {
            transaction_id: id,
            at: Instant::ZERO,
            kind: CallEventKind::Attempted { parties: parties.into() },
        });
        assert!(!recorder.handle_shutdown(Instant::ZERO));
        let mut records = std::iter::from_fn(|| recorder.poll_record().map(|(record, _)| record));
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

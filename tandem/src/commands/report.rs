//! `tandem report`.

use super::{complain, load, say, say_data};
use call_history::History;
use call_metrics::CallRecord;
use model::TransactionId;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is to be written beside, or in place of, the text.
pub(crate) struct Files {
    pub(crate) html: Option<PathBuf>,
    pub(crate) pcap: Option<PathBuf>,
}

pub(crate) fn report(path: &Path, transaction_id: &str, json: bool, files: &Files) -> ExitCode {
    let id = match TransactionId::parse(transaction_id) {
        Ok(id) => id,
        Err(error) => {
            complain(format_args!("{error}; `tandem calls` and every log line show it"));
            return ExitCode::from(2);
        }
    };
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    let data_dir = &config.node.data_dir;
    match find(data_dir, id).map(|found| found.map(|record| whole(data_dir, record))) {
        Ok(Some(record)) if files.html.is_some() || files.pcap.is_some() => {
            match write(data_dir, &record, files) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    complain(error);
                    ExitCode::FAILURE
                }
            }
        }
        Ok(Some(record)) if json => match serde_json::to_string(&record) {
            Ok(text) => {
                say_data(&text);
                ExitCode::SUCCESS
            }
            Err(error) => {
                complain(error);
                ExitCode::FAILURE
            }
        },
        Ok(Some(record)) => {
            say(call_metrics::explain(&record));
            ExitCode::SUCCESS
        }
        Ok(None) => {
            complain(format_args!(
                "no record of call {id} in {}: a call is recorded when it has ended (running ones: \
                 `tandem calls`), on the node that carried it",
                data_dir.join("calls").display()
            ));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(format_args!("{}: {error}", data_dir.join("calls").display()));
            ExitCode::FAILURE
        }
    }
}

fn write(data_dir: &Path, record: &CallRecord, files: &Files) -> Result<(), String> {
    if let Some(path) = &files.html {
        write_file(path, call_metrics::explain_html(record).as_bytes())?;
    }
    if let Some(path) = &files.pcap {
        let log = call_metrics::sip_log_of(data_dir, record);
        let capture = call_metrics::signalling_capture(data_dir, record)
            .map_err(|error| format!("{}: {error}", log.display()))?;
        let capture = capture.ok_or_else(|| {
            format!(
                "{} has no messages of call {}: set sip_messages = true in \
                 [voice_connector.logging] of {}, and calls from then on have them",
                log.display(),
                record.transaction_id,
                record.voice_connector_id
            )
        })?;
        write_file(path, &capture)?;
    }
    Ok(())
}

/// Numbers and messages are nobody else's business: mode 0600.
fn write_file(path: &Path, octets: &[u8]) -> Result<(), String> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(octets))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    say(format_args!("written: {}", path.display()));
    Ok(())
}

/// What an edge has of a call that it took up begins with its own start.
fn whole(data_dir: &Path, record: CallRecord) -> CallRecord {
    call_metrics::with_whole_ladder(data_dir, record.clone()).unwrap_or_else(|error| {
        let log = call_metrics::sip_log_of(data_dir, &record);
        complain(format_args!("{}: {error}; what was before a restart is left out", log.display()));
        record
    })
}

/// The history knows where a record stands; what it has not taken in yet is in the newest files.
fn find(data_dir: &Path, id: TransactionId) -> io::Result<Option<CallRecord>> {
    let known = History::open_to_read(data_dir)
        .and_then(|history| history.map_or(Ok(None), |history| history.record(id)));
    match known {
        Ok(Some(record)) => Ok(Some(record)),
        Ok(None) | Err(_) => call_metrics::find_call_record(data_dir, id),
    }
}

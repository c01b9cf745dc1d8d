//! `tandem report`.

use super::{complain, load, say, say_data};
use call_history::History;
use call_metrics::CallRecord;
use model::TransactionId;
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn report(path: &Path, transaction_id: &str, json: bool) -> ExitCode {
    let id = match TransactionId::parse(transaction_id) {
        Ok(id) => id,
        Err(error) => {
            complain(format_args!("{error}; `tandem calls` and every log line show it"));
            return ExitCode::from(2);
        }
    };
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    let data_dir = &config.node.data_dir;
    match find(data_dir, id) {
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

/// The history knows where a record stands; what it has not taken in yet is in the newest files.
fn find(data_dir: &Path, id: TransactionId) -> io::Result<Option<CallRecord>> {
    let known = History::open_to_read(data_dir)
        .and_then(|history| history.map_or(Ok(None), |history| history.record(id)));
    match known {
        Ok(Some(record)) => Ok(Some(record)),
        Ok(None) | Err(_) => call_metrics::find_call_record(data_dir, id),
    }
}

//! How commands reach the running node: a Unix socket in its `data_dir`, one JSON line each way.
//! Only the node's own user may open it.

use call_metrics::{LiveCall, PeerHealth, RecorderView};
use model::TransactionId;
use outbox::{OutboxStatistics, OutboxView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The socket's name in `data_dir`.
pub(crate) const SOCKET: &str = "tandem.sock";
/// A question longer than this is no question of ours.
const LONGEST_QUESTION: u64 = 4_096;
/// An asker that does not take its answer in this time loses it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a running node knows of a queue of the outbox and its files do not tell.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct QueueNow {
    /// The destination.
    pub(crate) destination: String,
    /// The last attempt that failed since the node started.
    pub(crate) last_error: Option<ErrorNow>,
    /// Attempts in a row that met a service that took nothing at all.
    pub(crate) failures_in_a_row: u32,
}

/// An attempt to deliver that failed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) struct ErrorNow {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What the service, or the way to it, said.
    pub(crate) reason: String,
}

impl From<OutboxStatistics> for QueueNow {
    fn from(queue: OutboxStatistics) -> Self {
        let last_error = queue
            .last_error
            .map(|error| ErrorNow { at_ms: error.at.as_millis(), reason: error.reason });
        let failures_in_a_row = queue.failures_in_a_row;
        QueueNow { destination: queue.destination, last_error, failures_in_a_row }
    }
}

/// Switches a call's streaming on or off; the error says why that cannot be.
pub(crate) type StreamSwitch = Box<dyn Fn(TransactionId, bool) -> Result<(), String> + Send>;

/// How an order to switch begins; `on` or `off` and the call follow.
const STREAM: &str = "stream ";

/// Answers questions until the process ends. The socket of an earlier run is replaced: the lock of
/// the directory has made sure that nobody serves it.
pub(crate) fn serve(
    data_dir: &Path,
    view: RecorderView,
    outbox: OutboxView,
    streams: StreamSwitch,
) -> io::Result<PathBuf> {
    let path = data_dir.join(SOCKET);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            // One asker at a time: each is bounded by PATIENCE, and askers are few.
            if let Err(error) = answer(stream, &view, &outbox, &streams) {
                tracing::debug!(%error, "a control question was not answered");
            }
        }
    })?;
    Ok(path)
}

fn answer(
    mut stream: UnixStream,
    view: &RecorderView,
    outbox: &OutboxView,
    streams: &StreamSwitch,
) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = String::new();
    BufReader::new((&stream).take(LONGEST_QUESTION)).read_line(&mut question)?;
    let mut reply = match question.trim() {
        "calls" => serde_json::to_vec(&view.calls())?,
        "health" => serde_json::to_vec(&view.health())?,
        "outbox" => {
            let queues = outbox.statistics().into_iter().map(QueueNow::from);
            serde_json::to_vec(&queues.collect::<Vec<_>>())?
        }
        question if question.starts_with(STREAM) => {
            serde_json::to_vec(&take_order(question, streams))?
        }
        other => serde_json::to_vec(&serde_json::json!({ "error": format!("unknown: {other}") }))?,
    };
    reply.push(b'\n');
    stream.write_all(&reply)
}

/// Asks the node that runs on `data_dir` for its live calls.
///
/// # Errors
/// With what to do, when no node answers there.
pub(crate) fn live_calls(data_dir: &Path) -> Result<Vec<LiveCall>, String> {
    ask(data_dir, "calls")
}

/// Asks the node that runs on `data_dir` for its peers' health.
///
/// # Errors
/// With what to do, when no node answers there.
pub(crate) fn peer_health(data_dir: &Path) -> Result<PeerHealth, String> {
    ask(data_dir, "health")
}

/// Asks the node that runs on `data_dir` for the queues that it delivers.
///
/// # Errors
/// With what to do, when no node answers there.
pub(crate) fn queues(data_dir: &Path) -> Result<Vec<QueueNow>, String> {
    ask(data_dir, "outbox")
}

/// Has the node that runs on `data_dir` stream a call from now on, or no more.
///
/// # Errors
/// With what to do, when no node answers there, or it cannot do so.
pub(crate) fn switch_stream(data_dir: &Path, call: TransactionId, on: bool) -> Result<(), String> {
    let word = if on { "on" } else { "off" };
    let done: Result<(), String> = ask(data_dir, &format!("{STREAM}{word} {call}"))?;
    done
}

fn take_order(order: &str, streams: &StreamSwitch) -> Result<(), String> {
    let (word, call) =
        order.strip_prefix(STREAM).and_then(|rest| rest.split_once(' ')).unwrap_or_default();
    let on = match word {
        "on" => true,
        "off" => false,
        other => return Err(format!("{other:?} is neither \"on\" nor \"off\"")),
    };
    let call =
        TransactionId::parse(call.trim()).map_err(|_| format!("{call:?} is no transaction ID"))?;
    streams(call, on)
}

fn ask<T: DeserializeOwned>(data_dir: &Path, question: &str) -> Result<T, String> {
    let path = data_dir.join(SOCKET);
    let at = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => format!(
            "no Tandem runs on data_dir \"{}\": start it with `tandem run --config FILE`, or name \
             the file that it runs on",
            data_dir.display()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("{}: {error}: ask as the user that runs Tandem", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    };
    let ask = || -> io::Result<String> {
        let mut stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{question}\n").as_bytes())?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    };
    let reply = ask().map_err(at)?;
    serde_json::from_str(&reply)
        .map_err(|error| format!("{}: the answer cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_to_switch_a_stream_names_the_call_and_the_way() {
        let known = TransactionId::from_random(7);
        let streams: StreamSwitch = Box::new(move |call, on| match (call == known, on) {
            (true, true) => Ok(()),
            (true, false) => Err("it stays on".to_owned()),
            (false, _) => Err(format!("no {call}")),
        });
        let other = TransactionId::from_random(8);
        for (order, answer) in [
            (format!("stream on {known}"), Ok(())),
            (format!("stream off {known}"), Err("it stays on".to_owned())),
            (format!("stream on {other}"), Err(format!("no {other}"))),
            (format!("stream up {known}"), Err("\"up\" is neither".to_owned())),
            ("stream on x".to_owned(), Err("\"x\" is no transaction ID".to_owned())),
            ("stream on".to_owned(), Err("\"\" is neither".to_owned())),
        ] {
            match (take_order(&order, &streams), answer) {
                (Ok(()), Ok(())) => {}
                (Err(said), Err(wanted)) => assert!(said.starts_with(&wanted), "{said}"),
                other => panic!("{order}: {other:?}"),
            }
        }
    }
}

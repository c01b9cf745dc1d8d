//! `tandem stream`: the audio of calls in files of streams, and calls that are streamed or not.

mod export;
mod list;
mod play;
mod wav;

use super::switch_stream::switch_stream;
use super::{complain, load};
use crate::ConfigFile;
use call_streaming::kinesis::{FOLDER, Stored, StoredCall, StreamName, stored_calls};
use model::TransactionId;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum StreamCommand {
    /// List calls with audio, the latest first, with their streams and files.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Of this voice connector
        #[arg(long, value_name = "ID")]
        connector: Option<String>,
        /// At most so many, the newest
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Write a call's audio as a WAV file: the caller left, the party called right.
    Export {
        /// The call's transaction id, or a stream's name: then its latest call, that leg alone.
        #[arg(value_name = "CALL")]
        call: String,
        #[command(flatten)]
        file: ConfigFile,
        /// Where to; - for standard output [default: CALL.wav]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Play a call's audio with aplay or ffplay: the caller left, the party called right.
    Play {
        /// The call's transaction id, or a stream's name: then its latest call, that leg alone.
        #[arg(value_name = "CALL")]
        call: String,
        #[command(flatten)]
        file: ConfigFile,
        /// Write it as WAV there in place of playing it; - for standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Stream a live call from now on, to whom its voice connector's `[streaming]` names.
    On {
        /// The call's transaction id, as `tandem calls` shows it.
        transaction_id: String,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Stream a live call no more.
    Off {
        /// The call's transaction id, as `tandem calls` shows it.
        transaction_id: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

pub(crate) fn run(command: StreamCommand) -> ExitCode {
    let done = match command {
        StreamCommand::On { transaction_id, file } => {
            return switch_stream(&file.path, &transaction_id, true);
        }
        StreamCommand::Off { transaction_id, file } => {
            return switch_stream(&file.path, &transaction_id, false);
        }
        StreamCommand::List { file, connector, limit, json } => {
            stored(&file.path).and_then(|(root, stored)| {
                list::list(&root, stored, connector.as_deref(), limit as usize, json)
            })
        }
        StreamCommand::Export { call, file, output } => find(&file.path, &call).and_then(|found| {
            let output = output.unwrap_or_else(|| format!("{call}.wav").into());
            export::export(&found, &output)
        }),
        StreamCommand::Play { call, file, output } => {
            find(&file.path, &call).and_then(|found| match output {
                Some(output) => export::export(&found, &output),
                None => play::play(&found),
            })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Said) => ExitCode::FAILURE,
        Err(Failure::Usage(error)) => {
            complain(error);
            ExitCode::from(2)
        }
        Err(Failure::Other(error)) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

/// Why a command did not do what was asked.
enum Failure {
    /// The user knows already.
    Said,
    /// The arguments mean nothing.
    Usage(String),
    /// Anything else.
    Other(String),
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Failure::Other(error)
    }
}

/// The folder of streams, and what is in it.
fn stored(config: &Path) -> Result<(PathBuf, Stored), Failure> {
    let config = load(config).ok_or(Failure::Said)?;
    let root = config.node.data_dir.join(FOLDER);
    let stored = stored_calls(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    for (path, reason) in &stored.unread {
        complain(format_args!("left out: {}: {reason}", path.display()));
    }
    Ok((root, stored))
}

/// The call that is meant; of a stream its latest, with what the stream has of it.
fn find(config: &Path, text: &str) -> Result<StoredCall, Failure> {
    let stream = StreamName::parse(text);
    let id = TransactionId::parse(text);
    if stream.is_none() && id.is_err() {
        let usage = format!(
            "{text:?} is neither a transaction id nor a stream's name; `tandem stream list` shows both"
        );
        return Err(Failure::Usage(usage));
    }
    let (root, stored) = stored(config)?;
    let found = match (stream, id) {
        (Some(stream), _) => stored.calls.into_iter().find_map(|mut call| {
            for leg in &mut call.legs {
                leg.files.retain(|file| file.stream == stream);
            }
            call.legs.retain(|leg| !leg.files.is_empty());
            (!call.legs.is_empty()).then_some(call)
        }),
        (None, Ok(id)) => {
            let id = id.to_string();
            stored.calls.into_iter().find(|call| *call.transaction_id == *id)
        }
        (None, Err(_)) => None,
    };
    found.ok_or_else(|| {
        Failure::Other(format!(
            "no audio of {text} in {}: it is there while a call runs whose voice connector streams \
             ([voice_connector.streaming]), and for retention_hours after it; `tandem stream list` \
             shows what there is",
            root.display()
        ))
    })
}

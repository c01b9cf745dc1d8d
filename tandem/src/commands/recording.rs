//! `tandem recording`: recordings of calls and meetings.

use super::calls::{clock, shorten};
use super::{complain, load, say, say_data};
use crate::ConfigFile;
use crate::config::Config;
use call_metrics::printable_line;
use call_recordings::{Description, Keys, State, all_descriptions, read_sealed_header, unseal};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Programs that play what comes on their standard input, the first that is there.
const PLAYERS: [(&str, &[&str]); 3] = [
    ("ffplay", &["-nodisp", "-autoexit", "-loglevel", "error", "-i", "-"]),
    ("mpv", &["--no-video", "--really-quiet", "-"]),
    ("vlc", &["--intf", "dummy", "--play-and-exit", "-"]),
];

#[derive(clap::Subcommand)]
pub(crate) enum RecordingCommand {
    /// The newest recordings of this node.
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Decrypt a recording with the key of `[recordings]`.
    Decrypt {
        /// The file, *.enc; from a bucket as well.
        #[arg(value_name = "FILE")]
        recording: PathBuf,
        /// Where to; "-" is standard output [default: the same name without .enc]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Play a recording with ffplay, mpv or VLC, whichever is installed.
    Play {
        /// A call's transaction id, a meeting's id, or a file.
        #[arg(value_name = "CALL")]
        call: String,
        #[command(flatten)]
        file: ConfigFile,
    },
}

pub(crate) fn run(command: &RecordingCommand) -> ExitCode {
    let (RecordingCommand::List { file, .. }
    | RecordingCommand::Decrypt { file, .. }
    | RecordingCommand::Play { file, .. }) = command;
    let Some(config) = load(&file.path) else { return ExitCode::FAILURE };
    let done = match command {
        RecordingCommand::List { limit, json, .. } => list(&config, *limit, *json),
        RecordingCommand::Decrypt { recording, out, .. } => {
            decrypt(&config, recording, out.as_deref())
        }
        RecordingCommand::Play { call, .. } => play(&config, call),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn list(config: &Config, limit: usize, json: bool) -> Result<(), String> {
    let root = config.recordings.root(&config.node.data_dir);
    let mut recordings = Vec::new();
    for path in all_descriptions(&root).into_iter().rev().take(limit) {
        match Description::read(&path) {
            Ok(description) => recordings.push((path, description)),
            Err(error) => complain(format_args!("warning: {}: {error}", path.display())),
        }
    }
    recordings.sort_by(|(_, a), (_, b)| b.began.cmp(&a.began));
    if json {
        let list: Vec<_> = recordings.iter().map(|(_, description)| description).collect();
        say_data(&serde_json::to_string(&list).map_err(|error| error.to_string())?);
    } else {
        say(table(&root, &recordings, limit).trim_end());
    }
    Ok(())
}

fn table(root: &Path, recordings: &[(PathBuf, Description)], limit: usize) -> String {
    if recordings.is_empty() {
        return format!("no recordings below {}", root.display());
    }
    let mut text = format!(
        "{:<23}  {:>8}  {:<17}  {:<17}  {:<9}  FILE\n",
        "BEGAN (UTC)", "LENGTH", "FROM, MEETING", "TO, OF", "STATE"
    );
    for (path, recording) in recordings {
        let length = recording.samples.map(|n| n / u64::from(recording.sample_rate.max(1)));
        let state = match recording.state {
            State::Recording => "recording",
            State::Finished => "finished",
            State::Uploaded => "uploaded",
        };
        let (from, to) = parties(recording);
        let place = match &recording.upload {
            Some(upload) => format!("s3://{}/{}", upload.bucket, upload.key),
            None => recording.audio_path(path).display().to_string(),
        };
        let _ = writeln!(
            text,
            "{:<23}  {:>8}  {:<17}  {:<17}  {state:<9}  {}",
            recording.began.trim_end_matches('Z').replace('T', " "),
            length.map_or_else(|| "-".to_owned(), clock),
            shorten(&printable_line(from), 17),
            shorten(&printable_line(to), 17),
            printable_line(&place),
        );
    }
    if recordings.len() >= limit {
        let _ = writeln!(text, "the newest {limit}; --limit shows more");
    }
    text
}

/// Who talks to whom: of a meeting its name, and whose audio the file has.
fn parties(recording: &Description) -> (&str, &str) {
    match &recording.meeting {
        None => (&recording.from_number, &recording.to_number),
        Some(meeting) => match &meeting.alone {
            None => (&meeting.name, "everybody"),
            Some(call) => {
                let stay = meeting.participants.iter().find(|stay| stay.transaction_id == *call);
                (&meeting.name, stay.map_or(call, |stay| &stay.name))
            }
        },
    }
}

fn decrypt(config: &Config, recording: &Path, out: Option<&Path>) -> Result<(), String> {
    let mut keys = keys(config)?;
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", recording.display());
    if out == Some(Path::new("-")) {
        let written = unseal(recording, &mut keys, &mut io::stdout().lock());
        return written.map(|_| ()).map_err(|error| wrong(&error));
    }
    let out = match (out, recording.extension()) {
        (Some(out), _) => out.to_owned(),
        (None, Some(extension)) if extension == "enc" => recording.with_extension(""),
        (None, _) => return Err(wrong(&"say where to with --out FILE")),
    };
    let shown = out.display();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&out)
        .map_err(|error| format!("{shown}: {error}; nothing is overwritten"))?;
    match unseal(recording, &mut keys, &mut file) {
        Ok(bytes) => {
            say(format_args!("{shown}: {bytes} octets"));
            Ok(())
        }
        // What was read before the fault is genuine, and all that is left of a torn file.
        Err(error) => Err(format!("{}; {shown} has what comes before", wrong(&error))),
    }
}

fn keys(config: &Config) -> Result<Keys, String> {
    let key = config.recordings.key.as_ref().ok_or(
        "no key is configured: set key_file or kms_key of [recordings] to what the recordings were \
         encrypted with",
    )?;
    Keys::new(key).map_err(|error| format!("[recordings] {error}"))
}

fn play(config: &Config, call: &str) -> Result<(), String> {
    let named = Path::new(call);
    if named.is_file() {
        return play_file(config, named);
    }
    let root = config.recordings.root(&config.node.data_dir);
    let is_of_call = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.split('_').nth(1) == Some(call)
    };
    let mut parts = Vec::new();
    for path in all_descriptions(&root).into_iter().filter(is_of_call) {
        let read = Description::read(&path);
        let description = read.map_err(|error| format!("{}: {error}", path.display()))?;
        parts.push((description.began.clone(), path, description));
    }
    parts.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    if parts.is_empty() {
        let root = root.display();
        return Err(format!(
            "{call} is neither a file nor a call or meeting with a recording below {root}; `tandem recording \
             list` shows those"
        ));
    }
    for (_, path, description) in parts {
        if let Some(upload) = &description.upload {
            let (bucket, key) = (&upload.bucket, &upload.key);
            return Err(format!("it was uploaded; get it first: aws s3 cp s3://{bucket}/{key} ."));
        }
        play_file(config, &description.audio_path(&path))?;
    }
    Ok(())
}

fn play_file(config: &Config, path: &Path) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(|error| wrong(&error))?;
    let is_sealed = read_sealed_header(&mut file).is_ok();
    let mut keys = if is_sealed { Some(keys(config)?) } else { None };
    let mut player = player()?;
    let mut input = player.stdin.take().ok_or("the player takes no input")?;
    let written = match &mut keys {
        Some(keys) => unseal(path, keys, &mut input).map(|_| ()).map_err(|error| wrong(&error)),
        None => copy(path, &mut input).map_err(|error| wrong(&error)),
    };
    drop(input);
    let ended = player.wait().map_err(|error| format!("the player: {error}"))?;
    match written {
        // It was closed before the end.
        Err(_) if ended.success() => Ok(()),
        written => written,
    }
}

fn copy(path: &Path, to: &mut impl Write) -> io::Result<()> {
    io::copy(&mut File::open(path)?, to).map(|_| ())
}

fn player() -> Result<std::process::Child, String> {
    for (program, arguments) in PLAYERS {
        match Command::new(program).args(arguments).stdin(Stdio::piped()).spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{program}: {error}")),
        }
    }
    Err("no player is installed: ffplay (Debian: ffmpeg), mpv or VLC. The file itself can be played \
         anywhere; an encrypted one after `tandem recording decrypt`"
        .to_owned())
}

//! `tandem stream play`.

use super::Failure;
use super::export::finished;
use super::wav::Wav;
use call_streaming::kinesis::StoredCall;
use std::io;
use std::process::{Command, Stdio};

/// Programs that play a WAV file from their standard input, and how.
const PLAYERS: [(&str, &[&str]); 2] = [
    ("aplay", &["-q", "-t", "wav", "-"]),
    ("ffplay", &["-loglevel", "error", "-nodisp", "-autoexit", "-i", "-"]),
];

pub(super) fn play(call: &StoredCall) -> Result<(), Failure> {
    let mut wav = Wav::of(call)?;
    for (program, arguments) in PLAYERS {
        let started = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn();
        let mut player = match started {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            started => started.map_err(|error| format!("{program}: {error}"))?,
        };
        let done = match player.stdin.take() {
            Some(mut input) => wav.write(&mut input),
            None => Ok(()),
        };
        let status = player.wait().map_err(|error| format!("{program}: {error}"))?;
        if !status.success() {
            return Err(Failure::Other(format!(
                "{program} could not play it ({status}); --output FILE or `--output - | PROGRAM` \
                 gives it to another"
            )));
        }
        return finished(&wav, done, program);
    }
    Err(Failure::Other(
        "neither aplay (alsa-utils) nor ffplay (ffmpeg) is installed; --output FILE writes a WAV file, \
         `--output - | PROGRAM` gives it to another player"
            .to_owned(),
    ))
}

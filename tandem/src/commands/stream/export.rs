//! `tandem stream export`.

use super::Failure;
use super::wav::Wav;
use crate::commands::complain;
use call_streaming::kinesis::StoredCall;
use std::fs::OpenOptions;
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

pub(super) fn export(call: &StoredCall, output: &Path) -> Result<(), Failure> {
    let mut wav = Wav::of(call)?;
    if output == Path::new("-") {
        let done = wav.write(&mut io::stdout().lock());
        return finished(&wav, done, "standard output");
    }
    let shown = output.display().to_string();
    // A voice is nobody else's business: mode 0600.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(output);
    let file = file.map_err(|error| format!("{shown}: {error}"))?;
    let done = wav.write(&mut BufWriter::with_capacity(256 * 1_024, file));
    finished(&wav, done, &shown)
}

/// Says on standard error what was written, and what of the call is silence for want of audio.
pub(super) fn finished(wav: &Wav, done: io::Result<()>, output: &str) -> Result<(), Failure> {
    match done {
        // A reader that has gone (`| head`) is no error of ours.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        done => done.map_err(|error| format!("{output}: {error}"))?,
    }
    let seconds = wav.millis();
    let mut text = format!("{output}: {}.{:03} s", seconds / 1_000, seconds % 1_000);
    text.push_str(", the caller left, the party called right");
    let of = |count: fn(&call_streaming::kinesis::Heard) -> u64| {
        wav.in_millis(wav.heard().map(count).sum())
    };
    let (missing, absent) = (of(|heard| heard.missing_samples), of(|heard| heard.absent_samples));
    if missing > 0 {
        text.push_str(&format!("; {missing} ms were not sent or lost before they came here"));
    }
    if absent > 0 {
        text.push_str(&format!("; {absent} ms are in no fragment"));
    }
    complain(text);
    for (path, reason) in wav.heard().flat_map(|heard| &heard.faults) {
        complain(format_args!("{}: {reason}; what came before it is in", path.display()));
    }
    Ok(())
}

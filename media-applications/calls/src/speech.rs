//! Texts that a command speaks.

use crate::sounds::MAX_SOUND_BYTES;
use media_applications::Speech;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long a text may take, with the wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Texts that are spoken at once.
const AT_ONCE: usize = 8;

/// Speaks texts by a command: the text on its standard input, a WAV file on its standard output. What
/// is asked of the voice is in its environment: `TANDEM_SPEECH_VOICE`, `_LANGUAGE`, `_ENGINE` and
/// `_TEXT_TYPE` (`text` or `ssml`).
pub(crate) struct Speaker {
    command: Vec<String>,
    turns: Semaphore,
}

impl Speaker {
    /// `command` is a program and its arguments; without a program nothing is spoken.
    pub(crate) fn new(command: Vec<String>) -> Self {
        Speaker { command, turns: Semaphore::new(AT_ONCE) }
    }

    pub(crate) async fn speak(&self, speech: &Speech) -> Result<Vec<u8>, String> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(
                "nothing speaks here: set speech_command in [media_applications]".to_owned()
            );
        };
        let run = async {
            let Ok(_turn) = self.turns.acquire().await else {
                return Err("the node stops".to_owned());
            };
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env("TANDEM_SPEECH_VOICE", &*speech.voice)
                .env("TANDEM_SPEECH_LANGUAGE", &*speech.language)
                .env("TANDEM_SPEECH_ENGINE", &*speech.engine)
                .env("TANDEM_SPEECH_TEXT_TYPE", if speech.is_ssml { "ssml" } else { "text" })
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true);
            output(command, speech.text.as_bytes()).await
        };
        let spoken = timeout(PATIENCE, run).await;
        spoken
            .unwrap_or_else(|_| Err(format!("took longer than {} s", PATIENCE.as_secs())))
            .map_err(|why| format!("speech_command of [media_applications], {program}: {why}"))
    }
}

/// What a command writes, which is given `text`.
async fn output(mut command: Command, text: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = command.spawn().map_err(|error| format!("does not start: {error}"))?;
    let (Some(mut input), Some(stream)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("has no standard input and output".to_owned());
    };
    let mut limited = stream.take(MAX_SOUND_BYTES as u64 + 1);
    let mut spoken = Vec::new();
    let give = async move {
        // One that does not read its text may still speak.
        let _ = input.write_all(text).await;
        drop(input);
    };
    let ((), read) = tokio::join!(give, limited.read_to_end(&mut spoken));
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if spoken.len() > MAX_SOUND_BYTES {
        return Err(format!("wrote more than {MAX_SOUND_BYTES} octets"));
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(spoken) } else { Err(format!("failed with {status}")) }
}

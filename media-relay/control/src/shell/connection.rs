//! One connection after its handshake: frames in and out, and the heartbeat, until it ends.

use super::Heartbeat;
use crate::frame::Frames;
use crate::message::Malformed;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Octets that are gathered into one write.
const WRITE_OCTETS: usize = 64 * 1024;
/// Octets that are read at once.
const READ_OCTETS: usize = 16 * 1024;
/// The first frame of a side is short.
const OPENING_MAX: usize = 4 * 1024;

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Closed,
    Io(io::Error),
    Malformed(Malformed),
    Frame(crate::frame::FrameError),
    Refused(String),
    Silent(Duration),
    /// Another connection took its place.
    Replaced,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Closed => f.write_str("the other side closed the connection"),
            Ended::Io(error) => error.fmt(f),
            Ended::Malformed(error) => error.fmt(f),
            Ended::Frame(error) => error.fmt(f),
            Ended::Refused(reason) => write!(f, "refused: {reason}"),
            Ended::Silent(since) => write!(f, "silent for {since:?}"),
            Ended::Replaced => f.write_str("the other side has connected again"),
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Ended::Closed,
            _ => Ended::Io(error),
        }
    }
}

impl From<Malformed> for Ended {
    fn from(error: Malformed) -> Self {
        Ended::Malformed(error)
    }
}

impl From<crate::frame::FrameError> for Ended {
    fn from(error: crate::frame::FrameError) -> Self {
        Ended::Frame(error)
    }
}

/// What a connection is told and asked.
pub(crate) trait Party {
    /// A frame came.
    fn handle(&self, content: &[u8]) -> Result<(), Ended>;
    /// Writes the next frame; `false` when there is none.
    fn poll_transmit(&self, out: &mut Vec<u8>) -> bool;
    /// A heartbeat interval has passed.
    fn beat(&self) -> Result<(), Ended>;
    /// Is signalled when there may be something to send.
    fn news(&self) -> &Notify;
}

/// Reads the first frame of the other side.
pub(crate) async fn read_opening(
    stream: &mut (impl AsyncRead + Unpin),
    frames: &mut Frames,
    patience: Duration,
) -> Result<Vec<u8>, Ended> {
    let read = async {
        let mut octets = [0; 1_024];
        let mut total = 0;
        loop {
            if let Some(frame) = frames.next_frame()? {
                return Ok(frame.to_vec());
            }
            let count = stream.read(&mut octets).await?;
            total += count;
            if count == 0 {
                return Err(Ended::Closed);
            }
            if total > OPENING_MAX {
                return Err(Ended::Malformed(Malformed::Mark));
            }
            frames.push(octets.get(..count).unwrap_or_default());
        }
    };
    timeout(patience, read).await.unwrap_or(Err(Ended::Silent(patience)))
}

/// Serves a connection until it ends.
pub(crate) async fn run<S: AsyncRead + AsyncWrite>(
    stream: S,
    mut frames: Frames,
    party: &impl Party,
    heartbeat: Heartbeat,
) -> Ended {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let heard = AtomicBool::new(true);
    let read = async {
        let mut octets = vec![0; READ_OCTETS];
        loop {
            while let Some(frame) = frames.next_frame()? {
                party.handle(frame)?;
            }
            party.news().notify_one();
            let count = reader.read(&mut octets).await?;
            if count == 0 {
                return Err::<(), Ended>(Ended::Closed);
            }
            heard.store(true, Ordering::Relaxed);
            frames.push(octets.get(..count).unwrap_or_default());
        }
    };
    let write = async {
        let mut out = Vec::with_capacity(2 * WRITE_OCTETS);
        loop {
            while out.len() < WRITE_OCTETS && party.poll_transmit(&mut out) {}
            if out.is_empty() {
                party.news().notified().await;
                continue;
            }
            writer.write_all(&out).await?;
            writer.flush().await?;
            out.clear();
            // A long frame is rare.
            out.shrink_to(16 * WRITE_OCTETS);
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<(), Ended>(())
    };
    let watch = async {
        let mut beats = interval(heartbeat.interval);
        // A process that was stopped for a while has not heard nothing for as long.
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent = Duration::ZERO;
        loop {
            beats.tick().await;
            silent = if heard.swap(false, Ordering::Relaxed) {
                Duration::ZERO
            } else {
                silent + heartbeat.interval
            };
            if silent >= heartbeat.timeout {
                return Err::<(), Ended>(Ended::Silent(silent));
            }
            party.beat()?;
            party.news().notify_one();
        }
    };
    let ended = tokio::select! {
        ended = read => ended,
        ended = write => ended,
        ended = watch => ended,
    };
    ended.err().unwrap_or(Ended::Closed)
}

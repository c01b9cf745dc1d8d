//! A meeting room's audio: each participant's packets in, and for each participant packets of what
//! all others say.
//!
//! Pure: [`Room::packet`] takes what came with its arrival, [`Room::tick`] is told the time and hands
//! 20 ms of audio for each participant to a [`Sink`]. No thread, clock, socket or randomness is in
//! here, so that the same packets at the same times give the same octets. Memory is taken by
//! commands ([`Room::join`], [`Room::play`], [`Room::set_packet_loss`]); neither a packet nor a tick
//! allocates. Packets are hostile: a bad one is counted, and the audio goes on as if it had been lost.
//!
//! The way of a packet: [`JitterBuffer`] puts it in order and makes even audio of it; its level tells
//! speech from noise; what is not spoken is turned down, what is, brought to one loudness; the loudest
//! few are resampled to 48,000 Hz and summed. Who is heard gets a sum and an encoder of its own,
//! without itself; all others share one of each for each format (docs/decisions/0118, 0119).
#![forbid(unsafe_code)]

mod config;
mod gain;
mod jitter;
mod level;
mod limiter;
mod member;
mod mouth;
mod playing;
mod room;
mod speakers;

pub use config::{
    Format, JoinError, LoudnessExtension, MAX_FORMATS, MAX_PARTICIPANTS, ParticipantId,
    ReceiveFormats, Record, RoomConfig, SMALL_ROOM,
};
pub use jitter::{JitterBuffer, JitterCounts, Played, Taken, Unplayed};
pub use playing::{Ear, MAX_QUEUED, PlayError, PlayId, PlayOptions};
pub use room::{Muting, OutgoingPacket, ParticipantStats, Recorded, Room, RoomEvent, Sink};

/// Samples in a second of a mix.
pub const SAMPLE_RATE: u32 = 48_000;
/// Milliseconds of a tick.
pub const TICK_MS: u32 = 20;
/// Samples of a tick.
pub const TICK_SAMPLES: usize = 960;

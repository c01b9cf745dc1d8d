//! The media relay's shell: threads, sockets, ports and batches around `relay-core`, which decides
//! everything that concerns a packet.
//!
//! One [`Relay`] runs a few worker threads. A stream (two legs, four sockets) lives on one worker
//! for its whole life, so that the packet path takes no lock. Signalling sends
//! [`model::MediaCommand`]s, the relay answers with [`model::MediaEvent`]s.

mod audio;
mod batch;
mod chains;
mod clock;
mod counters;
mod dtls;
mod fast_path;
mod ports;
mod queue;
mod random;
mod recording;
mod relay;
mod rtcp_copies;
mod sockets;
mod sys;
mod worker;

pub use audio::{AudioFileError, check_audio_file};
pub use chains::TranscodedChain;
pub use clock::Clock;
pub use counters::RelayStatistics;
pub use dtls::{DtlsError, DtlsIdentity};
pub use fast_path::{FastPathError, FastPathMode, probe_fast_path};
pub use ports::AddressPortCounts;
pub use queue::{MixBell, Overloaded};
pub use recording::RecordingConfig;
pub use relay::{EventSink, Relay, RelayConfig};
pub use relay_core::{DropReason, LearningPolicy, RtcpStyle};
pub use worker::{
    Announcement, PictureBell, RecordingOrder, SeatNews, SeatedPicture, SeatedStream,
    UtteranceOrder,
};

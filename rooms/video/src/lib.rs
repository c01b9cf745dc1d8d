//! Pictures and slides of a meeting: a selective forwarding middlebox (RFC 7667 section 3.7) that
//! gives each participant one picture at a time, without transcoding.
#![forbid(unsafe_code)]

mod bandwidth;
mod format;
pub mod h264;
mod key_frames;
mod missing;
mod outbound;
mod receiver;
mod source;
mod speaker;
mod still;
mod switch;
pub mod vp8;

pub use bandwidth::{Estimate, FLOOR, LADDER, LimitWays, REMB_LIFE, SLIDES_FLOOR, SLIDES_MOST};
pub use format::{Answered, MAX_OFFERED, Mismatch, VideoFormat, answer, forwardable, preferred};
pub use key_frames::{FAST_REQUESTS, REQUEST_INTERVAL, RequestWays, SLOW_INTERVAL};
pub use missing::{ASKED_WAIT, LONGEST_ROUND_TRIP, MissingPackets};
pub use outbound::{
    MAX_PAYLOAD_LIMIT, MIN_PAYLOAD_LIMIT, Outbound, OutboundCounters, OutboundSettings, Outgoing,
};
pub use receiver::ReceiverView;
pub use source::{
    CLOCK_RATE, MAX_PAYLOAD, MAX_WAITING, MAX_WAITING_ASKED, REORDER_WAIT, Source, SourceCounters,
    SourcePacket,
};
pub use speaker::{LEAST_SHOWN, TAKE_OVER};
pub use still::{StillCodec, StillPicture};
pub use switch::{
    Composed, Feedback, GRIDS, Line, MAX_PARTICIPANTS, Participant, ReceiverSettings,
    SourceSettings, StreamKey, TILES, TooManyParticipants, VANISHED, VideoSwitch,
};

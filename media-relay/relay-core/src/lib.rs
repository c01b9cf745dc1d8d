//! The RTP relay's pure core: latching, forwarding plans and quality arithmetic.
//!
//! An [`RtpSession`] is one relayed stream with its two legs. It is a *transport translator*
//! (RFC 7667 section 3.2.1) unless told otherwise ([`RtcpStyle`]): RTP and RTCP pass with their
//! SSRCs, sequence numbers and reports unchanged, and are measured on the way. What each method is
//! for:
//!
//! - `handle` inputs: [`RtpSession::forward`] for every datagram, [`RtpSession::forwarded`] for what
//!   the kernel has forwarded by itself, [`RtpSession::send_failed`] and
//!   [`RtpSession::count_malformed`] for what only the sockets know;
//! - commands: [`RtpSession::apply`] swaps the plan, [`RtpSession::begin_transcoding`] follows it,
//!   [`RtpSession::copy_contexts`] and [`RtpSession::adopt_contexts`] move a leg's SRTP to another
//!   stream, [`RtpSession::send_event`] sends a leg a key, [`RtpSession::play`] and
//!   [`RtpSession::stop_playing`] play it something, [`RtpSession::speak`] and
//!   [`RtpSession::stop_speaking`] let somebody beside the call speak to it, [`RtpSession::warn`] and
//!   [`RtpSession::stop_warning`] have both hear that they are recorded, [`RtpSession::tap`],
//!   [`RtpSession::retap`] and [`RtpSession::untap`] copy its packets for somebody else,
//!   [`RtpSession::listen`] and [`RtpSession::unlisten`] its audio for listeners,
//!   [`RtpSession::copy_leg`] what a leg says for another stream, which takes it by
//!   [`RtpSession::forward_copied`];
//! - polls: [`RtpSession::poll_report`], [`RtpSession::poll_silence`], [`RtpSession::poll_timeout`],
//!   [`RtpSession::poll_rtcp`], [`RtpSession::poll_dtmf`], [`RtpSession::poll_made`],
//!   [`RtpSession::poll_played`] and, at the end, [`RtpSession::poll_goodbye`]; after RTCP,
//!   [`RtpSession::take_rtcp_copy`].
#![forbid(unsafe_code)]

mod bundle;
mod copied;
mod datagrams;
mod decision;
mod dtmf;
mod ear;
mod events;
mod fast_path;
mod forward;
mod heard;
mod ice;
mod latch;
mod listening;
mod made;
mod mixed;
mod outbound;
mod own_rtcp;
mod packet_ring;
mod pictures;
mod plan;
mod player;
pub mod quality;
mod rate;
mod renumbering;
mod report;
mod restart;
mod rtcp_copies;
mod rtp_session;
mod security;
mod stamps;
mod stream;
mod tap;
mod timeout;
mod tones;
mod transcoding;
mod unheard;
mod voice;
mod warning;

pub use bundle::{BUNDLED_LINES, Bundle, BundleRoute};
pub use codecs::{VoiceReader, VoiceWriter, voice_ring};
pub use copied::LONGEST_COPIED;
pub use decision::{Decision, DropReason, MediaSocket, PacketKind};
pub use dtmf::DtmfNews;
pub use fast_path::{FastForward, FastNumbers, ForwardedPacket};
pub use heard::HeardWriter;
pub use ice::{CheckOutcome, answer_check};
pub use latch::{Expectation, Latch, LearningPolicy, Verdict};
pub use listening::{
    LegFormats, ListenNews, ListenReader, ListenWriter, Listened, ListenedFormat, ListenedStream,
    RefusedStream, listen_ring,
};
pub use made::{LONGEST_MADE, MadePacket, MakeError};
pub use mixed::{MixedPacket, MixedWriter, SeatEnds, SeatRings, seat_rings};
pub use model::RtcpStyle;
pub use own_rtcp::{LONGEST_REPORT, OwnReport, REPORT_INTERVAL, SourceConflicts};
pub use packet_ring::{RingReader, RingWriter, pair as octet_ring};
pub use pictures::{
    LONGEST_PICTURE, PICTURE_RING, PictureEnds, PictureNumbers, PictureReader, PictureRings,
    PictureSent, PictureSigns, PictureWriter, SentAgain, picture_rings,
};
pub use plan::{CompiledLeg, Format};
pub use player::{PlayableFormat, Track};
pub use rtcp_copies::{CopiedRtcp, CopyReader, CopyWriter, LONGEST_COPY, copy_ring};
pub use rtp_proto::NtpTime;
pub use rtp_proto::stun::LONGEST_RESPONSE;
pub use rtp_session::RtpSession;
pub use security::{GROWTH, LegContexts};
pub use tap::{TapReader, TapWriter, Tapped, ring};
pub use timeout::TimedOut;
pub use transcoding::TranscodedCounts;

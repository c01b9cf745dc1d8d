//! What becomes of a datagram, and why.

use model::LegSide;
use std::net::SocketAddr;

/// One of a leg's two sockets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaSocket {
    /// The even port; RTCP too when it is multiplexed (RFC 5761).
    Rtp,
    /// The odd port.
    Rtcp,
}

/// What a datagram is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketKind {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
    /// Of a stream that carries T.38 fax.
    Udptl,
}

/// What to do with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Send its first `len` octets on.
    Send {
        /// The leg that gets it.
        to: LegSide,
        /// The socket of that leg to send it from.
        socket: MediaSocket,
        /// The address to send it to.
        destination: SocketAddr,
        /// Octets to send.
        len: usize,
        /// What it is.
        kind: PacketKind,
    },
    /// Forget it; it is counted.
    Drop(DropReason),
    /// A connectivity check of a leg that has ICE: give it to [`crate::RtpSession::answer_check`].
    Check,
    /// A message of the leg's DTLS handshake, from a plausible source.
    Handshake,
    /// Audio that is transcoded: the other leg gets nothing for it now. Like after `Send`,
    /// [`crate::RtpSession::made_deadline`] may have come nearer.
    Kept,
    /// RTCP that ends here, taken in; [`crate::RtpSession::rtcp_deadline`] may have come nearer.
    Taken,
}

/// Why a datagram went no further.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DropReason {
    /// It came before the stream's first plan.
    NoPlan,
    /// Neither RTP nor RTCP: STUN, DTLS or noise (RFC 7983), or RTP on the RTCP port.
    NotMedia,
    /// An RTP header that does not fit its packet.
    MalformedRtp,
    /// An RTCP compound whose lengths lie.
    MalformedRtcp,
    /// It did not come from the leg.
    WrongSource,
    /// It came from a plausible source that has not proven itself yet.
    Learning,
    /// The leg is not to send (on hold, recvonly or inactive).
    NotAccepted,
    /// The other leg wants no media (sendonly or inactive).
    NotWanted,
    /// The other leg's address is not known yet.
    NoDestination,
    /// Too short for SRTP, on a leg that has it.
    SrtpMalformed,
    /// Not authentic: plain RTP, another key, or forged.
    SrtpAuthentication,
    /// Its SRTP index was seen before, or is too old to tell.
    SrtpReplayed,
    /// The sequence number was protected before, or is too old to tell: protecting it again would
    /// use a keystream twice.
    SrtpRepeated,
    /// More SSRCs, or more packets, than one SRTP key may serve.
    SrtpExhausted,
    /// The handshake that gives the keys is not done yet.
    NoKeys,
    /// The leg sent more packets than a leg may, see [`crate::RtpSession::limit_rate`].
    RateExceeded,
    /// Something is played to the other leg in its place, see [`crate::RtpSession::play`]: also tones of a
    /// key; or it is an event (RFC 4733) that the other leg gets in another form.
    Replaced,
    /// It came over a transport that several lines share, and is none's.
    NoLine,
}

impl DropReason {
    /// Every reason, in the order of their declaration.
    pub const ALL: [DropReason; 18] = [
        DropReason::NoPlan,
        DropReason::NotMedia,
        DropReason::MalformedRtp,
        DropReason::MalformedRtcp,
        DropReason::WrongSource,
        DropReason::Learning,
        DropReason::NotAccepted,
        DropReason::NotWanted,
        DropReason::NoDestination,
        DropReason::SrtpMalformed,
        DropReason::SrtpAuthentication,
        DropReason::SrtpReplayed,
        DropReason::SrtpRepeated,
        DropReason::SrtpExhausted,
        DropReason::NoKeys,
        DropReason::RateExceeded,
        DropReason::Replaced,
        DropReason::NoLine,
    ];

    /// The position in [`DropReason::ALL`].
    #[inline]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::NoPlan => "no_plan",
            DropReason::NotMedia => "not_media",
            DropReason::MalformedRtp => "malformed_rtp",
            DropReason::MalformedRtcp => "malformed_rtcp",
            DropReason::WrongSource => "wrong_source",
            DropReason::Learning => "learning",
            DropReason::NotAccepted => "not_accepted",
            DropReason::NotWanted => "not_wanted",
            DropReason::NoDestination => "no_destination",
            DropReason::SrtpMalformed => "srtp_malformed",
            DropReason::SrtpAuthentication => "srtp_authentication",
            DropReason::SrtpReplayed => "srtp_replayed",
            DropReason::SrtpRepeated => "srtp_repeated",
            DropReason::SrtpExhausted => "srtp_exhausted",
            DropReason::NoKeys => "no_keys",
            DropReason::RateExceeded => "rate_exceeded",
            DropReason::Replaced => "replaced",
            DropReason::NoLine => "no_line",
        }
    }
}

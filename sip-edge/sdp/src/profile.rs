//! The transport protocols of RTP streams, and whether a leg is to be encrypted.

use crate::audio::AudioStream;

/// The protocol of an `m=` line that carries RTP (RFC 3551, RFC 4585, RFC 3711, RFC 5124,
/// RFC 5764).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RtpProfile {
    /// `RTP/AVP`.
    Avp,
    /// `RTP/AVPF`: with early feedback.
    Avpf,
    /// `RTP/SAVP`: SRTP, with keys from the description.
    Savp,
    /// `RTP/SAVPF`: the same with early feedback.
    Savpf,
    /// `UDP/TLS/RTP/SAVP`: SRTP, with keys from a DTLS handshake on the media path.
    DtlsSavp,
    /// `UDP/TLS/RTP/SAVPF`: the same with early feedback.
    DtlsSavpf,
    /// `UDP/BFCP`: no RTP either, but floor control (RFC 8856), in an `m=application` line.
    Bfcp,
    /// `udptl`: no RTP at all, but T.38 fax (ITU-T T.38 Annex D), in an `m=image` line.
    Udptl,
}

impl RtpProfile {
    const ALL: [RtpProfile; 6] = [
        RtpProfile::Avp,
        RtpProfile::Avpf,
        RtpProfile::Savp,
        RtpProfile::Savpf,
        RtpProfile::DtlsSavp,
        RtpProfile::DtlsSavpf,
    ];

    /// Reads the protocol of an `m=audio` line, in any case; `None` when it is no RTP over UDP.
    pub fn parse(proto: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name().eq_ignore_ascii_case(proto))
    }

    /// As it stands in an `m=` line.
    pub const fn name(self) -> &'static str {
        match self {
            RtpProfile::Avp => "RTP/AVP",
            RtpProfile::Avpf => "RTP/AVPF",
            RtpProfile::Savp => "RTP/SAVP",
            RtpProfile::Savpf => "RTP/SAVPF",
            RtpProfile::DtlsSavp => "UDP/TLS/RTP/SAVP",
            RtpProfile::DtlsSavpf => "UDP/TLS/RTP/SAVPF",
            RtpProfile::Bfcp => "UDP/BFCP",
            RtpProfile::Udptl => "udptl",
        }
    }

    /// Whether the stream must be SRTP with keys from the description.
    pub const fn is_sdes(self) -> bool {
        matches!(self, RtpProfile::Savp | RtpProfile::Savpf)
    }

    /// Whether the keys come from a handshake when the description has none itself.
    pub(crate) const fn may_have_handshake(self) -> bool {
        self.is_dtls() || self.is_sdes()
    }

    /// Whether the stream is RTP, plain or secure.
    pub const fn is_rtp(self) -> bool {
        !matches!(self, RtpProfile::Bfcp | RtpProfile::Udptl)
    }

    /// Whether the stream is fax and no RTP.
    pub const fn is_fax(self) -> bool {
        matches!(self, RtpProfile::Udptl)
    }

    /// Whether the keys come from a handshake on the media path.
    pub const fn is_dtls(self) -> bool {
        matches!(self, RtpProfile::DtlsSavp | RtpProfile::DtlsSavpf)
    }

    /// The plain profile, or one of SRTP, with the same feedback. Whoever agrees keys by DTLS always
    /// says that it has feedback, which many plain trunks refuse: it is not passed on.
    pub(crate) const fn offered_under(self, encryption: Encryption) -> Self {
        if !self.is_rtp() {
            return self;
        }
        let feedback = matches!(self, RtpProfile::Avpf | RtpProfile::Savpf);
        match (encryption, feedback) {
            (Encryption::Off | Encryption::Mirror | Encryption::Optional, false) => RtpProfile::Avp,
            (Encryption::Off | Encryption::Mirror | Encryption::Optional, true) => RtpProfile::Avpf,
            (Encryption::Required, false) => RtpProfile::Savp,
            (Encryption::Required, true) => RtpProfile::Savpf,
            (Encryption::Dtls, false) => RtpProfile::DtlsSavp,
            (Encryption::Dtls, true) => RtpProfile::DtlsSavpf,
        }
    }
}

/// Whether the media of a leg is encrypted, as its operator wants it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Encryption {
    /// Plain RTP only: keys that are offered are not answered.
    #[default]
    Off,
    /// SRTP is answered with SRTP, and plain RTP is what we offer.
    Mirror,
    /// SRTP is answered with SRTP, and what we offer is SRTP that may be answered with plain RTP
    /// (RFC 8643).
    Optional,
    /// SRTP or nothing; what we offer is SRTP with keys in the description.
    Required,
    /// SRTP with keys from a DTLS handshake, or nothing.
    Dtls,
}

impl Encryption {
    /// Whether plain media is refused.
    pub(crate) const fn is_required(self) -> bool {
        matches!(self, Encryption::Required | Encryption::Dtls)
    }

    /// Whether `stream` is one that a leg under this policy may have.
    pub(crate) fn accepts(self, stream: &AudioStream) -> bool {
        match self {
            Encryption::Off => !stream.profile.is_sdes() && stream.dtls.is_none(),
            Encryption::Mirror | Encryption::Optional => true,
            Encryption::Required => stream.has_keys(),
            Encryption::Dtls => stream.dtls.is_some(),
        }
    }

    /// Whether `stream` is better than any without keys, should both be offered (a device that
    /// leaves the choice to us offers the same audio twice, as `RTP/AVP` and as `RTP/SAVP`).
    pub(crate) fn prefers(self, stream: &AudioStream) -> bool {
        self == Encryption::Off || stream.has_keys()
    }
}

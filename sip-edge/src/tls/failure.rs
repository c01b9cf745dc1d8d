//! Why a TLS handshake failed, in kinds that can be counted and acted on.

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a TLS connection did not come about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HandshakeFailure {
    /// Something other than TLS was sent to the TLS port.
    Plaintext,
    /// The peer offers no TLS 1.2 or 1.3.
    Version,
    /// No cipher suite, group or signature scheme in common.
    NothingInCommon,
    /// What came is not a TLS handshake, or breaks its rules.
    Garbage,
    /// The handshake did not become complete in time.
    Timeout,
    /// The peer closed the connection in the middle.
    Closed,
    /// The peer does not accept our certificate.
    OurCertificateRefused,
    /// The peer sent another alert.
    PeerAlert,
    /// The peer's certificate comes from an authority that we do not know.
    UnknownAuthority,
    /// The peer's certificate is for another name.
    WrongName,
    /// The peer's certificate has expired, or is not valid yet.
    Expired,
    /// The peer's certificate has another fault.
    BadCertificate,
    /// Too many handshakes were under way, in all or from this source.
    Busy,
    /// Our own files or settings do not allow it.
    Settings,
}

impl HandshakeFailure {
    /// Every kind, in the order of their declaration.
    pub const ALL: [HandshakeFailure; 14] = [
        HandshakeFailure::Plaintext,
        HandshakeFailure::Version,
        HandshakeFailure::NothingInCommon,
        HandshakeFailure::Garbage,
        HandshakeFailure::Timeout,
        HandshakeFailure::Closed,
        HandshakeFailure::OurCertificateRefused,
        HandshakeFailure::PeerAlert,
        HandshakeFailure::UnknownAuthority,
        HandshakeFailure::WrongName,
        HandshakeFailure::Expired,
        HandshakeFailure::BadCertificate,
        HandshakeFailure::Busy,
        HandshakeFailure::Settings,
    ];

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            HandshakeFailure::Plaintext => "plaintext",
            HandshakeFailure::Version => "version",
            HandshakeFailure::NothingInCommon => "nothing_in_common",
            HandshakeFailure::Garbage => "garbage",
            HandshakeFailure::Timeout => "timeout",
            HandshakeFailure::Closed => "closed",
            HandshakeFailure::OurCertificateRefused => "our_certificate_refused",
            HandshakeFailure::PeerAlert => "peer_alert",
            HandshakeFailure::UnknownAuthority => "unknown_authority",
            HandshakeFailure::WrongName => "wrong_name",
            HandshakeFailure::Expired => "expired",
            HandshakeFailure::BadCertificate => "bad_certificate",
            HandshakeFailure::Busy => "busy",
            HandshakeFailure::Settings => "settings",
        }
    }

    /// What to change.
    pub const fn advice(self) -> &'static str {
        match self {
            HandshakeFailure::Plaintext => {
                "the peer speaks plain SIP to the TLS port: set its transport to TLS, or its port \
                 to that of [sip] tcp"
            }
            HandshakeFailure::Version => "the peer must offer TLS 1.2 or 1.3",
            HandshakeFailure::NothingInCommon => {
                "the peer must offer an ECDHE suite with AES-GCM or ChaCha20-Poly1305, and accept \
                 the kind of key (RSA or ECDSA) of our certificate"
            }
            HandshakeFailure::Garbage => "see what at the peer's address connects to this port",
            HandshakeFailure::Timeout => {
                "the peer, or a firewall on the way, is too slow or stops the handshake"
            }
            HandshakeFailure::Closed => {
                "the peer gave up without a word: see its log; often it does not trust our \
                 certificate"
            }
            HandshakeFailure::OurCertificateRefused => {
                "give the peer the authority of our certificate, or set tls_certificate to a full \
                 chain: that of [sip], for the name that the peer uses, or where we connect to a \
                 carrier or route that of its own"
            }
            HandshakeFailure::PeerAlert => "see the peer's log",
            HandshakeFailure::UnknownAuthority => {
                "set tls_ca of this carrier or route to the PEM file of the authority that signed \
                 its certificate"
            }
            HandshakeFailure::WrongName => {
                "host must be the name that the peer's certificate is for; the log names both"
            }
            HandshakeFailure::Expired => {
                "the peer must renew its certificate; see this host's clock"
            }
            HandshakeFailure::BadCertificate => "the peer must fix its certificate",
            HandshakeFailure::Busy => "too many handshakes at once; see who connects so often",
            HandshakeFailure::Settings => "see the errors about TLS files in this log",
        }
    }

    /// The kind of a fault that rustls found.
    pub(crate) fn of(error: &Error) -> HandshakeFailure {
        match error {
            Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::Tls13RequiredForQuic
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | Error::AlertReceived(AlertDescription::ProtocolVersion) => HandshakeFailure::Version,
            Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
            ) => HandshakeFailure::NothingInCommon,
            Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateRequired
                | AlertDescription::AccessDenied,
            ) => HandshakeFailure::OurCertificateRefused,
            Error::AlertReceived(_) => HandshakeFailure::PeerAlert,
            Error::InvalidCertificate(fault) => HandshakeFailure::of_certificate(fault),
            Error::NoCertificatesPresented => HandshakeFailure::BadCertificate,
            _ => HandshakeFailure::Garbage,
        }
    }

    fn of_certificate(fault: &CertificateError) -> HandshakeFailure {
        match fault {
            CertificateError::UnknownIssuer => HandshakeFailure::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                HandshakeFailure::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => HandshakeFailure::Expired,
            _ => HandshakeFailure::BadCertificate,
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of handshakes, both ways, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TlsCounters {
    /// Handshakes that were completed.
    pub handshakes: u64,
    failed: [u64; HandshakeFailure::ALL.len()],
}

impl TlsCounters {
    /// Handshakes that failed for one kind of reason.
    pub const fn failed(&self, kind: HandshakeFailure) -> u64 {
        self.failed[kind as usize]
    }
}

/// The counters while they are counted, by the threads of the worker and of TLS.
#[derive(Default)]
pub(crate) struct Tally {
    handshakes: AtomicU64,
    failed: [AtomicU64; HandshakeFailure::ALL.len()],
}

impl Tally {
    pub(crate) fn completed(&self) {
        self.handshakes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, kind: HandshakeFailure) {
        self.failed[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> TlsCounters {
        TlsCounters {
            handshakes: self.handshakes.load(Ordering::Relaxed),
            failed: std::array::from_fn(|kind| self.failed[kind].load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_counts_in_its_own_place() {
        let tally = Tally::default();
        for (times, kind) in HandshakeFailure::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| tally.failed(kind));
        }
        let read = tally.read();
        for (times, kind) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(read.failed(kind), times as u64, "{kind}");
        }
    }

    #[test]
    fn faults_of_certificates_are_told_apart() {
        for (fault, kind) in [
            (CertificateError::UnknownIssuer, HandshakeFailure::UnknownAuthority),
            (CertificateError::NotValidForName, HandshakeFailure::WrongName),
            (CertificateError::Expired, HandshakeFailure::Expired),
            (CertificateError::BadSignature, HandshakeFailure::BadCertificate),
        ] {
            assert_eq!(HandshakeFailure::of(&Error::InvalidCertificate(fault)), kind);
        }
    }
}

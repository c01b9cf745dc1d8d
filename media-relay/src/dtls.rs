//! The handshake of DTLS-SRTP (RFC 5764) with one leg: datagrams and the time in, datagrams and
//! SRTP keys out. The messages are a library's work; what a session description vouched for is
//! checked here.
//!
//! It runs on the worker that owns the stream. A handshake costs about a millisecond of it, once a
//! call.

use bytes::BytesMut;
use model::{DtlsPlan, DtlsRole, Fingerprint, FingerprintHash, SdesKeys, SrtpKey, SrtpSuite};
use rtc_crypto::RTCCryptoProvider;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The label of the exported keys (RFC 5764 section 4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// How long to wait before a flight is repeated. RFC 6347 section 4.2.4.1 says a second, and less
/// where less is known to do: a caller who hears nothing for a second hangs up.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(300);
/// In the order of our preference. The three whose suite SDES has too, and AES-256 in GCM.
const PROFILES: [SrtpProtectionProfile; 4] = [
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
];

/// The relay's certificate, made anew at every start (RFC 5763 section 4 asks for no more), and what
/// all handshakes share.
#[derive(Clone)]
pub struct DtlsIdentity {
    crypto: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl DtlsIdentity {
    /// A new key pair on P-256 with a self-signed certificate.
    ///
    /// # Errors
    /// [`DtlsError`] when the system has no randomness.
    pub fn generate() -> Result<DtlsIdentity, DtlsError> {
        let crypto = rtc_crypto::default_provider().map_err(DtlsError::of)?;
        let certificate =
            Certificate::generate_self_signed(vec!["tandem".to_owned()], crypto.crypto())
                .map_err(DtlsError::of)?;
        let der = certificate.certificate.first().ok_or(DtlsError::NoCertificate)?;
        let fingerprint = digest(FingerprintHash::Sha256, der).ok_or(DtlsError::NoCertificate)?;
        Ok(DtlsIdentity { crypto, certificate, fingerprint })
    }

    /// What our session descriptions say of the certificate.
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn handshake(&self, role: DtlsRole) -> Result<Arc<HandshakeConfig>, DtlsError> {
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.crypto))
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(PROFILES.to_vec())
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            .with_extended_master_secret(ExtendedMasterSecretType::Request)
            // Certificates are self-signed; the session description vouches for them.
            .with_insecure_skip_verify(true)
            // Short RSA keys are common in telephones. Nobody breaks one while a call is set up.
            .with_insecure_verification(true)
            .with_flight_interval(FLIGHT_INTERVAL)
            .build(role == DtlsRole::Active, None)
            .map_err(DtlsError::of)?;
        Ok(Arc::new(config))
    }
}

/// The fingerprint alone: the key stays out of every log.
impl fmt::Debug for DtlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsIdentity")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Why a handshake came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DtlsError {
    /// The leg showed another certificate than its session description vouched for.
    WrongCertificate,
    /// No certificate, ours or the leg's.
    NoCertificate,
    /// The leg speaks none of our SRTP protection profiles.
    NoCommonProfile,
    /// The library's words.
    Handshake(String),
}

impl DtlsError {
    fn of(error: impl fmt::Display) -> Self {
        DtlsError::Handshake(error.to_string())
    }
}

impl fmt::Display for DtlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DtlsError::WrongCertificate => {
                f.write_str("the leg's certificate is not the one of its a=fingerprint")
            }
            DtlsError::NoCertificate => f.write_str("no certificate"),
            DtlsError::NoCommonProfile => f.write_str("no SRTP protection profile in common"),
            DtlsError::Handshake(words) => f.write_str(words),
        }
    }
}

impl std::error::Error for DtlsError {}

/// The handshake with one leg.
pub(crate) struct Handshake {
    endpoint: Endpoint,
    config: Arc<HandshakeConfig>,
    plan: DtlsPlan,
    /// Whom the handshake is with, once it is known.
    peer: Option<SocketAddr>,
    done: bool,
    /// What the library did not like last. By itself it ends nothing: anybody can send such.
    disliked: Option<String>,
}

/// No secret of it.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("plan", &self.plan)
            .field("peer", &self.peer)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Handshake {
    pub(crate) fn new(
        identity: &DtlsIdentity,
        plan: &DtlsPlan,
        local: SocketAddr,
    ) -> Result<Handshake, DtlsError> {
        let config = identity.handshake(plan.role)?;
        let server = (plan.role == DtlsRole::Passive).then(|| Arc::clone(&config));
        let endpoint = Endpoint::new(local, TransportProtocol::UDP, server);
        Ok(Handshake {
            endpoint,
            config,
            plan: plan.clone(),
            peer: None,
            done: false,
            disliked: None,
        })
    }

    /// Sends our first message to `peer`, when it is ours to send and was not sent before.
    pub(crate) fn begin(&mut self, now: Instant, peer: SocketAddr) -> Result<(), DtlsError> {
        if self.plan.role == DtlsRole::Passive || self.peer.is_some() {
            return Ok(());
        }
        self.peer = Some(peer);
        let config = Arc::clone(&self.config);
        self.endpoint.connect(now, peer, config, None).map_err(DtlsError::of)
    }

    /// Takes a datagram of the leg. `Some` when the keys are agreed: once.
    ///
    /// Only the first source that speaks is listened to: a second one cannot disturb a handshake
    /// that has begun. `from` has to be plausible already; that is the latch's work.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<Option<SdesKeys>, DtlsError> {
        if *self.peer.get_or_insert(from) != from {
            return Ok(None);
        }
        let events = match self.endpoint.read(now, from, None, BytesMut::from(datagram)) {
            Ok(events) => events,
            Err(error) => {
                self.disliked = Some(error.to_string());
                return Ok(None);
            }
        };
        let complete = events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete));
        if complete && !self.done {
            self.done = true;
            return self.keys(from).map(Some);
        }
        Ok(None)
    }

    /// The next datagram to send to the leg.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        let transmit = self.endpoint.poll_transmit()?;
        Some((transmit.transport.peer_addr, transmit.message))
    }

    /// When to call [`Handshake::handle_timeout`]; `None` when nothing waits.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.peer.and_then(|peer| self.endpoint.poll_timeout(&peer))
    }

    /// Repeats what was not answered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        let Some(peer) = self.peer else { return Ok(()) };
        self.endpoint.handle_timeout(peer, now).map_err(|error| {
            DtlsError::Handshake(self.disliked.take().unwrap_or_else(|| error.to_string()))
        })
    }

    /// The keys of RFC 5764 section 4.2, if the leg is who it should be.
    fn keys(&self, peer: SocketAddr) -> Result<SdesKeys, DtlsError> {
        let state = self.endpoint.get_connection_state(peer).ok_or(DtlsError::NoCertificate)?;
        let certificate = state.peer_certificates.first().ok_or(DtlsError::NoCertificate)?;
        let expected = self.plan.remote_fingerprint;
        if digest(expected.hash(), certificate) != Some(expected) {
            return Err(DtlsError::WrongCertificate);
        }
        let suite = suite_of(state.srtp_protection_profile()).ok_or(DtlsError::NoCommonProfile)?;
        let (key, salt) = (suite.key_len(), suite.salt_len());
        let secret =
            state.export_keying_material(LABEL, &[], 2 * (key + salt)).map_err(DtlsError::of)?;
        split(suite, secret.as_ref(), self.plan.role).ok_or(DtlsError::NoCommonProfile)
    }
}

/// Both keys, then both salts; of each pair the client's first. The active side is the client.
fn split(suite: SrtpSuite, secret: &[u8], role: DtlsRole) -> Option<SdesKeys> {
    let (key, salt) = (suite.key_len(), suite.salt_len());
    let of = |position: usize| {
        let keys = secret.get(position * key..(position + 1) * key)?;
        let start = 2 * key + position * salt;
        let salts = secret.get(start..start + salt)?;
        // 46 bytes at most; the copy is wiped with the key that it becomes part of.
        let material = zeroize::Zeroizing::new([keys, salts].concat());
        SrtpKey::new(suite, &material)
    };
    let (client, server) = (of(0)?, of(1)?);
    Some(match role {
        DtlsRole::Active => SdesKeys { receive: server, send: client },
        DtlsRole::Passive => SdesKeys { receive: client, send: server },
    })
}

fn suite_of(profile: SrtpProtectionProfile) -> Option<SrtpSuite> {
    match profile {
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Some(SrtpSuite::AesCm128HmacSha1_80),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32 => Some(SrtpSuite::AesCm128HmacSha1_32),
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(SrtpSuite::AeadAes128Gcm),
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Some(SrtpSuite::AeadAes256Gcm),
        _ => None,
    }
}

fn digest(hash: FingerprintHash, certificate: &[u8]) -> Option<Fingerprint> {
    let algorithm = match hash {
        FingerprintHash::Sha256 => &aws_lc_rs::digest::SHA256,
        FingerprintHash::Sha384 => &aws_lc_rs::digest::SHA384,
        FingerprintHash::Sha512 => &aws_lc_rs::digest::SHA512,
    };
    Fingerprint::new(hash, aws_lc_rs::digest::digest(algorithm, certificate).as_ref())
}

#[cfg(test)]
mod tests;

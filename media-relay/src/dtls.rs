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
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The label of the exported keys (RFC 5764 section 4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// How long to wait before a flight is repeated. RFC 6347 section 4.2.4.1 says a second, and less
/// where less is known to do: a caller who hears nothing for a second hangs up.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(300);
/// How long a handshake is tried before it counts as failed: as long as an INVITE's answer may be under
/// way. The library gives a flight up after seven repetitions, so we begin anew until then.
const PATIENCE: Duration = Duration::from_secs(32);
/// How long the active side waits for more of what the library has begun to read, for which it keeps
/// no timer, before it begins anew.
const STALL: Duration = Duration::from_secs(2);
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
    local: SocketAddr,
    /// When the first message was sent or came.
    begun: Option<Instant>,
    /// Whom the handshake is with, once it is known.
    peer: Option<SocketAddr>,
    done: bool,
    /// What came of the leg's messages, as long as we are active.
    seen: Seen,
    /// When to begin anew: the library waits without a timer.
    stalled: Option<Instant>,
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
        Ok(Handshake {
            endpoint: endpoint(local, plan.role, &config),
            config,
            plan: plan.clone(),
            local,
            begun: None,
            peer: None,
            done: false,
            seen: Seen::default(),
            stalled: None,
            disliked: None,
        })
    }

    /// Sends our first message to `peer`, when it is ours to send and was not sent before.
    pub(crate) fn begin(&mut self, now: Instant, peer: SocketAddr) -> Result<(), DtlsError> {
        if self.plan.role == DtlsRole::Passive || self.peer.is_some() {
            return Ok(());
        }
        self.peer = Some(peer);
        self.begun = Some(now);
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
        self.begun.get_or_insert(now);
        // A repeated message would stop the library's timer, and our lost answer would never be
        // repeated. On the passive side it is what makes the library repeat its answer.
        let active = self.plan.role == DtlsRole::Active && !self.done;
        if active && self.seen.is_repeated(datagram) {
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
            self.stalled = None;
            return self.keys(from).map(Some);
        }
        let waits = active && !self.done && self.endpoint.poll_timeout(&from).is_none();
        self.stalled = waits.then(|| now + STALL);
        Ok(None)
    }

    /// The next datagram to send to the leg.
    pub(crate) fn poll_transmit(&mut self) -> Option<(SocketAddr, BytesMut)> {
        let transmit = self.endpoint.poll_transmit()?;
        Some((transmit.transport.peer_addr, transmit.message))
    }

    /// When to call [`Handshake::handle_timeout`]; `None` when nothing waits.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.peer.and_then(|peer| self.endpoint.poll_timeout(&peer)).or(self.stalled)
    }

    /// Repeats what was not answered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        let Some(peer) = self.peer else { return Ok(()) };
        let outcome = match self.endpoint.poll_timeout(&peer) {
            Some(_) => self.endpoint.handle_timeout(peer, now).map_err(DtlsError::of),
            None if self.stalled.is_some_and(|at| at <= now) => {
                Err(DtlsError::Handshake("the leg did not finish its messages".to_owned()))
            }
            None => Ok(()),
        };
        let Err(error) = outcome else { return Ok(()) };
        if let Some(disliked) = self.disliked.take() {
            return Err(DtlsError::Handshake(disliked));
        }
        if self.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= PATIENCE) {
            return Err(error);
        }
        (self.seen, self.stalled) = (Seen::default(), None);
        self.endpoint = endpoint(self.local, self.plan.role, &self.config);
        match self.plan.role {
            DtlsRole::Active => {
                let config = Arc::clone(&self.config);
                self.endpoint.connect(now, peer, config, None).map_err(DtlsError::of)
            }
            DtlsRole::Passive => Ok(()),
        }
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

/// Which messages came before keys were changed, by their content. Fixed in size; what does not fit
/// counts as new.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    /// A handshake takes less than half of these.
    const AT_MOST: usize = 64;

    /// Whether a datagram holds what came before. Records have fresh numbers when they are repeated
    /// (RFC 6347 section 4.2.4), and what is encrypted looks new each time.
    fn is_repeated(&mut self, datagram: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        let mut rest = datagram;
        // Type, version, epoch, sequence number, length (section 4.1).
        while let Some((&[kind, major, minor, 0, 0, _, _, _, _, _, _, high, low], behind)) =
            rest.split_first_chunk::<13>()
        {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let Some((body, behind)) = behind.split_at_checked(length) else { return false };
            (kind, major, minor, body).hash(&mut hasher);
            rest = behind;
        }
        let hash = hasher.finish();
        if !rest.is_empty() {
            return false;
        }
        if self.0.contains(&hash) {
            return true;
        }
        if self.0.len() < Self::AT_MOST {
            self.0.push(hash);
        }
        false
    }
}

fn endpoint(local: SocketAddr, role: DtlsRole, config: &Arc<HandshakeConfig>) -> Endpoint {
    let server = (role == DtlsRole::Passive).then(|| Arc::clone(config));
    Endpoint::new(local, TransportProtocol::UDP, server)
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

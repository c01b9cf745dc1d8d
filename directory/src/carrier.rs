//! Carriers: the SIP trunks on the remote side.

use crate::dtmf::Dtmf;
use crate::redirect_policy::RedirectPolicy;
use crate::route::{DEFAULT_HUNT_FINAL_CODES, Host};
use crate::tls::{ClientCertificatePolicy, TlsPolicy};
use ipnet::IpNet;
use model::{CarrierId, RtcpStyle, TranscodableFormat, TransportProtocol};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An upstream SIP trunk: a PSTN provider or another site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carrier {
    /// Its identity in routes, logs and metrics.
    pub id: CarrierId,
    /// Where outbound calls are sent.
    pub host: Host,
    /// The port there; `None` lets a name be looked up by RFC 3263 and means the transport's
    /// default port for an address.
    pub port: Option<u16>,
    /// Over what calls are sent.
    pub transport: TransportProtocol,
    /// Whether the DNS may choose the transport of a `host` that is a name without a port
    /// (RFC 3263 section 4.1); `transport` is then only what addresses use.
    pub choose_transport: bool,
    /// Whether a request too big for a datagram stays on UDP all the same, because nothing listens
    /// for TCP there (against RFC 3261 section 18.1.1).
    pub udp_only: bool,
    /// Whether its media is encrypted.
    pub srtp: Srtp,
    /// How it says that a key was pressed.
    pub dtmf: Dtmf,
    /// Who speaks RTCP in its calls; `None` for the node's way.
    pub rtcp: Option<RtcpStyle>,
    /// The formats that are offered in its calls beside those of the caller, so that audio is
    /// transcoded where the sides have none in common; empty where it never is. `None` leaves it to
    /// the voice connector.
    pub transcoding: Option<Arc<[TranscodableFormat]>>,
    /// How we connect to it over TLS.
    pub tls: Arc<TlsPolicy>,
    /// What it must show when it connects to us.
    pub client_certificate: ClientCertificatePolicy,
    /// The called numbers that it serves: `+` alone for all, or `+` and leading digits.
    pub prefixes: Vec<Arc<str>>,
    /// 1 to 100; the lowest is tried first.
    pub priority: u8,
    /// 1 to 100; its share among carriers of the same priority.
    pub weight: u8,
    /// Sources whose calls are inbound calls of this carrier. Checked before voice connectors.
    pub inbound_cidrs: Vec<IpNet>,
    /// How to answer its digest challenges, if it makes any.
    pub credential: Option<Credential>,
    /// The only realm that it is answered for; `None` answers for any.
    pub realm: Option<Arc<str>>,
    /// How we register there, for carriers that send calls to whom is registered; `None` does not.
    pub registration: Option<CarrierRegistration>,
    /// Final status codes, 400 to 699, from this carrier after which no further one is tried.
    pub hunt_final_codes: Arc<[u16]>,
    /// How long to wait for any response before the next carrier is tried; four times that once
    /// a 100 has come.
    pub no_response_timeout: Duration,
    /// How long it may ring before the attempt is given up.
    pub no_answer_timeout: Duration,
    /// How often it is asked with OPTIONS whether it is alive; `None` never.
    pub options_ping: Option<Duration>,
    /// Calls at once that are sent to it; `None` without a limit.
    pub max_calls: Option<u32>,
    /// Calls a second that are sent to it; `None` without a limit.
    pub cps_limit: Option<u32>,
    /// It takes emergency calls before the other carriers do.
    pub emergency: bool,
    /// Whether its redirects are followed.
    pub redirects: RedirectPolicy,
    /// Which header tells it who calls.
    pub caller_id: CallerId,
    /// Whether calls to it are signed (RFC 8224).
    pub sign_calls: bool,
    /// What is asked of the signatures of its calls.
    pub verify: Verify,
    /// Whether its P-Asserted-Identity is passed on (RFC 3325: only from inside the trust domain).
    pub trust_identity: bool,
    /// The WAV file that the customer hears while the carrier's side holds; `None` for none.
    pub hold_music: Option<Arc<str>>,
}

impl Carrier {
    /// Time without any response before the next route, unless configured.
    pub const DEFAULT_NO_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
    /// Ringing time before an attempt is given up, unless configured.
    pub const DEFAULT_NO_ANSWER_TIMEOUT: Duration = Duration::from_secs(180);

    /// A carrier at `host` over UDP with every default: priority 1, weight 1, no prefix served and
    /// no source recognised until they are listed.
    pub fn new(id: CarrierId, host: Host) -> Self {
        Carrier {
            id,
            host,
            port: None,
            transport: TransportProtocol::Udp,
            choose_transport: false,
            udp_only: false,
            srtp: Srtp::Off,
            dtmf: Dtmf::default(),
            rtcp: None,
            transcoding: None,
            tls: Arc::default(),
            client_certificate: ClientCertificatePolicy::default(),
            prefixes: Vec::new(),
            priority: 1,
            weight: 1,
            inbound_cidrs: Vec::new(),
            credential: None,
            realm: None,
            registration: None,
            hunt_final_codes: DEFAULT_HUNT_FINAL_CODES.into(),
            no_response_timeout: Self::DEFAULT_NO_RESPONSE_TIMEOUT,
            no_answer_timeout: Self::DEFAULT_NO_ANSWER_TIMEOUT,
            options_ping: None,
            max_calls: None,
            cps_limit: None,
            emergency: false,
            redirects: RedirectPolicy::default(),
            hold_music: None,
            caller_id: CallerId::default(),
            sign_calls: false,
            verify: Verify::default(),
            trust_identity: true,
        }
    }
}

/// Which header tells a carrier who calls.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CallerId {
    /// From alone. An anonymous caller stays unknown to the carrier too.
    From,
    /// P-Asserted-Identity always, beside whatever From the customer wants shown.
    Pai,
    /// From, and P-Asserted-Identity where the customer gives one or the caller is anonymous.
    #[default]
    Both,
}

/// What is asked of the Identity header of a carrier's calls (RFC 8224).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Verify {
    /// It passes unread.
    #[default]
    Off,
    /// The customer and the record learn what it proves.
    Annotate,
    /// A call that it does not prove is refused.
    Require,
}

/// Whether media is encrypted (SRTP, RFC 3711).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Srtp {
    /// Plain RTP only.
    #[default]
    Off,
    /// SRTP where the peer can.
    Optional,
    /// SRTP or no call; its keys are in the session descriptions.
    Required,
    /// SRTP with keys from a DTLS handshake (RFC 5763), or no call.
    Dtls,
}

/// A registration of ours at a carrier (RFC 3261 section 10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CarrierRegistration {
    /// For how long we ask to be registered, 60 s to 24 h; the carrier may grant another time.
    pub expires: Duration,
}

impl Default for CarrierRegistration {
    fn default() -> Self {
        CarrierRegistration { expires: Duration::from_secs(3_600) }
    }
}

/// A hash function of digest authentication (RFC 7616, RFC 8760).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DigestAlgorithm {
    /// MD5, which every client can.
    Md5,
    /// SHA-256.
    Sha256,
    /// SHA-512/256.
    Sha512_256,
}

impl DigestAlgorithm {
    /// Reads the registered token, in any case.
    pub fn parse(token: &str) -> Option<Self> {
        [
            ("MD5", DigestAlgorithm::Md5),
            ("SHA-256", DigestAlgorithm::Sha256),
            ("SHA-512-256", DigestAlgorithm::Sha512_256),
        ]
        .into_iter()
        .find_map(|(name, algorithm)| token.eq_ignore_ascii_case(name).then_some(algorithm))
    }
}

/// A user name and a password for digest authentication (RFC 3261 section 22).
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user name.
    pub username: Arc<str>,
    /// The password; never printed.
    pub password: Arc<str>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

//! Voice connectors: one customer's trunk group each.

use crate::caps::Caps;
use crate::carrier::{Carrier, Credential, DigestAlgorithm, Srtp};
use crate::dtmf::Dtmf;
use crate::emergency::EmergencyCalling;
use crate::redirect_policy::RedirectPolicy;
use crate::route::{DEFAULT_HUNT_FINAL_CODES, Host};
use crate::siprec_client::SiprecClient;
use crate::streaming::Streaming;
use crate::tls::{ClientCertificatePolicy, TlsPolicy};
use ipnet::IpNet;
use model::{
    MediaTimeouts, RelayedLines, RtcpStyle, TranscodableFormat, TransportProtocol, VoiceConnectorId,
};
use std::sync::Arc;
use std::time::Duration;

/// Calls at once that a voice connector may have unless configured.
pub const DEFAULT_CONCURRENT_CALLS: u32 = 10_000;

/// One customer's trunk group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoiceConnector {
    /// Its identity, also the first label of its host name.
    pub id: VoiceConnectorId,
    /// What people call it.
    pub name: Arc<str>,
    /// Only TLS and SRTP are taken from and used towards the customer: plain signalling is refused
    /// with 403, plain media with 488, and an origination route without TLS is an error.
    pub require_encryption: bool,
    /// The E.164 numbers that reach it.
    pub numbers: Vec<Arc<str>>,
    /// Outbound calling; `None` refuses every outbound call.
    pub termination: Option<Termination>,
    /// Inbound calling.
    pub origination: Origination,
    /// Whether the customer's systems may register; `None` takes no registration.
    pub registration: Option<RegistrationPolicy>,
    /// What is written about its calls.
    pub logging: Logging,
    /// Audio streaming.
    pub streaming: Streaming,
    /// Somebody else's recorder that gets copies of its calls; `None` for nobody.
    pub siprec_client: Option<Arc<SiprecClient>>,
    /// Final status codes, 400 to 699, after which no further inbound route is tried.
    pub hunt_final_codes: Arc<[u16]>,
    /// How long to wait for any response before the next inbound route is tried; four times that once
    /// a 100 has come.
    pub no_response_timeout: Duration,
    /// How long the customer may ring before the attempt is given up.
    pub no_answer_timeout: Duration,
    /// What callers hear before the answer.
    pub early_media: EarlyMedia,
    /// What becomes of a REFER inside its calls.
    pub refer: Refer,
    /// Which requests pass from leg to leg inside its calls.
    pub passed_requests: PassedRequests,
    /// How the customer's systems say that a key was pressed.
    pub dtmf: Dtmf,
    /// Who speaks RTCP in its calls; `None` for the node's way.
    pub rtcp: Option<RtcpStyle>,
    /// Where its emergency calls go; `None` without emergency calling.
    pub emergency: Option<EmergencyCalling>,
    /// What its outbound calls may cost at the most.
    pub caps: Caps,
    /// What the rules on countries, risks, rates and caps would refuse is only logged and counted,
    /// and the call goes on.
    pub dry_run: bool,
    /// Whether redirects of the customer's side are followed.
    pub redirects: RedirectPolicy,
    /// Who its outbound calls come from.
    pub caller: CallerPolicy,
    /// Silence that ends its calls; by default 5 minutes on both sides. Emergency calls go on.
    pub media_timeouts: MediaTimeouts,
    /// What becomes of a call in which a leg sends audio and is never heard; `None` where nobody listens.
    pub unheard: Option<Unheard>,
    /// What its calls' legs are offered beside the formats of each other, so that audio can be
    /// transcoded where they have none in common; empty, the default, where it never is.
    pub transcoding: Arc<[TranscodableFormat]>,
    /// Packets are made anew where its calls' legs ask for other durations of them (`a=ptime`).
    pub repacketise: bool,
    /// Comfort noise (RFC 3389) takes the place of silence towards legs that agreed to it, where their
    /// audio is made anew.
    pub sends_comfort_noise: bool,
    /// The WAV file that the far end hears while the customer's side holds; `None` for none.
    pub hold_music: Option<Arc<str>>,
    /// Which lines of its calls are relayed beside the audio; by default all but further audio.
    pub lines: RelayedLines,
}

/// Registrations of the customer's systems, for those whose addresses change (RFC 3261 section 10).
/// They need credentials in [`Termination::credentials`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegistrationPolicy {
    /// The shortest time that is granted; less is refused (423).
    pub min_expires: Duration,
    /// The longest: a system that asks for more gets this. A connection ends with the node, so this is
    /// also how long a system that is late to notice may be unreachable after a restart.
    pub max_expires: Duration,
    /// Contacts at once; a further one is refused.
    pub max_bindings: usize,
}

impl Default for RegistrationPolicy {
    fn default() -> Self {
        RegistrationPolicy {
            min_expires: Duration::from_secs(60),
            max_expires: Duration::from_secs(600),
            max_bindings: 10,
        }
    }
}

/// A leg that sends audio in which nothing is ever heard but silence: one-way audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unheard {
    /// For how long.
    pub after: Duration,
    /// The call ends then; otherwise it is only told, in the log and in the call's record.
    pub ends_call: bool,
}

/// What a caller hears before the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EarlyMedia {
    /// What the called side sends: its ringback tone, announcements.
    #[default]
    Pass,
    /// The caller's own ringback tone: provisional responses lose their description, and 183
    /// becomes 180.
    Ringback,
}

/// Who a voice connector's outbound calls come from.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct CallerPolicy {
    /// What becomes of a calling number that is not one of the voice connector's.
    pub foreign: ForeignCaller,
    /// The number that stands in; the first of its own when not given.
    pub default_number: Option<Arc<str>>,
    /// Every call comes from the default number.
    pub always_default: bool,
    /// The name that every call shows (CNAM), at most 15 characters are seen on a telephone.
    pub name: Option<Arc<str>>,
}

/// What becomes of a calling number that the voice connector does not own.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ForeignCaller {
    /// It passes.
    #[default]
    Pass,
    /// The default number takes its place.
    Override,
    /// The call is refused (403).
    Refuse,
}

/// What becomes of a REFER (RFC 3515) inside a call.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Refer {
    /// We make the call to the target ourselves, as an outbound call of the voice connector under
    /// all of its rules. Only the customer's side may ask for it.
    #[default]
    Handle,
    /// The other leg gets it.
    Pass,
    /// It is declined (603).
    Refuse,
}

/// Which requests that mean nothing to us pass from leg to leg inside a call, where the other leg
/// takes them. The others get 405.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassedRequests {
    /// INFO (RFC 6086); dialled digits travel in it as well.
    pub info: bool,
    /// MESSAGE (RFC 3428).
    pub message: bool,
}

impl Default for PassedRequests {
    fn default() -> Self {
        PassedRequests { info: true, message: true }
    }
}

impl VoiceConnector {
    /// A voice connector with every default: neither outbound nor inbound calls until they are
    /// configured.
    pub fn new(id: VoiceConnectorId) -> Self {
        VoiceConnector {
            name: id.as_str().into(),
            id,
            require_encryption: false,
            numbers: Vec::new(),
            termination: None,
            origination: Origination::default(),
            registration: None,
            logging: Logging::default(),
            streaming: Streaming::default(),
            siprec_client: None,
            hunt_final_codes: DEFAULT_HUNT_FINAL_CODES.into(),
            no_response_timeout: Carrier::DEFAULT_NO_RESPONSE_TIMEOUT,
            no_answer_timeout: Carrier::DEFAULT_NO_ANSWER_TIMEOUT,
            early_media: EarlyMedia::default(),
            refer: Refer::default(),
            passed_requests: PassedRequests::default(),
            dtmf: Dtmf::default(),
            rtcp: None,
            emergency: None,
            caps: Caps::default(),
            dry_run: false,
            redirects: RedirectPolicy::default(),
            caller: CallerPolicy::default(),
            media_timeouts: MediaTimeouts { one: None, both: Some(Duration::from_secs(300)) },
            unheard: None,
            transcoding: Arc::default(),
            repacketise: false,
            sends_comfort_noise: false,
            hold_music: None,
            lines: RelayedLines::default(),
        }
    }
}

/// Outbound calling: customer to carrier (AWS: termination).
///
/// Against toll fraud everything is denied until it is listed: the defaults allow no source, no
/// country, and one call a second.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Termination {
    /// Refuse every outbound call.
    pub disabled: bool,
    /// Sources that may call out.
    pub cidr_allowed_list: Vec<IpNet>,
    /// Call attempts a second, 1 to 100,000; default 1, as AWS sets it.
    pub cps_limit: u32,
    /// Outbound calls at once, 1 to 1,000,000; default 10,000.
    pub concurrent_calls_limit: u32,
    /// Countries that may be called, ISO 3166-1 alpha-2 as [`crate::country_code`] returns them;
    /// default none.
    pub calling_regions: Vec<&'static str>,
    /// Numbers in high-risk ranges may be called, within `calling_regions`; those that belong to no
    /// country (satellite, global premium rate) as well.
    pub allow_high_risk: bool,
    /// Digest credentials, one of which the customer must prove; empty asks for none.
    pub credentials: Vec<Credential>,
    /// What the customer must show when it connects to us over TLS.
    pub client_certificate: ClientCertificatePolicy,
    /// The hash functions that are offered, the preferred one first; not empty.
    pub digest_algorithms: Vec<DigestAlgorithm>,
}

impl Termination {
    /// The call rate that is allowed unless configured.
    pub const DEFAULT_CPS_LIMIT: u32 = 1;

    /// Whether numbers of `country` may be called. A number of unknown country never may.
    pub fn allows_region(&self, country: Option<&str>) -> bool {
        country.is_some_and(|country| self.calling_regions.contains(&country))
    }

    /// Whether `source` is in the allowed list. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn allows_source(&self, source: std::net::IpAddr) -> bool {
        let source = source.to_canonical();
        self.cidr_allowed_list.iter().any(|net| net.contains(&source))
    }
}

impl Default for Termination {
    fn default() -> Self {
        Termination {
            disabled: false,
            cidr_allowed_list: Vec::new(),
            cps_limit: Self::DEFAULT_CPS_LIMIT,
            concurrent_calls_limit: DEFAULT_CONCURRENT_CALLS,
            calling_regions: Vec::new(),
            allow_high_risk: false,
            credentials: Vec::new(),
            client_certificate: ClientCertificatePolicy::default(),
            digest_algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        }
    }
}

/// Inbound calling: carrier to customer (AWS: origination).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Origination {
    /// Refuse every inbound call.
    pub disabled: bool,
    /// Where the customer's systems are; at most 20, as AWS allows.
    pub routes: Vec<OriginationRoute>,
}

/// One of the customer's systems that takes inbound calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OriginationRoute {
    /// Where.
    pub host: Host,
    /// The port there; `None` means the same as in [`Carrier::port`].
    pub port: Option<u16>,
    /// Over what.
    pub protocol: TransportProtocol,
    /// How we connect to it over TLS.
    pub tls: Arc<TlsPolicy>,
    /// Whether the DNS may choose the transport of a `host` that is a name without a port
    /// (RFC 3263 section 4.1); `protocol` is then only what addresses use.
    pub choose_transport: bool,
    /// The same as in [`Carrier::udp_only`].
    pub udp_only: bool,
    /// Whether the media there is encrypted; a voice connector that requires encryption has it
    /// required on every route.
    pub srtp: Srtp,
    /// 1 to 100; the lowest is tried first.
    pub priority: u8,
    /// 1 to 100; its share among routes of the same priority.
    pub weight: u8,
    /// How often it is asked with OPTIONS whether it is alive; `None` never.
    pub options_ping: Option<Duration>,
    /// Calls at once that are sent to it; `None` without a limit.
    pub max_calls: Option<u32>,
    /// It leads to wherever the customer's systems are registered; `host` is then only a name.
    pub registered: bool,
}

impl OriginationRoute {
    /// A route to `host` over UDP, priority 1, weight 1, default port.
    pub fn new(host: Host) -> Self {
        OriginationRoute {
            registered: false,
            host,
            port: None,
            protocol: TransportProtocol::Udp,
            tls: Arc::default(),
            choose_transport: false,
            udp_only: false,
            srtp: Srtp::Off,
            priority: 1,
            weight: 1,
            options_ping: None,
            max_calls: None,
        }
    }
}

impl OriginationRoute {
    /// Whether calls of `connector` may go there: where it requires encryption, only over TLS.
    pub fn is_allowed_by(&self, connector: &VoiceConnector) -> bool {
        let is_tls = self.protocol == TransportProtocol::Tls && !self.choose_transport;
        // What is registered came the way that it is called.
        !connector.require_encryption || is_tls || self.registered
    }
}

/// What is written about a voice connector's calls. Off until asked for, as at AWS.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Logging {
    /// Every SIP message in full, credentials masked.
    pub sip_messages: bool,
    /// Media quality, a line per call and minute.
    pub media_metrics: bool,
    /// The share of calls that a HEP collector gets copies of, in 1/10,000; `None` for what is said
    /// for all.
    pub hep_share: Option<u16>,
}

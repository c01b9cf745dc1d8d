//! What the operator decides about one signalling worker, already checked.

use crate::authentication::AuthenticationConfig;
use crate::health::HealthConfig;
use crate::kept::{SavedCall, SavedFarewell, SavedSetup};
use crate::registrar::SavedBinding;
use model::{CallSample, Fingerprint, Instant, Ringback, TransportProtocol, UnixTime};
use sip_proto::{Limits, TimerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One of our listening addresses and how peers know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// The transport.
    pub protocol: TransportProtocol,
    /// The address that the socket is bound to.
    pub local: SocketAddr,
    /// The address in our Via and Contact; the same as `local` unless a NAT stands before us.
    pub advertised: SocketAddr,
}

/// Settings of an [`crate::Edge`].
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// This node, carried in our tags, branches and Call-IDs.
    pub node: u16,
    /// This signalling worker, likewise.
    pub worker: u8,
    /// Where we listen; a request leaves from the first listener of its transport and family.
    pub listeners: Vec<Listener>,
    /// `User-Agent` and `Server`.
    pub product: String,
    /// RFC 3261 timers.
    pub timers: TimerConfig,
    /// Bounds on messages.
    pub limits: Limits,
    /// Bound on SIP transactions; a request over it gets 503.
    pub max_transactions: usize,
    /// Of these, how many one source may have; see
    /// [`TransactionConfig`](sip_proto::TransactionConfig).
    pub max_transactions_per_source: usize,
    /// Bound on calls, live or ending; an INVITE over it gets 503.
    pub max_calls: usize,
    /// From the INVITE to leg B to its final answer. Then 480 and the next route is not tried.
    pub no_answer_timeout: Duration,
    /// Servers of one route's name that are tried before the next route is; those that failed lately
    /// are the first to be left out.
    pub max_targets: usize,
    /// From a route's first server on: after this none of its further ones is tried.
    pub targets_timeout: Duration,
    /// The longest that a call may live, from its INVITE.
    pub max_call_duration: Duration,
    /// Session-Expires that we offer (RFC 4028); at least `min_se`.
    pub session_expires: Duration,
    /// The shortest session interval that we accept (RFC 4028 section 5: 90 s at the least).
    pub min_se: Duration,
    /// The biggest request that goes as a datagram, in bytes; a bigger one takes TCP where we listen
    /// for it (RFC 3261 section 18.1.1). Default 1300, the RFC's for a path whose MTU is unknown;
    /// for a known one, 200 less than it.
    pub max_datagram_request: usize,
    /// Answers a second to requests from sources that nobody has configured; the rest is dropped
    /// and counted, so that a flood is not answered packet by packet.
    pub stranger_answers_per_second: u32,
    /// Of those, how many to one source (an IPv4 address or an IPv6 /64), so that a single one
    /// cannot use up what the others share.
    pub stranger_answers_per_source: u32,
    /// What requests from such sources get.
    pub unknown_sources: UnknownSources,
    /// Emergency calls over `max_calls` that are still taken, and for which transactions are kept over
    /// `max_transactions`.
    pub emergency_headroom: usize,
    /// When a carrier or route counts as dead.
    pub health: HealthConfig,
    /// The calendar time of [`model::Instant::ZERO`]: daily caps begin anew at midnight UTC.
    pub origin: UnixTime,
    /// How customers prove who they are.
    pub authentication: AuthenticationConfig,
    /// How callers are signed and verified (RFC 8224).
    pub stir: Stir,
    /// How often a way over UDP to a registered system, or to a carrier that we are registered at, is
    /// used at the least, so that NATs and firewalls keep it open; `None` leaves that to the peers.
    pub udp_keep_alive: Option<Duration>,
    /// Registrations of customers' systems from before a restart ([`crate::Edge::bindings`]).
    pub bindings: Arc<[SavedBinding]>,
    /// Somebody else than the voice connectors' logs wants whole messages, of all calls and others.
    pub whole_messages: bool,
    /// The calls whose RTCP the relay is to copy ([`model::MediaEvent::Rtcp`]); `None` for none.
    pub rtcp_copies: Option<CallSample>,
    /// Whether calls are told as they are to be kept over a restart ([`crate::Output::Kept`]).
    pub keep_calls: bool,
    /// Calls from before a restart whose media has gone on.
    pub calls: Arc<[SavedCall]>,
    /// What peers of calls that cannot be taken up are told.
    pub farewells: Arc<[SavedFarewell]>,
    /// Calls that were being set up before a restart: they end.
    pub setups: Arc<[SavedSetup]>,
    /// When the worker begins: not [`model::Instant::ZERO`] when calls are older.
    pub begun: Instant,
    /// Of the relay's certificate for DTLS-SRTP; without one such offers are refused with 488.
    pub dtls_fingerprint: Option<Fingerprint>,
    /// Whether hold music is heard over what the holder sends.
    pub hold_music_when: HoldMusicWhen,
    /// What a transferred party hears while the target rings; `None` for nothing of ours.
    pub ringback: Option<Ringback>,
}

/// When who is put on hold hears our music, where there is any for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum HoldMusicWhen {
    /// While the holder sends nothing: its own music wins.
    #[default]
    Silent,
    /// Always; what the holder sends is dropped.
    Always,
}

/// What a request gets whose source nobody has configured.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum UnknownSources {
    /// 403, at a bounded rate: whoever has forgotten an address sees why.
    #[default]
    Refuse,
    /// Nothing: a scanner does not learn that anybody is here.
    Drop,
}

/// Keys and certificates for callers' identities.
#[derive(Clone, Default, Debug)]
pub struct Stir {
    /// Signs calls to the carriers that ask for it.
    pub signer: Option<Arc<stir::Signer>>,
    /// Knows the certificates of those who sign calls to us.
    pub verifier: Option<Arc<stir::Verifier>>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        EdgeConfig {
            node: 0,
            worker: 0,
            listeners: Vec::new(),
            product: concat!("Tandem/", env!("CARGO_PKG_VERSION")).to_owned(),
            timers: TimerConfig::default(),
            limits: Limits::default(),
            max_transactions: 200_000,
            max_transactions_per_source: 50_000,
            max_calls: 20_000,
            no_answer_timeout: Duration::from_secs(180),
            max_targets: 4,
            targets_timeout: Duration::from_secs(15),
            max_call_duration: Duration::from_secs(12 * 3600),
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            max_datagram_request: 1_300,
            stranger_answers_per_second: 100,
            stranger_answers_per_source: 10,
            unknown_sources: UnknownSources::Refuse,
            emergency_headroom: 64,
            health: HealthConfig::default(),
            origin: UnixTime::default(),
            authentication: AuthenticationConfig::default(),
            stir: Stir::default(),
            udp_keep_alive: None,
            bindings: Arc::default(),
            whole_messages: false,
            rtcp_copies: None,
            keep_calls: false,
            calls: Arc::default(),
            farewells: Arc::default(),
            setups: Arc::default(),
            begun: Instant::ZERO,
            dtls_fingerprint: None,
            hold_music_when: HoldMusicWhen::default(),
            ringback: Some(Ringback::default()),
        }
    }
}

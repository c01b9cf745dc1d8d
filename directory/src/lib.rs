//! Voice connectors, carriers, numbers and routes: an immutable snapshot that call routing reads.
//!
//! [`Resources`] is what an operator declared; [`Snapshot::build`] checks all of it at once and
//! answers every question of call routing without another allocation than the routes it returns.
//! Nothing here has a socket, a clock or a source of randomness: draws are an argument.

#![forbid(unsafe_code)]

mod applications;
mod caps;
mod carrier;
mod cidr;
mod dtmf;
mod emergency;
mod group;
mod media_application;
mod merge;
pub mod number;
mod problem;
mod proxy;
mod redirect_policy;
mod rooms;
mod route;
mod siprec_client;
mod snapshot;
mod streaming;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod validate;
mod voice_connector;

pub use caps::{Caps, Money, Price};
pub use carrier::{
    CallerId, Carrier, CarrierRegistration, Credential, DigestAlgorithm, Srtp, Verify,
};
pub use dtmf::Dtmf;
pub use emergency::{EmergencyCalling, EmergencyDnis, EmergencyMatch};
pub use group::{GroupMember, VoiceConnectorGroup};
pub use media_application::{
    ApplicationEndpoint, ApplicationTarget, MediaApplication, RuleTarget, RuleTrigger, SipRule,
};
pub use number::{
    NumberEntry, NumberOwner, NumberPool, NumberRange, NumberTable, RiskClass, area_code,
    country_code, country_of, is_toll_free, parse_e164,
};
pub use problem::Problem;
pub use proxy::{
    GeoMatchLevel, GeoMatchParams, NumberSelection, Participant, ProxiedTo, ProxyCapability,
    ProxyConfiguration, ProxyNumber, ProxyProblem, ProxyRequest, ProxySession, ProxySessionStatus,
};
pub use redirect_policy::RedirectPolicy;
pub use rooms::{ReachedRooms, Rooms, RoomsCallOut};
pub use route::{DEFAULT_HUNT_FINAL_CODES, Host, InvalidHost, Route};
pub use siprec_client::SiprecClient;
pub use snapshot::{Reached, Resources, Snapshot, VoiceConnectorsBySource};
pub use streaming::{Consent, Streaming};
pub use target::{Destination, Target, TargetOwner};
pub use tls::{ClientCertificate, ClientCertificatePolicy, KeyPairFiles, TlsPolicy};
pub use validate::limits;
pub use voice_connector::{
    CallerPolicy, DEFAULT_CONCURRENT_CALLS, EarlyMedia, ForeignCaller, Logging, Origination,
    OriginationRoute, PassedRequests, Refer, RegistrationPolicy, Termination, Unheard,
    VoiceConnector,
};

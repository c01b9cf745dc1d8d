//! The call logic of Tandem's back-to-back user agent (RFC 3261, RFC 7092), pure.
//!
//! An [`Edge`] owns every call of one signalling worker. It has no sockets, no clock and no
//! randomness of its own. Its methods are of four kinds:
//! - `handle_*(now, …)` take what happened: a message, a media event, a passed deadline;
//! - commands ([`Edge::set_directory`], [`Edge::drain`], [`Edge::end_all`]) change its course;
//! - `poll_*` hand out what it wants done. After every `handle_*` or command, call
//!   [`Edge::poll_output`] until it is `None`, then [`Edge::poll_timeout`] for the next deadline;
//! - getters look without changing anything.
//!
//! One call is one `Call`: two legs, each a dialog of its own, and sub-machines for setup,
//! renegotiation and teardown that never reach into each other's states. Nothing of one leg's
//! topology (Via, Contact, Call-ID, tags, addresses in bodies) reaches the other.
#![forbid(unsafe_code)]

mod admission;
mod authentication;
mod body;
mod call;
mod caller;
mod carry;
mod cause;
mod config;
mod context;
mod deadline;
mod dtmf;
mod edge;
mod encryption;
mod health;
mod hunt;
mod identity;
mod kept;
mod leg;
mod machine;
mod masking;
mod media;
mod next_hop;
mod over_mtu;
mod peer_certificate;
mod policing;
mod preference;
mod recorded;
mod redirect;
mod registrar;
mod registration;
mod rooms;
mod secure;
mod session_timer;
mod slab;
mod spending;
mod statistics;
mod strangers;
mod target_health;
mod transfer;

pub use authentication::{AuthenticationConfig, AuthenticationCounters};
pub use call::ListenRefusal;
pub use config::{EdgeConfig, HoldMusicWhen, Listener, Stir, UnknownSources};
pub use edge::{Edge, NotCalled, Output, ResolveId};
pub use health::HealthConfig;
pub use identity::ExpectedPeer;
pub use kept::{
    Kept, OpenRequest, OpenSetup, SavedCall, SavedFarewell, SavedIdentity, SavedLeg, SavedLine,
    SavedListening, SavedMedia, SavedParties, SavedRecordedLine, SavedRecording, SavedRequest,
    SavedSetup, SavedTransfer,
};
pub use peer_certificate::PeerCertificate;
pub use registrar::SavedBinding;
pub use rooms::dialled_in;
pub use statistics::{DtmfCounters, EdgeStatistics};

//! RFC 3261 and friends, pure: messages, transactions, dialogs.
//!
//! Bytes, times and random numbers come in as arguments; bytes, events and deadlines come out.
//! Nothing here opens a socket or reads a clock.
#![forbid(unsafe_code)]

// The message layer.
mod framing;
mod message;
mod validate;

pub use framing::{Frame, FramingError, FramingFault, StreamFramer};
pub use message::{
    CSeq, Composer, HeaderLine, HeaderName, Host, HostPort, Limits, Malformed, Message, Method,
    NameAddr, Params, RAck, Refresher, Salvaged, Scheme, SessionExpires, Uri, Via, default_reason,
    salvage, unfold, unquote,
};
pub use validate::{Violation, validate_request, validate_response};

// Transactions, dialogs and the endpoint: modules and re-exports below this line.
pub mod auth;
mod dialog;
mod endpoint;
mod head;
pub mod locate;
mod owner;
mod random;
mod stamp;
mod text;
mod transaction;
pub mod wheel;

pub use dialog::{Dialog, DialogError, DialogId, DialogInput, DialogState, RequestTarget};
pub use endpoint::{Endpoint, EndpointCounters};
pub use head::essential_head;
pub use owner::{
    MAGIC_COOKIE, OWNER_TAG_CHARS, OwnerTag, branch_owner, call_id_hash, call_id_of, is_response,
    owner_of_message, start_line_of,
};
pub use random::{Random, StepRandom};
pub use text::{push_address, push_ip, push_number};
pub use transaction::{
    ClientKey, Full, Gone, OpenInvite, Overflow, Precedence, SendOptions, ServerKey, TimerConfig,
    TransactionConfig, TransactionCounters, TransactionEvent, Transactions, Transmit, with_branch,
};
pub use wheel::{TimerId, TimerWheel};

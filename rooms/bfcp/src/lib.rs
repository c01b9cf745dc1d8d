//! Who may share slides in a meeting: floor control by BFCP (RFC 8855), pure.
//!
//! [`Message`] is what passes; [`Framer`] cuts it out of TCP, [`Datagrams`] carries it over UDP (version 2:
//! acknowledgements, repetition, fragments). [`FloorServer`] is one conference's floor control server,
//! [`FloorClient`] a participant's side of it. [`Associations`] says which of what comes over a node's sockets is
//! which call's. [`sdp`] reads and answers the line of a description
//! (RFC 8856).
#![forbid(unsafe_code)]

mod associations;
mod attribute;
mod client;
mod datagrams;
mod framer;
mod message;
pub mod sdp;
mod server;

pub use associations::{
    Action, Admission, Associations, BURST, LinkId, MAX_ASSOCIATIONS, MAX_LINKS,
    MAX_LINKS_OF_SOURCE, PATIENCE, PER_SECOND, Tally,
};
pub use attribute::{Attribute, ErrorCode, Priority, RequestStatus};
pub use client::{ClientEvent, FloorClient};
pub use datagrams::{
    Datagrams, MAX_DATAGRAM, MAX_QUEUED, Received, SEND_ATTEMPTS, T1, T2, TransactionFailed,
};
pub use framer::Framer;
pub use message::{
    ATTRIBUTES, HEADER_BYTES, Header, MAX_MESSAGE, Message, ParseError, Primitive,
    VERSION_RELIABLE, VERSION_UNRELIABLE,
};
pub use server::{
    Busy, FloorEvent, FloorPolicy, FloorServer, MAX_FLOORS, MAX_REQUESTS, MAX_REQUESTS_OF_USER,
    MAX_USERS, Outgoing, RequestId, TooMany, UserId,
};

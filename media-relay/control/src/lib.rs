//! The control channel between an edge and media relays in processes of their own: the messages of
//! [`model::MediaCommand`] and [`model::MediaEvent`] over TLS 1.3, in both directions numbered,
//! acknowledged and repeated after a broken connection.
//!
//! [`Relays`] is what an edge holds, [`Edges`] what a relay holds; both are told the time and do no
//! I/O. [`connect`] and [`serve`] run them over sockets.

mod delivery;
mod edges;
mod frame;
mod link;
mod message;
mod relays;
mod seal;
mod shell;
mod tls;

#[cfg(test)]
mod tests;

pub use edges::{EdgeStatus, Edges, EdgesConfig};
pub use frame::{FRAME_MAX, FrameError, Frames};
pub use link::LinkStatus;
pub use message::{
    Claim, EdgeBody, EdgeHello, Frame, Greeting, HELD_MAX, Malformed, Purpose, RelayBody,
    RelayHello, VERSION, decode, decode_opening, encode, encode_opening,
};
pub use relays::{Claimed, Relays, RelaysConfig};
pub use seal::SealKey;
pub use shell::{
    AskConfig, ClientConfig, Connected, Heartbeat, Served, ServerConfig, ask_seals, connect, probe,
    serve,
};
pub use tls::{Credentials, PeerName, Trust, TrustError, fingerprint_text, parse_fingerprint};

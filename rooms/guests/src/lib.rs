//! Browser guests of meeting rooms.
//!
//! A page is served that calls a room as any device does: SIP over a WebSocket (RFC 7118), ICE,
//! DTLS-SRTP. Beside its call it has a channel of texts, which tells who is there and takes what the
//! guest wants done; it belongs to that call by a key that the page has drawn ([`KeyDigest`]).
//!
//! [`Channels`] is pure: it has no socket and no clock, and is held by whoever holds the rooms.
//! [`Guests`] is the server, on a thread of its own; every connection, message, time and rate has a
//! bound, and it holds no more of a connection than what is being read and written.

mod asked;
mod channels;
mod clock;
mod counters;
mod page;
mod places;
mod room_socket;
mod server;
mod sip_socket;
mod sockets;
mod upgrade;
mod view;

pub use asked::{Asked, BadAsk, Request};
pub use channels::{ChannelId, Channels, FromGuest, KeyDigest, Outgoing};
pub use counters::GuestCounters;
pub use server::{Guests, GuestsConfig, RoomsPort};
pub use upgrade::{Wanted, accept as accept_web_socket};

/// The header field of an INVITE that has the digest of the channel's key.
pub const KEY_HEADER: &str = "X-Guest-Key";

/// The header field of an INVITE by which a page comes back, with the digest of the key of the call that it has lost.
/// What has ended for that is not begun again: the answer is 410.
pub const BEFORE_HEADER: &str = "X-Guest-Before";

/// The header field of an INVITE that has the language of the page, as [`room_core::Language`] writes it.
pub const LANGUAGE_HEADER: &str = "X-Guest-Language";

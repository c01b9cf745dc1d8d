//! Session descriptions (RFC 8866) and what a back-to-back user agent does with them: it anchors
//! the audio stream of an offer or answer (RFC 3264), and the lines beside it that it is told of, at
//! its own media relay and declines the rest.
//!
//! Nothing here opens a socket, reads a clock or draws a random number. Codecs pass end to end,
//! unless audio is transcoded, so the description that one leg receives is the description that the other leg sent, with origin,
//! addresses and ports replaced and everything that would reveal the other network taken out.
//!
//! - [`SessionDescription`] reads and writes a body; [`extract_sdp`] finds it in a multipart body.
//! - [`AudioStream`] is what a description says about the stream that is relayed.
//! - [`SessionDescription::lines`] are those beside it: video, text, floor control.
//! - [`anchor`] and [`anchor_lines`] write the description for the other leg; [`OriginState`] keeps its `o=` version.
//! - [`renewed`] makes a leg's description the offer to another far end.
//! - [`SessionDescription::with_events`] and [`SessionDescription::without_events`] are for legs that
//!   say in different ways that a key was pressed.
//! - [`Encryption`] is a leg's policy, [`CryptoAttribute`] a line of keys (RFC 4568), and
//!   [`leg_security`] what two descriptions agreed on.
//! - [`DtlsAttributes`] and [`IceAttributes`] are what a description says of keys from a handshake
//!   (RFC 5763) and of connectivity checks (RFC 8839).
//! - [`with_formats`] offers formats that the relay can make, [`in_formats_of`] answers in those that
//!   were offered, and [`transcoding`] is what the relay is to do then.
//! - [`SessionDescription::recordable`] and [`SessionDescription::heard`] are for a recording server
//!   (RFC 7866), which takes lines and sends nothing.
//! - [`SessionDescription::in_room`] and [`SessionDescription::spoken_in_room`] are for a meeting room,
//!   [`SessionDescription::room_pictures`] are the lines of pictures that it takes, and [`room_lines`]
//!   says what becomes of each line there.
//! - [`media_plan_leg`] turns both descriptions of a leg into the relay's [`model::LegPlan`].
#![forbid(unsafe_code)]

mod anchor;
mod audio;
mod crypto;
mod description;
mod direction;
mod dtls;
mod error;
mod events;
mod extended_reports;
mod floor;
mod ice;
mod leg_crypto;
mod leg_dtls;
mod lines;
mod multipart;
mod plan;
mod profile;
mod recorded;
mod renew;
mod room;
mod scrub;
mod transcoding;
mod write;

pub use anchor::{AnchorOptions, Origin, OriginState, RecordState, Role, anchor, anchor_lines};
pub use audio::AudioStream;
pub use crypto::{CryptoAttribute, CryptoFault, FecOrder, SessionParameter};
pub use description::{Limits, SessionDescription, same_media};
pub use direction::Direction;
pub use dtls::{DtlsAttributes, Setup};
pub use error::{Malformed, SdpError};
pub use floor::{FloorLine, SLIDES_FLOOR, agreed_floor};
pub use ice::IceAttributes;
pub use leg_crypto::leg_security;
pub use lines::{FurtherLine, LinePair, LineStream, line_pairs};
pub use multipart::{extract_part, extract_sdp, with_sdp};
pub use plan::media_plan_leg;
pub use profile::{Encryption, RtpProfile};
pub use renew::renewed;
pub use room::{BundledRoomLine, PictureTerms, RoomBundle, RoomPicture, room_lines};
pub use transcoding::{Making, in_formats_of, transcoding, with_formats};

//! What may be chosen about written descriptions.

use super::RecordState;
use crate::floor::FloorLine;
use crate::room::RoomBundle;

/// What an operator may choose about written descriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorOptions {
    /// The `s=` line; "-" has no meaning, as RFC 8866 section 5.3 recommends.
    pub session_name: String,
    /// Whether the streams are recorded here, for a leg that wants to know (`a=record`, RFC 7866
    /// section 7.2); `None` says nothing of it, and what the other leg says passes.
    pub recorded: Option<RecordState>,
    /// The line of floor control of the offer that is answered, or of the offer itself, which it has beside one
    /// of slides. All others are declined.
    pub floor: Option<FloorLine>,
    /// The lines that share a transport in an answer, where they are taken: that of the first one, which is the main
    /// line (RFC 9143 section 7.3).
    pub bundle: Option<RoomBundle>,
}

impl Default for AnchorOptions {
    fn default() -> Self {
        AnchorOptions { session_name: "-".to_owned(), recorded: None, floor: None, bundle: None }
    }
}

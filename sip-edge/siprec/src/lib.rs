//! Metadata of recorded calls (RFC 7865): what a session recording client tells of whom it records,
//! read and written.
//!
//! - [`Metadata::read`] takes a document of any recording client, of the RFC or of one of its drafts;
//!   what it does not know (extensions of vendors) it passes over.
//! - [`Metadata::update`] takes the next one, complete or partial.
//! - [`Metadata::sender_of`] is what they are read for: who speaks in the stream with a label.
//! - [`Metadata::write`] makes the document of a recording client of ours, with ids by [`id_of`].
//!
//! Whoever can send a SIP message can send a document. No entity but the five of XML is expanded, no
//! document type is taken, and size, depth and number of everything have bounds.
#![forbid(unsafe_code)]

mod fault;
mod id;
mod metadata;
mod pull;
mod read;
mod time;
mod write;

pub use fault::MetadataFault;
pub use id::id_of;
pub use metadata::{
    CommunicationSession, DataMode, Group, Membership, Metadata, NameId, Participant,
    ParticipantStreams, Stream, Times,
};

/// The media type of metadata (RFC 7866 section 12.1).
pub const MEDIA_TYPE: &str = "application/rs-metadata+xml";
/// The XML namespace of metadata (RFC 7865 section 11.1).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:recording:1";

/// Larger documents are refused: more than a UDP datagram holds.
pub const MAX_BYTES: usize = 65_536;
/// What several documents say together has fewer octets.
pub const MAX_TOGETHER: usize = 4 * MAX_BYTES;
/// Elements inside each other.
pub const MAX_DEPTH: usize = 16;
/// Entries of one kind: participants, streams and so on.
pub const MAX_ENTRIES: usize = 256;
/// Characters of a value; what is longer is cut.
pub const MAX_VALUE: usize = 1_024;
/// Attributes of an element.
pub const MAX_ATTRIBUTES: usize = 32;

#[cfg(test)]
mod tests;

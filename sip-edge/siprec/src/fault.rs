//! What is wrong with a document.

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::fmt;

/// Why a document is not read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum MetadataFault {
    /// It is no well-formed XML 1.0 in UTF-8.
    Malformed,
    /// It is XML, and no `recording` element (RFC 7865).
    NotMetadata,
    /// It has a document type, which could name files and addresses, or make a document grow.
    DocumentType,
    /// It names an entity other than the five of XML.
    Entity,
    /// It has more octets than [`MAX_BYTES`](crate::MAX_BYTES), or with those before it more than
    /// [`MAX_TOGETHER`](crate::MAX_TOGETHER).
    TooLarge,
    /// Its elements are deeper inside each other than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// It has more than [`MAX_ENTRIES`](crate::MAX_ENTRIES) of a kind, or an element has more than
    /// [`MAX_ATTRIBUTES`](crate::MAX_ATTRIBUTES).
    TooMany,
}

impl MetadataFault {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            MetadataFault::Malformed => "malformed",
            MetadataFault::NotMetadata => "not_metadata",
            MetadataFault::DocumentType => "document_type",
            MetadataFault::Entity => "entity",
            MetadataFault::TooLarge => "too_large",
            MetadataFault::TooDeep => "too_deep",
            MetadataFault::TooMany => "too_many",
        }
    }
}

impl fmt::Display for MetadataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MetadataFault::Malformed => "it is no well-formed XML in UTF-8",
            MetadataFault::NotMetadata => "it is no recording element of RFC 7865",
            MetadataFault::DocumentType => "it has a DOCTYPE, which is not taken",
            MetadataFault::Entity => "it has an entity, and only the five of XML are taken",
            MetadataFault::TooLarge => {
                "it has more than 65,536 octets, or with those before it 262,144"
            }
            MetadataFault::TooDeep => "its elements are more than 16 deep",
            MetadataFault::TooMany => "it has more than 256 entries of a kind, or 32 attributes",
        })
    }
}

impl Error for MetadataFault {}

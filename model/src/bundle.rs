//! Lines that share one transport (BUNDLE, RFC 9143).

use crate::MediaId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Octets of the longest `a=mid` of a line that shares its transport (RFC 8843 section 15 has one or two):
/// what an element of a header extension with a head of one octet holds.
pub const LONGEST_MID: usize = 16;

/// How a stream shares the transport of leg A with others: that leg's ports, path and keys are one stream's,
/// and what comes there is given to the stream that it is for. Leg B has no part in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BundledLine {
    /// The stream whose transport it is, on the same worker: this one itself, or another one of the call.
    pub on: MediaId,
    /// `a=mid`, 1 to [`LONGEST_MID`] octets.
    pub mid: Arc<str>,
    /// The number of the header extension in which packets of the line say that (RFC 9143 section 15), both
    /// ways; `None` where that was not agreed.
    pub mid_extension: Option<u8>,
}

//! The methods of SIP that have a name in metrics and traces; peers cannot make names of their own.

/// RFC 3261 and its extensions.
pub(crate) const NAMES: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "INFO",
    "PRACK",
    "UPDATE",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
];

/// Where `method` stands in [`NAMES`], as it came from the wire (RFC 3261 section 7.1: case matters).
pub(crate) fn position(method: &[u8]) -> Option<usize> {
    NAMES.iter().position(|name| name.as_bytes() == method)
}

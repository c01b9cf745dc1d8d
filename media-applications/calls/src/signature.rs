//! What proves to an application that a request is ours.

use aws_lc_rs::hmac;
use model::{Secret, UnixTime};
use std::fmt::Write as _;

/// The header field of the signature.
pub const SIGNATURE_HEADER: &str = "x-tandem-signature";

/// The value of the header field: `t=SECONDS,v1=HEX`, where `HEX` is the HMAC-SHA256 of the seconds, a
/// dot and the body, by the application's secret.
pub fn sign(secret: &Secret, time: UnixTime, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    let seconds = time.as_secs().to_string();
    context.update(seconds.as_bytes());
    context.update(b".");
    context.update(body.as_bytes());
    let mut value = format!("t={seconds},v1=");
    for octet in context.sign().as_ref() {
        let _ = write!(value, "{octet:02x}");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another implementation's: `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac open-sesame`.
    #[test]
    fn a_signature_is_the_hmac_of_time_and_body() {
        let secret = Secret::new("open-sesame");
        let value = sign(&secret, UnixTime::from_millis(1_700_000_000_999), "{\"a\":1}");
        assert_eq!(
            value,
            "t=1700000000,v1=fe178b8b4871d0c3cea950fa350f158cb993504744ee5fd8af6694ddc680f5b7"
        );
    }
}

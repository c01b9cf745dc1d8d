//! Requests signed as a client would sign them (signature version 4).

use aws_lc_rs::{digest, hmac};
use std::fmt::Write as _;

/// When the requests that are handled in process are made.
pub(crate) const TIME: &str = "20260102T030405Z";

/// Signs with one key at one time for one service of one host.
pub(crate) struct Signer {
    id: String,
    key: hmac::Tag,
    /// In the form of [`TIME`].
    time: String,
    scope: String,
    host: String,
}

impl Signer {
    /// `time` is in the form of [`TIME`]; `host` is as the request says it.
    pub(crate) fn new((id, secret): (&str, &str), time: &str, service: &str, host: &str) -> Self {
        let day = time.get(..8).unwrap_or_default();
        let mut key = sign(format!("AWS4{secret}").as_bytes(), day.as_bytes());
        for part in ["us-east-1", service, "aws4_request"] {
            key = sign(key.as_ref(), part.as_bytes());
        }
        Signer {
            id: id.to_owned(),
            key,
            time: time.to_owned(),
            scope: format!("{day}/us-east-1/{service}/aws4_request"),
            host: host.to_owned(),
        }
    }

    /// The headers of a request; its query is in the order of names already.
    pub(crate) fn headers(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> Vec<(String, String)> {
        let Signer { id, key, time, scope, host } = self;
        let path = path.replace('%', "%25");
        let request = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-date:{time}\n\nhost;x-amz-date\n{}",
            hex(digest::digest(&digest::SHA256, body).as_ref())
        );
        let request = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
        let signature = hex(sign(key.as_ref(), text.as_bytes()).as_ref());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=host;x-amz-date, \
             Signature={signature}"
        );
        [("host", host.as_str()), ("x-amz-date", time), ("authorization", &authorization)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    }
}

/// A time of UTC in the form of [`TIME`].
pub(crate) fn amz_time(seconds: u64) -> String {
    let (day, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, date) = civil(day);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{date:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Year, month and day of a day since 1970, counted in eras of 400 years that begin in March.
fn civil(day: u64) -> (u64, u64, u64) {
    let from_march = day + 719_468;
    let (era, of_era) = (from_march / 146_097, from_march % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, date)
}

fn sign(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, time) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_767_323_045, TIME),
            (1_798_761_599, "20261231T235959Z"),
        ] {
            assert_eq!(amz_time(seconds), time);
        }
    }
}

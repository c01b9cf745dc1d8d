//! What a service answered to a request that it did not take.

use serde_json::Value;
use std::time::Duration;

/// Octets of an answer that are read; AWS's are a few hundred.
pub(crate) const MOST_BYTES: usize = 262_144;
/// Octets of a service's message that are put into a log line.
const MOST_MESSAGE: usize = 400;

/// An answer of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The header `x-amzn-errortype`.
    pub(crate) error_type: Option<String>,
    /// The header `x-amz-bucket-region`, which S3 has in refusals too.
    pub(crate) bucket_region: Option<String>,
    /// What S3 tells of an object.
    pub(crate) object: ObjectHeaders,
    pub(crate) body: Vec<u8>,
}

/// Header fields about an object of S3, as they came.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct ObjectHeaders {
    pub(crate) etag: Option<String>,
    /// `x-amz-checksum-sha256`.
    pub(crate) checksum: Option<String>,
    pub(crate) length: Option<u64>,
}

/// An error as a service names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServiceError {
    /// Of HTTP.
    pub status: u16,
    /// Without a namespace, for example `ThrottlingException`; printable; empty when nothing names it.
    pub code: String,
    /// Printable, at most 400 octets; may be empty.
    pub message: String,
    /// What the service asks to wait.
    pub retry_after: Option<Duration>,
}

impl ServiceError {
    /// From the header that names it, JSON (`__type`, `code`) or XML; pure, whatever the body is.
    pub fn read(
        status: u16,
        error_type: Option<&str>,
        retry_after: Option<Duration>,
        body: &[u8],
    ) -> Self {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let text = String::from_utf8_lossy(body);
        let of_json = |names: [&str; 2]| {
            let json = json.as_ref()?;
            names.iter().find_map(|name| Some(json.get(name)?.as_str()?.to_owned()))
        };
        let code = error_type.map(str::to_owned);
        let code = code.or_else(|| of_json(["__type", "code"]));
        let code = code.or_else(|| element(&text, "Code")).unwrap_or_default();
        let message = of_json(["message", "Message"]).or_else(|| element(&text, "Message"));
        ServiceError {
            status,
            code: printable(plain_code(&code)),
            message: printable(&message.unwrap_or_default()),
            retry_after,
        }
    }
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The text of the first XML element of this name, printable; `None` where there is none.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        element(&String::from_utf8_lossy(&self.body), name).map(|text| printable(text.trim()))
    }

    /// The error of an answer that is no success.
    pub(crate) fn error(&self) -> ServiceError {
        let error_type = self.error_type.as_deref();
        ServiceError::read(self.status, error_type, self.retry_after, &self.body)
    }
}

/// `com.amazonaws.logs#ThrottlingException:http://…` names a `ThrottlingException`.
fn plain_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}

/// The text of the first XML element of this name.
pub(crate) fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.to_owned())
}

/// Without control characters, cut off at [`MOST_MESSAGE`] octets.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() + c.len_utf8() > MOST_MESSAGE {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error_type: Option<&str>, body: &str) -> ServiceError {
        let error_type = error_type.map(str::to_owned);
        let body = body.into();
        let (status, retry_after, bucket_region) = (400, None, None);
        let object = ObjectHeaders::default();
        Answer { status, retry_after, error_type, bucket_region, object, body }.error()
    }

    #[test]
    fn errors_of_every_protocol_are_named() {
        let json = answer(
            None,
            r#"{"__type":"com.amazonaws.logs#InvalidParameterException","message":"m"}"#,
        );
        assert_eq!((json.code.as_str(), json.message.as_str()), ("InvalidParameterException", "m"));
        let header = answer(Some("ThrottlingException:http://internal/"), "{}");
        assert_eq!(header.code, "ThrottlingException");
        let xml = answer(
            None,
            "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>The bucket</Message></Error>",
        );
        assert_eq!((xml.code.as_str(), xml.message.as_str()), ("NoSuchBucket", "The bucket"));
        let page = answer(None, "<html>Bad gateway");
        assert_eq!((page.code.as_str(), page.message.as_str()), ("", ""));
    }

    #[test]
    fn a_message_fits_a_log_line() {
        let long = answer(None, &format!("{{\"message\":\"a\\nb{}\"}}", "ü".repeat(1_000)));
        assert!(long.message.starts_with("a b"));
        assert!(long.message.len() <= MOST_MESSAGE + '…'.len_utf8());
    }

    proptest::proptest! {
        #[test]
        fn no_answer_is_beyond_understanding(
            status in 0u16..600,
            error_type in proptest::option::of(".{0,40}"),
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600),
        ) {
            let (retry_after, bucket_region, object) = (None, None, ObjectHeaders::default());
            let answer = Answer { status, retry_after, error_type, bucket_region, object, body };
            let error = answer.error();
            proptest::prop_assert!(error.message.len() <= MOST_MESSAGE + '…'.len_utf8());
            proptest::prop_assert!(!error.message.chars().chain(error.code.chars()).any(char::is_control));
        }
    }
}

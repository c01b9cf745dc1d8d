//! STS's GetCallerIdentity, which tells a client whose key it has: the query protocol, answered in
//! XML (apiVersion 2011-06-15).

use crate::encoding::{decoded_pairs, form_fields, value_of};
use crate::error::{ApiError, ErrorKind};
use crate::request::Request;
use std::fmt::Write as _;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Whether a request is for STS: every one to `/` is.
pub(crate) fn is_for_sts(request: &Request<'_>) -> bool {
    request.path == "/"
}

/// The action that is asked for: in the form of a POST, in the query of a GET or of what was presigned.
pub(crate) fn action(request: &Request<'_>) -> Result<String, ApiError> {
    let pairs = match (request.method, request.body) {
        ("GET" | "POST", []) => decoded_pairs(request.query),
        ("POST", form) => form_fields(form),
        _ => None,
    };
    let action = pairs.as_deref().and_then(|pairs| value_of(pairs, "Action"));
    match action {
        Some(action) => Ok(action.to_owned()),
        None => Err(ApiError::new(ErrorKind::UnknownOperation, "no Action is asked for")),
    }
}

/// The refusal of every other action.
pub(crate) fn unknown(action: &str) -> ApiError {
    let message = format!(
        "Could not find operation {action} for version 2011-06-15: Tandem serves GetCallerIdentity"
    );
    ApiError::new(ErrorKind::UnknownOperation, message)
}

pub(crate) fn caller_identity(arn: &str, user: &str, account: &str, request_id: &str) -> String {
    let (arn, user, account) = (escaped(arn), escaped(user), escaped(account));
    format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult>\
         <Arn>{arn}</Arn><UserId>{user}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></GetCallerIdentityResponse>\n"
    )
}

pub(crate) fn refusal(error: &ApiError, request_id: &str) -> String {
    let kind = if error.kind.status() < 500 { "Sender" } else { "Receiver" };
    let (code, message) = (error.kind.query_code(), escaped(&error.message));
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>\n"
    )
}

/// Characters that XML cannot hold become U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_sent_stays_text() {
        let error = unknown("<a>&\u{0}\n");
        let told = refusal(&error, "r");
        assert!(told.contains("operation &lt;a&gt;&amp;\u{fffd}&#10; for"), "{told}");
        assert!(told.contains("<Code>InvalidAction</Code>"));
    }
}

//! The canonical form of a request, which is what is signed.

use crate::encoding::{percent_decoded, percent_encode, query_pairs};
use crate::request::Request;
use std::borrow::Cow;

/// How the query is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Query {
    /// Decoded and encoded again, as AWS's rules have it.
    Normalised,
    /// As it was sent, sorted: signers that are given a whole address do so.
    AsSent,
}

/// The canonical request; `None` when a signed header is not there.
pub(super) fn canonical_request(
    request: &Request<'_>,
    signed_headers: &[String],
    query: Query,
    body: &str,
) -> Option<String> {
    let mut text = format!("{}\n{}\n", request.method, canonical_path(request.path));
    canonical_query(request.query, query, &mut text);
    text.push('\n');
    for name in signed_headers {
        text.push_str(name);
        text.push(':');
        let mut values = request.headers.iter().filter(|(each, _)| each == name).peekable();
        values.peek()?;
        for (n, (_, value)) in values.enumerate() {
            if n > 0 {
                text.push(',');
            }
            for (n, word) in value.split_ascii_whitespace().enumerate() {
                if n > 0 {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&signed_headers.join(";"));
    text.push('\n');
    text.push_str(body);
    Some(text)
}

/// The path without dot segments and doubled slashes, encoded once more than it was sent.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 16);
    for segment in &segments {
        canonical.push('/');
        percent_encode(segment.as_bytes(), b"", &mut canonical);
    }
    if segments.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

fn canonical_query(query: &str, form: Query, text: &mut String) {
    let written = |part: &'_ str| match form {
        Query::AsSent => part.to_owned(),
        Query::Normalised => {
            let mut written = String::with_capacity(part.len());
            percent_encode(&percent_decoded(part), b"", &mut written);
            written
        }
    };
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = query_pairs(query)
        .filter(|(name, _)| *name != "X-Amz-Signature")
        .map(|(name, value)| (written(name).into(), written(value).into()))
        .collect();
    pairs.sort();
    for (n, (name, value)) in pairs.iter().enumerate() {
        if n > 0 {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_once_more() {
        for (path, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("/phone-numbers/%2B1", "/phone-numbers/%252B1"),
            ("/a//b/../c/./d", "/a/c/d"),
            ("/../..", "/"),
            ("/a/", "/a/"),
            ("/a b~é", "/a%20b~%C3%A9"),
        ] {
            assert_eq!(canonical_path(path), canonical, "{path}");
        }
    }

    #[test]
    fn a_query_is_sorted_by_its_encoded_form() {
        let written = |query, form| {
            let mut text = String::new();
            canonical_query(query, form, &mut text);
            text
        };
        let query = "b=2&a=%7e&a=+1&b=&c&X-Amz-Signature=ff&&%C3%A9=x";
        assert_eq!(written(query, Query::Normalised), "%C3%A9=x&a=%2B1&a=~&b=&b=2&c=");
        assert_eq!(written(query, Query::AsSent), "%C3%A9=x&a=%7e&a=+1&b=&b=2&c=");
    }
}

//! The page: its files are in the binary, and it loads nothing from anywhere else.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// Nothing but what is served here runs or is loaded, and no other page frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; media-src 'self' blob: mediastream:; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";
const PICTURE: &str = "image/svg+xml";

/// Path, kind and content.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("../page/index.html")),
    ("/app.js", SCRIPT, include_str!("../page/app.js")),
    ("/awake.js", SCRIPT, include_str!("../page/awake.js")),
    ("/call.js", SCRIPT, include_str!("../page/call.js")),
    ("/chat.js", SCRIPT, include_str!("../page/chat.js")),
    ("/devices.js", SCRIPT, include_str!("../page/devices.js")),
    ("/elements.js", SCRIPT, include_str!("../page/elements.js")),
    ("/here.js", SCRIPT, include_str!("../page/here.js")),
    ("/joining.js", SCRIPT, include_str!("../page/joining.js")),
    ("/meeting.js", SCRIPT, include_str!("../page/meeting.js")),
    ("/panels.js", SCRIPT, include_str!("../page/panels.js")),
    ("/people.js", SCRIPT, include_str!("../page/people.js")),
    ("/pictures.js", SCRIPT, include_str!("../page/pictures.js")),
    ("/room.js", SCRIPT, include_str!("../page/room.js")),
    ("/sharing.js", SCRIPT, include_str!("../page/sharing.js")),
    ("/sip.js", SCRIPT, include_str!("../page/sip.js")),
    ("/sound.js", SCRIPT, include_str!("../page/sound.js")),
    ("/texts.js", SCRIPT, include_str!("../page/texts.js")),
    ("/words.js", SCRIPT, include_str!("../page/words.js")),
    ("/style.css", STYLE, include_str!("../page/style.css")),
    ("/icon.svg", PICTURE, include_str!("../page/icon.svg")),
];

/// What is at a path; `host` is the rooms' name, and `grid` whether pictures of all at once are composed.
pub(crate) fn file(path: &str, host: &str, grid: bool) -> Option<Response<Full<Bytes>>> {
    if path == "/config.json" {
        let text = serde_json::json!({ "host": host, "grid": grid }).to_string();
        return Some(answer(StatusCode::OK, JSON, Bytes::from(text)));
    }
    let (_, kind, content) = FILES.iter().find(|(known, ..)| *known == path)?;
    Some(answer(StatusCode::OK, kind, Bytes::from_static(content.as_bytes())))
}

/// An error in words.
pub(crate) fn error(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", Bytes::from_static(words.as_bytes()))
}

fn answer(status: StatusCode, kind: &'static str, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(content));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("content-security-policy", POLICY),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "camera=(self), microphone=(self), display-capture=(self)"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_all_that_it_loads_and_nothing_of_others() {
        let known = |path: &str| FILES.iter().any(|(known, ..)| *known == path);
        for (path, _, content) in FILES {
            for quoted in content.split(['"', '\'']).skip(1).step_by(2) {
                let relative = quoted.trim_start_matches("./");
                let is_file = [".js", ".css", ".svg"].iter().any(|end| relative.ends_with(end));
                assert!(!is_file || known(&format!("/{relative}")), "{path}: {quoted}");
                assert!(!quoted.starts_with("//"), "{path}: {quoted}");
                let other = quoted.contains("://") && !quoted.contains("www.w3.org");
                assert!(!other, "{path} names another place: {quoted}");
            }
            // What the policy on content would not let pass.
            for inline in ["<script>", "style=\"", "onclick=", "javascript:", "<style"] {
                assert!(!content.contains(inline), "{path}: {inline}");
            }
        }
        assert!(
            file("/index.php", "h", true).is_none() && file("/../Cargo.toml", "h", true).is_none()
        );
    }

    #[test]
    fn every_answer_has_the_policy() {
        for answer in [file("/", "h", true).unwrap(), error(StatusCode::NOT_FOUND, "no")] {
            let policy = answer.headers().get("content-security-policy").unwrap();
            assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
        }
    }
}

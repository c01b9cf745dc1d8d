//! The page holds everything itself, and nothing that a peer sent is markup in it.

use super::*;
use crate::report::because::faults::{Dice, FAULTS, clean};
use crate::report::tests::{good_call, rung};

/// Names of all elements, and that each that is opened is closed in its turn.
fn elements(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed out of turn");
        } else {
            all.push(name.to_owned());
            if !tag.ends_with('/') && !matches!(name, "meta" | "!doctype") {
                open.push(name.to_owned());
            }
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    all
}

const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>&\u{202e}\x1b[2J";

#[test]
fn nothing_of_a_peer_is_markup() {
    let plain = elements(&explain_html(&good_call()));
    let mut call = good_call();
    for text in [
        &mut call.from_user,
        &mut call.to_user,
        &mut call.call_id,
        &mut call.source,
        &mut call.node,
        &mut call.transaction_id,
        &mut call.end.cause,
        &mut call.routes[0].destination,
    ] {
        *text = HOSTILE.to_owned();
    }
    call.routes[0].protocol = HOSTILE.to_owned();
    call.routes[0].carrier = Some(HOSTILE.to_owned());
    for message in &mut call.ladder {
        message.start_line = format!("{} {HOSTILE}", message.start_line);
    }
    for quality in call.quality.iter_mut().flatten() {
        quality.codec = Some(HOSTILE.to_owned());
    }
    let page = explain_html(&call);
    assert_eq!(elements(&page), plain, "no element more than without");
    assert!(!page.contains("<script") && !page.contains("<img") && page.contains("&lt;script&gt;"));
    assert!(!page.chars().any(|c| c == '\u{202e}' || c == '\x1b'));
    call.ladder[0].reason = Some(HOSTILE.to_owned());
    call.ladder[1].description = Some(crate::DescriptionRecord {
        codecs: vec![HOSTILE.to_owned()],
        address: HOSTILE.to_owned(),
        others: vec![HOSTILE.to_owned()],
        ..Default::default()
    });
    call.ladder.push(rung(80_000, HOSTILE, HOSTILE, HOSTILE));
    call.times.answered = None;
    call.end.refusal = Some(HOSTILE.to_owned());
    let page = explain_html(&call);
    assert!(!elements(&page).iter().any(|name| name == "script" || name == "img"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = explain_html(&good_call());
    for outside in ["http:", "https:", "url(", "@import", "src=", "href="] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("<polyline").count(), 6, "both sides in each plot");
}

#[test]
fn every_kind_of_call_is_a_whole_page() {
    for (position, (cause, inject)) in FAULTS.iter().enumerate() {
        let mut dice = Dice(position as u64);
        let mut call = clean(&mut dice);
        inject(&mut dice, &mut call);
        let page = explain_html(&call);
        elements(&page);
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{cause:?}");
    }
}

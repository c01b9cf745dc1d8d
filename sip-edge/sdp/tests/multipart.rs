//! A session description among other parts of a body.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use sdp::extract_sdp;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                   m=audio 4000 RTP/AVP 0\r\n";

fn mixed() -> String {
    format!(
        "preamble\r\n--edge\r\nContent-Type: application/isup;version=x\r\n\r\n\u{1}\u{2}\r\n\
         --edge\r\nContent-Type: Application/SDP\r\nContent-Disposition: session\r\n\r\n{SDP}\r\n\
         --edge--\r\nepilogue"
    )
}

#[test]
fn a_plain_body_is_itself() {
    assert_eq!(extract_sdp("application/sdp", SDP.as_bytes()), Some(SDP.as_bytes()));
    assert_eq!(extract_sdp("Application/SDP;charset=utf-8", b"v=0"), Some(&b"v=0"[..]));
    assert_eq!(extract_sdp("", b"v=0"), Some(&b"v=0"[..]));
    assert_eq!(extract_sdp("application/sdp", b""), None);
    assert_eq!(extract_sdp("text/plain", SDP.as_bytes()), None);
    assert_eq!(extract_sdp("multipart", SDP.as_bytes()), None);
}

#[test]
fn the_part_is_found_among_others() {
    for content_type in [
        "multipart/mixed;boundary=edge",
        "Multipart/Mixed; charset=x; Boundary=\"edge\"",
        "multipart/related ; boundary = edge",
    ] {
        let body = mixed();
        let found = extract_sdp(content_type, body.as_bytes()).expect(content_type);
        let description = support::description(found);
        assert_eq!(description.media_count(), 1);
        assert!(found.starts_with(b"v=0\r\n"));
        assert!(!found.windows(4).any(|w| w == b"edge"));
    }
}

#[test]
fn the_closing_delimiter_may_be_missing_but_not_the_boundary() {
    let body = mixed();
    let cut = body.split("--edge--").next().unwrap();
    assert!(extract_sdp("multipart/mixed;boundary=edge", cut.as_bytes()).is_some());
    assert_eq!(extract_sdp("multipart/mixed", body.as_bytes()), None);
    assert_eq!(extract_sdp("multipart/mixed;boundary=", body.as_bytes()), None);
    assert_eq!(extract_sdp("multipart/mixed;boundary=other", body.as_bytes()), None);
    let long = format!("multipart/mixed;boundary={}", "x".repeat(71));
    assert_eq!(extract_sdp(&long, body.as_bytes()), None);
}

#[test]
fn nothing_after_the_closing_delimiter_counts() {
    let body = format!(
        "--edge\r\nContent-Type: text/plain\r\n\r\nx\r\n--edge--\r\n\
         --edge\r\nContent-Type: application/sdp\r\n\r\n{SDP}"
    );
    assert_eq!(extract_sdp("multipart/mixed;boundary=edge", body.as_bytes()), None);
}

#[test]
fn parts_are_bounded() {
    let filler = "--edge\r\nContent-Type: text/plain\r\n\r\nx\r\n";
    let wanted = format!("--edge\r\nContent-Type: application/sdp\r\n\r\n{SDP}--edge--\r\n");
    let with = |count| filler.repeat(count) + &wanted;
    let find = |body: &str| extract_sdp("multipart/mixed;boundary=edge", body.as_bytes()).is_some();
    assert!(find(&with(15)));
    assert!(!find(&with(16)));
}

use super::*;
use proptest::prelude::*;

const OLD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n";
const NEW: &[u8] = b"v=0\r\nnew\r\n";

fn mixed(boundary: &str) -> String {
    format!(
        "preamble\r\n--{boundary}\r\nContent-Type: application/sdp\r\nContent-Length: 33\r\n\r\n\
         {OLD}\r\n--{boundary}\r\nContent-Type: application/ISUP;version=nxv3\r\n\
         Content-Disposition: signal;handling=required\r\n\r\n\u{1}\u{2}\r\n\r\n--{boundary}--\r\nbye"
    )
}

#[test]
fn only_the_description_is_replaced() {
    let (content_type, body) = ("multipart/mixed;boundary=b1", mixed("b1"));
    assert_eq!(extract_sdp(content_type, body.as_bytes()), Some(OLD.as_bytes()));
    let replaced = with_sdp(content_type, body.as_bytes(), Some(NEW)).unwrap();
    let expected = body.replace(OLD, "v=0\r\nnew\r\n").replace("Content-Length: 33\r\n", "");
    assert_eq!(String::from_utf8(replaced).unwrap(), expected);
}

#[test]
fn boundaries_are_read_as_rfc_2046_writes_them() {
    for (parameter, boundary) in [
        ("boundary=b1", "b1"),
        ("BOUNDARY=\"b1\"", "b1"),
        ("charset=\"a;boundary=x\"; boundary=b1", "b1"),
        ("boundary=\"gc0p4Jq0M2Yt08j34c0p:?\"", "gc0p4Jq0M2Yt08j34c0p:?"),
        ("boundary=\"a b\"", "a b"),
        ("boundary=\"a\\-b\"", "a-b"),
        ("boundary=b1;type=\"x\"", "b1"),
    ] {
        let content_type = format!("Multipart/Mixed; {parameter}");
        let body = mixed(boundary);
        let found = extract_sdp(&content_type, body.as_bytes());
        assert_eq!(found, Some(OLD.as_bytes()), "{parameter}");
    }
}

#[test]
fn what_is_no_boundary_finds_nothing() {
    let long = format!("boundary={}", "b".repeat(71));
    for parameter in [
        "",
        "boundary=",
        "boundary=\"\"",
        "boundary=\"b1",
        "boundary=b1\u{e9}",
        "boundary=\"b1 \"",
        &long,
        "b1",
    ] {
        let content_type = format!("multipart/mixed;{parameter}");
        assert_eq!(extract_sdp(&content_type, mixed("b1").as_bytes()), None, "{parameter}");
        assert_eq!(with_sdp(&content_type, mixed("b1").as_bytes(), Some(NEW)), None);
    }
}

#[test]
fn lines_that_look_like_delimiters_are_content() {
    let body = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ni=--b\r\n--bb\r\n--b x\r\n--b- \r\n\
                 --b\r\n--b  \t\r\nContent-Type: text/plain\r\n\r\n--b\r\n";
    // The padded delimiter counts (RFC 2046 section 5.1.1), the others that go on do not.
    let body = body.replace("\r\n--b\r\n--b  \t", "\r\n--b  \t");
    let sdp = extract_sdp("multipart/mixed;boundary=b", body.as_bytes()).unwrap();
    assert_eq!(sdp, b"v=0\r\ni=--b\r\n--bb\r\n--b x\r\n--b- ");
}

#[test]
fn a_description_inside_another_multipart_is_found_and_replaced() {
    let inner = mixed("inner");
    let body = format!(
        "--o\r\nContent-Type: application/pidf+xml\r\nContent-ID: <loc@a>\r\n\r\n<presence/>\r\n--o\r\n\
         Content-Type: multipart/alternative;boundary=\"inner\"\r\n\r\n{inner}\r\n--o--\r\n"
    );
    let content_type = "multipart/related;boundary=o";
    assert_eq!(extract_sdp(content_type, body.as_bytes()), Some(OLD.as_bytes()));
    let replaced = with_sdp(content_type, body.as_bytes(), Some(NEW)).unwrap();
    let expected = body.replace(OLD, "v=0\r\nnew\r\n").replace("Content-Length: 33\r\n", "");
    assert_eq!(String::from_utf8(replaced).unwrap(), expected);
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let mut body = mixed("b0");
    for level in 1..10 {
        let inner = level - 1;
        body = format!(
            "--b{level}\r\nContent-Type: multipart/mixed;boundary=b{inner}\r\n\r\n{body}\r\n--b{level}--\r\n"
        );
        let content_type = format!("multipart/mixed;boundary=b{level}");
        let found = extract_sdp(&content_type, body.as_bytes());
        assert_eq!(found.is_some(), level < MAX_DEPTH, "level {level}");
    }
    let many = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(MAX_PARTS);
    let late = format!("{many}--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--");
    assert_eq!(extract_sdp("multipart/mixed;boundary=b", late.as_bytes()), None);
}

#[test]
fn a_body_without_a_description_stays_when_none_takes_its_place() {
    let body = "--b\r\nContent-Type: application/ISUP\r\n\r\nx\r\n--b--\r\n";
    let content_type = "multipart/mixed;boundary=b";
    assert_eq!(with_sdp(content_type, body.as_bytes(), None).as_deref(), Some(body.as_bytes()));
    assert_eq!(with_sdp(content_type, body.as_bytes(), Some(NEW)), None);
    assert_eq!(with_sdp(content_type, mixed("b").as_bytes(), None), None);
    assert_eq!(with_sdp("application/sdp", OLD.as_bytes(), Some(NEW)), None);
    for cut in ["", "--b", "--b--", "--b--\r\n--b\r\n", "--b\r\n", "x"] {
        assert_eq!(extract_sdp(content_type, cut.as_bytes()), None, "{cut:?}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(content_type in "\\PC{0,80}", body in "(--b|\r\n|\n|-|b|Content-Type: |application/sdp|multipart/mixed;boundary=b|:|x){0,40}") {
        let _ = extract_sdp(&content_type, body.as_bytes());
        let fixed = "multipart/mixed;boundary=b";
        let found = extract_sdp(fixed, body.as_bytes()).map(<[u8]>::to_vec);
        let replaced = with_sdp(fixed, body.as_bytes(), Some(NEW));
        if let (Some(_), Some(replaced)) = (found, replaced) {
            prop_assert_eq!(extract_sdp(fixed, &replaced), Some(NEW));
        }
    }
}

#[test]
fn a_part_of_another_type_is_found_beside_the_description() {
    let kind = "multipart/mixed;boundary=b";
    let body = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b\r\n\
        Content-Type: Application/RS-Metadata+XML;charset=utf-8\r\n\
        Content-Disposition: recording-session\r\n\r\n<recording/>\r\n--b--\r\n";
    let wanted = "application/rs-metadata+xml";
    assert_eq!(extract_part(wanted, kind, body), Some(b"<recording/>".as_slice()));
    assert_eq!(extract_part(wanted, wanted, b"<recording/>"), Some(b"<recording/>".as_slice()));
    assert_eq!(extract_part(wanted, "application/sdp", body), None);
    assert_eq!(extract_part("application/pidf+xml", kind, body), None);
    assert_eq!(extract_part(wanted, wanted, b""), None);
}

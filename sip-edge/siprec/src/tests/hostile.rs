//! What somebody sends who means no good, or whose software is broken.

use super::{document, read};
use crate::{MAX_BYTES, MAX_VALUE, Metadata, MetadataFault};

fn fault(text: &str) -> MetadataFault {
    Metadata::read(text.as_bytes()).expect_err("a fault")
}

#[test]
fn no_document_type_is_taken() {
    let laughs = "<!DOCTYPE r [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
        <recording><session session_id=\"&b;\"/></recording>";
    let file = "<?xml version=\"1.0\"?><!DOCTYPE r SYSTEM \"file:///etc/passwd\"><recording/>";
    let inside = "<recording><!DOCTYPE r><datamode/></recording>";
    for text in [laughs, file, inside] {
        assert_eq!(fault(text), MetadataFault::DocumentType, "{text}");
    }
}

#[test]
fn no_entity_but_the_five_of_xml_is_expanded() {
    for text in [
        "<recording><stream stream_id=\"1\"><label>&x;</label></stream></recording>",
        "<recording><stream stream_id=\"&xxe;\"/></recording>",
        "<recording>&nbsp;</recording>",
    ] {
        assert_eq!(fault(text), MetadataFault::Entity, "{text}");
    }
    let five = "<recording><stream stream_id='1'><label>&lt;&gt;&amp;&quot;&apos;&#x41;&#66;\
        </label></stream></recording>";
    assert_eq!(read(five.as_bytes()).streams[0].label.as_deref(), Some("<>&\"'AB"));
    let characters =
        "<recording><stream stream_id='1'><label>&#x110000;</label></stream></recording>";
    assert_eq!(fault(characters), MetadataFault::Malformed);
}

#[test]
fn what_is_no_metadata_is_said_so() {
    for (text, expected) in [
        ("", MetadataFault::Malformed),
        ("recorded", MetadataFault::Malformed),
        ("<recording>", MetadataFault::Malformed),
        ("<recording><stream></recording>", MetadataFault::Malformed),
        ("<recording/><recording/>", MetadataFault::Malformed),
        ("<recording/>more", MetadataFault::Malformed),
        ("<recording><stream stream_id='1' stream_id='2'/></recording>", MetadataFault::Malformed),
        ("<record/>", MetadataFault::NotMetadata),
        ("<recording xmlns='urn:example:other'/>", MetadataFault::NotMetadata),
        ("<html><body/></html>", MetadataFault::NotMetadata),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
    assert_eq!(Metadata::read(b"<recording>\xff</recording>"), Err(MetadataFault::Malformed));
    assert_eq!(read(b"\xef\xbb\xbf<recording/>\r\n"), Metadata::default());
}

#[test]
fn size_has_a_bound_on_either_side() {
    let of = |length: usize| {
        let mut text = b"<recording></recording>".to_vec();
        text.resize(length, b' ');
        text
    };
    assert!(Metadata::read(&of(MAX_BYTES)).is_ok());
    assert_eq!(Metadata::read(&of(MAX_BYTES + 1)), Err(MetadataFault::TooLarge));
}

#[test]
fn depth_has_a_bound_on_either_side() {
    let of = |depth: usize| {
        let (open, close) = ("<x>".repeat(depth - 1), "</x>".repeat(depth - 1));
        format!("<recording>{open}{close}</recording>")
    };
    assert!(Metadata::read(of(16).as_bytes()).is_ok());
    assert_eq!(fault(&of(17)), MetadataFault::TooDeep);
    assert_eq!(fault(&of(9_000)), MetadataFault::TooDeep);
}

#[test]
fn numbers_have_bounds_on_either_side() {
    let streams = |count: usize| {
        let each: String = (0..count).map(|id| format!("<stream stream_id='{id}'/>")).collect();
        format!("<recording>{each}</recording>")
    };
    assert_eq!(read(streams(256).as_bytes()).streams.len(), 256);
    assert_eq!(fault(&streams(257)), MetadataFault::TooMany);
    let attributes = |count: usize| {
        let each: String = (0..count).map(|id| format!(" a{id}=''")).collect();
        format!("<recording><x{each}/></recording>")
    };
    assert!(Metadata::read(attributes(32).as_bytes()).is_ok());
    assert_eq!(fault(&attributes(33)), MetadataFault::TooMany);
    assert_eq!(fault(&attributes(5_000)), MetadataFault::TooMany);
}

#[test]
fn a_long_value_is_cut_between_characters() {
    let long = "ä".repeat(MAX_VALUE * 3);
    let text =
        format!("<recording><stream stream_id='{long}'><label>{long}</label></stream></recording>");
    let stream = &read(text.as_bytes()).streams[0];
    assert_eq!(stream.id.chars().count(), MAX_VALUE);
    assert_eq!(stream.label.as_ref().map(|label| label.chars().count()), Some(MAX_VALUE));
}

#[test]
fn a_prefix_that_nobody_declared_is_somebody_elses() {
    let text = "<recording><x:stream stream_id='1'/><y:z q:a='1'>t</y:z></recording>";
    assert_eq!(read(text.as_bytes()), Metadata::default());
}

#[test]
fn entries_without_an_id_are_passed_over() {
    let text = "<recording><session><start-time>2026-11-22T00:00:00Z</start-time></session>\
        <participant><nameID aor='sip:a@b'/></participant><stream><label>1</label></stream>\
        <group/><participantstreamassoc><send>1</send></participantstreamassoc>\
        <participantsessionassoc participant_id='1'/><sessionrecordingassoc/></recording>";
    assert_eq!(read(text.as_bytes()), Metadata::default());
}

#[test]
fn a_document_that_was_cut_off_anywhere_is_refused() {
    let whole = document!("rfc7865");
    let end = whole.len() - "</recording>\n".len();
    for length in 0..=end {
        assert!(Metadata::read(&whole[..length]).is_err(), "{length}");
    }
}

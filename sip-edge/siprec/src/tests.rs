//! Documents as clients write them, hostile ones, and properties.

mod hostile;
mod properties;

use crate::metadata::user_of;
use crate::{DataMode, MAX_VALUE, Metadata, MetadataFault, NameId, Participant};

macro_rules! document {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/corpus/siprec/",
            $name,
            ".xml"
        ))
        .as_slice()
    };
}
use document;

fn read(document: &[u8]) -> Metadata {
    Metadata::read(document).expect("a document")
}

fn users(metadata: &Metadata, labels: [&str; 2]) -> [Option<String>; 2] {
    let user = |label| metadata.sender_of(label).and_then(Participant::user).map(str::to_owned);
    labels.map(user)
}

#[test]
fn a_document_of_the_rfc_says_who_sends_what() {
    let metadata = read(document!("rfc7865"));
    assert_eq!(metadata.mode, DataMode::Complete);
    assert_eq!(metadata.labels().collect::<Vec<_>>(), ["96", "97"]);
    let seller = metadata.sender_of("96").expect("a sender");
    assert_eq!(seller.names[0].name.as_deref(), Some("Apples & Pears"));
    assert_eq!(
        users(&metadata, ["96", "97"]),
        [Some("+12065550100".to_owned()), Some("+12065550123".to_owned())]
    );
    let session = &metadata.communications[0];
    assert_eq!(session.group.as_deref(), Some("qv3Yt2o6RZ6h0wJ5m8S1Xg=="));
    assert_eq!(session.start.map(|time| time.as_secs()), Some(1_795_338_000));
    assert!(session.sip_session_ids[0].ends_with("remote=0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
    assert_eq!(metadata.groups.len(), 1);
    assert_eq!(metadata.recorded.len(), 1);
    assert_eq!(metadata.memberships.len(), 2);
    assert_eq!(metadata.participations[0].receives.len(), 1);
}

#[test]
fn documents_of_other_clients_say_who_sends_what() {
    for (document, labels, expected) in [
        (document!("cube"), ["1", "2"], ["+12065550100", "4000"]),
        (document!("oracle"), ["65804", "65805"], ["4000", "+12065550100"]),
        (document!("ribbon"), ["1", "2"], ["+12065550100", "+12065550123"]),
        (document!("audiocodes"), ["1", "2"], ["4000", "+12065550100"]),
        (document!("metaswitch"), ["caller", "callee"], ["+12065550100", "+12065550123"]),
    ] {
        let metadata = read(document);
        let expected = expected.map(|user| Some(user.to_owned()));
        assert_eq!(users(&metadata, labels), expected, "{metadata:#?}");
        assert!(metadata.communications[0].start.is_some());
    }
}

#[test]
fn extensions_are_passed_over_but_for_the_word_that_says_who_called() {
    let metadata = read(document!("oracle"));
    let called: Vec<_> = metadata.participants.iter().map(|p| p.is_caller).collect();
    assert_eq!(called, [Some(false), Some(true)]);
    let metadata = read(document!("ribbon"));
    assert_eq!(metadata.participants[0].is_caller, None);
    assert_eq!(
        read(document!("metaswitch")).participants[0].names[0].name.as_deref(),
        Some("René")
    );
    let name = &read(document!("audiocodes")).participants[0].names[0];
    assert_eq!(name.name.as_deref(), Some("Agent <4000>"));
}

#[test]
fn a_partial_document_changes_what_it_names() {
    let mut metadata = read(document!("rfc7865"));
    metadata.update(read(document!("partial"))).expect("room");
    assert_eq!(metadata.mode, DataMode::Complete);
    assert_eq!(metadata.participants.len(), 3);
    assert_eq!(
        users(&metadata, ["96", "97"]),
        [Some("+12065550100".to_owned()), Some("+12065550155".to_owned())],
        "the buyer's stream is the supervisor's now"
    );
    metadata.update(read(document!("cube"))).expect("room");
    assert_eq!(metadata, read(document!("cube")), "a complete one takes the place of all");
}

#[test]
fn updates_have_a_bound_and_change_nothing_beyond_it() {
    let with = |from: usize| Metadata {
        mode: DataMode::Partial,
        participants: (from..from + 200)
            .map(|id| Participant { id: id.to_string().into(), ..Participant::default() })
            .collect(),
        ..Metadata::default()
    };
    let mut metadata = Metadata::default();
    metadata.update(with(0)).expect("room for 200");
    assert_eq!(metadata.update(with(100)), Err(MetadataFault::TooMany));
    assert_eq!(metadata.participants.len(), 200);
    metadata.update(with(0)).expect("the same ones again");
    assert_eq!(metadata.participants.len(), 200);
}

#[test]
fn updates_have_a_bound_in_octets_too() {
    let name = || NameId { aor: "x".repeat(MAX_VALUE).into(), name: None };
    let with = |id: usize| Metadata {
        mode: DataMode::Partial,
        participants: vec![Participant {
            id: id.to_string().into(),
            names: (0..50).map(|_| name()).collect(),
            is_caller: None,
        }],
        ..Metadata::default()
    };
    let mut metadata = Metadata::default();
    let taken = (0..200).take_while(|id| metadata.update(with(*id)).is_ok()).count();
    assert_eq!(taken, 4, "four documents of some 52,000 octets");
    assert_eq!(metadata.participants.len(), taken);
    assert_eq!(metadata.update(with(taken)), Err(MetadataFault::TooLarge));
    assert_eq!(metadata.participants.len(), taken);
    metadata.update(with(0)).expect("the same ones again");
}

#[test]
fn labels_that_no_line_has() {
    let metadata = read(document!("cube"));
    assert_eq!(metadata.missing_labels(&["1", "2"]).count(), 0);
    assert_eq!(metadata.missing_labels(&["2", "7"]).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn users_of_addresses() {
    for (uri, user) in [
        ("sip:+12065550100@192.0.2.1", Some("+12065550100")),
        ("SIPS:alice@example.com;x=y", Some("alice")),
        ("tel:+12065550100;ext=5", Some("+12065550100")),
        ("+12065550100", Some("+12065550100")),
        ("4000", Some("4000")),
        ("sip:example.com", None),
        ("sip:@example.com", None),
        ("urn:service:sos", None),
        ("", None),
    ] {
        assert_eq!(user_of(uri), user, "{uri}");
    }
}

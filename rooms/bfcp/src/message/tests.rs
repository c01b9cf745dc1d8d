use super::*;
use crate::attribute::{Priority, RequestStatus};
use proptest::prelude::*;

fn header(primitive: Primitive) -> Header {
    Header {
        version: 1,
        responder: false,
        primitive: primitive as u8,
        conference: 0x0102_0304,
        transaction: 7,
        user: 9,
    }
}

#[test]
fn a_floor_request_is_these_octets() {
    let message = Message {
        header: header(Primitive::FloorRequest),
        attributes: vec![
            Attribute::FloorId(2),
            Attribute::ParticipantProvidedInfo("hello".into()),
            Attribute::Priority(Priority::High),
        ],
    };
    let bytes = message.write();
    let expected = [
        0x20, 1, 0, 4, 1, 2, 3, 4, 0, 7, 0, 9, // header: 4 words follow
        0x05, 4, 0, 2, // FLOOR-ID, mandatory
        0x11, 7, b'h', b'e', b'l', b'l', b'o',
        0, // padded to a word, which the length leaves out
        0x09, 4, 0x60, 0,
    ];
    assert_eq!(bytes, expected);
    assert_eq!(Message::parse(&bytes).unwrap(), message);
    assert_eq!(message.floors().collect::<Vec<_>>(), [2]);
}

fn fault(change: impl Fn(&mut Vec<u8>)) -> ParseError {
    let attributes = vec![Attribute::FloorId(2), Attribute::StatusInfo("x".into())];
    let mut bytes = Message { header: header(Primitive::FloorRequest), attributes }.write();
    change(&mut bytes);
    Message::parse(&bytes).unwrap_err()
}

fn code(fault: &ParseError) -> Option<u8> {
    match fault.answer()? {
        (_, Attribute::ErrorCode(code, _)) => Some(code.octet()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lies_are_answered_by_their_number() {
    assert_eq!(fault(|bytes| bytes.truncate(11)), ParseError::Truncated);
    assert_eq!(code(&fault(|bytes| bytes[0] = 0x60)), Some(12));
    assert_eq!(code(&fault(|bytes| bytes[3] = 9)), Some(13));
    assert_eq!(code(&fault(|bytes| bytes[3] = 1)), Some(13), "octets that belong to nothing");
    assert_eq!(code(&fault(|bytes| bytes[0] |= 8)), Some(13), "a fragment over TCP");
    assert_eq!(code(&fault(|bytes| bytes[1] = 18)), Some(3));
    for length in [0, 1, 2, 3, 20] {
        assert_eq!(code(&fault(|bytes| bytes[13] = length)), Some(10), "{length}");
    }
    assert_eq!(ParseError::Truncated.answer(), None);
}

#[test]
fn what_is_unknown_is_skipped_unless_it_must_be_known() {
    let with = |head: u8| {
        let mut bytes = Message { header: header(Primitive::Hello), attributes: vec![] }.write();
        bytes.extend_from_slice(&[head, 4, 1, 2, 0x05, 4, 0, 1]);
        bytes[3] = 2;
        Message::parse(&bytes)
    };
    assert_eq!(with(100 << 1).unwrap().attributes, [Attribute::FloorId(1)]);
    let fault = with(100 << 1 | 1).unwrap_err();
    let (_, answer) = fault.answer().unwrap();
    assert_eq!(answer, Attribute::ErrorCode(ErrorCode::UnknownMandatoryAttribute, vec![200]));
    // So many that the error has no room for all of them.
    let mut bytes = Message { header: header(Primitive::Hello), attributes: vec![] }.write();
    bytes.extend([100 << 1 | 1, 2, 0, 0].repeat(300));
    bytes[2..4].copy_from_slice(&300_u16.to_be_bytes());
    let (header, answer) = Message::parse(&bytes).unwrap_err().answer().unwrap();
    let error = Message { header: Header { primitive: 13, ..header }, attributes: vec![answer] };
    assert_eq!(Message::parse(&error.write()), Ok(error));
}

#[test]
fn groups_stand_in_groups_but_not_for_ever() {
    let status = Attribute::RequestStatus(RequestStatus::Granted, 0);
    let inner = vec![
        Attribute::OverallRequestStatus(5, vec![status]),
        Attribute::FloorRequestStatus(2, vec![]),
        Attribute::BeneficiaryInformation(9, vec![Attribute::UserDisplayName("Ada".into())]),
    ];
    let attributes = vec![Attribute::FloorRequestInformation(5, inner)];
    let message = Message { header: header(Primitive::FloorRequestStatus), attributes };
    assert_eq!(Message::parse(&message.write()).unwrap(), message);
    let mut deep = Attribute::FloorId(1);
    for _ in 0..5 {
        deep = Attribute::FloorRequestInformation(1, vec![deep]);
    }
    let message = Message { header: header(Primitive::Hello), attributes: vec![deep] };
    assert!(matches!(Message::parse(&message.write()), Err(ParseError::Attributes(_))));
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let text = "é".repeat(200);
    let attributes = vec![Attribute::StatusInfo(text)];
    let message = Message { header: header(Primitive::Hello), attributes };
    let read = Message::parse(&message.write()).unwrap();
    assert_eq!(read.attributes, [Attribute::StatusInfo("é".repeat(126))]);
    let many = vec![Attribute::UserUri("u".repeat(250)); 100];
    let bytes = Message { header: header(Primitive::Hello), attributes: many }.write();
    assert!(bytes.len() <= MAX_MESSAGE);
    assert_eq!(Message::parse(&bytes).unwrap().attributes.len(), 64);
}

fn attribute() -> impl Strategy<Value = Attribute> {
    let text = "[a-zé]{0,80}";
    let leaf = prop_oneof![
        any::<u16>().prop_map(Attribute::BeneficiaryId),
        any::<u16>().prop_map(Attribute::FloorId),
        Just(Attribute::Priority(Priority::Highest)),
        any::<u8>().prop_map(|place| Attribute::RequestStatus(RequestStatus::Accepted, place)),
        text.prop_map(Attribute::ErrorInfo),
        text.prop_map(Attribute::UserUri),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Attribute::SupportedPrimitives),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        (any::<u16>(), prop::collection::vec(inner, 0..2))
            .prop_map(|(id, inner)| Attribute::FloorRequestInformation(id, inner))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(attributes in prop::collection::vec(attribute(), 0..6)) {
        let message = Message { header: header(Primitive::FloorStatus), attributes };
        let read = Message::parse(&message.write()).unwrap();
        // What has no room in a group is left out, so a second round is the same.
        prop_assert_eq!(Message::parse(&read.write()).unwrap(), read);
    }

    #[test]
    fn any_octets_parse_or_fail(mut bytes in prop::collection::vec(any::<u8>(), 12..120), fit: bool) {
        if fit {
            bytes.truncate(bytes.len() / 4 * 4);
            bytes[0] = 0x20;
            bytes[1] = bytes[1] % 17 + 1;
            let words = (bytes.len() - 12) / 4;
            bytes[2..4].copy_from_slice(&(words as u16).to_be_bytes());
        }
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(message.write().len() <= MAX_MESSAGE);
        }
    }
}

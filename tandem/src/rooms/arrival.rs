//! What the rooms learn of somebody who calls them.

use model::{MediaType, RoomCall, RoomLine, RoomLinePart, SteeredCall};
use room_core::{Arrival, Dialled, Focus, Source, dialled_layout};
use room_guests::{BEFORE_HEADER, Channels, KeyDigest};
use std::sync::Arc;

/// A header field of the INVITE, of those that are shown.
pub(super) fn header<'a>(begun: &'a SteeredCall, wanted: &str) -> Option<&'a str> {
    let found = begun.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| &**value)
}

/// Whether a page of guests comes back to what has ended for it.
pub(super) fn is_over(begun: &SteeredCall, channels: &Channels, focus: &Focus) -> bool {
    let before = header(begun, BEFORE_HEADER).and_then(KeyDigest::parse);
    before.is_some_and(|key| channels.is_over_for(&key, focus))
}

/// Of a call that has begun.
pub(super) fn arrival(begun: &SteeredCall, room: &RoomCall) -> Arrival {
    // Who calls a number comes through a carrier or a customer, whose address is not the caller's.
    let by_number = begun.to.starts_with('+');
    let number = |text: &str| text.starts_with('+').then(|| text.to_owned());
    let name = room.display_name.as_ref().unwrap_or(&begun.from);
    Arrival {
        source: match by_number {
            true => Source::Caller(Arc::clone(&begun.from)),
            false => Source::Network(room.address.ip()),
        },
        name: name.to_string(),
        dialled: Dialled {
            id: room.dialled.meeting.as_ref().map(|meeting| meeting.digits().to_owned()),
            passcode: room.dialled.passcode.as_deref().map(str::to_owned),
            layout: room.dialled.layout.as_deref().and_then(dialled_layout),
        },
        wished: None,
        region: room.region.as_deref().map(str::to_owned),
        called_number: number(&begun.to),
        calling_number: number(&begun.from),
        is_telephone: by_number || is_nameless_phone(begun, room),
    }
}

/// Whether somebody who has dialled a name of the rooms is a telephone all the same, known by a number alone:
/// one of a PBX, whose person can be asked. A device with a camera shows who is there, and may have nobody who
/// hears a question; of one that leaves the offer to us it is not known yet.
fn is_nameless_phone(begun: &SteeredCall, room: &RoomCall) -> bool {
    let from = begun.from.strip_prefix('+').unwrap_or(&begun.from);
    let is_number = !from.is_empty() && from.bytes().all(|byte| byte.is_ascii_digit());
    // A number again, as many PBXs write it, names nobody.
    let is_name = |text: &str| text.chars().any(char::is_alphabetic);
    let has_name = room.display_name.as_deref().is_some_and(is_name);
    let has_picture =
        |line: &RoomLine| line.media == Some(MediaType::Video) && line.part != RoomLinePart::Unused;
    is_number
        && !has_name
        && !room.protocol.is_web_socket()
        && !room.lines.is_empty()
        && !room.lines.iter().any(has_picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{CallDirection, Dialled as SaidDialled, PictureContent, TransportProtocol};

    fn line(media: MediaType, part: RoomLinePart) -> RoomLine {
        RoomLine { media: Some(media), content: None, part }
    }

    fn call(from: &str, to: &str) -> (SteeredCall, RoomCall) {
        let room = RoomCall {
            dialled: SaidDialled::default(),
            region: None,
            display_name: None,
            user_agent: None,
            address: "192.0.2.1:5061".parse().unwrap(),
            protocol: TransportProtocol::Tls,
            lines: vec![line(MediaType::Audio, RoomLinePart::Sound)],
        };
        let begun = SteeredCall {
            application: model::ROOMS.into(),
            rule: None,
            direction: CallDirection::Inbound,
            from: from.into(),
            to: to.into(),
            voice_connector: model::VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
            call_id: "1".into(),
            headers: Vec::new(),
            arguments: Vec::new(),
            room: None,
        };
        (begun, room)
    }

    #[test]
    fn who_is_known_by_a_number_alone_can_be_asked_for_its_name() {
        let asked = |from: &str, change: &dyn Fn(&mut RoomCall)| {
            let (begun, mut room) = call(from, "4081234567");
            change(&mut room);
            arrival(&begun, &room).is_telephone
        };
        let named =
            |name: &'static str| move |room: &mut RoomCall| room.display_name = Some(name.into());
        let with = |line: RoomLine| move |room: &mut RoomCall| room.lines.push(line.clone());
        assert!(asked("2045", &|_| {}) && asked("+12065550100", &|_| {}));
        assert!(asked("2045", &named("2045")) && asked("2045", &named("+1 206-555-0100")));
        assert!(asked("2045", &with(line(MediaType::Video, RoomLinePart::Unused))));
        assert!(!asked("2045", &named("Room 5")) && !asked("2045", &named("会議室")));
        assert!(!asked("board", &|_| {}) && !asked("", &|_| {}) && !asked("+", &|_| {}));
        let camera = RoomLinePart::Pictures(PictureContent::Main);
        assert!(!asked("2045", &with(line(MediaType::Video, camera))));
        assert!(
            !asked("2045", &with(line(MediaType::Video, RoomLinePart::Declined))),
            "no pictures here"
        );
        assert!(!asked("2045", &|room| room.lines.clear()), "nobody knows yet");
        assert!(!asked("2045", &|room| room.protocol = TransportProtocol::Wss), "a guest");
        // Who calls a number is asked whatever its name.
        let (begun, mut room) = call("+12065550100", "+12065550188");
        named("Alice")(&mut room);
        assert!(arrival(&begun, &room).is_telephone);
    }
}

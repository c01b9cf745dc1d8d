//! What holds for any document.

use super::document;
use crate::{
    CommunicationSession, DataMode, Group, Membership, Metadata, NameId, Participant,
    ParticipantStreams, Stream, Times,
};
use model::UnixTime;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Text that neither the writer nor white space around it changes.
fn text() -> impl Strategy<Value = Box<str>> {
    "[a-zA-Z0-9<>&\"'=/+;@äß\u{1f600} ]{0,20}[a-z0-9&<>\"']".prop_map(|text| text.trim().into())
}

fn time() -> impl Strategy<Value = UnixTime> {
    (0_u64..253_402_300_799_999).prop_map(UnixTime::from_millis)
}

prop_compose! {
    fn times()(from in of(time()), until in of(time())) -> Times {
        Times { from, until }
    }
}

prop_compose! {
    fn communication()(
        id in text(),
        group in of(text()),
        sip_session_ids in vec(text(), 0..3),
        reason in of(text()),
        start in of(time()),
        stop in of(time()),
    ) -> CommunicationSession {
        CommunicationSession { id, group, sip_session_ids, reason, start, stop }
    }
}

prop_compose! {
    fn participant()(id in text(), names in vec((text(), of(text())), 0..3)) -> Participant {
        let names = names.into_iter().map(|(aor, name)| NameId { aor, name }).collect();
        Participant { id, names, is_caller: None }
    }
}

prop_compose! {
    fn participation()(
        participant in text(),
        sends in vec(text(), 0..3),
        receives in vec(text(), 0..3),
        times in times(),
    ) -> ParticipantStreams {
        ParticipantStreams { participant, sends, receives, times }
    }
}

prop_compose! {
    fn metadata()(
        is_partial in any::<bool>(),
        groups in vec((text(), times()), 0..3),
        communications in vec(communication(), 0..3),
        participants in vec(participant(), 0..4),
        streams in vec((text(), of(text()), of(text())), 0..4),
        recorded in vec((text(), times()), 0..3),
        memberships in vec((text(), text(), times()), 0..4),
        participations in vec(participation(), 0..4),
    ) -> Metadata {
        let membership = |(of, to, times)| Membership { of, to, times };
        Metadata {
            mode: if is_partial { DataMode::Partial } else { DataMode::Complete },
            groups: groups.into_iter().map(|(id, times)| Group { id, times }).collect(),
            communications,
            participants,
            streams: streams
                .into_iter()
                .map(|(id, communication, label)| Stream { id, communication, label })
                .collect(),
            recorded: recorded
                .into_iter()
                .map(|(id, times)| membership((id.clone(), id, times)))
                .collect(),
            memberships: memberships.into_iter().map(membership).collect(),
            participations,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(metadata in metadata()) {
        prop_assert_eq!(Metadata::read(metadata.write().as_bytes()), Ok(metadata));
    }

    #[test]
    fn any_value_can_be_written(value in ".*") {
        let stream = Stream { id: value.as_str().into(), label: Some(value.into()), ..Stream::default() };
        let metadata = Metadata { streams: vec![stream], ..Metadata::default() };
        prop_assert!(Metadata::read(metadata.write().as_bytes()).is_ok());
    }

    #[test]
    fn any_octets_are_metadata_or_a_fault(octets in vec(any::<u8>(), 0..400)) {
        let _ = Metadata::read(&octets);
    }

    #[test]
    fn a_changed_document_is_metadata_or_a_fault(
        which in 0_usize..6,
        at in any::<prop::sample::Index>(),
        length in 0_usize..40,
        put in vec(any::<u8>(), 0..20),
    ) {
        let documents = [
            document!("rfc7865"), document!("cube"), document!("oracle"), document!("ribbon"),
            document!("audiocodes"), document!("metaswitch"),
        ];
        let mut octets = documents[which].to_vec();
        let at = at.index(octets.len());
        let end = octets.len().min(at + length);
        octets.splice(at..end, put);
        if let Ok(metadata) = Metadata::read(&octets) {
            prop_assert!(Metadata::read(metadata.write().as_bytes()).is_ok());
            metadata.labels().for_each(|label| drop(metadata.sender_of(label).cloned()));
        }
    }
}

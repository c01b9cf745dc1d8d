//! Who speaks on the lines that a recorder gets (RFC 7865).

use super::Call;
use super::lines::LABELS;
use crate::call::answer::host_of;
use crate::context::Context;
use crate::leg::Leg;
use model::{Instant, LegSide};
use sip_proto::{NameAddr, Uri};
use siprec::{
    CommunicationSession, DataMode, Group, Membership, Metadata, NameId, Participant,
    ParticipantStreams, Stream, Times, id_of,
};

/// What the ids of a call's participants and streams are made of, beside the call's own.
const OF_PARTICIPANTS: [u128; 2] = [0x11, 0x12];
const OF_STREAMS: [u128; 2] = [0x21, 0x22];

impl Call {
    /// Both parties as a recorder is told of them.
    pub(super) fn copied_parties(&self) -> [Box<str>; 2] {
        self.legs.each_ref().map(address_of)
    }

    /// The whole of it.
    pub(super) fn copy_metadata(&self, context: &Context, now: Instant) -> Metadata {
        let group = self.copying.as_deref().map_or(self.id, |copying| copying.group);
        let id = |mark: u128| id_of(self.id.as_u128() ^ mark);
        let (session, group) = (id(0), id_of(group.as_u128() ^ 1));
        let begun = self.copying.as_deref().and_then(|copying| copying.begun).unwrap_or(now);
        let from = context.unix_time(begun);
        let times = Times { from, until: None };
        let participants = OF_PARTICIPANTS.map(id);
        let streams = OF_STREAMS.map(id);
        let member = |of: &str| Membership { of: of.into(), to: session.clone(), times };
        let named = participants.iter().zip(self.copied_parties());
        let parts = LegSide::BOTH.map(|side| ParticipantStreams {
            participant: participants[side.index()].clone(),
            sends: vec![streams[side.index()].clone()],
            receives: vec![streams[side.other().index()].clone()],
            times,
        });
        Metadata {
            mode: DataMode::Complete,
            groups: vec![Group { id: group.clone(), times }],
            communications: vec![CommunicationSession {
                id: session.clone(),
                group: Some(group),
                start: from,
                ..CommunicationSession::default()
            }],
            participants: named
                .map(|(id, aor)| Participant {
                    id: id.clone(),
                    names: vec![NameId { aor, name: None }],
                    is_caller: None,
                })
                .collect(),
            streams: streams
                .iter()
                .zip(LABELS)
                .map(|(id, label)| Stream {
                    id: id.clone(),
                    communication: Some(session.clone()),
                    label: Some(label.into()),
                })
                .collect(),
            recorded: vec![Membership { of: session.clone(), to: session.clone(), times }],
            memberships: participants.iter().map(|of| member(of)).collect(),
            participations: parts.into(),
        }
    }
}

/// The address of record of a leg's peer, as the other one could know it: with our host in the place
/// of its own.
fn address_of(leg: &Leg) -> Box<str> {
    let address = NameAddr::parse(&leg.remote_party).ok();
    let uri = address.as_ref().and_then(|address| Uri::parse(address.uri_text).ok());
    let user = uri.as_ref().and_then(|uri| uri.user).filter(|user| !user.is_empty());
    format!("sip:{}@{}", user.unwrap_or("anonymous"), host_of(leg)).into()
}

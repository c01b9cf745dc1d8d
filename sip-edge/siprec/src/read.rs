//! A document, as values.

use crate::metadata::{
    CommunicationSession, DataMode, Group, Membership, Metadata, NameId, Participant,
    ParticipantStreams, Stream, Times,
};
use crate::pull::{Element, Pull};
use crate::{MAX_ENTRIES, MetadataFault, time};

/// Ids, by their names in the RFC and in drafts of it.
const GROUP_ID: &[&str] = &["group_id", "id"];
const SESSION_ID: &[&str] = &["session_id", "id"];
const PARTICIPANT_ID: &[&str] = &["participant_id", "id"];
const STREAM_ID: &[&str] = &["stream_id", "id"];
const OF_SESSION: &[&str] = &["session_id", "session"];

impl Metadata {
    /// Reads a document. Elements of other namespaces and unknown ones are passed over, and so are
    /// entries without an id.
    ///
    /// Besides RFC 7865 it takes what clients of the RFC's drafts still send: `id` for the longer
    /// names of ids, `dataMode`, a namespace without its version or none, and participants that have
    /// `send` and `recv` inside them.
    ///
    /// # Errors
    /// [`MetadataFault`]; nothing of such a document is taken.
    pub fn read(document: &[u8]) -> Result<Self, MetadataFault> {
        let mut pull = Pull::new(document)?;
        let root = pull.root()?;
        if root.name != "recording" {
            return Err(MetadataFault::NotMetadata);
        }
        let mut metadata = Metadata::default();
        pull.children(|pull, element| metadata.take(pull, &element))?;
        pull.finish()?;
        Ok(metadata)
    }

    fn take(&mut self, pull: &mut Pull<'_>, element: &Element) -> Result<(), MetadataFault> {
        match element.name.as_str() {
            "datamode" | "dataMode" => {
                if pull.text()?.eq_ignore_ascii_case("partial") {
                    self.mode = DataMode::Partial;
                }
                Ok(())
            }
            "group" => {
                let Some(id) = element.attribute(GROUP_ID) else { return pull.skip() };
                let times = times(pull, |pull, _| pull.skip())?;
                push(&mut self.groups, Group { id, times })
            }
            "session" => {
                let Some(id) = element.attribute(SESSION_ID) else { return pull.skip() };
                push(&mut self.communications, communication(pull, id)?)
            }
            "participant" => self.take_participant(pull, element),
            "stream" => {
                let Some(id) = element.attribute(STREAM_ID) else { return pull.skip() };
                let communication = element.attribute(OF_SESSION);
                push(&mut self.streams, stream(pull, id, communication)?)
            }
            "sessionrecordingassoc" => {
                let Some(id) = element.attribute(OF_SESSION) else { return pull.skip() };
                let times = times(pull, |pull, _| pull.skip())?;
                push(&mut self.recorded, Membership { of: id.clone(), to: id, times })
            }
            "participantsessionassoc" => {
                let ids = element.attribute(PARTICIPANT_ID).zip(element.attribute(OF_SESSION));
                let Some((of, to)) = ids else { return pull.skip() };
                let times = times(pull, |pull, _| pull.skip())?;
                push(&mut self.memberships, Membership { of, to, times })
            }
            "participantstreamassoc" => {
                let Some(id) = element.attribute(PARTICIPANT_ID) else { return pull.skip() };
                let mut participation =
                    ParticipantStreams { participant: id, ..ParticipantStreams::default() };
                let times = times(pull, |pull, element| {
                    if participation.take(pull, &element)? { Ok(()) } else { pull.skip() }
                })?;
                participation.times = times;
                push(&mut self.participations, participation)
            }
            _ => pull.skip(),
        }
    }

    /// In drafts a participant also says what it takes part in, and what it sends and receives.
    fn take_participant(
        &mut self,
        pull: &mut Pull<'_>,
        element: &Element,
    ) -> Result<(), MetadataFault> {
        let Some(id) = element.attribute(PARTICIPANT_ID) else { return pull.skip() };
        let mut participant = Participant { id: id.clone(), ..Participant::default() };
        let mut participation =
            ParticipantStreams { participant: id.clone(), ..ParticipantStreams::default() };
        let times = times(pull, |pull, element| match element.name.as_str() {
            "nameID" | "nameId" => {
                let aor = element.attribute(&["aor"]).unwrap_or_default();
                let name = name(pull)?;
                push(&mut participant.names, NameId { aor, name })
            }
            _ if participation.take(pull, &element)? => Ok(()),
            _ => {
                if let Some(word) = pull.find("callerOrig")? {
                    participant.is_caller = Some(word.eq_ignore_ascii_case("true"));
                }
                Ok(())
            }
        })?;
        push(&mut self.participants, participant)?;
        if let Some(to) = element.attribute(&["session", "session_id"]) {
            push(&mut self.memberships, Membership { of: id, to, times })?;
        }
        if participation.sends.is_empty() && participation.receives.is_empty() {
            return Ok(());
        }
        participation.times = times;
        push(&mut self.participations, participation)
    }
}

impl ParticipantStreams {
    /// Whether an element was one of a stream that is sent or received, and is read.
    fn take(&mut self, pull: &mut Pull<'_>, element: &Element) -> Result<bool, MetadataFault> {
        let list = match element.name.as_str() {
            "send" => &mut self.sends,
            "recv" => &mut self.receives,
            _ => return Ok(false),
        };
        push(list, pull.text()?)?;
        Ok(true)
    }
}

fn communication(pull: &mut Pull<'_>, id: Box<str>) -> Result<CommunicationSession, MetadataFault> {
    let mut session = CommunicationSession { id, ..CommunicationSession::default() };
    pull.children(|pull, element| {
        match element.name.as_str() {
            "sipSessionID" => push(&mut session.sip_session_ids, pull.text()?)?,
            "group-ref" => session.group = Some(pull.text()?),
            "reason" => session.reason = Some(pull.text()?),
            // Drafts had the time of the association here.
            "start-time" | "associate-time" => session.start = time::read(&pull.text()?),
            "stop-time" | "disassociate-time" => session.stop = time::read(&pull.text()?),
            _ => pull.skip()?,
        }
        Ok(())
    })?;
    Ok(session)
}

fn stream(
    pull: &mut Pull<'_>,
    id: Box<str>,
    communication: Option<Box<str>>,
) -> Result<Stream, MetadataFault> {
    let mut label = None;
    pull.children(|pull, element| {
        match element.name.as_str() {
            "label" => label = Some(pull.text()?),
            _ => pull.skip()?,
        }
        Ok(())
    })?;
    Ok(Stream { id, communication, label })
}

fn name(pull: &mut Pull<'_>) -> Result<Option<Box<str>>, MetadataFault> {
    let mut name = None;
    pull.children(|pull, element| {
        match element.name.as_str() {
            "name" => {
                let text = pull.text()?;
                if name.is_none() && !text.is_empty() {
                    name = Some(text);
                }
            }
            _ => pull.skip()?,
        }
        Ok(())
    })?;
    Ok(name)
}

/// Reads the times among the children of the present element, and gives the others to `other`.
fn times(
    pull: &mut Pull<'_>,
    mut other: impl FnMut(&mut Pull<'_>, Element) -> Result<(), MetadataFault>,
) -> Result<Times, MetadataFault> {
    let mut times = Times::default();
    pull.children(|pull, element| {
        match element.name.as_str() {
            "associate-time" => times.from = time::read(&pull.text()?),
            "disassociate-time" => times.until = time::read(&pull.text()?),
            _ => other(pull, element)?,
        }
        Ok(())
    })?;
    Ok(times)
}

fn push<T>(list: &mut Vec<T>, one: T) -> Result<(), MetadataFault> {
    if list.len() >= MAX_ENTRIES {
        return Err(MetadataFault::TooMany);
    }
    list.push(one);
    Ok(())
}

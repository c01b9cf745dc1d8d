//! What guests see of a meeting, as texts. Pure.

use crate::asked::written_id;
use model::{PictureLayout, TransactionId};
use room_core::{ChatMessage, Focus, MeetingId, Refused, RosterEntry};
use serde::Serialize;
use std::sync::Arc;

/// Below this, in dBov, somebody is silent: levels of the others are told alone.
const SILENT: i8 = -70;

/// What guests call somebody: nothing of it leads to a record or a log.
pub(crate) fn id_of(call: TransactionId) -> u64 {
    // All but two bits of an id's lower half are random.
    call.as_u128() as u64
}

#[derive(Serialize)]
struct PersonText<'a> {
    id: String,
    name: &'a str,
    moderator: bool,
    #[serde(rename = "in")]
    is_in: bool,
    muted: bool,
    hand: bool,
    shows: bool,
    /// Whether a moderator is asked to let it show a screen.
    asks: bool,
}

/// One meeting as all of its guests see it.
pub(crate) struct View {
    /// Also who waits.
    for_moderators: Arc<str>,
    for_attendees: Arc<str>,
    pub(crate) levels: Arc<str>,
    pub(crate) people: Vec<RosterEntry>,
}

impl View {
    pub(crate) fn of(focus: &Focus, meeting: MeetingId) -> View {
        let people = focus.roster(meeting);
        let record = focus.registry().get_meeting(meeting);
        let name = record.map(|record| record.settings.name.clone()).unwrap_or_default();
        let state = focus.state(meeting);
        let (locked, recording) =
            state.map(|state| (state.locked, state.recording)).unwrap_or_default();
        let text = |seen: &dyn Fn(&RosterEntry) -> bool| -> Arc<str> {
            let list: Vec<_> = people.iter().filter(|entry| seen(entry)).map(person).collect();
            let members = serde_json::json!({
                "name": name, "locked": locked, "recording": recording, "people": list,
            });
            // Without its braces, to stand behind what is each guest's own.
            let members = members.to_string();
            members.trim_start_matches('{').trim_end_matches('}').into()
        };
        View {
            for_moderators: text(&|_| true),
            for_attendees: text(&|entry| entry.is_in),
            levels: levels(&people),
            people,
        }
    }

    /// What somebody who is in sees, which is to be written by [`meeting_text`].
    pub(crate) fn seen_by(&self, entry: &RosterEntry) -> &Arc<str> {
        if entry.person.moderator { &self.for_moderators } else { &self.for_attendees }
    }
}

fn person(entry: &RosterEntry) -> PersonText<'_> {
    PersonText {
        id: written_id(id_of(entry.person.call)),
        name: &entry.person.name,
        moderator: entry.person.moderator,
        is_in: entry.is_in,
        muted: entry.muted,
        hand: entry.hand,
        shows: entry.shows,
        asks: entry.asks_to_show,
    }
}

pub(crate) fn levels(people: &[RosterEntry]) -> Arc<str> {
    let heard = people.iter().filter(|entry| entry.is_in && !entry.muted && entry.level > SILENT);
    let levels: serde_json::Map<_, _> =
        heard.map(|entry| (written_id(id_of(entry.person.call)), entry.level.into())).collect();
    let speaker = people.iter().find(|entry| entry.speaks);
    let speaker = speaker.map(|entry| written_id(id_of(entry.person.call)));
    serde_json::json!({ "type": "levels", "levels": levels, "speaker": speaker }).to_string().into()
}

/// A meeting for somebody who is in it, and what is its own: whether it moderates, and what it sees of the others.
pub(crate) fn meeting_text(
    you: TransactionId,
    (moderates, layout): (bool, PictureLayout),
    seen: &str,
) -> Arc<str> {
    let you = written_id(id_of(you));
    let layout = match layout {
        PictureLayout::Speaker => "speaker",
        PictureLayout::Grid => "grid",
    };
    format!(
        r#"{{"type":"meeting","you":"{you}","moderator":{moderates},"layout":"{layout}",{seen}}}"#
    )
    .into()
}

pub(crate) fn chat_text(message: &ChatMessage) -> Arc<str> {
    let text = serde_json::json!({
        "type": "chat",
        "number": message.number,
        "at": message.at.as_millis(),
        "from": written_id(id_of(message.from)),
        "name": message.name,
        "text": message.text,
    });
    text.to_string().into()
}

pub(crate) fn stage_text(stage: &str) -> Arc<str> {
    format!(r#"{{"type":"{stage}"}}"#).into()
}

pub(crate) fn outcome_text(number: u32, outcome: Result<(), Refused>) -> Arc<str> {
    let text = match outcome {
        Ok(()) => serde_json::json!({ "type": "done", "number": number }),
        Err(refused) => serde_json::json!({
            "type": "refused",
            "number": number,
            "why": word(refused),
            "text": refused.to_string(),
        }),
    };
    text.to_string().into()
}

const fn word(refused: Refused) -> &'static str {
    match refused {
        Refused::NoMeeting => "no-meeting",
        Refused::NobodyThere => "nobody-there",
        Refused::ModeratorsOnly => "moderators-only",
        Refused::NotAllowed => "not-allowed",
        Refused::Full => "full",
        Refused::TooFast => "too-fast",
        Refused::Malformed => "malformed",
        Refused::Unrecorded => "unrecorded",
    }
}

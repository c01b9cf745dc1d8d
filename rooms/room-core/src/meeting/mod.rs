//! One meeting while it lasts: who waits, who is in, and what follows.

mod called;
mod change;
mod chat;
mod commands;
mod depart;
mod floor;
mod keys;
mod layout;
mod member;
mod time;

pub use called::CalledNews;
pub use chat::{KEPT_CHAT, MOST_CHAT};
pub use commands::{By, Command, Refused};
pub use keys::Menus;
pub use member::{MeetingState, RosterEntry};
pub(crate) use member::{Newcomer, Role};

use crate::event::{EndReason, Event, EventKind, Person};
use crate::output::{ChatMessage, MeetingOrder, Now, Order, Output, Outputs};
use crate::prompt::{Prompt, Words};
use crate::registry::MeetingRecord;
use crate::settings::{Access, Announce, MeetingSettings, WhenLocked};
use crate::{Language, MeetingId};
use called::Called;
use member::{Member, Place};
use model::{Instant, TransactionId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Moderators hear at most one knock in this time.
const BETWEEN_KNOCKS: Duration = Duration::from_secs(10);
/// Joins and leaves that are announced in [`ANNOUNCED_SPAN`]; of more nobody hears, so that a flood of
/// them does not drown the meeting.
const MOST_ANNOUNCED: u32 = 8;
/// Of these so many by name, which takes seconds; the others by the tone.
const MOST_NAMED: u32 = 2;
const ANNOUNCED_SPAN: Duration = Duration::from_secs(10);

/// What of a meeting's record holds while it lasts.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) id: MeetingId,
    pub(crate) external_id: Arc<str>,
    pub(crate) media_region: Arc<str>,
    pub(crate) settings: MeetingSettings,
    /// What everyone hears is in this language.
    pub(crate) language: Language,
}

impl Facts {
    /// Those of a record; `language` where it says none.
    pub(crate) fn of(record: &MeetingRecord, language: &Language) -> Self {
        Facts {
            id: record.meeting_id,
            external_id: record.request.external_meeting_id.as_str().into(),
            media_region: record.request.media_region.as_str().into(),
            settings: record.settings.clone(),
            language: record.settings.language.as_ref().unwrap_or(language).clone(),
        }
    }
}

/// A meeting that has begun. Nobody is in two places of it: `people` has who is in or waits, `called`
/// who is called and has not joined.
#[derive(Debug)]
pub(crate) struct Meeting {
    facts: Facts,
    people: BTreeMap<TransactionId, Member>,
    called: BTreeMap<TransactionId, Called>,
    locked: bool,
    /// It is to be recorded, and is.
    recording: bool,
    is_recorded: bool,
    everyone_muted: bool,
    /// Who shows a screen.
    floor: Option<TransactionId>,
    /// Who waits for a moderator's word about it.
    floor_asked: BTreeSet<TransactionId>,
    speaker: Option<TransactionId>,
    chat: VecDeque<Arc<ChatMessage>>,
    last_message: u64,
    last_event: u64,
    last_arrival: u64,
    began: Now,
    /// Nobody else may enter; it ends when nobody is in it.
    retired: bool,
    /// When to end it whatever happens.
    ends_at: Instant,
    /// When to say how many minutes are left; the next one last.
    warnings: Vec<(Instant, u8)>,
    /// When to end it: nobody is in it.
    empty_at: Option<Instant>,
    /// When to end it: no moderator is in it.
    unled_at: Option<Instant>,
    /// With the last moderator everyone was sent out to wait for the next one. Whoever comes waits, too.
    sent_back: bool,
    /// When moderators have heard a knock.
    knocked_at: Option<Instant>,
    /// Joins and leaves that were announced, those by name, and since when they are counted.
    announced: (u32, u32, Instant),
    ended: Option<EndReason>,
}

/// How somebody goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Departure {
    HungUp,
    Failed(u16),
    MediaLost,
    Removed,
    Replaced,
    WaitedTooLong,
    Ended,
}

/// Somebody who joins or leaves, and what the others may hear.
struct Announced {
    call: TransactionId,
    has_said_name: bool,
    tone: Prompt,
    /// After the name.
    words: Prompt,
}

/// Why somebody cannot join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CannotJoin {
    Full,
    /// It is locked, or over.
    Closed,
}

impl Meeting {
    pub(crate) fn begin(now: Now, facts: Facts, out: &mut Outputs) -> Self {
        let (ends_at, warnings) = time::ends(now, &facts.settings);
        let empty = Duration::from_secs(facts.settings.empty_seconds.into());
        let mut meeting = Meeting {
            facts,
            people: BTreeMap::new(),
            called: BTreeMap::new(),
            locked: false,
            recording: false,
            is_recorded: false,
            everyone_muted: false,
            floor: None,
            floor_asked: BTreeSet::new(),
            speaker: None,
            chat: VecDeque::new(),
            last_message: 0,
            last_event: 0,
            last_arrival: 0,
            began: now,
            retired: false,
            ends_at,
            warnings,
            empty_at: Some(now.at + empty),
            unled_at: None,
            sent_back: false,
            knocked_at: None,
            announced: (0, 0, now.at),
            ended: None,
        };
        meeting.tell(now, EventKind::Started, out);
        meeting
    }

    /// Whether an attendee's number is as good as a wrong one.
    pub(crate) fn is_closed_to_attendees(&self) -> bool {
        self.ended.is_some()
            || self.retired
            || (self.locked && self.facts.settings.when_locked == WhenLocked::Refuse)
    }

    pub(crate) fn is_member(&self, call: TransactionId) -> bool {
        self.people.contains_key(&call)
    }

    pub(crate) fn settings(&self) -> &MeetingSettings {
        &self.facts.settings
    }

    /// Lets somebody in, or lets it wait. An attendee that is there already by another call is
    /// replaced.
    pub(crate) fn join(
        &mut self,
        now: Now,
        newcomer: Newcomer,
        out: &mut Outputs,
    ) -> Result<(), CannotJoin> {
        if self.ended.is_some() {
            return Err(CannotJoin::Closed);
        }
        let before = newcomer.attendee.as_ref().and_then(|(id, _)| self.call_of(*id));
        let is_attendee = newcomer.role == Role::Attendee;
        if before.is_none() {
            if self.retired && !newcomer.invited {
                return Err(CannotJoin::Closed);
            }
            if is_attendee && !newcomer.invited && self.is_closed_to_attendees() {
                return Err(CannotJoin::Closed);
            }
            if self.people.len() + self.called.len() >= usize::from(self.facts.settings.capacity) {
                return Err(CannotJoin::Full);
            }
        }
        let call = newcomer.call;
        self.last_arrival += 1;
        let waiting = Duration::from_secs(u64::from(self.facts.settings.waiting_minutes) * 60);
        let mut member = Member::new(newcomer, self.last_arrival, now.at, now.at + waiting);
        if let Some(old) = before.and_then(|old| self.people.get(&old)) {
            member.take_over(old);
        } else if is_attendee && self.everyone_muted {
            member.muted_by_moderator = true;
        }
        let was_in = before.is_some_and(|old| self.is_in(old));
        let expected = member.invited && (self.is_open() || self.has_moderator());
        let enters = member.role == Role::Moderator || was_in || expected || self.lets_in();
        self.people.insert(call, member);
        self.empty_at = None;
        if enters {
            self.let_in(now, call, before.is_some(), out);
        } else {
            self.let_wait(now, call, out);
        }
        if let Some(old) = before {
            self.depart(now, old, Departure::Replaced, out);
        }
        Ok(())
    }

    /// Whether an attendee may enter now.
    fn lets_in(&self) -> bool {
        let by_access = match self.facts.settings.access {
            Access::Open => self.is_open(),
            Access::Moderated => self.has_moderator(),
            Access::Admitted => false,
        };
        by_access && !self.locked
    }

    /// Whether it needs no moderator.
    fn is_open(&self) -> bool {
        self.facts.settings.access == Access::Open && !self.sent_back
    }

    /// Somebody is in from now on. Of a replacement the others hear nothing.
    fn let_in(&mut self, now: Now, call: TransactionId, quiet: bool, out: &mut Outputs) {
        if self.is_in(call) {
            return;
        }
        if !quiet {
            let has_said_name = self.people.get(&call).is_some_and(|member| member.has_said_name);
            let (tone, words) = (Prompt::JoinTone, Prompt::HasJoined);
            self.announce_person(now, Announced { call, has_said_name, tone, words }, out);
        }
        let recording = self.is_recorded;
        let Some(member) = self.people.get_mut(&call) else { return };
        if matches!(member.place, Place::Waiting { music: true, .. }) {
            out.order(call, Order::StopMusic);
        }
        member.place = Place::In;
        let muted = member.is_muted();
        let (capabilities, name) = (member.capabilities, member.name.clone());
        let layout = member.layout.unwrap_or(self.facts.settings.layout);
        let meeting = self.facts.id;
        out.order(call, Order::Join { meeting, muted, capabilities, name, layout });
        let mut prompts = vec![Prompt::Joining];
        prompts.extend(recording.then_some(Prompt::Recorded));
        prompts.extend(muted.then_some(Prompt::Muted));
        out.play(call, &member.language, prompts);
        let (role, person) = (member.role, member.person());
        self.tell(now, EventKind::Joined(person), out);
        if role == Role::Moderator {
            (self.unled_at, self.sent_back) = (None, false);
            self.let_in_who_waits(now, out);
        }
    }

    /// Somebody hears music from now on.
    fn let_wait(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        let waits_for_moderator = !self.has_moderator();
        let Some(member) = self.people.get_mut(&call) else { return };
        if let Place::Waiting { music, .. } = &mut member.place {
            *music = true;
        }
        out.order(call, Order::StartMusic);
        let prompt =
            if waits_for_moderator { Prompt::WaitForModerator } else { Prompt::WaitToBeAdmitted };
        out.play(call, &member.language, vec![prompt]);
        let person = member.person();
        self.tell(now, EventKind::Waiting(person), out);
        if !waits_for_moderator {
            self.knock(now, call, out);
        }
    }

    /// Moderators hear who waits, where that one has said it, or that somebody does.
    fn knock(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        if self.knocked_at.is_some_and(|at| now.at - at < BETWEEN_KNOCKS) {
            return;
        }
        self.knocked_at = Some(now.at);
        let has_said_name = self.people.get(&call).is_some_and(|member| member.has_said_name);
        let words = match has_said_name {
            true => vec![Prompt::Name(call), Prompt::IsWaiting],
            false => vec![Prompt::Knock],
        };
        self.tell_moderators(words, out);
    }

    fn tell_moderators(&self, prompts: Vec<Prompt>, out: &mut Outputs) {
        for (call, member) in &self.people {
            if member.role == Role::Moderator && member.place == Place::In {
                out.play(*call, &member.language, prompts.clone());
            }
        }
    }

    /// Whoever waits and need no longer is let in, in the order of arrival.
    fn let_in_who_waits(&mut self, now: Now, out: &mut Outputs) {
        if self.lets_in() {
            for call in self.waiting() {
                self.let_in(now, call, false, out);
            }
        }
    }

    /// Who waits, in the order of arrival.
    fn waiting(&self) -> Vec<TransactionId> {
        let waits = |member: &&Member| matches!(member.place, Place::Waiting { .. });
        let mut waiting: Vec<&Member> = self.people.values().filter(waits).collect();
        waiting.sort_by_key(|member| member.arrival);
        waiting.into_iter().map(|member| member.call).collect()
    }

    fn promote(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        let Some(member) = self.people.get_mut(&call) else { return };
        if member.role == Role::Moderator {
            return;
        }
        member.role = Role::Moderator;
        let person = member.person();
        out.play(call, &member.language, vec![Prompt::NowModerator]);
        let was_in = member.is_in();
        self.tell(now, EventKind::Promoted(person), out);
        if was_in {
            (self.unled_at, self.sent_back) = (None, false);
            self.let_in_who_waits(now, out);
        } else {
            self.let_in(now, call, false, out);
        }
    }

    fn note_empty(&mut self, now: Now, out: &mut Outputs) {
        self.end_if_deserted(now, out);
        if !self.people.is_empty() || !self.called.is_empty() || self.ended.is_some() {
            return;
        }
        // Nobody is left who was sent back: who comes now begins anew.
        (self.unled_at, self.sent_back) = (None, false);
        let span = Duration::from_secs(self.facts.settings.empty_seconds.into());
        if span.is_zero() {
            self.end(now, EndReason::Empty, out);
        } else if self.empty_at.is_none() {
            self.empty_at = Some(now.at + span);
        }
    }

    /// Whether it is over for another reason than that everybody has gone.
    pub(crate) fn was_ended(&self) -> bool {
        self.ended.is_some_and(|why| why != EndReason::Empty)
    }

    /// Nobody is in it after this.
    pub(crate) fn end(&mut self, now: Now, reason: EndReason, out: &mut Outputs) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(reason);
        if std::mem::take(&mut self.recording) {
            out.meeting(self.facts.id, MeetingOrder::StopRecording);
            if std::mem::take(&mut self.is_recorded) {
                self.tell(now, EventKind::RecordingStopped, out);
            }
        }
        let calls: Vec<_> = self.people.keys().copied().collect();
        for call in calls {
            self.depart(now, call, Departure::Ended, out);
        }
        for (call, _) in std::mem::take(&mut self.called) {
            self.tell(now, EventKind::DialFailed(call, 487), out);
            out.dismiss(call, Vec::new());
        }
        self.tell(now, EventKind::Ended(reason), out);
        out.over.push(self.facts.id);
    }

    /// Nobody is told of a beginning before there is one.
    fn record(&mut self, now: Now, on: bool, out: &mut Outputs) {
        if self.recording == on {
            return;
        }
        self.recording = on;
        if on {
            out.meeting(self.facts.id, MeetingOrder::StartRecording);
            return;
        }
        out.meeting(self.facts.id, MeetingOrder::StopRecording);
        if std::mem::take(&mut self.is_recorded) {
            self.announce(vec![Prompt::RecordingStopped], out);
            self.tell(now, EventKind::RecordingStopped, out);
        }
    }

    /// The recording has begun.
    pub(crate) fn handle_recording_started(&mut self, now: Now, out: &mut Outputs) {
        if self.recording && !self.is_recorded {
            self.is_recorded = true;
            self.announce(vec![Prompt::Recorded], out);
            self.tell(now, EventKind::RecordingStarted, out);
        }
    }

    /// The recording could not begin, or has broken off.
    pub(crate) fn handle_recording_failed(&mut self, now: Now, out: &mut Outputs) {
        if self.recording {
            (self.recording, self.is_recorded) = (false, false);
            self.announce(vec![Prompt::RecordingFailed], out);
            self.tell(now, EventKind::RecordingFailed, out);
        }
    }

    /// Joining and leaving, as it is set: by a tone, or by the name that somebody has said.
    fn announce_person(&mut self, now: Now, who: Announced, out: &mut Outputs) {
        let Announced { call, has_said_name, tone, words } = who;
        if self.facts.settings.announce == Announce::Off {
            return;
        }
        if now.at - self.announced.2 >= ANNOUNCED_SPAN {
            self.announced = (0, 0, now.at);
        }
        let is_named = self.facts.settings.announce == Announce::Name
            && has_said_name
            && self.announced.1 < MOST_NAMED;
        let prompts = if is_named { vec![Prompt::Name(call), words] } else { vec![tone] };
        if self.announced.0 < MOST_ANNOUNCED {
            self.announced.0 += 1;
            self.announced.1 += u32::from(is_named);
            self.announce(prompts, out);
        }
    }

    /// Everyone who is in hears this; nothing is said to nobody.
    fn announce(&self, prompts: Vec<Prompt>, out: &mut Outputs) {
        if self.people.values().any(|member| member.place == Place::In) {
            let words = Words { language: self.facts.language.clone(), prompts };
            out.meeting(self.facts.id, MeetingOrder::Announce(words));
        }
    }

    fn tell(&mut self, now: Now, kind: EventKind, out: &mut Outputs) {
        self.last_event += 1;
        out.queue.push_back(Output::Event(Event {
            meeting: self.facts.id,
            external_meeting_id: self.facts.external_id.clone(),
            media_region: self.facts.media_region.clone(),
            at: now.unix,
            sequence: self.last_event,
            kind,
        }));
    }

    fn has_moderator(&self) -> bool {
        let leads = |member: &Member| member.role == Role::Moderator && member.place == Place::In;
        self.people.values().any(leads)
    }

    fn is_in(&self, call: TransactionId) -> bool {
        self.people.get(&call).is_some_and(Member::is_in)
    }
}

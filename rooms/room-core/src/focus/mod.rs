//! All meetings and callers of a node: who is welcomed, who is in which meeting, who hears a last
//! word. A *focus* is what joins the calls of a conference (RFC 4353).

mod api;
mod door;
mod flow;
mod follow;
mod gone;
mod steered;

use crate::event::EndReason;
use crate::guess::{GuessLimiter, GuessLimits, Source};
use crate::id::Draw;
use crate::language::{Language, Languages};
use crate::meeting::{
    By, CalledNews, Command, Meeting, MeetingState, Menus, Newcomer, Refused, Role, RosterEntry,
};
use crate::output::{ChatMessage, Now, Order, Output, Outputs};
use crate::registry::Registry;
use crate::settings::{Announce, shown_name};
use crate::welcome::{Dialled, Welcome, WelcomeSettings};
use crate::{AttendeeId, MeetingId};
use door::Ticket;
pub use follow::Followed;
use model::{DtmfKey, Heard, Instant, PictureLayout, TransactionId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A last word that does not say that it has ended is given up after this.
const LONGEST_FAREWELL: Duration = Duration::from_secs(15);
/// Q.850: normal call clearing.
const NORMAL: u8 = 16;
/// Q.850: switching equipment congestion.
const CONGESTED: u8 = 42;

/// What is set for all rooms of a node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FocusSettings {
    /// The dialogue with callers.
    pub welcome: WelcomeSettings,
    /// How guessing is slowed.
    pub guesses: GuessLimits,
    /// Who is spoken to in which language.
    pub languages: Languages,
    /// What keys do.
    pub menus: Menus,
    /// Nothing can be recorded here, and the API is told so. Who asks by a key hears it by
    /// [`Focus::handle_recording_failed`].
    pub unrecorded: bool,
    /// Nobody can be shown everybody at once: no pictures are composed here.
    pub uncomposed: bool,
    /// Callers at a time, in meetings and before; `None` for 10,000. One more gets 503.
    pub most_callers: Option<usize>,
}

/// A call that has reached the rooms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Whose guesses its wrong ids are: the address of a device; of a call through a carrier, whose
    /// address all its callers share, the calling number.
    pub source: Source,
    /// The display name or number of whoever calls.
    pub name: String,
    /// What was dialled.
    pub dialled: Dialled,
    /// The language that it wishes to be spoken to in, before what follows from numbers and names.
    pub wished: Option<Language>,
    /// The code of the regional name that was called.
    pub region: Option<String>,
    /// The called number, E.164.
    pub called_number: Option<String>,
    /// The calling number, E.164.
    pub calling_number: Option<String>,
    /// Whether it can be asked for its name: a telephone, or what is known by a number alone. Devices have given
    /// theirs.
    pub is_telephone: bool,
}

/// The rooms of a node.
///
/// Inputs are the `handle_*` methods, [`Focus::command`] and the operations on meetings; after each
/// of them [`Focus::poll_output`] is asked until it gives nothing, then [`Focus::poll_timeout`].
///
/// An input's outputs are bounded: at most ten for each person of the meeting that it is about, and
/// twenty more.
#[derive(Debug)]
pub struct Focus {
    settings: FocusSettings,
    registry: Registry,
    limiter: GuessLimiter,
    meetings: BTreeMap<MeetingId, Meeting>,
    callers: BTreeMap<TransactionId, Caller>,
    gone: gone::Gone,
    out: Outputs,
}

#[derive(Debug)]
struct Caller {
    source: Option<Source>,
    name: Arc<str>,
    language: Language,
    is_telephone: bool,
    /// Its lines of pictures: of a camera, of slides.
    pictures: [bool; 2],
    /// What it has dialled to see.
    layout: Option<PictureLayout>,
    stage: Stage,
}

/// Where a caller is; one place at a time.
#[derive(Debug)]
enum Stage {
    /// On the way from one to another, within one input.
    Moving,
    Welcome(Box<Welcome<Ticket>>),
    /// In a meeting, waiting for it, or called into it.
    Meeting(MeetingId),
    /// Hears a last word, of this order; when to give it up; the status of the end.
    Farewell(u32, Instant, u16),
}

impl Focus {
    /// Nobody is in any of these meetings.
    pub fn new(settings: FocusSettings, registry: Registry) -> Self {
        let limiter = GuessLimiter::new(settings.guesses);
        Focus {
            settings,
            registry,
            limiter,
            meetings: BTreeMap::new(),
            callers: BTreeMap::new(),
            gone: gone::Gone::default(),
            out: Outputs::default(),
        }
    }

    /// What is to be done next; `None` when there is nothing.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.queue.pop_front()
    }

    /// When [`Focus::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let callers = self.callers.values().filter_map(|caller| match &caller.stage {
            Stage::Welcome(welcome) => welcome.poll_timeout(),
            Stage::Moving | Stage::Meeting(_) => None,
            Stage::Farewell(_, until, _) => Some(*until),
        });
        callers.chain(self.meetings.values().filter_map(Meeting::poll_timeout)).min()
    }

    /// A call has reached the rooms. It is answered and welcomed.
    pub fn handle_call(&mut self, now: Now, call: TransactionId, arrival: Arrival) {
        if self.callers.contains_key(&call) {
            return;
        }
        if self.is_full() {
            self.out.order(call, Order::HangUp { status: 503, cause: CONGESTED });
            return;
        }
        let languages = &self.settings.languages;
        let language = arrival.wished.as_ref().unwrap_or_else(|| {
            languages.choose(
                arrival.called_number.as_deref(),
                arrival.region.as_deref(),
                arrival.calling_number.as_deref(),
            )
        });
        let mut caller = Caller {
            source: Some(arrival.source),
            name: shown_name(&arrival.name).into(),
            language: language.clone(),
            is_telephone: arrival.is_telephone,
            pictures: [false; 2],
            layout: arrival.dialled.layout,
            stage: Stage::Moving,
        };
        let settings = self.settings.welcome;
        let (language, dialled) = (caller.language.clone(), arrival.dialled);
        let (mut door, out) = self.door(&caller);
        let (welcome, outcome) =
            Welcome::begin(now, call, language, settings, dialled, &mut door, out);
        caller.stage = Stage::Welcome(Box::new(welcome));
        self.callers.insert(call, caller);
        self.follow(now, call, outcome);
    }

    /// A guest whom the API has made an attendee joins, by its token and not by a number.
    ///
    /// # Errors
    /// [`Refused::NobodyThere`] for a wrong meeting, attendee or token; [`Refused::NotAllowed`] when
    /// it is locked or not its time; [`Refused::Full`].
    pub fn handle_guest(
        &mut self,
        now: Now,
        call: TransactionId,
        (meeting, attendee, token): (MeetingId, AttendeeId, &str),
        name: &str,
    ) -> Result<(), Refused> {
        let found = self.registry.attendee_of_token(meeting, attendee, token);
        let found = found.ok_or(Refused::NobodyThere)?.clone();
        let record = self.registry.get_meeting(meeting).map_err(|_| Refused::NobodyThere)?;
        if self.callers.contains_key(&call) || self.is_full() {
            return Err(Refused::Full);
        }
        if !record.settings.is_open_at(now.unix, found.moderator) {
            return Err(Refused::NotAllowed);
        }
        let language =
            record.settings.language.as_ref().unwrap_or(&self.settings.languages.default);
        let name = shown_name(name);
        let newcomer = Newcomer {
            call,
            role: if found.moderator { Role::Moderator } else { Role::Attendee },
            name: if name.is_empty() { found.external_user_id.as_str() } else { &name }.into(),
            attendee: Some((attendee, found.external_user_id.into())),
            language: language.clone(),
            capabilities: found.capabilities,
            has_said_name: false,
            invited: false,
            layout: None,
        };
        let caller = Caller {
            source: None,
            name: newcomer.name.clone(),
            language: newcomer.language.clone(),
            is_telephone: false,
            pictures: [false; 2],
            layout: None,
            stage: Stage::Meeting(meeting),
        };
        self.admit_caller(now, meeting, caller, newcomer)
    }

    /// Somebody has pressed a key, told once however it came (RFC 4733, INFO, tones).
    pub fn handle_key(&mut self, now: Now, call: TransactionId, key: DtmfKey, draw: Draw<'_>) {
        let Some(caller) = self.callers.get(&call) else { return };
        match caller.stage {
            Stage::Welcome(_) => {
                self.welcome(now, call, |welcome, door, out| {
                    welcome.handle_key(now, key, door, out)
                });
            }
            Stage::Meeting(id) => {
                let key = (key, self.seen_by(caller));
                let menus = &self.settings.menus;
                if let Some(meeting) = self.meetings.get_mut(&id) {
                    meeting.handle_key(now, call, key, menus, draw, &mut self.out);
                }
            }
            Stage::Moving | Stage::Farewell(..) => {}
        }
        self.settle(now);
    }

    /// [`Order::Play`] of this number has ended by itself, or could not be done.
    pub fn handle_played(&mut self, now: Now, call: TransactionId, number: u32) {
        let Some(caller) = self.callers.get(&call) else { return };
        match caller.stage {
            Stage::Welcome(_) => {
                self.welcome(now, call, |welcome, _, out| welcome.handle_played(now, number, out));
            }
            Stage::Farewell(current, _, status) if current == number => {
                self.hang_up(call, status);
            }
            Stage::Moving | Stage::Farewell(..) | Stage::Meeting(_) => {}
        }
        self.settle(now);
    }

    /// [`Order::RecordName`] is done: [`crate::Prompt::Name`] of this call can be played from now on, until it
    /// has gone. Without a name it has said nothing, or that could not be kept.
    pub fn handle_name_recorded(&mut self, now: Now, call: TransactionId, has_said_name: bool) {
        self.welcome(now, call, |welcome, _, _| welcome.handle_name_recorded(has_said_name));
        self.settle(now);
    }

    /// A call is over: hung up by its other end, or failed with this status. After
    /// [`Order::HangUp`] it need not be told.
    pub fn handle_gone(&mut self, now: Now, call: TransactionId, failed: Option<u16>) {
        let Some(caller) = self.callers.remove(&call) else { return };
        if let Stage::Meeting(id) = caller.stage
            && let Some(meeting) = self.meetings.get_mut(&id)
        {
            self.gone.note(call, id);
            meeting.handle_gone(now, call, failed, &mut self.out);
        }
        self.settle(now);
    }

    /// No packet of a call has come for so long; to be told every ten seconds until one comes.
    pub fn handle_silence(&mut self, now: Now, call: TransactionId, silent_for: Duration) {
        if let Some(Stage::Meeting(id)) = self.callers.get(&call).map(|caller| &caller.stage)
            && let Some(meeting) = self.meetings.get_mut(id)
        {
            meeting.handle_silence(now, call, silent_for, &mut self.out);
        }
        self.settle(now);
    }

    /// How a call is heard in its meeting, as the mixer finds.
    pub fn handle_heard(&mut self, call: TransactionId, heard: Heard) {
        if let Some(meeting) = self.meeting_of(call) {
            meeting.set_heard(call, heard);
        }
    }

    /// How many people speak now, in all meetings.
    pub fn speaking(&self) -> usize {
        self.meetings.values().map(Meeting::speaking).sum()
    }

    /// Since the beginning: ids and passcodes that were wrong, and callers who were asked to try later since
    /// their source had given too many of those.
    pub fn guesses(&self) -> [u64; 2] {
        [self.out.wrong_ids, self.limiter.turned_away()]
    }

    /// What lines of pictures a call has, for the list of who is there.
    pub fn handle_pictures(&mut self, call: TransactionId, camera: bool, slides: bool) {
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.pictures = [camera, slides];
        }
    }

    /// Whether the number of [`crate::MeetingOrder::AskNumber`] may be called.
    pub fn handle_number_verdict(
        &mut self,
        now: Now,
        meeting: MeetingId,
        call: TransactionId,
        allowed: bool,
    ) {
        let allowed = allowed && !self.is_full() && !self.callers.contains_key(&call);
        if let Some(held) = self.meetings.get_mut(&meeting)
            && held.handle_number_verdict(now, call, allowed, &mut self.out)
        {
            let caller = Caller {
                source: None,
                name: "".into(),
                language: self.settings.languages.default.clone(),
                is_telephone: true,
                pictures: [false; 2],
                layout: None,
                stage: Stage::Meeting(meeting),
            };
            self.callers.insert(call, caller);
        }
        self.settle(now);
    }

    /// The call of [`crate::MeetingOrder::DialOut`] was answered, or was not.
    pub fn handle_called(&mut self, now: Now, call: TransactionId, news: CalledNews) {
        if let CalledNews::Failed(status) = news {
            self.handle_gone(now, call, Some(status));
            return;
        }
        let Some(Stage::Meeting(id)) = self.callers.get(&call).map(|caller| &caller.stage) else {
            return;
        };
        if let Some(meeting) = self.meetings.get_mut(id) {
            meeting.handle_called(now, call, news, &mut self.out);
        }
        self.settle(now);
    }

    /// A meeting is recorded from now on.
    pub fn handle_recording_started(&mut self, now: Now, meeting: MeetingId) {
        if let Some(meeting) = self.meetings.get_mut(&meeting) {
            meeting.handle_recording_started(now, &mut self.out);
        }
    }

    /// The recording of a meeting could not begin, or has broken off.
    pub fn handle_recording_failed(&mut self, now: Now, meeting: MeetingId) {
        if let Some(meeting) = self.meetings.get_mut(&meeting) {
            meeting.handle_recording_failed(now, &mut self.out);
        }
    }

    /// Somebody in a meeting, or the API, wants something done.
    ///
    /// # Errors
    /// [`Refused`]; nothing was done.
    pub fn command(
        &mut self,
        now: Now,
        meeting: MeetingId,
        by: By,
        command: Command,
        draw: Draw<'_>,
    ) -> Result<(), Refused> {
        if self.settings.unrecorded && by == By::Api && command == Command::Record(true) {
            return Err(Refused::Unrecorded);
        }
        let held = self.meetings.get_mut(&meeting).ok_or(Refused::NoMeeting)?;
        let done = held.command(now, by, command, draw, &mut self.out);
        self.settle(now);
        done
    }

    /// It is this late.
    pub fn handle_timeout(&mut self, now: Now) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now.at);
        let callers = self.callers.iter().filter(|(_, caller)| match &caller.stage {
            Stage::Welcome(welcome) => is_due(welcome.poll_timeout()),
            Stage::Moving | Stage::Meeting(_) => false,
            Stage::Farewell(_, until, _) => *until <= now.at,
        });
        let due: Vec<TransactionId> = callers.map(|(call, _)| *call).collect();
        for call in due {
            match self.callers.get(&call).map(|caller| &caller.stage) {
                Some(&Stage::Farewell(_, _, status)) => self.hang_up(call, status),
                Some(Stage::Welcome(_)) => {
                    self.welcome(now, call, |welcome, door, out| {
                        welcome.handle_timeout(now, door, out)
                    });
                }
                Some(Stage::Moving | Stage::Meeting(_)) | None => {}
            }
        }
        for meeting in self.meetings.values_mut() {
            if is_due(meeting.poll_timeout()) {
                meeting.handle_timeout(now, &mut self.out);
            }
        }
        self.settle(now);
    }

    /// The node stops, after its calls: whatever is held ends, so that whoever keeps the events knows it to be
    /// over. No meeting is deleted: one that is for once goes on by its numbers when the node is back. Nothing
    /// is to be told to the focus afterwards.
    pub fn stop(&mut self, now: Now) {
        for meeting in self.meetings.values_mut() {
            meeting.end(now, EndReason::NodeStops, &mut self.out);
        }
        self.meetings.clear();
        self.out.over.clear();
        self.out.dismissed.clear();
    }

    /// The meetings that there are, held or not.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The same, to make and change them. What is about people who are in a meeting has methods here:
    /// [`Focus::delete_meeting`] and its neighbours.
    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// The meeting that a caller is in, waits for or is called into; `None` of one who is still welcomed.
    pub fn meeting_id_of(&self, call: TransactionId) -> Option<MeetingId> {
        match self.callers.get(&call)?.stage {
            Stage::Meeting(id) => Some(id),
            Stage::Moving | Stage::Welcome(_) | Stage::Farewell(..) => None,
        }
    }

    /// How a meeting is; `None` of one that is not held.
    pub fn state(&self, meeting: MeetingId) -> Option<MeetingState> {
        self.meetings.get(&meeting).map(Meeting::state)
    }

    /// Who is in a meeting and waits for it, in the order of arrival.
    pub fn roster(&self, meeting: MeetingId) -> Vec<RosterEntry> {
        let mut roster = self.meetings.get(&meeting).map(Meeting::roster).unwrap_or_default();
        for entry in &mut roster {
            let caller = self.callers.get(&entry.person.call);
            [entry.camera, entry.slides] = caller.map_or([false; 2], |caller| caller.pictures);
        }
        roster
    }

    /// What was written in a meeting, oldest first; at most [`crate::KEPT_CHAT`] texts.
    pub fn chat(&self, meeting: MeetingId) -> impl Iterator<Item = &Arc<ChatMessage>> {
        self.meetings.get(&meeting).into_iter().flat_map(|meeting| meeting.chat())
    }

    /// Who shows a screen in a meeting.
    pub fn floor(&self, meeting: MeetingId) -> Option<TransactionId> {
        self.meetings.get(&meeting)?.floor()
    }

    /// How many callers there are, wherever they are.
    pub fn callers(&self) -> usize {
        self.callers.len()
    }

    /// The meetings that are held.
    pub fn held(&self) -> impl Iterator<Item = MeetingId> {
        self.meetings.keys().copied()
    }
}

//! The thread that holds the rooms: what calls do goes in, what they are to do goes out.

use super::cards;
use super::ears::Ears;
use super::events::Teller;
use super::floor::{Decision, Floors};
use super::floor_sockets::FloorSockets;
use super::names::Names;
use super::numbers::e164;
use super::prompts::Prompts;
use super::readings::Counters;
use super::steered::Steered;
use super::taping::{Next, Tapings};
use super::{Input, RoomsSection};
use call_metrics::Numbers;
use media_applications::MeetingRefusal;
use model::{
    ApplicationNews, ApplicationOrder, ConferenceId, ConferenceRecording,
    ConferenceRecordingFailure, LegSide, RecordedPerson, RoomCall, SteeredCall, TransactionId,
    Utterance,
};
use outbox::clock::{Clock, unix_time};
use room_core::{
    Arrival, By, CalledNews, Command, Dialled, Focus, FocusSettings, Language, Languages,
    MeetingId, MeetingOrder, Now, Order, Output, Prompt, Registry, Source, StoredMeeting, Words,
};
use room_guests::{Channels, KEY_HEADER, KeyDigest};
use sip_edge::ApplicationOrders;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long the thread waits for news at most, and between two attempts to give an order.
const PAUSE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);
/// Orders that wait for the edge. Full policy: the newest is lost, and that is logged; an edge that takes
/// none of so many has ended.
const UNSENT: usize = 65_536;

/// Calls by which a recording is stopped.
const STOPS: usize = 16;

/// A call, and an order with its number.
pub(super) type Unsent = (TransactionId, u32, ApplicationOrder);

/// The thread's own.
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) focus: Focus,
    /// Of callers to whom nothing was said.
    pub(super) language: Language,
    prompts: Prompts,
    /// What cards have above, where a meeting has no name; `None` without pictures.
    title: Option<Arc<str>>,
    /// Whether people may be called into meetings, and the country of numbers without one.
    call_out: (bool, Option<Arc<str>>),
    teller: Teller,
    /// How people are shown beside recordings.
    recorded: Numbers,
    tapings: Tapings,
    counters: Arc<Counters>,
    channels: Channels,
    /// What guests ask and is not taken yet.
    guests_wait: Arc<AtomicUsize>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    pub(super) callers: HashMap<TransactionId, Ears>,
    /// What callers have said as their names.
    names: Names,
    /// Calls of applications.
    pub(super) steered: Steered,
    /// Orders that the edge has had no room for, in their order.
    pub(super) unsent: VecDeque<Unsent>,
    /// Where there is floor control.
    floor: Option<(Floors, FloorSockets)>,
    /// Its sockets have taken all that is for them.
    floor_is_told: bool,
}

impl Desk {
    pub(super) fn new(
        (section, title): (RoomsSection, Option<Arc<str>>),
        (teller, recorded, unrecorded): (Teller, Numbers, bool),
        orders: Arc<OnceLock<ApplicationOrders>>,
        (counters, guests_wait): (Arc<Counters>, Arc<AtomicUsize>),
        (steered, floor): (Steered, Option<(Floors, FloorSockets)>),
    ) -> Desk {
        let prompts = Prompts::of(&section.prompts);
        let call_out = (section.call_out, section.country_code);
        let mut registry = Registry::default();
        for meeting in section.meetings {
            // What cannot be was told when the file was read.
            let _ = registry.restore(StoredMeeting::V1(meeting));
        }
        let language = section.language.clone();
        let languages = Languages { default: section.language, ..Languages::default() };
        let settings = FocusSettings { languages, unrecorded, ..FocusSettings::default() };
        Desk {
            clock: Clock::start(),
            focus: Focus::new(settings, registry),
            language,
            prompts,
            title,
            call_out,
            teller,
            recorded,
            tapings: Tapings::default(),
            counters,
            channels: Channels::default(),
            guests_wait,
            orders,
            callers: HashMap::new(),
            names: Names::default(),
            steered,
            unsent: VecDeque::new(),
            floor,
            floor_is_told: true,
        }
    }

    pub(super) fn serve(mut self, inputs: &Receiver<Input>) {
        loop {
            let is_told = self.unsent.is_empty() && self.floor_is_told;
            let patience = if is_told { PAUSE } else { AGAIN };
            let next = self.focus.poll_timeout();
            let next = next.into_iter().chain(self.channels.poll_timeout()).min();
            let next = next.map(|at| at.saturating_since(self.clock.now()));
            match inputs.recv_timeout(next.unwrap_or(PAUSE).min(patience)) {
                Ok(Input::Begun(call, begun)) => self.begin(call, &begun),
                Ok(Input::News(call, news)) => self.take_news(call, news),
                Ok(Input::Meet(call, number, request)) => self.meet(call, number, request),
                Ok(Input::Ask(work)) => work(&mut self.focus, now(self.clock), &mut draw),
                Ok(Input::Floor(news)) => {
                    if let Some((floors, _)) = &mut self.floor {
                        floors.take_news(news);
                    }
                }
                Ok(Input::Guest(from)) => {
                    self.guests_wait.fetch_sub(1, Ordering::AcqRel);
                    self.channels.handle(now(self.clock), from, &mut self.focus, &mut draw);
                }
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.forget_left();
            let now = now(self.clock);
            if self.focus.poll_timeout().is_some_and(|at| at <= now.at) {
                self.focus.handle_timeout(now);
            }
            self.decide_floor(now);
            self.pump();
            self.tell_joined();
            self.channels.note_change(now.at, &self.focus);
            self.channels.handle_timeout(now.at, &self.focus);
            self.send();
            self.send_floor();
            let focus = &self.focus;
            self.counters.set(focus.held().count(), self.callers.len(), focus.speaking());
        }
    }

    fn begin(&mut self, call: TransactionId, begun: &SteeredCall) {
        // Whom a meeting has called has no words for the welcome.
        let Some(room) = begun.room.as_deref() else { return };
        let mut ears = Ears::new(call, self.language.clone());
        if let Some((floors, _)) = &mut self.floor {
            let name = room.display_name.as_ref().unwrap_or(&begun.from);
            let access = floors.begin(call, Arc::clone(name), room.address.ip(), &mut draw);
            if let Some(access) = access {
                ears.control_floor(access);
            }
        }
        self.callers.insert(call, ears);
        let is_key = |(name, _): &&(Arc<str>, Arc<str>)| name.eq_ignore_ascii_case(KEY_HEADER);
        let key = begun.headers.iter().find(is_key).and_then(|(_, key)| KeyDigest::parse(key));
        if let Some(key) = key {
            self.channels.call_begun(call, key);
        }
        self.focus.handle_call(now(self.clock), call, arrival(begun, room));
    }

    pub(super) fn take_news(&mut self, call: TransactionId, news: ApplicationNews) {
        let Some(ears) = self.callers.get_mut(&call) else { return };
        let now = now(self.clock);
        match news {
            ApplicationNews::Key { leg: LegSide::A, key } => {
                self.focus.handle_key(now, call, key, &mut draw);
            }
            ApplicationNews::Answered(LegSide::A) => {
                self.focus.handle_called(now, call, CalledNews::Answered);
            }
            ApplicationNews::BridgeFailed { status, .. } => {
                self.callers.remove(&call);
                self.focus.handle_called(now, call, CalledNews::Failed(status));
            }
            ApplicationNews::Played { order, .. } => ears.handle_played(order),
            ApplicationNews::Heard(heard) => self.focus.handle_heard(call, heard),
            ApplicationNews::Silent { silent_for } => {
                self.focus.handle_silence(now, call, silent_for);
            }
            ApplicationNews::Pictures { camera, slides } => {
                self.focus.handle_pictures(call, camera, slides);
            }
            ApplicationNews::Uttered(utterance) => self.take_name(call, utterance),
            ApplicationNews::SeatFailed { order, .. } | ApplicationNews::Refused { order, .. }
                if ears.is_naming(order) =>
            {
                tracing::warn!(%call, "what a caller says as its name is not kept");
                self.take_name(call, None);
            }
            ApplicationNews::Seated { order } if ears.is_seat(order) => {
                ears.handle_seated(order);
                self.steered.joined(call, Ok(()));
            }
            ApplicationNews::SeatFailed { order, failure } if ears.is_seat(order) => {
                self.lose(call, &failure.to_string());
            }
            ApplicationNews::Refused { order, why } if ears.is_seat(order) => {
                self.lose(call, &why);
            }
            ApplicationNews::Refused { order, .. } if ears.is_record(order) => {
                self.not_recorded(call, &ConferenceRecordingFailure::NoSeat);
            }
            ApplicationNews::ConferenceRecords => {
                let meeting = ears.meeting();
                if let Some(meeting) = meeting.filter(|id| self.tapings.records(*id) == Next::Begun)
                {
                    self.focus.handle_recording_started(now, meeting);
                }
            }
            ApplicationNews::ConferenceRecordingFailed(failure) => {
                self.not_recorded(call, &failure);
            }
            ApplicationNews::Refused { order, why } => {
                tracing::debug!(%call, %why, "an order of the meeting rooms is not carried out");
                ears.handle_played(order);
            }
            ApplicationNews::FloorControl(peer) => {
                if let Some((floors, _)) = &mut self.floor {
                    floors.set_peer(call, peer, draw() as u16);
                }
            }
            ApplicationNews::HungUp { leg: LegSide::A, status, .. } => {
                self.callers.remove(&call);
                if let Some((floors, _)) = &mut self.floor {
                    floors.end(call);
                }
                self.channels.call_over(call);
                self.unsent.retain(|(of, ..)| *of != call);
                self.focus.handle_gone(now, call, (status >= 300).then_some(status));
                self.record_by_another(call);
            }
            _ => {}
        }
    }

    /// What a caller has said as its name, if that is still waited for.
    fn take_name(&mut self, call: TransactionId, utterance: Option<Utterance>) {
        if self.callers.get_mut(&call).is_some_and(Ears::end_naming) {
            let is_kept = utterance.is_some_and(|said| self.names.keep(call, said));
            self.focus.handle_name_recorded(now(self.clock), call, is_kept);
        }
    }

    /// The conference of a call is not recorded, or not any more.
    fn not_recorded(&mut self, call: TransactionId, failure: &ConferenceRecordingFailure) {
        let Some(meeting) = self.callers.get(&call).and_then(Ears::meeting) else { return };
        match self.tapings.failed(meeting, call, failure) {
            Next::Ask => self.order_recording(meeting, Some(call)),
            Next::Failed => {
                tracing::warn!(%meeting, %failure, "a meeting is not recorded");
                // It may have been one order of several that found no room.
                self.stop_recording(meeting);
                self.focus.handle_recording_failed(now(self.clock), meeting);
            }
            Next::Nothing | Next::Begun => {}
        }
    }

    /// Has the relay record a meeting, by way of one of its calls, rather another one than `failed`, and one that
    /// has a seat for sure; of a meeting that nobody is in the next one who joins brings the order.
    fn order_recording(&mut self, meeting: MeetingId, failed: Option<TransactionId>) {
        let there = self.callers.iter().filter(|(_, ears)| ears.is_in(meeting));
        let best = there.max_by_key(|(call, ears)| (Some(**call) != failed, ears.is_seated()));
        let Some(call) = best.map(|(call, _)| *call) else { return };
        let recording = self.recording_of(meeting, None);
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.record(Some(Box::new(recording)));
            self.tapings.asked(meeting, call);
        }
    }

    /// Has the relay record a meeting no more, by several of its calls, since none of them is answered: one that
    /// leaves meanwhile, or a worker with no room for the order, must not be the only one. Not by all: in a
    /// large meeting these would take the places of seats.
    fn stop_recording(&mut self, meeting: MeetingId) {
        let mut there: Vec<_> =
            self.callers.values_mut().filter(|ears| ears.is_in(meeting)).collect();
        there.sort_by_key(|ears| !ears.is_seated());
        there.into_iter().take(STOPS).for_each(|ears| ears.record(None));
    }

    /// The call is in no meeting any more. If it had an order to record one that is not answered, another gets it.
    pub(super) fn record_by_another(&mut self, call: TransactionId) {
        if let Some(meeting) = self.tapings.gone(call) {
            self.order_recording(meeting, Some(call));
        }
    }

    /// What the relay is told of a meeting, and of everyone in it, or of one.
    fn recording_of(&self, meeting: MeetingId, only: Option<TransactionId>) -> ConferenceRecording {
        let record = self.focus.registry().get_meeting(meeting).ok();
        let name = record.map(|record| match record.settings.name.as_str() {
            "" => record.request.external_meeting_id.as_str().into(),
            name => name.into(),
        });
        let roster = self
            .focus
            .roster(meeting)
            .into_iter()
            .filter(|entry| entry.is_in && only.is_none_or(|call| entry.person.call == call));
        let people = roster.map(|entry| RecordedPerson {
            call: entry.person.call,
            name: self.recorded.user(&entry.person.name).as_ref().into(),
            is_moderator: entry.person.moderator,
        });
        ConferenceRecording {
            meeting: meeting.to_string().into(),
            name: name.unwrap_or_default(),
            people: people.collect(),
        }
    }

    /// A caller who is in a meeting cannot be heard there: the call ends.
    fn lose(&mut self, call: TransactionId, why: &str) {
        if self.steered.joined(call, Err(MeetingRefusal::Failed(why.to_owned()))) {
            // The application hears of it, and has its caller back.
            self.focus.handle_gone(now(self.clock), call, Some(503));
            return self.let_go(call);
        }
        tracing::warn!(%call, %why, "a caller has no part in the audio of its meeting, and is hung up");
        self.focus.handle_gone(now(self.clock), call, Some(503));
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.hang_up(503);
        }
    }

    /// Follows what the rooms want done, until they want nothing more.
    pub(super) fn pump(&mut self) {
        loop {
            while let Some(output) = self.focus.poll_output() {
                self.follow(output);
            }
            let ended: Vec<_> = self
                .callers
                .iter_mut()
                .flat_map(|(call, ears)| ears.take_ended().map(|number| (*call, number)))
                .collect();
            if ended.is_empty() {
                // Their last words about who has gone were those that it left.
                self.names.retain(|call| self.callers.contains_key(call));
                return;
            }
            for (call, number) in ended {
                self.focus.handle_played(now(self.clock), call, number);
            }
        }
    }

    fn follow(&mut self, output: Output) {
        match output {
            Output::Call { call, number, order } => self.order(call, number, order),
            Output::Meeting { meeting, order } => self.order_meeting(meeting, order),
            Output::Event(event) => self.teller.tell(&event),
            Output::Floor { meeting, call, granted } => self.set_floor(meeting, call, granted),
            Output::Chat { meeting, message } => self.channels.tell_chat(meeting, &message),
        }
    }

    fn order(&mut self, call: TransactionId, number: u32, order: Order) {
        let Some(ears) = self.callers.get_mut(&call) else { return };
        match order {
            Order::Answer => ears.answer(),
            Order::Play(words) if is_shown(&words) && self.channels.is_seen(call) => {
                ears.play(number, Vec::new());
            }
            Order::Play(words) => {
                if let Some(title) = self.title.as_ref().filter(|_| !ears.has_place()) {
                    ears.show(cards::of_words(title, &words));
                }
                ears.speaks(words.language.clone());
                ears.play(number, self.prompts.sources(&words, &self.names));
            }
            Order::StopPlaying => ears.stop(),
            Order::StartMusic => ears.start_music(self.prompts.music()),
            Order::StopMusic => ears.stop_music(),
            Order::Join { meeting, muted, capabilities } => {
                if let Some(title) = &self.title {
                    let record = self.focus.registry().get_meeting(meeting);
                    let name = record.map_or("", |record| record.settings.name.as_str());
                    ears.show(Some(cards::of_meeting(name, title, ears.language())));
                }
                ears.join((meeting, conference_of(meeting)), muted, capabilities);
                if let Some((floors, _)) = &mut self.floor {
                    floors.join(call, meeting);
                }
                // Who it is, and that its conference, which may have been empty, is recorded.
                if self.tapings.has(meeting) {
                    let recording = self.recording_of(meeting, Some(call));
                    if let Some(ears) = self.callers.get_mut(&call) {
                        ears.record(Some(Box::new(recording)));
                        self.tapings.asked(meeting, call);
                    }
                }
            }
            Order::Leave => {
                ears.leave();
                if let Some((floors, _)) = &mut self.floor {
                    floors.leave(call);
                }
                self.record_by_another(call);
            }
            Order::Mute => ears.mute(true),
            Order::Unmute => ears.mute(false),
            Order::Allow(capabilities) => ears.allow(capabilities),
            Order::RecordName { longest } => ears.record_name(longest),
            Order::StopRecordingName => ears.stop_recording_name(),
            Order::HangUp { status, .. } => ears.hang_up(status),
        }
    }

    fn order_meeting(&mut self, meeting: MeetingId, order: MeetingOrder) {
        let now = now(self.clock);
        match order {
            MeetingOrder::Announce(words) => {
                let sources = self.prompts.sources(&words, &self.names);
                // Nobody hears its own name, nor that it has joined.
                let except = words.prompts.iter().find_map(|prompt| match prompt {
                    Prompt::Name(call) => Some(*call),
                    _ => None,
                });
                // The mixer plays it to all of them; whoever has a seat for sure says which conference it is.
                let there = self.callers.values_mut().filter(|ears| ears.is_in(meeting));
                if let Some(ears) = there.max_by_key(|ears| ears.is_seated()) {
                    ears.announce(sources, except);
                }
            }
            MeetingOrder::StartRecording => {
                self.tapings.start(meeting);
                self.order_recording(meeting, None);
            }
            MeetingOrder::StopRecording => {
                self.tapings.stop(meeting);
                self.stop_recording(meeting);
            }
            MeetingOrder::AskNumber { call, number, .. } => {
                let allowed = self.number_of(&number).is_some();
                self.focus.handle_number_verdict(now, meeting, call, allowed);
            }
            MeetingOrder::DialOut { call, number } => self.dial(now, call, &number),
        }
    }

    /// The number to call, where anybody may be; the rules on countries, rates and caps are the edge's.
    fn number_of(&self, typed: &str) -> Option<String> {
        let (may, country_code) = &self.call_out;
        e164(typed, country_code.as_deref()).filter(|_| *may)
    }

    /// Has somebody called into a meeting.
    fn dial(&mut self, now: Now, call: TransactionId, typed: &str) {
        let taken = match (self.number_of(typed), self.orders.get()) {
            (Some(number), Some(orders)) => orders.call_for_rooms(call, number.into()),
            _ => false,
        };
        if taken {
            self.callers.insert(call, Ears::new(call, self.language.clone()));
        } else {
            self.focus.handle_called(now, call, CalledNews::Failed(503));
        }
    }

    /// Has meetings decide what devices have asked for.
    fn decide_floor(&mut self, now: Now) {
        let Some((floors, _)) = &mut self.floor else { return };
        for wish in floors.take_wishes() {
            let (meeting, call) = (wish.meeting, wish.call);
            let command =
                if wish.shows { Command::TakeFloor(call) } else { Command::LeaveFloor(call) };
            let done = self.focus.command(now, meeting, By::Call(call), command, &mut draw);
            let decision = match done {
                Err(why) => {
                    tracing::debug!(%call, %why, "a caller does not get the floor of the slides");
                    Decision::Denied
                }
                Ok(()) if self.focus.floor(meeting) == Some(call) => Decision::Granted,
                Ok(()) => Decision::Waits,
            };
            floors.decided(wish, decision);
        }
    }

    /// Somebody shows slides from now on, or does not.
    fn set_floor(&mut self, meeting: MeetingId, call: TransactionId, shows: bool) {
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.present(meeting, shows);
        }
        if let Some((floors, _)) = &mut self.floor {
            floors.set_floor(meeting, call, shows);
        }
    }

    /// Gives the sockets of floor control what is for them, as far as they take it.
    fn send_floor(&mut self) {
        let Some((floors, sockets)) = &mut self.floor else { return };
        self.floor_is_told = sockets.take(floors.orders());
        self.counters.floor_lost.store(floors.lost(), Ordering::Relaxed);
    }

    /// Gives the edge what callers are to do, as far as it takes it.
    fn send(&mut self) {
        for (call, ears) in &mut self.callers {
            for (number, order) in ears.take_orders() {
                queue(&mut self.unsent, (*call, number, order));
            }
        }
        let Some(orders) = self.orders.get() else { return };
        while let Some((call, number, order)) = self.unsent.pop_front() {
            if let Err(order) = orders.order(call, number, order) {
                self.unsent.push_front((call, number, order));
                return;
            }
        }
    }
}

/// Has an order wait for the edge.
pub(super) fn queue(unsent: &mut VecDeque<Unsent>, order: Unsent) {
    if unsent.len() >= UNSENT {
        let call = order.0;
        tracing::error!(%call, "an order of the meeting rooms is lost: the edge takes none");
        return;
    }
    unsent.push_back(order);
}

/// Whether a guest's page shows all that is said.
fn is_shown(words: &Words) -> bool {
    words.prompts.iter().all(|prompt| {
        matches!(
            prompt,
            Prompt::Muted
                | Prompt::Unmuted
                | Prompt::HandRaised
                | Prompt::HandLowered
                | Prompt::SomebodyRaisedHand
                | Prompt::Knock
        )
    })
}

pub(super) fn now(clock: Clock) -> Now {
    Now { at: clock.now(), unix: unix_time() }
}

/// For ids and passcodes, which nobody may guess: where the system has no random number there is none.
pub(super) fn draw() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX)
}

/// What the mixer calls a meeting: most of its id's random bits, so that edges with one relay agree.
fn conference_of(meeting: MeetingId) -> ConferenceId {
    let id = TransactionId::parse(&meeting.to_string());
    ConferenceId(id.map_or(0, |id| (id.as_u128() >> 64) as u64))
}

fn arrival(begun: &SteeredCall, room: &RoomCall) -> Arrival {
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
        },
        region: room.region.as_deref().map(str::to_owned),
        called_number: number(&begun.to),
        calling_number: number(&begun.from),
        is_telephone: by_number,
    }
}

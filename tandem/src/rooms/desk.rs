//! The thread that holds the rooms: what calls do goes in, what they are to do goes out.

use super::arrival::{arrival, header, is_over};
use super::call_out::CallOut;
use super::cards;
use super::ears::Ears;
use super::events::Teller;
use super::floor::Floors;
use super::floor_sockets::FloorSockets;
use super::names::Names;
use super::numbers::e164;
use super::prompts::Prompts;
use super::readings::Counters;
use super::steered::Steered;
use super::taping::Tapings;
use super::{Input, Noted, RoomsSection};
use call_metrics::Numbers;
use media_applications::MeetingRefusal;
use model::{
    ApplicationNews, ApplicationOrder, ConferenceId, ConferenceRecordingFailure,
    ConferenceRecordingOrder, LegSide, SteeredCall, TransactionId, Utterance,
};
use outbox::clock::{Clock, unix_time};
use room_core::{
    Arrival, CalledNews, Focus, FocusSettings, Language, Languages, MeetingId, MeetingOrder, Now,
    Order, Output, Prompt, Registry, StoredMeeting, Words,
};
use room_guests::{Channels, KEY_HEADER, KeyDigest, LANGUAGE_HEADER};
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

/// A call, and an order with its number.
pub(super) type Unsent = (TransactionId, u32, ApplicationOrder);

/// The thread's own.
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) focus: Focus,
    /// Whoever calls is let in to the welcome though there is no meeting.
    always_welcomes: bool,
    /// Of callers to whom nothing was said.
    pub(super) language: Language,
    prompts: Prompts,
    /// What cards have above, where a meeting has no name; `None` without pictures.
    title: Option<Arc<str>>,
    call_out: Arc<CallOut>,
    teller: Teller,
    /// How people are shown beside recordings.
    pub(super) recorded: Numbers,
    pub(super) tapings: Tapings,
    pub(super) counters: Arc<Counters>,
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
    pub(super) floor: Option<(Floors, FloorSockets)>,
    /// Its sockets have taken all that is for them.
    pub(super) floor_is_told: bool,
    /// Told that a call is in a meeting, and that the meeting is recorded meanwhile.
    pub(super) noted: Noted,
}

impl Desk {
    pub(super) fn new(
        (section, title, always_welcomes): (RoomsSection, Option<Arc<str>>, bool),
        (teller, recorded, unrecorded): (Teller, Numbers, bool),
        orders: Arc<OnceLock<ApplicationOrders>>,
        (counters, guests_wait): (Arc<Counters>, Arc<AtomicUsize>),
        (steered, noted): (Steered, Noted),
        (floor, call_out): (Option<(Floors, FloorSockets)>, Arc<CallOut>),
    ) -> Desk {
        let prompts = Prompts::of(&section.prompts);
        let mut registry = Registry::default();
        for meeting in section.records() {
            // What cannot be was told when the file was read.
            let _ = registry.restore(StoredMeeting::V1(meeting));
        }
        let language = section.language.clone();
        let languages = Languages { default: section.language, ..section.languages };
        let menus = section.menus;
        let uncomposed = section.grid.is_none();
        let usual = FocusSettings::default();
        let settings = FocusSettings { languages, menus, unrecorded, uncomposed, ..usual };
        Desk {
            clock: Clock::start(),
            focus: Focus::new(settings, registry),
            always_welcomes,
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
            noted,
        }
    }

    pub(super) fn serve(mut self, inputs: &Receiver<Input>) {
        loop {
            let is_told = self.unsent.is_empty() && self.floor_is_told;
            let patience = if is_told { PAUSE } else { AGAIN };
            let next = self.focus.poll_timeout();
            let next = next.into_iter().chain(self.channels.poll_timeout()).min();
            let next = next.map(|at| at.saturating_since(self.clock.now()));
            self.steered.look_for_gone();
            let mut is_empty = false;
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
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.focus.stop(now(self.clock));
                    return self.pump();
                }
                Err(RecvTimeoutError::Timeout) => is_empty = true,
            }
            self.forget_left();
            self.forget_gone(is_empty);
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
            self.counters.set_guesses(focus.guesses());
            self.counters.set(focus.held().count(), self.callers.len(), focus.speaking());
        }
    }

    pub(super) fn begin(&mut self, call: TransactionId, begun: &SteeredCall) {
        // Whom a meeting has called has no words for the welcome.
        let Some(room) = begun.room.as_deref() else { return };
        let mut ears = Ears::new(call, self.language.clone());
        let is_over = is_over(begun, &self.channels, &self.focus);
        if is_over || (!self.always_welcomes && self.focus.registry().is_empty()) {
            // Nobody wants rooms here: it is as if there were none.
            ears.hang_up(if is_over { 410 } else { 404 });
            self.callers.insert(call, ears);
            return;
        }
        if let Some((floors, _)) = &mut self.floor {
            let name = room.display_name.as_ref().unwrap_or(&begun.from);
            let access = floors.begin(call, Arc::clone(name), room.address.ip(), &mut draw);
            if let Some(access) = access {
                ears.control_floor(access);
            }
        }
        self.callers.insert(call, ears);
        if let Some(key) = header(begun, KEY_HEADER).and_then(KeyDigest::parse) {
            self.channels.call_begun(call, key);
        }
        let wished = header(begun, LANGUAGE_HEADER).and_then(|text| Language::parse(text).ok());
        let wished = wished.filter(|language| self.prompts.has(language));
        let arrival = Arrival { wished, ..arrival(begun, room) };
        self.focus.handle_call(now(self.clock), call, arrival);
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
            ApplicationNews::ConferenceRecords => self.is_recorded(call),
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
            Order::Join { meeting, muted, capabilities, name, layout } => {
                let place = (meeting, capabilities);
                ears.show(cards::in_meeting(&self.focus, &self.title, place, ears.language()));
                if self.title.is_some() {
                    ears.lay_out(Some(name), layout);
                }
                ears.join((meeting, conference_of(meeting)), muted, capabilities);
                (self.noted)(call, meeting, false);
                if let Some((floors, _)) = &mut self.floor {
                    floors.join(call, meeting);
                }
                // Who it is, and that its conference, which may have been empty, is recorded.
                if self.tapings.has(meeting) {
                    let recording = self.recording_of(meeting, Some(call));
                    if let Some(ears) = self.callers.get_mut(&call) {
                        ears.record(ConferenceRecordingOrder::Record(Box::new(recording)));
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
            Order::Allow(capabilities) => {
                ears.allow(capabilities);
                let place = ears.meeting().map(|meeting| (meeting, capabilities));
                let card =
                    |place| cards::in_meeting(&self.focus, &self.title, place, ears.language());
                ears.show(place.and_then(card));
            }
            Order::LayOut(layout) => ears.lay_out(None, layout),
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
                self.tapings.start(meeting, now.unix.as_millis());
                self.order_recording(meeting, None);
            }
            MeetingOrder::StopRecording => {
                if let Some(id) = self.tapings.stop(meeting) {
                    self.stop_recording(meeting, id);
                }
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
        e164(typed, self.call_out.country_code()?.as_deref())
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
pub(super) fn conference_of(meeting: MeetingId) -> ConferenceId {
    let id = TransactionId::parse(&meeting.to_string());
    ConferenceId(id.map_or(0, |id| (id.as_u128() >> 64) as u64))
}

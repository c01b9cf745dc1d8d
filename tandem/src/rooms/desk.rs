//! The thread that holds the rooms: what calls do goes in, what they are to do goes out.

use super::ears::Ears;
use super::events::Teller;
use super::prompts::Prompts;
use super::readings::Counters;
use super::taping::{Next, Tapings};
use super::{Input, RoomsSection};
use call_metrics::Numbers;
use model::{
    ApplicationNews, ApplicationOrder, ConferenceId, ConferenceRecording,
    ConferenceRecordingFailure, LegSide, RecordedPerson, RoomCall, SteeredCall, TransactionId,
};
use outbox::clock::{Clock, unix_time};
use room_core::{
    Arrival, CalledNews, Dialled, Focus, FocusSettings, Languages, MeetingId, MeetingOrder, Now,
    Order, Output, Registry, Source, StoredMeeting,
};
use sip_edge::ApplicationOrders;
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long the thread waits for news at most, and between two attempts to give an order.
const PAUSE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);
/// Orders that wait for the edge. Full policy: the newest is lost, and that is logged; an edge that takes
/// none of so many has ended.
const UNSENT: usize = 65_536;

/// The thread's own.
pub(super) struct Desk {
    clock: Clock,
    focus: Focus,
    prompts: Prompts,
    teller: Teller,
    /// How people are shown beside recordings.
    recorded: Numbers,
    tapings: Tapings,
    counters: Arc<Counters>,
    orders: Arc<OnceLock<ApplicationOrders>>,
    callers: HashMap<TransactionId, Ears>,
    /// Orders that the edge has had no room for, in their order.
    unsent: VecDeque<(TransactionId, u32, ApplicationOrder)>,
}

impl Desk {
    pub(super) fn new(
        section: RoomsSection,
        (teller, recorded): (Teller, Numbers),
        (orders, counters): (Arc<OnceLock<ApplicationOrders>>, Arc<Counters>),
        unrecorded: bool,
    ) -> Desk {
        let prompts = Prompts::of(&section.prompts);
        let mut registry = Registry::default();
        for meeting in section.meetings {
            // What cannot be was told when the file was read.
            let _ = registry.restore(StoredMeeting::V1(meeting));
        }
        let languages = Languages { default: section.language, ..Languages::default() };
        let settings = FocusSettings { languages, unrecorded, ..FocusSettings::default() };
        Desk {
            clock: Clock::start(),
            focus: Focus::new(settings, registry),
            prompts,
            teller,
            recorded,
            tapings: Tapings::default(),
            counters,
            orders,
            callers: HashMap::new(),
            unsent: VecDeque::new(),
        }
    }

    pub(super) fn serve(mut self, inputs: &Receiver<Input>) {
        loop {
            let patience = if self.unsent.is_empty() { PAUSE } else { AGAIN };
            let next = self.focus.poll_timeout();
            let next = next.map(|at| at.saturating_since(self.clock.now()));
            match inputs.recv_timeout(next.unwrap_or(PAUSE).min(patience)) {
                Ok(Input::Begun(call, begun)) => self.begin(call, &begun),
                Ok(Input::News(call, news)) => self.take_news(call, news),
                Ok(Input::Ask(work)) => work(&mut self.focus, now(self.clock), &mut draw),
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = now(self.clock);
            if self.focus.poll_timeout().is_some_and(|at| at <= now.at) {
                self.focus.handle_timeout(now);
            }
            self.pump();
            self.send();
            self.counters.set(self.focus.held().count(), self.callers.len());
        }
    }

    fn begin(&mut self, call: TransactionId, begun: &SteeredCall) {
        let Some(room) = begun.room.as_deref() else { return };
        self.callers.insert(call, Ears::new(call));
        self.focus.handle_call(now(self.clock), call, arrival(begun, room));
    }

    fn take_news(&mut self, call: TransactionId, news: ApplicationNews) {
        let Some(ears) = self.callers.get_mut(&call) else { return };
        let now = now(self.clock);
        match news {
            ApplicationNews::Key { leg: LegSide::A, key } => {
                self.focus.handle_key(now, call, key, &mut draw);
            }
            ApplicationNews::Played { order, .. } => ears.handle_played(order),
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
            ApplicationNews::HungUp { leg: LegSide::A, status, .. } => {
                self.callers.remove(&call);
                self.unsent.retain(|(of, ..)| *of != call);
                self.focus.handle_gone(now, call, (status >= 300).then_some(status));
                if let Some(meeting) = self.tapings.gone(call) {
                    self.order_recording(meeting, Some(call));
                }
            }
            _ => {}
        }
    }

    /// The conference of a call is not recorded, or not any more.
    fn not_recorded(&mut self, call: TransactionId, failure: &ConferenceRecordingFailure) {
        let Some(meeting) = self.callers.get(&call).and_then(Ears::meeting) else { return };
        match self.tapings.failed(meeting, call, failure) {
            Next::Ask => self.order_recording(meeting, Some(call)),
            Next::Failed => {
                tracing::warn!(%meeting, %failure, "a meeting is not recorded");
                self.focus.handle_recording_failed(now(self.clock), meeting);
            }
            Next::Nothing | Next::Begun => {}
        }
    }

    /// Has the relay record a meeting, by way of one of its calls, rather another one than `failed`; of a meeting that nobody is in the next
    /// one who joins brings the order.
    fn order_recording(&mut self, meeting: MeetingId, failed: Option<TransactionId>) {
        let there = self.callers.iter().filter(|(_, ears)| ears.is_in(meeting));
        let call = there.map(|(call, _)| *call).max_by_key(|call| Some(*call) != failed);
        let Some(call) = call else { return };
        let recording = self.recording_of(meeting, None);
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.record(Some(Box::new(recording)));
            self.tapings.asked(meeting, call);
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
        tracing::warn!(%call, %why, "a caller has no part in the audio of its meeting, and is hung up");
        self.focus.handle_gone(now(self.clock), call, Some(503));
        if let Some(ears) = self.callers.get_mut(&call) {
            ears.hang_up(503);
        }
    }

    /// Follows what the rooms want done, until they want nothing more.
    fn pump(&mut self) {
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
            // Nobody here sees a screen or reads.
            Output::Floor { .. } | Output::Chat { .. } => {}
        }
    }

    fn order(&mut self, call: TransactionId, number: u32, order: Order) {
        let Some(ears) = self.callers.get_mut(&call) else { return };
        match order {
            Order::Answer => ears.answer(),
            Order::Play(words) => ears.play(number, self.prompts.sources(&words)),
            Order::StopPlaying => ears.stop(),
            Order::StartMusic => ears.start_music(self.prompts.music()),
            Order::StopMusic => ears.stop_music(),
            Order::Join { meeting, muted, capabilities } => {
                ears.join((meeting, conference_of(meeting)), muted, capabilities.audio);
                // Who it is, and that its conference, which may have been empty, is recorded.
                if self.tapings.has(meeting) {
                    let recording = self.recording_of(meeting, Some(call));
                    if let Some(ears) = self.callers.get_mut(&call) {
                        ears.record(Some(Box::new(recording)));
                        self.tapings.asked(meeting, call);
                    }
                }
            }
            Order::Leave => ears.leave(),
            Order::Mute => ears.mute(true),
            Order::Unmute => ears.mute(false),
            Order::Allow(capabilities) => ears.allow(capabilities.audio),
            // What callers say is not kept yet: their names are not said.
            Order::RecordName { .. } => self.focus.handle_name_recorded(now(self.clock), call),
            Order::HangUp { status, .. } => ears.hang_up(status),
        }
    }

    fn order_meeting(&mut self, meeting: MeetingId, order: MeetingOrder) {
        let now = now(self.clock);
        match order {
            MeetingOrder::Announce(words) => {
                let sources = self.prompts.sources(&words);
                let there = self.callers.values_mut().filter(|ears| ears.is_in(meeting));
                there.for_each(|ears| ears.announce(&sources));
            }
            MeetingOrder::StartRecording => {
                self.tapings.start(meeting);
                self.order_recording(meeting, None);
            }
            MeetingOrder::StopRecording => {
                self.tapings.stop(meeting);
                if let Some(ears) = self.callers.values_mut().find(|ears| ears.is_in(meeting)) {
                    ears.record(None);
                }
            }
            // There are no calls out of rooms yet; who asks for them hears so.
            MeetingOrder::AskNumber { call, .. } => {
                self.focus.handle_number_verdict(now, meeting, call, false);
            }
            MeetingOrder::DialOut { call, .. } => {
                self.focus.handle_called(now, call, CalledNews::Failed(501));
            }
        }
    }

    /// Gives the edge what callers are to do, as far as it takes it.
    fn send(&mut self) {
        for (call, ears) in &mut self.callers {
            for (number, order) in ears.take_orders() {
                if self.unsent.len() >= UNSENT {
                    tracing::error!(%call, "an order of the meeting rooms is lost: the edge takes none");
                    continue;
                }
                self.unsent.push_back((*call, number, order));
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

fn now(clock: Clock) -> Now {
    Now { at: clock.now(), unix: unix_time() }
}

/// For ids and passcodes, which nobody may guess: where the system has no random number there is none.
fn draw() -> u64 {
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

//! Rooms in simulated time, with a view of each call that follows the orders and breaks when they
//! contradict themselves. Tests write scenes with it; any octets are a scene too (`acts.rs`).
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod acts;

use model::{DtmfKey, Instant, PictureLayout, TransactionId, UnixTime};
use room_core::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

/// When scenes begin.
pub(crate) const BEGIN: u64 = 1_767_323_045_000;

/// What is known of a call from the orders that it got.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) answered: bool,
    pub(crate) meeting: Option<MeetingId>,
    pub(crate) muted: bool,
    /// What it sees in the meeting, and how it is called there.
    pub(crate) layout: Option<(PictureLayout, String)>,
    pub(crate) music: bool,
    /// What is played, by which order.
    pub(crate) playing: Option<(u32, Vec<Prompt>)>,
    /// The last words that it heard the beginning of.
    pub(crate) heard: Vec<Prompt>,
    pub(crate) language: Option<Language>,
    pub(crate) records_name: bool,
    /// The other end has hung up.
    pub(crate) gone: bool,
    /// We have.
    pub(crate) hung_up: bool,
    /// With this status.
    pub(crate) status: u16,
}

pub(crate) struct World {
    pub(crate) focus: Focus,
    pub(crate) at: Instant,
    random: u64,
    pub(crate) views: BTreeMap<TransactionId, View>,
    pub(crate) events: Vec<Event>,
    /// Orders to meetings, in their order.
    pub(crate) orders: Vec<(MeetingId, MeetingOrder)>,
    pub(crate) floors: Vec<(TransactionId, bool)>,
    pub(crate) chats: usize,
    /// How many outputs the last input had.
    pub(crate) outputs: usize,
    last_call: u128,
    /// Of each meeting that is held: its last event's number, who is in or waits, the lock.
    held: BTreeMap<MeetingId, Held>,
    /// Calls whom somebody of the meeting lets in, locked or not.
    expected: BTreeSet<TransactionId>,
    everyone_expected: bool,
    /// Meetings by number.
    pub(crate) rooms: Vec<MeetingId>,
    pub(crate) guests: Vec<(MeetingId, AttendeeId, String)>,
}

#[derive(Default)]
struct Held {
    sequence: u64,
    inside: BTreeSet<TransactionId>,
    waiting: BTreeSet<TransactionId>,
    locked: bool,
    recording: bool,
}

impl World {
    pub(crate) fn new(settings: FocusSettings) -> Self {
        World {
            focus: Focus::new(settings, Registry::default()),
            at: Instant::from_millis(1_000),
            random: 7,
            views: BTreeMap::new(),
            events: Vec::new(),
            orders: Vec::new(),
            floors: Vec::new(),
            chats: 0,
            outputs: 0,
            last_call: 0,
            held: BTreeMap::new(),
            expected: BTreeSet::new(),
            everyone_expected: false,
            rooms: Vec::new(),
            guests: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let unix = UnixTime::from_millis(BEGIN + self.at.as_millis());
        Now { at: self.at, unix }
    }

    /// Makes a meeting, with the passcode 4321.
    pub(crate) fn make(&mut self, settings: MeetingSettings) -> MeetingId {
        self.make_with(settings, "4321")
    }

    /// Makes a meeting with this passcode; with none, where that is empty.
    pub(crate) fn make_with(&mut self, settings: MeetingSettings, passcode: &str) -> MeetingId {
        let token = format!("token-{}", self.rooms.len());
        let request = CreateMeeting {
            external_meeting_id: token.clone(),
            client_request_token: token,
            media_region: "eu-central-1".into(),
            ..CreateMeeting::default()
        };
        let passcode = match Passcode::parse(passcode) {
            Ok(passcode) => PasscodeChoice::Given(passcode),
            Err(_) => PasscodeChoice::None,
        };
        let now = self.now();
        let options = RoomOptions { settings, passcode };
        let draw = &mut draw(&mut self.random);
        let made = self.focus.registry_mut().create_meeting(now.unix, request, options, draw);
        let id = made.map(|record| record.meeting_id).unwrap_or_else(|why| panic!("{why}"));
        self.rooms.push(id);
        id
    }

    pub(crate) fn guest(&mut self, meeting: MeetingId, moderator: bool) -> usize {
        let external_user_id = format!("user-{}", self.guests.len());
        let request = CreateAttendee { external_user_id, capabilities: None };
        let draw = &mut draw(&mut self.random);
        let made = self.focus.registry_mut().create_attendee(meeting, request, moderator, draw);
        if let Ok(made) = made {
            self.guests.push((meeting, made.attendee_id, made.join_token.clone()));
        }
        self.guests.len().saturating_sub(1)
    }

    /// The attendee's and the moderator's number.
    pub(crate) fn numbers(&self, meeting: MeetingId) -> (String, String) {
        match self.focus.registry().get_meeting(meeting) {
            Ok(it) => (it.attendee_number.to_string(), it.moderator_number.to_string()),
            Err(_) => ("1111111111".into(), "2222222222222".into()),
        }
    }

    pub(crate) fn new_call(&mut self) -> TransactionId {
        self.last_call += 1;
        TransactionId::from_random(self.last_call << 80 | self.last_call)
    }

    pub(crate) fn call_from(
        &mut self,
        host: u8,
        dialled: Dialled,
        telephone: bool,
    ) -> TransactionId {
        let call = self.new_call();
        let arrival = Arrival {
            source: Source::Network(Ipv4Addr::new(192, 0, 2, host).into()),
            name: format!("caller {host}"),
            dialled,
            wished: None,
            region: None,
            called_number: None,
            calling_number: None,
            is_telephone: telephone,
        };
        self.views.insert(call, View::default());
        let now = self.now();
        self.focus.handle_call(now, call, arrival);
        self.drain();
        call
    }

    /// A telephone that dials nothing.
    pub(crate) fn call(&mut self) -> TransactionId {
        let host = u8::try_from(self.last_call % 250).unwrap_or_default();
        self.call_from(host, Dialled::default(), true)
    }

    /// A device that dials this.
    pub(crate) fn dial(&mut self, id: &str, passcode: Option<&str>) -> TransactionId {
        let host = u8::try_from(self.last_call % 250).unwrap_or_default();
        let dialled = Dialled {
            id: Some(id.into()),
            passcode: passcode.map(Into::into),
            ..Dialled::default()
        };
        self.call_from(host, dialled, false)
    }

    /// Joins as an attendee, by number.
    pub(crate) fn attend(&mut self, meeting: MeetingId) -> TransactionId {
        let (number, _) = self.numbers(meeting);
        self.dial(&number, None)
    }

    /// Joins as a moderator, by number and passcode.
    pub(crate) fn moderate(&mut self, meeting: MeetingId) -> TransactionId {
        let (_, number) = self.numbers(meeting);
        self.dial(&number, Some("4321"))
    }

    pub(crate) fn join_guest(&mut self, guest: usize) -> (TransactionId, Result<(), Refused>) {
        let call = self.new_call();
        let Some((meeting, attendee, token)) = self.guests.get(guest).cloned() else {
            return (call, Err(Refused::NobodyThere));
        };
        let is_there = |entry: &RosterEntry| {
            entry.is_in && entry.person.attendee.as_ref().is_some_and(|(id, _)| *id == attendee)
        };
        if self.focus.roster(meeting).iter().any(is_there) {
            self.expected.insert(call);
        }
        self.views.insert(call, View { answered: true, ..View::default() });
        let now = self.now();
        let joined = self.focus.handle_guest(now, call, (meeting, attendee, &token), "guest");
        if joined.is_err() {
            self.views.remove(&call);
        }
        self.drain();
        (call, joined)
    }

    pub(crate) fn keys(&mut self, call: TransactionId, keys: &str) {
        for key in keys.chars().filter_map(DtmfKey::from_symbol) {
            let now = self.now();
            self.everyone_expected = true;
            self.focus.handle_key(now, call, key, &mut draw(&mut self.random));
            self.drain();
        }
    }

    /// What is played to a call has ended.
    pub(crate) fn played(&mut self, call: TransactionId) {
        let playing = self.views.get_mut(&call).and_then(|view| view.playing.take());
        if let Some((number, _)) = playing {
            let now = self.now();
            self.focus.handle_played(now, call, number);
            self.drain();
        }
    }

    pub(crate) fn gone(&mut self, call: TransactionId, failed: Option<u16>) {
        if let Some(view) = self.views.get_mut(&call) {
            view.gone = true;
        }
        let now = self.now();
        self.focus.handle_gone(now, call, failed);
        self.drain();
    }

    pub(crate) fn command(
        &mut self,
        meeting: MeetingId,
        by: By,
        command: Command,
    ) -> Result<(), Refused> {
        self.everyone_expected =
            matches!(command, Command::Admit(_) | Command::AdmitAll | Command::Promote(_));
        let now = self.now();
        let done = self.focus.command(now, meeting, by, command, &mut draw(&mut self.random));
        self.drain();
        done
    }

    /// Somebody answers, or not, whom a meeting wants to call.
    pub(crate) fn verdict(&mut self, meeting: MeetingId, call: TransactionId, allowed: bool) {
        let now = self.now();
        self.focus.handle_number_verdict(now, meeting, call, allowed);
        self.drain();
    }

    pub(crate) fn called(&mut self, call: TransactionId, news: CalledNews) {
        if matches!(news, CalledNews::Failed(_))
            && let Some(view) = self.views.get_mut(&call)
        {
            view.gone = true;
        }
        let now = self.now();
        self.focus.handle_called(now, call, news);
        self.drain();
    }

    /// Time passes, and everything happens that is due meanwhile.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.at + span;
        while let Some(at) = self.focus.poll_timeout().filter(|at| *at <= until) {
            self.at = self.at.max(at);
            let now = self.now();
            self.focus.handle_timeout(now);
            self.drain();
            let next = self.focus.poll_timeout();
            assert!(next.is_none_or(|next| next > self.at), "due and not done");
        }
        self.at = until;
    }

    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds));
    }

    pub(crate) fn view(&self, call: TransactionId) -> View {
        self.views.get(&call).cloned().unwrap_or_default()
    }

    /// Whether a call is in the mix of a meeting.
    pub(crate) fn is_in(&self, call: TransactionId, meeting: MeetingId) -> bool {
        self.view(call).meeting == Some(meeting)
    }

    /// What everybody of a meeting has heard, one line for each announcement.
    pub(crate) fn announced(&self, meeting: MeetingId) -> Vec<Vec<Prompt>> {
        let announcement = |(id, order): &(MeetingId, MeetingOrder)| match order {
            MeetingOrder::Announce(words) if *id == meeting => Some(words.prompts.clone()),
            _ => None,
        };
        self.orders.iter().filter_map(announcement).collect()
    }

    /// The names of the events so far, without the service's word.
    pub(crate) fn told(&self) -> Vec<&'static str> {
        let name = |event: &Event| event.kind.name();
        self.events.iter().map(name).filter_map(|it| it.split(':').nth(1)).collect()
    }

    /// Takes the outputs of one input.
    pub(crate) fn drain(&mut self) {
        let callers = self.views.values().filter(|view| !view.hung_up).count();
        self.outputs = 0;
        while let Some(output) = self.focus.poll_output() {
            self.outputs += 1;
            match output {
                Output::Call { call, number, order } => self.follow(call, number, order),
                Output::Meeting { meeting, order } => self.follow_meeting(meeting, order),
                Output::Event(event) => self.note(event),
                Output::Floor { call, granted, .. } => self.floors.push((call, granted)),
                Output::Chat { message, .. } => {
                    assert!(message.text.chars().count() <= MOST_CHAT);
                    self.chats += 1;
                }
            }
        }
        assert!(self.outputs <= 20 + 10 * (callers + 1), "{} outputs", self.outputs);
        self.everyone_expected = false;
        if self.outputs > 0 {
            self.compare();
        }
    }

    fn follow(&mut self, call: TransactionId, number: u32, order: Order) {
        let view = self.views.entry(call).or_default();
        assert!(!view.hung_up, "{order:?} after the end");
        match order {
            Order::Answer => {
                assert!(!view.answered);
                view.answered = true;
            }
            Order::Play(words) => {
                assert!(view.answered || view.gone, "played before the answer");
                assert!((1..=Words::MOST).contains(&words.prompts.len()));
                view.heard.clone_from(&words.prompts);
                view.language = Some(words.language);
                view.playing = Some((number, words.prompts));
            }
            Order::StopPlaying => view.playing = None,
            Order::StartMusic => {
                assert!(!view.music && view.meeting.is_none());
                view.music = true;
            }
            Order::StopMusic => {
                assert!(view.music);
                view.music = false;
            }
            Order::Join { meeting, muted, name, layout, .. } => {
                assert!(!view.music, "music in the mix");
                assert_eq!(view.meeting, None, "in two places");
                assert!(!view.gone && view.answered);
                (view.meeting, view.muted) = (Some(meeting), muted);
                view.layout = Some((layout, name.to_string()));
            }
            Order::Leave => {
                assert!(view.meeting.take().is_some(), "left without having joined");
            }
            Order::Mute => {
                assert!(!view.muted && view.meeting.is_some());
                view.muted = true;
            }
            Order::Unmute => {
                assert!(view.muted && view.meeting.is_some());
                view.muted = false;
            }
            Order::Allow(_) => assert!(view.meeting.is_some()),
            Order::LayOut(layout) => {
                let before = view.layout.take();
                let changes = before.as_ref().is_some_and(|(before, _)| *before != layout);
                assert!(changes, "told what it sees already");
                view.layout = before.map(|(_, name)| (layout, name));
            }
            Order::RecordName { longest } => {
                assert!(longest <= model::LONGEST_UTTERANCE);
                view.records_name = true;
            }
            Order::StopRecordingName => {
                view.records_name = false;
            }
            Order::HangUp { status, .. } => {
                assert!((400..700).contains(&status));
                assert!(view.meeting.is_none() && !view.music, "hung up in a meeting");
                view.hung_up = true;
                view.status = status;
            }
        }
    }

    fn follow_meeting(&mut self, meeting: MeetingId, order: MeetingOrder) {
        match &order {
            MeetingOrder::DialOut { call, .. } => {
                // It is a call of ours, which is answered by its other end.
                self.views.insert(*call, View { answered: true, ..View::default() });
                self.expected.insert(*call);
            }
            MeetingOrder::StartRecording => self.recording(meeting, true),
            MeetingOrder::StopRecording => self.recording(meeting, false),
            MeetingOrder::Announce(words) => {
                assert!((1..=Words::MOST).contains(&words.prompts.len()));
            }
            MeetingOrder::AskNumber { .. } => {}
        }
        self.orders.push((meeting, order));
    }

    /// Whoever records has begun.
    pub(crate) fn recording_started(&mut self, meeting: MeetingId) {
        let now = self.now();
        self.focus.handle_recording_started(now, meeting);
        self.drain();
    }

    fn recording(&mut self, meeting: MeetingId, on: bool) {
        let held = self.held.entry(meeting).or_default();
        assert_ne!(held.recording, on);
        held.recording = on;
    }

    fn note(&mut self, event: Event) {
        let held = self.held.entry(event.meeting).or_default();
        held.sequence += 1;
        assert_eq!(held.sequence, event.sequence);
        assert_eq!(event.sequence == 1, event.kind == EventKind::Started);
        let call = event.kind.person().map(|person| person.call);
        match (&event.kind, call) {
            (EventKind::Waiting(_), Some(call)) => {
                held.inside.remove(&call);
                assert!(held.waiting.insert(call));
            }
            (EventKind::Joined(person), Some(call)) => {
                held.waiting.remove(&call);
                assert!(held.inside.insert(call), "joined twice");
                let may = !held.locked
                    || person.moderator
                    || self.everyone_expected
                    || self.expected.contains(&call);
                assert!(may, "a locked meeting admitted somebody");
            }
            (EventKind::Left(..) | EventKind::Dropped(..), Some(call)) => {
                let was_there = held.inside.remove(&call) | held.waiting.remove(&call);
                assert!(was_there, "left without having come");
            }
            (EventKind::Locked, _) => held.locked = true,
            (EventKind::Unlocked, _) => held.locked = false,
            (EventKind::RecordingFailed, _) => held.recording = false,
            (EventKind::Ended(_), _) => {
                assert!(held.inside.is_empty() && held.waiting.is_empty(), "ended with people");
                assert!(!held.recording);
                self.held.remove(&event.meeting);
            }
            _ => {}
        }
        self.events.push(event);
    }

    /// What the rooms say of themselves is what the orders have made.
    fn compare(&self) {
        let held: BTreeSet<MeetingId> = self.focus.held().collect();
        assert_eq!(held, self.held.keys().copied().collect());
        for meeting in &held {
            let roster = self.focus.roster(*meeting);
            let place = |is_in: bool| {
                let there = roster.iter().filter(move |entry| entry.is_in == is_in);
                there.map(|entry| entry.person.call).collect::<BTreeSet<_>>()
            };
            let mixed = self.views.iter().filter(|(_, view)| view.meeting == Some(*meeting));
            assert_eq!(place(true), mixed.map(|(call, _)| *call).collect(), "the mix");
            let known = self.held.get(meeting);
            assert_eq!(Some(&place(true)), known.map(|held| &held.inside), "the events");
            assert_eq!(Some(&place(false)), known.map(|held| &held.waiting), "the events");
            for entry in &roster {
                let Some(view) = self.views.get(&entry.person.call) else {
                    panic!("nobody knows who is in the roster");
                };
                assert_eq!(view.music, !entry.is_in, "music");
                assert!(!entry.is_in || view.muted == entry.muted, "muted");
                assert!(!view.gone && !view.hung_up);
                assert!(entry.is_in || !(entry.speaks || entry.shows));
            }
            let state = self.focus.state(*meeting);
            assert_eq!(state.map(|it| it.people), Some(place(true).len()));
            assert!(state.is_some_and(|it| it.people + it.waiting + it.called <= 250));
        }
        let alive = self.views.values().filter(|view| !view.gone && !view.hung_up).count();
        assert_eq!(alive, self.focus.callers(), "callers");
    }
}

/// SplitMix64.
fn draw(state: &mut u64) -> impl FnMut() -> u64 + '_ {
    || {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

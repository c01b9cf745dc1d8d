//! A media relay without packets: it hands out ports and remembers what it was told.

use crate::fixture::EDGE;
use model::{
    AllocationFailure, AudioSource, ConferenceRecordingFailure, ConferenceRecordingOrder,
    DtmfPress, LegSide, ListenFailure, ListenedUpdate, Listening, LocalMedia, MediaCommand,
    MediaEvent, MediaId, MediaLine, MediaPlan, ParticipantId, PictureSeat, PlayOutcome, Playing,
    Seat, SeatFailure, Utterance,
};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How the relay answers a wish for ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelayMode {
    /// With ports, at once.
    Answers,
    /// Not until [`FakeRelay::answer_held`].
    Holds,
    /// With a failure.
    Fails(AllocationFailure),
    /// With ports for main lines; it has none for others.
    AudioOnly,
    /// With ports for emergency calls; it has no others.
    HelpsOnly,
}

/// The relay.
#[derive(Debug)]
pub struct FakeRelay {
    /// How it answers from now on.
    pub mode: RelayMode,
    /// Every plan that was applied to a main line, oldest first.
    pub plans: Vec<MediaPlan>,
    /// Every plan that was applied to another, oldest first.
    pub further: Vec<(MediaLine, MediaPlan)>,
    lines: HashMap<MediaId, MediaLine>,
    /// Every leg that went over from one stream to another, with its SRTP, oldest first.
    pub moves: Vec<[(MediaId, LegSide); 2]>,
    /// What each leg hears that the other one does not say.
    pub playing: HashMap<(MediaId, LegSide), Playing>,
    /// Every key that it was to send, oldest first: to which leg, the event, for how long.
    pub keys: Vec<(LegSide, u8, Duration)>,
    /// What each leg's copies go to.
    pub copied: HashMap<(MediaId, LegSide), MediaId>,
    /// What is listened to.
    pub listened: HashMap<MediaId, Listening>,
    /// What listeners were told, oldest first.
    pub listened_updates: Vec<ListenedUpdate>,
    /// Why nobody can listen.
    pub cannot_listen: Option<ListenFailure>,
    /// Who takes part in which conference.
    pub seated: HashMap<MediaId, Seat>,
    /// Every seat that was ordered, oldest first.
    pub seats: Vec<Seat>,
    /// What was announced in conferences, oldest first.
    pub announced: Vec<(AudioSource, Option<ParticipantId>)>,
    /// What a caller says next; told when its time is ended, and when it is not begun.
    pub utterance: Option<Utterance>,
    /// Every wish for one, oldest first.
    pub utterances: Vec<Option<Duration>>,
    /// Where streams of pictures have their places.
    pub shown: HashMap<MediaId, PictureSeat>,
    /// Streams whose leg asked for a key frame, oldest first.
    pub refreshed: Vec<MediaId>,
    /// Why nobody gets a seat for pictures.
    pub cannot_show: Option<SeatFailure>,
    /// Why nobody gets a seat.
    pub cannot_sit: Option<SeatFailure>,
    /// Answers about seats are kept in `late`, for [`crate::World::say`].
    pub holds_seats: bool,
    /// Those answers, oldest first.
    pub late: Vec<MediaEvent>,
    /// What was ordered to be recorded of conferences, in order.
    pub conference_recordings: Vec<ConferenceRecordingOrder>,
    /// Why conferences are not recorded; `None` where they are.
    pub cannot_record_conferences: Option<ConferenceRecordingFailure>,
    open: HashMap<MediaId, [LocalMedia; 2]>,
    held: Vec<MediaId>,
    next_port: u16,
}

impl FakeRelay {
    /// A relay that answers.
    pub fn new() -> Self {
        FakeRelay {
            mode: RelayMode::Answers,
            plans: Vec::new(),
            further: Vec::new(),
            lines: HashMap::new(),
            moves: Vec::new(),
            playing: HashMap::new(),
            keys: Vec::new(),
            copied: HashMap::new(),
            listened: HashMap::new(),
            listened_updates: Vec::new(),
            cannot_listen: None,
            seated: HashMap::new(),
            seats: Vec::new(),
            announced: Vec::new(),
            utterance: None,
            utterances: Vec::new(),
            shown: HashMap::new(),
            refreshed: Vec::new(),
            cannot_show: None,
            cannot_sit: None,
            holds_seats: false,
            late: Vec::new(),
            conference_recordings: Vec::new(),
            cannot_record_conferences: None,
            open: HashMap::new(),
            held: Vec::new(),
            next_port: 20_000,
        }
    }

    /// Takes a command; returns what the relay says to it.
    pub fn handle(&mut self, command: MediaCommand) -> Option<MediaEvent> {
        match command {
            MediaCommand::Allocate { id, emergency, line, .. } => {
                self.lines.insert(id, line);
                self.answer(id, emergency)
            }
            MediaCommand::Apply { id, plan } => {
                assert!(self.open.contains_key(&id), "a plan for {id:?}, which has no ports");
                self.check_bundle(id, &plan);
                match self.lines[&id] {
                    MediaLine::Main => self.plans.push(*plan),
                    line => self.further.push((line, *plan)),
                }
                None
            }
            MediaCommand::MoveLeg { from, to } => {
                let both = self.open.contains_key(&from.0) && self.open.contains_key(&to.0);
                assert!(both, "a leg goes from {from:?} to {to:?}, and one has no ports");
                self.moves.push([from, to]);
                None
            }
            MediaCommand::SendEvent { id, leg, key, duration } => {
                assert!(self.open.contains_key(&id), "a key for {id:?}, which has no ports");
                self.keys.push((leg, key.event(), duration));
                None
            }
            MediaCommand::Play { id, leg, playing } => {
                assert!(self.open.contains_key(&id), "{id:?} plays, and has no ports");
                self.playing.insert((id, leg), playing);
                let duration = Duration::from_secs(1);
                Some(MediaEvent::Plays { id, leg, duration, sample_rate: 8_000 })
            }
            MediaCommand::StopPlaying { id, leg } => {
                let played = self.playing.remove(&(id, leg));
                assert!(played.is_some(), "nothing was played to {leg:?} of {id:?}");
                None
            }
            MediaCommand::Record { id, .. } | MediaCommand::StopRecording { id } => {
                assert!(self.open.contains_key(&id), "a recording of {id:?}, which has no ports");
                None
            }
            MediaCommand::Copy { id, leg, to: None } => {
                assert!(self.open.contains_key(&id), "{id:?} has no ports");
                self.copied.remove(&(id, leg));
                None
            }
            MediaCommand::Copy { id, leg, to: Some(to) } => {
                let both = self.open.contains_key(&id) && self.open.contains_key(&to);
                assert!(both, "{id:?} is copied to {to:?}, and one has no ports");
                assert!(matches!(self.lines[&to], MediaLine::Copy { .. }), "{to:?} is no copy");
                assert_eq!(id.place(), to.place(), "another worker may have {to:?}");
                self.copied.insert((id, leg), to);
                None
            }
            MediaCommand::Listen { id, listening } => Some(self.listen(id, *listening)),
            MediaCommand::UpdateListening { id, update } => {
                assert!(self.listened.contains_key(&id), "{id:?} has no listeners to be told");
                self.listened_updates.push(*update);
                None
            }
            MediaCommand::StopListening { id } => {
                let listened = self.listened.remove(&id);
                assert!(listened.is_some(), "nobody listened to {id:?}");
                None
            }
            MediaCommand::Sit { id, seat } => {
                let answer = self.sit(id, seat);
                self.say_of_seat(answer)
            }
            MediaCommand::SitPicture { id, seat } => {
                let answer = self.show(id, *seat);
                self.say_of_seat(answer)
            }
            MediaCommand::RefreshPicture { id } => {
                assert!(self.shown.contains_key(&id), "{id:?} has no place");
                self.refreshed.push(id);
                None
            }
            MediaCommand::Announce { id, source, except } => self.announce(id, source, except),
            MediaCommand::RecordUtterance { id, longest } => self.utter(id, longest),
            MediaCommand::RecordConference { id, recording } => self.record(id, recording),
            MediaCommand::StandUp { id } => {
                self.stand_up(id);
                None
            }
            MediaCommand::Report { id } => {
                assert!(self.open.contains_key(&id), "a report of {id:?}, which has no ports");
                None
            }
            MediaCommand::Release { id } => {
                assert!(self.open.remove(&id).is_some(), "{id:?} was released without ports");
                self.playing.retain(|(on, _), _| *on != id);
                self.listened.remove(&id);
                self.seated.remove(&id);
                self.shown.remove(&id);
                self.copied.retain(|(of, _), to| *of != id && *to != id);
                None
            }
        }
    }

    fn listen(&mut self, id: MediaId, listening: Listening) -> MediaEvent {
        assert!(self.open.contains_key(&id), "{id:?} is listened to, and has no ports");
        match self.cannot_listen {
            Some(failure) => MediaEvent::ListenFailed { id, failure },
            None => {
                self.listened.insert(id, listening);
                MediaEvent::Listens { id }
            }
        }
    }

    fn record(&mut self, id: MediaId, recording: ConferenceRecordingOrder) -> Option<MediaEvent> {
        assert!(self.seated.contains_key(&id), "{id:?} has no seat to record");
        self.conference_recordings.push(recording.clone());
        matches!(recording, ConferenceRecordingOrder::Record(_)).then(|| {
            match self.cannot_record_conferences.clone() {
                None => MediaEvent::ConferenceRecords { id },
                Some(failure) => MediaEvent::ConferenceRecordingFailed { id, failure },
            }
        })
    }

    fn announce(
        &mut self,
        id: MediaId,
        source: AudioSource,
        except: Option<ParticipantId>,
    ) -> Option<MediaEvent> {
        assert!(self.seated.contains_key(&id), "{id:?} announces, and has no seat");
        self.announced.push((source, except));
        None
    }

    fn utter(&mut self, id: MediaId, longest: Option<Duration>) -> Option<MediaEvent> {
        assert!(self.seated.contains_key(&id), "{id:?} says something, and has no seat");
        self.utterances.push(longest);
        let utterance = self.utterance.clone();
        longest.is_none().then_some(MediaEvent::Uttered { id, utterance })
    }

    /// Now, or late.
    fn say_of_seat(&mut self, answer: MediaEvent) -> Option<MediaEvent> {
        if !self.holds_seats {
            return Some(answer);
        }
        self.late.push(answer);
        None
    }

    fn sit(&mut self, id: MediaId, seat: Seat) -> MediaEvent {
        assert!(self.open.contains_key(&id), "{id:?} takes a seat, and has no ports");
        self.seats.push(seat);
        match self.cannot_sit {
            None => {
                self.seated.insert(id, seat);
                MediaEvent::Sits { id }
            }
            Some(failure) => {
                // The seat of before is left, whatever comes of this.
                self.seated.remove(&id);
                MediaEvent::SeatFailed { id, failure }
            }
        }
    }

    fn show(&mut self, id: MediaId, seat: PictureSeat) -> MediaEvent {
        let line = self.lines[&id];
        assert!(self.open.contains_key(&id), "{id:?} takes a seat, and has no ports");
        assert!(matches!(line, MediaLine::Further { .. }), "{line:?} has no pictures");
        assert!(self.further.iter().any(|(of, _)| *of == line), "{line:?} has no plan");
        match self.cannot_show {
            None => {
                self.shown.insert(id, seat);
                MediaEvent::Sits { id }
            }
            Some(failure) => {
                self.shown.remove(&id);
                MediaEvent::SeatFailed { id, failure }
            }
        }
    }

    fn stand_up(&mut self, id: MediaId) {
        let had = match self.lines[&id].is_main() {
            true => self.seated.remove(&id).is_some(),
            false => self.shown.remove(&id).is_some(),
        };
        assert!(had, "{id:?} had no seat");
    }

    fn answer(&mut self, id: MediaId, emergency: bool) -> Option<MediaEvent> {
        let reason = AllocationFailure::PortsExhausted;
        match self.mode {
            RelayMode::HelpsOnly if emergency => Some(self.allocate(id)),
            RelayMode::AudioOnly if self.lines[&id].is_main() => Some(self.allocate(id)),
            RelayMode::HelpsOnly | RelayMode::AudioOnly => {
                Some(MediaEvent::AllocationFailed { id, reason })
            }
            RelayMode::Answers => Some(self.allocate(id)),
            RelayMode::Holds => {
                self.held.push(id);
                None
            }
            RelayMode::Fails(reason) => Some(MediaEvent::AllocationFailed { id, reason }),
        }
    }

    /// A transport that a stream shares is an open one's, on the same worker.
    fn check_bundle(&self, id: MediaId, plan: &MediaPlan) {
        let Some(line) = &plan.bundled else { return };
        assert!(self.open.contains_key(&line.on), "{:?} has no ports", line.on);
        assert_eq!(id.place(), line.on.place(), "another worker may have {id:?}");
    }

    /// The lines beside main ones that have ports, in order.
    pub fn open_lines(&self) -> Vec<MediaLine> {
        let mut lines: Vec<_> = self.open.keys().map(|id| self.lines[id]).collect();
        lines.retain(|line| !line.is_main());
        lines.sort();
        lines
    }

    /// The ports of the only stream of a line.
    pub fn local_of(&self, line: MediaLine) -> [LocalMedia; 2] {
        let mut found = self.open.iter().filter(|(id, _)| self.lines[id] == line);
        let (Some((_, local)), None) = (found.next(), found.next()) else { panic!("{line:?}") };
        *local
    }

    /// Gives ports to everything that waits for them.
    pub fn answer_held(&mut self) -> Vec<MediaEvent> {
        std::mem::take(&mut self.held).into_iter().map(|id| self.allocate(id)).collect()
    }

    /// What it says when it has heard nothing of `leg` (of any leg) for too long.
    pub fn time_out(&self, leg: Option<LegSide>) -> Vec<MediaEvent> {
        let silent_for = Duration::from_secs(300);
        self.open.keys().map(|id| MediaEvent::TimedOut { id: *id, leg, silent_for }).collect()
    }

    /// What it says when a leg has sent but silence for too long.
    pub fn hear_nothing_of(&self, leg: LegSide) -> Vec<MediaEvent> {
        let lasted = Duration::from_secs(30);
        self.open.keys().map(|id| MediaEvent::Unheard { id: *id, leg, lasted }).collect()
    }

    /// What it says when a leg has heard to its end what was to be played once.
    pub fn play_to_end(&mut self, leg: LegSide) -> Vec<MediaEvent> {
        let ends = |(_, to): &(MediaId, LegSide), playing: &mut Playing| {
            *to == leg && playing.rounds.is_some()
        };
        let ended = self.playing.extract_if(|place, playing| ends(place, playing));
        let outcome = PlayOutcome::Finished;
        ended.map(|((id, leg), _)| MediaEvent::Played { id, leg, outcome }).collect()
    }

    /// It does not know one of its streams any more.
    pub fn lose(&mut self, id: MediaId) {
        assert!(self.open.remove(&id).is_some(), "{id:?} has no ports");
        self.shown.remove(&id);
    }

    /// It was started anew, and knows no stream any more.
    pub fn forget(&mut self) -> Vec<MediaEvent> {
        self.playing.clear();
        self.listened.clear();
        self.seated.clear();
        self.shown.clear();
        self.open.drain().map(|(id, _)| MediaEvent::Lost { id }).collect()
    }

    /// The edge was started anew: what it does not claim ends.
    pub fn keep_claimed(&mut self, claimed: &HashSet<MediaId>) {
        self.open.retain(|id, _| claimed.contains(id));
        self.listened.retain(|id, _| claimed.contains(id));
        self.seated.retain(|id, _| claimed.contains(id));
        self.shown.retain(|id, _| claimed.contains(id));
        self.held.clear();
    }

    /// What it says when it has heard a key of `leg`.
    pub fn hear(&self, leg: LegSide, press: DtmfPress) -> Vec<MediaEvent> {
        self.open.keys().map(|id| MediaEvent::Dtmf { id: *id, leg, press }).collect()
    }

    /// Streams that have ports or wait for them.
    pub fn open(&self) -> usize {
        self.open.len() + self.held.len()
    }

    /// The ports of the only open stream.
    pub fn local(&self) -> [LocalMedia; 2] {
        assert_eq!(self.open.len(), 1, "open streams");
        *self.open.values().next().unwrap()
    }

    fn allocate(&mut self, id: MediaId) -> MediaEvent {
        let mut local = || {
            let port = self.next_port;
            // Ports may come again after a long run; calls are short against that.
            self.next_port = if port > 59_000 { 20_000 } else { port + 2 };
            LocalMedia {
                rtp: SocketAddr::new(EDGE.ip(), port),
                rtcp: SocketAddr::new(EDGE.ip(), port + 1),
            }
        };
        let local = [local(), local()];
        assert!(self.open.insert(id, local).is_none(), "{id:?} was allocated twice");
        MediaEvent::Allocated { id, local }
    }
}

impl Default for FakeRelay {
    fn default() -> Self {
        FakeRelay::new()
    }
}

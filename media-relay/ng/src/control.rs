//! The whole of the protocol: requests and media events in, replies and media commands out.

use crate::call::Call;
use crate::cookies::{Cookies, Seen};
use crate::playing::{Beginning, Played, Position};
use crate::query::Question;
use crate::recording::Opening;
use crate::request::{Command, Request};
use crate::statistics::{Asked, Totals};
use crate::value::Dictionary;
use crate::wire::{self, Format, Packet};
use model::{
    Fingerprint, Instant, LegSide, MediaCommand, MediaEvent, MediaId, PlayFailure, PlayOutcome,
    QualityReport, RecordingFailure, ReportKind, UnixTime,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Unknown names that are remembered as said; when there are more, the rest is ignored in silence.
const MAX_SAID: usize = 256;
/// How often calls are looked at for their timeouts.
const SWEEP: Duration = Duration::from_secs(1);

/// Who asked, and where the reply goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Asker {
    /// A datagram.
    Udp {
        /// Which of our sockets it came to.
        listener: usize,
        /// Where it came from.
        from: SocketAddr,
    },
    /// A connection, by a number of its own.
    Tcp(u64),
}

/// How the protocol is served.
#[derive(Clone, Debug)]
pub struct ControlConfig {
    /// Calls at a time, at least 1; offers of more are refused.
    pub max_calls: usize,
    /// How long a call goes on after its `delete`, unless that says otherwise.
    pub delete_delay: Duration,
    /// A call without a packet for so long is deleted.
    pub timeout: Duration,
    /// The same for one whose parties are not to send (hold), and for one that is not answered.
    pub silent_timeout: Duration,
    /// Whether the relay has a directory of files that may be played.
    pub plays_files: bool,
    /// Whether it has one for recordings.
    pub records: bool,
    /// Of the relay's certificate; without one no leg can agree its keys by DTLS.
    pub fingerprint: Option<Fingerprint>,
    /// What the calendar said at [`Instant::ZERO`].
    pub origin: UnixTime,
}

impl Default for ControlConfig {
    fn default() -> Self {
        ControlConfig {
            max_calls: 20_000,
            delete_delay: Duration::ZERO,
            timeout: Duration::from_secs(60),
            silent_timeout: Duration::from_secs(3_600),
            plays_files: false,
            records: false,
            fingerprint: None,
            origin: UnixTime::from_millis(0),
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Send these octets.
    Reply {
        /// Whom to.
        to: Asker,
        /// Cookie and dictionary.
        octets: Vec<u8>,
    },
    /// Give this to the relay. If it cannot take it, tell [`Control::handle_refusal`].
    Media(MediaCommand),
    /// Tell the operator.
    Notice(Notice),
}

/// What an operator may want to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A name in a request means nothing here; said once for each name.
    Ignored(String),
    /// A request failed.
    Failed {
        /// The Call-ID, or nothing.
        call_id: String,
        /// The reply's reason.
        reason: String,
    },
    /// A call was deleted because nothing came for long.
    TimedOut {
        /// The Call-ID.
        call_id: String,
    },
}

/// Serves the protocol.
#[derive(Debug)]
pub struct Control {
    pub(crate) config: ControlConfig,
    pub(crate) calls: BTreeMap<String, Call>,
    /// The call that each stream belongs to.
    pub(crate) streams: BTreeMap<MediaId, String>,
    /// Queries and deletions that wait for reports.
    pub(crate) questions: Vec<Question>,
    /// Replies that wait until what is played begins.
    pub(crate) beginnings: Vec<Beginning>,
    /// Replies that wait until a recording's file is open.
    pub(crate) openings: Vec<Opening>,
    /// When delayed deletions are due; one for each stream at most.
    pub(crate) doomed: BTreeMap<MediaId, Instant>,
    /// When what is played to a leg is to end, one for each leg at most.
    pub(crate) ends: Vec<(Instant, (MediaId, LegSide))>,
    /// Where legs stand in what is played to them.
    pub(crate) positions: BTreeMap<(MediaId, LegSide), Position>,
    pub(crate) totals: Totals,
    next_media: u64,
    next_sweep: Option<Instant>,
    cookies: Cookies,
    said: BTreeSet<String>,
    outputs: VecDeque<Output>,
    /// For each reply among the outputs, and the last one that was given out, what it answers.
    answers: VecDeque<Option<Asked>>,
    answered: Option<Asked>,
}

/// A request that is owed a reply.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) asker: Asker,
    cookie: Vec<u8>,
    format: Format,
    asked: Option<Asked>,
    /// What else there is to say.
    pub(crate) warning: Option<&'static str>,
}

/// The result of a request that can be answered at once; `None` when the reply comes later.
pub(crate) type Served = Result<Option<Dictionary>, String>;

impl Control {
    /// Serves nobody so far.
    pub fn new(config: ControlConfig) -> Self {
        Control {
            config,
            calls: BTreeMap::new(),
            streams: BTreeMap::new(),
            questions: Vec::new(),
            beginnings: Vec::new(),
            openings: Vec::new(),
            doomed: BTreeMap::new(),
            ends: Vec::new(),
            positions: BTreeMap::new(),
            totals: Totals::default(),
            next_media: 0,
            next_sweep: None,
            cookies: Cookies::default(),
            said: BTreeSet::new(),
            outputs: VecDeque::new(),
            answers: VecDeque::new(),
            answered: None,
        }
    }

    /// Takes a message. One that is not even a cookie and a dictionary is ignored. `draw` gives 64
    /// random bits that nobody can guess.
    pub fn handle_request(
        &mut self,
        now: Instant,
        asker: Asker,
        message: &[u8],
        draw: &mut dyn FnMut() -> u64,
    ) {
        let Some(packet) = Packet::split(message) else { return };
        match self.cookies.begin(now, asker, packet.cookie) {
            Seen::New => {}
            Seen::BeingServed => return,
            Seen::Answered(octets) => {
                self.answers.push_back(None);
                return self.outputs.push_back(Output::Reply { to: asker, octets });
            }
        }
        let (cookie, format) = (packet.cookie.to_vec(), packet.format);
        let dictionary = packet.dictionary();
        let read = dictionary.as_ref().ok();
        let asked = read.and_then(|read| self.totals.note_request(now, asker, read));
        let ticket = Ticket { asker, cookie, format, asked, warning: None };
        let request = dictionary.and_then(|dictionary| Request::read(&dictionary));
        match request {
            Ok(request) => self.serve(now, ticket, request, draw),
            Err(reason) => self.fail(&ticket, "", reason),
        }
        if self.next_sweep.is_none() && !self.calls.is_empty() {
            self.next_sweep = Some(now + SWEEP);
        }
    }

    fn serve(
        &mut self,
        now: Instant,
        ticket: Ticket,
        request: Request,
        draw: &mut dyn FnMut() -> u64,
    ) {
        for name in &request.flags.unknown {
            self.ignore(name);
        }
        let (served, call_id) = match request.command {
            // Who is ICE-lite is told candidates in vain: it answers to where checks come from.
            Command::Offer | Command::Answer if request.flags.fragment => {
                (Ok(Some(result("ok"))), request.call_id)
            }
            Command::Offer => return self.serve_offer(now, ticket, request, draw),
            Command::Ping => (Ok(Some(result("pong"))), String::new()),
            Command::List => (self.serve_list(&request), String::new()),
            Command::Statistics => (Ok(Some(self.serve_statistics(now))), String::new()),
            Command::Unserved(reason) => (Err(reason.to_owned()), request.call_id),
            Command::Answer => {
                let served = self.serve_answer(now, &request, draw);
                (served, request.call_id)
            }
            Command::Mute(muting) => {
                let served = self.serve_muting(now, &request, muting);
                (served, request.call_id)
            }
            Command::Record(order) => {
                let served = self.serve_recording(now, &ticket, &request, order, draw);
                (served, request.call_id)
            }
            Command::Play => {
                let served = match request.played.clone() {
                    Some(Played::Media(source, rounds)) => {
                        self.serve_playing(now, &ticket, &request, source, rounds)
                    }
                    Some(Played::Key(key, duration)) => {
                        self.serve_key(now, &request, key, duration)
                    }
                    None => self.serve_stopping(now, &request),
                };
                (served, request.call_id)
            }
            Command::Query => (self.serve_query(now, &ticket, &request), request.call_id),
            Command::Delete => (self.serve_delete(now, &ticket, &request), request.call_id),
        };
        match served {
            Ok(Some(reply)) => self.reply(&ticket, reply),
            Ok(None) => {}
            Err(reason) => self.fail(&ticket, &call_id, reason),
        }
    }

    /// Takes what the relay says.
    pub fn handle_media_event(
        &mut self,
        now: Instant,
        event: MediaEvent,
        draw: &mut dyn FnMut() -> u64,
    ) {
        match event {
            MediaEvent::Allocated { id, local } => self.allocated(now, id, local, draw),
            MediaEvent::AllocationFailed { id, reason } => self.allocation_failed(id, reason, draw),
            MediaEvent::Report(report) => self.note_report(&report),
            // Timeouts are counted here, over both legs.
            MediaEvent::Silent { .. }
            | MediaEvent::TimedOut { .. }
            | MediaEvent::Unheard { .. }
            | MediaEvent::Lost { .. } => {}
            // Nothing here has anybody listen.
            MediaEvent::Listens { .. } | MediaEvent::ListenFailed { .. } => {}
            // Nor sit in conferences.
            MediaEvent::Sits { .. }
            | MediaEvent::SeatFailed { .. }
            | MediaEvent::PictureWanted { .. }
            | MediaEvent::ConferenceRecords { .. }
            | MediaEvent::ConferenceRecordingFailed { .. }
            | MediaEvent::Uttered { .. }
            | MediaEvent::Heard { .. } => {}
            MediaEvent::Plays { .. } | MediaEvent::Played { .. } => {
                self.note_playing(now, &event);
            }
            MediaEvent::Records { .. } | MediaEvent::RecordingFailed { .. } => {
                self.note_recording(&event);
            }
            // No plan asks for copies.
            MediaEvent::Dtmf { .. } | MediaEvent::Rtcp(_) => {}
        }
    }

    /// Takes a command back that the relay had no room for.
    pub fn handle_refusal(
        &mut self,
        now: Instant,
        command: &MediaCommand,
        draw: &mut dyn FnMut() -> u64,
    ) {
        if let MediaCommand::Allocate { id, .. } = command {
            self.allocation_failed(*id, model::AllocationFailure::Overloaded, draw);
        }
        if let MediaCommand::Play { id, leg, .. } = command {
            let outcome = PlayOutcome::Failed(PlayFailure::Overloaded);
            self.note_playing(now, &MediaEvent::Played { id: *id, leg: *leg, outcome });
        }
        if let MediaCommand::Record { id, .. } = command {
            let failure = RecordingFailure::TooMany;
            self.note_recording(&MediaEvent::RecordingFailed { id: *id, failure });
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, draw: &mut dyn FnMut() -> u64) {
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.sweep(now, draw);
            self.next_sweep = (!self.calls.is_empty()).then(|| now + SWEEP);
        }
        self.answer_due_questions(now);
        self.answer_due_beginnings(now);
        self.answer_due_openings(now);
        self.end_due_playing(now);
    }

    /// When [`Control::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let questions = self.questions.iter().map(|question| question.deadline).min();
        let beginnings = self.beginnings.iter().map(|beginning| beginning.deadline).min();
        let openings = self.openings.iter().map(|opening| opening.deadline).min();
        let ends = self.ends.iter().map(|(at, _)| *at).min();
        [questions, beginnings, openings, ends, self.next_sweep].into_iter().flatten().min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if matches!(output, Some(Output::Reply { .. })) {
            self.answered = self.answers.pop_front().flatten();
        }
        output
    }

    /// The reply that [`Control::poll_output`] gave last was sent: `statistics` tells how long requests
    /// of each command took. May be left out.
    pub fn note_sent(&mut self, now: Instant) {
        if let Some(asked) = self.answered.take() {
            self.totals.note_sent(now, asked);
        }
    }

    /// Calls now.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn new_media(&mut self, call_id: &str) -> MediaId {
        self.next_media += 1;
        let id = MediaId(self.next_media);
        self.streams.insert(id, call_id.to_owned());
        id
    }

    pub(crate) fn order(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    pub(crate) fn reply(&mut self, ticket: &Ticket, mut reply: Dictionary) {
        if let Some(warning) = ticket.warning {
            reply.set("warning", warning);
        }
        let mut octets = wire::reply(&ticket.cookie, ticket.format, reply);
        if octets.len() > wire::MAX_MESSAGE {
            let reason = "The reply is longer than a datagram; ask for one call or a smaller limit";
            octets = wire::reply(&ticket.cookie, ticket.format, error(reason));
        }
        self.cookies.finish(ticket.asker, &ticket.cookie, &octets);
        self.answers.push_back(ticket.asked);
        self.outputs.push_back(Output::Reply { to: ticket.asker, octets });
    }

    pub(crate) fn fail(&mut self, ticket: &Ticket, call_id: &str, reason: String) {
        let reply = error(&reason);
        self.totals.note_error(ticket.asker);
        self.notice(Notice::Failed { call_id: call_id.to_owned(), reason });
        let ticket = Ticket { warning: None, ..ticket.clone() };
        self.reply(&ticket, reply);
    }

    fn ignore(&mut self, name: &str) {
        if self.said.len() < MAX_SAID && self.said.insert(name.to_owned()) {
            self.notice(Notice::Ignored(name.to_owned()));
        }
    }

    fn note_report(&mut self, report: &QualityReport) {
        if let (ReportKind::Interval | ReportKind::Final, Some(mos)) =
            (report.kind, report.interval_mos)
        {
            self.totals.note_score(mos);
        }
        let call = self.streams.get(&report.id).and_then(|id| self.calls.get_mut(id));
        let dialogues = call.into_iter().flat_map(|call| &mut call.dialogues);
        if let Some(quality) =
            dialogues.into_iter().find_map(|d| d.quality_mut(report.id, report.leg))
        {
            quality.note(report);
        }
        self.note_awaited(report, report.leg == LegSide::B);
    }
}

/// A reply that says how it went.
pub(crate) fn result(word: &str) -> Dictionary {
    let mut reply = Dictionary::new();
    reply.set("result", word);
    reply
}

fn error(reason: &str) -> Dictionary {
    let mut reply = result("error");
    reply.set("error-reason", reason);
    reply
}

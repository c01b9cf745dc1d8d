//! `query` and `list`, and what the reply to `delete` says.

use crate::call::Call;
use crate::control::{Control, Served, Ticket, result};
use crate::dialogue::{Dialogue, Party};
use crate::lines::Line;
use crate::quality::{PartyQuality, unix_seconds};
use crate::request::Request;
use crate::value::{Dictionary, Value};
use model::{
    Instant, LegPlan, LegSecurity, LegSide, LocalMedia, MediaCommand, MediaId, QualityReport,
    ReportKind, UnixTime,
};
use sdp::RtpProfile;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a reply waits for the relay's numbers; then it is made of those of a second ago.
const PATIENCE: Duration = Duration::from_millis(200);
/// Replies that wait for reports.
const MAX_QUESTIONS: usize = 4_096;
/// Calls of a list, and the most that may be asked for.
const LISTED: i64 = 32;
const MAX_LISTED: i64 = 1_000;

/// A reply that waits for the relay's reports.
#[derive(Debug)]
pub(crate) struct Question {
    ticket: Ticket,
    call_id: String,
    /// Tags that were asked for, and the branch.
    tags: Vec<String>,
    branch: Option<String>,
    /// Streams whose report has not come.
    awaited: Vec<MediaId>,
    kind: ReportKind,
    /// Of a call that is gone, so that nobody else keeps it.
    gone: Option<Box<Call>>,
    pub(crate) deadline: Instant,
}

impl Question {
    pub(crate) fn of_deleted(now: Instant, ticket: Ticket, gone: Call) -> Self {
        Question {
            ticket,
            call_id: String::new(),
            tags: Vec::new(),
            branch: None,
            awaited: media_of(&gone),
            kind: ReportKind::Final,
            gone: Some(Box::new(gone)),
            deadline: now + PATIENCE,
        }
    }
}

/// Streams that report.
fn media_of(call: &Call) -> Vec<MediaId> {
    call.dialogues.iter().flat_map(Dialogue::open_streams).collect()
}

impl Control {
    pub(crate) fn serve_query(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        request: &Request,
    ) -> Served {
        let call = self.calls.get(&request.call_id).ok_or("Unknown call-id")?;
        let named = media_of(call);
        self.ask(now, ticket, request, &named)
    }

    /// Asks the relay for the numbers of streams; the reply comes with them.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        request: &Request,
        named: &[MediaId],
    ) -> Served {
        for id in named {
            self.order(MediaCommand::Report { id: *id });
        }
        self.let_wait(Question {
            ticket: ticket.clone(),
            call_id: request.call_id.clone(),
            tags: request.from_tag.iter().chain(&request.to_tag).cloned().collect(),
            branch: request.via_branch.clone(),
            awaited: named.to_vec(),
            kind: ReportKind::Live,
            gone: None,
            deadline: now + PATIENCE,
        });
        if named.is_empty() {
            self.answer_complete_questions();
        }
        Ok(None)
    }

    /// Lets a reply wait. When too many wait, the one that waited longest goes out with what is known.
    pub(crate) fn let_wait(&mut self, question: Question) {
        if self.questions.len() >= MAX_QUESTIONS {
            let oldest = self.questions.remove(0);
            self.answer_question(oldest);
        }
        self.questions.push(question);
    }

    /// A report came; `last` of its stream's two.
    pub(crate) fn note_awaited(&mut self, report: &QualityReport, last: bool) {
        for question in &mut self.questions {
            if let Some(call) = &mut question.gone
                && let Some(quality) =
                    call.dialogues.iter_mut().find_map(|d| d.quality_mut(report.id, report.leg))
            {
                quality.note(report);
            }
            // A final report says all that a live one would.
            if last && (report.kind == question.kind || report.kind == ReportKind::Final) {
                question.awaited.retain(|media| *media != report.id);
            }
        }
        if last {
            self.answer_complete_questions();
        }
    }

    pub(crate) fn answer_complete_questions(&mut self) {
        self.answer_questions(|question| question.awaited.is_empty());
    }

    pub(crate) fn answer_due_questions(&mut self, now: Instant) {
        self.answer_questions(|question| question.deadline <= now);
    }

    fn answer_questions(&mut self, is_ready: impl Fn(&Question) -> bool) {
        let all = std::mem::take(&mut self.questions);
        let (ready, waiting) = all.into_iter().partition(is_ready);
        self.questions = waiting;
        let ready: Vec<Question> = ready;
        for question in ready {
            self.answer_question(question);
        }
    }

    fn answer_question(&mut self, question: Question) {
        let origin = self.config.origin;
        if let Some(gone) = &question.gone {
            self.totals.note_over(question.deadline - PATIENCE, gone);
        }
        let call = question.gone.as_deref().or_else(|| self.calls.get(&question.call_id));
        match call.map(|call| describe(call, &named(call, &question), origin)) {
            Some(reply) => self.reply(&question.ticket, reply),
            None => self.fail(&question.ticket, &question.call_id, "Unknown call-id".into()),
        }
    }

    pub(crate) fn serve_list(&self, request: &Request) -> Served {
        let limit = request.limit.unwrap_or(LISTED);
        if limit <= 0 {
            return Err("invalid limit, must be > 0".to_owned());
        }
        let limit = usize::try_from(limit.min(MAX_LISTED)).unwrap_or_default();
        let calls: Vec<Value> =
            self.calls.keys().take(limit).map(|id| Value::from(id.as_str())).collect();
        let mut reply = result("ok");
        reply.set("calls", calls);
        Ok(Some(reply))
    }
}

/// The dialogues that a question is about: of its tags, and of its branch where one of those has it. A
/// proxy's branch is that of the request in hand, which no dialogue may have.
fn named<'a>(call: &'a Call, question: &Question) -> Vec<&'a Dialogue> {
    let has_tag = |d: &&Dialogue| {
        question.tags.is_empty() || question.tags.iter().any(|tag| d.side_of(tag).is_some())
    };
    let of_tags: Vec<&Dialogue> = call.dialogues.iter().filter(has_tag).collect();
    let has_branch = |d: &Dialogue| d.branch.is_some() && d.branch == question.branch;
    match of_tags.iter().any(|d| has_branch(d)) {
        true => of_tags.into_iter().filter(|d| has_branch(d)).collect(),
        false => of_tags,
    }
}

/// Everything about some dialogues of a call.
fn describe(call: &Call, dialogues: &[&Dialogue], origin: UnixTime) -> Dictionary {
    let (mut sources, mut by_name) = (Dictionary::new(), Dictionary::new());
    let mut totals = [Count::default(); 2];
    for dialogue in dialogues {
        for side in LegSide::BOTH {
            let party = dialogue.party(side);
            let lines = dialogue.lines.iter().map(|line| &line.quality[side.index()]);
            for quality in std::iter::once(&party.quality).chain(lines) {
                quality.write_sources(origin, &mut sources);
                let counts = counts(quality);
                totals.iter_mut().zip(counts).for_each(|(total, count)| total.add(count));
            }
            let name = party.tag.clone().unwrap_or_default();
            by_name.set(name, describe_party(dialogue, side, origin));
        }
    }
    let mut sums = Dictionary::new();
    sums.set("RTP", totals[0].written()).set("RTCP", totals[1].written());
    let mut reply = result("ok");
    let created = origin.as_millis().saturating_add(call.created.as_millis());
    reply
        .set("created", unix_seconds(origin, call.created))
        .set("created_us", created % 1_000 * 1_000)
        .set("last signal", unix_seconds(origin, call.last_signal))
        .set("SSRC", sources)
        .set("tags", by_name)
        .set("totals", sums);
    if let Some(recording) = &call.recording {
        reply.set("recording", recording.file());
    }
    reply
}

fn describe_party(dialogue: &Dialogue, side: LegSide, origin: UnixTime) -> Dictionary {
    let party = dialogue.party(side);
    let mut out = Dictionary::new();
    out.set("tag", party.tag.clone().unwrap_or_default());
    out.set("created", unix_seconds(origin, party.created));
    if let Some(label) = &party.label {
        out.set("label", label.as_str());
    }
    if let Some(branch) = &dialogue.branch {
        out.set("via-branch", branch.as_str());
    }
    if let Some(other) = &dialogue.party(side.other()).tag {
        out.set("in dialogue with", other.as_str());
        // The same in the words of rtpengine since 10.
        let mut subscription = Dictionary::new();
        subscription.set("tag", other.as_str()).set("type", "offer/answer");
        let subscriptions = vec![Value::from(subscription)];
        out.set("subscribers", subscriptions.clone()).set("subscriptions", subscriptions);
    }
    let mut views: Vec<MediaView<'_>> = vec![MediaView::main(dialogue, side)];
    views.extend(dialogue.lines.iter().map(|line| MediaView::of_line(line, party, side)));
    views.sort_by_key(|view| view.index);
    let medias = views.iter().map(|view| Value::from(view.described(origin))).collect::<Vec<_>>();
    out.set("medias", medias);
    out
}

/// What is said of one line of a party.
struct MediaView<'a> {
    /// Its place in the party's descriptions, from 0.
    index: usize,
    kind: &'static str,
    profile: Option<RtpProfile>,
    plan: Option<&'a LegPlan>,
    local: Option<LocalMedia>,
    /// What its description says, where there is no plan.
    advertised: Option<SocketAddr>,
    quality: &'a PartyQuality,
}

impl<'a> MediaView<'a> {
    fn main(dialogue: &'a Dialogue, side: LegSide) -> Self {
        let party = dialogue.party(side);
        let stream = party.received.as_ref().or(party.origin.last_audio());
        let profile = stream.map(|stream| stream.profile);
        MediaView {
            index: stream.map_or(0, |stream| stream.index),
            kind: if profile.is_some_and(|profile| profile.is_fax()) { "image" } else { "audio" },
            profile,
            plan: party.plan.as_ref(),
            local: dialogue.local.map(|local| local[side.index()]),
            advertised: party.advertised,
            quality: &party.quality,
        }
    }

    fn of_line(line: &'a Line, party: &'a Party, side: LegSide) -> Self {
        let index = line.at[side.index()];
        let stream = party.lines.at(index).or(party.origin.last_line(index));
        MediaView {
            index,
            kind: line.kind.name(),
            profile: stream.map(|stream| stream.profile),
            plan: line.plans[side.index()].as_ref(),
            local: line.local.map(|local| local[side.index()]),
            advertised: party.lines.at(index).and_then(|stream| stream.remote_rtp),
            quality: &line.quality[side.index()],
        }
    }

    fn described(&self, origin: UnixTime) -> Dictionary {
        let has_mux = self.plan.is_some_and(|plan| plan.rtcp_mux);
        let mut flags = vec!["initialized"];
        flags.extend(has_mux.then_some("rtcp-mux"));
        match self.plan.map(|plan| &plan.security) {
            Some(LegSecurity::Sdes(_)) => flags.push("SDES"),
            Some(LegSecurity::Dtls(_)) => flags.push("DTLS-SRTP"),
            Some(LegSecurity::Plain) | None => {}
        }
        flags.extend(self.plan.and_then(|plan| plan.ice.as_ref()).map(|_| "ICE"));
        let mut out = Dictionary::new();
        out.set("index", self.index as u64 + 1);
        out.set("type", self.kind);
        if let Some(profile) = self.profile {
            out.set("protocol", profile.name());
        }
        out.set("flags", texts(&flags));
        let mut streams = vec![Value::from(self.stream(Port::Rtp, origin))];
        if !has_mux && self.profile.is_none_or(|profile| profile.is_rtp()) {
            streams.push(self.stream(Port::Rtcp, origin).into());
        }
        out.set("streams", streams);
        out
    }

    fn stream(&self, port: Port, at: UnixTime) -> Dictionary {
        let mut out = Dictionary::new();
        let (number, flag) = match port {
            Port::Rtp => (0, "RTP"),
            Port::Rtcp => (1, "RTCP"),
        };
        if let Some(local) = self.local {
            let address = if port == Port::Rtp { local.rtp } else { local.rtcp };
            out.set("local port", u64::from(address.port()));
            out.set("local address", address.ip().to_string());
        }
        let told = match port {
            Port::Rtp => self.plan.and_then(|plan| plan.remote_rtp).or(self.advertised),
            Port::Rtcp => self.plan.and_then(|plan| plan.remote_rtcp),
        };
        let source = self.quality.source().filter(|_| port == Port::Rtp);
        if let Some(endpoint) = source.or(told) {
            out.set("endpoint", written_address(endpoint));
        }
        if let Some(told) = told {
            out.set("advertised endpoint", written_address(told));
        }
        if let Some(LegSecurity::Sdes(keys)) = self.plan.map(|plan| &plan.security) {
            out.set("crypto suite", keys.receive.suite().name());
        }
        if let Some(heard) = self.quality.heard[number] {
            out.set("last packet", unix_seconds(at, heard));
        }
        if let Some(ssrc) = self.quality.received.ssrc {
            out.set("SSRC", u64::from(ssrc));
        }
        let mut flags = vec![flag];
        flags.extend(told.map(|_| "filled"));
        flags.extend(source.map(|_| "confirmed"));
        out.set("flags", texts(&flags));
        out.set("stats", counts(self.quality)[number].written());
        out
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Rtp,
    Rtcp,
}

fn texts(words: &[&str]) -> Vec<Value> {
    words.iter().map(|&word| Value::from(word)).collect()
}

fn written_address(address: SocketAddr) -> Dictionary {
    let mut out = Dictionary::new();
    out.set("family", if address.is_ipv4() { "IPv4" } else { "IPv6" })
        .set("address", address.ip().to_string())
        .set("port", u64::from(address.port()));
    out
}

/// What came from a party.
#[derive(Clone, Copy, Default)]
struct Count {
    packets: u64,
    octets: u64,
    errors: u64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.errors += other.errors;
    }

    fn written(self) -> Dictionary {
        let mut out = Dictionary::new();
        out.set("packets", self.packets).set("bytes", self.octets).set("errors", self.errors);
        out
    }
}

/// RTP and RTCP from a party. Errors are datagrams that were no media, proved by no key, or not the
/// party's.
fn counts(quality: &PartyQuality) -> [Count; 2] {
    let view = &quality.received;
    let errors = view.wrong_source.saturating_add(view.malformed).saturating_add(view.unauthentic);
    [
        Count { packets: view.rtp_packets, octets: view.rtp_bytes, errors },
        Count { packets: view.rtcp_packets, octets: view.rtcp_bytes, errors: 0 },
    ]
}

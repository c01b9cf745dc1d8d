//! Answering calls: a stand-in for a PBX or a carrier.

use super::agent::{ALLOW, Agent, PRODUCT};
use super::description::LocalDescription;
use super::established::{After, Established};
use super::media::{MediaSockets, MediaStream};
use super::quality::{MediaQuality, milliseconds};
use super::speech::{Speech, Voice};
use super::transport::Transport;
use crossbeam_channel::{Receiver, Sender, bounded};
use directory::KeyPairFiles;
use model::{Flow, Instant};
use sdp::Encryption;
use serde::Serialize;
use sip_edge::tls;
use sip_proto::{
    Composer, Dialog, HeaderName, Message, Method, ServerKey, TransactionEvent, default_reason,
};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Finished calls that are remembered, and that wait to be fetched; the oldest are forgotten, and
/// what does not fit into the queue is not told.
const FINISHED_MAX: usize = 1_000;
const STOP_LIMIT: Duration = Duration::from_secs(2);
const FOREVER: Duration = Duration::from_secs(3_600);

/// How to answer.
#[derive(Clone, Debug)]
pub(crate) struct AnswerOptions {
    /// Where to listen. Port 0 lets the system choose.
    pub(crate) listen: SocketAddr,
    /// Over UDP.
    pub(crate) udp: bool,
    /// Over TCP.
    pub(crate) tcp: bool,
    /// Where to listen over TLS, if at all.
    pub(crate) tls: Option<SocketAddr>,
    /// The certificate to show there; a self-signed one by default.
    pub(crate) tls_files: Option<KeyPairFiles>,
    /// Address for media. Default: that of `listen`, or when that is unspecified the one that a
    /// call came to.
    pub(crate) media_ip: Option<IpAddr>,
    /// How long to ring before answering; longer than the caller's patience means no answer.
    pub(crate) ring: Duration,
    /// Hang up so long after answering; `None` leaves that to the caller.
    pub(crate) hang_up_after: Option<Duration>,
    /// Refuse every call with this status (300 to 699) after ringing, instead of answering.
    pub(crate) refuse_with: Option<u16>,
    /// Calls at once; a further one gets 486 Busy Here.
    pub(crate) max_calls: usize,
}

impl AnswerOptions {
    /// Answers at once over UDP and TCP, up to 500 calls at a time.
    pub(crate) const fn new(listen: SocketAddr) -> AnswerOptions {
        AnswerOptions {
            listen,
            udp: true,
            tcp: true,
            tls: None,
            tls_files: None,
            media_ip: None,
            ring: Duration::ZERO,
            hang_up_after: None,
            refuse_with: None,
            max_calls: 500,
        }
    }
}

/// A call that was answered and is over, as the answering side saw it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct AnsweredCall {
    /// Call-ID of this leg.
    pub(crate) call_id: String,
    /// The URI of the caller's From.
    pub(crate) from: String,
    /// Where the INVITE came from.
    pub(crate) source: SocketAddr,
    /// From 200 to the end.
    #[serde(rename = "talked_ms", serialize_with = "milliseconds")]
    pub(crate) talked: Duration,
    /// Both directions.
    pub(crate) media: MediaQuality,
}

/// What an [`Answerer`] did.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(crate) struct AnswererStatistics {
    /// Calls that were answered.
    pub(crate) answered: u64,
    /// Calls that the caller gave up while it rang.
    pub(crate) cancelled: u64,
    /// Calls that found all lines in use (486).
    pub(crate) busy: u64,
    /// Calls that were refused for another reason: `refuse_with`, no usable offer, no sockets.
    pub(crate) refused: u64,
    /// Most calls at once.
    pub(crate) peak: usize,
    /// The last 1,000 finished calls, oldest first.
    pub(crate) finished: VecDeque<AnsweredCall>,
}

/// A running stand-in. Dropping it without [`stop`](Self::stop) stops it too.
#[derive(Debug)]
pub(crate) struct Answerer {
    local: SocketAddr,
    tls: Option<SocketAddr>,
    stop: Arc<AtomicBool>,
    finished: Receiver<AnsweredCall>,
    thread: Option<JoinHandle<AnswererStatistics>>,
}

impl Answerer {
    /// Binds the sockets and answers from now on, in threads of its own.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(crate) fn start(options: AnswerOptions) -> io::Result<Answerer> {
        let mut transport = Transport::bind(options.listen, options.udp, options.tcp)?;
        if let Some(listen) = options.tls {
            let names = [listen.ip().to_string()];
            let config = tls::self_signed_server(&names, options.tls_files.as_ref())
                .map_err(|error| io::Error::other(error.to_string()))?;
            transport.listen_tls(listen, config)?;
        }
        let protocols = [model::TransportProtocol::Udp, model::TransportProtocol::Tcp];
        let local = protocols.into_iter().find_map(|protocol| transport.local(protocol));
        let local = local.unwrap_or(options.listen);
        let tls = transport.local(model::TransportProtocol::Tls);
        // Made ahead, so that the first call is answered as fast as the others.
        Speech::new(Voice::Callee);
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, finished) = bounded(FINISHED_MAX);
        let line = Switchboard::new(options, Agent::new(transport), Arc::clone(&stop), sender);
        let thread = Builder::new().name("ua-answer".to_owned()).spawn(move || line.run())?;
        Ok(Answerer { local, tls, stop, finished, thread: Some(thread) })
    }

    /// Where it listens, with the port that the system chose.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Where it listens over TLS.
    pub(crate) const fn tls(&self) -> Option<SocketAddr> {
        self.tls
    }

    /// Finished calls as they come. The queue holds 1,000; what nobody fetches is not told here,
    /// but counted.
    pub(crate) const fn finished(&self) -> &Receiver<AnsweredCall> {
        &self.finished
    }

    /// Hangs up every call and returns what was done. Takes 2 s at most.
    pub(crate) fn stop(mut self) -> AnswererStatistics {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.take().map(JoinHandle::join);
        joined.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// All calls of an answerer. Only its thread touches it.
struct Switchboard {
    options: AnswerOptions,
    agent: Agent,
    stop: Arc<AtomicBool>,
    tell: Sender<AnsweredCall>,
    ringing: HashMap<ServerKey, Ringing>,
    /// By our tag, which is unique here.
    calls: HashMap<String, Call>,
    ended: Vec<Call>,
    statistics: AnswererStatistics,
}

struct Ringing {
    invite: Message,
    flow: Flow,
    tag: String,
    answer_at: Instant,
}

struct Call {
    call_id: String,
    from: String,
    source: SocketAddr,
    established: Established,
    answered_at: Instant,
    ended_at: Instant,
}

impl Switchboard {
    fn new(
        options: AnswerOptions,
        agent: Agent,
        stop: Arc<AtomicBool>,
        tell: Sender<AnsweredCall>,
    ) -> Self {
        Switchboard {
            options,
            agent,
            stop,
            tell,
            ringing: HashMap::new(),
            calls: HashMap::new(),
            ended: Vec::new(),
            statistics: AnswererStatistics::default(),
        }
    }

    fn run(mut self) -> AnswererStatistics {
        while !self.stop.load(Ordering::Relaxed) {
            self.turn();
        }
        self.close();
        self.statistics
    }

    fn turn(&mut self) {
        let until = self.next_deadline();
        self.agent.wait(until);
        while let Some(event) = self.agent.poll_event() {
            self.on_event(event);
        }
        self.answer_due();
        self.run_timers();
        self.collect_ended(false);
        self.agent.flush();
    }

    fn next_deadline(&self) -> Instant {
        let ringing = self.ringing.values().map(|ringing| ringing.answer_at);
        let repeats = self.calls.values().filter_map(|call| call.established.deadline());
        let limits = self.calls.values().filter_map(|call| self.hang_up_at(call));
        let far = self.agent.clock.now() + FOREVER;
        ringing.chain(repeats).chain(limits).min().unwrap_or(far)
    }

    fn hang_up_at(&self, call: &Call) -> Option<Instant> {
        self.options.hang_up_after.map(|after| call.answered_at + after)
    }

    fn on_event(&mut self, event: TransactionEvent) {
        match event {
            TransactionEvent::Request { key, message, flow } => self.on_request(key, message, flow),
            TransactionEvent::Ack { message, .. } => {
                if let Some(call) = local_tag(&message).and_then(|tag| self.calls.get_mut(tag)) {
                    call.established.on_ack(&message);
                }
            }
            TransactionEvent::Cancelled { invite, .. } => {
                if let Some(ringing) = self.ringing.remove(&invite) {
                    self.statistics.cancelled += 1;
                    self.agent.respond(invite, &ringing.invite, 487, Some(&ringing.tag));
                }
            }
            _ => {}
        }
    }

    fn on_request(&mut self, key: ServerKey, message: Message, flow: Flow) {
        if let Some(tag) = local_tag(&message).map(str::to_owned) {
            let call = self.calls.get_mut(&tag);
            let Some(call) = call.filter(|c| c.established.dialog.matches_request(&message)) else {
                return self.agent.respond(key, &message, 481, None);
            };
            if call.established.on_request(&mut self.agent, key, &message) == After::Ended {
                self.end(&tag);
            }
            return;
        }
        let tag = self.agent.token();
        match message.method() {
            Some(Method::Invite) => self.on_invite(key, message, flow, tag),
            Some(Method::Options) => self.agent.respond(key, &message, 200, Some(&tag)),
            Some(Method::Bye | Method::Update | Method::Info) => {
                self.agent.respond(key, &message, 481, Some(&tag));
            }
            _ => self.agent.respond(key, &message, 405, Some(&tag)),
        }
    }

    fn on_invite(&mut self, key: ServerKey, invite: Message, flow: Flow, tag: String) {
        let at_once = self.ringing.len() + self.calls.len();
        if at_once >= self.options.max_calls {
            self.statistics.busy += 1;
            return self.agent.respond(key, &invite, 486, Some(&tag));
        }
        self.statistics.peak = self.statistics.peak.max(at_once + 1);
        let mut ringing =
            Composer::response_to(&invite, 180, default_reason(180), Some(tag.as_str()));
        ringing
            .header(HeaderName::Contact, self.agent.contact("answer", flow.protocol))
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Server, PRODUCT);
        self.agent.send_response(key, 180, ringing.finish());
        let answer_at = self.agent.clock.now() + self.options.ring;
        self.ringing.insert(key, Ringing { invite, flow, tag, answer_at });
    }

    fn answer_due(&mut self) {
        let now = self.agent.clock.now();
        let due: Vec<ServerKey> = self
            .ringing
            .iter()
            .filter(|(_, ringing)| ringing.answer_at <= now)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            if let Some(ringing) = self.ringing.remove(&key) {
                self.answer(key, ringing);
            }
        }
    }

    fn answer(&mut self, key: ServerKey, ringing: Ringing) {
        let Ringing { invite, flow, tag, .. } = ringing;
        let status = match self.options.refuse_with {
            Some(status) => status,
            None => match self.establish(&invite, flow, &tag) {
                Ok(mut call) => {
                    let established = &mut call.established;
                    if established.accept(&mut self.agent, key, &invite, Some(&tag)) {
                        self.statistics.answered += 1;
                        self.calls.insert(tag, call);
                    } else {
                        self.statistics.refused += 1;
                        established.media.stop();
                    }
                    return;
                }
                Err(status) => status,
            },
        };
        self.statistics.refused += 1;
        self.agent.respond(key, &invite, status, Some(&tag));
    }

    /// The call that an INVITE makes, or the status that it is owed.
    fn establish(&mut self, invite: &Message, flow: Flow, tag: &str) -> Result<Call, u16> {
        let dialog = Dialog::from_request_uas(invite, tag).map_err(|_| 400_u16)?;
        let listen = self.options.listen.ip();
        let media_ip = match self.options.media_ip {
            Some(ip) => ip,
            None if listen.is_unspecified() => {
                super::target::route_source(flow.remote).map_err(|_| 500_u16)?
            }
            None => listen,
        };
        let sockets = MediaSockets::bind(media_ip).map_err(|_| 503_u16)?;
        let (rtp, rtcp) = (sockets.rtp_address, sockets.rtcp_address);
        // A caller who offers SRTP gets it.
        let random = &mut self.agent.random;
        let local = LocalDescription::new(random, rtp, rtcp, Encryption::Mirror);
        let media =
            MediaStream::start(sockets, Voice::Callee, self.agent.clock).map_err(|_| 503_u16)?;
        let now = self.agent.clock.now();
        Ok(Call {
            call_id: dialog.call_id().to_owned(),
            from: dialog.remote_uri().to_owned(),
            source: flow.remote,
            established: Established {
                dialog,
                protocol: flow.protocol,
                user: "answer".to_owned(),
                local,
                media,
                unacknowledged: None,
            },
            answered_at: now,
            ended_at: now,
        })
    }

    fn run_timers(&mut self) {
        let now = self.agent.clock.now();
        let mut over: Vec<String> = Vec::new();
        for (tag, call) in &mut self.calls {
            let limit = self.options.hang_up_after.map(|after| call.answered_at + after);
            if limit.is_some_and(|at| at <= now) {
                call.established.media.fall_silent();
                call.established.hang_up(&mut self.agent);
                over.push(tag.clone());
            } else if call.established.on_timer(&mut self.agent) == After::Ended {
                over.push(tag.clone());
            }
        }
        for tag in over {
            self.end(&tag);
        }
    }

    /// Stops a call's media; what it measured is fetched when its thread is through.
    fn end(&mut self, tag: &str) {
        if let Some(mut call) = self.calls.remove(tag) {
            call.ended_at = self.agent.clock.now();
            call.established.media.stop();
            self.ended.push(call);
        }
    }

    fn collect_ended(&mut self, all: bool) {
        let ready = self
            .ended
            .extract_if(.., |call| all || call.established.media.is_finished())
            .collect::<Vec<Call>>();
        for call in ready {
            let Some(media) = call.established.media.finish() else { continue };
            let answered = AnsweredCall {
                call_id: call.call_id,
                from: call.from,
                source: call.source,
                talked: call.ended_at.saturating_since(call.answered_at),
                media,
            };
            if self.statistics.finished.len() >= FINISHED_MAX {
                self.statistics.finished.pop_front();
            }
            self.statistics.finished.push_back(answered.clone());
            // Full: nobody listens, as documented.
            let _ = self.tell.try_send(answered);
        }
    }

    /// Ends everything: 480 to what rings, BYE to what talks.
    fn close(&mut self) {
        for (key, ringing) in std::mem::take(&mut self.ringing) {
            self.agent.respond(key, &ringing.invite, 480, Some(&ringing.tag));
        }
        let tags: Vec<String> = self.calls.keys().cloned().collect();
        let mut byes = Vec::new();
        for tag in tags {
            if let Some(call) = self.calls.get_mut(&tag) {
                byes.extend(call.established.hang_up(&mut self.agent));
            }
            self.end(&tag);
        }
        let until = self.agent.clock.now() + STOP_LIMIT;
        self.agent.flush();
        while !byes.is_empty() && self.agent.clock.now() < until {
            self.agent.wait(until);
            while let Some(event) = self.agent.poll_event() {
                match event {
                    TransactionEvent::Response { key, .. }
                    | TransactionEvent::ClientUnreachable { key, .. } => {
                        byes.retain(|bye| *bye != key)
                    }
                    TransactionEvent::Request { key, message, .. } => {
                        self.agent.respond(key, &message, 481, None);
                    }
                    _ => {}
                }
            }
        }
        self.agent.flush();
        self.collect_ended(true);
    }
}

/// The To tag of a request inside a dialog.
fn local_tag(message: &Message) -> Option<&str> {
    message.to().ok()?.tag()
}

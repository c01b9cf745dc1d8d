//! The signalling worker's loop: inputs in bounded batches, timeouts, outputs, then one wait for
//! whatever comes next.

use crate::clock::Clock;
use crate::handle::{Bindings, Shared, ShellStatistics, WorkerInput, overloaded};
use crate::logic::CallLogic;
use crate::ports::Ports;
use crate::resolver::{Resolver, ResolverInput};
use crate::transport::{
    Feedback, FeedbackQueue, FromStream, Heard, StreamInput, Streams, TransportCounters, UdpSocket,
};
use b2bua::Output;
use model::{
    AllocationFailure, ApplicationEvent, ApplicationTold, Instant, MediaCommand, MediaEvent,
    TransportProtocol,
};
use sip_proto::Transmit;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Sleep;

/// Inputs from one queue in one round, so that no source starves another.
const INPUTS_A_ROUND: usize = 256;

/// Batches from one UDP socket in one round.
const BATCHES_A_ROUND: usize = 4;

/// Media commands that wait for a relay whose queue is full. `Allocate` never waits: it fails as
/// overloaded. Beyond this bound a command is dropped and counted; the relay then ends the stream
/// by its own limits.
const MEDIA_BACKLOG: usize = 65_536;

/// How soon to try again what the kernel or the relay had no room for.
const RETRY: Duration = Duration::from_millis(1);

/// Far enough to mean "no deadline".
const FAR: Duration = Duration::from_secs(3600);

/// What the queues of a worker bring.
pub(crate) struct Inputs {
    pub(crate) outside: mpsc::Receiver<WorkerInput>,
    pub(crate) streams: mpsc::Receiver<StreamInput>,
    pub(crate) resolver: mpsc::Receiver<ResolverInput>,
}

/// An input that the wait took out of its queue.
enum Arrival {
    Outside(WorkerInput),
    Stream(StreamInput),
    Resolver(ResolverInput),
}

/// One signalling worker.
pub(crate) struct Driver<L> {
    pub(crate) logic: L,
    pub(crate) clock: Clock,
    pub(crate) ports: Ports,
    pub(crate) shared: Arc<Shared>,
    pub(crate) inputs: Inputs,
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) streams: Streams,
    pub(crate) resolver: Resolver,
    pub(crate) state: State,
}

/// What the loop keeps between its rounds.
#[derive(Default)]
pub(crate) struct State {
    counters: TransportCounters,
    feedback: FeedbackQueue,
    arrival: Option<Arrival>,
    media_backlog: VecDeque<MediaCommand>,
    media_commands_lost: u64,
    /// A send queue or the media backlog could not be emptied.
    blocked: bool,
    /// A bounded batch ended before its source did.
    more: bool,
    draining: bool,
    /// Calls that [`Driver::serve_requests`] has ended, when it was asked to end all.
    ended_by_force: usize,
    published_calls: usize,
    /// The number of the directory that calls are routed by.
    followed: u64,
    bindings: Bindings,
}

impl<L: CallLogic> Driver<L> {
    /// Runs until the handle asks to stop.
    pub(crate) async fn run(mut self) {
        let mut armed = self.clock.now() + FAR;
        let mut sleep = Box::pin(tokio::time::sleep_until(self.clock.timer_at(armed)));
        let mut asked = true;
        loop {
            let now = self.clock.now();
            if asked && self.serve_requests(now) {
                return;
            }
            self.state.more = false;
            asked = self.receive(now);
            self.receive_udp();
            let now = self.clock.now();
            self.give_feedback(now);
            if self.logic.poll_timeout().is_some_and(|at| at <= now) {
                self.logic.handle_timeout(now);
            }
            self.carry_out(now);
            self.flush();
            self.publish_progress();
            if self.state.more || asked || !self.state.feedback.is_empty() {
                // The connections' tasks share this thread.
                tokio::task::yield_now().await;
                continue;
            }
            self.wait(&mut sleep, &mut armed).await;
        }
    }

    /// Does what the handle asked for; `true` to stop.
    fn serve_requests(&mut self, now: Instant) -> bool {
        let asked = {
            let mut requests = self.shared.requests();
            let failed_streams = std::mem::take(&mut requests.failed_streams);
            let stop = requests.stop;
            let asked =
                crate::handle::Requests { failed_streams, ..std::mem::take(&mut *requests) };
            requests.stop = stop;
            asked
        };
        let is_reloaded = asked.directory.is_some();
        if let Some((number, directory)) = asked.directory {
            self.logic.set_directory(directory);
            self.state.followed = number;
        }
        if let Some(stir) = asked.stir {
            self.logic.set_stir(stir);
        }
        if let Some(fingerprint) = asked.fingerprint {
            self.logic.set_dtls_fingerprint(fingerprint);
        }
        if asked.bindings && self.logic.bindings_revision() != self.state.bindings.revision {
            let (revision, list) = (self.logic.bindings_revision(), self.logic.bindings(now));
            self.state.bindings = Bindings { revision, list: list.into() };
        }
        if asked.drain {
            self.state.draining = true;
            self.logic.drain(now);
        }
        if asked.end_all {
            // None are taken after the first time.
            let state = &mut self.state;
            state.ended_by_force = state.ended_by_force.max(self.logic.active_calls());
            self.logic.end_all(now);
        }
        for id in asked.failed_streams {
            self.logic.handle_media_event(now, overloaded(id));
        }
        self.carry_out(now);
        if asked.statistics || asked.bindings || asked.drain || asked.end_all || is_reloaded {
            self.publish();
        }
        if asked.stop {
            // What was said last should still get away.
            self.flush();
        }
        asked.stop
    }

    /// Takes what waits in the queues; `true` when the handle wants something.
    fn receive(&mut self, now: Instant) -> bool {
        let mut asked = false;
        if let Some(arrival) = self.state.arrival.take() {
            match arrival {
                Arrival::Outside(input) => asked |= self.take_outside(now, input),
                Arrival::Stream(input) => self.take_stream(input),
                Arrival::Resolver(input) => self.resolver.handle(input),
            }
        }
        let mut full = true;
        for _ in 0..INPUTS_A_ROUND {
            let Ok(input) = self.inputs.outside.try_recv() else {
                full = false;
                break;
            };
            asked |= self.take_outside(now, input);
        }
        self.state.more |= full;
        full = true;
        for _ in 0..INPUTS_A_ROUND {
            let Ok(input) = self.inputs.streams.try_recv() else {
                full = false;
                break;
            };
            self.take_stream(input);
        }
        self.state.more |= full;
        while let Ok(input) = self.inputs.resolver.try_recv() {
            self.resolver.handle(input);
        }
        asked
    }

    fn take_outside(&mut self, now: Instant, input: WorkerInput) -> bool {
        match input {
            WorkerInput::Media(event) => {
                self.logic.handle_media_event(now, event);
                // Only after a full queue; then the list of failed streams is to be looked at.
                self.inputs.outside.len() >= crate::handle::MEDIA_QUEUE / 2
            }
            WorkerInput::Listening { call, wanted, reply } => {
                // Who asked may have lost patience.
                let _ = reply.try_send(self.logic.set_listening(now, call, wanted));
                false
            }
            WorkerInput::Application { call, order: Some((number, order)) } => {
                self.logic.order_application(now, call, number, order);
                false
            }
            WorkerInput::Application { call, order: None } => {
                self.logic.application_unreachable(now, call);
                false
            }
            WorkerInput::Call { wanted, decided, reply } => {
                if !decided.swap(true, Ordering::AcqRel) {
                    let _ = reply.try_send(self.logic.call_for_application(now, *wanted));
                }
                false
            }
            WorkerInput::CallForRooms { call, to } => {
                self.logic.call_for_rooms(now, call, to);
                false
            }
            WorkerInput::Requests => true,
        }
    }

    fn take_stream(&mut self, input: StreamInput) {
        let State { counters, feedback, .. } = &mut self.state;
        match self.streams.handle(input, counters, feedback) {
            Some(FromStream::Message(at, flow, raw)) => self.logic.handle_input(at, flow, raw),
            Some(FromStream::Certificate(id, certificate)) => {
                self.logic.handle_certificate(id, certificate);
            }
            None => {}
        }
    }

    fn receive_udp(&mut self) {
        for index in 0..self.udp.len() {
            for batch in 1..=BATCHES_A_ROUND {
                // One stamp for a batch: its datagrams were all there.
                let now = self.clock.now();
                let (logic, state) = (&mut self.logic, &mut self.state);
                let heard = self.udp[index].receive(
                    &mut state.counters,
                    &mut state.feedback,
                    |flow, raw| {
                        logic.handle_input(now, flow, raw);
                    },
                );
                if heard == Heard::All {
                    break;
                }
                // Answers first, then the next batch: the outputs stay few.
                self.carry_out(now);
                self.state.more |= batch == BATCHES_A_ROUND;
            }
        }
    }

    fn give_feedback(&mut self, now: Instant) {
        // Only what is there now; what its handling brings about belongs to the next round.
        for _ in 0..self.state.feedback.len() {
            let Some(feedback) = self.state.feedback.pop_front() else { break };
            match feedback {
                Feedback::Unreachable(client) => self.logic.handle_unreachable(now, client),
                Feedback::PeerUnreachable(remote) => {
                    self.logic.handle_peer_unreachable(now, remote);
                }
                Feedback::ConnectionClosed(id) => self.logic.handle_connection_closed(now, id),
            }
        }
        for (id, targets) in self.resolver.take_answers() {
            self.logic.handle_resolved(now, id, targets);
        }
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.logic.poll_output() {
            match output {
                Output::Transmit(transmit) => self.transmit(now, transmit),
                Output::Media(command) => self.command_media(now, command),
                Output::Call(event) => (self.ports.calls)(event),
                Output::Kept(kept) => (self.ports.kept)(kept),
                Output::Application(event) => self.tell_application(now, event),
                Output::Sip(observation) => (self.ports.sip)(observation),
                Output::Identity { identity, expected } => self.streams.learn(identity, expected),
                Output::Resolve { id, wanted } => {
                    self.resolver.resolve(id, wanted);
                    self.state.more |= self.resolver.has_answers();
                }
            }
        }
    }

    /// An application that cannot be told of a call is one that cannot be asked. Of later news it
    /// learns by what comes next, in the end by the refusal of its orders.
    fn tell_application(&mut self, now: Instant, event: ApplicationEvent) {
        let refused = (self.ports.applications)(event).err();
        if let Some(ApplicationEvent { call, told: ApplicationTold::Begun(_), .. }) = refused {
            self.logic.application_unreachable(now, call);
        }
    }

    fn transmit(&mut self, now: Instant, transmit: Transmit) {
        let State { counters, feedback, .. } = &mut self.state;
        match transmit.flow.protocol {
            TransportProtocol::Udp => {
                let local = transmit.flow.local;
                if let Some(socket) = self.udp.iter_mut().find(|socket| socket.serves(local)) {
                    socket.queue(transmit, counters);
                    return;
                }
            }
            _ => {
                self.streams.transmit(now, transmit, counters, feedback);
                return;
            }
        }
        counters.unserved_transport += 1;
        feedback.extend(transmit.client.map(Feedback::Unreachable));
    }

    fn command_media(&mut self, now: Instant, command: MediaCommand) {
        // What waits goes first: the commands of one stream must not overtake each other.
        let refused = if self.state.media_backlog.is_empty() {
            (self.ports.media)(command).err()
        } else {
            Some(command)
        };
        match refused {
            None => {}
            Some(MediaCommand::Allocate { id, .. }) => {
                let reason = AllocationFailure::Overloaded;
                self.logic.handle_media_event(now, MediaEvent::AllocationFailed { id, reason });
            }
            Some(command) if self.state.media_backlog.len() < MEDIA_BACKLOG => {
                self.state.media_backlog.push_back(command);
            }
            Some(_) => self.state.media_commands_lost += 1,
        }
    }

    fn flush(&mut self) {
        let state = &mut self.state;
        state.blocked = false;
        for socket in &mut self.udp {
            state.blocked |= !socket.flush(&mut state.counters, &mut state.feedback);
        }
        while let Some(command) = state.media_backlog.pop_front() {
            if let Err(command) = (self.ports.media)(command) {
                state.media_backlog.push_front(command);
                state.blocked = true;
                break;
            }
        }
    }

    /// Waits for a datagram, an input or the next deadline.
    async fn wait(&mut self, sleep: &mut Pin<Box<Sleep>>, armed: &mut Instant) {
        let now = self.clock.now();
        let mut deadline = self.logic.poll_timeout().unwrap_or(now + FAR);
        if self.state.blocked {
            deadline = deadline.min(now + RETRY);
        }
        // A timer that fires too early costs one empty round; moving it costs more, each time.
        if deadline < *armed || *armed <= now {
            *armed = deadline;
            sleep.as_mut().reset(self.clock.timer_at(deadline));
        }
        poll_fn(|cx| self.poll_arrival(cx, sleep)).await;
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>, sleep: &mut Pin<Box<Sleep>>) -> Poll<()> {
        for socket in &self.udp {
            if socket.poll_readable(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        let Inputs { outside, streams, resolver } = &mut self.inputs;
        let arrival = if let Poll::Ready(Some(input)) = outside.poll_recv(cx) {
            Arrival::Outside(input)
        } else if let Poll::Ready(Some(input)) = streams.poll_recv(cx) {
            Arrival::Stream(input)
        } else if let Poll::Ready(Some(input)) = resolver.poll_recv(cx) {
            Arrival::Resolver(input)
        } else {
            return sleep.as_mut().poll(cx);
        };
        self.state.arrival = Some(arrival);
        Poll::Ready(())
    }

    /// While a drain waits, tells it of every call that goes.
    fn publish_progress(&mut self) {
        if self.state.draining && self.logic.active_calls() != self.state.published_calls {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let active_calls = self.logic.active_calls();
        self.state.published_calls = active_calls;
        let statistics = ShellStatistics {
            edge: self.logic.statistics(),
            transport: TransportCounters {
                tls: self.streams.tls_counters(),
                ..self.state.counters
            },
            resolver: self.resolver.counters,
            active_calls,
            media_events_lost: self.shared.media_events_lost.load(Ordering::Relaxed),
            media_commands_lost: self.state.media_commands_lost,
        };
        self.shared.publish(|published| {
            published.statistics = statistics;
            published.bindings = self.state.bindings.clone();
            published.followed = self.state.followed;
            published.draining = self.state.draining;
            published.ended_by_force = self.state.ended_by_force;
        });
    }
}

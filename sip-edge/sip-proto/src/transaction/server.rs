//! The server side of the layer: what the server machines' actions mean, and who matches whom.

mod matching;
mod resumed;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{Flow, Instant, PeerIdentity};

use super::action::ServerAction;
use super::room::{NoPlace, Place, Precedence};
use super::slab::Handle;
use super::timers::Timer;
use super::{
    Gone, Overflow, Owner, ServerKey, TransactionEvent, Transactions, Transmit, invite_server, key,
    machine, non_invite_server,
};
use crate::head;
use crate::message::{Composer, Message, Method};
use crate::stamp;
use crate::wheel::TimerId;

#[derive(Debug)]
pub(crate) struct ServerTransaction {
    key: Arc<str>,
    origin: Option<u64>,
    machine: ServerMachine,
    /// The core knows nothing of this one: a CANCEL, a merged request.
    quiet: bool,
    place: Place,
    /// Kept until the final response.
    request: Option<Message>,
    flow: Flow,
    /// The request's connection has closed. The transport still knows by it who the peer was.
    disconnected: bool,
    /// Where responses go without a connection.
    response_address: SocketAddr,
    last_response: Option<Bytes>,
    retransmission: Option<TimerId>,
    /// How long the retransmission timer runs at present.
    interval: Duration,
    /// The timer that ends the state.
    lifetime: Option<TimerId>,
}

impl ServerTransaction {
    pub(super) const fn request(&self) -> Option<&Message> {
        self.request.as_ref()
    }

    /// Keeps what copies of the request are answered with. What a flood is answered with is kept to
    /// size, without the room that it was written in.
    fn keep_response(&mut self, response: &Bytes) {
        let is_refused = matches!(self.place, Place::Share(_)) && self.request.is_none();
        let kept = if is_refused { Bytes::copy_from_slice(response) } else { response.clone() };
        self.last_response = Some(kept);
    }

    pub(super) fn last_response(&self) -> Option<Bytes> {
        self.last_response.clone()
    }

    /// Over the request's connection; without one, where the top Via says.
    pub(super) fn response_flow(&self) -> Flow {
        match self.flow.connection {
            Some(_) if !self.disconnected => self.flow,
            _ => Flow { remote: self.response_address, ..self.flow },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ServerMachine {
    Invite(invite_server::State),
    NonInvite(non_invite_server::State),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ServerInput {
    Request,
    Ack,
    Provisional,
    Success,
    Failure,
    Fired(Timer),
}

/// How a request came in, and where its responses go without a connection.
#[derive(Clone, Copy)]
struct Arrival {
    flow: Flow,
    response_address: SocketAddr,
    place: Place,
}

/// What an input brings along for the actions.
#[derive(Clone, Copy)]
enum Material<'a> {
    None,
    Response(&'a Bytes),
    Ack(&'a Message, Flow),
}

impl Material<'_> {
    fn response(self) -> Option<Bytes> {
        match self {
            Material::Response(response) => Some(response.clone()),
            Material::None | Material::Ack(..) => None,
        }
    }
}

impl ServerMachine {
    /// Makes the transition that `input` asks for; `None` when there is none.
    fn step(&mut self, input: ServerInput) -> Option<&'static [ServerAction]> {
        match self {
            ServerMachine::Invite(state) => {
                let input = match input {
                    ServerInput::Request => invite_server::Input::Request,
                    ServerInput::Ack => invite_server::Input::Ack,
                    ServerInput::Provisional => invite_server::Input::Provisional,
                    ServerInput::Success => invite_server::Input::Success,
                    ServerInput::Failure => invite_server::Input::Failure,
                    ServerInput::Fired(timer) => invite_server::Input::Fired(timer),
                };
                let row = machine::step(invite_server::TRANSITIONS, *state, input)?;
                *state = row.to;
                Some(row.actions)
            }
            ServerMachine::NonInvite(state) => {
                let input = match input {
                    ServerInput::Request => non_invite_server::Input::Request,
                    ServerInput::Ack => return None,
                    ServerInput::Provisional => non_invite_server::Input::Provisional,
                    ServerInput::Success | ServerInput::Failure => non_invite_server::Input::Final,
                    ServerInput::Fired(timer) => non_invite_server::Input::Fired(timer),
                };
                let row = machine::step(non_invite_server::TRANSITIONS, *state, input)?;
                *state = row.to;
                Some(row.actions)
            }
        }
    }

    const fn is_terminated(self) -> bool {
        matches!(
            self,
            ServerMachine::Invite(invite_server::State::Terminated)
                | ServerMachine::NonInvite(non_invite_server::State::Terminated)
        )
    }
}

impl Transactions {
    /// Sends a response. A final one ends the core's part, except that it repeats a 2xx to INVITE
    /// until the ACK comes (RFC 3261 section 13.3.1.4), by calling this again or, when it returns
    /// [`Gone`], with [`send_directly`](Self::send_directly).
    ///
    /// # Errors
    /// [`Gone`] when the transaction has ended or has its final response: nothing was sent.
    pub fn respond(
        &mut self,
        now: Instant,
        key: ServerKey,
        status: u16,
        response: Bytes,
    ) -> Result<(), Gone> {
        let input = match status {
            ..200 => ServerInput::Provisional,
            200..300 => ServerInput::Success,
            300.. => ServerInput::Failure,
        };
        let response = Material::Response(&response);
        if self.step_server(now, key.0, input, response) { Ok(()) } else { Err(Gone) }
    }

    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        flow: Flow,
        message: Message,
        precedence: Precedence,
    ) -> Result<(), Box<Overflow>> {
        let (Some(method), Ok(via)) = (message.method(), message.top_via()) else { return Ok(()) };
        let (is_invite, is_cancel) = (method == Method::Invite, method == Method::Cancel);
        key::server_key(&message, &via, method, &mut self.scratch);
        if let Some(&handle) = self.servers_by_key.get(self.scratch.as_str()) {
            self.counters.repeated_requests += 1;
            self.follow_repetition(handle, flow);
            self.step_server(now, handle, ServerInput::Request, Material::None);
            return Ok(());
        }
        let in_dialog = message.to().is_ok_and(|to| to.tag().is_some());
        let (used, source) = (self.servers.len(), flow.remote.ip());
        let inside = in_dialog || is_cancel;
        let place = match self.room.take(&self.config, used, source, inside, precedence) {
            Ok(place) => place,
            Err(why) => {
                self.counters.refused_requests += 1;
                self.counters.share_refusals += u64::from(why == NoPlace::Share);
                return Err(Box::new(Overflow { message, flow }));
            }
        };
        let key: Arc<str> = Arc::from(self.scratch.as_str());
        let response_address = stamp::response_address(flow, &via);
        let arrival = Arrival { flow, response_address, place };
        if is_cancel {
            self.handle_cancel(now, arrival, message, key);
            return Ok(());
        }
        let origin = (is_invite || !in_dialog).then(|| {
            key::origin_key(&message, method, &mut self.scratch);
            self.hash(&self.scratch)
        });
        let earlier = origin.and_then(|origin| self.servers_by_origin.get(&origin));
        if !in_dialog && earlier.is_some() {
            self.counters.merged_requests += 1;
            let handle = self.start_server(now, arrival, message, key, None, true);
            self.answer(now, handle, 482, "Loop Detected", None);
            return Ok(());
        }
        let handle = self.start_server(now, arrival, message.clone(), key, origin, false);
        if is_invite {
            self.answer(now, handle, 100, "Trying", None);
        }
        let key = ServerKey(handle);
        self.events.push_back(TransactionEvent::Request { key, message, flow });
        Ok(())
    }

    pub(super) fn handle_ack(&mut self, now: Instant, flow: Flow, message: Message) {
        let invite = self.find_invite(&message).filter(|&handle| self.ack_fits(handle, &message));
        match invite {
            Some(handle) => {
                let ack = Material::Ack(&message, flow);
                self.step_server(now, handle, ServerInput::Ack, ack);
            }
            None => self.events.push_back(TransactionEvent::Ack { message, flow }),
        }
    }

    pub(super) fn server_timer(&mut self, now: Instant, handle: Handle, timer: Timer) {
        let Some(transaction) = self.servers.get_mut(handle) else { return };
        match timer {
            Timer::G => {
                transaction.retransmission = None;
                self.counters.retransmissions += 1;
            }
            Timer::Abandoned => {
                transaction.lifetime = None;
                self.counters.abandoned += 1;
            }
            _ => transaction.lifetime = None,
        }
        self.step_server(now, handle, ServerInput::Fired(timer), Material::None);
    }

    /// Says whom a TLS connection must lead to that is opened for responses to a request whose own has
    /// closed (RFC 3261 section 18.2.2).
    pub fn expect_peer(&mut self, key: ServerKey, identity: Option<PeerIdentity>) {
        if let Some(transaction) = self.servers.get_mut(key.0) {
            transaction.flow.identity = transaction.flow.identity.or(identity);
        }
    }

    pub(super) fn server_disconnected(&mut self, handle: Handle) {
        if let Some(transaction) = self.servers.get_mut(handle) {
            transaction.disconnected = true;
        }
    }

    /// Answers a CANCEL in its own transaction and tells the core about the INVITE it stops.
    fn handle_cancel(&mut self, now: Instant, arrival: Arrival, message: Message, key: Arc<str>) {
        let invite = self.find_invite(&message);
        let handle = self.start_server(now, arrival, message.clone(), key, None, true);
        let Some(invite) = invite else {
            self.counters.unmatched_cancels += 1;
            let reason = "Call/Transaction Does Not Exist";
            self.answer(now, handle, 481, reason, None);
            return;
        };
        // Section 9.2: the To tag of this response is that of the responses to the INVITE.
        let last = self.servers.get(invite).and_then(|t| t.last_response.clone());
        let tag = last.as_deref().and_then(head::to_tag).and_then(|tag| str::from_utf8(tag).ok());
        self.answer(now, handle, 200, "OK", tag);
        let pending = self.servers.get(invite).is_some_and(|transaction| {
            transaction.machine == ServerMachine::Invite(invite_server::State::Proceeding)
        });
        if pending {
            let invite = ServerKey(invite);
            self.events.push_back(TransactionEvent::Cancelled { invite, message });
        }
    }

    fn start_server(
        &mut self,
        now: Instant,
        arrival: Arrival,
        message: Message,
        key: Arc<str>,
        origin: Option<u64>,
        quiet: bool,
    ) -> Handle {
        let (machine, entry): (_, &[ServerAction]) = match message.method() {
            Some(Method::Invite) => (ServerMachine::Invite(invite_server::State::Proceeding), &[]),
            _ => {
                let state = non_invite_server::State::Trying;
                (ServerMachine::NonInvite(state), non_invite_server::ENTRY)
            }
        };
        let Arrival { flow, response_address, place } = arrival;
        let handle = self.servers.insert(ServerTransaction {
            key: Arc::clone(&key),
            origin,
            machine,
            quiet,
            place,
            request: Some(message),
            flow,
            disconnected: false,
            response_address,
            last_response: None,
            retransmission: None,
            interval: Duration::ZERO,
            lifetime: None,
        });
        self.servers_by_key.insert(key, handle);
        if let Some(origin) = origin {
            self.servers_by_origin.insert(origin, handle);
        }
        self.track_connection(flow, Owner::Server(handle));
        self.counters.servers += 1;
        for &action in entry {
            self.server_action(now, handle, action, Material::None);
        }
        handle
    }

    /// Composes and sends a response of the layer's own. A final one without a tag gets one.
    fn answer(
        &mut self,
        now: Instant,
        handle: Handle,
        status: u16,
        reason: &str,
        tag: Option<&str>,
    ) {
        let Some(request) = self.servers.get(handle).and_then(|t| t.request.clone()) else {
            return;
        };
        let response = if status == 100 {
            Composer::response_to(&request, status, reason, None)
        } else {
            let tag = tag.map_or_else(|| self.derived_tag(&request), str::to_owned);
            Composer::response_to(&request, status, reason, Some(&tag))
        };
        // A transaction that has just begun takes every response.
        let _ = self.respond(now, ServerKey(handle), status, response.finish());
    }

    /// Makes a transition; returns whether there was one.
    fn step_server(
        &mut self,
        now: Instant,
        handle: Handle,
        input: ServerInput,
        material: Material<'_>,
    ) -> bool {
        let mut stepped = false;
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let Some(transaction) = self.servers.get_mut(handle) else { break };
            let Some(actions) = transaction.machine.step(input) else { break };
            stepped = true;
            if matches!(input, ServerInput::Success | ServerInput::Failure) {
                transaction.request = None;
            }
            if input == ServerInput::Success
                && matches!(transaction.machine, ServerMachine::Invite(_))
                && matches!(transaction.place, Place::Share(_))
            {
                // An accepted call is work, and bounded as calls are.
                self.room.give_back(std::mem::replace(&mut transaction.place, Place::Table));
            }
            for &action in actions {
                // A timer of no length fires here and now.
                next = self.server_action(now, handle, action, material).or(next);
            }
            if self.servers.get(handle).is_some_and(|t| t.machine.is_terminated()) {
                self.remove_server(handle);
            }
        }
        stepped
    }

    fn server_action(
        &mut self,
        now: Instant,
        handle: Handle,
        action: ServerAction,
        material: Material<'_>,
    ) -> Option<ServerInput> {
        let transaction = self.servers.get_mut(handle)?;
        match action {
            ServerAction::Send => {
                let response = material.response()?;
                transaction.keep_response(&response);
                self.transmit_server(handle, response);
            }
            ServerAction::SendLast => {
                let last = transaction.last_response.clone()?;
                self.transmit_server(handle, last);
            }
            ServerAction::Forget => transaction.last_response = None,
            ServerAction::ReportAck => {
                if let Material::Ack(message, flow) = material {
                    let message = message.clone();
                    self.events.push_back(TransactionEvent::Ack { message, flow });
                }
            }
            ServerAction::ReportAcknowledged => self.report_done(handle, true),
            ServerAction::ReportNotAcknowledged => {
                self.counters.unacknowledged += 1;
                self.report_done(handle, false);
            }
            ServerAction::StopTimers => {
                let timers = [transaction.retransmission.take(), transaction.lifetime.take()];
                for id in timers.into_iter().flatten() {
                    self.wheel.cancel(id);
                }
            }
            ServerAction::Start(timer) => {
                let reliable = transaction.flow.protocol.is_reliable();
                let interval = self.config.timers.first(timer, reliable)?;
                if interval.is_zero() {
                    return Some(ServerInput::Fired(timer));
                }
                self.run_server_timer(now, handle, timer, interval);
            }
            ServerAction::Restart(timer) => {
                let interval = self.config.timers.next(timer, transaction.interval);
                self.run_server_timer(now, handle, timer, interval);
            }
        }
        None
    }

    fn run_server_timer(&mut self, now: Instant, handle: Handle, timer: Timer, span: Duration) {
        let Some(transaction) = self.servers.get_mut(handle) else { return };
        let id = self.wheel.insert(now + span, (Owner::Server(handle), timer));
        let replaced = if timer.is_retransmission() {
            transaction.interval = span;
            transaction.retransmission.replace(id)
        } else {
            transaction.lifetime.replace(id)
        };
        if let Some(replaced) = replaced {
            self.wheel.cancel(replaced);
        }
    }

    fn transmit_server(&mut self, handle: Handle, payload: Bytes) {
        let Some(transaction) = self.servers.get(handle) else { return };
        let flow = transaction.response_flow();
        self.transmits.push_back(Transmit { flow, payload, client: None });
    }

    fn report_done(&mut self, handle: Handle, acked: bool) {
        if self.servers.get(handle).is_some_and(|transaction| !transaction.quiet) {
            self.events.push_back(TransactionEvent::ServerDone { key: ServerKey(handle), acked });
        }
    }

    fn remove_server(&mut self, handle: Handle) {
        let Some(transaction) = self.servers.remove(handle) else { return };
        self.servers_by_key.remove(&transaction.key);
        self.room.give_back(transaction.place);
        if let Some(origin) = transaction.origin
            && self.servers_by_origin.get(&origin) == Some(&handle)
        {
            self.servers_by_origin.remove(&origin);
        }
        self.untrack_connection(transaction.flow, Owner::Server(handle));
        for id in [transaction.retransmission, transaction.lifetime].into_iter().flatten() {
            self.wheel.cancel(id);
        }
    }
}

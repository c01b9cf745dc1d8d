//! The client side of the layer: what the client machines' actions mean.

mod cancel;
mod open;

pub use open::OpenInvite;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};

use super::action::ClientAction;
use super::room::{Precedence, SendOptions};
use super::slab::Handle;
use super::timers::Timer;
use super::{
    ClientKey, Full, Owner, TransactionEvent, Transactions, Transmit, build, invite_client, key,
    machine, non_invite_client,
};
use crate::message::{Message, Method};
use crate::wheel::TimerId;

#[derive(Debug)]
pub(crate) struct ClientTransaction {
    key: Arc<str>,
    machine: ClientMachine,
    cancel: CancelState,
    /// The core knows nothing of this one: a CANCEL.
    quiet: bool,
    flow: Flow,
    /// The request; the ACK once a non-2xx final response came.
    payload: Bytes,
    retransmission: Option<TimerId>,
    /// How long the retransmission timer runs at present.
    interval: Duration,
    /// The timer that ends the state.
    lifetime: Option<TimerId>,
    /// What to send, and where, when the stream of `flow` is not taken.
    fallback: Option<Box<(Flow, Bytes)>>,
    fell_back: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientMachine {
    Invite(invite_client::State),
    NonInvite(non_invite_client::State),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CancelState {
    NotWanted,
    /// Held until a provisional response comes (RFC 3261 section 9.1).
    Held,
    Sent,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientInput {
    Provisional,
    Success,
    Failure,
    Unreachable,
    Fired(Timer),
}

impl ClientMachine {
    /// Makes the transition that `input` asks for; `None` when there is none.
    fn step(&mut self, input: ClientInput) -> Option<&'static [ClientAction]> {
        match self {
            ClientMachine::Invite(state) => {
                let input = match input {
                    ClientInput::Provisional => invite_client::Input::Provisional,
                    ClientInput::Success => invite_client::Input::Success,
                    ClientInput::Failure => invite_client::Input::Failure,
                    ClientInput::Unreachable => invite_client::Input::Unreachable,
                    ClientInput::Fired(timer) => invite_client::Input::Fired(timer),
                };
                let row = machine::step(invite_client::TRANSITIONS, *state, input)?;
                *state = row.to;
                Some(row.actions)
            }
            ClientMachine::NonInvite(state) => {
                let input = match input {
                    ClientInput::Provisional => non_invite_client::Input::Provisional,
                    ClientInput::Success | ClientInput::Failure => non_invite_client::Input::Final,
                    ClientInput::Unreachable => non_invite_client::Input::Unreachable,
                    ClientInput::Fired(timer) => non_invite_client::Input::Fired(timer),
                };
                let row = machine::step(non_invite_client::TRANSITIONS, *state, input)?;
                *state = row.to;
                Some(row.actions)
            }
        }
    }

    const fn is_terminated(self) -> bool {
        matches!(
            self,
            ClientMachine::Invite(invite_client::State::Terminated)
                | ClientMachine::NonInvite(non_invite_client::State::Terminated)
        )
    }

    /// No response has come yet.
    const fn is_unanswered(self) -> bool {
        matches!(
            self,
            ClientMachine::Invite(invite_client::State::Calling)
                | ClientMachine::NonInvite(non_invite_client::State::Trying)
        )
    }
}

impl ClientTransaction {
    /// Whether its request now goes as a datagram, so that news of a stream is old.
    pub(super) const fn has_fallen_back(&self) -> bool {
        self.fell_back
    }

    /// Whether it is a datagram request to `remote` without any response yet.
    pub(super) fn waits_for(&self, remote: SocketAddr) -> bool {
        self.flow.remote == remote
            && self.flow.protocol == TransportProtocol::Udp
            && self.machine.is_unanswered()
    }
}

impl Transactions {
    /// Sends a request in a new transaction. `request` carries our Via with `branch`, a fresh one
    /// from [`new_branch`](Self::new_branch). Not for ACK, which is no transaction: see
    /// [`send_directly`](Self::send_directly).
    ///
    /// # Errors
    /// [`Full`] when the table is full or the branch is in use: nothing was sent.
    pub fn send_request(
        &mut self,
        now: Instant,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        request: Bytes,
    ) -> Result<ClientKey, Full> {
        self.send_request_or(now, flow, branch, method, request, None)
    }

    /// [`send_request`](Self::send_request) over a stream that the peer may not take. When it cannot
    /// be opened, or brings no response within 4 × T1, `fallback` is sent instead, the same request
    /// written for another flow, and [`TransactionEvent::FellBack`] says so; the transaction, its
    /// branch and a CANCEL that waits stay what they are.
    ///
    /// # Errors
    /// As [`send_request`](Self::send_request).
    pub fn send_request_or(
        &mut self,
        now: Instant,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        request: Bytes,
        fallback: Option<(Flow, Bytes)>,
    ) -> Result<ClientKey, Full> {
        let options = SendOptions { fallback, precedence: Precedence::Ordinary };
        self.send_request_with(now, flow, branch, method, request, options)
    }

    /// [`send_request_or`](Self::send_request_or) with everything that may be said.
    ///
    /// # Errors
    /// As [`send_request`](Self::send_request); a request of an emergency call has the reserve.
    pub fn send_request_with(
        &mut self,
        now: Instant,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        request: Bytes,
        options: SendOptions,
    ) -> Result<ClientKey, Full> {
        let SendOptions { fallback, precedence } = options;
        if self.clients.len() >= precedence.client_limit(&self.config) {
            return Err(Full);
        }
        let handle = self.start_client(now, flow, branch, method, request, false)?;
        if let Some(fallback) = fallback
            && let Some(transaction) = self.clients.get_mut(handle)
        {
            transaction.fallback = Some(Box::new(fallback));
            self.client_action(now, handle, ClientAction::Start(Timer::Fallback), None);
        }
        Ok(ClientKey(handle))
    }

    pub(super) fn handle_response(&mut self, now: Instant, flow: Flow, message: Message) {
        let Some((handle, is_invite)) = self.find_client(&message) else {
            self.counters.unmatched_responses += 1;
            return;
        };
        let input = match message.status() {
            Some(..200) => ClientInput::Provisional,
            Some(200..300) => ClientInput::Success,
            _ => ClientInput::Failure,
        };
        match handle {
            Some(handle) => {
                // Before the step: an INVITE that fails turns into its ACK, and over a stream the
                // transaction is gone at once.
                if matches!(message.status(), Some(401 | 407)) {
                    self.challenged = self.clients.get(handle).map(|client| client.payload.clone());
                }
                self.step_client(now, handle, input, Some(&message));
                self.challenged = None;
            }
            None if is_invite && input == ClientInput::Success => {
                self.events.push_back(TransactionEvent::StrayResponse { message, flow });
            }
            None => self.counters.unmatched_responses += 1,
        }
    }

    pub(super) fn client_timer(&mut self, now: Instant, handle: Handle, timer: Timer) {
        let Some(transaction) = self.clients.get_mut(handle) else { return };
        if timer.is_retransmission() {
            transaction.retransmission = None;
        } else {
            transaction.lifetime = None;
        }
        self.step_client(now, handle, ClientInput::Fired(timer), None);
    }

    pub(super) fn client_unreachable(&mut self, now: Instant, handle: Handle) {
        self.step_client(now, handle, ClientInput::Unreachable, None);
    }

    pub(super) fn client_disconnected(&mut self, now: Instant, handle: Handle) {
        let Some(transaction) = self.clients.get_mut(handle) else { return };
        transaction.flow.connection = None;
        if transaction.machine.is_unanswered() {
            self.step_client(now, handle, ClientInput::Unreachable, None);
        }
    }

    /// The transaction of a response, and whether it answers an INVITE; `None` when the response
    /// does not say what it answers.
    fn find_client(&mut self, message: &Message) -> Option<(Option<Handle>, bool)> {
        let branch = message.top_via().ok()?.branch?;
        let method = message.cseq().ok()?.method;
        key::client_key(branch, method, &mut self.scratch);
        let handle = self.clients_by_key.get(self.scratch.as_str()).copied();
        Some((handle, method == Method::Invite))
    }

    fn start_client(
        &mut self,
        now: Instant,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        request: Bytes,
        quiet: bool,
    ) -> Result<Handle, Full> {
        let (machine, entry) = if method == Method::Invite {
            (ClientMachine::Invite(invite_client::State::Calling), invite_client::ENTRY)
        } else {
            (ClientMachine::NonInvite(non_invite_client::State::Trying), non_invite_client::ENTRY)
        };
        let handle = self.insert_client(flow, branch, method, machine, request, quiet)?;
        self.transmit_client(handle);
        for &action in entry {
            self.client_action(now, handle, action, None);
        }
        Ok(handle)
    }

    /// Puts a transaction into the table; nothing is sent.
    fn insert_client(
        &mut self,
        flow: Flow,
        branch: &str,
        method: Method<'_>,
        machine: ClientMachine,
        request: Bytes,
        quiet: bool,
    ) -> Result<Handle, Full> {
        key::client_key(branch, method, &mut self.scratch);
        if self.clients_by_key.contains_key(self.scratch.as_str()) {
            return Err(Full);
        }
        let key: Arc<str> = Arc::from(self.scratch.as_str());
        let handle = self.clients.insert(ClientTransaction {
            key: Arc::clone(&key),
            machine,
            cancel: CancelState::NotWanted,
            quiet,
            flow,
            payload: request,
            retransmission: None,
            interval: Duration::ZERO,
            lifetime: None,
            fallback: None,
            fell_back: false,
        });
        self.clients_by_key.insert(key, handle);
        self.track_connection(flow, Owner::Client(handle));
        self.counters.clients += 1;
        Ok(handle)
    }

    fn step_client(
        &mut self,
        now: Instant,
        handle: Handle,
        input: ClientInput,
        response: Option<&Message>,
    ) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let lost =
                matches!(input, ClientInput::Unreachable | ClientInput::Fired(Timer::Fallback));
            if lost && self.fall_back(now, handle) {
                return;
            }
            let Some(transaction) = self.clients.get_mut(handle) else { return };
            let Some(actions) = transaction.machine.step(input) else { return };
            for &action in actions {
                // A timer of no length fires here and now.
                next = self.client_action(now, handle, action, response).or(next);
            }
            if self.clients.get(handle).is_some_and(|t| t.machine.is_terminated()) {
                self.remove_client(handle);
            }
        }
    }

    /// Sends what was kept for a stream that is not taken; `false` when there is nothing, or when
    /// a response has come.
    fn fall_back(&mut self, now: Instant, handle: Handle) -> bool {
        let Some(transaction) = self.clients.get_mut(handle) else { return false };
        if !transaction.machine.is_unanswered() {
            return false;
        }
        let Some((flow, payload)) = transaction.fallback.take().map(|kept| *kept) else {
            return false;
        };
        let refused = std::mem::replace(&mut transaction.flow, flow);
        transaction.payload = payload;
        transaction.fell_back = true;
        let entry = match transaction.machine {
            ClientMachine::Invite(_) => invite_client::ENTRY,
            ClientMachine::NonInvite(_) => non_invite_client::ENTRY,
        };
        self.counters.fallbacks += 1;
        self.untrack_connection(refused, Owner::Client(handle));
        self.track_connection(flow, Owner::Client(handle));
        self.client_action(now, handle, ClientAction::StopTimers, None);
        self.transmit_client(handle);
        for &action in entry {
            self.client_action(now, handle, action, None);
        }
        let event = TransactionEvent::FellBack { key: ClientKey(handle), refused: refused.remote };
        self.report_client(handle, event);
        true
    }

    fn client_action(
        &mut self,
        now: Instant,
        handle: Handle,
        action: ClientAction,
        response: Option<&Message>,
    ) -> Option<ClientInput> {
        let transaction = self.clients.get_mut(handle)?;
        let key = ClientKey(handle);
        match action {
            ClientAction::Retransmit => {
                self.counters.retransmissions += 1;
                self.transmit_client(handle);
            }
            ClientAction::Acknowledge => {
                // The first final response turns the stored INVITE into its ACK.
                if !transaction.payload.starts_with(b"ACK ") {
                    transaction.payload = build::ack(&transaction.payload, response?.raw());
                }
                self.transmit_client(handle);
            }
            ClientAction::ReleaseCancel => {
                if transaction.cancel == CancelState::Held {
                    self.send_cancel(now, handle);
                }
            }
            ClientAction::Report => {
                let message = response?.clone();
                let request = self.challenged.take();
                self.report_client(handle, TransactionEvent::Response { key, message, request });
            }
            ClientAction::ReportTimeout => {
                self.counters.timeouts += 1;
                self.report_client(handle, TransactionEvent::ClientTimeout { key });
            }
            ClientAction::ReportUnreachable => {
                let request = transaction.payload.clone();
                self.report_client(handle, TransactionEvent::ClientUnreachable { key, request });
            }
            ClientAction::StopTimers => {
                let timers = [transaction.retransmission.take(), transaction.lifetime.take()];
                for id in timers.into_iter().flatten() {
                    self.wheel.cancel(id);
                }
            }
            ClientAction::Start(timer) => {
                let reliable = transaction.flow.protocol.is_reliable();
                let interval = self.config.timers.first(timer, reliable)?;
                if interval.is_zero() {
                    return Some(ClientInput::Fired(timer));
                }
                self.run_client_timer(now, handle, timer, interval);
            }
            ClientAction::Restart(timer) => {
                let interval = self.config.timers.next(timer, transaction.interval);
                self.run_client_timer(now, handle, timer, interval);
            }
            ClientAction::RestartSlow(timer) => {
                self.run_client_timer(now, handle, timer, self.config.timers.t2);
            }
        }
        None
    }

    fn run_client_timer(&mut self, now: Instant, handle: Handle, timer: Timer, span: Duration) {
        let Some(transaction) = self.clients.get_mut(handle) else { return };
        let id = self.wheel.insert(now + span, (Owner::Client(handle), timer));
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

    fn transmit_client(&mut self, handle: Handle) {
        let Some(transaction) = self.clients.get(handle) else { return };
        self.transmits.push_back(Transmit {
            flow: transaction.flow,
            payload: transaction.payload.clone(),
            client: Some(ClientKey(handle)),
        });
    }

    fn report_client(&mut self, handle: Handle, event: TransactionEvent) {
        if self.clients.get(handle).is_some_and(|transaction| !transaction.quiet) {
            self.events.push_back(event);
        }
    }

    fn remove_client(&mut self, handle: Handle) {
        self.report_client(handle, TransactionEvent::ClientDone { key: ClientKey(handle) });
        let Some(transaction) = self.clients.remove(handle) else { return };
        self.clients_by_key.remove(&transaction.key);
        self.untrack_connection(transaction.flow, Owner::Client(handle));
        for id in [transaction.retransmission, transaction.lifetime].into_iter().flatten() {
            self.wheel.cancel(id);
        }
    }
}

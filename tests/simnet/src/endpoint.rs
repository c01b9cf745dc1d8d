//! An endpoint of its own mind: a real transaction layer below, dice above.

mod requested;

use crate::early::ReliableRing;
use crate::fixture::connector_host;
use crate::network::Rng;
use crate::secured::Habit;
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::{
    ClientKey, Dialog, Endpoint, HeaderName, Message, Method, OwnerTag, ServerKey,
    TransactionConfig, TransactionEvent, Transmit,
};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// Something that an endpoint will do of its own accord.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Ring(u16),
    RepeatRing,
    EarlyUpdate,
    Answer(u16),
    Cancel,
    Change,
    Repeat2xx,
    Bye,
}

/// One call as one endpoint sees it.
pub(crate) struct OwnCall {
    pub(crate) call_id: String,
    pub(crate) tag: String,
    /// To, without tag, while there is no dialog.
    pub(crate) remote: String,
    pub(crate) local: String,
    pub(crate) dialog: Option<Dialog>,
    /// The early dialog that a provisional response to our INVITE made.
    pub(crate) early: Option<Dialog>,
    cseq: u32,
    pub(crate) version: u32,
    /// Our reliable provisional responses, as far as they are not acknowledged.
    pub(crate) reliable: ReliableRing,
    /// The numbers of the other side's that we acknowledged.
    pub(crate) pracked: Vec<(String, u32)>,
    /// The INVITE of the other side that waits for its final response.
    pub(crate) invited: Option<(ServerKey, Message)>,
    /// Our INVITE that waits for its final response.
    pub(crate) inviting: Option<ClientKey>,
    /// A 2xx of ours that has not been acknowledged: bytes, next interval, end.
    unacknowledged: Option<(Bytes, Duration, Instant)>,
    /// ACKs sent, by CSeq number.
    acks: HashMap<u32, Bytes>,
    pub(crate) sent_offer: bool,
    never_acks: bool,
    cancelled: bool,
    pub(crate) over: bool,
    /// A header of the next request only.
    pub(crate) next_header: Option<(HeaderName, String)>,
    /// The last description that came.
    pub(crate) heard: String,
}

/// The endpoint.
pub(crate) struct Actor {
    pub(crate) at: SocketAddr,
    edge: SocketAddr,
    pub(crate) rng: Rng,
    pub(crate) habit: Habit,
    pub(crate) endpoint: Endpoint,
    pub(crate) calls: Vec<OwnCall>,
    clients: HashMap<ClientKey, usize>,
    deeds: BTreeMap<(Instant, u64), (usize, Deed)>,
    serial: u64,
}

impl Actor {
    pub(crate) fn new(at: SocketAddr, edge: SocketAddr, node: u16, mut rng: Rng) -> Self {
        let config = TransactionConfig {
            hash_seed: rng.next(),
            ..TransactionConfig::new(OwnerTag { node, worker: 9 })
        };
        Actor {
            at,
            edge,
            rng,
            habit: Habit::default(),
            endpoint: Endpoint::new(config),
            calls: Vec::new(),
            clients: HashMap::new(),
            deeds: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Calls a number.
    pub(crate) fn call(&mut self, now: Instant, number: &str) {
        let token = self.rng.next();
        let inner = format!("host.inner-{}.example", self.at.port());
        let index = self.new_call(
            format!("inner-{token:x}@{inner}"),
            format!("sip:+12065550100@{inner}"),
            format!("sip:{number}@{}", connector_host()),
        );
        self.invite(now, index);
        if self.rng.percent(30) {
            let after = self.rng.millis(0, 9_000);
            self.plan(now + after, index, Deed::Cancel);
        }
    }

    pub(crate) fn handle_input(&mut self, now: Instant, raw: Bytes) {
        let flow = self.flow();
        self.endpoint.handle_input(now, flow, raw);
        self.handle_events(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.handle_events(now);
        while let Some(entry) = self.deeds.first_entry()
            && entry.key().0 <= now
        {
            let (index, deed) = entry.remove();
            self.act(now, index, deed);
        }
        self.handle_events(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deed = self.deeds.keys().next().map(|(at, _)| *at);
        self.endpoint.poll_timeout().into_iter().chain(deed).min()
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow {
            protocol: TransportProtocol::Udp,
            local: self.at,
            remote: self.edge,
            connection: None,
            identity: None,
        }
    }

    pub(crate) fn new_call(&mut self, call_id: String, local: String, remote: String) -> usize {
        let tag = format!("inner-{:x}", self.rng.next());
        self.calls.push(OwnCall {
            call_id,
            tag,
            remote,
            local,
            dialog: None,
            early: None,
            cseq: 0,
            version: 1,
            reliable: ReliableRing::default(),
            pracked: Vec::new(),
            invited: None,
            inviting: None,
            unacknowledged: None,
            acks: HashMap::new(),
            sent_offer: false,
            never_acks: self.rng.percent(5),
            cancelled: false,
            over: false,
            next_header: None,
            heard: String::new(),
        });
        self.calls.len() - 1
    }

    pub(crate) fn plan(&mut self, at: Instant, index: usize, deed: Deed) {
        self.serial += 1;
        self.deeds.insert((at, self.serial), (index, deed));
    }

    fn handle_events(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                TransactionEvent::Request { key, message, .. } => self.requested(now, key, message),
                TransactionEvent::Ack { message, .. } => self.acknowledged(now, &message),
                TransactionEvent::Cancelled { invite, .. } => {
                    let found = self
                        .calls
                        .iter()
                        .position(|c| c.invited.as_ref().is_some_and(|(key, _)| *key == invite));
                    if let Some(index) = found {
                        self.reply_invite(now, index, 487);
                    }
                }
                TransactionEvent::Response { key, message, .. } => {
                    if let Some(index) = self.clients.get(&key).copied() {
                        self.hear(index, &message);
                        self.answered(now, index, &message);
                    }
                }
                TransactionEvent::ClientTimeout { key }
                | TransactionEvent::ClientUnreachable { key, .. } => {
                    if let Some(index) = self.clients.get(&key).copied() {
                        self.calls[index].inviting = None;
                    }
                }
                TransactionEvent::StrayResponse { message, .. } => {
                    let index = self.index_of(&message);
                    if let Some(index) = index {
                        self.acknowledge(index, &message);
                    }
                }
                TransactionEvent::ServerDone { .. }
                | TransactionEvent::ClientDone { .. }
                | TransactionEvent::FellBack { .. } => {}
            }
        }
    }

    fn index_of(&self, message: &Message) -> Option<usize> {
        let call_id = message.call_id().ok()?;
        self.calls.iter().position(|call| call.call_id == call_id)
    }

    fn reply(
        &mut self,
        now: Instant,
        tag: &str,
        key: ServerKey,
        request: &Message,
        status: u16,
        body: Option<String>,
    ) {
        let raw = self.response(tag, request, status, body.as_deref());
        let _ = self.endpoint.respond(now, key, status, raw);
    }

    /// Sends the final or provisional response to the INVITE that waits for one.
    pub(crate) fn reply_invite(&mut self, now: Instant, index: usize, status: u16) {
        let Some((key, invite)) = self.calls[index].invited.clone() else { return };
        let wants_body = status == 200 || (status == 183 && !invite.body_bytes().is_empty());
        let direction = self.rng.pick(&["sendrecv", "sendrecv", "recvonly", "inactive"]);
        let body = wants_body.then(|| self.description(index, direction));
        let raw = self.response(&self.calls[index].tag.clone(), &invite, status, body.as_deref());
        if self.endpoint.respond(now, key, status, raw.clone()).is_err() {
            return;
        }
        let call = &mut self.calls[index];
        if status >= 200 {
            call.invited = None;
        }
        if status == 200 {
            let t1 = Duration::from_millis(500);
            call.unacknowledged = Some((raw, t1, now + 64 * t1));
            self.plan(now + t1, index, Deed::Repeat2xx);
        } else if status >= 300 && invite.to().unwrap().tag().is_none() {
            call.over = true;
        }
    }

    fn acknowledged(&mut self, now: Instant, ack: &Message) {
        let Some(index) = self.index_of(ack) else { return };
        let first = self.calls[index].unacknowledged.take().is_some();
        if first && !self.calls[index].over {
            self.plan_life(now, index);
        }
    }

    /// What happens in an established call.
    fn plan_life(&mut self, now: Instant, index: usize) {
        let after = self.rng.millis(100, 30_000);
        let deed = match self.rng.below(10) {
            0..6 => Deed::Change,
            6..9 => Deed::Bye,
            // Leaves it to the other side, or to the limit of a call's life.
            _ => return,
        };
        self.plan(now + after, index, deed);
    }

    fn act(&mut self, now: Instant, index: usize, deed: Deed) {
        if self.calls[index].over && !matches!(deed, Deed::Repeat2xx) {
            return;
        }
        match deed {
            Deed::Ring(status) => self.ring(now, index, status),
            Deed::RepeatRing => self.repeat_ring(now, index),
            Deed::EarlyUpdate => self.early_update(now, index),
            Deed::Answer(200) if self.waits_for_prack(index) => {
                self.plan(now + Duration::from_millis(400), index, deed);
            }
            Deed::Answer(status) => self.reply_invite(now, index, status),
            Deed::Repeat2xx => self.repeat(now, index),
            Deed::Cancel => {
                self.calls[index].cancelled = true;
                if let Some(client) = self.calls[index].inviting {
                    let _ = self.endpoint.cancel(now, client, &mut self.rng);
                }
            }
            Deed::Bye => {
                self.request(now, index, "BYE", None);
                self.calls[index].over = true;
            }
            Deed::Change => {
                self.change(now, index);
                let after = self.rng.millis(50, 20_000);
                let deed = self.rng.pick(&[Deed::Change, Deed::Change, Deed::Bye]);
                self.plan(now + after, index, deed);
            }
        }
    }

    fn change(&mut self, now: Instant, index: usize) {
        if self.rng.percent(20) {
            self.transfer(now, index);
            return;
        }
        let busy = self.calls[index].inviting.is_some() || self.calls[index].invited.is_some();
        match self.rng.below(6) {
            0 => self.request(now, index, "INFO", Some("Signal=1\r\n".to_owned())),
            1 => self.request(now, index, "OPTIONS", None),
            2 => self.request(now, index, "UPDATE", None),
            _ if busy => {}
            3 => {
                self.invite(now, index);
                if self.rng.percent(30) {
                    let after = self.rng.millis(0, 2_000);
                    self.plan(now + after, index, Deed::Cancel);
                }
            }
            4 => {
                self.calls[index].version += 1;
                let body = self.description(index, "sendonly");
                self.request(now, index, "UPDATE", Some(body));
            }
            _ => self.invite(now, index),
        }
    }

    fn repeat(&mut self, now: Instant, index: usize) {
        let flow = self.flow();
        let Some((raw, interval, end)) = &mut self.calls[index].unacknowledged else { return };
        if now >= *end {
            self.calls[index].unacknowledged = None;
            self.act(now, index, Deed::Bye);
            return;
        }
        let raw = raw.clone();
        *interval = (*interval * 2).min(Duration::from_secs(4));
        let next = now + *interval;
        self.endpoint.send_directly(flow, raw);
        self.plan(next, index, Deed::Repeat2xx);
    }

    /// An INVITE, the first or another; now and then without an offer.
    pub(crate) fn invite(&mut self, now: Instant, index: usize) {
        self.calls[index].cancelled = false;
        let offers = !self.rng.percent(20);
        self.calls[index].sent_offer = offers;
        self.calls[index].version += u32::from(self.rng.percent(70));
        let direction = self.rng.pick(&["sendrecv", "sendonly", "inactive", "recvonly"]);
        let body = offers.then(|| self.description(index, direction));
        self.request(now, index, "INVITE", body);
    }

    pub(crate) fn request(
        &mut self,
        now: Instant,
        index: usize,
        method: &str,
        body: Option<String>,
    ) {
        self.request_with(now, index, method, None, body);
    }

    /// The same with one more header.
    pub(crate) fn request_with(
        &mut self,
        now: Instant,
        index: usize,
        method: &str,
        header: Option<(&str, &str)>,
        body: Option<String>,
    ) {
        let branch = self.endpoint.new_branch(&mut self.rng);
        let call = &mut self.calls[index];
        call.cseq += 1;
        let cseq = call.cseq;
        let raw = self.compose(index, method, cseq, &branch, header, body.as_deref());
        self.calls[index].next_header = None;
        let flow = self.flow();
        let sent = self.endpoint.send_request(now, flow, &branch, Method::parse(method), raw);
        if let Ok(key) = sent {
            self.clients.insert(key, index);
            if method == "INVITE" {
                self.calls[index].inviting = Some(key);
            }
        }
    }

    fn answered(&mut self, now: Instant, index: usize, response: &Message) {
        let status = response.status().unwrap();
        let is_invite = response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if !is_invite {
            return;
        }
        match status {
            ..200 => self.progressed(now, index, response),
            200..300 => {
                let first = self.calls[index].inviting.take().is_some();
                let initial = self.calls[index].dialog.is_none();
                if initial {
                    self.calls[index].dialog = Dialog::from_response_uac(response).ok();
                }
                self.acknowledge(index, response);
                if first && self.calls[index].cancelled && initial {
                    self.act(now, index, Deed::Bye);
                } else if first && initial {
                    self.plan(now, index, Deed::Change);
                }
            }
            300.. => {
                self.calls[index].inviting = None;
                if self.calls[index].dialog.is_none() {
                    self.calls[index].over = true;
                }
            }
        }
    }

    /// Sends the ACK of a 2xx, the same one for every copy.
    fn acknowledge(&mut self, index: usize, response: &Message) {
        if self.calls[index].never_acks {
            return;
        }
        let number = response.cseq().unwrap().number;
        let ack = match self.calls[index].acks.get(&number) {
            Some(ack) => ack.clone(),
            None => {
                let branch = self.endpoint.new_branch(&mut self.rng);
                let owes_answer = !self.calls[index].sent_offer && !self.rng.percent(5);
                let body = owes_answer.then(|| self.description(index, "sendrecv"));
                let ack = self.compose(index, "ACK", number, &branch, None, body.as_deref());
                self.calls[index].acks.insert(number, ack.clone());
                ack
            }
        };
        let flow = self.flow();
        self.endpoint.send_directly(flow, ack);
    }
}

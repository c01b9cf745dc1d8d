//! Challenges of a carrier (RFC 3261 section 22.2 and 22.3): our request again, with credentials.
//!
//! A challenge is answered only when the carrier's own address sent it, and only in answer to a
//! request of ours that went there: an answer to anybody else would give him something to guess
//! the password from (CVE-2021-41158).

use super::answer::number;
use super::forks::Forks;
use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::call::renegotiation::RenegotiationState;
use crate::context::Context;
use crate::edge::Output;
use bytes::Bytes;
use directory::{Carrier, Credential};
use model::{CarrierCredentialEvent, CredentialProblem, Flow, Instant, LegSide, SipObservation};
use sip_proto::auth::{Answerer, Challenge, with_credentials};
use sip_proto::{Composer, HeaderName, Message, Method, Random};
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

/// How often one request is sent again with credentials: for two proxies and a nonce of each that
/// was stale.
const MAX_TRIES: u8 = 4;
/// Realms that a leg keeps credentials for.
const MAX_REALMS: usize = 4;
/// Requests under way whose tries are counted; of more, the oldest is counted from the start again.
const MAX_COUNTED: usize = 8;

/// The means of a leg, or of a registration, to answer its carrier's challenges, or of a copy to answer
/// its recorder's. It lives as long as that does.
pub(crate) struct LegAuthentication {
    /// `None` of a recorder.
    carrier: Option<Arc<Carrier>>,
    credential: Credential,
    /// The peer's address that the leg began with.
    address: IpAddr,
    answerers: Vec<Answerer>,
    /// CSeq numbers of requests sent in answer to a challenge, and how often by then.
    tries: Vec<(u32, u8)>,
    /// What the last INVITE carried; its ACK repeats it (RFC 3261 section 22.1).
    of_invite: RefCell<Vec<(HeaderName, String)>>,
}

impl LegAuthentication {
    /// For a leg to or from `carrier` at `address`; `None` when the carrier has no credentials.
    pub(crate) fn of(carrier: &Arc<Carrier>, address: IpAddr) -> Option<Box<Self>> {
        let credential = carrier.credential.clone()?;
        Some(LegAuthentication::with(Some(carrier.clone()), credential, address))
    }

    /// For a dialog with a recorder at `address`.
    pub(crate) fn of_recorder(credential: &Credential, address: IpAddr) -> Box<Self> {
        LegAuthentication::with(None, credential.clone(), address)
    }

    fn with(carrier: Option<Arc<Carrier>>, credential: Credential, address: IpAddr) -> Box<Self> {
        Box::new(LegAuthentication {
            carrier,
            credential,
            address: address.to_canonical(),
            answerers: Vec::new(),
            tries: Vec::new(),
            of_invite: RefCell::default(),
        })
    }

    /// Whose credentials they are, if a carrier's.
    pub(crate) fn carrier_id(&self) -> Option<&model::CarrierId> {
        self.carrier.as_ref().map(|carrier| &carrier.id)
    }

    /// Writes what the carrier asked for earlier in the dialog, so that it need not ask again.
    pub(crate) fn write(&self, composer: &mut Composer, method: Method<'_>, uri: &str, flow: Flow) {
        if !self.is_carrier(flow.remote.ip()) {
            return;
        }
        if method == Method::Ack {
            for (name, value) in &*self.of_invite.borrow() {
                composer.header(*name, value);
            }
            return;
        }
        let headers = self.headers(method, uri, None);
        for (name, value) in &headers {
            composer.header(*name, value);
        }
        if method == Method::Invite {
            self.of_invite.replace(headers);
        }
    }

    /// The credentials for `request`, of ours, after `response` has asked for some.
    pub(crate) fn answer(
        &mut self,
        request: &Message,
        response: &Message,
        source: IpAddr,
        random: &mut dyn Random,
    ) -> Result<(Vec<(HeaderName, String)>, u8), CredentialProblem> {
        if !self.is_carrier(source) {
            return Err(CredentialProblem::Stranger);
        }
        let mut asked = Challenge::of_response(response);
        if asked.is_empty() {
            return Err(CredentialProblem::Unsupported);
        }
        if let Some(realm) = self.carrier.as_ref().and_then(|carrier| carrier.realm.as_ref()) {
            asked.retain(|(_, challenge)| challenge.realm == **realm);
        }
        if asked.is_empty() {
            return Err(CredentialProblem::OtherRealm);
        }
        let cseq = request.cseq().map(|cseq| cseq.number).unwrap_or_default();
        let tries = self.tries.iter().find(|(known, _)| *known == cseq).map_or(0, |(_, n)| *n);
        if tries >= MAX_TRIES {
            return Err(CredentialProblem::TooOften);
        }
        for (by, challenge) in asked {
            let known = self
                .answerers
                .iter()
                .position(|a| a.challenged_by() == by && a.challenge().realm == challenge.realm);
            let shown = request.header(by.credentials_header()).is_some();
            // Credentials of an earlier request may have run out; those made for this very
            // challenge are wrong, unless only their nonce was.
            if known.is_some() && shown && tries > 0 && !challenge.stale {
                return Err(CredentialProblem::Refused);
            }
            match known {
                Some(index) if self.answerers[index].challenge().nonce == challenge.nonce => {}
                Some(index) => self.answerers[index] = Answerer::new(by, challenge, random),
                None if self.answerers.len() < MAX_REALMS => {
                    self.answerers.push(Answerer::new(by, challenge, random));
                }
                None => return Err(CredentialProblem::TooOften),
            }
        }
        let uri = request.request_uri().unwrap_or_default();
        let method = request.method().unwrap_or(Method::Other(""));
        Ok((self.headers(method, uri, Some(request.body_bytes())), tries + 1))
    }

    /// Notes that a request went out with credentials that a challenge had asked for.
    pub(crate) fn note_sent(
        &mut self,
        cseq: u32,
        tries: u8,
        is_invite: bool,
        headers: Vec<(HeaderName, String)>,
    ) {
        if self.tries.len() >= MAX_COUNTED {
            self.tries.remove(0);
        }
        self.tries.push((cseq, tries));
        if is_invite {
            self.of_invite.replace(headers);
        }
    }

    /// One header for each realm that asked. Without the body, none for a realm that wants it
    /// protected: it will ask.
    fn headers(
        &self,
        method: Method<'_>,
        uri: &str,
        body: Option<&[u8]>,
    ) -> Vec<(HeaderName, String)> {
        let Credential { username, password } = &self.credential;
        let able = self.answerers.iter().filter(|a| body.is_some() || !a.needs_body());
        let body = body.unwrap_or_default();
        able.map(|a| a.answer(method.as_str(), uri, body, username, password)).collect()
    }

    /// Whether an address is the carrier's: the one that the leg began with, or one that it is
    /// known to call from.
    fn is_carrier(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let nets = self.carrier.iter().flat_map(|carrier| carrier.inbound_cidrs.iter());
        ip == self.address || nets.into_iter().any(|net| net.contains(&ip))
    }
}

impl Call {
    /// Sends `request`, of ours, again with credentials if `response` asks for some that we have;
    /// `false` when the response stands as it is.
    pub(super) fn answer_challenge(
        &mut self,
        context: &mut Context,
        now: Instant,
        purpose: ClientPurpose,
        response: &Message,
        request: &Bytes,
        flow: Flow,
    ) -> bool {
        if !self.is_still_wanted(purpose, response) {
            return false;
        }
        let Ok(request) = Message::parse(request.clone(), &context.config.limits) else {
            return false;
        };
        let Some(side) = purpose.leg() else { return false };
        let leg = &mut self.legs[side.index()];
        let Some(authentication) = leg.authentication.as_deref_mut() else {
            self.note_missing_credential(context, now, side, flow);
            return false;
        };
        let source = flow.remote.ip();
        let answer = authentication.answer(&request, response, source, context.random.as_mut());
        let (headers, tries) = match answer {
            Ok(answer) => answer,
            Err(problem) => {
                if let Some(carrier) = authentication.carrier.clone() {
                    context.note_credential(now, &carrier, flow, problem);
                }
                return false;
            }
        };
        let cseq = leg.next_cseq();
        let branch = context.new_branch();
        let method = request.method().unwrap_or(Method::Other(""));
        let Some(bytes) = with_credentials(&request, &branch, cseq, &headers) else { return false };
        let path = Flow { connection: flow.connection, ..leg.flow_of(&request) };
        let Some(client) = context.send(now, path, &branch, method, bytes) else { return false };
        if let Some(authentication) = leg.authentication.as_deref_mut() {
            authentication.note_sent(cseq, tries, method == Method::Invite, headers);
        }
        self.open_client(context, client, purpose);
        match purpose {
            ClientPurpose::Setup { .. } => {
                if let Some(pending) = self.pending.as_mut() {
                    pending.client = Some(client);
                    pending.invite_cseq = cseq;
                    // Early dialogs end with the INVITE that made them.
                    pending.forks = Forks::default();
                    self.legs[LegSide::B.index()].dialog = None;
                }
                self.arm_no_response(now);
            }
            ClientPurpose::Renegotiation(_) => {
                if let Some(exchange) = self.renegotiation.exchange.as_mut() {
                    exchange.client = Some(client);
                    exchange.cseq = cseq;
                }
            }
            ClientPurpose::Join(_) => self.offer_sent_again(cseq),
            ClientPurpose::Indicate(_) => self.indication_sent_again(client, cseq),
            ClientPurpose::Prack
            | ClientPurpose::Realign
            | ClientPurpose::Refresh(_)
            | ClientPurpose::Info { .. }
            | ClientPurpose::Pass { .. }
            | ClientPurpose::Notify(_)
            | ClientPurpose::Key(_)
            | ClientPurpose::Picture(_)
            | ClientPurpose::Bye(_)
            | ClientPurpose::Copy(_) => {}
        }
        true
    }

    /// Whether the outcome of the request still matters: a withdrawn INVITE is not sent again. The
    /// request itself may stand for its response.
    pub(super) fn is_still_wanted(&self, purpose: ClientPurpose, response: &Message) -> bool {
        match purpose {
            ClientPurpose::Setup { attempt } => {
                matches!(self.setup.state(), SetupState::Calling | SetupState::Proceeding)
                    && self.pending.as_ref().is_some_and(|p| p.attempt == attempt)
            }
            ClientPurpose::Renegotiation(_) => {
                self.renegotiation.machine.state() == RenegotiationState::Forwarded
                    && self
                        .renegotiation
                        .exchange
                        .as_ref()
                        .is_some_and(|e| e.client.is_some() && e.cseq == number(response))
            }
            ClientPurpose::Prack => self.is_live() && self.pending.is_some(),
            ClientPurpose::Join(_) => self.is_live() && self.is_offered(number(response)),
            ClientPurpose::Indicate(_) => self.is_live() && self.indicates(number(response)),
            ClientPurpose::Realign
            | ClientPurpose::Refresh(_)
            | ClientPurpose::Info { .. }
            | ClientPurpose::Pass { .. }
            | ClientPurpose::Notify(_)
            | ClientPurpose::Key(_)
            | ClientPurpose::Picture(_) => self.is_live(),
            ClientPurpose::Bye(_) => true,
            // Its dialog is no leg's, and has one way alone.
            ClientPurpose::Copy(_) => false,
        }
    }

    /// The carrier of the present route asks, and nobody has told us what to answer.
    fn note_missing_credential(
        &self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        flow: Flow,
    ) {
        let route = self.pending.as_ref().and_then(|pending| pending.route.as_ref());
        if side == LegSide::B
            && let Some(carrier) = route.and_then(|route| route.carrier.clone())
        {
            context.note_credential(now, &carrier, flow, CredentialProblem::Missing);
        }
    }
}

impl Context {
    pub(crate) fn note_credential(
        &mut self,
        at: Instant,
        carrier: &Carrier,
        flow: Flow,
        problem: CredentialProblem,
    ) {
        let event = CarrierCredentialEvent {
            carrier: carrier.id.clone(),
            at,
            source: flow.remote,
            problem,
        };
        self.outputs.push_back(Output::Sip(SipObservation::CarrierCredential(event)));
    }
}

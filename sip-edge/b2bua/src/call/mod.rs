//! One call: two legs and the sub-machines that run it. This file only routes what happens to the
//! sub-machine that it belongs to; each of those is in a file of its own.

mod allocate;
mod answer;
mod attempt;
mod authentication;
mod backoff;
mod choose;
mod dtmf;
mod emergency;
mod established;
mod forks;
mod indication;
mod information;
mod kept;
mod lines;
mod listening;
mod next_server;
mod notify;
mod open_setup;
mod open_transfer;
mod pass;
mod playing;
mod prack;
mod progress;
mod realign;
mod recording_client;
mod recording_server;
mod redirection;
mod referral;
mod registered;
mod reliable;
mod renegotiated;
mod renegotiation;
mod replacement;
mod request;
mod setup;
mod silence;
mod steering;
mod takeover;
mod target;
mod targets;
mod teardown;
mod transactions;
mod transfer;
mod trial;
mod unencrypted;
mod update;

use crate::admission::Admission;
use crate::carry::{self, Towards};
use crate::context::{CallKey, Context};
use crate::deadline::{Deadline, Deadlines};
use crate::encryption;
use crate::leg::{Leg, SentAck};
use crate::machine::Machine;
use crate::media::{CallMedia, Habits};
use crate::policing::TokenBucket;
use crate::secure;
use crate::spending::Running;
use bytes::Bytes;
use directory::{Target, VoiceConnector, country_of};
use indication::Indication;
use lines::WaitingInput;
use listening::Listened;
use model::{
    CallDirection, CallParties, Flow, Instant, LegSide, MediaEvent, Side, TransactionId,
    VoiceConnectorId,
};
use open_setup::Owed;
use playing::Played;
use realign::Realign;
use recording_client::RecordingClient;
use recording_server::RecordingServer;
use referral::Referral;
use reliable::ReliableProvisionals;
use renegotiation::Renegotiation;
use request::MAX_REQUESTS_PER_SECOND;
use setup::{PendingSetup, SetupState};
use sip_proto::{ClientKey, Message, Method, TimerId};
use std::net::IpAddr;
use std::sync::Arc;
use steering::Steering;
use takeover::Takeover;
use teardown::TeardownState;
use transactions::OpenTransaction;

pub(crate) use authentication::LegAuthentication;
pub(crate) use dtmf::SentKeys;
pub(crate) use indication::Indicated;
pub use listening::ListenRefusal;
pub(crate) use listening::{HEADER as LISTENING_HEADER, TakenAlong};
pub(crate) use recording_client::HEADER as COPYING_HEADER;
pub(crate) use steering::check_outbound;
pub(crate) use transactions::{ClientPurpose, CopyRequest, NoResponse};

/// What a leg that we called holds until its end.
#[derive(Default)]
struct Held {
    /// A place among the calls of this target.
    target: Option<Arc<Target>>,
    /// What it costs its voice connector.
    talk: Option<Running>,
}

/// A call. See the crate's documentation.
pub(crate) struct Call {
    pub(crate) key: CallKey,
    pub(crate) id: TransactionId,
    pub(crate) parties: Arc<CallParties>,
    voice_connector: Arc<VoiceConnector>,
    legs: [Leg; 2],
    /// Which world each leg is in: a transfer may join two of the same.
    sides: [Side; 2],
    media: CallMedia,
    pub(crate) media_serial: u8,
    /// What waits for ports of its lines.
    waiting: Option<Box<WaitingInput>>,
    /// It is being taken now, with the ports that there are.
    lines_tried: bool,
    setup: Machine<SetupState>,
    /// What only the setup needs; dropped when leg A has acknowledged.
    pending: Option<Box<PendingSetup>>,
    reliable: ReliableProvisionals,
    renegotiation: Renegotiation,
    realign: Realign,
    indication: Indication,
    /// What there is of a call that is the copy of another one, and has no leg B.
    recording: Option<Box<RecordingServer>>,
    referral: Referral,
    takeover: Takeover,
    /// What there is of a call that an application steers.
    steering: Option<Box<Steering>>,
    teardown: Machine<TeardownState>,
    pub(crate) deadlines: Deadlines,
    /// The worker's timer for the earliest deadline.
    pub(crate) armed: Option<(Instant, TimerId)>,
    /// Our requests and the peers' INVITEs that still await their end.
    open: Vec<OpenTransaction>,
    /// Why our next BYE is sent, when no peer's BYE says it (RFC 3326).
    bye_reason: Option<&'static str>,
    /// Bounds the peers' requests inside the dialogs.
    requests: TokenBucket,
    /// Answers to our INVITEs that were not wanted and have been hung up.
    hung_up: Vec<SentAck>,
    /// What each leg holds of others; it moves with the leg when the call is transferred.
    held: [Held; 2],
    /// What the relay plays to the legs.
    played: Played,
    /// Who hears it beside them.
    listened: Listened,
    /// The copy that somebody else's recorder gets; `None` where there is no such recorder.
    copying: Option<Box<RecordingClient>>,
    /// Counted in policing and in the active calls.
    pub(crate) counted: bool,
    /// Whose limits it is counted under as well, while it is counted.
    pub(crate) counted_for: Option<VoiceConnectorId>,
    /// The source that it is counted for as well, of a stranger's call to the meeting rooms.
    pub(crate) counted_source: Option<IpAddr>,
    /// It has been told as it is to be kept over a restart.
    pub(crate) kept: bool,
    /// What was told that its peers are owed after a restart.
    pub(crate) owed: Option<Owed>,
}

impl Call {
    /// Begins a call for an admitted INVITE. [`Call::start`] then sets it going.
    pub(crate) fn new(
        context: &mut Context,
        key: CallKey,
        flow: Flow,
        invite: &Message,
        admission: &Admission,
    ) -> Self {
        let connector = &admission.voice_connector;
        let caller = carry::caller_user(invite);
        let call_id: Arc<str> = invite.call_id().unwrap_or_default().into();
        let parties = Arc::new(CallParties {
            direction: admission.direction,
            voice_connector: connector.id.clone(),
            from_country: country_of(&caller).unwrap_or_default(),
            from_user: caller.into(),
            to_country: country_of(&admission.called).unwrap_or_default(),
            to_user: admission.called.clone(),
            call_id: call_id.clone(),
            carrier: admission.carrier.as_ref().map(|carrier| carrier.id.clone()),
            emergency: admission.emergency,
            source: flow.remote,
            sip_auth_user: admission.sip_auth_user.clone(),
            proxy: admission.proxy.clone(),
            log_sip_messages: connector.logging.sip_messages,
            log_media_metrics: connector.logging.media_metrics,
        });
        let listener = context.listener_of(&flow);
        let mut leg_a = Leg::new(flow, listener, [call_id, context.new_token()]);
        leg_a.secure = secure::asks_for_sips(invite);
        secure::expect_caller(context, &mut leg_a, admission);
        let carrier = admission.carrier.as_ref();
        leg_a.authentication = carrier.and_then(|c| LegAuthentication::of(c, flow.remote.ip()));
        let mut leg_b = Leg::new(flow, listener, [context.new_token(), context.new_token()]);
        let origins = [context.random.next_u64(), context.random.next_u64()];
        let mut media = CallMedia::new(origins, context.config.dtls_fingerprint);
        let encryption =
            encryption::of_caller(connector, carrier.map(|c| &**c), admission.emergency);
        let recording = admission.is_recording.then(|| {
            let fingerprint = context.config.dtls_fingerprint;
            (leg_a.is_recorder, leg_b.gone) = (true, true);
            Box::new(RecordingServer::new(origins[0] >> 2, fingerprint, encryption))
        });
        let habits = Habits::of(connector, carrier.map(|c| &**c));
        media.start_leg(LegSide::A, encryption, habits);
        media.transcode(
            connector.transcoding.clone(),
            connector.repacketise,
            connector.sends_comfort_noise,
        );
        let music = carrier.map_or(&connector.hold_music, |carrier| &carrier.hold_music);
        media.set_hold_music(LegSide::A, music.clone());
        if admission.proxy.is_some() {
            media.mask();
        }
        let id = context.new_transaction_id();
        let copying = RecordingClient::of(connector, id).filter(|_| !admission.is_recording);
        Call {
            key,
            id,
            parties,
            voice_connector: connector.clone(),
            legs: [leg_a, leg_b],
            sides: admission.sides(),
            media,
            media_serial: 0,
            waiting: None,
            lines_tried: false,
            setup: Machine::default(),
            pending: None,
            reliable: ReliableProvisionals::default(),
            renegotiation: Renegotiation::default(),
            realign: Realign::default(),
            indication: Indication::default(),
            recording,
            referral: Referral::default(),
            takeover: Takeover::default(),
            steering: Steering::of(&admission.applications, admission.room.as_deref()),
            teardown: Machine::default(),
            deadlines: Deadlines::default(),
            armed: None,
            open: Vec::new(),
            bye_reason: None,
            requests: TokenBucket::full(MAX_REQUESTS_PER_SECOND, Instant::ZERO),
            hung_up: Vec::new(),
            held: Default::default(),
            played: Played::default(),
            listened: Listened::default(),
            copying,
            counted: true,
            counted_for: None,
            counted_source: None,
            kept: false,
            owed: None,
        }
    }

    /// Whether nothing of the call is left to wait for.
    pub(crate) fn is_done(&self) -> bool {
        self.teardown.state() == TeardownState::Done
    }

    /// Whether the call has not begun to end.
    pub(crate) fn is_live(&self) -> bool {
        self.teardown.state() == TeardownState::Live
    }

    /// The relay's addresses towards its legs.
    pub(crate) fn media_addresses(&self) -> impl Iterator<Item = std::net::SocketAddr> {
        let recorded = self.recording.iter().flat_map(|recording| recording.addresses());
        let main = self.media.local().copied().into_iter().flatten().map(|media| media.rtp);
        main.chain(recorded)
    }

    /// The voice connector that the call is counted for.
    pub(crate) fn voice_connector(&self) -> &VoiceConnector {
        &self.voice_connector
    }

    /// An ACK inside one of the call's dialogs.
    pub(crate) fn handle_ack(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        ack: &Message,
    ) {
        self.end_wait(context, now);
        let leg = &mut self.legs[from.index()];
        let number = ack.cseq().map(|cseq| cseq.number).unwrap_or_default();
        // A repeated ACK, one for a 2xx that we never sent, or another fork's.
        if !leg.is_from_peer(ack)
            || leg.unacknowledged.as_ref().is_none_or(|pending| pending.cseq != number)
        {
            return;
        }
        leg.unacknowledged = None;
        self.deadlines.clear(Deadline::Retransmit(from));
        if leg.bye_after_ack {
            self.send_deferred_bye(context, now, from);
        } else if self.setup.state() == SetupState::Answered {
            self.confirm(context, now, ack);
        } else {
            self.take_answer_alone(context, now, ack);
            self.renegotiation_acknowledged(context, now, from, ack);
        }
    }

    /// A response to one of our requests; `request` is what we sent when it asks for credentials.
    #[expect(clippy::too_many_arguments, reason = "the parts of one event, each used once")]
    pub(crate) fn handle_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        client: ClientKey,
        purpose: ClientPurpose,
        response: &Message,
        request: Option<&Bytes>,
        flow: Flow,
    ) {
        if let ClientPurpose::Copy(asked) = purpose {
            if let Some(request) = request
                && self.answer_recorder(context, now, (client, asked), response, request, flow)
            {
                return self.close_client(context, client);
            }
            return self.handle_recorder_response(context, now, (client, asked), response, flow);
        }
        self.end_wait(context, now);
        let status = response.status().unwrap_or_default();
        let is_final = status >= 200;
        // An INVITE's 2xx may come again (RFC 6026), so its key stays until the transaction ends.
        let repeats = (200..300).contains(&status) && is_invite(response);
        if is_final && !repeats {
            self.close_client(context, client);
        } else if repeats && self.is_live() {
            self.answered_client(client);
        }
        if let Some(request) = request
            && self.answer_challenge(context, now, purpose, response, request, flow)
        {
            return;
        }
        if self.is_of_a_leg_that_left(purpose) {
            if repeats {
                let number = answer::number(response);
                self.legs[self.far().index()].acknowledge(context, number, None);
            }
            return;
        }
        match purpose {
            ClientPurpose::Setup { attempt } => {
                self.handle_setup_response(context, now, attempt, response, flow);
            }
            ClientPurpose::Renegotiation(leg) => {
                self.handle_renegotiation_response(context, now, leg, response, flow);
            }
            ClientPurpose::Realign if is_final => {
                self.handle_realign_response(context, now, response);
            }
            ClientPurpose::Indicate(leg) if is_final => {
                self.handle_indication_response(context, now, leg, response);
            }
            ClientPurpose::Refresh(leg) if is_final => {
                self.handle_refresh_response(context, now, leg, response);
            }
            ClientPurpose::Info { server, .. } if is_final => {
                self.return_information_response(context, now, server, response);
            }
            ClientPurpose::Notify(_) if is_final => self.notify_answered(context, now, status),
            ClientPurpose::Key(leg) if is_final => self.key_answered(context, now, leg, status),
            ClientPurpose::Picture(_) if is_final => self.picture_answered(status),
            ClientPurpose::Join(leg) if is_final => {
                self.handle_join_response(context, now, leg, response)
            }
            ClientPurpose::Pass { to, server } if is_final => {
                self.return_passed(context, now, to, server, Some(response));
            }
            // The INVITE's own outcome decides, whatever becomes of a PRACK.
            ClientPurpose::Prack
            | ClientPurpose::Realign
            | ClientPurpose::Indicate(_)
            | ClientPurpose::Refresh(_)
            | ClientPurpose::Pass { .. }
            | ClientPurpose::Info { .. }
            | ClientPurpose::Bye(_)
            | ClientPurpose::Notify(_)
            | ClientPurpose::Key(_)
            | ClientPurpose::Picture(_)
            | ClientPurpose::Join(_)
            | ClientPurpose::Copy(_) => {}
        }
    }

    /// Whether a request was to leg B of a steered call, which goes on without that leg: what becomes of
    /// it is nobody's concern.
    fn is_of_a_leg_that_left(&self, purpose: ClientPurpose) -> bool {
        let far = self.far();
        let (ClientPurpose::Refresh(to) | ClientPurpose::Indicate(to)) = purpose else {
            return false;
        };
        to == far && self.is_steered() && self.legs[far.index()].gone
    }

    /// One of our requests got no final response.
    pub(crate) fn handle_no_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        purpose: ClientPurpose,
        failure: NoResponse,
    ) {
        if let ClientPurpose::Copy(asked) = purpose {
            return self.handle_recorder_failure(context, now, asked, failure);
        }
        self.end_wait(context, now);
        if self.is_of_a_leg_that_left(purpose) {
            return;
        }
        match purpose {
            ClientPurpose::Setup { attempt } => {
                self.handle_setup_failure(context, now, attempt, failure);
            }
            ClientPurpose::Renegotiation(leg) => {
                self.handle_renegotiation_failure(context, now, leg);
            }
            ClientPurpose::Refresh(leg) => {
                self.legs[leg.index()].refreshing = false;
                self.end_unreachable(context, now);
            }
            ClientPurpose::Indicate(leg) => self.indication_unanswered(context, now, leg, failure),
            ClientPurpose::Realign => {
                self.legs[LegSide::A.index()].refreshing = false;
                self.end_unreachable(context, now);
            }
            ClientPurpose::Info { server, .. } => {
                self.fail_information(context, now, server, failure)
            }
            ClientPurpose::Pass { to, server } => {
                self.return_passed(context, now, to, server, None);
            }
            ClientPurpose::Notify(_) => self.notify_answered(context, now, 408),
            ClientPurpose::Key(leg) => self.key_answered(context, now, leg, failure.status()),
            ClientPurpose::Picture(_) => self.picture_answered(failure.status()),
            ClientPurpose::Join(leg) => self.join_failed(context, now, leg, 408),
            ClientPurpose::Prack | ClientPurpose::Bye(_) | ClientPurpose::Copy(_) => {}
        }
    }

    /// A leg withdrew its INVITE; the CANCEL itself has been answered.
    pub(crate) fn handle_cancelled(&mut self, context: &mut Context, now: Instant, from: LegSide) {
        self.end_wait(context, now);
        if from == LegSide::A && self.pending.is_some() {
            self.cancel_setup(context, now);
        } else if self.is_recording() {
            self.cancel_recording_change(context, now);
        } else {
            self.cancel_renegotiation(context, now, from);
        }
    }

    /// The relay answered.
    pub(crate) fn handle_media_event(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) {
        if self.handle_recorded_event(context, now, event)
            || self.handle_copy_event(context, now, event)
        {
            return;
        }
        match event {
            MediaEvent::Allocated { id, local } => {
                self.media_allocated(context, now, *id, *local);
            }
            MediaEvent::AllocationFailed { id, reason } => {
                self.media_refused(context, now, *id, *reason);
            }
            MediaEvent::TimedOut { id, leg, silent_for } if self.media.id() == Some(*id) => {
                self.media_timed_out(context, now, *leg, *silent_for);
            }
            MediaEvent::Unheard { id, leg, .. } if self.media.id() == Some(*id) => {
                self.leg_unheard(context, now, *leg);
            }
            MediaEvent::Lost { id } => self.media_lost(context, now, *id),
            MediaEvent::Dtmf { id, leg, press } => {
                self.key_pressed(context, now, *id, *leg, *press)
            }
            // Silence alone is for the record.
            MediaEvent::Silent { .. }
            | MediaEvent::TimedOut { .. }
            | MediaEvent::Unheard { .. }
            | MediaEvent::Report(_)
            | MediaEvent::Rtcp(_) => {}
            // The relay logs and counts what it cannot do; the call goes on without.
            MediaEvent::Played { .. } | MediaEvent::Plays { .. } => {
                self.played(context, now, event)
            }
            MediaEvent::Records { .. } | MediaEvent::RecordingFailed { .. } => {}
            MediaEvent::Heard { id, heard } => self.heard_in_seat(context, now, *id, *heard),
            MediaEvent::ConferenceRecords { .. } | MediaEvent::ConferenceRecordingFailed { .. } => {
                self.conference_recording_answered(context, now, event);
            }
            MediaEvent::Uttered { id, utterance } => {
                self.uttered_in_seat(context, now, *id, utterance.as_ref());
            }
            MediaEvent::Sits { .. }
            | MediaEvent::SeatFailed { .. }
            | MediaEvent::PictureWanted { .. } => {
                self.seat_answered(context, now, event);
            }
            MediaEvent::Listens { .. } | MediaEvent::ListenFailed { .. } => {
                self.listening_answered(context, now, event);
            }
        }
    }

    /// Something that the call waited for has not come in time.
    pub(crate) fn handle_timeout(&mut self, context: &mut Context, now: Instant) {
        while let Some(deadline) = self.deadlines.pop_passed(now) {
            if self.copy_due(context, now, deadline) {
                continue;
            }
            self.end_wait(context, now);
            match deadline {
                // Of others than recordings that was all.
                Deadline::Lines => self.take_waiting_change(context, now),
                Deadline::NoResponse => self.route_silent(context, now),
                Deadline::NoAnswer => self.not_answered(context, now),
                Deadline::Retransmit(leg) => self.retransmit_answer(context, now, leg),
                Deadline::Provisional => self.retransmit_provisional(context, now),
                Deadline::Realign => self.try_realign(context, now),
                Deadline::Indication => self.indication_due(context, now),
                Deadline::Listening => self.review_listening(context),
                Deadline::Refresh(leg) => self.refresh_session(context, now, leg),
                Deadline::SessionExpiry(leg) => self.session_expired(context, now, leg),
                Deadline::Renegotiation => self.renegotiation_timed_out(context, now),
                Deadline::Transfer => self.transfer_due(context, now),
                Deadline::Lifetime => self.lifetime_over(context, now),
                Deadline::DurationCap => self.duration_cap_over(context, now),
                Deadline::Keys(leg) => self.keys_due(context, now, leg),
                Deadline::Bridge => self.bridge_unanswered(context, now),
                Deadline::Linger => self.teardown.go(TeardownState::Done),
                Deadline::Copy
                | Deadline::CopyRefresh
                | Deadline::CopyExpiry
                | Deadline::CopyRetransmit => {}
            }
        }
    }

    /// Called after every input: an ending call with nothing outstanding is done.
    pub(crate) fn settle(&mut self) {
        self.tell_of_listening();
        let waiting = self.open.iter().any(|open| !matches!(open, OpenTransaction::Answered(_)))
            || self.legs.iter().any(|leg| leg.unacknowledged.is_some() || leg.bye_after_ack);
        if self.teardown.state() == TeardownState::Ending && !waiting {
            self.teardown.go(TeardownState::Done);
        }
    }

    /// Removes every index entry of the call.
    pub(crate) fn forget(&self, context: &mut Context) {
        for leg in &self.legs {
            self.forget_leg(context, leg);
        }
        self.forget_recorder(context);
        for open in &self.open {
            match open {
                OpenTransaction::Client(client) | OpenTransaction::Answered(client) => {
                    context.clients.remove(client);
                }
                OpenTransaction::Invite(server) => {
                    context.invites.remove(server);
                }
            }
        }
    }

    fn forget_leg(&self, context: &mut Context, leg: &Leg) {
        for (table, name) in
            [(&mut context.dialogs, &leg.local_tag), (&mut context.call_ids, &leg.call_id)]
        {
            if table.get(name).is_some_and(|(key, _)| *key == self.key) {
                table.remove(name);
            }
        }
    }

    pub(crate) fn register_leg(&self, context: &mut Context, side: LegSide) {
        let leg = &self.legs[side.index()];
        context.dialogs.insert(leg.local_tag.clone(), (self.key, side));
        context.call_ids.insert(leg.call_id.clone(), (self.key, side));
    }

    /// Which way messages to `leg` travel: towards the carrier or towards the customer.
    fn towards(&self, leg: LegSide) -> Towards {
        let direction = match self.sides[leg.index()] {
            Side::Remote => CallDirection::Outbound,
            Side::Customer => CallDirection::Inbound,
        };
        Towards { direction, is_masked: self.is_masked() }
    }

    /// Whether it is a call of a proxy phone session, whose sides do not learn of each other.
    pub(crate) fn is_masked(&self) -> bool {
        self.parties.proxy.is_some()
    }

    /// Whether leg A is a browser that is reached over this connection alone.
    pub(crate) fn hangs_on(&self, connection: model::ConnectionId) -> bool {
        let flow = &self.legs[LegSide::A.index()].flow;
        flow.protocol.is_web_socket() && flow.connection == Some(connection)
    }

    /// The connection of a leg closed: the next request opens a new one.
    pub(crate) fn handle_connection_closed(&mut self, connection: model::ConnectionId) {
        let recorder = self.copying.as_deref_mut().and_then(RecordingClient::leg_mut);
        for leg in self.legs.iter_mut().chain(recorder) {
            leg.disconnected |= leg.flow.connection == Some(connection);
        }
    }
}

fn is_invite(response: &Message) -> bool {
    response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite)
}

#[cfg(test)]
mod graphs;

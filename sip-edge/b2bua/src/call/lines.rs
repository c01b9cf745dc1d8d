//! Ports for the lines of a call beside its main one: asked for before an offer that has them passes.
//!
//! Whatever brings such an offer waits for the relay's answer and is then taken as if it had just
//! come. Nothing else happens to the call meanwhile: any other input ends the wait, and the lines
//! that have no ports yet are declined. Only the main line's ports decide about the call.

use super::setup::SetupState;
use super::{Call, ClientPurpose};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use crate::media::description_in;
use model::{Flow, Instant, IpFamily, LegSide, LocalMedia, MediaCommand, MediaId};
use sdp::{LinePair, SessionDescription};
use sip_proto::{Message, Method, ServerKey};
use std::time::Duration;

/// What brought the offer.
pub(super) enum WaitingInput {
    /// A re-INVITE or UPDATE.
    Request {
        /// Its sender.
        from: LegSide,
        /// Its transaction.
        server: ServerKey,
        /// Itself.
        request: Message,
    },
    /// A response to one of our INVITEs without an offer.
    Response {
        /// To which.
        purpose: ClientPurpose,
        /// Itself.
        response: Message,
        /// How it came.
        flow: Flow,
    },
    /// Leg A's PRACK with a further offer; what it acknowledges is settled.
    Prack {
        /// Its transaction.
        server: ServerKey,
        /// Itself.
        prack: Message,
        /// The early dialog of leg B whose PRACK waits for it.
        owed: Option<Box<str>>,
    },
}

/// How long the relay may take.
const LINES_PATIENCE: Duration = Duration::from_secs(2);

impl Call {
    /// A new stream's id, which none of the call's has.
    pub(super) fn next_media_id(&mut self) -> MediaId {
        loop {
            self.media_serial = self.media_serial.wrapping_add(1);
            let id = self.key.media_id(self.media_serial);
            // A call has fewer streams than there are serial numbers.
            let is_recorded = self.recording.as_ref().is_some_and(|r| r.has_line(id));
            let is_copied = self.copying.as_ref().is_some_and(|copying| copying.has_line(id));
            let is_other = !self.media.has_line(id) && !is_recorded && !is_copied;
            if self.media.id() != Some(id) && is_other {
                return id;
            }
        }
    }

    /// Asks for the ports of the lines that `offer` has for leg B, beside those of the call.
    pub(super) fn allocate_offered_lines(
        &mut self,
        context: &mut Context,
        families: [IpFamily; 2],
    ) {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.as_ref());
        let Some(offer) = offer else { return };
        let wanted = self.media.lines_wanted(LegSide::B, offer, self.voice_connector.lines);
        self.allocate_lines(context, LegSide::B, wanted, families);
    }

    /// Asks for the ports of the lines that both the offer and `described` have: the leg that it is
    /// to have as its far end is not asked before it comes.
    pub(super) fn allocate_replaced_lines(
        &mut self,
        context: &mut Context,
        families: [IpFamily; 2],
    ) {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.as_ref());
        let (Some(offer), Some(described)) = (offer, self.takeover.described.as_deref()) else {
            return;
        };
        let mut wanted = self.media.lines_wanted(LegSide::B, offer, self.voice_connector.lines);
        wanted.retain(|pair| {
            described.line_at(pair.written).is_some_and(|line| line.media == pair.media)
        });
        self.allocate_lines(context, LegSide::B, wanted, families);
    }

    /// Whether `input`, which brings `offer` for `target`, has to wait for ports of its lines.
    pub(super) fn waits_for_lines(
        &mut self,
        context: &mut Context,
        now: Instant,
        target: LegSide,
        offer: &SessionDescription,
        input: impl FnOnce() -> WaitingInput,
    ) -> bool {
        let Some(families) = self.families_of_lines() else { return false };
        let wanted = self.media.lines_wanted(target, offer, self.voice_connector.lines);
        if wanted.is_empty() {
            return false;
        }
        self.allocate_lines(context, target, wanted, families);
        self.wait_for_lines(now, input());
        true
    }

    /// The families of the ports that lines may be given now; `None` while there are none for the main
    /// line, or where the relay has been asked already.
    pub(super) fn families_of_lines(&self) -> Option<[IpFamily; 2]> {
        self.media.families().filter(|_| !self.lines_tried)
    }

    /// `input` is taken when the relay has answered for each line that it was asked for.
    pub(super) fn wait_for_lines(&mut self, now: Instant, input: WaitingInput) {
        self.waiting = Some(Box::new(input));
        self.deadlines.set(Deadline::Lines, now + LINES_PATIENCE);
    }

    /// The same of a re-INVITE or UPDATE that brings one. One that changes nothing goes no further.
    pub(super) fn request_waits(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        offer: &SessionDescription,
    ) -> bool {
        if offer.media_count() < 2 || self.media.is_unchanged(from, offer) {
            return false;
        }
        let waits = self.waits_for_lines(context, now, from.other(), offer, || {
            WaitingInput::Request { from, server, request: request.clone() }
        });
        if waits && request.method() == Some(Method::Invite) {
            // To hear of its CANCEL.
            self.open_invite(context, server, from);
        }
        waits
    }

    /// The same of a response that brings the offer which an INVITE of ours asked for.
    pub(super) fn response_waits(
        &mut self,
        context: &mut Context,
        now: Instant,
        (purpose, from): (ClientPurpose, LegSide),
        response: &Message,
        flow: Flow,
    ) -> bool {
        if self.lines_tried || !self.voice_connector.lines.any() {
            return false;
        }
        let Ok(Some(offer)) = description_in(response) else { return false };
        self.waits_for_lines(context, now, from.other(), &offer, || WaitingInput::Response {
            purpose,
            response: response.clone(),
            flow,
        })
    }

    /// The same of leg A's PRACK, while the call is not answered: its 2xx waits for nothing.
    pub(super) fn prack_waits(
        &mut self,
        context: &mut Context,
        now: Instant,
        server: ServerKey,
        prack: &Message,
        offer: &SessionDescription,
        owed: Option<&str>,
    ) -> bool {
        self.setup.state() == SetupState::Proceeding
            && self.waits_for_lines(context, now, LegSide::B, offer, || WaitingInput::Prack {
                server,
                prack: prack.clone(),
                owed: owed.map(Box::from),
            })
    }

    /// All of them in one step, with the ports that are not kept for emergencies: help needs a voice
    /// before a picture.
    fn allocate_lines(
        &mut self,
        context: &mut Context,
        target: LegSide,
        wanted: Vec<LinePair>,
        families: [IpFamily; 2],
    ) {
        for pair in wanted {
            let id = self.next_media_id();
            let line = self.media.line_requested(id, target, pair);
            context.outputs.push_back(Output::Media(MediaCommand::Allocate {
                id,
                transaction_id: self.id,
                families,
                emergency: false,
                line,
            }));
        }
    }

    /// The relay has ports for a line.
    pub(super) fn line_allocated(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        local: [LocalMedia; 2],
    ) {
        self.media.line_allocated(id, local);
        self.line_answered(context, now);
    }

    /// The relay has none: all lines that were asked for together are declined.
    pub(super) fn line_refused(&mut self, context: &mut Context, now: Instant, id: MediaId) {
        self.give_up_lines(context);
        self.media.forget_line(id);
        self.line_answered(context, now);
    }

    fn line_answered(&mut self, context: &mut Context, now: Instant) {
        if self.media.waits_for_lines() {
            return;
        }
        if self.waiting.is_some() {
            self.take_waiting(context, now);
        } else {
            self.media_ready(context, now);
        }
    }

    /// Something else has come: what waits is taken first, without the lines that it waits for.
    pub(super) fn end_wait(&mut self, context: &mut Context, now: Instant) {
        if self.waiting.is_some() {
            self.give_up_lines(context);
            self.take_waiting(context, now);
        }
    }

    fn take_waiting(&mut self, context: &mut Context, now: Instant) {
        self.deadlines.clear(Deadline::Lines);
        let Some(input) = self.waiting.take() else { return };
        self.lines_tried = true;
        match *input {
            WaitingInput::Request { from, server, request } => {
                self.handle_offer_request(context, now, from, server, &request);
                // It may have been refused before it passed.
                if !self.renegotiation.is_busy() && self.setup.state() == SetupState::Established {
                    self.release_unused_lines(context);
                }
            }
            WaitingInput::Response { purpose, response, flow } => match purpose {
                ClientPurpose::Setup { attempt } => {
                    self.handle_setup_response(context, now, attempt, &response, flow);
                }
                ClientPurpose::Renegotiation(leg) => {
                    self.handle_renegotiation_response(context, now, leg, &response, flow);
                }
                // No other waits.
                _ => {}
            },
            WaitingInput::Prack { server, prack, owed } => {
                if let Ok(Some(offer)) = description_in(&prack) {
                    self.prack_offer(context, now, server, &prack, offer, owed.as_deref());
                }
            }
        }
        self.lines_tried = false;
    }

    pub(super) fn give_up_lines(&mut self, context: &mut Context) {
        let released = self.media.give_up_lines();
        release(context, released);
    }

    /// Gives back the ports of every line.
    pub(super) fn release_lines(&mut self, context: &mut Context) {
        let released = self.media.release_lines();
        release(context, released);
    }

    /// Gives back the ports of the lines that `leg` was not told of.
    pub(super) fn release_untold_lines(&mut self, context: &mut Context, leg: LegSide) {
        let released = self.media.release_untold_lines(leg);
        release(context, released);
    }

    /// Gives back the ports of the pictures that leg A has declined of an offer of ours.
    pub(super) fn release_declined_pictures(&mut self, context: &mut Context) {
        let released = self.media.release_declined_pictures();
        release(context, released);
    }

    /// Gives back the ports of the lines that the legs have not agreed on.
    pub(super) fn release_unused_lines(&mut self, context: &mut Context) {
        let released = self.media.release_unused_lines();
        release(context, released);
    }
}

fn release(context: &mut Context, streams: Vec<MediaId>) {
    let release = |id| Output::Media(MediaCommand::Release { id });
    context.outputs.extend(streams.into_iter().map(release));
}

//! A call that is the copy of another one (RFC 7866): leg A is a recording client, there is no leg B, and
//! each line of audio that the client sends is a stream of its own at the relay, for those who listen.

mod change;
mod kept;
mod line;
mod listeners;
mod ports;

use super::Call;
use super::answer::number;
use super::setup::SetupState;
use crate::context::Context;
use crate::edge::Output;
use crate::leg::Leg;
use crate::media::BodyFault;
use crate::recorded::{FoundMetadata, SIPREC};
use crate::session_timer::SessionAnswer;
use change::Waiting;
use line::RecordedLines;
use model::{
    CallEventKind, Channel, EndedBy, Instant, LegSide, ListenedCall, RecordedCall, RecordedMetadata,
};
use sdp::{Encryption, SessionDescription};
use sip_proto::{Composer, HeaderName, Message, Refresher};
use siprec::{Metadata, MetadataFault};
use std::sync::Arc;

/// What may be sent to us in such a dialog.
const ACCEPT: &str = "application/sdp, application/rs-metadata+xml";

/// The sub-machine.
pub(super) struct RecordingServer {
    lines: RecordedLines,
    metadata: Metadata,
    /// The last document, as it came.
    document: Option<Arc<str>>,
    /// Whether the last document could be read; `None` when there was none.
    news: Option<Result<(), MetadataFault>>,
    /// What listeners know the call as, once there are any.
    call: Option<Arc<ListenedCall>>,
    /// Of channel A: whether it is the caller's. Settled when the first line is listened to.
    a_is_caller: Option<bool>,
    /// Somebody listens, or did.
    is_heard: bool,
    /// Lines of the client's last description that are not taken.
    declined: u8,
    /// A change that waits for ports of a new line.
    waiting: Option<Waiting>,
}

impl RecordingServer {
    /// For a client under `encryption`. The lines' descriptions begin as `origin_id`.
    pub(super) fn new(
        origin_id: u64,
        fingerprint: Option<model::Fingerprint>,
        encryption: Encryption,
    ) -> Self {
        RecordingServer {
            lines: RecordedLines::new(origin_id, fingerprint, encryption),
            metadata: Metadata::default(),
            document: None,
            news: None,
            call: None,
            a_is_caller: None,
            is_heard: false,
            declined: 0,
            waiting: None,
        }
    }

    /// Whether a change of the client waits for the relay.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.is_some()
    }

    /// The last description that the client got.
    pub(super) fn last_sent(&self) -> Option<&[u8]> {
        self.lines.last_sent()
    }

    /// What became of the last document.
    fn news(&self) -> RecordedMetadata {
        match self.news {
            None => RecordedMetadata::Missing,
            Some(Ok(())) => RecordedMetadata::Read,
            Some(Err(fault)) => RecordedMetadata::Unreadable(fault.name()),
        }
    }

    fn recorded_call(&self, metadata: RecordedMetadata) -> RecordedCall {
        let labels = self.lines.labels();
        let missing = |label: &str| !labels.iter().any(|known| **known == *label);
        let unknown_label = self.metadata.labels().find(|label| missing(label));
        RecordedCall {
            lines: self.lines.count() as u8,
            declined: self.declined,
            metadata,
            unknown_label: unknown_label.map(Arc::from),
        }
    }
}

impl Call {
    /// Whether it is the copy of another call.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Asks the relay for ports of the lines that the client offers.
    pub(super) fn take_recording(&mut self, context: &mut Context, now: Instant) {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.clone());
        // RFC 7866 section 7.1: the offer is the client's.
        let Some(offer) = offer else {
            return self.refuse_body(context, now, BodyFault::NotAcceptable);
        };
        if self.allocate_recorded(context, &offer) == 0 {
            return self.refuse_body(context, now, BodyFault::NotAcceptable);
        }
        self.go_allocating(now);
    }

    /// Answers, now that the relay has said of each line whether it has ports.
    fn answer_recording(&mut self, context: &mut Context, now: Instant) {
        let offer = self.pending.as_ref().and_then(|pending| pending.offer.clone());
        let Some(offer) = offer else { return };
        let body = match self.write_recording(context, &offer) {
            Ok(body) => body,
            Err(fault) => return self.refuse_body(context, now, fault),
        };
        let Some(invite) = self.pending.as_ref().map(|pending| pending.invite.clone()) else {
            return;
        };
        let metadata = self.note_metadata(FoundMetadata::of(&invite));
        self.listen_to_recording(context, &invite);
        self.tell_of_recording(context, now, Some(&offer), metadata);
        let Some(pending) = self.pending.as_ref() else { return };
        let leg = &self.legs[LegSide::A.index()];
        let mut composer = leg.response(context, &invite, 200);
        recording_headers(&mut composer, leg, &invite, pending.session_answer);
        let bytes = composer.body(Some("application/sdp"), &body);
        let (server, cseq) = (pending.server, number(&invite));
        self.setup.go(SetupState::Answered);
        self.respond_success(context, now, LegSide::A, server, cseq, bytes);
        self.legs[LegSide::A.index()].session.arm(&mut self.deadlines, LegSide::A, now);
        context.statistics.answers += 1;
        context.event(self.id, now, CallEventKind::Answered);
    }

    /// Takes metadata in. What cannot be read is not shown to anybody: it may have been made to harm
    /// whoever reads it next.
    fn note_metadata(&mut self, found: FoundMetadata) -> RecordedMetadata {
        let Some(recording) = self.recording.as_mut() else { return RecordedMetadata::Missing };
        let news = match found {
            FoundMetadata::Missing => return RecordedMetadata::Missing,
            FoundMetadata::Unreadable(fault) => Err(fault),
            FoundMetadata::Read(text, metadata) => {
                let taken = recording.metadata.update(metadata);
                if taken.is_ok() {
                    recording.document = Some(text);
                }
                taken
            }
        };
        recording.news = Some(news);
        recording.news()
    }

    /// For the record: what is recorded, and what is odd about it.
    fn tell_of_recording(
        &mut self,
        context: &mut Context,
        now: Instant,
        offer: Option<&SessionDescription>,
        metadata: RecordedMetadata,
    ) {
        let Some(recording) = self.recording.as_mut() else { return };
        if let Some(offer) = offer {
            recording.declined = recording.lines.declined(offer);
        }
        let recorded = recording.recorded_call(metadata);
        context.event(self.id, now, CallEventKind::Recorded(recorded));
    }

    /// Gives back what the relay has for the call, as it ends.
    pub(super) fn release_recording(&mut self, context: &mut Context) {
        let Some(recording) = self.recording.as_mut() else { return };
        let released = recording.lines.release_all();
        context.release_recorded(released);
    }

    /// A change that waits hears that the call is over.
    pub(super) fn abort_recording(&mut self, context: &mut Context, now: Instant) {
        let Some(waiting) = self.recording.as_mut().and_then(|r| r.waiting.take()) else { return };
        let leg = &self.legs[LegSide::A.index()];
        leg.answer(context, now, waiting.server, &waiting.request, 487);
    }

    /// No line is left that anybody could hear.
    fn end_unheard_recording(&mut self, context: &mut Context, now: Instant, cause: &'static str) {
        // Q.850 cause 41: temporary failure; the client may try another recorder.
        self.bye_reason = Some("Q.850;cause=41;text=\"Audio is not taken\"");
        match self.setup.state() {
            SetupState::Answered | SetupState::Established => {
                self.end_both(context, now, cause, 200);
            }
            _ => self.fail(context, now, 503, cause, EndedBy::Edge, None),
        }
    }
}

/// What a 2xx to a recording client says of us (RFC 7866 section 6.2).
fn recording_headers(
    composer: &mut Composer,
    leg: &Leg,
    request: &Message,
    session: Option<SessionAnswer>,
) {
    let (allow, supported) = leg.abilities();
    composer
        .header(HeaderName::Allow, allow)
        .header(HeaderName::Supported, supported)
        .header(HeaderName::Accept, ACCEPT);
    let by_client = session.is_some_and(|session| session.require);
    let requires_siprec = request.has_option_tag(HeaderName::Require, SIPREC);
    let required = match (requires_siprec, by_client) {
        (true, true) => Some("siprec, timer"),
        (true, false) => Some(SIPREC),
        (false, true) => Some("timer"),
        (false, false) => None,
    };
    if let Some(required) = required {
        composer.header(HeaderName::Require, required);
    }
    let Some(session) = session else { return };
    let refresher = match session.refresher {
        Refresher::Uac => "uac",
        Refresher::Uas => "uas",
    };
    let seconds = session.seconds;
    composer
        .header_args(HeaderName::SessionExpires, format_args!("{seconds};refresher={refresher}"));
}

impl Context {
    /// Gives streams back, with our addresses of them.
    fn release_recorded(&mut self, released: Vec<line::Released>) {
        for line in released {
            for media in line.local {
                self.own_media.remove(&media.rtp);
            }
            let release = model::MediaCommand::Release { id: line.id };
            self.outputs.push_back(Output::Media(release));
        }
    }
}

/// Which of the two channels a line is.
fn channel(side: LegSide, a_is_caller: bool, index: usize, label: Option<Arc<str>>) -> Channel {
    Channel {
        side,
        is_caller: (side == LegSide::A) == a_is_caller,
        media_index: u16::try_from(index).unwrap_or(u16::MAX),
        label,
    }
}

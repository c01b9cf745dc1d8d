//! Leg B's reliable provisional responses, which we acknowledge (RFC 3262 section 4).

use super::forks::PrackState;
use super::{Call, ClientPurpose};
use crate::context::Context;
use model::{Instant, LegSide};
use sip_proto::{Composer, HeaderName, Message, Method};

/// The RSeq of a response that asks to be acknowledged.
pub(super) fn reliable_number(response: &Message) -> Option<u32> {
    let tagged = response.to().is_ok_and(|to| to.tag().is_some());
    if !tagged || !response.has_option_tag(HeaderName::Require, "100rel") {
        return None;
    }
    response.rseq().ok().flatten().filter(|rseq| *rseq > 0)
}

impl Call {
    /// Takes the number of a reliable provisional response of the fork that leads. `false` for one
    /// that came again, and for one that came too early: it comes again after its predecessor.
    pub(super) fn accept_rseq(&mut self, rseq: u32) -> bool {
        let Some(fork) = self.pending.as_mut().and_then(|p| p.forks.leading_mut()) else {
            return false;
        };
        let expected = fork.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq));
        // One at a time is acknowledged (section 3), so nothing else can follow while one is held.
        let accepted = expected && fork.prack.state() != PrackState::Held;
        if accepted {
            fork.rseq = Some(rseq);
        }
        accepted
    }

    /// The acknowledgement of the early dialog `tag` waits for leg A's.
    pub(super) fn hold_prack(&mut self, tag: &str) {
        if let Some(fork) = self.pending.as_mut().and_then(|p| p.forks.get_mut(tag)) {
            fork.prack.go(PrackState::Held);
        }
    }

    /// Acknowledges the last reliable provisional response of the early dialog `tag`, with our
    /// answer to the offer that it held. Nothing when that dialog is gone.
    pub(super) fn send_prack(
        &mut self,
        context: &mut Context,
        now: Instant,
        tag: &str,
        answer: Option<&[u8]>,
    ) {
        let _ = self.with_fork(tag, |call| {
            let (composer, branch, flow) = call.compose_prack(context)?;
            let bytes = match answer {
                Some(body) => composer.body(Some("application/sdp"), body),
                None => composer.finish(),
            };
            let client = context.send(now, flow, &branch, Method::Prack, bytes)?;
            call.open_client(context, client, ClientPurpose::Prack);
            Some(())
        });
    }

    /// Starts the PRACK of the fork that leads; the leg's CSeq number is then that of the PRACK.
    pub(super) fn compose_prack(
        &mut self,
        context: &mut Context,
    ) -> Option<(Composer, String, model::Flow)> {
        let pending = self.pending.as_mut()?;
        let invite_cseq = pending.invite_cseq;
        let fork = pending.forks.leading_mut()?;
        let rseq = fork.rseq?;
        let leg = &mut self.legs[LegSide::B.index()];
        let cseq = leg.next_cseq();
        let (mut composer, branch, flow) = leg.request(context, Method::Prack, cseq)?;
        fork.prack.go(PrackState::Sent);
        composer
            .header_args(HeaderName::RAck, format_args!("{rseq} {invite_cseq} INVITE"))
            .header(HeaderName::UserAgent, &context.config.product);
        Some((composer, branch, flow))
    }
}

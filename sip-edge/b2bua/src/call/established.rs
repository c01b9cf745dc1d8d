//! What an established call does besides changing its media: OPTIONS, session refreshes.

use super::backoff::glare_wait;
use super::{Call, ClientPurpose};
use crate::context::Context;
use crate::leg::{ALLOW, SUPPORTED};
use crate::session_timer::seconds;
use model::{Instant, LegSide};
use sip_proto::{HeaderName, Message, Method, ServerKey};

impl Call {
    pub(super) fn answer_options(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let mut composer = self.legs[from.index()].response(context, request, 200);
        composer
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::Supported, SUPPORTED)
            .header(HeaderName::Accept, "application/sdp");
        context.respond(now, server, 200, composer.finish());
    }

    /// Refreshes the session on a leg: by UPDATE where the peer takes it, else by a re-INVITE with
    /// the description that it already has (RFC 4028 section 7.4).
    pub(super) fn refresh_session(&mut self, context: &mut Context, now: Instant, side: LegSide) {
        if !self.is_live() {
            return;
        }
        let busy = self.renegotiation.is_busy()
            || self.recording.as_ref().is_some_and(|recording| recording.is_busy())
            || self.legs[side.index()].refreshing
            || self.legs[side.index()].unacknowledged.is_some();
        if busy {
            // The exchange under way refreshes the session as well, or this comes again.
            let again = now + std::time::Duration::from_secs(2);
            self.deadlines.set(crate::deadline::Deadline::Refresh(side), again);
            return;
        }
        let leg = &self.legs[side.index()];
        let Some(interval) = leg.session.interval_seconds() else { return };
        let method = if leg.takes_update { Method::Update } else { Method::Invite };
        let invites = method == Method::Invite;
        let body = if invites { self.refreshing_description(context, side) } else { None };
        let min_se = seconds(context.config.min_se);
        let leg = &mut self.legs[side.index()];
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, method, cseq) else {
            return self.end_own_refresh(false);
        };
        let (allow, supported) = leg.abilities();
        composer
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, allow)
            .header(HeaderName::Supported, supported)
            .header_args(HeaderName::SessionExpires, format_args!("{interval};refresher=uac"))
            .header_args(
                HeaderName::MinSe,
                format_args!("{}", leg.session.min_se_seconds.max(min_se)),
            )
            .header(HeaderName::UserAgent, &context.config.product);
        let bytes = match body {
            Some(body) => composer.body(Some("application/sdp"), &body),
            None => composer.finish(),
        };
        if let Some(client) = context.send(now, flow, &branch, method, bytes) {
            self.legs[side.index()].refreshing = method == Method::Invite;
            self.open_client(context, client, ClientPurpose::Refresh(side));
        } else {
            self.end_own_refresh(false);
        }
    }

    /// What a leg has been described, to be said once more.
    fn refreshing_description(&mut self, context: &mut Context, side: LegSide) -> Option<Vec<u8>> {
        if side == LegSide::A
            && let Some(own) = self.own_offer_as_it_stands(context)
        {
            return Some(own);
        }
        let last = match self.recording.as_deref() {
            Some(recording) => recording.last_sent(),
            None => self.media.last_sent(side),
        };
        last.map(<[u8]>::to_vec)
    }

    pub(super) fn handle_refresh_response(
        &mut self,
        context: &mut Context,
        now: Instant,
        side: LegSide,
        response: &Message,
    ) {
        let status = response.status().unwrap_or_default();
        let is_invite = response.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        let leg = &mut self.legs[side.index()];
        if (200..300).contains(&status) && is_invite {
            if leg.acknowledge_again(context, response) {
                return;
            }
            let cseq = super::answer::number(response);
            leg.acknowledge(context, cseq, None);
        }
        if is_invite {
            self.legs[side.index()].refreshing = false;
            if side == LegSide::A {
                self.end_own_refresh((200..300).contains(&status));
            }
        }
        if !self.is_live() {
            return;
        }
        if is_invite && (200..300).contains(&status) && side == LegSide::A {
            self.take_refreshed_answer(context, now, response);
        }
        let leg = &mut self.legs[side.index()];
        match status {
            200..300 => {
                leg.session.answered(response);
                leg.session.arm(&mut self.deadlines, side, now);
            }
            // The peer wants a longer interval: ask again at once with that one.
            422 => {
                let asked = leg.session.interval_seconds().unwrap_or_default();
                if let Some(seconds) = leg.session.refused(response, asked) {
                    leg.session.set_interval(seconds);
                    self.refresh_session(context, now, side);
                }
            }
            // The dialog is gone there (RFC 3261 section 12.2.1.2).
            481 | 408 => self.end_unreachable(context, now),
            491 => {
                let again = now + glare_wait(side, context.random.next_u64());
                self.deadlines.set(crate::deadline::Deadline::Refresh(side), again);
            }
            // Anything else (5xx): once more before the session expires.
            _ => {
                let again = now + std::time::Duration::from_secs(5);
                self.deadlines.set(crate::deadline::Deadline::Refresh(side), again);
            }
        }
    }
}

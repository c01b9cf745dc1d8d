//! The dialog with a recorder that takes a copy: session refreshes that tell who takes part, BYE, and
//! what may come again.

use super::invite::with_metadata;
use super::{Call, CopyPhase};
use crate::call::answer::number;
use crate::call::{ClientPurpose, CopyRequest};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::media::description_in;
use model::{CopyFailure, Instant};
use sip_proto::{HeaderName, Message, Method};
use std::time::Duration;

/// A request that met another one is tried again after so long.
const GLARE_PAUSE: Duration = Duration::from_secs(3);

impl Call {
    pub(super) fn arm_copy_session(&mut self, now: Instant) {
        let leg = self.copying.as_deref().and_then(|copying| copying.leg.as_deref());
        if let Some(leg) = leg {
            let kinds = [Deadline::CopyRefresh, Deadline::CopyExpiry];
            leg.session.arm_as(&mut self.deadlines, kinds, now);
        }
    }

    /// Tells the recorder who takes part, if that has changed.
    pub(super) fn review_copied_parties(&mut self, context: &mut Context, now: Instant) {
        let parties = self.copied_parties();
        let is_told = self.copying.as_deref().is_none_or(|copying| copying.told == parties);
        // One that waits says it too.
        if is_told || self.deadlines.at(Deadline::CopyRefresh).is_some_and(|at| at <= now) {
            return;
        }
        if let Some(copying) = self.copying.as_deref_mut() {
            copying.told = parties;
        }
        self.refresh_copy(context, now);
    }

    /// Refreshes the session: a re-INVITE with what was described last, and who takes part now
    /// (RFC 7866 section 9.2).
    pub(super) fn refresh_copy(&mut self, context: &mut Context, now: Instant) {
        let metadata = self.copy_metadata(context, now);
        let Some(copying) = self.copying.as_deref_mut() else { return };
        if copying.phase() != CopyPhase::Copying {
            return;
        }
        let Some(leg) = copying.leg.as_deref_mut() else { return };
        if leg.refreshing || leg.unacknowledged.is_some() {
            self.deadlines.set(Deadline::CopyRefresh, now + GLARE_PAUSE);
            return;
        }
        let Some(description) = copying.lines.last_sent().map(<[u8]>::to_vec) else { return };
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Invite, cseq) else {
            return;
        };
        let (allow, supported) = leg.abilities();
        composer
            .header(HeaderName::Contact, leg.contact())
            .header(HeaderName::Allow, allow)
            .header(HeaderName::Supported, supported);
        if let Some(interval) = leg.session.interval_seconds() {
            composer
                .header_args(HeaderName::SessionExpires, format_args!("{interval};refresher=uac"));
        }
        composer.header(HeaderName::UserAgent, &context.config.product);
        leg.refreshing = true;
        let bytes = with_metadata(context, composer, &description, &metadata);
        match context.send(now, flow, &branch, Method::Invite, bytes) {
            Some(client) => {
                self.open_client(context, client, ClientPurpose::Copy(CopyRequest::Refresh));
            }
            None => {
                if let Some(leg) = self.copying.as_deref_mut().and_then(|c| c.leg_mut()) {
                    leg.refreshing = false;
                }
                self.deadlines.set(Deadline::CopyRefresh, now + GLARE_PAUSE);
            }
        }
    }

    /// The recorder answers a refresh.
    pub(super) fn copy_refreshed(
        &mut self,
        context: &mut Context,
        now: Instant,
        response: &Message,
    ) {
        if self.acknowledge_recorder_again(context, response) {
            return;
        }
        let status = response.status().unwrap_or_default();
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let Some(leg) = copying.leg.as_deref_mut() else { return };
        leg.refreshing = false;
        match status {
            200..300 => {
                leg.acknowledge(context, number(response), None);
                leg.session.answered(response);
                if let Some(dialog) = leg.dialog.as_mut() {
                    dialog.update_remote_target(response);
                }
                let source = leg.flow.remote.ip();
                if let Ok(Some(answer)) = description_in(response) {
                    copying.lines.agree(&answer, source);
                }
                self.arm_copy_session(now);
                self.apply_copy(context);
            }
            // RFC 3261 section 12.2.1.2.
            408 | 481 => self.copy_failed(context, now, CopyFailure::HungUp, None),
            // It keeps what it has, and the session expires if nothing else comes.
            _ => self.deadlines.set(Deadline::CopyRefresh, now + GLARE_PAUSE * 10),
        }
    }

    /// Ends the dialog with BYE.
    pub(super) fn hang_up_recorder(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let Some(leg) = copying.leg.as_deref_mut() else { return };
        let cseq = leg.next_cseq();
        let Some((mut composer, branch, flow)) = leg.request(context, Method::Bye, cseq) else {
            return;
        };
        composer.header(HeaderName::UserAgent, &context.config.product);
        let bytes = composer.finish();
        if let Some(client) = context.send(now, flow, &branch, Method::Bye, bytes) {
            self.open_client(context, client, ClientPurpose::Copy(CopyRequest::End));
        }
    }

    /// Whether a 2xx of the recorder has been acknowledged before; it is once more.
    pub(crate) fn acknowledge_recorder_again(
        &mut self,
        context: &mut Context,
        response: &Message,
    ) -> bool {
        let leg = self.copying.as_deref().and_then(|copying| copying.leg.as_deref());
        leg.is_some_and(|leg| leg.acknowledge_again(context, response))
    }
}

//! What an attempt teaches about its target, and the path that its answers take.

use super::Call;
use crate::context::Context;
use model::{Flow, Instant, LegSide};
use sip_proto::{HeaderName, Message};
use std::time::Duration;

impl Call {
    /// A response came from the target that is being tried.
    pub(super) fn note_target_response(
        &self,
        context: &mut Context,
        now: Instant,
        status: u16,
        response: &Message,
    ) {
        if status == 503 {
            self.note_target_failure(context, now, retry_after(response));
        } else if let Some(target) = self.pending.as_ref().and_then(|p| p.destination.as_ref()) {
            context.target_health.worked(target.address, target.transport);
        }
    }

    /// The target that is being tried is silent, unreachable, or has no time.
    pub(super) fn note_target_failure(
        &self,
        context: &mut Context,
        now: Instant,
        retry_after: Option<Duration>,
    ) {
        if let Some(target) = self.pending.as_ref().and_then(|p| p.destination.as_ref()) {
            context.target_health.failed(now, target.address, target.transport, retry_after);
        }
    }

    /// Leg B goes on over the connection that its answers come on. It was UDP's when the INVITE was
    /// too big for a datagram and said in Via and Contact that it uses another transport.
    pub(super) fn follow_answer(&mut self, context: &Context, flow: Flow) {
        let leg = &mut self.legs[LegSide::B.index()];
        if flow.protocol == leg.flow.protocol {
            leg.follow(Flow { connection: flow.connection, ..leg.flow });
        } else if flow.protocol.is_reliable() && flow.remote == leg.flow.remote {
            leg.listener = context.listener_of(&flow);
            leg.follow(Flow { identity: leg.flow.identity, ..flow });
        }
    }
}

/// The seconds of a Retry-After (RFC 3261 section 20.33), which comments and parameters may follow.
pub(super) fn retry_after(response: &Message) -> Option<Duration> {
    let value = response.header(HeaderName::RetryAfter)?;
    let digits = value.trim_start().split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_proto::Limits;

    #[test]
    fn retry_after_is_read_with_what_may_follow_it() {
        for (value, seconds) in [
            ("18", Some(18)),
            ("120;duration=3600", Some(120)),
            ("5 (soon)", Some(5)),
            ("later", None),
        ] {
            let text =
                format!("SIP/2.0 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
            let response = Message::parse(text.into(), &Limits::default()).unwrap();
            assert_eq!(retry_after(&response), seconds.map(Duration::from_secs), "{value}");
        }
    }
}

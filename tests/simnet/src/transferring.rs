//! How a random endpoint transfers its calls.

use crate::endpoint::{Actor, OwnCall};
use crate::fixture::connector_host;
use model::Instant;
use sip_proto::HeaderName;

impl Actor {
    /// Sends its far end somewhere: to a number, to the far end of another call of its own, or to
    /// a new call of its own that replaces this one.
    pub(crate) fn transfer(&mut self, now: Instant, index: usize) {
        let named = |call: &OwnCall| {
            let dialog = call.dialog.as_ref()?;
            Some((call.call_id.clone(), dialog.remote_tag().to_owned(), call.tag.clone()))
        };
        let other = (0..self.calls.len())
            .find(|other| *other != index && !self.calls[*other].over)
            .and_then(|other| named(&self.calls[other]));
        match (self.rng.below(4), other) {
            (0, _) => {
                let Some((call_id, to_tag, from_tag)) = named(&self.calls[index]) else { return };
                let inner = format!("host.inner-{}.example", self.at.port());
                let token = self.rng.below(u64::MAX);
                let new = self.new_call(
                    format!("inner-{token:x}@{inner}"),
                    format!("sip:+12065550100@{inner}"),
                    format!("sip:+12065550123@{}", connector_host()),
                );
                let replaces = format!("{call_id};to-tag={to_tag};from-tag={from_tag}");
                self.calls[new].next_header = Some((HeaderName::Replaces, replaces));
                self.invite(now, new);
            }
            (1..3, Some((call_id, to_tag, from_tag))) => {
                let call_id = call_id.replace('@', "%40");
                let refer_to = format!(
                    "<sip:x@y.example?Replaces={call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}>"
                );
                self.calls[index].next_header = Some((HeaderName::ReferTo, refer_to));
                self.request(now, index, "REFER", None);
            }
            _ => {
                let number = self.rng.pick(&["+12065550177", "+12065550178", "+442079460000"]);
                let refer_to = format!("<sip:{number}@y.example>");
                self.calls[index].next_header = Some((HeaderName::ReferTo, refer_to));
                self.request(now, index, "REFER", None);
            }
        }
    }
}

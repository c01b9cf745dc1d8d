//! Calls to the meeting rooms: what was dialled, and what the rooms learn of who calls.

mod dialled;

pub use dialled::dialled_in;

use directory::ReachedRooms;
use model::{Dialled, Flow, Refusal, RoomCall};
use sip_proto::{Composer, HeaderName, Message};
use std::sync::Arc;

/// Characters of a name that are told at most.
const LONGEST_NAME: usize = 128;

/// Says in a refusal that the source has its share of the rooms.
pub(crate) fn explain(composer: &mut Composer, refusal: Refusal) {
    if refusal == Refusal::SourceCallLimit {
        let text = "as many calls to the meeting rooms as may be come from this address";
        // RFC 3261 section 20.43: 399 is any warning to a person.
        composer.header_args(HeaderName::Warning, format_args!("399 tandem \"{text}\""));
    }
}

/// What the rooms learn of a call by its INVITE; `reached` is the name that was called, and `None` of a
/// call to a number. The lines of its offer are added when that has been read.
pub(crate) fn room_call(
    invite: &Message,
    flow: &Flow,
    reached: Option<ReachedRooms<'_>>,
) -> RoomCall {
    let uri = invite.request_uri().unwrap_or_default();
    let from = invite.from().ok();
    let name = from.as_ref().and_then(|from| from.display_name_unquoted());
    RoomCall {
        // The user of a call to a number is that number.
        dialled: reached.map_or_else(Dialled::default, |_| dialled_in(uri)),
        region: reached.and_then(|reached| reached.region()).cloned(),
        display_name: name.and_then(|name| shown(&name)),
        user_agent: invite.header(HeaderName::UserAgent).and_then(shown),
        address: flow.remote,
        protocol: flow.protocol,
        lines: Vec::new(),
    }
}

/// Text of a device as it can be shown.
fn shown(text: &str) -> Option<Arc<str>> {
    let plain = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME);
    let plain: String = plain.collect();
    (!plain.is_empty()).then(|| plain.into())
}

#[cfg(test)]
mod tests;

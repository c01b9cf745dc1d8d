//! What fragments tell of their call.

use super::NumberView;
use mkv::{TagRefused, Tags};
use model::{Channel, LegSide, ListenedCall};

/// The tags of a leg's first fragment, and those of all others: whoever comes late, or lost the first,
/// still learns whose audio it is.
pub(super) fn tags(call: &ListenedCall, channel: &Channel, numbers: &NumberView) -> (Tags, Tags) {
    let transaction_id = call.transaction_id.to_string();
    let is_caller = if channel.is_caller { "true" } else { "false" };
    let side = match channel.side {
        LegSide::A => "A",
        LegSide::B => "B",
    };
    let identity = [
        ("TransactionId", transaction_id.as_str()),
        ("VoiceConnectorId", call.voice_connector_id.as_str()),
        ("IsCaller", is_caller),
        ("Channel", side),
    ];
    let (from, to) = (numbers(&call.from_number), numbers(&call.to_number));
    let rest = [
        ("CallId", &*call.call_id),
        ("FromNumber", from.as_str()),
        ("ToNumber", to.as_str()),
        ("Direction", call.direction.name()),
        ("MediaLabel", channel.label.as_deref().unwrap_or_default()),
    ];
    let every = of(&identity);
    let mut first = every.clone();
    add(&mut first, &rest);
    (first, every)
}

fn of(pairs: &[(&str, &str)]) -> Tags {
    let mut tags = Tags::new();
    add(&mut tags, pairs);
    tags
}

fn add(tags: &mut Tags, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        let added: Result<(), TagRefused> = tags.add(name, value);
        debug_assert_eq!(added, Ok(()), "nine names of ours fit");
    }
}

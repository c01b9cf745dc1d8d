//! What the rooms learn of somebody who calls them.

use model::{RoomCall, SteeredCall};
use room_core::{Arrival, Dialled, Source, dialled_layout};
use std::sync::Arc;

/// A header field of the INVITE, of those that are shown.
pub(super) fn header<'a>(begun: &'a SteeredCall, wanted: &str) -> Option<&'a str> {
    let found = begun.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.map(|(_, value)| &**value)
}

/// Of a call that has begun.
pub(super) fn arrival(begun: &SteeredCall, room: &RoomCall) -> Arrival {
    // Who calls a number comes through a carrier or a customer, whose address is not the caller's.
    let by_number = begun.to.starts_with('+');
    let number = |text: &str| text.starts_with('+').then(|| text.to_owned());
    let name = room.display_name.as_ref().unwrap_or(&begun.from);
    Arrival {
        source: match by_number {
            true => Source::Caller(Arc::clone(&begun.from)),
            false => Source::Network(room.address.ip()),
        },
        name: name.to_string(),
        dialled: Dialled {
            id: room.dialled.meeting.as_ref().map(|meeting| meeting.digits().to_owned()),
            passcode: room.dialled.passcode.as_deref().map(str::to_owned),
            layout: room.dialled.layout.as_deref().and_then(dialled_layout),
        },
        wished: None,
        region: room.region.as_deref().map(str::to_owned),
        called_number: number(&begun.to),
        calling_number: number(&begun.from),
        is_telephone: by_number,
    }
}

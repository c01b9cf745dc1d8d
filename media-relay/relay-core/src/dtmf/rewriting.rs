//! What stands in a packet in the place of a tone.

use crate::security::GROWTH;
use codecs::dtmf::{EventPacket, Listener};
use rtp_proto::TelephoneEvent;

/// Octets of a packet that ends in one event.
pub(super) const fn len_of(header: usize) -> usize {
    header + TelephoneEvent::BYTES
}

/// Makes the packet in `buffer`, whose header has `header` octets, one of an event.
pub(super) fn write_event(
    buffer: &mut [u8],
    header: usize,
    payload_type: u8,
    made: &EventPacket,
) -> Option<usize> {
    let len = len_of(header);
    buffer.get_mut(header..len)?.copy_from_slice(&made.event.to_bytes());
    let fixed = buffer.first_chunk_mut::<8>()?;
    // No padding is left.
    fixed[0] &= !PADDING;
    fixed[1] = payload_type & !MARKER | if made.marker { MARKER } else { 0 };
    fixed[4..].copy_from_slice(&made.timestamp.to_be_bytes());
    Some(len)
}

/// Puts silence in the place of the payload of `octets` behind `header` octets, in a packet of `len`;
/// its length then.
pub(super) fn write_silence(
    listener: &mut Listener,
    buffer: &mut [u8],
    header: usize,
    octets: usize,
    len: usize,
) -> usize {
    // What protects the packet needs its room.
    let end = buffer.len().saturating_sub(GROWTH).max(len);
    let Some(payload) = buffer.get_mut(header..end) else { return len };
    match listener.silence(payload, octets) {
        Some(written) if written == octets => len,
        Some(written) => {
            // No padding is left.
            if let Some(first) = buffer.first_mut() {
                *first &= !PADDING;
            }
            header + written
        }
        None => len,
    }
}

const PADDING: u8 = 0x20;
const MARKER: u8 = 0x80;

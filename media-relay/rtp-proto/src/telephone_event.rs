//! DTMF digits and other events as RTP payload (RFC 4733 section 2.3).

use std::fmt;

/// One telephone-event payload. The RTP timestamp is that of the event's beginning and stays the
/// same in all its packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TelephoneEvent {
    /// The event: 0 to 9 are digits, 10 is `*`, 11 is `#`, 12 to 15 are A to D, 16 is flash.
    pub event: u8,
    /// The last packets of the event carry this bit.
    pub end: bool,
    /// Power in -dBm0, 0 to 63 (63 is the quietest).
    pub volume: u8,
    /// Duration so far in timestamp units.
    pub duration: u16,
}

/// Why a payload is no telephone-event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TelephoneEventError {
    /// Shorter than the four octets of one event.
    Truncated,
}

impl fmt::Display for TelephoneEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("telephone-event payload is shorter than 4 octets")
    }
}

impl std::error::Error for TelephoneEventError {}

impl TelephoneEvent {
    /// Octets of one event.
    pub const BYTES: usize = 4;

    /// Reads the first event of a payload. The reserved bit is ignored, as RFC 4733 asks.
    ///
    /// # Errors
    /// [`TelephoneEventError::Truncated`] when there are fewer than four octets.
    pub fn parse(payload: &[u8]) -> Result<Self, TelephoneEventError> {
        let &[event, flags, high, low, ..] = payload else {
            return Err(TelephoneEventError::Truncated);
        };
        Ok(TelephoneEvent {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// The payload's octets; only the low 6 bits of `volume` are written.
    pub const fn to_bytes(self) -> [u8; 4] {
        let end = if self.end { 0x80 } else { 0 };
        let [high, low] = self.duration.to_be_bytes();
        [self.event, end | (self.volume & 0x3f), high, low]
    }

    /// The key that a DTMF event stands for; `None` for other events.
    pub fn digit(self) -> Option<char> {
        DIGITS.get(usize::from(self.event)).map(|&digit| char::from(digit))
    }

    /// The event of a DTMF key (`a` to `d` in any case); `None` for anything else.
    pub fn event_of_digit(digit: char) -> Option<u8> {
        let wanted = u8::try_from(digit).ok()?.to_ascii_uppercase();
        DIGITS.iter().position(|&known| known == wanted).and_then(|at| u8::try_from(at).ok())
    }
}

const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_payload() {
        let event = TelephoneEvent::parse(&[11, 0x8a, 0x03, 0x20]).unwrap();
        assert_eq!(event, TelephoneEvent { event: 11, end: true, volume: 10, duration: 800 });
        assert_eq!(event.digit(), Some('#'));
        assert_eq!(event.to_bytes(), [11, 0x8a, 0x03, 0x20]);
        assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), Err(TelephoneEventError::Truncated));
    }

    #[test]
    fn the_reserved_bit_is_ignored() {
        let event = TelephoneEvent::parse(&[1, 0x40, 0, 0, 9]).unwrap();
        assert_eq!((event.end, event.volume), (false, 0));
    }

    #[test]
    fn digits_and_events_agree() {
        for event in 0..16 {
            let parsed = TelephoneEvent::parse(&[event, 0, 0, 0]).unwrap();
            assert_eq!(TelephoneEvent::event_of_digit(parsed.digit().unwrap()), Some(event));
        }
        assert_eq!(TelephoneEvent::parse(&[16, 0, 0, 0]).unwrap().digit(), None);
        assert_eq!(TelephoneEvent::event_of_digit('b'), Some(13));
        assert_eq!(TelephoneEvent::event_of_digit('é'), None);
    }
}

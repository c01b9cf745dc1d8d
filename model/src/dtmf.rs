//! Keys of a telephone (DTMF), and what becomes of them on their way from leg to leg.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// The keys, by their event.
const SYMBOLS: &[u8; 16] = b"0123456789*#ABCD";

/// One of the 16 keys of a telephone. Callers type PINs and card numbers with them: printing one
/// for debugging does not show which it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct DtmfKey(u8);

impl DtmfKey {
    /// The key of an event of RFC 4733 section 3.2, 0 to 15; `None` for other events.
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(DtmfKey(event)) } else { None }
    }

    /// The key that is written so, `a` to `d` in any case; `None` for anything else.
    pub fn from_symbol(symbol: char) -> Option<Self> {
        let wanted = u8::try_from(symbol).ok()?.to_ascii_uppercase();
        let event = SYMBOLS.iter().position(|known| *known == wanted)?;
        Self::from_event(u8::try_from(event).ok()?)
    }

    /// Its event, 0 to 15.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// How it is written: a digit, `*`, `#`, `A` to `D`.
    pub fn symbol(self) -> char {
        SYMBOLS.get(usize::from(self.0)).map_or('0', |symbol| char::from(*symbol))
    }
}

impl TryFrom<u8> for DtmfKey {
    type Error = &'static str;
    fn try_from(event: u8) -> Result<Self, Self::Error> {
        Self::from_event(event).ok_or("no key of a telephone: events 0 to 15 are")
    }
}

impl From<DtmfKey> for u8 {
    fn from(key: DtmfKey) -> u8 {
        key.0
    }
}

impl fmt::Debug for DtmfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DtmfKey(*)")
    }
}

/// A key that was pressed and let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DtmfPress {
    /// Which.
    pub key: DtmfKey,
    /// For how long.
    pub duration: Duration,
}

/// In which form keys come from a leg that the other leg does not take, and what they become.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub enum DtmfConversion {
    /// They pass as they come.
    #[default]
    None,
    /// Events (RFC 4733) are told to signalling, as [`MediaEvent::Dtmf`](crate::MediaEvent::Dtmf),
    /// and go no further.
    EventsToSignalling,
    /// Events become tones in the audio.
    EventsToTones,
    /// Tones in the audio are told to signalling and silenced.
    TonesToSignalling,
    /// Tones in the audio become events and are silenced.
    TonesToEvents,
}

impl DtmfConversion {
    /// Whether events of the leg are read and go no further.
    pub const fn reads_events(self) -> bool {
        matches!(self, DtmfConversion::EventsToSignalling | DtmfConversion::EventsToTones)
    }

    /// Whether the audio of the leg is searched for tones.
    pub const fn searches_audio(self) -> bool {
        matches!(self, DtmfConversion::TonesToSignalling | DtmfConversion::TonesToEvents)
    }

    /// Whether keys of the leg are told to signalling.
    pub const fn tells_signalling(self) -> bool {
        matches!(self, DtmfConversion::EventsToSignalling | DtmfConversion::TonesToSignalling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_events_name_the_same_sixteen_keys() {
        for event in 0..16 {
            let key = DtmfKey::from_event(event).expect("a key");
            assert_eq!(DtmfKey::from_symbol(key.symbol()), Some(key));
            assert_eq!(key.event(), event);
        }
        assert_eq!(DtmfKey::from_symbol('c').map(DtmfKey::event), Some(14));
        assert_eq!(DtmfKey::from_event(16), None, "flash is no key");
        for other in ['e', ' ', 'é', '\0'] {
            assert_eq!(DtmfKey::from_symbol(other), None);
        }
    }

    #[test]
    fn no_key_shows_itself_in_debugging_output() {
        let texts: Vec<_> = (0..16)
            .filter_map(DtmfKey::from_event)
            .map(|key| format!("{:?}", DtmfPress { key, duration: Duration::ZERO }))
            .collect();
        assert!(texts.windows(2).all(|pair| pair[0] == pair[1]), "{texts:?}");
    }
}

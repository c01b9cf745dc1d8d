//! Keys of a telephone: as two tones (ITU-T Q.23) and as events (RFC 4733).
//!
//! [`ToneDetector`] and [`ToneGenerator`] are for tones in the audio, [`EventReceiver`] and
//! [`EventSender`] for events; a [`Listener`] reads audio of any format for the detector. A key is named by its event, 0 to 15
//! ([`rtp_proto::TelephoneEvent::digit`]).

mod detector;
mod listener;
mod receiver;
mod sender;
mod tone;

pub use detector::{ToneDetector, ToneStep};
pub use listener::Listener;
pub use receiver::{EventReceiver, EventStep};
pub use sender::{EventPacket, EventSender};
pub use tone::ToneGenerator;

/// Frequencies of the rows, in Hz.
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// Frequencies of the columns, in Hz.
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The event at each row and column: 10 is `*`, 11 is `#`, 12 to 15 are A to D.
const EVENTS: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];
/// The amplitude of a sine of 0 dBm0, in 16-bit samples: 3.17 dB below full scale.
pub(crate) const ZERO_DBM0: f32 = 22_300.0;

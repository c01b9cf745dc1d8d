//! Audio between formats: decoding, resampling, concealment and encoding of one direction of a
//! stream.
//!
//! Pure: octets and samples in, octets and samples out. What needs memory takes it when it is made;
//! no packet allocates. Payloads are hostile: a bad one is an error value, and the audio goes on as
//! if it had been lost.
//!
//! [`Transcoder`] is the whole way of a packet. Its parts stand alone as well: [`AudioDecoder`] and
//! [`AudioEncoder`], [`Resampler`], [`Concealment`], [`ComfortNoise`]. [`dtmf`] has the keys of a
//! telephone. A [`Recording`] is audio to be played, a [`Clip`] the same in packets of one format. A
//! [`voice_ring`] brings samples from another thread.
#![forbid(unsafe_code)]

mod burst;
mod clip;
mod comfort_noise;
mod concealment;
pub mod dtmf;
mod error;
mod format;
pub mod g722;
pub mod opus;
mod pcm;
mod recording;
mod resample;
mod ringback;
mod silence;
mod transcoder;
mod voice_ring;

pub use burst::ToneBurst;
pub use clip::Clip;
pub use comfort_noise::ComfortNoise;
pub use concealment::Concealment;
pub use error::{DecodeError, EncodeError};
pub use format::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder, LONGEST_PAYLOAD};
pub use recording::{LONGEST_FILE, LONGEST_RECORDING_SECONDS, Recording, RecordingError};
pub use resample::Resampler;
pub use transcoder::{Outgoing, Received, Taken, Transcoder};
pub use voice_ring::{VoiceReader, VoiceWriter, voice_ring};

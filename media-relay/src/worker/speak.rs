//! Listeners of this worker's streams that speak into the calls that they hear.

use super::streams::Stream;
use crate::random::draw;
use model::{Instant, LegSide, Listener, Listening, OtherMedia};
use relay_core::{VoiceReader, VoiceWriter, voice_ring};

/// What a leg hears of a listener, and what of the other leg meanwhile.
pub(super) type Heard = Option<(VoiceReader, OtherMedia)>;

/// A ring for each leg that a listener may speak to, as the first of these wants it: two voices at once
/// would not be understood.
pub(super) fn rings(listening: &Listening) -> ([Option<VoiceWriter>; 2], [Heard; 2]) {
    let (mut voices, mut heard) = ([None, None], [None, None]);
    for leg in LegSide::BOTH {
        let speaker = listening.listeners.iter().find_map(|listener| match listener {
            Listener::WebSocket(socket) if socket.speaks_to[leg.index()] => Some(socket),
            Listener::WebSocket(_)
            | Listener::KinesisVideo(_)
            | Listener::Recording(_)
            | Listener::Ordered(_) => None,
        });
        if let Some(speaker) = speaker {
            let (writer, reader) = voice_ring(listening.sample_rate);
            voices[leg.index()] = Some(writer);
            heard[leg.index()] = Some((reader, speaker.other_media));
        }
    }
    (voices, heard)
}

impl Stream {
    /// From now on the legs hear what is written into their rings.
    pub(super) fn let_speak(&mut self, heard: [Heard; 2], now: Instant) {
        for (leg, heard) in LegSide::BOTH.into_iter().zip(heard) {
            if let Some((reader, other_media)) = heard {
                self.session.speak(leg, reader, other_media, now, &mut draw);
            }
        }
    }

    /// The legs hear nobody but each other.
    pub(super) fn stop_voices(&mut self) {
        for leg in LegSide::BOTH {
            self.session.stop_speaking(leg);
        }
    }
}

//! What is played to the legs of a steered call: by the application, and by the meeting that it has sent
//! its leg into.

use super::Steering;
use model::{AudioSource, LegSide, OtherMedia, Playing, ROOM_ORDERS};

/// Silence in the place of a leg that is muted: a tenth of a second of PCM, over and over.
const SILENT_SAMPLES: usize = 800;

/// Something that the application has a leg hear.
pub(super) struct Play {
    pub(super) order: u32,
    pub(super) source: AudioSource,
    pub(super) rounds: Option<u32>,
    /// The relay has said that it begins: an end that comes earlier is that of what was played before.
    pub(super) has_begun: bool,
}

impl Steering {
    /// Where what is to be played to a leg by the order of this number is kept.
    pub(super) fn place_of(&mut self, order: u32, leg: LegSide) -> &mut Option<Play> {
        match order >= ROOM_ORDERS && leg == self.near {
            true => &mut self.said_by_room,
            false => &mut self.plays[leg.index()],
        }
    }

    /// What is played to a leg by order.
    fn heard_play(&self, leg: LegSide) -> Option<&Play> {
        let said = self.said_by_room.as_ref().filter(|_| leg == self.near);
        self.plays[leg.index()].as_ref().or(said)
    }

    /// The same, to be changed.
    pub(super) fn heard_place(&mut self, leg: LegSide) -> &mut Option<Play> {
        match self.plays[leg.index()].is_none() && leg == self.near {
            true => &mut self.said_by_room,
            false => &mut self.plays[leg.index()],
        }
    }

    /// What the application has `leg` hear: what it plays, silence for a far end that is muted, or
    /// that leg B is being called.
    pub(in crate::call) fn played_to(
        &self,
        leg: LegSide,
        ringback: Option<&AudioSource>,
    ) -> Option<Playing> {
        let with = OtherMedia::Yields;
        if let Some(play) = self.heard_play(leg) {
            let (source, rounds) = (play.source.clone(), play.rounds);
            return Some(Playing { source, start: 0, rounds, with });
        }
        if self.is_bridged && self.muted[leg.other().index()] {
            let source = AudioSource::Octets(silence().into());
            return Some(Playing { source, start: 0, rounds: None, with });
        }
        let bridging = self.bridging.as_ref().filter(|_| leg == self.near)?;
        let source = bridging.heard(ringback)?;
        let with = bridging.with();
        Some(Playing { source, start: 0, rounds: None, with })
    }
}

/// A WAV file of silence: 16-bit PCM, 8,000 samples a second.
fn silence() -> Vec<u8> {
    let octets = (SILENT_SAMPLES * 2) as u32;
    let mut wav = Vec::with_capacity(44 + SILENT_SAMPLES * 2);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + octets).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    for value in [1_u16, 1] {
        wav.extend_from_slice(&value.to_le_bytes());
    }
    wav.extend_from_slice(&8_000_u32.to_le_bytes());
    wav.extend_from_slice(&16_000_u32.to_le_bytes());
    for value in [2_u16, 16] {
        wav.extend_from_slice(&value.to_le_bytes());
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&octets.to_le_bytes());
    wav.resize(44 + SILENT_SAMPLES * 2, 0);
    wav
}

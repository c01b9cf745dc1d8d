//! `block media`, `silence media`, `block DTMF` and their opposites.

use crate::control::{Control, Served, result};
use crate::dialogue::Party;
use crate::request::{Muted, Muting, Request};
use model::{
    AudioSource, Instant, LegSide, MediaCommand, MediaEvent, MediaId, OtherMedia, PlayOutcome,
    Playing,
};

/// Samples of silence that are played over and over: a fifth of a second.
const SILENCE: u32 = 1_600;

impl Control {
    pub(crate) fn serve_muting(
        &mut self,
        now: Instant,
        request: &Request,
        muting: Muting,
    ) -> Served {
        let call = self.calls.get_mut(&request.call_id).ok_or("Unknown call-id")?;
        let named = call.named_parties(request)?.unwrap_or_else(|| {
            let all = |at| LegSide::BOTH.map(|side| (at, side));
            (0..call.dialogues.len()).flat_map(all).collect()
        });
        call.last_signal = now;
        for (at, side) in &named {
            set(call.dialogues[*at].party_mut(*side), muting);
        }
        let heard: Vec<(MediaId, LegSide)> = named
            .iter()
            .map(|(at, side)| (&call.dialogues[*at], *side))
            .filter(|(dialogue, _)| muting.what == Muted::Silence && dialogue.local.is_some())
            .map(|(dialogue, side)| (dialogue.media, side.other()))
            .collect();
        let mut changed: Vec<usize> = named.into_iter().map(|(at, _)| at).collect();
        changed.dedup();
        let plans: Vec<_> = changed
            .into_iter()
            .flat_map(|at| {
                let dialogue = &call.dialogues[at];
                dialogue.plan_again().into_iter().chain(dialogue.plan_lines_again())
            })
            .collect();
        for plan in plans {
            self.order(plan);
        }
        for (id, leg) in heard {
            self.forget_play((id, leg));
            self.order(match muting.on {
                true => silence(id, leg),
                false => MediaCommand::StopPlaying { id, leg },
            });
        }
        Ok(Some(result("ok")))
    }

    /// Whether a leg hears silence while nothing is played to it.
    pub(crate) fn hears_silence(&self, id: MediaId, leg: LegSide) -> bool {
        let call = self.streams.get(&id).and_then(|call_id| self.calls.get(call_id));
        let dialogue = call.and_then(|call| call.dialogues.iter().find(|d| d.media == id));
        dialogue.is_some_and(|dialogue| dialogue.party(leg.other()).is_silenced)
    }

    /// What was played to a leg has ended: silence comes back.
    pub(crate) fn restore_silence(&mut self, event: &MediaEvent) {
        if let MediaEvent::Played { id, leg, outcome: PlayOutcome::Finished } = event
            && self.hears_silence(*id, *leg)
        {
            self.order(silence(*id, *leg));
        }
    }
}

/// The order to play silence. Where the leg has no format for it, it hears nothing at all: the media
/// of the other one does not pass in any case.
pub(crate) fn silence(id: MediaId, leg: LegSide) -> MediaCommand {
    let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    let octets = SILENCE * 2;
    for word in [8_000_u32, 16_000, 0x0010_0002] {
        wav.extend_from_slice(&word.to_le_bytes());
    }
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&octets.to_le_bytes());
    wav.resize(wav.len() + octets as usize, 0);
    let source = AudioSource::Octets(wav.into());
    let playing = Playing { source, start: 0, rounds: None, with: OtherMedia::Yields };
    MediaCommand::Play { id, leg, playing }
}

fn set(party: &mut Party, muting: Muting) {
    match muting.what {
        Muted::Media => party.blocks_media = muting.on,
        Muted::Silence => party.is_silenced = muting.on,
        Muted::Events => party.blocks_events = muting.on,
    }
}

//! What a leg hears that the other one does not speak to: hold music, and ringback while a transfer's
//! target rings.

use super::Call;
use super::setup::SetupState;
use crate::config::HoldMusicWhen;
use crate::context::Context;
use crate::edge::Output;
use model::{AudioSource, LegSide, MediaCommand, MediaId, OtherMedia, Playing};

/// What the relay was told to play to each leg, and on which stream: what was played on another one
/// has ended with it.
#[derive(Default)]
pub(super) struct Played([Option<(MediaId, Playing)>; 2]);

impl Call {
    /// Has each leg hear what it is to hear now, and nothing more. Called after everything that may
    /// change it: a new plan, and what a transfer's target says.
    pub(super) fn review_playing(&mut self, context: &mut Context) {
        let Some(id) = self.media.id().filter(|_| self.media.is_allocated()) else { return };
        // A leg that is on trial elsewhere hears what it heard, until it has agreed or is back.
        if !self.is_live() || self.referral.is_leaving() {
            return;
        }
        for leg in LegSide::BOTH {
            let wanted = self.to_be_played(context, leg);
            let played = &mut self.played.0[leg.index()];
            let now = played.take().filter(|(on, _)| *on == id).map(|(_, playing)| playing);
            let command = match (&now, &wanted) {
                (_, Some(playing)) if now != wanted => {
                    Some(MediaCommand::Play { id, leg, playing: playing.clone() })
                }
                (Some(_), None) => Some(MediaCommand::StopPlaying { id, leg }),
                _ => None,
            };
            *played = wanted.map(|playing| (id, playing));
            context.outputs.extend(command.map(Output::Media));
        }
    }

    /// The relay plays already what each leg is to hear: the call began before this process.
    pub(super) fn assume_playing(&mut self, context: &Context) {
        let Some(id) = self.media.id() else { return };
        for leg in LegSide::BOTH {
            let wanted = self.to_be_played(context, leg);
            self.played.0[leg.index()] = wanted.map(|playing| (id, playing));
        }
    }

    fn to_be_played(&self, context: &Context, leg: LegSide) -> Option<Playing> {
        if self.setup.state() != SetupState::Established || !self.media.wants_media(leg) {
            return None;
        }
        let for_ever = |source, with| Some(Playing { source, start: 0, rounds: None, with });
        if let Some(ringback) = context.config.ringback
            && self.referral.rings_for(leg)
        {
            return for_ever(AudioSource::Ringback(ringback), OtherMedia::Yields);
        }
        let music = self.media.hold_music_of(leg.other())?;
        let with = match context.config.hold_music_when {
            HoldMusicWhen::Silent => OtherMedia::Wins,
            HoldMusicWhen::Always => OtherMedia::Yields,
        };
        for_ever(AudioSource::File(music), with)
    }
}

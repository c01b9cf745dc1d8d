//! What a leg hears that the other one does not speak to: hold music, ringback while a transfer's
//! target rings, and that the call is recorded.

use super::Call;
use super::setup::SetupState;
use crate::config::HoldMusicWhen;
use crate::context::Context;
use crate::edge::Output;
use model::{
    AudioSource, Instant, LegSide, MediaCommand, MediaEvent, MediaId, OtherMedia, Playing,
};

/// What the relay was told to play to each leg, and on which stream: what was played on another one
/// has ended with it.
#[derive(Default)]
pub(super) struct Played {
    on: [Option<(MediaId, Playing)>; 2],
    /// Who is still to hear, or hears, the announcement of who listens, to its end.
    announcing: [bool; 2],
}

impl Call {
    /// Has each leg hear what it is to hear now, and nothing more. Called after everything that may
    /// change it: a new plan, and what a transfer's target says.
    pub(super) fn review_playing(&mut self, context: &mut Context) {
        let Some(id) = self.media.id().filter(|_| self.media.is_allocated()) else { return };
        // A leg that is on trial elsewhere hears what it heard, until it has agreed or is back.
        if !self.is_live() || self.referral.is_leaving() {
            return;
        }
        self.review_seat(context, id);
        for leg in LegSide::BOTH {
            let wanted = self.to_be_played(context, leg);
            let played = &mut self.played.on[leg.index()];
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
            self.played.on[leg.index()] = wanted.map(|playing| (id, playing));
        }
    }

    /// Has legs hear, once, that somebody listens.
    pub(super) fn announce(&mut self, context: &mut Context, to: &[LegSide]) {
        to.iter().for_each(|leg| self.played.announcing[leg.index()] = true);
        self.review_playing(context);
    }

    /// Nobody listens any more.
    pub(super) fn stop_announcing(&mut self, context: &mut Context) {
        self.played.announcing = [false; 2];
        self.review_playing(context);
    }

    /// The relay begins to play, or has played all that a leg was to hear, or cannot.
    pub(super) fn played(&mut self, context: &mut Context, now: Instant, event: &MediaEvent) {
        if let MediaEvent::Played { id, leg, .. } = event
            && self.played.announcing[leg.index()]
        {
            return self.announced(context, *id, *leg);
        }
        if self.is_steered() {
            self.steered_played(context, now, event);
        } else if let MediaEvent::Played { id, leg, .. } = event {
            self.announced(context, *id, *leg);
        }
    }

    /// What was played to a leg is over, or is to begin anew.
    pub(super) fn played_out(&mut self, leg: LegSide) {
        self.played.on[leg.index()] = None;
    }

    /// Only the announcement ends by itself, and what an application plays.
    fn announced(&mut self, context: &mut Context, id: MediaId, leg: LegSide) {
        let played = &mut self.played.on[leg.index()];
        let ends = |(on, playing): &(MediaId, Playing)| *on == id && playing.rounds.is_some();
        if played.take_if(|played| ends(played)).is_some() {
            self.played.announcing[leg.index()] = false;
            self.review_playing(context);
        }
    }

    fn announcement_to(&self, leg: LegSide) -> Option<Playing> {
        let consent = self.voice_connector.streaming.consent();
        let file = consent.filter(|_| self.played.announcing[leg.index()])?.announcement.clone()?;
        let (source, rounds) = (AudioSource::File(file), Some(1));
        Some(Playing { source, start: 0, rounds, with: OtherMedia::Yields })
    }

    fn to_be_played(&self, context: &Context, leg: LegSide) -> Option<Playing> {
        if self.setup.state() != SetupState::Established || !self.media.wants_media(leg) {
            return None;
        }
        if let Some(announcement) = self.announcement_to(leg) {
            return Some(announcement);
        }
        if let Some(steering) = &self.steering {
            let ringback = context.config.ringback.map(AudioSource::Ringback);
            if let Some(playing) = steering.played_to(leg, ringback.as_ref()) {
                return Some(playing);
            }
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

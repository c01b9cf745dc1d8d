//! What an application wants done, in turn and out of turn.

use super::{Call, Play};
use crate::call::setup::SetupState;
use crate::context::Context;
use model::{ApplicationNews, ApplicationOrder, AudioSource, Instant, LegSide};

impl Call {
    /// Carries out an order. What cannot be is answered with [`ApplicationNews::Refused`].
    pub(crate) fn handle_application_order(
        &mut self,
        context: &mut Context,
        now: Instant,
        order: u32,
        wanted: ApplicationOrder,
    ) {
        let Some(steering) = self.steering.as_mut() else { return };
        if !matches!(self.teardown.state(), crate::call::TeardownState::Live) {
            return;
        }
        // Between two applications nobody has a say.
        let is_open = steering.is_told;
        steering.has_ordered |= is_open;
        let outcome = match is_open {
            true => self.carry_out(context, now, order, wanted),
            false => Err("the call is not ready yet"),
        };
        if let Err(why) = outcome {
            let news = ApplicationNews::Refused { order, why: why.to_owned() };
            self.tell(context, now, news);
        }
    }

    fn carry_out(
        &mut self,
        context: &mut Context,
        now: Instant,
        order: u32,
        wanted: ApplicationOrder,
    ) -> Result<(), &'static str> {
        match wanted {
            ApplicationOrder::Answer => match self.setup.state() {
                SetupState::Steered => self.answer_steered(context, now),
                // The news of that follow leg A's ACK.
                SetupState::Answered if self.is_answered_for_bridge() => {}
                _ => return Err("leg A is answered already"),
            },
            ApplicationOrder::HangUp { leg, status } => {
                return self.hang_up_by_order(context, now, leg, status);
            }
            ApplicationOrder::Play { leg, source, rounds } => {
                return self.play_by_order(context, leg, (order, source, rounds));
            }
            ApplicationOrder::StopPlaying { leg } => {
                if let Some(steering) = self.steering.as_mut() {
                    steering.plays[leg.index()] = None;
                }
                self.review_playing(context);
            }
            ApplicationOrder::SendKeys { leg, keys, duration } => {
                self.is_there(leg)?;
                return self.send_keys(context, now, leg, (order, keys, duration));
            }
            ApplicationOrder::Bridge(bridge) => {
                return self.begin_bridge(context, now, order, bridge);
            }
            ApplicationOrder::Mute { leg, on } => {
                if let Some(steering) = self.steering.as_mut() {
                    steering.muted[leg.index()] = on;
                }
                self.review_playing(context);
            }
            ApplicationOrder::Sit { seat } => return self.sit_by_order(context, order, seat),
            ApplicationOrder::StandUp => self.stand_up_by_order(context),
        }
        Ok(())
    }

    /// Whether a leg can be played and sent something.
    pub(super) fn is_there(&self, leg: LegSide) -> Result<(), &'static str> {
        let answered = matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        match leg {
            LegSide::A if !answered => Err("leg A is not answered"),
            LegSide::B if self.is_alone() => Err("there is no leg B"),
            _ => Ok(()),
        }
    }

    fn play_by_order(
        &mut self,
        context: &mut Context,
        leg: LegSide,
        (order, source, rounds): (u32, AudioSource, Option<u32>),
    ) -> Result<(), &'static str> {
        self.is_there(leg)?;
        if rounds == Some(0) {
            return Err("nothing is to be played");
        }
        let play = Play { order, source, rounds, has_begun: false };
        if let Some(steering) = self.steering.as_mut() {
            steering.plays[leg.index()] = Some(play);
        }
        // The same once more begins anew.
        self.played_out(leg);
        self.review_playing(context);
        Ok(())
    }

    fn hang_up_by_order(
        &mut self,
        context: &mut Context,
        now: Instant,
        leg: Option<LegSide>,
        status: u16,
    ) -> Result<(), &'static str> {
        match leg {
            Some(LegSide::B) if self.is_alone() => self.cancel_bridge(context, now),
            Some(LegSide::B) => {
                self.bye_reason = None;
                self.hang_up(context, now, LegSide::B, None);
                self.lose_leg_b(context, now, true);
                Ok(())
            }
            Some(LegSide::A) | None => {
                if let Some(steering) = self.steering.as_mut() {
                    steering.by_order = true;
                }
                self.hang_up_everybody(context, now, status, "the application hung up");
                Ok(())
            }
        }
    }
}

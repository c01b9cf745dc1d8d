//! What an application wants done, in turn and out of turn.

use super::{Call, Play};
use crate::call::setup::SetupState;
use crate::context::Context;
use model::{ApplicationNews, ApplicationOrder, AudioSource, Instant, LegSide, ROOM_ORDERS, Seat};

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
            true => self.carry_out(context, now, order, self.in_the_calls_words(wanted)),
            false => Err("the call is not ready yet"),
        };
        if let Err(why) = outcome {
            let news = ApplicationNews::Refused { order, why: why.to_owned() };
            self.tell(context, now, news);
        }
    }

    /// The order with the call's legs in the place of the application's.
    fn in_the_calls_words(&self, mut wanted: ApplicationOrder) -> ApplicationOrder {
        if self.near() == LegSide::B {
            match &mut wanted {
                ApplicationOrder::HangUp { leg: Some(leg), .. }
                | ApplicationOrder::Play { leg, .. }
                | ApplicationOrder::StopPlaying { leg }
                | ApplicationOrder::SendKeys { leg, .. }
                | ApplicationOrder::Mute { leg, .. }
                | ApplicationOrder::Sit { seat: Seat { leg, .. }, .. } => *leg = leg.other(),
                // Whose audio is recorded is said by the channels, which are the application's.
                ApplicationOrder::HangUp { leg: None, .. }
                | ApplicationOrder::Answer
                | ApplicationOrder::Record(_)
                | ApplicationOrder::StopRecording { .. }
                | ApplicationOrder::StandUp
                | ApplicationOrder::ControlFloor { .. }
                | ApplicationOrder::Announce { .. }
                | ApplicationOrder::RecordUtterance { .. }
                | ApplicationOrder::ShowCard { .. }
                | ApplicationOrder::LayOut { .. }
                | ApplicationOrder::RecordConference(_)
                | ApplicationOrder::Bridge(_) => {}
            }
        }
        wanted
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
                SetupState::Answered | SetupState::Established => {
                    return Err("leg A is answered already");
                }
                _ => return Err("leg A is called, and has not answered"),
            },
            ApplicationOrder::HangUp { leg, status } => {
                return self.hang_up_by_order(context, now, leg, status);
            }
            ApplicationOrder::Play { leg, source, rounds } => {
                return self.play_by_order(context, leg, (order, source, rounds));
            }
            ApplicationOrder::StopPlaying { leg } => {
                if let Some(steering) = self.steering.as_mut() {
                    *steering.place_of(order, leg) = None;
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
            ApplicationOrder::Record(recording) => {
                return self.record_by_order(context, *recording);
            }
            ApplicationOrder::StopRecording { order } => {
                self.stop_recording_by_order(context, order);
            }
            ApplicationOrder::Mute { leg, on } => {
                if let Some(steering) = self.steering.as_mut() {
                    steering.muted[leg.index()] = on;
                }
                self.review_playing(context);
            }
            ApplicationOrder::Sit { seat, shown } => {
                return self.sit_by_order(context, order, (seat, shown));
            }
            ApplicationOrder::StandUp => self.stand_up_by_order(context),
            ApplicationOrder::ControlFloor { access } => {
                return self.control_floor_by_order(access);
            }
            ApplicationOrder::Announce { source, except } => {
                return self.announce_by_order(context, source, except);
            }
            ApplicationOrder::RecordUtterance { longest } => {
                return self.record_utterance_by_order(context, longest);
            }
            ApplicationOrder::ShowCard { card } => self.show_card_by_order(context, card),
            ApplicationOrder::LayOut { name, layout } => {
                self.lay_out_by_order(context, name, layout);
            }
            ApplicationOrder::RecordConference(recording) => {
                return self.record_conference_by_order(context, recording);
            }
        }
        Ok(())
    }

    /// Whether a leg can be played and sent something.
    pub(super) fn is_there(&self, leg: LegSide) -> Result<(), &'static str> {
        let answered = matches!(self.setup.state(), SetupState::Answered | SetupState::Established);
        if leg == self.near() {
            return if answered { Ok(()) } else { Err("leg A is not answered") };
        }
        if self.is_alone() { Err("there is no leg B") } else { Ok(()) }
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
            *steering.place_of(order, leg) = Some(play);
            // What the rooms say waits for the application's own words.
            if order >= ROOM_ORDERS && steering.plays[leg.index()].is_some() {
                return Ok(());
            }
            if let Some(said) = steering.said_by_room.as_mut().filter(|said| said.order != order) {
                said.has_begun = false;
            }
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
        let far = self.far();
        match leg {
            Some(leg) if leg == far && self.is_alone() => self.cancel_bridge(context, now),
            Some(leg) if leg == far => {
                self.bye_reason = None;
                self.hang_up(context, now, far, None);
                self.lose_leg_b(context, now, true);
                Ok(())
            }
            _ => {
                if let Some(steering) = self.steering.as_mut() {
                    steering.by_order = true;
                }
                let cause = match self.is_of_rooms() {
                    true => {
                        // Guests' pages join again by that; nobody has ended such a call.
                        let is_lost = status == 408;
                        self.bye_reason = is_lost.then_some("SIP;cause=408;text=\"No media\"");
                        cause_of_rooms(status)
                    }
                    false => "the application hung up",
                };
                self.hang_up_everybody(context, now, status, cause);
                Ok(())
            }
        }
    }
}

/// Why the meeting rooms end a call, by the status of their order, for its record: callers who have been
/// answered are told none.
const fn cause_of_rooms(status: u16) -> &'static str {
    match status {
        404 => "no meeting could be entered by what the caller gave",
        408 => "no media from the caller in the meeting rooms",
        486 => "the meeting was full",
        503 => "the meeting rooms could not serve the call",
        _ => "the meeting rooms hung up",
    }
}

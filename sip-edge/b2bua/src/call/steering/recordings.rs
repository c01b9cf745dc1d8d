//! What the application has recorded: listeners of the call's audio beside those of the voice connector's
//! rule. Leg A alone is recorded as well.

use super::Call;
use crate::context::Context;
use model::{ApplicationNews, Instant, ListenFailure, MAX_ORDERED, OrderedRecording};

/// A recording that was ordered.
pub(in crate::call) struct Ordered {
    pub(in crate::call) recording: OrderedRecording,
    /// The application knows that it has begun.
    is_told: bool,
}

impl Call {
    /// Has what legs say recorded.
    pub(super) fn record_by_order(
        &mut self,
        context: &mut Context,
        recording: OrderedRecording,
    ) -> Result<(), &'static str> {
        let [a, b] = recording.legs;
        if !a && !b {
            return Err("nobody is to be recorded");
        }
        // Who is not there yet comes to it later, but somebody must be.
        self.is_there(if a { self.near() } else { self.far() })?;
        if self.listened.ordered.len() >= MAX_ORDERED {
            return Err("the call has two recordings already");
        }
        self.listened.ordered.push(Ordered { recording, is_told: false });
        self.review_listening(context);
        Ok(())
    }

    /// A recording ends, or has ended by itself.
    pub(super) fn stop_recording_by_order(&mut self, context: &mut Context, order: u32) {
        self.listened.ordered.retain(|of| of.recording.order != order);
        self.review_listening(context);
    }

    /// Whether leg A is recorded, or was until now, while it is alone with the application.
    pub(in crate::call) fn is_recorded_alone(&self) -> bool {
        self.is_alone()
            && self.legs[self.near().index()].dialog.is_some()
            && (!self.listened.ordered.is_empty() || self.has_told_of_recordings())
    }

    /// The relay hands the audio on.
    pub(in crate::call) fn ordered_recordings_begin(
        &mut self,
        context: &mut Context,
        now: Instant,
    ) {
        let fresh = self.listened.ordered.iter_mut().filter(|of| !of.is_told);
        let fresh: Vec<u32> = fresh
            .map(|of| {
                of.is_told = true;
                of.recording.order
            })
            .collect();
        for order in fresh {
            self.tell(context, now, ApplicationNews::Records { order });
        }
    }

    /// The relay does not. Of those that had begun the file ends, and tells so itself.
    pub(in crate::call) fn ordered_recordings_fail(
        &mut self,
        context: &mut Context,
        now: Instant,
        failure: ListenFailure,
    ) {
        for of in std::mem::take(&mut self.listened.ordered) {
            if !of.is_told {
                let (order, why) = (of.recording.order, format!("not recorded: {failure}"));
                self.tell(context, now, ApplicationNews::Refused { order, why });
            }
        }
    }
}

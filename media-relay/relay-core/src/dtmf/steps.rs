//! What happened to keys, until somebody takes it.

use model::{DtmfKey, DtmfPress};

/// Steps that wait for [`crate::RtpSession::poll_dtmf`], which is asked after each batch of packets. More
/// are counted and forgotten.
pub(super) const WAITING: usize = 32;

/// What happened to a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Pressed(DtmfKey),
    Released(DtmfPress),
    Converted,
    Lost,
}

/// Steps in their order; the newest are lost when there is no room.
#[derive(Debug, Default)]
pub(super) struct Steps {
    ring: [Option<Step>; WAITING],
    first: usize,
    len: usize,
    /// The key that is pressed was taken, so that its end counts too.
    pub(super) taken: bool,
    overflowed: bool,
}

impl Steps {
    /// Whether there is anything to take.
    pub(super) const fn has_any(&self) -> bool {
        self.len > 0 || self.overflowed
    }

    pub(super) fn push(&mut self, step: Step) {
        match self.ring.get_mut((self.first + self.len) % WAITING).filter(|_| self.len < WAITING) {
            Some(place) => {
                *place = Some(step);
                self.len += 1;
            }
            None => self.overflowed = true,
        }
    }

    pub(super) fn pop(&mut self) -> Option<Step> {
        if self.len == 0 {
            return std::mem::take(&mut self.overflowed).then_some(Step::Lost);
        }
        let step = self.ring.get_mut(self.first)?.take();
        (self.first, self.len) = ((self.first + 1) % WAITING, self.len - 1);
        step
    }
}

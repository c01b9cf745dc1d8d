//! The relay's part: ports of the copy's lines, and what the relay tells of them.

use super::{Call, CopyPhase, PATIENCE};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use model::{CopyFailure, Instant, IpFamily, LegSide, MediaCommand, MediaEvent, MediaLine};

impl Call {
    /// Asks the relay for ports of both lines.
    pub(super) fn allocate_copy(&mut self, context: &mut Context, now: Instant) {
        let Some(copying) = self.copying.as_deref_mut() else { return };
        let Some(target) = copying.targets.front() else { return };
        let families = [IpFamily::of(&target.address); 2];
        copying.machine.go(CopyPhase::Allocating);
        self.deadlines.set(Deadline::Copy, now + PATIENCE);
        for side in LegSide::BOTH {
            let id = self.next_media_id();
            if let Some(copying) = self.copying.as_deref_mut() {
                copying.lines.requested(side, id);
            }
            context.outputs.push_back(Output::Media(MediaCommand::Allocate {
                id,
                transaction_id: self.id,
                families,
                emergency: false,
                line: MediaLine::Copy { index: side.index() as u8 },
            }));
        }
    }

    /// Whether the relay's word was one on a line of the copy.
    pub(in crate::call) fn handle_copy_event(
        &mut self,
        context: &mut Context,
        now: Instant,
        event: &MediaEvent,
    ) -> bool {
        let id = event.id();
        let Some(copying) = self.copying.as_deref_mut().filter(|copying| copying.has_line(id))
        else {
            return false;
        };
        match event {
            MediaEvent::Allocated { local, .. } => {
                context.own_media.extend(local.iter().map(|media| media.rtp));
                if copying.lines.allocated(id, *local) && copying.phase() == CopyPhase::Allocating {
                    self.call_recorder(context, now);
                }
            }
            MediaEvent::AllocationFailed { .. } => {
                let had_ports = copying.lines.forget(context, id);
                let failure = if had_ports { CopyFailure::MediaLost } else { CopyFailure::NoPorts };
                self.copy_failed(context, now, failure, None);
            }
            MediaEvent::Lost { .. } => {
                copying.lines.forget(context, id);
                self.copy_failed(context, now, CopyFailure::MediaLost, None);
            }
            _ => {}
        }
        true
    }
}

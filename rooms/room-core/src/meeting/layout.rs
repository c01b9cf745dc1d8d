//! What people of a meeting see of each other.

use super::{By, Meeting, Refused};
use crate::output::{Order, Outputs};
use model::{PictureLayout, TransactionId};

impl Meeting {
    /// What somebody sees: what it has asked for, else the meeting's.
    pub(super) fn layout_of(&self, call: TransactionId) -> PictureLayout {
        let asked = self.people.get(&call).and_then(|member| member.layout);
        asked.unwrap_or(self.facts.settings.layout)
    }

    /// Somebody sees the others in another way: as it wants itself, or a moderator or the API wants it.
    pub(super) fn lay_out(
        &mut self,
        by: By,
        call: TransactionId,
        layout: PictureLayout,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if by != By::Call(call) {
            self.moderator(by)?;
        }
        let before = self.layout_of(call);
        let member = self.people.get_mut(&call).ok_or(Refused::NobodyThere)?;
        member.layout = Some(layout);
        if member.is_in() && before != layout {
            out.order(call, Order::LayOut(layout));
        }
        Ok(())
    }
}

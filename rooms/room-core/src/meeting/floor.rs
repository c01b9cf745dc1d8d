//! Who shows a screen or slides.

use super::{By, Meeting, Refused};
use crate::event::EventKind;
use crate::output::{Now, Output, Outputs};
use crate::settings::FloorPolicy;
use model::TransactionId;

impl Meeting {
    /// Who shows a screen.
    pub(crate) fn floor(&self) -> Option<TransactionId> {
        self.floor
    }

    /// Somebody asks for the floor, or is given it by a moderator or the API. A floor control server asks it
    /// for each request (RFC 8855 section 5.1), and a browser's page does: nobody else than who is
    /// granted it may show a screen.
    ///
    /// Where moderators are asked it is done without the floor; who asks has it with its
    /// [`Output::Floor`].
    pub(super) fn take_floor(
        &mut self,
        now: Now,
        by: By,
        call: TransactionId,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let leads = self.moderator(by);
        if by != By::Call(call) {
            leads?;
        }
        let member = self.people.get(&call).filter(|member| member.is_in());
        let member = member.ok_or(Refused::NobodyThere)?;
        if !member.capabilities.content.sends() {
            return Err(Refused::NotAllowed);
        }
        let person = member.person();
        match self.facts.settings.floor {
            FloorPolicy::Nobody => return Err(Refused::NotAllowed),
            FloorPolicy::Moderators => leads?,
            FloorPolicy::Asked if leads.is_err() && self.floor != Some(call) => {
                if self.floor_asked.insert(call) {
                    self.tell(now, EventKind::PresentingAsked(person), out);
                }
                return Ok(());
            }
            FloorPolicy::Asked | FloorPolicy::Everyone => {}
        }
        if self.floor == Some(call) {
            return Ok(());
        }
        if let Some(holder) = self.floor {
            self.forget_floor(now, holder, out);
        }
        self.floor_asked.remove(&call);
        self.floor = Some(call);
        out.queue.push_back(Output::Floor { meeting: self.facts.id, call, granted: true });
        self.tell(now, EventKind::PresentingStarted(person), out);
        Ok(())
    }

    /// Somebody gives the floor back, or asks no more; or a moderator or the API takes it away, or says no.
    pub(super) fn leave_floor(
        &mut self,
        now: Now,
        by: By,
        call: TransactionId,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if by != By::Call(call) {
            self.moderator(by)?;
        }
        self.forget_floor(now, call, out);
        Ok(())
    }

    /// Somebody has the floor no longer, and does not ask for it.
    pub(super) fn forget_floor(&mut self, now: Now, call: TransactionId, out: &mut Outputs) {
        let has_asked = self.floor_asked.remove(&call);
        let has = self.floor == Some(call);
        if has {
            self.floor = None;
        }
        if has || has_asked {
            let meeting = self.facts.id;
            out.queue.push_back(Output::Floor { meeting, call, granted: false });
        }
        if let Some(member) = self.people.get(&call).filter(|_| has) {
            let person = member.person();
            self.tell(now, EventKind::PresentingStopped(person), out);
        }
    }
}

//! CANCEL: sent when the INVITE has had a provisional response, and not before.

use std::sync::Arc;

use model::Instant;

use super::{CancelState, ClientMachine};
use crate::message::Method;
use crate::random::Random;
use crate::transaction::action::ClientAction;
use crate::transaction::slab::Handle;
use crate::transaction::timers::Timer;
use crate::transaction::{ClientKey, Gone, Transactions, build, invite_client};

impl Transactions {
    /// Cancels an INVITE (RFC 3261 section 9.1). The CANCEL waits for the first provisional
    /// response; when a final one comes first, nothing is sent. Cancelling twice changes nothing.
    ///
    /// When no final response follows within 64 × T1, the INVITE ends with
    /// [`TransactionEvent::ClientTimeout`](crate::TransactionEvent::ClientTimeout). `_random` goes
    /// unused: a CANCEL shares the INVITE's branch.
    ///
    /// # Errors
    /// [`Gone`] when the INVITE has its final response, has ended, or is no INVITE.
    pub fn cancel(
        &mut self,
        now: Instant,
        key: ClientKey,
        _random: &mut dyn Random,
    ) -> Result<(), Gone> {
        let transaction = self.clients.get_mut(key.0).ok_or(Gone)?;
        let ClientMachine::Invite(state) = transaction.machine else { return Err(Gone) };
        match state {
            invite_client::State::Calling => transaction.cancel = CancelState::Held,
            invite_client::State::Proceeding if transaction.cancel == CancelState::NotWanted => {
                self.send_cancel(now, key.0);
            }
            invite_client::State::Proceeding => {}
            invite_client::State::Completed
            | invite_client::State::Accepted
            | invite_client::State::Terminated => return Err(Gone),
        }
        Ok(())
    }

    pub(super) fn send_cancel(&mut self, now: Instant, handle: Handle) {
        let Some(transaction) = self.clients.get_mut(handle) else { return };
        transaction.cancel = CancelState::Sent;
        let (flow, invite) = (transaction.flow, transaction.payload.clone());
        let key = Arc::clone(&transaction.key);
        // The CANCEL shares the INVITE's branch. It may exceed the table's limit: there is at most
        // one per INVITE.
        let branch = key.split('\n').next().unwrap_or_default();
        let cancel = build::cancel(&invite);
        if self.start_client(now, flow, branch, Method::Cancel, cancel, true).is_ok() {
            self.client_action(now, handle, ClientAction::Start(Timer::Cancelled), None);
        }
    }
}

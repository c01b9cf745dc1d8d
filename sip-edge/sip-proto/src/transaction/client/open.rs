//! Requests of ours that are under way, as they were sent.

use super::ClientMachine;
use crate::transaction::{ClientKey, Transactions, invite_client};
use bytes::Bytes;
use model::Flow;

impl Transactions {
    /// An INVITE of ours that waits for its final response: where it went, and as it was sent. `None`
    /// for every other request.
    pub fn open_invite(&self, key: ClientKey) -> Option<(Flow, Bytes)> {
        let transaction = self.clients.get(key.0)?;
        let ClientMachine::Invite(state) = transaction.machine else { return None };
        let waits =
            matches!(state, invite_client::State::Calling | invite_client::State::Proceeding);
        waits.then(|| (transaction.flow, transaction.payload.clone()))
    }
}

//! INVITEs of ours that are under way, as they were sent; and those of a process before this one.

use bytes::Bytes;
use model::Flow;

use super::ClientMachine;
use crate::message::Method;
use crate::transaction::room::Precedence;
use crate::transaction::{ClientKey, Full, Transactions, invite_client};

/// An INVITE of ours that waits for its final response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenInvite {
    /// Where it went.
    pub flow: Flow,
    /// As it was sent.
    pub request: Bytes,
    /// A provisional response has come: it may be cancelled (RFC 3261 section 9.1).
    pub has_provisional: bool,
}

impl Transactions {
    /// An INVITE of ours that waits for its final response. `None` for every other request.
    pub fn open_invite(&self, key: ClientKey) -> Option<OpenInvite> {
        let has_provisional = self.waits_for_final(key)?;
        let transaction = self.clients.get(key.0)?;
        let (flow, request) = (transaction.flow, transaction.payload.clone());
        Some(OpenInvite { flow, request, has_provisional })
    }

    /// Of an INVITE of ours that waits for its final response whether a provisional one has come;
    /// `None` for every other request.
    pub fn waits_for_final(&self, key: ClientKey) -> Option<bool> {
        match self.clients.get(key.0)?.machine {
            ClientMachine::Invite(invite_client::State::Calling) => Some(false),
            ClientMachine::Invite(invite_client::State::Proceeding) => Some(true),
            ClientMachine::Invite(_) | ClientMachine::NonInvite(_) => None,
        }
    }

    /// Goes on with an INVITE that a process before this one sent, and that has had a provisional
    /// response: nothing is sent now. The peer ends it, or [`cancel`](Self::cancel).
    ///
    /// # Errors
    /// [`Full`] when the table is full or the branch is in use.
    pub fn resume_invite(
        &mut self,
        flow: Flow,
        branch: &str,
        invite: Bytes,
    ) -> Result<ClientKey, Full> {
        if self.clients.len() >= Precedence::Ordinary.client_limit(&self.config) {
            return Err(Full);
        }
        let machine = ClientMachine::Invite(invite_client::State::Proceeding);
        self.insert_client(flow, branch, Method::Invite, machine, invite, false).map(ClientKey)
    }
}

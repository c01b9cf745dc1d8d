//! INVITEs that a process before this one received, and requests that come again over another
//! connection.

use std::sync::Arc;

use model::Flow;

use super::Arrival;
use crate::message::{Message, Method};
use crate::stamp;
use crate::transaction::room::Place;
use crate::transaction::slab::Handle;
use crate::transaction::{Full, Owner, ServerKey, Transactions, key};

impl Transactions {
    /// Takes up the transaction of an INVITE that a process before this one received over `flow`,
    /// with the top Via that it stamped: it is to be answered with
    /// [`respond`](Self::respond), repeated until the ACK comes, and its copies are not new requests.
    /// A stream is gone with its process; the answer goes where the top Via says (RFC 3261 section
    /// 18.2.2), and over the connection that a copy comes over.
    ///
    /// # Errors
    /// [`Full`] when the table is full, the transaction is there, or `invite` is no INVITE with a Via.
    pub fn resume_request(
        &mut self,
        now: model::Instant,
        flow: Flow,
        invite: Message,
    ) -> Result<ServerKey, Full> {
        let Some(Method::Invite) = invite.method() else { return Err(Full) };
        let via = invite.top_via().map_err(|_| Full)?;
        key::server_key(&invite, &via, Method::Invite, &mut self.scratch);
        let is_known = self.servers_by_key.contains_key(self.scratch.as_str());
        if is_known || self.servers.len() >= self.config.max_transactions {
            return Err(Full);
        }
        let key: Arc<str> = Arc::from(self.scratch.as_str());
        let response_address = stamp::response_address(flow, &via);
        let arrival = Arrival { flow, response_address, place: Place::Table };
        key::origin_key(&invite, Method::Invite, &mut self.scratch);
        let origin = self.hash(&self.scratch);
        Ok(ServerKey(self.start_server(now, arrival, invite, key, Some(origin), false)))
    }

    /// A request that comes again over a connection, when that of the first copy is gone: its
    /// responses follow.
    pub(super) fn follow_repetition(&mut self, handle: Handle, flow: Flow) {
        let Some(transaction) = self.servers.get_mut(handle) else { return };
        let has_connection = transaction.flow.connection.is_some() && !transaction.disconnected;
        if flow.connection.is_none() || has_connection {
            return;
        }
        transaction.flow = flow;
        transaction.disconnected = false;
        self.track_connection(flow, Owner::Server(handle));
    }
}

//! Which INVITE an ACK or a CANCEL is about.

use super::{ServerMachine, invite_server};
use crate::head;
use crate::message::{Message, Method};
use crate::transaction::slab::Handle;
use crate::transaction::{Transactions, key};

impl Transactions {
    /// The INVITE that an ACK or a CANCEL means: by branch and sent-by, else (a NAT can change the
    /// sent-by between the two) by branch, Call-ID, CSeq number and From tag. An ACK with a branch
    /// of its own means an INVITE that was answered 2xx.
    pub(super) fn find_invite(&mut self, message: &Message) -> Option<Handle> {
        let via = message.top_via().ok()?;
        key::server_key(message, &via, Method::Invite, &mut self.scratch);
        if let Some(&handle) = self.servers_by_key.get(self.scratch.as_str()) {
            return Some(handle);
        }
        key::origin_key(message, Method::Invite, &mut self.scratch);
        let &handle = self.servers_by_origin.get(&self.hash(&self.scratch))?;
        let transaction = self.servers.get(handle)?;
        let same_branch = via.has_magic_cookie()
            && via.branch.is_some_and(|branch| key::has_branch(&transaction.key, branch));
        let acknowledged = message.method() == Some(Method::Ack)
            && transaction.machine == ServerMachine::Invite(invite_server::State::Accepted);
        (same_branch || acknowledged).then_some(handle)
    }

    /// RFC 3261 section 17.2.3: without the magic cookie, an ACK must carry the To tag of our
    /// response.
    pub(super) fn ack_fits(&self, handle: Handle, ack: &Message) -> bool {
        let Some(transaction) = self.servers.get(handle) else { return false };
        if !key::is_rfc_2543(&transaction.key) {
            return true;
        }
        let ours = transaction.last_response.as_deref().and_then(head::to_tag);
        let theirs = ack.to().ok().and_then(|to| to.tag()).map(str::as_bytes);
        ours.is_none() || ours == theirs
    }
}

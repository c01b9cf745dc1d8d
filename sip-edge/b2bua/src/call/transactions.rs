//! The transactions that a call waits for: what each of our requests was for, and how they change
//! calls together with their leg.

use super::Call;
use crate::context::Context;
use model::{HealthCause, LegSide};
use sip_proto::{ClientKey, ServerKey};

/// Which request of ours a response belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientPurpose {
    /// The INVITE to leg B, of the given attempt.
    Setup { attempt: u32 },
    /// A re-INVITE forwarded to a leg.
    Renegotiation(LegSide),
    /// The acknowledgement of leg B's reliable provisional response.
    Prack,
    /// The re-INVITE that tells leg A the description of the fork that answered.
    Realign,
    /// The offer that tells a leg whether it is recorded.
    Indicate(LegSide),
    /// A session refresh on a leg.
    Refresh(LegSide),
    /// An INFO or MESSAGE forwarded to a leg; the key is the asking leg's transaction.
    Info { to: LegSide, server: ServerKey },
    /// A key told to a leg by INFO.
    Key(LegSide),
    /// A request for a key frame, to a leg.
    Picture(LegSide),
    /// A BYE on a leg.
    Bye(LegSide),
    /// A REFER or NOTIFY forwarded to a leg; the key is the asking leg's transaction.
    Pass { to: LegSide, server: ServerKey },
    /// A NOTIFY of ours about a transfer, to the leg that asked for it.
    Notify(LegSide),
    /// A re-INVITE of ours that brings a leg together with its new far end.
    Join(LegSide),
    /// One to the recorder that gets the call's copy.
    Copy(CopyRequest),
}

/// What a recorder was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CopyRequest {
    /// To take a copy: an INVITE.
    Take,
    /// To go on: a session refresh.
    Refresh,
    /// To end: a BYE.
    End,
}

/// How one of our requests failed without a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoResponse {
    /// Timer B or F.
    Timeout,
    /// The transport could not reach the peer.
    Unreachable,
}

impl NoResponse {
    /// The status that it counts as.
    pub(crate) const fn status(self) -> u16 {
        match self {
            NoResponse::Timeout => 408,
            NoResponse::Unreachable => 503,
        }
    }

    /// What it says of the peer.
    pub(crate) const fn cause(self) -> HealthCause {
        match self {
            NoResponse::Timeout => HealthCause::Timeout,
            NoResponse::Unreachable => HealthCause::Unreachable,
        }
    }
}

/// A transaction that the call waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OpenTransaction {
    /// A request of ours without a final response.
    Client(ClientKey),
    /// An INVITE of ours with its 2xx, which may come again.
    Answered(ClientKey),
    /// A peer's INVITE.
    Invite(ServerKey),
}

impl Call {
    /// Waits for the outcome of one of our requests.
    pub(super) fn open_client(
        &mut self,
        context: &mut Context,
        client: ClientKey,
        purpose: ClientPurpose,
    ) {
        context.clients.insert(client, (self.key, purpose));
        self.open.push(OpenTransaction::Client(client));
    }

    /// Waits for the end of a peer's INVITE, to hear of its CANCEL.
    pub(super) fn open_invite(&mut self, context: &mut Context, server: ServerKey, from: LegSide) {
        if server == ServerKey::NONE {
            return;
        }
        context.invites.insert(server, (self.key, from));
        self.open.push(OpenTransaction::Invite(server));
    }

    /// One of our requests is over.
    pub(crate) fn close_client(&mut self, context: &mut Context, client: ClientKey) {
        context.clients.remove(&client);
        self.open.retain(|open| {
            !matches!(open, OpenTransaction::Client(c) | OpenTransaction::Answered(c) if *c == client)
        });
    }

    /// One of our INVITEs has its 2xx. Copies may come for 64 × T1, but a call that ends does not
    /// wait for them: it would fill the table long after its BYE. Once it is gone,
    /// [`Context::hang_up_late_answer`] deals with the rare one. (An answer that came after the end
    /// is waited for, because there copies are likely.)
    pub(super) fn answered_client(&mut self, client: ClientKey) {
        for open in &mut self.open {
            if *open == OpenTransaction::Client(client) {
                *open = OpenTransaction::Answered(client);
            }
        }
    }

    /// A peer's INVITE is over.
    pub(crate) fn close_invite(&mut self, context: &mut Context, server: ServerKey) {
        context.invites.remove(&server);
        self.open.retain(|open| *open != OpenTransaction::Invite(server));
    }
}

/// Responses that are still to come concern the leg, wherever it is.
pub(super) fn exchange_transactions(
    context: &mut Context,
    one: &mut Call,
    near: LegSide,
    other: &mut Call,
    leg: LegSide,
) {
    let leaving = one.take_transactions(context, near);
    let coming = other.take_transactions(context, leg);
    one.put_transactions(context, near, coming);
    other.put_transactions(context, leg, leaving);
}

impl Call {
    fn take_transactions(&mut self, context: &Context, side: LegSide) -> Vec<OpenTransaction> {
        let of_leg = |open: &mut OpenTransaction| match open {
            OpenTransaction::Client(client) | OpenTransaction::Answered(client) => {
                context.clients.get(client).is_some_and(|(_, purpose)| purpose.leg() == Some(side))
            }
            OpenTransaction::Invite(server) => {
                context.invites.get(server).is_some_and(|(_, from)| *from == side)
            }
        };
        self.open.extract_if(.., of_leg).collect()
    }

    fn put_transactions(
        &mut self,
        context: &mut Context,
        side: LegSide,
        transactions: Vec<OpenTransaction>,
    ) {
        for open in &transactions {
            match open {
                OpenTransaction::Client(client) | OpenTransaction::Answered(client) => {
                    if let Some((key, purpose)) = context.clients.get_mut(client) {
                        *key = self.key;
                        *purpose = purpose.on(side);
                    }
                }
                OpenTransaction::Invite(server) => {
                    context.invites.insert(*server, (self.key, side));
                }
            }
        }
        self.open.extend(transactions);
    }
}

impl ClientPurpose {
    /// The leg that the request went to.
    pub(super) fn leg(self) -> Option<LegSide> {
        match self {
            ClientPurpose::Setup { .. } | ClientPurpose::Prack => Some(LegSide::B),
            ClientPurpose::Realign => Some(LegSide::A),
            ClientPurpose::Renegotiation(leg)
            | ClientPurpose::Indicate(leg)
            | ClientPurpose::Refresh(leg)
            | ClientPurpose::Bye(leg)
            | ClientPurpose::Notify(leg)
            | ClientPurpose::Key(leg)
            | ClientPurpose::Picture(leg)
            | ClientPurpose::Join(leg) => Some(leg),
            ClientPurpose::Info { to, .. } | ClientPurpose::Pass { to, .. } => Some(to),
            // Its leg never leaves the call.
            ClientPurpose::Copy(_) => None,
        }
    }

    /// The same of a leg that has moved. An INVITE has its answer by then, and only copies of that
    /// may come.
    fn on(self, leg: LegSide) -> Self {
        match self {
            ClientPurpose::Setup { .. }
            | ClientPurpose::Renegotiation(_)
            | ClientPurpose::Realign
            | ClientPurpose::Indicate(_)
            | ClientPurpose::Join(_) => ClientPurpose::Join(leg),
            ClientPurpose::Prack => ClientPurpose::Prack,
            ClientPurpose::Refresh(_) => ClientPurpose::Refresh(leg),
            ClientPurpose::Bye(_) => ClientPurpose::Bye(leg),
            ClientPurpose::Notify(_) => ClientPurpose::Notify(leg),
            ClientPurpose::Key(_) => ClientPurpose::Key(leg),
            ClientPurpose::Picture(_) => ClientPurpose::Picture(leg),
            ClientPurpose::Info { server, .. } => ClientPurpose::Info { to: leg, server },
            ClientPurpose::Pass { server, .. } => ClientPurpose::Pass { to: leg, server },
            ClientPurpose::Copy(request) => ClientPurpose::Copy(request),
        }
    }
}

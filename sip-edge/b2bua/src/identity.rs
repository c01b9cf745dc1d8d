//! Whom our TLS connections must lead to, by short names that fit into a flow.

use crate::context::Context;
use crate::edge::Output;
use directory::{Host, TlsPolicy};
use model::{Flow, PeerIdentity};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

/// Identities that a worker keeps. They come from the configuration, and from names that peers were
/// told to be asked under; a route to one more counts as unreachable.
const IDENTITIES_MAX: usize = 65_536;

/// Whom a TLS connection must lead to: a name, and who may vouch for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExpectedPeer {
    /// The configured host name, or the domain of the URI that was resolved (RFC 5922 section 4);
    /// never the address or the SRV target that it led to. An address only when no name was there.
    pub name: Host,
    /// How the connection is made.
    pub policy: Arc<TlsPolicy>,
}

/// The identities that were ever asked for.
#[derive(Default)]
pub(crate) struct Identities {
    known: HashMap<ExpectedPeer, PeerIdentity>,
    /// The same in the order of their numbers, from 1.
    in_order: Vec<ExpectedPeer>,
    /// Those to which we show a certificate.
    shown_ours: HashSet<PeerIdentity>,
}

impl Identities {
    /// What the Via of a request over `flow` says besides: the offer of its connection for the peer's
    /// own requests (RFC 5923 section 5), where the peer sees our certificate and so knows that the
    /// connection leads to us.
    pub(crate) fn alias(&self, flow: &Flow) -> &'static str {
        let offers = flow.identity.is_some_and(|identity| self.shown_ours.contains(&identity));
        if offers { ";alias" } else { "" }
    }

    /// Whom a short name stands for.
    pub(crate) fn expected(&self, identity: PeerIdentity) -> Option<&ExpectedPeer> {
        self.in_order.get(usize::try_from(identity.0.get()).ok()?.checked_sub(1)?)
    }
}

impl Context {
    /// The short name of `name` under `policy`; the transport is told before it can be used.
    /// `None` when too many are known.
    pub(crate) fn identity_of(
        &mut self,
        name: &Host,
        policy: &Arc<TlsPolicy>,
    ) -> Option<PeerIdentity> {
        let expected = ExpectedPeer { name: name.clone(), policy: Arc::clone(policy) };
        if let Some(&identity) = self.identities.known.get(&expected) {
            return Some(identity);
        }
        if self.identities.known.len() >= IDENTITIES_MAX {
            return None;
        }
        let number = u32::try_from(self.identities.known.len()).ok()?.checked_add(1)?;
        let identity = PeerIdentity(NonZeroU32::new(number)?);
        self.identities.known.insert(expected.clone(), identity);
        self.identities.in_order.push(expected.clone());
        if policy.certificate.is_some() {
            self.identities.shown_ours.insert(identity);
        }
        self.outputs.push_back(Output::Identity { identity, expected });
        Some(identity)
    }
}

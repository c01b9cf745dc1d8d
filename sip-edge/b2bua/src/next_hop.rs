//! The next hop of a dialog's requests where the route set or the peer's Contact names a host
//! (RFC 3261 section 8.1.2, RFC 3263 section 4): asked for when it becomes known, so that the
//! address is there when a request is.

use crate::context::CallKey;
use crate::edge::ResolveId;
use model::{Instant, TransportProtocol};
use sip_proto::locate::{Target, Wanted};
use sip_proto::{Dialog, Host, NameAddr, Scheme, Uri};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

/// What a leg knows of the address of its next hop. Until it knows one, and when there is none,
/// requests go to where the dialog's messages come from.
#[derive(Debug, Default)]
pub(crate) struct NextHop {
    /// Tells the present next hop from an earlier one.
    seen: Option<u64>,
    asked: Option<ResolveId>,
    /// Its servers, the one that is used at the front. One that fails is taken out if others are
    /// left, until the name is asked for again.
    targets: VecDeque<Target>,
}

impl NextHop {
    /// What is to be asked for, when the dialog's next hop is a name that has changed, or whose
    /// address has grown stale.
    pub(crate) fn question(
        &mut self,
        now: Instant,
        owner: CallKey,
        dialog: &Dialog,
        protocol: TransportProtocol,
    ) -> Option<Wanted> {
        if protocol.is_web_socket() {
            // Its Contact is a name that nobody has (RFC 7118 section 5: `.invalid`).
            return None;
        }
        if self.asked.is_some_and(|id| CallKey::of_resolve(id) != owner) {
            // The leg has been transferred; the answer goes to the call that it left.
            *self = NextHop::default();
        }
        let text = match dialog.route_set().first() {
            Some(route) => route,
            None => dialog.remote_target(),
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let seen = hasher.finish();
        let fresh = |target: &Target| target.until.is_none_or(|until| until > now);
        if self.seen == Some(seen) && self.targets.front().is_none_or(fresh) {
            return None;
        }
        if self.seen != Some(seen) {
            *self = NextHop { seen: Some(seen), ..NextHop::default() };
        } else if self.asked.is_some() {
            return None;
        }
        let uri = NameAddr::parse(text).map_or(text, |route| route.uri_text);
        let uri = Uri::parse(uri).ok()?;
        let Host::Name(name) = uri.host else { return None };
        Some(Wanted {
            host: name.into(),
            port: uri.port,
            // The dialog stays on the transport that it has.
            transport: Some(protocol),
            secure: uri.scheme == Scheme::Sips,
        })
    }

    pub(crate) fn asked(&mut self, id: ResolveId) {
        self.asked = Some(id);
    }

    /// Takes the resolver's answer; `false` when the question was another's. A name that is not
    /// found any more keeps its last address.
    pub(crate) fn resolved(&mut self, id: ResolveId, targets: &[Target]) -> bool {
        if self.asked != Some(id) {
            return false;
        }
        self.asked = None;
        if targets.is_empty() {
            // Asked again when the next hop changes, not with every message.
            if let Some(target) = self.targets.front_mut() {
                target.until = None;
            }
        } else {
            self.targets = targets.iter().cloned().collect();
        }
        true
    }

    /// Goes on to the next server if `failed` is the present one; `false` when there is no other.
    pub(crate) fn give_up(&mut self, failed: SocketAddr) -> bool {
        let present = self.address() == Some(failed) && self.targets.len() > 1;
        if present {
            self.targets.pop_front();
        }
        present
    }

    /// The address, if the name has been resolved.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.targets.front().map(|target| target.address)
    }
}

//! Ways to customers' systems that are kept open: behind a NAT or a firewall a way over UDP is
//! forgotten when nothing passes for some seconds.
//!
//! The systems get OPTIONS. A bare CRLF would come in only, and what comes in need not refresh a
//! NAT's entry (RFC 4787 section 6, REQ-6): the response is what goes out.

use super::{Binding, Registrar};
use crate::context::Context;
use crate::leg::{contact_of, via};
use model::{Instant, VoiceConnectorId};
use sip_proto::{Composer, HeaderName, Method, push_address};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// When each binding over UDP is to be asked next; as many entries as there are such bindings.
#[derive(Default)]
pub(super) struct KeepAlives {
    /// `None` keeps nothing open.
    pub(super) interval: Option<Duration>,
    due: BTreeMap<(Instant, u64), VoiceConnectorId>,
    at: HashMap<u64, Instant>,
}

impl KeepAlives {
    /// The way to a binding was used at `now`. Those of an earlier run are asked soon, one after the
    /// other, because nothing may have passed for long.
    pub(super) fn add(&mut self, now: Option<Instant>, serial: u64, connector: &VoiceConnectorId) {
        let Some(interval) = self.interval else { return };
        let at = match now {
            Some(now) => now + interval,
            None => Instant::ZERO + interval / SPREAD * ((serial % u64::from(SPREAD)) as u32),
        };
        self.remove(serial);
        self.at.insert(serial, at);
        self.due.insert((at, serial), connector.clone());
    }

    pub(super) fn remove(&mut self, serial: u64) {
        if let Some(at) = self.at.remove(&serial) {
            self.due.remove(&(at, serial));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes one that is due, and plans its next time.
    fn pop(&mut self, now: Instant) -> Option<(u64, VoiceConnectorId)> {
        let ((at, serial), connector) = self.due.first_key_value()?;
        if *at > now {
            return None;
        }
        let (serial, connector) = (*serial, connector.clone());
        self.add(Some(now), serial, &connector);
        Some((serial, connector))
    }
}

/// Into how many moments of an interval the bindings of an earlier run are spread.
const SPREAD: u32 = 64;

impl Registrar {
    /// The next binding whose way is to be used now.
    pub(super) fn pop_keep_alive(&mut self, now: Instant) -> Option<Arc<Binding>> {
        let (serial, connector) = self.keep_alives.pop(now)?;
        let found = self.bindings.get(&connector)?.iter().find(|binding| binding.serial == serial);
        found.cloned()
    }
}

impl Context {
    /// Forgets bindings that have ended, and keeps the ways to the others open.
    pub(crate) fn run_registrar(&mut self, now: Instant) {
        self.registrar.handle_timeout(now);
        while let Some(binding) = self.registrar.pop_keep_alive(now) {
            self.use_way_to(now, &binding);
        }
    }

    /// OPTIONS to a registered Contact. Whatever comes of it, the way was used: no outcome is
    /// waited for.
    fn use_way_to(&mut self, now: Instant, binding: &Binding) {
        let listener = self.listener_of(&binding.flow);
        let mut ours = String::new();
        push_address(&mut ours, listener.advertised);
        let [call_id, tag] = [self.new_token(), self.new_token()];
        let branch = self.new_branch();
        let mut composer = Composer::request("OPTIONS", &binding.uri);
        via(&mut composer, &listener, &branch, self.identities.alias(&binding.flow));
        for hop in &binding.path {
            composer.header(HeaderName::Route, hop);
        }
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &["<sip:tandem@", &ours, ">;tag=", &tag])
            .header_pieces(HeaderName::To, &["<", &binding.uri, ">"])
            .header(HeaderName::CallId, &call_id)
            .cseq(1, Method::Options)
            .header(HeaderName::Contact, contact_of(&listener, false))
            .header(HeaderName::UserAgent, &self.config.product);
        let bytes = composer.finish();
        if self.send(now, binding.flow, &branch, Method::Options, bytes).is_some() {
            self.statistics.keep_alives += 1;
        }
    }
}

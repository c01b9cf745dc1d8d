//! The bindings of customers' systems whose addresses change (RFC 3261 section 10.3).
//!
//! A voice connector has the Contacts that its systems registered with its credentials; none of them
//! outlives its time or its connection. While one is held, the address that it was registered from
//! may call as the voice connector. Pure.

mod keep_alive;
mod saved;

#[cfg(test)]
mod tests;

pub use saved::SavedBinding;

use crate::preference::{HIGHEST, preference};
use directory::{RegistrationPolicy, Snapshot};
use keep_alive::KeepAlives;
use model::{ConnectionId, Flow, Instant, TransportProtocol, VoiceConnectorId};
use sip_proto::{HeaderName, Message, NameAddr, Uri};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One registered Contact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Binding {
    /// Its URI, as registered.
    pub(crate) uri: Box<str>,
    /// Route of requests to it (RFC 3327).
    pub(crate) path: Vec<Box<str>>,
    /// The way that the registration came, and that calls go back (RFC 3581, RFC 5626).
    pub(crate) flow: Flow,
    /// Its q value in thousandths: the higher, the sooner it is called.
    q: u16,
    call_id: Box<str>,
    cseq: u32,
    until: Instant,
    serial: u64,
}

/// Why a REGISTER is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RegisterFault {
    /// A Contact or an expiry that cannot be read.
    Malformed,
    /// Shorter than allowed: 423.
    TooBrief { min_seconds: u32 },
    /// The voice connector has all the bindings that it may have.
    TooMany,
    /// Older than what is bound (RFC 3261 section 10.3 step 7).
    OutOfOrder,
}

impl RegisterFault {
    pub(crate) const fn status(self) -> u16 {
        match self {
            RegisterFault::Malformed => 400,
            RegisterFault::TooBrief { .. } => 423,
            RegisterFault::TooMany => 403,
            RegisterFault::OutOfOrder => 500,
        }
    }
}

/// The bindings of all voice connectors. Each has at most `max_bindings`; a further one is refused.
#[derive(Default)]
pub(crate) struct Registrar {
    bindings: HashMap<VoiceConnectorId, Vec<Arc<Binding>>>,
    /// An entry for each binding.
    sources: HashMap<IpAddr, Vec<VoiceConnectorId>>,
    ends: BTreeMap<(Instant, u64), VoiceConnectorId>,
    keep_alives: KeepAlives,
    next_serial: u64,
    /// Grows with every change.
    revision: u64,
}

/// What one Contact of a REGISTER asks for.
struct Asked<'a> {
    uri: &'a str,
    q: u16,
    seconds: u32,
}

impl Registrar {
    /// Carries out a REGISTER whose sender has proved who it is; all of it, or nothing.
    ///
    /// # Errors
    /// Why it is refused.
    pub(crate) fn register(
        &mut self,
        now: Instant,
        connector: &VoiceConnectorId,
        policy: &RegistrationPolicy,
        request: &Message,
        flow: Flow,
    ) -> Result<(), RegisterFault> {
        let call_id = request.call_id().map_err(|_| RegisterFault::Malformed)?;
        let cseq = request.cseq().map_err(|_| RegisterFault::Malformed)?.number;
        let asked = asked(request, policy)?;
        let known = self.bindings.get(connector).map_or(&[][..], Vec::as_slice);
        let is_same = |binding: &Binding, uri: &str| same_uri(&binding.uri, uri);
        let Some(asked) = asked else {
            // `*`: everything of this voice connector goes.
            if known.iter().any(|b| &*b.call_id == call_id && b.cseq >= cseq) {
                return Err(RegisterFault::OutOfOrder);
            }
            self.forget(connector, |_| true);
            return Ok(());
        };
        let mut more = 0;
        for contact in &asked {
            match known.iter().find(|binding| is_same(binding, contact.uri)) {
                Some(old) if &*old.call_id == call_id && old.cseq >= cseq => {
                    return Err(RegisterFault::OutOfOrder);
                }
                Some(_) => {}
                None => more += usize::from(contact.seconds > 0),
            }
        }
        if more > 0 && known.len() + more > policy.max_bindings {
            return Err(RegisterFault::TooMany);
        }
        let path: Vec<Box<str>> = request.values(HeaderName::Path).map(Into::into).collect();
        for contact in asked {
            self.forget(connector, |binding| is_same(binding, contact.uri));
            if contact.seconds > 0 {
                self.next_serial += 1;
                self.bind(
                    Some(now),
                    connector,
                    Binding {
                        uri: contact.uri.into(),
                        path: path.clone(),
                        flow,
                        q: contact.q,
                        call_id: call_id.into(),
                        cseq,
                        until: now + Duration::from_secs(contact.seconds.into()),
                        serial: self.next_serial,
                    },
                );
            }
        }
        Ok(())
    }

    /// The bindings of a voice connector in the order in which they are called: the preferred ones
    /// first (RFC 3261 section 16.6), of equal ones the newest.
    pub(crate) fn bindings(&self, connector: &VoiceConnectorId) -> Vec<Arc<Binding>> {
        let mut bindings = self.bindings.get(connector).cloned().unwrap_or_default();
        bindings.sort_unstable_by_key(|binding| std::cmp::Reverse((binding.q, binding.serial)));
        bindings
    }

    /// The voice connectors that have a binding from `source`; one may come more than once.
    pub(crate) fn connectors_at(&self, source: IpAddr) -> &[VoiceConnectorId] {
        self.sources.get(&source.to_canonical()).map_or(&[], Vec::as_slice)
    }

    /// Whether anybody is registered from `source`.
    pub(crate) fn knows(&self, source: IpAddr) -> bool {
        !self.sources.is_empty() && self.sources.contains_key(&source.to_canonical())
    }

    /// Bindings now.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// When the next binding ends, or is to be kept reachable.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let end = self.ends.keys().next().map(|(at, _)| *at);
        end.into_iter().chain(self.keep_alives.poll_timeout()).min()
    }

    /// Forgets what has ended.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some(((at, serial), connector)) = self.ends.first_key_value()
            && *at <= now
        {
            let (serial, connector) = (*serial, connector.clone());
            self.forget(&connector, |binding| binding.serial == serial);
        }
    }

    /// A connection closed: what was registered over it cannot be reached any more.
    pub(crate) fn handle_connection_closed(&mut self, connection: ConnectionId) {
        self.forget_everywhere(|binding| binding.flow.connection == Some(connection));
    }

    /// Forgets the bindings of voice connectors that take none any more.
    pub(crate) fn follow(&mut self, directory: &Snapshot) {
        let gone: Vec<VoiceConnectorId> = self
            .bindings
            .keys()
            .filter(|id| directory.voice_connector(id).is_none_or(|c| c.registration.is_none()))
            .cloned()
            .collect();
        for id in gone {
            self.forget(&id, |_| true);
        }
    }

    /// `now` is when its way was last used; `None` for one of an earlier run.
    fn bind(&mut self, now: Option<Instant>, connector: &VoiceConnectorId, binding: Binding) {
        self.revision += 1;
        if binding.flow.protocol == TransportProtocol::Udp {
            self.keep_alives.add(now, binding.serial, connector);
        }
        self.ends.insert((binding.until, binding.serial), connector.clone());
        let source = binding.flow.remote.ip().to_canonical();
        self.sources.entry(source).or_default().push(connector.clone());
        self.bindings.entry(connector.clone()).or_default().push(Arc::new(binding));
    }

    fn forget_everywhere(&mut self, is_gone: impl Fn(&Binding) -> bool) {
        let concerned: Vec<VoiceConnectorId> = self
            .bindings
            .iter()
            .filter(|(_, bindings)| bindings.iter().any(|binding| is_gone(binding)))
            .map(|(id, _)| id.clone())
            .collect();
        for id in concerned {
            self.forget(&id, &is_gone);
        }
    }

    fn forget(&mut self, connector: &VoiceConnectorId, is_gone: impl Fn(&Binding) -> bool) {
        let Some(bindings) = self.bindings.get_mut(connector) else { return };
        for gone in bindings.extract_if(.., |binding| is_gone(binding)) {
            self.revision += 1;
            self.keep_alives.remove(gone.serial);
            self.ends.remove(&(gone.until, gone.serial));
            let source = gone.flow.remote.ip().to_canonical();
            if let Some(connectors) = self.sources.get_mut(&source) {
                if let Some(at) = connectors.iter().position(|id| id == connector) {
                    connectors.swap_remove(at);
                }
                if connectors.is_empty() {
                    self.sources.remove(&source);
                }
            }
        }
        if bindings.is_empty() {
            self.bindings.remove(connector);
        }
    }
}

impl Binding {
    /// Seconds that are left of it, at least 1.
    pub(crate) fn seconds_left(&self, now: Instant) -> u64 {
        self.until.saturating_since(now).as_secs().max(1)
    }

    /// The q value as it was registered; `None` for the highest, which needs no saying.
    pub(crate) fn preference(&self) -> Option<String> {
        (self.q < HIGHEST).then(|| format!("0.{:03}", self.q))
    }
}

/// The Contacts and their times, capped; `None` for `*`.
fn asked<'a>(
    request: &'a Message,
    policy: &RegistrationPolicy,
) -> Result<Option<Vec<Asked<'a>>>, RegisterFault> {
    let seconds = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    let (min_seconds, most) = (seconds(policy.min_expires), seconds(policy.max_expires));
    let of_header = request.expires().map_err(|_| RegisterFault::Malformed)?;
    let contacts: Result<Vec<NameAddr<'a>>, _> = request.addresses(HeaderName::Contact).collect();
    let contacts = contacts.map_err(|_| RegisterFault::Malformed)?;
    if contacts.iter().any(|contact| contact.uri_text == "*") {
        let alone = contacts.len() == 1 && of_header == Some(0);
        return if alone { Ok(None) } else { Err(RegisterFault::Malformed) };
    }
    let mut asked: Vec<Asked<'a>> = Vec::with_capacity(contacts.len().min(MOST_CONTACTS));
    for contact in contacts.iter().take(MOST_CONTACTS) {
        let of_contact = match contact.params.get("expires").flatten() {
            Some(text) => Some(text.parse().map_err(|_| RegisterFault::Malformed)?),
            None => None,
        };
        let wanted: u32 = of_contact.or(of_header).unwrap_or(most);
        if wanted > 0 && wanted < min_seconds {
            return Err(RegisterFault::TooBrief { min_seconds });
        }
        let is_sip = Uri::parse(contact.uri_text).is_ok_and(|uri| {
            matches!(uri.scheme, sip_proto::Scheme::Sip | sip_proto::Scheme::Sips)
        });
        if !is_sip {
            return Err(RegisterFault::Malformed);
        }
        if !asked.iter().any(|known| same_uri(known.uri, contact.uri_text)) {
            let q = preference(contact.params.get("q"));
            asked.push(Asked { uri: contact.uri_text, q, seconds: wanted.min(most) });
        }
    }
    Ok(Some(asked))
}

/// Contacts of one REGISTER that are looked at.
const MOST_CONTACTS: usize = 32;

fn same_uri(one: &str, two: &str) -> bool {
    one == two
        || matches!((Uri::parse(one), Uri::parse(two)), (Ok(one), Ok(two)) if one.equivalent(&two))
}

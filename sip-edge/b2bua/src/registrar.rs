//! The bindings of customers' systems whose addresses change (RFC 3261 section 10.3).
//!
//! A voice connector has the Contacts that its systems registered with its credentials; none of them
//! outlives its time, its connection or a restart of the node. While one is held, the address that
//! it was registered from may call as the voice connector. Pure.

use directory::{RegistrationPolicy, Snapshot};
use model::{ConnectionId, Flow, Instant, VoiceConnectorId};
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
    next_serial: u64,
}

/// What one Contact of a REGISTER asks for.
struct Asked<'a> {
    uri: &'a str,
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
                    connector,
                    Binding {
                        uri: contact.uri.into(),
                        path: path.clone(),
                        flow,
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

    /// The bindings of a voice connector, the newest first.
    pub(crate) fn bindings(&self, connector: &VoiceConnectorId) -> Vec<Arc<Binding>> {
        let mut bindings = self.bindings.get(connector).cloned().unwrap_or_default();
        bindings.sort_unstable_by_key(|binding| std::cmp::Reverse(binding.serial));
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

    /// When the next binding ends.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ends.keys().next().map(|(at, _)| *at)
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

    fn bind(&mut self, connector: &VoiceConnectorId, binding: Binding) {
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
            asked.push(Asked { uri: contact.uri_text, seconds: wanted.min(most) });
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::TransportProtocol;
    use sip_proto::Limits;

    const POLICY: RegistrationPolicy = RegistrationPolicy {
        min_expires: Duration::from_secs(60),
        max_expires: Duration::from_secs(600),
        max_bindings: 2,
    };

    struct Desk {
        registrar: Registrar,
        id: VoiceConnectorId,
        cseq: u32,
    }

    impl Desk {
        fn new() -> Self {
            let id = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
            Desk { registrar: Registrar::default(), id, cseq: 0 }
        }

        fn send(&mut self, at: u64, headers: &str) -> Result<(), RegisterFault> {
            self.cseq += 1;
            let text = format!(
                "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb\r\nFrom: <sip:a@h>;tag=1\r\n\
                 To: <sip:a@h>\r\nCall-ID: c\r\nCSeq: {} REGISTER\r\n{headers}Content-Length: 0\r\n\r\n",
                self.cseq
            );
            let request = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
            let (now, flow) = (Instant::from_millis(at * 1_000), flow(None));
            self.registrar.register(now, &self.id, &POLICY, &request, flow)
        }

        fn held(&self, at: u64) -> Vec<(String, u64)> {
            let now = Instant::from_millis(at * 1_000);
            let bindings = self.registrar.bindings(&self.id);
            bindings.iter().map(|b| (b.uri.to_string(), b.seconds_left(now))).collect()
        }
    }

    fn flow(connection: Option<u64>) -> Flow {
        let at = |text: &str| text.parse().unwrap();
        Flow {
            connection: connection.map(ConnectionId),
            ..Flow::new(TransportProtocol::Udp, at("203.0.113.1:5060"), at("192.0.2.9:41000"))
        }
    }

    #[test]
    fn a_contact_is_bound_for_its_time_and_its_source_with_it() {
        let mut desk = Desk::new();
        let source: IpAddr = "192.0.2.9".parse().unwrap();
        assert_eq!(desk.send(0, "Contact: <sip:pbx@10.0.0.1:5060>;expires=120\r\n"), Ok(()));
        assert_eq!(desk.held(0), [("sip:pbx@10.0.0.1:5060".to_owned(), 120)]);
        assert_eq!(desk.registrar.connectors_at(source), [desk.id.clone()]);
        assert_eq!(desk.send(100, "Expires: 300\r\nContact: <sip:pbx@10.0.0.1:5060>\r\n"), Ok(()));
        assert_eq!(desk.registrar.len(), 1, "a refresh is no other binding");
        desk.registrar.handle_timeout(Instant::from_millis(399_999));
        assert_eq!(desk.registrar.len(), 1);
        assert_eq!(desk.registrar.poll_timeout(), Some(Instant::from_millis(400_000)));
        desk.registrar.handle_timeout(Instant::from_millis(400_000));
        assert_eq!((desk.registrar.len(), desk.registrar.knows(source)), (0, false));
        assert!(desk.registrar.bindings.is_empty() && desk.registrar.poll_timeout().is_none());
    }

    #[test]
    fn times_have_bounds() {
        let mut desk = Desk::new();
        let brief = desk.send(0, "Contact: <sip:a@h>;expires=59\r\n");
        assert_eq!(brief, Err(RegisterFault::TooBrief { min_seconds: 60 }));
        assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=99999\r\n"), Ok(()));
        assert_eq!(desk.held(0)[0].1, 600);
        assert_eq!(desk.send(0, "Contact: <sip:b@h>\r\n"), Ok(()));
        assert_eq!(desk.held(0)[0].1, 600, "without a wish, the longest");
        let wrong = desk.send(0, "Contact: <sip:a@h>;expires=soon\r\n");
        assert_eq!(wrong, Err(RegisterFault::Malformed));
    }

    #[test]
    fn bindings_are_bounded_and_removed_one_by_one_or_all() {
        let mut desk = Desk::new();
        for user in ["a", "b"] {
            assert_eq!(desk.send(0, &format!("Contact: <sip:{user}@h>\r\n")), Ok(()));
        }
        assert_eq!(desk.send(0, "Contact: <sip:c@h>\r\n"), Err(RegisterFault::TooMany));
        assert_eq!(desk.send(0, "Contact: <sip:b@h>\r\n"), Ok(()), "a known one is refreshed");
        assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=0\r\n"), Ok(()));
        assert_eq!(desk.send(0, "Contact: <sip:c@h>\r\n"), Ok(()));
        assert_eq!(desk.send(0, "Contact: *\r\n"), Err(RegisterFault::Malformed));
        assert_eq!(desk.send(0, "Contact: *\r\nExpires: 0\r\n"), Ok(()));
        assert_eq!(desk.registrar.len(), 0);
        assert_eq!(desk.send(0, ""), Ok(()), "a question");
    }

    #[test]
    fn what_is_older_than_the_binding_changes_nothing() {
        let mut desk = Desk::new();
        desk.cseq = 10;
        assert_eq!(desk.send(0, "Contact: <sip:a@h>\r\n"), Ok(()));
        for cseq in [0, 9, 10] {
            desk.cseq = cseq;
            for headers in ["Contact: <sip:a@h>;expires=0\r\n", "Contact: *\r\nExpires: 0\r\n"] {
                desk.cseq = cseq;
                assert_eq!(desk.send(0, headers), Err(RegisterFault::OutOfOrder), "{cseq}");
            }
        }
        desk.cseq = 11;
        assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=0\r\n"), Ok(()));
    }

    #[test]
    fn a_binding_ends_with_its_connection() {
        let mut desk = Desk::new();
        assert_eq!(desk.send(0, "Contact: <sip:a@h>\r\n"), Ok(()));
        let mut binding = (*desk.registrar.bindings(&desk.id)[0]).clone();
        binding.flow = flow(Some(7));
        binding.serial = 99;
        let id = desk.id.clone();
        desk.registrar.bind(&id, binding);
        desk.registrar.handle_connection_closed(ConnectionId(7));
        assert_eq!(desk.registrar.len(), 1);
        desk.registrar.handle_connection_closed(ConnectionId(8));
        assert_eq!(desk.registrar.len(), 1);
    }
}

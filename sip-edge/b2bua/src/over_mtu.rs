//! Requests too big for a datagram: RFC 3261 section 18.1.1.
//!
//! Such a request takes TCP, with its Via and Contact saying so, and falls back to the datagram when
//! nobody listens there; [`sip_proto::Transactions::send_request_or`] does that within one
//! transaction, so that CANCEL and ACK follow. It concerns that one request: the next one is measured
//! anew. The ACK of a 2xx is no transaction, so nothing would report its refusal: it stays on its
//! leg's transport.

use crate::config::Listener;
use crate::context::Context;
use crate::leg::contact_of;
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::push_address;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Addresses that are remembered. When full, the one that would be forgotten first makes room.
const MAX_REFUSALS: usize = 4_096;

/// Peers that take no stream: they refused one, or are configured so.
#[derive(Debug, Default)]
pub(crate) struct StreamRefusals {
    until: HashMap<SocketAddr, Instant>,
}

/// How long requests to an address that took no stream go as datagrams, however big.
const REFUSAL_KEPT: Duration = Duration::from_secs(600);

impl StreamRefusals {
    /// `peer` took no stream just now.
    pub(crate) fn refused(&mut self, now: Instant, peer: SocketAddr) {
        self.note(now, peer, REFUSAL_KEPT);
    }

    /// Remembers `peer` for at least `kept` from now.
    pub(crate) fn note(&mut self, now: Instant, peer: SocketAddr, kept: Duration) {
        if self.until.len() >= MAX_REFUSALS && !self.until.contains_key(&peer) {
            let first = self.until.iter().min_by_key(|(peer, until)| (**until, **peer));
            if let Some(first) = first.map(|(peer, _)| *peer) {
                self.until.remove(&first);
            }
        }
        let until = self.until.entry(peer).or_insert(now);
        *until = (*until).max(now + kept);
    }

    fn contains(&mut self, now: Instant, peer: &SocketAddr) -> bool {
        match self.until.get(peer) {
            Some(until) if *until > now => true,
            Some(_) => {
                self.until.remove(peer);
                false
            }
            None => false,
        }
    }
}

impl Context {
    /// The stream and the text of a request that is too big for the datagram it was written for;
    /// `None` when it is not, when we have no stream to offer, or when the peer takes none.
    pub(crate) fn switch_to_stream(
        &mut self,
        now: Instant,
        flow: Flow,
        request: &Bytes,
    ) -> Option<(Flow, Bytes)> {
        if flow.protocol != TransportProtocol::Udp
            || request.len() <= self.config.max_datagram_request
        {
            return None;
        }
        let stream = self.listener_for(TransportProtocol::Tcp, &flow.remote)?;
        if self.stream_refusals.contains(now, &flow.remote) {
            return None;
        }
        let rewritten = rewrite(request, &self.listener_of(&flow), &stream)?;
        Some((Flow::new(TransportProtocol::Tcp, stream.local, flow.remote), rewritten))
    }
}

/// A request of ours with its Via and Contact changed from one listener to another; `None` when it
/// does not begin as ours do. What follows the head is not looked at.
fn rewrite(request: &[u8], from: &Listener, to: &Listener) -> Option<Bytes> {
    let head = head_length(request);
    let text = std::str::from_utf8(request.get(..head)?).ok()?;
    let via = |listener: &Listener| {
        let mut via = ["\r\nVia: SIP/2.0/", listener.protocol.via_token(), " "].concat();
        push_address(&mut via, listener.advertised);
        via.push(';');
        via
    };
    // The first Via is the top one, and ours.
    let (before, after) = text.split_once(&via(from))?;
    let contact = |listener: &Listener| ["\r\nContact: ", &contact_of(listener, false)].concat();
    let mut out = Vec::with_capacity(request.len() + 64);
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(via(to).as_bytes());
    match after.split_once(&contact(from)) {
        Some((between, rest)) => {
            out.extend_from_slice(between.as_bytes());
            out.extend_from_slice(contact(to).as_bytes());
            out.extend_from_slice(rest.as_bytes());
        }
        None => out.extend_from_slice(after.as_bytes()),
    }
    out.extend_from_slice(request.get(head..)?);
    Some(out.into())
}

/// How long the start line and the headers are, without the empty line.
fn head_length(request: &[u8]) -> usize {
    request.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(request.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(protocol: TransportProtocol, at: &str) -> Listener {
        let at = at.parse().unwrap();
        Listener { protocol, local: at, advertised: at }
    }

    #[test]
    fn via_and_contact_change_and_the_body_does_not() {
        let from = listener(TransportProtocol::Udp, "192.0.2.1:5060");
        let to = listener(TransportProtocol::Tcp, "192.0.2.1:5062");
        let lines = |via: &str, contact: &str| {
            format!(
                "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/{via};branch=z9\r\nSubject: Via: SIP/2.0/UDP \
                 192.0.2.1:5060;x\r\nContact: <sip:tandem@{contact}>\r\n\r\n\
                 \r\nVia: SIP/2.0/UDP 192.0.2.1:5060;\r\nContact: <sip:tandem@192.0.2.1:5060>"
            )
        };
        let request = lines("UDP 192.0.2.1:5060", "192.0.2.1:5060");
        let expected = lines("TCP 192.0.2.1:5062", "192.0.2.1:5062;transport=tcp");
        let rewritten = rewrite(request.as_bytes(), &from, &to).unwrap();
        assert_eq!(String::from_utf8(rewritten.to_vec()).unwrap(), expected);
        assert_eq!(rewrite(expected.as_bytes(), &from, &to), None, "not what we sent");
        let bye = "BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9\r\n\r\n";
        let rewritten = rewrite(bye.as_bytes(), &from, &to).unwrap();
        assert!(rewritten.starts_with(b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5062;"));
    }

    #[test]
    fn refusals_are_forgotten_in_time_and_bounded() {
        let mut refusals = StreamRefusals::default();
        let peer = |port| SocketAddr::from(([192, 0, 2, 7], port));
        let at = Instant::from_millis;
        refusals.note(at(0), peer(1), Duration::from_secs(10));
        refusals.note(at(0), peer(1), Duration::from_secs(5));
        assert!(refusals.contains(at(9_999), &peer(1)), "the longer time counts");
        assert!(!refusals.contains(at(10_000), &peer(1)));
        for port in 1..=5_000 {
            refusals.note(at(u64::from(port)), peer(port), Duration::from_secs(10));
        }
        assert_eq!(refusals.until.len(), MAX_REFUSALS);
        assert!(refusals.contains(at(5_000), &peer(5_000)));
        assert!(!refusals.contains(at(5_000), &peer(1)));
    }
}

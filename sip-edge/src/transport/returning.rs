//! Peers that connected to us and lost their connection. Behind a NAT nobody reaches them before
//! they connect again, so what is for them waits.

use b2bua::PeerCertificate;
use bytes::Bytes;
use model::{ConnectionId, Instant, TransportProtocol};
use sip_proto::ClientKey;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Connections that are remembered after their end. When full, the one that ended first is
/// forgotten: what is for its peer counts as undeliverable.
const REMEMBERED: usize = 4_096;

/// Messages that wait, for all peers together. A further one counts as undeliverable.
const WAITING: usize = 1_024;

/// Messages that wait for one connection's peer. A further one counts as undeliverable.
const WAITING_EACH: usize = 16;

/// How long a message waits: as long as its transaction would (64 × T1, RFC 3261 section 17.1.1.2).
const PATIENCE: Duration = Duration::from_secs(32);

/// A peer that connected to us, told from others by what it has proved and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    pub(super) protocol: TransportProtocol,
    pub(super) ip: IpAddr,
    pub(super) certificate: Option<PeerCertificate>,
}

/// A message for the peer of a connection that has ended.
#[derive(Clone, Debug)]
pub(super) struct Parked {
    pub(super) former: ConnectionId,
    pub(super) payload: Bytes,
    pub(super) client: Option<ClientKey>,
}

/// A connection of a peer that has ended.
#[derive(Clone, Debug)]
pub(super) struct Former {
    pub(super) caller: Caller,
    /// The first id of connections that began after its end.
    pub(super) later: ConnectionId,
}

/// Connections of peers that have ended, and what waits for those peers.
#[derive(Default)]
pub(super) struct Returning {
    callers: HashMap<ConnectionId, Former>,
    /// The ids of `callers`, the first to end at the front.
    order: VecDeque<ConnectionId>,
    /// With the end of their patience, the earliest at the front.
    waiting: VecDeque<(Instant, Parked)>,
}

impl Returning {
    /// Notes that a connection which its peer opened has ended.
    pub(super) fn remember(&mut self, id: ConnectionId, former: Former) {
        if self.order.len() >= REMEMBERED
            && let Some(first) = self.order.pop_front()
        {
            self.callers.remove(&first);
        }
        self.order.push_back(id);
        self.callers.insert(id, former);
    }

    /// What is known of a connection that has ended.
    pub(super) fn former(&self, id: ConnectionId) -> Option<&Former> {
        self.callers.get(&id)
    }

    /// Whether anything waits for anybody.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Keeps a message until its peer comes back; gives it back when there is no room. A repeated
    /// message is kept once.
    pub(super) fn park(&mut self, now: Instant, parked: Parked) -> Result<(), Parked> {
        while self.waiting.front().is_some_and(|(until, _)| *until <= now) {
            self.waiting.pop_front();
        }
        let same = |other: &Parked| other.former == parked.former;
        let of_peer = || self.waiting.iter().filter(|(_, other)| same(other));
        if of_peer().any(|(_, other)| other.payload == parked.payload) {
            return Ok(());
        }
        if self.waiting.len() >= WAITING || of_peer().count() >= WAITING_EACH {
            return Err(parked);
        }
        self.waiting.push_back((now + PATIENCE, parked));
        Ok(())
    }

    /// What waits for a peer that has come back, in its order.
    pub(super) fn take(&mut self, now: Instant, caller: &Caller) -> Vec<Parked> {
        let callers = &self.callers;
        let is_for =
            |parked: &Parked| callers.get(&parked.former).is_some_and(|f| f.caller == *caller);
        let (found, left): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(_, p)| is_for(p));
        self.waiting = left;
        let alive = found.into_iter().filter(|(until, _)| *until > now);
        alive.map(|(_, parked)| parked).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(last: u8, name: Option<&str>) -> Caller {
        let certificate =
            name.map(|name| PeerCertificate { names: vec![name.into()], trusted_by: vec![None] });
        let ip = IpAddr::from([192, 0, 2, last]);
        Caller { protocol: TransportProtocol::Tls, ip, certificate }
    }

    fn former(caller: Caller) -> Former {
        Former { caller, later: ConnectionId(u64::MAX) }
    }

    fn parked(former: u64, text: &'static str) -> Parked {
        let payload = Bytes::from_static(text.as_bytes());
        Parked { former: ConnectionId(former), payload, client: None }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    fn taken(returning: &mut Returning, now: Instant, caller: &Caller) -> Vec<Bytes> {
        returning.take(now, caller).into_iter().map(|parked| parked.payload).collect()
    }

    #[test]
    fn what_waits_goes_to_the_same_peer_alone_while_its_transaction_may_live() {
        let mut returning = Returning::default();
        returning.remember(ConnectionId(1), former(caller(1, Some("pbx.example.com"))));
        returning.remember(ConnectionId(2), former(caller(1, None)));
        returning.park(at(0), parked(1, "early")).unwrap();
        returning.park(at(10), parked(1, "late")).unwrap();
        returning.park(at(11), parked(1, "late")).unwrap();
        returning.park(at(12), parked(2, "other")).unwrap();
        for other in [caller(2, Some("pbx.example.com")), caller(1, Some("other.example.com"))] {
            assert!(taken(&mut returning, at(13), &other).is_empty());
        }
        let same = caller(1, Some("pbx.example.com"));
        assert_eq!(taken(&mut returning, at(33), &same), ["late"]);
        assert!(taken(&mut returning, at(33), &same).is_empty());
        assert_eq!(taken(&mut returning, at(34), &caller(1, None)), ["other"]);
    }

    #[test]
    fn both_tables_are_bounded() {
        let mut returning = Returning::default();
        for id in 0..REMEMBERED as u64 + 1 {
            returning.remember(ConnectionId(id), former(caller(1, None)));
        }
        assert_eq!(returning.callers.len(), REMEMBERED);
        assert!(returning.former(ConnectionId(0)).is_none(), "the first that ended");
        let text = |n: u64| Bytes::from(n.to_string());
        let message = |former, n| Parked { payload: text(n), ..parked(former, "") };
        for n in 0..WAITING_EACH as u64 {
            returning.park(at(0), message(1, n)).unwrap();
        }
        assert!(returning.park(at(0), message(1, 99)).is_err());
        let each = WAITING_EACH as u64;
        for n in each..WAITING as u64 {
            returning.park(at(0), message(1 + n / each, n)).unwrap();
        }
        assert!(returning.park(at(0), message(4_000, 0)).is_err());
        // Patience ends, and there is room again.
        returning.park(at(32), message(4_000, 0)).unwrap();
        assert_eq!(returning.waiting.len(), 1);
    }
}

//! Latching (RFC 7362): which source address belongs to a leg, and how an attacker's does not
//! become it (RTP bleed, CVE-2017-14114, CVE-2025-53399).
//!
//! The expectation is what the leg's session description says. A packet from exactly that address
//! and port locks at once. A packet from a *plausible* other source (the same IP address with
//! another port, as a symmetric NAT makes it; or the address that the leg's signalling came from,
//! when the description names only a private address or none) locks after a few consistent packets
//! within the learning window, none of which is forwarded before. Any other source is refused, and
//! once locked nothing but a new plan that asks to re-learn moves the latch.

use model::Instant;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How much evidence a source that is not exactly the described one must give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LearningPolicy {
    /// How long the evidence may take, counted from the first plausible packet. In this time the
    /// exact address also still supersedes a source that was learned.
    pub window: Duration,
    /// Packets in a row from one source with one SSRC.
    pub confirmations: u8,
    /// Least time between the first and the last of them, so that no single burst is evidence.
    pub span: Duration,
}

impl LearningPolicy {
    /// For a packet that authentication has proven to be the leg's: one is evidence.
    pub(crate) fn authenticated(&self) -> Self {
        LearningPolicy { confirmations: 1, span: Duration::ZERO, ..*self }
    }
}

impl Default for LearningPolicy {
    /// Three packets over at least 30 ms, within 500 ms.
    fn default() -> Self {
        LearningPolicy {
            window: Duration::from_millis(500),
            confirmations: 3,
            span: Duration::from_millis(30),
        }
    }
}

/// What a packet's source means for the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// From the leg: use it.
    Accepted,
    /// Plausible, not yet proven: drop it.
    Learning,
    /// Not from the leg: drop it.
    WrongSource,
}

/// What signalling knows of a leg's source address.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Expectation {
    described: Option<SocketAddr>,
    behind_nat: Option<IpAddr>,
}

impl Expectation {
    /// From the session description's address and the address that its message came from.
    pub fn new(described: Option<SocketAddr>, signalling_source: Option<IpAddr>) -> Self {
        let described = described
            .map(|a| SocketAddr::new(a.ip().to_canonical(), a.port()))
            .filter(|a| !a.ip().is_unspecified() && !a.ip().is_multicast() && a.port() != 0);
        let unreachable = described.is_none_or(|a| is_private(a.ip()));
        let behind_nat = signalling_source.map(|ip| ip.to_canonical()).filter(|_| unreachable);
        Expectation { described, behind_nat }
    }

    /// The described address, when it is one that can be sent to.
    pub fn described(&self) -> Option<SocketAddr> {
        self.described
    }

    fn allows_ip(&self, ip: IpAddr) -> bool {
        self.described.is_some_and(|a| a.ip() == ip) || self.behind_nat == Some(ip)
    }
}

/// The source address of one leg's RTP, or of its RTCP.
#[derive(Clone, Debug, Default)]
pub struct Latch {
    expectation: Expectation,
    locked: Option<SocketAddr>,
    /// The lock before the description changed: good for receiving until the new one is found
    /// (RFC 3264 section 8.3.1).
    previous: Option<SocketAddr>,
    candidate: Option<Candidate>,
    window: Window,
}

#[derive(Clone, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    packets: u8,
    first: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
enum Window {
    #[default]
    Closed,
    /// Opens with the next packet of a plausible source.
    Armed,
    Until(Instant),
}

impl Latch {
    /// Takes a new expectation. With `relearn` the window opens again: a lock on the same
    /// described address holds until another source proves itself, a lock on a former one ends.
    pub fn expect(&mut self, expectation: Expectation, relearn: bool) {
        let changed = self.expectation != expectation;
        self.expectation = expectation;
        if !relearn {
            return;
        }
        self.window = Window::Armed;
        self.candidate = None;
        if changed && self.locked.is_some() && self.locked != expectation.described {
            self.previous = self.locked.take();
        }
    }

    /// Judges a packet's source. `companion` is an address whose IP alone is proof: for RTCP on its
    /// own port, the locked source of the same leg's RTP.
    #[inline]
    pub fn observe(
        &mut self,
        source: SocketAddr,
        ssrc: u32,
        now: Instant,
        policy: &LearningPolicy,
        companion: Option<SocketAddr>,
    ) -> Verdict {
        if self.locked == Some(source) {
            if let Window::Armed = self.window {
                self.window = Window::Until(now + policy.window);
            }
            // Whoever else asked in the meantime was not alone.
            self.candidate = None;
            return Verdict::Accepted;
        }
        self.observe_unlocked(source, ssrc, now, policy, companion)
    }

    /// Whether [`Latch::observe`] could say anything but [`Verdict::WrongSource`], asked without a
    /// change: what no authentication could help need not be authenticated.
    #[inline]
    pub fn is_plausible(
        &self,
        source: SocketAddr,
        now: Instant,
        companion: Option<SocketAddr>,
    ) -> bool {
        if self.locked == Some(source) {
            return true;
        }
        if self.locked.is_some() {
            return self.window_is_open(now)
                && (self.expectation.described == Some(source)
                    || self.expectation.allows_ip(source.ip()));
        }
        self.expectation.allows_ip(source.ip())
            || self.previous == Some(source)
            || companion.is_some_and(|c| c.ip() == source.ip())
    }

    /// The source that is locked.
    #[inline]
    pub fn locked(&self) -> Option<SocketAddr> {
        self.locked
    }

    /// The source that is locked and that no packet can move: the learning window is over.
    pub fn settled(&self, now: Instant) -> Option<SocketAddr> {
        self.locked.filter(|_| !self.window_is_open(now))
    }

    /// Where to send: the locked source, else the described address.
    #[inline]
    pub fn destination(&self) -> Option<SocketAddr> {
        self.locked.or(self.expectation.described)
    }

    /// The described address, see [`Expectation::described`].
    pub fn described(&self) -> Option<SocketAddr> {
        self.expectation.described
    }

    /// Locks to a source that has proven by other means that it is the leg (ICE).
    pub fn settle(&mut self, source: SocketAddr) {
        self.locked = Some(source);
        self.previous = None;
        self.candidate = None;
        self.window = Window::Closed;
    }

    #[cold]
    fn observe_unlocked(
        &mut self,
        source: SocketAddr,
        ssrc: u32,
        now: Instant,
        policy: &LearningPolicy,
        companion: Option<SocketAddr>,
    ) -> Verdict {
        if self.locked.is_some() && !self.window_is_open(now) {
            return Verdict::WrongSource;
        }
        if self.expectation.described == Some(source) {
            return self.lock(source, now, policy);
        }
        if self.locked.is_none() && companion.is_some_and(|c| c.ip() == source.ip()) {
            return self.lock(source, now, policy);
        }
        if self.expectation.allows_ip(source.ip()) {
            return self.weigh(source, ssrc, now, policy);
        }
        if self.locked.is_none() && self.previous == Some(source) {
            return Verdict::Accepted;
        }
        Verdict::WrongSource
    }

    fn weigh(
        &mut self,
        source: SocketAddr,
        ssrc: u32,
        now: Instant,
        policy: &LearningPolicy,
    ) -> Verdict {
        if let Window::Armed = self.window {
            self.window = Window::Until(now + policy.window);
        }
        let packets = match &mut self.candidate {
            Some(c) if c.source == source && c.ssrc == ssrc && now - c.first <= policy.window => {
                c.packets = c.packets.saturating_add(1);
                if c.packets >= policy.confirmations && now - c.first >= policy.span {
                    return self.lock(source, now, policy);
                }
                c.packets
            }
            _ => {
                self.candidate = Some(Candidate { source, ssrc, packets: 1, first: now });
                1
            }
        };
        if packets >= policy.confirmations && policy.span.is_zero() {
            return self.lock(source, now, policy);
        }
        if self.locked.is_none() && self.previous == Some(source) {
            return Verdict::Accepted;
        }
        Verdict::Learning
    }

    fn lock(&mut self, source: SocketAddr, now: Instant, policy: &LearningPolicy) -> Verdict {
        // The exact address is final; a learned one stays open to it for the rest of the window.
        self.window = match self.window {
            _ if self.expectation.described == Some(source) => Window::Closed,
            Window::Until(end) => Window::Until(end),
            Window::Armed | Window::Closed => Window::Until(now + policy.window),
        };
        self.locked = Some(source);
        self.previous = None;
        self.candidate = None;
        Verdict::Accepted
    }

    fn window_is_open(&self, now: Instant) -> bool {
        match self.window {
            Window::Closed => false,
            Window::Armed => true,
            Window::Until(end) => now < end,
        }
    }
}

/// Whether an address of a session description cannot be reached from elsewhere, so that the leg
/// must be behind a NAT (RFC 1918, RFC 6598, RFC 4193, link-local).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;

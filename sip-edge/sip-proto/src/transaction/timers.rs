//! The timers of RFC 3261 section 17 (table 4) and RFC 6026.

use std::time::Duration;

/// The base values that all transaction timers derive from (RFC 3261 section 17.1.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerConfig {
    /// T1, the estimated round-trip time: the first retransmission interval. Default 500 ms.
    pub t1: Duration,
    /// T2, the longest interval between retransmissions of a non-INVITE request or of a final
    /// response to INVITE. Default 4 s.
    pub t2: Duration,
    /// T4, how long a message can stay in the network. Default 5 s.
    pub t4: Duration,
    /// Timer C, how long an INVITE may ring without news: at least 3 minutes (RFC 3261 section
    /// 16.6). The core runs it. Default 181 s.
    pub timer_c: Duration,
    /// Timer D, how long the final response to an INVITE may be retransmitted to us over UDP: at
    /// least 32 s. Default 32 s.
    pub timer_d: Duration,
}

impl Default for TimerConfig {
    fn default() -> Self {
        TimerConfig {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_c: Duration::from_secs(181),
            timer_d: Duration::from_secs(32),
        }
    }
}

/// Every timer that a transaction can run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Timer {
    /// When to retransmit an INVITE; doubles each time. UDP only.
    A,
    /// When to give up an INVITE that got no response at all.
    B,
    /// When to stop absorbing retransmitted non-2xx finals of our INVITE.
    D,
    /// When to retransmit a non-INVITE request; doubles up to T2. UDP only.
    E,
    /// When to give up a non-INVITE request that got no final response.
    F,
    /// When to retransmit a non-2xx final response to INVITE; doubles up to T2. UDP only.
    G,
    /// When to stop waiting for the ACK of a non-2xx final response.
    H,
    /// When to stop absorbing retransmitted ACKs.
    I,
    /// When to stop answering retransmissions of a non-INVITE request.
    J,
    /// When to stop absorbing retransmitted final responses of a non-INVITE request.
    K,
    /// When to stop absorbing retransmissions of an INVITE that was accepted (RFC 6026).
    L,
    /// When to stop taking further 2xx for an INVITE of ours (RFC 6026).
    M,
    /// When to treat a cancelled INVITE as ended although no final response came (RFC 3261
    /// section 9.1).
    Cancelled,
    /// When to stop waiting for a first response over a stream that the peer may not take, and send
    /// the request as a datagram (RFC 3261 section 18.1.1).
    Fallback,
    /// When to drop a non-INVITE request that the core left unanswered: the peer's Timer F has
    /// fired by then, and nobody waits for the response.
    Abandoned,
}

impl Timer {
    /// A retransmission timer runs beside the one that ends the state. So does the fallback: what
    /// it waits for is sent over a stream, which repeats nothing.
    pub(crate) const fn is_retransmission(self) -> bool {
        matches!(self, Timer::A | Timer::E | Timer::G | Timer::Fallback)
    }
}

impl TimerConfig {
    /// How long `timer` first runs; `None` when it must not run at all, because the transport is
    /// reliable. Zero means that it fires at once.
    pub(crate) fn first(&self, timer: Timer, reliable: bool) -> Option<Duration> {
        match timer {
            Timer::A | Timer::E | Timer::G => (!reliable).then_some(self.t1),
            // Long enough for a handshake that is repeated once, short enough for a caller.
            Timer::Fallback => Some(self.t1.saturating_mul(4)),
            Timer::D => Some(if reliable { Duration::ZERO } else { self.timer_d }),
            Timer::I | Timer::K => Some(if reliable { Duration::ZERO } else { self.t4 }),
            Timer::J => Some(if reliable { Duration::ZERO } else { self.patience() }),
            Timer::B
            | Timer::F
            | Timer::H
            | Timer::L
            | Timer::M
            | Timer::Cancelled
            | Timer::Abandoned => Some(self.patience()),
        }
    }

    /// How long a retransmission timer runs after it ran for `interval`.
    pub(crate) fn next(&self, timer: Timer, interval: Duration) -> Duration {
        let doubled = interval.saturating_mul(2);
        // Timer A alone has no upper bound: Timer B ends it (section 17.1.1.2).
        if timer == Timer::A { doubled } else { doubled.min(self.t2) }
    }

    /// 64 × T1: 32 s by default.
    fn patience(&self) -> Duration {
        self.t1.saturating_mul(64)
    }
}

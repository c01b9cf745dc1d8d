//! One destination that is asked with OPTIONS: its rounds, and what they make of it. Pure.

use super::HealthConfig;
use crate::machine::{Machine, State};
use model::{HealthCause, Instant, TransportProtocol};
use sip_proto::ClientKey;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where a round is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RoundState {
    /// Waiting for the next round.
    Resting,
    /// Waiting for the addresses of its name.
    Resolving,
    /// Waiting for the answer of one of its addresses.
    Asking,
}

impl State for RoundState {
    const INITIAL: Self = RoundState::Resting;
    const EDGES: &'static [(Self, Self)] = &[
        (RoundState::Resting, RoundState::Resolving),
        (RoundState::Resting, RoundState::Asking),
        (RoundState::Resolving, RoundState::Asking),
        (RoundState::Resolving, RoundState::Resting),
        (RoundState::Asking, RoundState::Resting),
    ];
}

/// What the rounds so far say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Liveness {
    /// Nothing yet: it counts as alive.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl State for Liveness {
    const INITIAL: Self = Liveness::Unknown;
    const EDGES: &'static [(Self, Self)] = &[
        (Liveness::Unknown, Liveness::Up),
        (Liveness::Unknown, Liveness::Down),
        (Liveness::Up, Liveness::Down),
        (Liveness::Down, Liveness::Up),
    ];
}

/// A destination, whoever shares it.
pub(super) struct Probe {
    /// The shortest interval of those who share it.
    pub(super) interval: Duration,
    /// The names of those who asked for pings.
    pub(super) names: Vec<Arc<str>>,
    pub(super) round: Machine<RoundState>,
    pub(super) liveness: Machine<Liveness>,
    /// Addresses of this round that are still to be asked, and over what.
    pub(super) addresses: VecDeque<(SocketAddr, TransportProtocol)>,
    /// The request that waits for its answer.
    pub(super) client: Option<ClientKey>,
    /// When the round begins, or the wait ends.
    pub(super) deadline: Option<Instant>,
    /// Tells the questions to the resolver apart.
    pub(super) serial: u8,
    failures: u32,
    answers: u32,
}

/// What a round found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    pub(super) is_up: bool,
    pub(super) is_change: bool,
    pub(super) is_recovery: bool,
    pub(super) cause: HealthCause,
}

impl Probe {
    pub(super) fn new(interval: Duration) -> Self {
        Probe {
            interval,
            names: Vec::new(),
            round: Machine::default(),
            liveness: Machine::default(),
            addresses: VecDeque::new(),
            client: None,
            deadline: None,
            serial: 0,
            failures: 0,
            answers: 0,
        }
    }

    /// Whether a final response says that the peer is alive: anything but "I am too slow" and "I am
    /// unavailable". One that refuses OPTIONS, or asks who we are, is there.
    pub(super) const fn is_alive(status: u16) -> bool {
        !matches!(status, 408 | 503)
    }

    /// Ends the round with what it met.
    pub(super) fn conclude(&mut self, config: &HealthConfig, cause: HealthCause) -> Verdict {
        self.round.go(RoundState::Resting);
        self.client = None;
        self.addresses.clear();
        let before = self.liveness.state();
        if matches!(cause, HealthCause::Status(status) if Self::is_alive(status)) {
            self.failures = 0;
            self.answers = self.answers.saturating_add(1);
            // One that was never known to be dead need not prove itself.
            if before == Liveness::Unknown || self.answers >= config.up_after {
                self.liveness.go(Liveness::Up);
            }
        } else {
            self.answers = 0;
            self.failures = self.failures.saturating_add(1);
            if self.failures >= config.down_after {
                self.liveness.go(Liveness::Down);
            }
        }
        let after = self.liveness.state();
        let (is_up, is_change) = (after != Liveness::Down, before != after);
        let is_recovery = before == Liveness::Down && is_up;
        Verdict { is_up, is_change, is_recovery, cause }
    }

    /// The time between two rounds: the interval, a tenth more or less, so that destinations do not
    /// keep step.
    pub(super) fn next_interval(&self, random: u64) -> Duration {
        let least = self.interval * 9 / 10;
        least + scaled(self.interval / 5, random)
    }

    /// When the first round begins: within the interval, and within [`FIRST_WITHIN`].
    pub(super) fn first_delay(&self, random: u64) -> Duration {
        scaled(self.interval.min(FIRST_WITHIN), random)
    }
}

/// `span` times `random` as a fraction of 2^64.
fn scaled(span: Duration, random: u64) -> Duration {
    let nanos = (span.as_nanos() * u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How soon after the start everybody has been asked once.
const FIRST_WITHIN: Duration = Duration::from_secs(5);

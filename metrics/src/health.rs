//! What is known of peers' health now, and the node's own log of its changes.

use model::{HealthEvent, UnixTime, VoiceConnectorId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The health of every peer that is asked or that asks.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct PeerHealth {
    /// Carriers and origination routes that are asked with OPTIONS, by name.
    pub targets: Vec<LiveTarget>,
    /// The last OPTIONS of each voice connector's customer.
    pub terminations: Vec<LiveTermination>,
}

/// One carrier or origination route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveTarget {
    /// The carrier's id, or `<voice connector>/origination/<n>`.
    pub name: String,
    /// Where it is asked, as configured.
    pub destination: String,
    /// Whether it counts as alive.
    pub is_up: bool,
    /// What the last ping met, in words.
    pub cause: String,
    /// When that was, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Since when it is up or down, as far as this node knows.
    pub since_ms: u64,
}

/// Termination health, as AWS calls it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LiveTermination {
    /// The voice connector.
    pub voice_connector_id: String,
    /// Where the last OPTIONS came from: address and port.
    pub source: String,
    /// When, milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: u64,
}

/// The present state, from events. Full policy: beyond [`PEERS`] of a kind, new ones are left out.
#[derive(Debug, Default)]
pub(crate) struct HealthTable {
    targets: BTreeMap<Arc<str>, LiveTarget>,
    terminations: BTreeMap<VoiceConnectorId, LiveTermination>,
}

/// Names come from the configuration alone, so that this is far away.
const PEERS: usize = 100_000;

impl HealthTable {
    pub(crate) fn take(&mut self, event: &HealthEvent, unix: impl Fn(model::Instant) -> UnixTime) {
        match event {
            HealthEvent::Target(health) => {
                let at_ms = unix(health.at).as_millis();
                let known = self.targets.get(&health.name);
                if known.is_none() && self.targets.len() >= PEERS {
                    return;
                }
                let same = known.filter(|known| known.is_up == health.is_up);
                let since_ms = same.map_or(at_ms, |known| known.since_ms);
                let target = LiveTarget {
                    name: health.name.to_string(),
                    destination: health.destination.to_string(),
                    is_up: health.is_up,
                    cause: health.cause.to_string(),
                    at_ms,
                    since_ms,
                };
                self.targets.insert(health.name.clone(), target);
            }
            HealthEvent::TargetForgotten { name } => {
                self.targets.remove(name);
            }
            HealthEvent::Avoided { .. } => {}
            HealthEvent::Termination(health) => {
                let id = &health.voice_connector;
                if self.terminations.contains_key(id) || self.terminations.len() < PEERS {
                    let termination = LiveTermination {
                        voice_connector_id: id.to_string(),
                        source: health.source.to_string(),
                        timestamp_ms: unix(health.at).as_millis(),
                    };
                    self.terminations.insert(id.clone(), termination);
                }
            }
        }
    }

    pub(crate) fn termination(&self, id: &VoiceConnectorId) -> Option<LiveTermination> {
        self.terminations.get(id).cloned()
    }

    pub(crate) fn view(&self) -> PeerHealth {
        PeerHealth {
            targets: self.targets.values().cloned().collect(),
            terminations: self.terminations.values().cloned().collect(),
        }
    }
}

/// Writes changes to the node's log. They are rare: a target changes no faster than it is asked,
/// and is marked as avoided once a second at the most.
pub(crate) fn log(event: &HealthEvent) {
    match event {
        HealthEvent::Target(health) if health.is_recovery => {
            let (target, destination) = (&*health.name, &*health.destination);
            tracing::warn!(target_name = target, destination, cause = %health.cause, "is up again");
        }
        HealthEvent::Target(health) if health.is_change && health.is_up => {
            let (target, destination) = (&*health.name, &*health.destination);
            tracing::info!(target_name = target, destination, cause = %health.cause, "is up");
        }
        HealthEvent::Target(health) if health.is_change => {
            let (target, destination) = (&*health.name, &*health.destination);
            tracing::warn!(
                target_name = target,
                destination,
                cause = %health.cause,
                "is down: calls go elsewhere while another route lives"
            );
        }
        HealthEvent::Avoided { name, cause, span } => {
            tracing::warn!(
                target_name = &**name,
                %cause,
                seconds = span.as_secs(),
                "failed a call: others are tried first for a while"
            );
        }
        HealthEvent::Target(_)
        | HealthEvent::TargetForgotten { .. }
        | HealthEvent::Termination(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{HealthCause, Instant, TargetHealth, TerminationHealth};

    fn unix(at: Instant) -> UnixTime {
        UnixTime::from_millis(1_000_000 + at.as_millis())
    }

    fn target(is_up: bool, at: u64) -> HealthEvent {
        HealthEvent::Target(TargetHealth {
            name: "pstn-1".into(),
            destination: "192.0.2.1:5060/udp".into(),
            is_up,
            is_change: false,
            is_recovery: false,
            cause: if is_up { HealthCause::Status(200) } else { HealthCause::Timeout },
            at: Instant::from_millis(at),
        })
    }

    #[test]
    fn the_table_tells_since_when_and_why() {
        let mut table = HealthTable::default();
        for (is_up, at) in [(true, 1), (true, 2), (false, 3), (false, 4)] {
            table.take(&target(is_up, at), unix);
        }
        let [target] = &table.view().targets[..] else { panic!("one target") };
        assert_eq!((target.is_up, target.since_ms, target.at_ms), (false, 1_000_003, 1_000_004));
        assert_eq!(target.cause, "no response in time");
        table.take(&HealthEvent::TargetForgotten { name: "pstn-1".into() }, unix);
        assert!(table.view().targets.is_empty());
    }

    #[test]
    fn the_last_options_of_each_customer_is_kept() {
        let mut table = HealthTable::default();
        for (port, at) in [(1, 10), (2, 20)] {
            table.take(
                &HealthEvent::Termination(TerminationHealth {
                    voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
                    source: ([192, 0, 2, 9], port).into(),
                    at: Instant::from_millis(at),
                }),
                unix,
            );
        }
        let [termination] = &table.view().terminations[..] else { panic!("one customer") };
        assert_eq!(termination.source, "192.0.2.9:2");
        assert_eq!(termination.timestamp_ms, 1_000_020);
    }
}

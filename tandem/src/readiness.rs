//! Whether a process is alive and takes new calls, as load balancers and supervisors ask it.

use crate::media_plane::{MediaPlane, lacks_ports};
use media_relay::Relay;
use sip_edge::SipEdge;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one part lacks: which part, and in words what.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Lack {
    part: &'static str,
    why: String,
}

impl Lack {
    pub(crate) fn new(part: &'static str, why: impl Into<String>) -> Self {
        Lack { part, why: why.into() }
    }

    /// Of a process that takes no new calls any more.
    pub(crate) fn draining() -> Self {
        Lack::new("drain", "no new calls are taken; running ones may finish")
    }
}

/// Adds what it finds missing.
type TellLacks = dyn Fn(&mut Vec<Lack>) + Send + Sync;

/// What a process says of itself.
#[derive(Clone)]
pub(crate) struct Readiness {
    draining: Arc<AtomicBool>,
    alive: Arc<dyn Fn() -> Option<Lack> + Send + Sync>,
    lacks: Arc<TellLacks>,
}

/// The end that says that no new calls are taken.
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    /// From now on for good.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Readiness {
    /// `alive` tells why the process is of no use any more, `lacks` what it lacks to take new calls.
    /// Neither is asked once it drains: parts of it are taken down then.
    pub(crate) fn new(
        alive: impl Fn() -> Option<Lack> + Send + Sync + 'static,
        lacks: impl Fn(&mut Vec<Lack>) + Send + Sync + 'static,
    ) -> (Readiness, Draining) {
        let draining = Arc::new(AtomicBool::new(false));
        let readiness = Readiness {
            draining: Arc::clone(&draining),
            alive: Arc::new(alive),
            lacks: Arc::new(lacks),
        };
        (readiness, Draining(draining))
    }

    /// Why the process should be started anew; nothing while it serves or drains.
    pub(crate) fn dead(&self) -> Option<Lack> {
        if self.is_draining() { None } else { (self.alive)() }
    }

    /// What is in the way of new calls; empty when they are taken.
    pub(crate) fn lacking(&self) -> Vec<Lack> {
        if self.is_draining() {
            return vec![Lack::draining()];
        }
        let mut lacks: Vec<_> = (self.alive)().into_iter().collect();
        (self.lacks)(&mut lacks);
        lacks
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// What a node's edge and media say; what is held of them is weak, so that they can be stopped. The
/// listeners live as long as the worker: without all of them a node does not start.
pub(crate) fn of_node(edge: &Arc<SipEdge>, media: &Arc<MediaPlane>) -> (Readiness, Draining) {
    let (edge, media) = (Arc::downgrade(edge), Arc::downgrade(media));
    let alive = move || {
        let answers = edge.upgrade().is_some_and(|edge| edge.is_responsive());
        (!answers).then(|| Lack::new("sip", "the signalling worker does not answer; see the log"))
    };
    Readiness::new(alive, move |lacks| {
        let media = media.upgrade();
        let why = media.and_then(|media| media.lacks());
        lacks.extend(why.map(|why| Lack::new("media", why)));
    })
}

/// What a relay in a process of its own says.
pub(crate) fn of_relay(relay: &Arc<Relay>) -> (Readiness, Draining) {
    let relay = Arc::downgrade(relay);
    Readiness::new(
        || None,
        move |lacks| {
            let why = relay.upgrade().and_then(|relay| lacks_ports(&relay.statistics()));
            lacks.extend(why.map(|why| Lack::new("media", why)));
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(dead: bool, lacks: bool) -> (Readiness, Draining) {
        Readiness::new(
            move || dead.then(|| Lack::new("sip", "no answer")),
            move |out| out.extend(lacks.then(|| Lack::new("media", "no relay is connected"))),
        )
    }

    #[test]
    fn what_is_well_lacks_nothing() {
        let (readiness, _draining) = readiness(false, false);
        assert_eq!(readiness.dead(), None);
        assert_eq!(readiness.lacking(), []);
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let (readiness, _draining) = readiness(true, true);
        assert_eq!(readiness.dead(), Some(Lack::new("sip", "no answer")));
        let parts: Vec<_> = readiness.lacking().into_iter().map(|lack| lack.part).collect();
        assert_eq!(parts, ["sip", "media"]);
    }

    #[test]
    fn who_lacks_something_is_alive_all_the_same() {
        let (readiness, _draining) = readiness(false, true);
        assert_eq!(readiness.dead(), None);
        assert_eq!(readiness.lacking(), [Lack::new("media", "no relay is connected")]);
    }

    #[test]
    fn a_drain_is_no_death_and_asks_nobody() {
        let (readiness, draining) = Readiness::new(|| panic!("asked"), |_| panic!("asked"));
        draining.begin();
        assert_eq!(readiness.dead(), None);
        let parts: Vec<_> = readiness.lacking().into_iter().map(|lack| lack.part).collect();
        assert_eq!(parts, ["drain"]);
    }
}

//! The routes of one call, tried one after the other until one answers.

use directory::Route;
use std::collections::VecDeque;

/// What is left to try, and the best failure so far.
pub(crate) struct Hunt {
    routes: VecDeque<Route>,
    /// Routes that are known to be dead: tried when no other one took the call.
    dead: VecDeque<Route>,
    best: Option<u16>,
    busy: bool,
}

impl Hunt {
    pub(crate) fn new(alive: Vec<Route>, dead: Vec<Route>) -> Self {
        Hunt { routes: alive.into(), dead: dead.into(), best: None, busy: false }
    }

    /// The next route; `None` when all were tried.
    pub(crate) fn next(&mut self) -> Option<Route> {
        self.routes.pop_front().or_else(|| self.dead.pop_front())
    }

    /// A route was passed over because it takes no more calls now.
    pub(crate) fn note_busy(&mut self) {
        self.busy = true;
    }

    /// Whether a route was passed over so.
    pub(crate) fn met_busy(&self) -> bool {
        self.busy
    }

    /// Whether no route is left that is worth giving up a slow one for.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.routes.is_empty()
    }

    /// Whether a failure of a route ends the hunt: a 6xx speaks for the callee everywhere
    /// (RFC 3261 section 21.6), a code in `final_codes` by the operator's decision, and so does
    /// anything when no route is left.
    pub(crate) fn ends_with(&self, status: u16, final_codes: &[u16]) -> bool {
        let nothing_left = self.routes.is_empty() && self.dead.is_empty();
        nothing_left || status >= 600 || final_codes.contains(&status)
    }

    /// Remembers the failure of a route.
    pub(crate) fn note(&mut self, status: u16) {
        if self.best.is_none_or(|best| rank(status) <= rank(best)) {
            self.best = Some(status);
        }
    }

    /// Of the failures so far, the one to tell the caller: rather one that speaks of the callee
    /// than one that speaks of a route (RFC 3261 section 16.7 step 6).
    pub(crate) fn best(&self) -> Option<u16> {
        self.best
    }
}

fn rank(status: u16) -> u8 {
    match status {
        600..700 => 0,
        486 | 480 | 404 | 410 | 484 => 1,
        408 => 4,
        400..500 => 2,
        300..400 => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> std::sync::Arc<directory::Target> {
        std::sync::Arc::new(directory::Target {
            key: "carrier a".into(),
            name: "a".into(),
            owner: directory::TargetOwner::Carrier(model::CarrierId::new("a").unwrap()),
            destination: directory::Destination {
                host: directory::Host::Ip([127, 0, 0, 1].into()),
                port: None,
                protocol: model::TransportProtocol::Udp,
                choose_transport: false,
                tls: Default::default(),
            },
            options_ping: None,
            max_calls: None,
            cps_limit: None,
        })
    }

    #[test]
    fn dead_routes_come_last_and_do_not_hurry_the_others() {
        let mut hunt = Hunt::new(vec![route()], vec![route()]);
        assert!(hunt.next().is_some());
        assert!(hunt.is_exhausted(), "the last one that lives gets all the time it needs");
        assert!(!hunt.ends_with(503, &[486]));
        assert!(hunt.ends_with(486, &[486]));
        assert!(hunt.next().is_some());
        assert!(hunt.ends_with(503, &[486]));
        assert!(hunt.next().is_none());
    }

    fn route() -> Route {
        let host = directory::Host::Ip([127, 0, 0, 1].into());
        Route {
            target: target(),
            registered: false,
            voice_connector: None,
            carrier: None,
            host,
            port: None,
            protocol: model::TransportProtocol::Udp,
            tls: Default::default(),
            choose_transport: false,
            udp_only: false,
            srtp: directory::Srtp::Off,
            timeout: std::time::Duration::from_secs(1),
            no_answer_timeout: std::time::Duration::from_secs(60),
            hunt_final_codes: [486].into(),
        }
    }

    #[test]
    fn a_final_code_ends_the_hunt_and_a_route_failure_does_not() {
        let mut hunt = Hunt::new(vec![route(), route()], Vec::new());
        hunt.next();
        assert!(hunt.ends_with(486, &[486]));
        assert!(hunt.ends_with(603, &[486]));
        assert!(!hunt.ends_with(503, &[486]));
        assert!(!hunt.ends_with(403, &[486]));
        hunt.next();
        assert!(hunt.ends_with(503, &[486]), "nothing is left");
    }

    #[test]
    fn the_caller_hears_about_the_callee_rather_than_about_a_route() {
        let mut hunt = Hunt::new(Vec::new(), Vec::new());
        for (status, best) in [(503, 503), (480, 480), (408, 480), (500, 480), (603, 603)] {
            hunt.note(status);
            assert_eq!(hunt.best(), Some(best));
        }
    }
}

//! What `tandem relay --http` says: numbers for Prometheus, whether the process is alive, and whether
//! it takes new calls.

use crate::clock::Origin;
use crate::media_plane::lacks_ports;
use crate::readiness::{Lack, Readiness};
use crate::{http, process, readings};
use call_metrics::{Reach, RecordSink, Recorder, RecorderConfig, RecorderHandle};
use media_relay::{Clock, Relay};
use model::Instant;
use ng_control::ControlCounts;
use outbox::Record;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long the protocol may do nothing before a supervisor should start the process anew; it comes
/// round once a second.
const STUCK_AFTER: Duration = Duration::from_secs(15);

/// Reads `ADDRESS:PORT`, or a port of this host alone.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let of_port = || text.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
    text.parse().ok().or_else(of_port).ok_or_else(|| {
        "give an address and a port, such as 127.0.0.1:9464, or the port alone".to_owned()
    })
}

/// The pages, and what they are told of the protocol.
pub(super) struct Pages {
    /// Records nothing: the proxy keeps the calls' records. The page of numbers is its.
    recorder: RecorderHandle,
    told: Arc<Mutex<Told>>,
    address: SocketAddr,
}

/// What the protocol has counted, and when it said so.
#[derive(Clone, Copy, Default)]
struct Told {
    counts: ControlCounts,
    at: Instant,
}

impl Pages {
    /// Serves them at `listen`.
    pub(super) fn open(
        listen: SocketAddr,
        relay: &Arc<Relay>,
        origin: Origin,
        max_calls: usize,
    ) -> Result<Self, String> {
        let clock = Clock::new(origin.monotonic);
        let config = RecorderConfig {
            cloudwatch: None,
            ..RecorderConfig::new("relay", "", "", origin.calendar)
        };
        let (_, recorder) =
            call_metrics::spawn(Recorder::new(config), 4, Nowhere, move || clock.now())
                .map_err(|error| format!("cannot start the page's thread: {error}"))?;
        let told = Arc::new(Mutex::new(Told { at: clock.now(), ..Told::default() }));
        publish(&recorder, Arc::downgrade(relay), Arc::clone(&told));
        let readiness = readiness(Arc::downgrade(relay), Arc::clone(&told), clock, max_calls);
        let address = http::serve(listen, recorder.view(), readiness).map_err(|error| {
            format!("--http {listen}: {error}; give a free address of this host")
        })?;
        Ok(Pages { recorder, told, address })
    }

    /// Where they are.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The protocol has come round.
    pub(super) fn tell(&self, now: Instant, counts: ControlCounts) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Told { counts, at: now };
    }

    pub(super) fn close(self) {
        self.recorder.stop();
    }
}

/// Where the records of calls go that the recorder is never told of.
struct Nowhere;

impl RecordSink for Nowhere {
    fn write(&self, _: Record, _: Reach) {}
}

fn read(told: &Mutex<Told>) -> Told {
    *told.lock().unwrap_or_else(PoisonError::into_inner)
}

fn publish(recorder: &RecorderHandle, relay: Weak<Relay>, told: Arc<Mutex<Told>>) {
    recorder.view().set_readings(move |out| {
        process::read(out);
        if let Some(relay) = relay.upgrade() {
            readings::of_relay(&relay.statistics(), out);
        }
        readings::of_ng(&read(&told).counts, out);
    });
}

fn readiness(
    relay: Weak<Relay>,
    told: Arc<Mutex<Told>>,
    clock: Clock,
    max_calls: usize,
) -> Readiness {
    let of_lacks = Arc::clone(&told);
    let alive = move || {
        let silent_for = clock.now().saturating_since(read(&told).at);
        (silent_for >= STUCK_AFTER).then(|| Lack::new("ng", "the ng protocol is not served"))
    };
    // The process ends at once when it is told to: there is no drain.
    let (readiness, _) = Readiness::new(alive, move |lacks| {
        if read(&of_lacks).counts.calls >= max_calls as u64 {
            lacks.push(Lack::new("ng", "there are as many calls as --max-calls allows"));
        }
        let why = relay.upgrade().and_then(|relay| lacks_ports(&relay.statistics()));
        lacks.extend(why.map(|why| Lack::new("media", why)));
    });
    readiness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_host_alone() {
        assert_eq!(address("9464"), Ok(([127, 0, 0, 1], 9_464).into()));
        assert_eq!(address("[::1]:9464").unwrap().to_string(), "[::1]:9464");
        assert_eq!(address("192.0.2.1:80").unwrap().to_string(), "192.0.2.1:80");
        for wrong in ["", "65536", "192.0.2.1", "host:9464", ":9464"] {
            assert!(address(wrong).unwrap_err().contains("127.0.0.1:9464"), "{wrong}");
        }
    }
}

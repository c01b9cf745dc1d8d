//! What the server has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counted since the start, unless a name says otherwise; cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct GuestCounters(Arc<Counts>);

#[derive(Default, Debug)]
struct Counts {
    connections: AtomicU64,
    calls: AtomicU64,
    busy: AtomicU64,
    rate: AtomicU64,
    request: AtomicU64,
    message: AtomicU64,
}

/// Why a guest was refused something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GuestRefusal {
    /// As many connections are open as may be, in all or from the source.
    Busy,
    /// Too many in a short time, of connections or of messages.
    Rate,
    /// An HTTP request that is none of ours.
    Request,
    /// A message over a WebSocket that cannot be taken.
    Message,
}

impl GuestCounters {
    pub(crate) fn refused(&self, why: GuestRefusal) {
        let count = match why {
            GuestRefusal::Busy => &self.0.busy,
            GuestRefusal::Rate => &self.0.rate,
            GuestRefusal::Request => &self.0.request,
            GuestRefusal::Message => &self.0.message,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self) -> Open {
        Open::of(Arc::clone(&self.0), |counts| &counts.connections)
    }

    pub(crate) fn calling(&self) -> Open {
        Open::of(Arc::clone(&self.0), |counts| &counts.calls)
    }

    /// Connections now.
    pub fn connections(&self) -> u64 {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// WebSockets with SIP now.
    pub fn sip_sockets(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// What was refused, by reason.
    pub fn refusals(&self) -> [(&'static str, u64); 4] {
        let counts = &self.0;
        [
            ("busy", &counts.busy),
            ("rate", &counts.rate),
            ("request", &counts.request),
            ("message", &counts.message),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// Something that is open until this is dropped.
pub(crate) struct Open {
    counts: Arc<Counts>,
    which: fn(&Counts) -> &AtomicU64,
}

impl Open {
    fn of(counts: Arc<Counts>, which: fn(&Counts) -> &AtomicU64) -> Open {
        which(&counts).fetch_add(1, Ordering::Relaxed);
        Open { counts, which }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.which)(&self.counts).fetch_sub(1, Ordering::Relaxed);
    }
}

//! How many peers may be connected, in all and from one source.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// How many accepted connections are open, in all and by source.
pub(crate) struct Admission {
    connections: usize,
    per_source: usize,
    admitted: Mutex<AdmittedCounts>,
}

#[derive(Default)]
struct AdmittedCounts {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// One place; given back when dropped.
pub(super) struct Admitted {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    pub(super) fn new(connections: usize, per_source: usize) -> Arc<Admission> {
        Arc::new(Admission { connections, per_source, admitted: Mutex::default() })
    }

    pub(super) fn admit(admission: &Arc<Admission>, remote: IpAddr) -> Option<Admitted> {
        let source = source_network(remote);
        let mut counts = admission.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        let from_source = counts.by_source.get(&source).copied().unwrap_or(0);
        if counts.total >= admission.connections || from_source >= admission.per_source {
            return None;
        }
        counts.total += 1;
        counts.by_source.insert(source, from_source + 1);
        Some(Admitted { admission: Arc::clone(admission), source })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(from_source) = counts.by_source.get_mut(&self.source) {
            *from_source = from_source.saturating_sub(1);
            if *from_source == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

/// What counts as one source: an IPv6 host commands a whole /64.
fn source_network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
    }
}

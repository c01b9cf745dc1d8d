//! Bindings that outlive a restart of the node: those over UDP. A connection ends with the node, and
//! the system that had it notices.

use super::{Binding, Registrar};
use crate::config::EdgeConfig;
use crate::preference::HIGHEST;
use directory::{RegistrationPolicy, Snapshot};
use model::{Flow, Instant, TransportProtocol, UnixTime, VoiceConnectorId};
use sip_proto::{NameAddr, Scheme, Uri};
use std::net::SocketAddr;
use std::time::Duration;

/// A binding as it is kept outside the process. Holds nothing secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedBinding {
    /// Whose.
    pub voice_connector: VoiceConnectorId,
    /// The URI of its Contact.
    pub uri: Box<str>,
    /// Route of requests to it (RFC 3327).
    pub path: Vec<Box<str>>,
    /// Our address that it was registered at.
    pub local: SocketAddr,
    /// Where it was registered from.
    pub remote: SocketAddr,
    /// Its q value in thousandths, 0 to 1000.
    pub q: u16,
    /// Call-ID of the registration.
    pub call_id: Box<str>,
    /// Number of its last REGISTER.
    pub cseq: u32,
    /// When it ends.
    pub until: UnixTime,
}

/// No text of a binding is longer, as [`sip_proto::Limits`] bounds header lines.
const LONGEST_TEXT: usize = 8 * 1024;
/// No more proxies stand before a system.
const MOST_HOPS: usize = 16;

impl SavedBinding {
    /// Whether its texts may stand in a request: what is read from outside may be anything.
    fn is_sound(&self) -> bool {
        let plain = |text: &str| {
            text.len() <= LONGEST_TEXT && !text.is_empty() && !text.chars().any(char::is_control)
        };
        let is_sip =
            Uri::parse(&self.uri).is_ok_and(|u| matches!(u.scheme, Scheme::Sip | Scheme::Sips));
        let hops_are_fine = self.path.len() <= MOST_HOPS
            && self.path.iter().all(|hop| plain(hop) && NameAddr::parse(hop).is_ok());
        plain(&self.uri) && plain(&self.call_id) && is_sip && hops_are_fine && self.q <= HIGHEST
    }

    /// When it ends by our clock, at the latest after the longest time that is granted; `None` when
    /// it has ended.
    fn end(&self, origin: UnixTime, policy: &RegistrationPolicy) -> Option<Instant> {
        let left = self.until.as_millis().checked_sub(origin.as_millis()).filter(|ms| *ms > 0)?;
        Some(Instant::ZERO + Duration::from_millis(left).min(policy.max_expires))
    }
}

impl Registrar {
    /// The registrar of a node that starts: with the bindings of the run before that still hold, as
    /// far as the directory and the listeners are still for them.
    pub(crate) fn restored(config: &EdgeConfig, directory: &Snapshot) -> Self {
        let mut registrar = Registrar::default();
        registrar.keep_alives.interval = config.udp_keep_alive;
        for saved in config.bindings.iter() {
            let connector = directory.voice_connector(&saved.voice_connector);
            let Some(policy) = connector.and_then(|connector| connector.registration) else {
                continue;
            };
            let is_ours = |l: &&crate::Listener| {
                l.protocol == TransportProtocol::Udp && l.local == saved.local
            };
            let Some(until) = saved.end(config.origin, &policy) else { continue };
            let held = registrar.bindings.get(&saved.voice_connector).map_or(0, Vec::len);
            if held >= policy.max_bindings
                || !saved.is_sound()
                || !config.listeners.iter().any(|listener| is_ours(&listener))
            {
                continue;
            }
            registrar.next_serial += 1;
            let binding = Binding {
                uri: saved.uri.clone(),
                path: saved.path.clone(),
                flow: Flow::new(TransportProtocol::Udp, saved.local, saved.remote),
                q: saved.q,
                call_id: saved.call_id.clone(),
                cseq: saved.cseq,
                until,
                serial: registrar.next_serial,
            };
            registrar.bind(None, &saved.voice_connector, binding);
        }
        registrar
    }

    /// The bindings that outlive a restart, the oldest first. `unix` is the calendar's time at `now`.
    pub(crate) fn saved(&self, now: Instant, unix: UnixTime) -> Vec<SavedBinding> {
        let mut all: Vec<(&VoiceConnectorId, &Binding)> = self
            .bindings
            .iter()
            .flat_map(|(id, bindings)| bindings.iter().map(move |binding| (id, &**binding)))
            .filter(|(_, binding)| binding.flow.protocol == TransportProtocol::Udp)
            .collect();
        all.sort_unstable_by_key(|(_, binding)| binding.serial);
        let saved = all.into_iter().map(|(id, binding)| SavedBinding {
            voice_connector: id.clone(),
            uri: binding.uri.clone(),
            path: binding.path.clone(),
            local: binding.flow.local,
            remote: binding.flow.remote,
            q: binding.q,
            call_id: binding.call_id.clone(),
            cseq: binding.cseq,
            until: after(unix, binding.until.saturating_since(now)),
        });
        saved.collect()
    }

    /// Grows whenever [`Registrar::saved`] may have changed.
    pub(crate) const fn revision(&self) -> u64 {
        self.revision
    }
}

fn after(unix: UnixTime, span: Duration) -> UnixTime {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    UnixTime::from_millis(unix.as_millis().saturating_add(span))
}

//! Host names to addresses, over the operating system's resolver: A and AAAA records and
//! `/etc/hosts`. NAPTR and SRV (RFC 3263 section 4) are not asked; a name stands for its addresses
//! at the given port, or at the transport's default one.

use crate::clock::Clock;
use b2bua::ResolveId;
use model::{Instant, TransportProtocol};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How names are resolved.
#[derive(Clone, Copy, Debug)]
pub struct ResolverLimits {
    /// After this the asker is told that the name has no address.
    pub timeout: Duration,
    /// Lookups at a time. Each occupies a thread until the operating system gives up, which can be
    /// later than `timeout`.
    pub concurrent: usize,
    /// Names that wait for a lookup. One more is answered at once with no address.
    pub waiting: usize,
    /// How long addresses are used again. The operating system does not tell the records' own time.
    pub keep: Duration,
    /// How long a name is remembered to have no address.
    pub keep_failure: Duration,
    /// Names that are remembered; when full, they are all forgotten.
    pub remembered: usize,
}

impl Default for ResolverLimits {
    fn default() -> Self {
        ResolverLimits {
            timeout: Duration::from_secs(5),
            concurrent: 8,
            waiting: 1_024,
            keep: Duration::from_secs(30),
            keep_failure: Duration::from_secs(5),
            remembered: 4_096,
        }
    }
}

/// The function that asks the operating system; another one in tests.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync>;

/// What a lookup task tells the driver.
pub(crate) enum ResolverInput {
    /// The addresses, or that there are none, or that it took too long.
    Answer { host: Arc<str>, addresses: Vec<IpAddr> },
    /// The lookup's thread is free again.
    Free,
}

/// Who asked, and for which port.
struct Asker {
    id: ResolveId,
    port: u16,
}

struct Remembered {
    addresses: Vec<IpAddr>,
    until: Instant,
}

/// The resolver of one worker.
pub(crate) struct Resolver {
    limits: ResolverLimits,
    clock: Clock,
    lookup: Lookup,
    inputs: mpsc::Sender<ResolverInput>,
    remembered: HashMap<Arc<str>, Remembered>,
    /// Names being looked up or waiting for it, with everybody who wants to know.
    askers: HashMap<Arc<str>, Vec<Asker>>,
    waiting: VecDeque<Arc<str>>,
    running: usize,
    answers: Vec<(ResolveId, Vec<SocketAddr>)>,
}

impl Resolver {
    pub(crate) fn new(
        limits: ResolverLimits,
        clock: Clock,
        lookup: Lookup,
        inputs: mpsc::Sender<ResolverInput>,
    ) -> Resolver {
        Resolver {
            limits,
            clock,
            lookup,
            inputs,
            remembered: HashMap::new(),
            askers: HashMap::new(),
            waiting: VecDeque::new(),
            running: 0,
            answers: Vec::new(),
        }
    }

    /// Starts to resolve `host`; the answer comes out of [`Resolver::take_answers`], sometimes at
    /// once.
    pub(crate) fn resolve(
        &mut self,
        id: ResolveId,
        host: &Arc<str>,
        port: Option<u16>,
        protocol: TransportProtocol,
    ) {
        let asker = Asker { id, port: port.unwrap_or(protocol.default_port()) };
        if let Some(ip) = literal(host) {
            self.answer(asker, &[ip]);
            return;
        }
        let now = self.clock.now();
        if let Some(known) = self.remembered.get(host).filter(|known| known.until > now) {
            let addresses = known.addresses.clone();
            self.answer(asker, &addresses);
        } else if let Some(askers) = self.askers.get_mut(host) {
            askers.push(asker);
        } else if self.running < self.limits.concurrent {
            self.askers.insert(Arc::clone(host), vec![asker]);
            self.start(Arc::clone(host));
        } else if self.waiting.len() < self.limits.waiting {
            self.askers.insert(Arc::clone(host), vec![asker]);
            self.waiting.push_back(Arc::clone(host));
        } else {
            tracing::warn!(host = %host, "too many names wait for the resolver");
            self.answer(asker, &[]);
        }
    }

    pub(crate) fn handle(&mut self, input: ResolverInput) {
        match input {
            ResolverInput::Answer { host, addresses } => self.remember(host, addresses),
            ResolverInput::Free => {
                self.running = self.running.saturating_sub(1);
                if let Some(host) = self.waiting.pop_front() {
                    self.start(host);
                }
            }
        }
    }

    /// The answers that are ready; an empty list says that there is no address.
    pub(crate) fn take_answers(&mut self) -> Vec<(ResolveId, Vec<SocketAddr>)> {
        std::mem::take(&mut self.answers)
    }

    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    fn remember(&mut self, host: Arc<str>, addresses: Vec<IpAddr>) {
        for asker in self.askers.remove(&host).unwrap_or_default() {
            self.answer(asker, &addresses);
        }
        if self.remembered.len() >= self.limits.remembered {
            self.remembered.clear();
        }
        let keep = if addresses.is_empty() { self.limits.keep_failure } else { self.limits.keep };
        let until = self.clock.now() + keep;
        self.remembered.insert(host, Remembered { addresses, until });
    }

    fn answer(&mut self, asker: Asker, addresses: &[IpAddr]) {
        let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, asker.port)).collect();
        self.answers.push((asker.id, addresses));
    }

    fn start(&mut self, host: Arc<str>) {
        self.running += 1;
        let lookup = Arc::clone(&self.lookup);
        let inputs = self.inputs.clone();
        let limit = self.limits.timeout;
        tokio::spawn(async move {
            let name = Arc::clone(&host);
            let mut blocking = tokio::task::spawn_blocking(move || lookup(&name));
            let in_time = tokio::time::timeout(limit, &mut blocking).await;
            let finished = in_time.is_ok();
            let addresses = match in_time {
                Ok(Ok(Ok(addresses))) => addresses,
                Ok(Ok(Err(error))) => {
                    tracing::debug!(host = %host, %error, "a name has no address");
                    Vec::new()
                }
                Ok(Err(_)) => Vec::new(),
                Err(_) => {
                    tracing::warn!(host = %host, "the resolver did not answer in time");
                    Vec::new()
                }
            };
            let _ = inputs.send(ResolverInput::Answer { host, addresses }).await;
            if !finished {
                let _ = blocking.await;
            }
            let _ = inputs.send(ResolverInput::Free).await;
        });
    }
}

/// Asks the operating system.
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|host| {
        let mut addresses: Vec<IpAddr> = (host, 0).to_socket_addrs()?.map(|a| a.ip()).collect();
        // getaddrinfo repeats an address for every socket type.
        let mut seen = std::collections::HashSet::new();
        addresses.retain(|ip| seen.insert(*ip));
        Ok(addresses)
    })
}

/// An address written as a host, an IPv6 one with or without brackets.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
#[path = "resolver_tests.rs"]
mod tests;

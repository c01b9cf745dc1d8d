//! The immutable snapshot that call routing reads.

use crate::cidr::{CidrIndex, Owners};
use crate::route::{Candidate, draw_order};
use crate::validate::validate;
use crate::{Carrier, Problem, Route, VoiceConnector};
use ipnet::IpNet;
use model::VoiceConnectorId;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What an operator declared, unchecked.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Resources {
    /// The domain under which voice connectors have their host names.
    pub domain: String,
    /// The carriers.
    pub carriers: Vec<Carrier>,
    /// The voice connectors.
    pub voice_connectors: Vec<VoiceConnector>,
}

/// Checked resources with an index for every question of call routing. Never changes; a reload
/// builds another one.
#[derive(Debug)]
pub struct Snapshot {
    domain: String,
    /// `voiceconnector.<domain>`: what follows the first dot of a voice connector's host name.
    host_suffix: String,
    carriers: Vec<Arc<Carrier>>,
    voice_connectors: Vec<Arc<VoiceConnector>>,
    by_id: HashMap<Box<str>, usize>,
    by_number: HashMap<Arc<str>, usize>,
    carrier_sources: CidrIndex,
    voice_connector_sources: CidrIndex,
    prefixes: HashMap<Arc<str>, Vec<Candidate>>,
    longest_prefix: usize,
}

impl Snapshot {
    /// Checks `resources` and indexes them.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of declaration.
    pub fn build(resources: Resources) -> Result<Snapshot, Vec<Problem>> {
        let problems = validate(&resources);
        if !problems.is_empty() {
            return Err(problems);
        }
        let Resources { domain, carriers, voice_connectors } = resources;
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let carriers: Vec<_> = carriers.into_iter().map(Arc::new).collect();
        let voice_connectors: Vec<_> = voice_connectors.into_iter().map(Arc::new).collect();
        let prefixes = index_prefixes(&carriers);
        Ok(Snapshot {
            host_suffix: format!("voiceconnector.{domain}"),
            domain,
            by_id: enumerated(&voice_connectors)
                .map(|(i, vc)| (vc.id.as_str().into(), i))
                .collect(),
            by_number: enumerated(&voice_connectors)
                .flat_map(|(i, vc)| vc.numbers.iter().map(move |number| (number.clone(), i)))
                .collect(),
            carrier_sources: CidrIndex::new(
                enumerated(&carriers).flat_map(|(i, carrier)| {
                    carrier.inbound_cidrs.iter().map(move |net| (*net, i))
                }),
            ),
            voice_connector_sources: index_sources(&voice_connectors),
            longest_prefix: prefixes.keys().map(|prefix| prefix.len()).max().unwrap_or(0),
            prefixes,
            carriers,
            voice_connectors,
        })
    }

    /// The domain, in lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// A voice connector by its identity.
    pub fn voice_connector(&self, id: &VoiceConnectorId) -> Option<&Arc<VoiceConnector>> {
        self.voice_connectors.get(*self.by_id.get(id.as_str())?)
    }

    /// All voice connectors, in the order of declaration.
    pub fn voice_connectors(&self) -> impl Iterator<Item = &Arc<VoiceConnector>> {
        self.voice_connectors.iter()
    }

    /// All carriers, in the order of declaration.
    pub fn carriers(&self) -> impl Iterator<Item = &Arc<Carrier>> {
        self.carriers.iter()
    }

    /// The voice connector whose host name, `<id>.voiceconnector.<domain>`, is `host`; in any case,
    /// with or without a trailing dot.
    pub fn voice_connector_by_host(&self, host: &str) -> Option<&Arc<VoiceConnector>> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let (label, rest) = host.split_once('.')?;
        if !rest.eq_ignore_ascii_case(&self.host_suffix) {
            return None;
        }
        // No id is longer than 22 characters: a longer label needs no lookup.
        let mut lower = [0u8; 22];
        let lower = lower.get_mut(..label.len())?;
        lower.copy_from_slice(label.as_bytes());
        lower.make_ascii_lowercase();
        let id = std::str::from_utf8(lower).ok()?;
        self.voice_connectors.get(*self.by_id.get(id)?)
    }

    /// The voice connectors whose termination allows calls from `ip`, each once, those with the
    /// most specific network first. Disabled ones are among them, so that their calls are refused
    /// as such.
    pub fn voice_connectors_by_source(&self, ip: IpAddr) -> VoiceConnectorsBySource<'_> {
        VoiceConnectorsBySource {
            owners: self.voice_connector_sources.owners(ip),
            voice_connectors: &self.voice_connectors,
        }
    }

    /// The carrier that calls from `ip`; the most specific of `inbound_cidrs` decides.
    pub fn carrier_by_source(&self, ip: IpAddr) -> Option<&Arc<Carrier>> {
        self.carriers.get(self.carrier_sources.owners(ip).next()?)
    }

    /// The voice connector that a number reaches.
    pub fn voice_connector_by_number(&self, e164: &str) -> Option<&Arc<VoiceConnector>> {
        self.voice_connectors.get(*self.by_number.get(e164)?)
    }

    /// The hunt for an outbound number, each carrier at most once: carriers with the longest
    /// matching prefix first (those with shorter ones follow as fallback), the lowest priority
    /// first among them, then drawn by weight. `draw` gives 64 random bits.
    pub fn outbound_routes(&self, e164: &str, draw: &mut dyn FnMut() -> u64) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        let mut used: Vec<usize> = Vec::new();
        for length in (1..=self.longest_prefix.min(e164.len())).rev() {
            let found = e164.get(..length).and_then(|prefix| self.prefixes.get(prefix));
            let Some(group) = found else { continue };
            let mut candidates: Vec<Candidate> =
                group.iter().copied().filter(|c| !used.contains(&c.index)).collect();
            draw_order(&mut candidates, draw);
            for candidate in candidates {
                used.push(candidate.index);
                routes.extend(self.carriers.get(candidate.index).map(outbound_route));
            }
        }
        routes
    }

    /// The hunt for an inbound call to `vc`: its origination routes, the lowest priority first,
    /// then drawn by weight. Empty when origination is disabled.
    pub fn inbound_routes(&self, vc: &VoiceConnector, draw: &mut dyn FnMut() -> u64) -> Vec<Route> {
        if vc.origination.disabled {
            return Vec::new();
        }
        let routes = &vc.origination.routes;
        let mut candidates: Vec<Candidate> = enumerated(routes)
            .map(|(index, r)| Candidate { priority: r.priority, weight: r.weight, index })
            .collect();
        candidates.sort_by_key(|candidate| candidate.priority);
        draw_order(&mut candidates, draw);
        candidates
            .into_iter()
            .filter_map(|candidate| routes.get(candidate.index))
            .map(|route| Route {
                carrier: None,
                host: route.host.clone(),
                port: route.port,
                protocol: route.protocol,
                tls: route.tls.clone(),
                timeout: vc.no_response_timeout,
                no_answer_timeout: vc.no_answer_timeout,
                hunt_final_codes: vc.hunt_final_codes.clone(),
            })
            .collect()
    }
}

/// See [`Snapshot::voice_connectors_by_source`].
#[derive(Clone, Debug)]
pub struct VoiceConnectorsBySource<'a> {
    owners: Owners<'a>,
    voice_connectors: &'a [Arc<VoiceConnector>],
}

impl<'a> Iterator for VoiceConnectorsBySource<'a> {
    type Item = &'a Arc<VoiceConnector>;

    fn next(&mut self) -> Option<Self::Item> {
        self.voice_connectors.get(self.owners.next()?)
    }
}

fn enumerated<T>(items: &[T]) -> impl Iterator<Item = (usize, &T)> {
    items.iter().enumerate()
}

fn outbound_route(carrier: &Arc<Carrier>) -> Route {
    Route {
        carrier: Some(carrier.clone()),
        host: carrier.host.clone(),
        port: carrier.port,
        protocol: carrier.transport,
        tls: carrier.tls.clone(),
        timeout: carrier.no_response_timeout,
        no_answer_timeout: carrier.no_answer_timeout,
        hunt_final_codes: carrier.hunt_final_codes.clone(),
    }
}

fn index_prefixes(carriers: &[Arc<Carrier>]) -> HashMap<Arc<str>, Vec<Candidate>> {
    let mut prefixes: HashMap<Arc<str>, Vec<Candidate>> = HashMap::new();
    for (index, carrier) in enumerated(carriers) {
        let candidate = Candidate { priority: carrier.priority, weight: carrier.weight, index };
        for prefix in &carrier.prefixes {
            prefixes.entry(prefix.clone()).or_default().push(candidate);
        }
    }
    for group in prefixes.values_mut() {
        group.sort_by_key(|candidate| candidate.priority);
    }
    prefixes
}

/// A connector's own networks are merged where they overlap, so that a lookup names it once.
fn index_sources(voice_connectors: &[Arc<VoiceConnector>]) -> CidrIndex {
    CidrIndex::new(enumerated(voice_connectors).flat_map(|(i, vc)| {
        let listed = vc.termination.as_ref().map_or(&[][..], |t| &t.cidr_allowed_list);
        IpNet::aggregate(&listed.to_vec()).into_iter().map(move |net| (net, i))
    }))
}

//! The immutable snapshot that call routing reads.

mod indexes;

use indexes::{emergency_carriers, index_prefixes, index_sources, members, route_targets};

use crate::applications::Applications;
use crate::cidr::{CidrIndex, Owners};
use crate::number::HighRisk;
use crate::proxy::{self, ProxyIndex};
use crate::rooms::RoomsIndex;
use crate::route::{Candidate, draw_order};
use crate::target::Target;
use crate::validate::{validate, validate_connector};
use crate::{
    ApplicationTarget, Carrier, MediaApplication, NumberOwner, NumberPool, NumberTable, Problem,
    ProxyConfiguration, ProxyNumber, ProxySession, ReachedRooms, RiskClass, Rooms, Route, SipRule,
    VoiceConnector, VoiceConnectorGroup,
};
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
    /// The groups of voice connectors.
    pub groups: Vec<VoiceConnectorGroup>,
    /// The programs that steer calls.
    pub media_applications: Vec<MediaApplication>,
    /// Which calls those are.
    pub sip_rules: Vec<SipRule>,
    /// Prefixes of numbers that the operator counts as high-risk, `+` and leading digits.
    pub high_risk_prefixes: Vec<Arc<str>>,
    /// Numbers that may be ordered.
    pub number_pools: Vec<NumberPool>,
    /// Numbers beside those of voice connectors and groups, which come first.
    pub numbers: NumberTable,
    /// Proxy configurations of voice connectors, at most one of each.
    pub proxies: Vec<ProxyConfiguration>,
    /// Proxy phone sessions; closed ones may be among them.
    pub proxy_sessions: Vec<ProxySession>,
    /// The meeting rooms, where there are any.
    pub rooms: Option<Rooms>,
}

/// Checked resources with an index for every question of call routing. Never changes; a reload
/// builds another one.
#[derive(Debug)]
pub struct Snapshot {
    declared: Arc<Declared>,
    voice_connectors: Arc<[Arc<VoiceConnector>]>,
    /// By voice connector, then by route.
    route_targets: Arc<[Arc<[Arc<Target>]>]>,
    voice_connector_sources: Arc<CidrIndex>,
    numbers: NumberTable,
}

/// What is indexed as a whole. Snapshots that differ in [`NumberTable`], or in what voice connectors
/// say beside their ids and numbers, share it.
#[derive(Debug)]
struct Declared {
    domain: String,
    /// `voiceconnector.<domain>`: what follows the first dot of a voice connector's host name.
    host_suffix: String,
    carriers: Vec<Arc<Carrier>>,
    by_id: HashMap<Box<str>, usize>,
    by_number: HashMap<Arc<str>, usize>,
    /// Numbers that mask, also those of [`NumberTable`].
    proxied: ProxyIndex,
    declared_groups: Vec<Arc<VoiceConnectorGroup>>,
    /// The voice connectors of each group, the first to be tried first.
    groups: Vec<Vec<usize>>,
    group_by_id: HashMap<Arc<str>, usize>,
    group_by_number: HashMap<Arc<str>, usize>,
    /// By carrier.
    carrier_targets: Vec<Arc<Target>>,
    emergency_carriers: Vec<Candidate>,
    applications: Applications,
    rooms: Option<RoomsIndex>,
    high_risk: HighRisk,
    carrier_sources: CidrIndex,
    prefixes: HashMap<Arc<str>, Vec<Candidate>>,
    longest_prefix: usize,
    number_pools: Vec<NumberPool>,
}

/// What a called number reaches.
#[derive(Clone, Debug)]
pub enum Reached<'a> {
    /// These voice connectors' systems, the first to be tried first; empty for a number of nobody.
    Systems(Vec<Arc<VoiceConnector>>),
    /// Whomever the caller has a session with, for this voice connector.
    Proxy(&'a Arc<VoiceConnector>, &'a ProxyNumber),
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
        let Resources {
            domain,
            carriers,
            voice_connectors,
            groups,
            media_applications,
            sip_rules,
            high_risk_prefixes,
            number_pools,
            numbers,
            proxies,
            proxy_sessions,
            rooms,
        } = resources;
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let carriers: Vec<_> = carriers.into_iter().map(Arc::new).collect();
        let voice_connectors: Vec<_> = voice_connectors.into_iter().map(Arc::new).collect();
        let prefixes = index_prefixes(&carriers);
        let by_id: HashMap<Box<str>, usize> =
            enumerated(&voice_connectors).map(|(i, vc)| (vc.id.as_str().into(), i)).collect();
        let proxied = proxy::index(&proxies, &proxy_sessions, |id| {
            let connector = voice_connectors.get(*by_id.get(id.as_str())?)?;
            Some(Arc::new(numbers.with_own(connector)))
        });
        let declared =
            Declared {
                proxied,
                applications: Applications::new(media_applications, sip_rules),
                rooms: rooms.as_ref().and_then(RoomsIndex::new),
                host_suffix: format!("voiceconnector.{domain}"),
                domain,
                groups: groups.iter().map(|group| members(group, &by_id)).collect(),
                group_by_id: enumerated(&groups).map(|(i, group)| (group.id.clone(), i)).collect(),
                group_by_number: enumerated(&groups)
                    .flat_map(|(i, group)| group.numbers.iter().map(move |n| (n.clone(), i)))
                    .collect(),
                declared_groups: groups.into_iter().map(Arc::new).collect(),
                by_id,
                carrier_targets: carriers.iter().map(|c| Arc::new(Target::of_carrier(c))).collect(),
                emergency_carriers: emergency_carriers(&carriers),
                high_risk: HighRisk::with(high_risk_prefixes.iter().map(|prefix| &**prefix)),
                by_number: enumerated(&voice_connectors)
                    .flat_map(|(i, vc)| vc.numbers.iter().map(move |number| (number.clone(), i)))
                    .collect(),
                carrier_sources: CidrIndex::new(enumerated(&carriers).flat_map(|(i, carrier)| {
                    carrier.inbound_cidrs.iter().map(move |net| (*net, i))
                })),
                longest_prefix: prefixes.keys().map(|prefix| prefix.len()).max().unwrap_or(0),
                prefixes,
                carriers,
                number_pools,
            };
        Ok(Snapshot {
            declared: Arc::new(declared),
            route_targets: voice_connectors.iter().map(|vc| route_targets(vc)).collect(),
            voice_connector_sources: Arc::new(index_sources(&voice_connectors)),
            voice_connectors: voice_connectors.into(),
            numbers,
        })
    }

    /// The same, but for the numbers beside those of voice connectors and groups.
    pub fn with_numbers(&self, numbers: NumberTable) -> Snapshot {
        Snapshot {
            declared: Arc::clone(&self.declared),
            voice_connectors: Arc::clone(&self.voice_connectors),
            route_targets: Arc::clone(&self.route_targets),
            voice_connector_sources: Arc::clone(&self.voice_connector_sources),
            numbers,
        }
    }

    /// The same with another voice connector of the same id and numbers; `None` where there is none to
    /// be replaced so. Only what is about it is checked and indexed, and the networks of all of them
    /// when its own have changed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn with_connector(
        &self,
        connector: VoiceConnector,
    ) -> Result<Option<Snapshot>, Vec<Problem>> {
        let at = self.declared.by_id.get(connector.id.as_str()).copied();
        let known = at.and_then(|at| Some((at, self.voice_connectors.get(at)?)));
        let Some((at, known)) = known.filter(|(_, known)| known.numbers == connector.numbers)
        else {
            return Ok(None);
        };
        let problems = validate_connector(&connector, at, &self.declared.carriers);
        if !problems.is_empty() {
            return Err(problems);
        }
        let networks = |vc: &VoiceConnector| {
            vc.termination.as_ref().map(|each| each.cidr_allowed_list.clone()).unwrap_or_default()
        };
        let same_networks = networks(known) == networks(&connector);
        let targets = route_targets(&connector);
        let connector = Arc::new(connector);
        let replaced = self.voice_connectors.iter().enumerate();
        let voice_connectors: Arc<[_]> =
            replaced.map(|(n, each)| Arc::clone(if n == at { &connector } else { each })).collect();
        let replaced = self.route_targets.iter().enumerate();
        let route_targets =
            replaced.map(|(n, each)| Arc::clone(if n == at { &targets } else { each })).collect();
        let voice_connector_sources = match same_networks {
            true => Arc::clone(&self.voice_connector_sources),
            false => Arc::new(index_sources(&voice_connectors)),
        };
        Ok(Some(Snapshot {
            declared: Arc::clone(&self.declared),
            voice_connectors,
            route_targets,
            voice_connector_sources,
            numbers: self.numbers.clone(),
        }))
    }

    /// Whether the other has the same resources by their ids, each at the same place, and differs in
    /// what voice connectors say, and in numbers of the table, at most.
    pub fn shares_ids(&self, other: &Snapshot) -> bool {
        Arc::ptr_eq(&self.declared, &other.declared)
    }

    /// Whether the other differs in the numbers beside those of voice connectors and groups alone.
    pub fn shares_resources(&self, other: &Snapshot) -> bool {
        self.shares_ids(other) && Arc::ptr_eq(&self.voice_connectors, &other.voice_connectors)
    }

    /// The numbers beside those of voice connectors and groups.
    pub fn numbers(&self) -> &NumberTable {
        &self.numbers
    }

    /// The pools of numbers that may be ordered, in the order of declaration.
    pub fn number_pools(&self) -> &[NumberPool] {
        &self.declared.number_pools
    }

    /// Whether a voice connector, a group or the meeting rooms themselves list the number.
    pub fn declares_number(&self, e164: &str) -> bool {
        self.declared.by_number.contains_key(e164)
            || self.declared.group_by_number.contains_key(e164)
            || self.declared.rooms.as_ref().is_some_and(|rooms| rooms.has_number(e164))
    }

    /// Whether the number reaches the voice connector without a group.
    pub fn is_number_of(&self, vc: &VoiceConnector, e164: &str) -> bool {
        self.voice_connector_by_number(e164).is_some_and(|owner| owner.id == vc.id)
    }

    /// The first number of a voice connector: of its own list, or the lowest beside it.
    pub fn first_number_of(&self, vc: &VoiceConnector) -> Option<Arc<str>> {
        vc.numbers.first().cloned().or_else(|| {
            let owner = NumberOwner::Connector(vc.id.clone());
            let mut others = self.numbers.of(&owner);
            others.find(|number| !self.declares_number(number)).map(Arc::from)
        })
    }

    /// The caller's name of outbound calls from a number.
    pub fn calling_name(&self, e164: &str) -> Option<&Arc<str>> {
        self.numbers.calling_name(e164).filter(|_| !self.declares_number(e164))
    }

    /// The domain, in lower case.
    pub fn domain(&self) -> &str {
        &self.declared.domain
    }

    /// A voice connector by its identity.
    pub fn voice_connector(&self, id: &VoiceConnectorId) -> Option<&Arc<VoiceConnector>> {
        self.voice_connectors.get(*self.declared.by_id.get(id.as_str())?)
    }

    /// Under whose rules the calls of this id are: a voice connector's, an application's, or the rooms'.
    pub fn connector_of_calls(&self, id: &VoiceConnectorId) -> Option<&Arc<VoiceConnector>> {
        let of_rooms = || self.declared.rooms.as_ref()?.connector(id);
        self.voice_connector(id)
            .or_else(|| self.declared.applications.connector(id))
            .or_else(of_rooms)
    }

    /// The meeting rooms as they were declared.
    pub fn rooms(&self) -> Option<&Arc<Rooms>> {
        self.declared.rooms.as_ref().map(RoomsIndex::declared)
    }

    /// What steers a call out of a meeting, and the number that it shows; `None` where nobody is called.
    pub fn rooms_call_out(&self) -> Option<(ApplicationTarget, &Arc<str>)> {
        self.declared.rooms.as_ref()?.call_out()
    }

    /// The meeting rooms, if `host` is one of their names; in any case, with or without a trailing dot.
    pub fn rooms_by_host(&self, host: &str) -> Option<ReachedRooms<'_>> {
        self.declared.rooms.as_ref()?.by_host(host)
    }

    /// What steers a call to `e164`, if that is a number of the meeting rooms.
    pub fn rooms_by_number(&self, e164: &str) -> Option<ApplicationTarget> {
        self.declared.rooms.as_ref()?.by_number(e164)
    }

    /// The applications that steer a call from a carrier to `number`, or of a customer to `host`, the
    /// first to be asked first; empty where no rule holds. A host counts in any case, with or without
    /// a trailing dot.
    pub fn applications_of(
        &self,
        number: Option<&str>,
        host: Option<&str>,
    ) -> Vec<ApplicationTarget> {
        self.declared.applications.of(number, host)
    }

    /// An application by its id, for a call that it begins.
    pub fn application(&self, id: &str) -> Option<ApplicationTarget> {
        self.declared.applications.by_id(id)
    }

    /// All applications, in the order of declaration.
    pub fn media_applications(&self) -> impl Iterator<Item = &Arc<MediaApplication>> {
        self.declared.applications.all()
    }

    /// All rules, in the order of declaration.
    pub fn sip_rules(&self) -> impl Iterator<Item = &Arc<SipRule>> {
        self.declared.applications.rules()
    }

    /// All voice connectors, in the order of declaration.
    pub fn voice_connectors(&self) -> impl Iterator<Item = &Arc<VoiceConnector>> {
        self.voice_connectors.iter()
    }

    /// All groups of voice connectors, in the order of declaration.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<VoiceConnectorGroup>> {
        self.declared.declared_groups.iter()
    }

    /// All carriers, in the order of declaration.
    pub fn carriers(&self) -> impl Iterator<Item = &Arc<Carrier>> {
        self.declared.carriers.iter()
    }

    /// The voice connector whose host name, `<id>.voiceconnector.<domain>`, is `host`; in any case,
    /// with or without a trailing dot.
    pub fn voice_connector_by_host(&self, host: &str) -> Option<&Arc<VoiceConnector>> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let (label, rest) = host.split_once('.')?;
        if !rest.eq_ignore_ascii_case(&self.declared.host_suffix) {
            return None;
        }
        // No id is longer than 22 characters: a longer label needs no lookup.
        let mut lower = [0u8; 22];
        let lower = lower.get_mut(..label.len())?;
        lower.copy_from_slice(label.as_bytes());
        lower.make_ascii_lowercase();
        let id = std::str::from_utf8(lower).ok()?;
        self.voice_connectors.get(*self.declared.by_id.get(id)?)
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
        self.declared.carriers.get(self.declared.carrier_sources.owners(ip).next()?)
    }

    /// Why a number is a risk, if it is one.
    pub fn risk_of(&self, e164: &str) -> Option<RiskClass> {
        self.declared.high_risk.class_of(e164)
    }

    /// Everything that calls are sent to: carriers, then origination routes.
    pub fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        let of_routes = self.route_targets.iter().flat_map(|targets| targets.iter());
        self.declared.carrier_targets.iter().chain(of_routes)
    }

    /// The voice connectors that a number reaches, the first to be tried first: one, or those of a
    /// group. Empty for a number that nobody has.
    pub fn voice_connectors_by_number(&self, e164: &str) -> Vec<Arc<VoiceConnector>> {
        if let Some(connector) = self.voice_connector_by_number(e164) {
            return vec![connector.clone()];
        }
        let declared = &*self.declared;
        let group = declared.group_by_number.get(e164).and_then(|at| declared.groups.get(*at));
        let group = group.or_else(|| match &self.numbers.get(e164)?.owner {
            NumberOwner::Group(id) => declared.groups.get(*declared.group_by_id.get(id)?),
            NumberOwner::Connector(_) => None,
        });
        group
            .into_iter()
            .flatten()
            .filter_map(|at| self.voice_connectors.get(*at).cloned())
            .collect()
    }

    /// What a called number reaches; where nothing is masked, by the lookup of any number.
    pub fn reached_by_number(&self, e164: &str) -> Reached<'_> {
        let proxied = &self.declared.proxied;
        let proxy = proxied.places.get(e164).and_then(|at| proxied.numbers.get(*at));
        match proxy.and_then(|proxy| Some((self.voice_connector_by_number(e164)?, proxy))) {
            Some((connector, proxy)) => Reached::Proxy(connector, proxy),
            None => Reached::Systems(self.voice_connectors_by_number(e164)),
        }
    }

    /// The voice connector that a number reaches without a group.
    pub fn voice_connector_by_number(&self, e164: &str) -> Option<&Arc<VoiceConnector>> {
        if let Some(at) = self.declared.by_number.get(e164) {
            return self.voice_connectors.get(*at);
        }
        match &self.numbers.get(e164)?.owner {
            NumberOwner::Connector(id) if !self.declared.group_by_number.contains_key(e164) => {
                self.voice_connector(id)
            }
            _ => None,
        }
    }

    /// The hunt for an outbound number, each carrier at most once: carriers with the longest
    /// matching prefix first (those with shorter ones follow as fallback), the lowest priority
    /// first among them, then drawn by weight. `draw` gives 64 random bits.
    pub fn outbound_routes(&self, e164: &str, draw: &mut dyn FnMut() -> u64) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        let mut used: Vec<usize> = Vec::new();
        for length in (1..=self.declared.longest_prefix.min(e164.len())).rev() {
            let found = e164.get(..length).and_then(|prefix| self.declared.prefixes.get(prefix));
            let Some(group) = found else { continue };
            let mut candidates: Vec<Candidate> =
                group.iter().copied().filter(|c| !used.contains(&c.index)).collect();
            draw_order(&mut candidates, draw);
            for candidate in candidates {
                used.push(candidate.index);
                routes.extend(self.outbound_route(candidate.index));
            }
        }
        routes
    }

    /// The hunt for an emergency call of `vc` to `e164`: its own emergency carrier, then the carriers
    /// that are declared for emergencies, then whoever serves the number. No final code below 600
    /// ends it.
    pub fn emergency_routes(
        &self,
        vc: &VoiceConnector,
        e164: &str,
        draw: &mut dyn FnMut() -> u64,
    ) -> Vec<Route> {
        let own = vc.emergency.as_ref().and_then(|emergency| emergency.carrier.as_ref());
        let own = own.and_then(|id| self.declared.carriers.iter().position(|c| c.id == *id));
        let mut declared = self.declared.emergency_carriers.clone();
        draw_order(&mut declared, draw);
        let first = own.into_iter().chain(declared.iter().map(|candidate| candidate.index));
        let mut routes: Vec<Route> = first.filter_map(|index| self.outbound_route(index)).collect();
        routes.extend(self.outbound_routes(e164, draw));
        let mut seen: Vec<Arc<str>> = Vec::new();
        routes.retain(|route| {
            let is_new = !seen.contains(&route.target.key);
            seen.push(route.target.key.clone());
            is_new
        });
        for route in &mut routes {
            route.hunt_final_codes = Arc::default();
        }
        routes
    }

    fn outbound_route(&self, index: usize) -> Option<Route> {
        let carrier = self.declared.carriers.get(index)?;
        Some(Route {
            target: self.declared.carrier_targets.get(index)?.clone(),
            carrier: Some(carrier.clone()),
            voice_connector: None,
            host: carrier.host.clone(),
            registered: false,
            port: carrier.port,
            protocol: carrier.transport,
            tls: carrier.tls.clone(),
            choose_transport: carrier.choose_transport,
            udp_only: carrier.udp_only,
            srtp: carrier.srtp,
            timeout: carrier.no_response_timeout,
            no_answer_timeout: carrier.no_answer_timeout,
            hunt_final_codes: carrier.hunt_final_codes.clone(),
        })
    }

    /// The hunt for an inbound call to `vc`: its origination routes, the lowest priority first,
    /// then drawn by weight. Empty when origination is disabled.
    pub fn inbound_routes(
        &self,
        vc: &Arc<VoiceConnector>,
        draw: &mut dyn FnMut() -> u64,
    ) -> Vec<Route> {
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
            .filter_map(|candidate| Some((candidate.index, routes.get(candidate.index)?)))
            .filter(|(_, route)| route.is_allowed_by(vc))
            .map(|(index, route)| Route {
                target: self.route_target(vc, index, route),
                carrier: None,
                voice_connector: Some(vc.clone()),
                host: route.host.clone(),
                registered: route.registered,
                port: route.port,
                protocol: route.protocol,
                tls: route.tls.clone(),
                choose_transport: route.choose_transport,
                udp_only: route.udp_only,
                srtp: route.srtp,
                timeout: vc.no_response_timeout,
                no_answer_timeout: vc.no_answer_timeout,
                hunt_final_codes: vc.hunt_final_codes.clone(),
            })
            .collect()
    }

    /// Of a voice connector that an older snapshot had, the target is made on the spot.
    fn route_target(
        &self,
        vc: &VoiceConnector,
        index: usize,
        route: &crate::OriginationRoute,
    ) -> Arc<Target> {
        let known =
            self.declared.by_id.get(vc.id.as_str()).and_then(|at| self.route_targets.get(*at));
        known
            .and_then(|targets| targets.get(index))
            .filter(|target| target.destination.host == route.host)
            .cloned()
            .unwrap_or_else(|| Arc::new(Target::of_route(vc, index, route)))
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

//! How meeting rooms are reached: their names, their numbers, and who may come how.

use crate::applications::normal;
use crate::route::is_domain_name;
use crate::voice_connector::{CallerPolicy, Logging, Refer};
use crate::{
    ApplicationEndpoint, ApplicationTarget, Caps, MediaApplication, Termination, VoiceConnector,
};
use ipnet::IpNet;
use model::{ROOMS, ROOMS_CONNECTOR, VoiceConnectorId};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The id under which calls out of meetings are counted, limited and recorded, as those to the rooms are
/// under [`ROOMS_CONNECTOR`].
pub(crate) const CALL_OUT_CONNECTOR: &str = "meetingroomsout0000000";

/// What an operator says of the rooms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rooms {
    /// Somebody has said that there are rooms. Others make way for whoever has their name otherwise.
    pub is_configured: bool,
    /// The rooms are at `meet.<domain>`.
    pub domain: Arc<str>,
    /// Codes of regions: each has the name `meet.<code>.<domain>` too. A label of a domain name each.
    pub regions: Vec<Arc<str>>,
    /// Devices that come over TLS must encrypt their media.
    pub require_srtp: bool,
    /// Who may come over UDP and TCP, and without encrypted media.
    pub allow_plain: Vec<IpNet>,
    /// Numbers of rooms, E.164, for calls from carriers and customers.
    pub numbers: Vec<Arc<str>>,
    /// Calls at once.
    pub max_calls: u32,
    /// Calls at once of one source that comes by a name of the rooms and is not in `allow_plain`: an IPv4
    /// address, or an IPv6 network of 64 bits.
    pub max_calls_per_source: u32,
    /// Whether pictures are taken, and not sound alone.
    pub video: bool,
    /// Whether cameras may send high definition, which takes more bandwidth.
    pub video_hd: bool,
    /// What is written about calls to the rooms, and out of meetings.
    pub logging: Logging,
    /// Who may be called into meetings; `None` for nobody.
    pub call_out: Option<RoomsCallOut>,
}

/// The rules that calls out of meetings are under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomsCallOut {
    /// The number that is shown, E.164.
    pub caller_id: Arc<str>,
    /// Countries that may be called, ISO 3166-1 alpha-2.
    pub calling_regions: Vec<&'static str>,
    /// Numbers in high-risk ranges may be called.
    pub allow_high_risk: bool,
    /// Calls a second, 1 to 100,000.
    pub cps_limit: u32,
    /// Calls at once, 1 to 1,000,000.
    pub concurrent_calls_limit: u32,
    /// What they may cost.
    pub caps: Caps,
}

impl Rooms {
    /// Calls at once unless configured.
    pub const DEFAULT_MAX_CALLS: u32 = 500;
    /// Calls of one source at once unless configured.
    pub const DEFAULT_MAX_CALLS_PER_SOURCE: u32 = 50;

    /// Rooms under a domain, with every default.
    pub fn new(domain: &str) -> Self {
        Rooms {
            is_configured: true,
            domain: domain.into(),
            regions: Vec::new(),
            require_srtp: true,
            allow_plain: Vec::new(),
            numbers: Vec::new(),
            max_calls: Self::DEFAULT_MAX_CALLS,
            max_calls_per_source: Self::DEFAULT_MAX_CALLS_PER_SOURCE,
            video: true,
            video_hd: false,
            logging: Logging::default(),
            call_out: None,
        }
    }

    /// Those that are there though nobody has said so; `None` where what is below the domain is no domain name.
    pub fn usual(domain: &str) -> Option<Self> {
        let rooms = Rooms { is_configured: false, ..Rooms::new(domain) };
        is_domain_name(&rooms.host()).then_some(rooms)
    }

    /// The name without a region, in lower case.
    pub fn host(&self) -> String {
        format!("meet.{}", normal(&self.domain))
    }

    /// The name of a region, in lower case.
    pub fn regional_host(&self, code: &str) -> String {
        format!("meet.{}.{}", normal(code), normal(&self.domain))
    }

    /// Every name that leads to the rooms, the one without a region first.
    pub fn hosts(&self) -> Vec<String> {
        let regional = self.regions.iter().map(|code| self.regional_host(code));
        std::iter::once(self.host()).chain(regional).collect()
    }
}

/// Rooms that a call has reached by a name.
#[derive(Clone, Copy, Debug)]
pub struct ReachedRooms<'a> {
    index: &'a RoomsIndex,
    region: Option<&'a Arc<str>>,
}

impl<'a> ReachedRooms<'a> {
    /// The region whose name was called.
    pub fn region(&self) -> Option<&'a Arc<str>> {
        self.region
    }

    /// Whether somebody at `ip` may come without encryption.
    pub fn allows_plain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.index.declared.allow_plain.iter().any(|net| net.contains(&ip))
    }

    /// How many calls one source may have at once.
    pub fn max_calls_per_source(&self) -> u32 {
        self.index.declared.max_calls_per_source
    }

    /// What steers a call of somebody who must encrypt media where the rooms require that, or of
    /// somebody who need not.
    pub fn target(&self, is_excused: bool) -> ApplicationTarget {
        self.index.target(is_excused)
    }
}

/// Checked rooms, by what leads to them.
#[derive(Debug)]
pub(crate) struct RoomsIndex {
    declared: Arc<Rooms>,
    /// Names, with their regions.
    hosts: HashMap<String, Option<Arc<str>>>,
    numbers: HashSet<Arc<str>>,
    application: Arc<MediaApplication>,
    /// The rules that calls are under: as the rooms require it, and of those who are excused.
    connectors: [Arc<VoiceConnector>; 2],
    /// The rules that calls out of meetings are under.
    call_out: Option<Arc<VoiceConnector>>,
}

impl RoomsIndex {
    /// `None` where the id could not be made, which it always can.
    pub(crate) fn new(rooms: &Rooms) -> Option<Self> {
        let regional =
            rooms.regions.iter().map(|code| (rooms.regional_host(code), Some(code.clone())));
        let hosts = std::iter::once((rooms.host(), None)).chain(regional).collect();
        let endpoint = ApplicationEndpoint::Rooms;
        let application = MediaApplication {
            name: "Meeting rooms".into(),
            concurrent_calls_limit: rooms.max_calls,
            ..MediaApplication::new(ROOMS, endpoint)
        };
        let id = VoiceConnectorId::new(ROOMS_CONNECTOR).ok()?;
        let connector = |require_encryption| {
            let termination = Termination {
                cps_limit: u32::MAX,
                concurrent_calls_limit: rooms.max_calls,
                ..Termination::default()
            };
            Arc::new(VoiceConnector {
                name: application.name.clone(),
                termination: Some(termination),
                refer: Refer::Refuse,
                require_encryption,
                logging: rooms.logging,
                ..VoiceConnector::new(id.clone())
            })
        };
        let call_out = rooms
            .call_out
            .as_ref()
            .and_then(|rules| called_under(rules, rooms.logging))
            .map(Arc::new);
        Some(RoomsIndex {
            call_out,
            hosts,
            numbers: rooms.numbers.iter().cloned().collect(),
            connectors: [connector(rooms.require_srtp), connector(false)],
            application: Arc::new(application),
            declared: Arc::new(rooms.clone()),
        })
    }

    pub(crate) fn declared(&self) -> &Arc<Rooms> {
        &self.declared
    }

    pub(crate) fn connector(&self, id: &VoiceConnectorId) -> Option<&Arc<VoiceConnector>> {
        self.connectors.iter().chain(&self.call_out).find(|connector| connector.id == *id)
    }

    pub(crate) fn by_host(&self, host: &str) -> Option<ReachedRooms<'_>> {
        // Most hosts are others, and every request asks: without an allocation for those.
        if !host.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("meet")) {
            return None;
        }
        let region = self.hosts.get(&normal(host))?;
        Some(ReachedRooms { index: self, region: region.as_ref() })
    }

    pub(crate) fn by_number(&self, e164: &str) -> Option<ApplicationTarget> {
        // A telephone's sound is as its carrier or voice connector has it.
        self.numbers.contains(e164).then(|| self.target(true))
    }

    /// What steers a call out of a meeting, and the number that it shows.
    pub(crate) fn call_out(&self) -> Option<(ApplicationTarget, &Arc<str>)> {
        let connector = self.call_out.clone()?;
        let shown = &self.declared.call_out.as_ref()?.caller_id;
        let application = self.application.clone();
        Some((ApplicationTarget { rule: None, application, connector }, shown))
    }

    pub(crate) fn has_number(&self, e164: &str) -> bool {
        self.numbers.contains(e164)
    }

    fn target(&self, is_excused: bool) -> ApplicationTarget {
        let [required, excused] = &self.connectors;
        let connector = if is_excused { excused } else { required };
        let (application, connector) = (self.application.clone(), connector.clone());
        ApplicationTarget { rule: None, application, connector }
    }
}

fn called_under(rules: &RoomsCallOut, logging: Logging) -> Option<VoiceConnector> {
    let termination = Termination {
        cps_limit: rules.cps_limit,
        concurrent_calls_limit: rules.concurrent_calls_limit,
        calling_regions: rules.calling_regions.clone(),
        allow_high_risk: rules.allow_high_risk,
        ..Termination::default()
    };
    Some(VoiceConnector {
        name: "Calls out of meetings".into(),
        termination: Some(termination),
        caps: rules.caps.clone(),
        refer: Refer::Refuse,
        caller: CallerPolicy::default(),
        logging,
        ..VoiceConnector::new(VoiceConnectorId::new(CALL_OUT_CONNECTOR).ok()?)
    })
}

#[cfg(test)]
mod tests;

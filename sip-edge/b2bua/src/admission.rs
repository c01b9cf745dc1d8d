//! Whose request is it, and may it pass? (The design's section 5.)

use crate::caller::calling_e164;
use crate::policing::source_of;
use crate::{carry, encryption, recorded, rooms};
use directory::{
    ApplicationTarget, Carrier, ProxyNumber, Reached, ReachedRooms, Snapshot, VoiceConnector,
    country_of, parse_e164,
};
use model::{
    CallDirection, CallerVerification, EmergencyKind, Flow, LegSide, ProxiedCall, Refusal,
    RoomCall, Side, TransportProtocol, UnixTime, VoiceConnectorId,
};
use sip_proto::{HeaderName, Host, Message, Uri};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// A request that belongs to somebody.
pub(crate) struct Admission {
    pub(crate) direction: CallDirection,
    pub(crate) voice_connector: Arc<VoiceConnector>,
    /// The other voice connectors of its group, to be tried after it.
    pub(crate) alternates: Vec<Arc<VoiceConnector>>,
    /// Whether it is an emergency call: no limit holds for it.
    pub(crate) emergency: Option<EmergencyKind>,
    /// The applications that steer it, the first to be asked first; empty of other calls.
    pub(crate) applications: Vec<ApplicationTarget>,
    /// It is a recording client's copy of another call: nobody is called.
    pub(crate) is_recording: bool,
    /// What would have refused it if its voice connector did not run dry.
    pub(crate) would_refuse: Option<Refusal>,
    /// The carrier that an inbound call came from.
    pub(crate) carrier: Option<Arc<Carrier>>,
    /// The called number, E.164.
    pub(crate) called: Arc<str>,
    pub(crate) calls_per_second: u32,
    pub(crate) concurrent_calls: u32,
    /// The user whose credentials were right, when the voice connector asks for some.
    pub(crate) sip_auth_user: Option<Arc<str>>,
    /// What the caller's Identity header proved, where anybody asked.
    pub(crate) verification: Option<CallerVerification>,
    /// What masks the call: a proxy number was called.
    pub(crate) proxy: Option<ProxiedCall>,
    /// What the meeting rooms learn of it, where those are `applications`.
    pub(crate) room: Option<Box<RoomCall>>,
    /// Of a call to a name of the rooms: where it comes from, and how many calls may come from there.
    pub(crate) source: Option<(IpAddr, u32)>,
}

impl Admission {
    /// Which world each leg is in: a masked call comes from a carrier and goes to one.
    pub(crate) fn sides(&self) -> [Side; 2] {
        match self.proxy {
            Some(_) => [Side::Remote; 2],
            None => LegSide::BOTH.map(|leg| self.direction.side_of(leg)),
        }
    }

    /// The number that the caller dialled.
    pub(crate) fn dialled(&self) -> &str {
        self.proxy.as_ref().map_or(&self.called, |proxy| &proxy.called)
    }
}

/// Who a source is because of a registration.
pub(crate) struct Registered<'a> {
    /// The carrier that calls a registration of ours.
    pub(crate) carrier: Option<Arc<Carrier>>,
    /// The request URI is our registered Contact.
    pub(crate) is_contact: bool,
    /// The voice connectors with a binding from the source.
    pub(crate) connectors: &'a [VoiceConnectorId],
}

/// A request that was refused, and for whom it was meant as far as that is known.
pub(crate) struct Denied {
    pub(crate) refusal: Refusal,
    pub(crate) voice_connector: Option<Arc<VoiceConnector>>,
}

impl Denied {
    fn stranger(refusal: Refusal) -> Self {
        Denied { refusal, voice_connector: None }
    }

    fn of(refusal: Refusal, connector: &Arc<VoiceConnector>) -> Self {
        Denied { refusal, voice_connector: Some(connector.clone()) }
    }
}

/// Whether anybody in the directory may send from this address at all.
pub(crate) fn is_known_source(directory: &Snapshot, flow: &Flow) -> bool {
    let ip = flow.remote.ip().to_canonical();
    directory.carrier_by_source(ip).is_some()
        || directory.voice_connectors_by_source(ip).next().is_some()
}

/// Finds the owner of an INVITE outside any dialog and checks it against the owner's rules, except
/// for rate and number of calls.
pub(crate) fn admit(
    directory: &Snapshot,
    registered: &Registered<'_>,
    flow: &Flow,
    invite: &Message,
    unix: Option<UnixTime>,
) -> Result<Admission, Denied> {
    if let Some(rooms) = invite.request_uri().and_then(|uri| rooms_at(directory, uri)) {
        return admit_to_rooms(rooms, flow, invite);
    }
    let source = flow.remote.ip().to_canonical();
    let called = called_number(invite);
    if let Some(carrier) = directory.carrier_by_source(source).or(registered.carrier.as_ref()) {
        // A carrier that calls our Contact says in To who was called.
        let called = if registered.is_contact { to_number(invite) } else { called };
        return admit_inbound(directory, carrier.clone(), called.as_deref(), (invite, flow, unix));
    }
    let connector = outbound_connector(directory, registered, flow, invite)?;
    if recorded::is_recording(invite) {
        return admit_recording(&connector, flow, called.or_else(|| to_number(invite)));
    }
    let caller = carry::caller_user(invite);
    let host = invite.request_uri().and_then(named_host);
    let applications = directory.applications_of(None, host);
    // No application comes between a call for help and who takes it.
    let emergency = connector.emergency.as_ref().zip(called.as_deref());
    let is_for_help =
        emergency.is_some_and(|(rules, called)| rules.find(called, country_of(&caller)).is_some());
    if !applications.is_empty() && !is_for_help {
        return admit_to_application(&connector, flow, called, applications);
    }
    let number = called.as_deref().and_then(parse_e164);
    if let Some(target) = number.and_then(|number| directory.rooms_by_number(number))
        && !is_for_help
    {
        let room = Some(Box::new(rooms::room_call(invite, flow, None)));
        let admission = admit_to_application(&connector, flow, called, vec![target])?;
        return Ok(Admission { room, ..admission });
    }
    let admission = admit_outbound(directory, &connector, called.as_deref(), country_of(&caller));
    let emergency = admission.as_ref().ok().and_then(|admission| admission.emergency);
    if flow.protocol != TransportProtocol::Tls && encryption::is_required(&connector, emergency) {
        return Err(Denied::of(Refusal::PlainSignalling, &connector));
    }
    admission
}

fn admit_inbound(
    directory: &Snapshot,
    carrier: Arc<Carrier>,
    called: Option<&str>,
    (invite, flow, unix): (&Message, &Flow, Option<UnixTime>),
) -> Result<Admission, Denied> {
    let called = called.ok_or(Denied::stranger(Refusal::NotE164))?;
    let number = parse_e164(called).ok_or(Denied::stranger(Refusal::NotE164))?;
    if let Some(target) = directory.rooms_by_number(number) {
        let room = Some(Box::new(rooms::room_call(invite, flow, None)));
        let connector = target.connector.clone();
        let admission = admit_steered(&connector, number.into(), vec![target]);
        return Ok(Admission { carrier: Some(carrier), room, ..admission });
    }
    let applications = directory.applications_of(Some(number), None);
    if let Some(first) = applications.first() {
        let connector = first.connector.clone();
        let mut admission = admit_steered(&connector, number.into(), applications);
        admission.carrier = Some(carrier);
        return Ok(admission);
    }
    let mut connectors = match directory.reached_by_number(number) {
        Reached::Systems(connectors) => connectors,
        Reached::Proxy(connector, proxy) => {
            return admit_proxied(directory, carrier, connector, proxy, (invite, unix));
        }
    };
    let Some(first) = connectors.first().cloned() else {
        return Err(Denied::stranger(Refusal::UnknownNumber));
    };
    connectors.retain(|connector| !connector.origination.disabled);
    if connectors.is_empty() {
        return Err(Denied::of(Refusal::Disabled, &first));
    }
    connectors.retain(|connector| !connector.origination.routes.is_empty());
    let mut connectors = connectors.into_iter();
    let Some(connector) = connectors.next() else {
        return Err(Denied::of(Refusal::NoOrigination, &first));
    };
    Ok(Admission {
        direction: CallDirection::Inbound,
        carrier: Some(carrier),
        called: number.into(),
        // The customer's own rate limit is for what the customer sends; inbound calls share only
        // the bound on calls at once.
        calls_per_second: u32::MAX,
        concurrent_calls: concurrent_calls(&connector),
        sip_auth_user: None,
        verification: None,
        proxy: None,
        room: None,
        source: None,
        voice_connector: connector,
        alternates: connectors.collect(),
        emergency: None,
        is_recording: false,
        applications: Vec::new(),
        would_refuse: None,
    })
}

/// A call to a proxy number. It goes out as one of the voice connector's own would, under its rules on
/// numbers; who it is from is known by the number that the carrier says, and only from whom it is
/// believed.
fn admit_proxied(
    directory: &Snapshot,
    carrier: Arc<Carrier>,
    connector: &Arc<VoiceConnector>,
    proxy: &ProxyNumber,
    (invite, unix): (&Message, Option<UnixTime>),
) -> Result<Admission, Denied> {
    let caller = calling_e164(invite, carrier.trust_identity);
    let Some(to) = proxy.reached_by(caller.as_deref(), unix) else {
        return Err(Denied::of(Refusal::NoProxySession, connector));
    };
    let Some(termination) = connector.termination.as_ref().filter(|t| !t.disabled) else {
        return Err(Denied::of(Refusal::Disabled, connector));
    };
    let would_refuse = refusal_of(directory, connector, to.called);
    if let Some(refusal) = would_refuse.filter(|_| !connector.dry_run) {
        return Err(Denied::of(refusal, connector));
    }
    Ok(Admission {
        direction: CallDirection::Outbound,
        carrier: Some(carrier),
        called: to.called.clone(),
        calls_per_second: termination.cps_limit,
        concurrent_calls: termination.concurrent_calls_limit,
        sip_auth_user: None,
        verification: None,
        proxy: Some(ProxiedCall {
            session: to.session,
            called: proxy.number().clone(),
            shown: to.shown.clone(),
        }),
        room: None,
        source: None,
        voice_connector: connector.clone(),
        alternates: Vec::new(),
        emergency: None,
        is_recording: false,
        applications: Vec::new(),
        would_refuse,
    })
}

/// A copy of a call (RFC 7866). Its numbers are those of somebody else's call, in any form: no rule on
/// numbers is about it. Those on sources, encryption, credentials, rate and number of calls hold.
fn admit_recording(
    connector: &Arc<VoiceConnector>,
    flow: &Flow,
    called: Option<String>,
) -> Result<Admission, Denied> {
    let denied = |refusal| Err(Denied::of(refusal, connector));
    let Some(termination) = connector.termination.as_ref().filter(|t| !t.disabled) else {
        return denied(Refusal::Disabled);
    };
    if !connector.streaming.enabled || connector.streaming.listeners().is_empty() {
        return denied(Refusal::StreamingDisabled);
    }
    if !encryption::allows_signalling(connector, flow.protocol) {
        return denied(Refusal::PlainSignalling);
    }
    Ok(Admission {
        direction: CallDirection::Outbound,
        carrier: None,
        called: called.unwrap_or_default().into(),
        calls_per_second: termination.cps_limit,
        concurrent_calls: termination.concurrent_calls_limit,
        sip_auth_user: None,
        verification: None,
        proxy: None,
        room: None,
        source: None,
        voice_connector: connector.clone(),
        alternates: Vec::new(),
        emergency: None,
        is_recording: true,
        applications: Vec::new(),
        would_refuse: None,
    })
}

/// A call that applications steer, under the rules of `connector`. Nobody is called yet.
pub(crate) fn admit_steered(
    connector: &Arc<VoiceConnector>,
    called: Arc<str>,
    applications: Vec<ApplicationTarget>,
) -> Admission {
    Admission {
        direction: CallDirection::Inbound,
        carrier: None,
        called,
        calls_per_second: u32::MAX,
        concurrent_calls: concurrent_calls(connector),
        sip_auth_user: None,
        verification: None,
        proxy: None,
        room: None,
        source: None,
        voice_connector: connector.clone(),
        alternates: Vec::new(),
        emergency: None,
        is_recording: false,
        applications,
        would_refuse: None,
    }
}

/// A customer's call to a host that a rule is for. Rules on numbers are for those whom the application
/// calls; those on sources, encryption, credentials, rate and number of calls hold.
fn admit_to_application(
    connector: &Arc<VoiceConnector>,
    flow: &Flow,
    called: Option<String>,
    applications: Vec<ApplicationTarget>,
) -> Result<Admission, Denied> {
    let Some(termination) = connector.termination.as_ref().filter(|t| !t.disabled) else {
        return Err(Denied::of(Refusal::Disabled, connector));
    };
    if !encryption::allows_signalling(connector, flow.protocol) {
        return Err(Denied::of(Refusal::PlainSignalling, connector));
    }
    Ok(Admission {
        direction: CallDirection::Outbound,
        calls_per_second: termination.cps_limit,
        concurrent_calls: termination.concurrent_calls_limit,
        ..admit_steered(connector, called.unwrap_or_default().into(), applications)
    })
}

/// A call to a name of the meeting rooms, from anybody: nobody need be configured to come to a meeting,
/// only encrypted. Who may come plain is configured.
fn admit_to_rooms(
    reached: ReachedRooms<'_>,
    flow: &Flow,
    invite: &Message,
) -> Result<Admission, Denied> {
    let is_excused = reached.allows_plain(flow.remote.ip());
    // A page that is not served under TLS is on this host, or behind a proxy of the operator's that
    // speaks TLS (`[rooms.guests]`).
    let is_secure = flow.protocol == TransportProtocol::Tls || flow.protocol.is_web_socket();
    if !is_secure && !is_excused {
        return Err(Denied::stranger(Refusal::PlainSignalling));
    }
    let target = reached.target(is_excused);
    let connector = target.connector.clone();
    // Plain WebSockets come from this host alone: all guests have their proxy's address.
    let is_counted = !is_excused && flow.protocol != TransportProtocol::Ws;
    let room = rooms::room_call(invite, flow, Some(reached));
    // Records have the meeting's digits as the called number, and no passcode.
    let called = room.dialled.meeting.as_ref().map_or("", |meeting| meeting.digits()).into();
    Ok(Admission {
        direction: CallDirection::Outbound,
        room: Some(Box::new(room)),
        source: is_counted.then(|| (source_of(flow.remote.ip()), reached.max_calls_per_source())),
        ..admit_steered(&connector, called, vec![target])
    })
}

/// The meeting rooms that a request URI names.
pub(crate) fn rooms_at<'a>(directory: &'a Snapshot, uri: &str) -> Option<ReachedRooms<'a>> {
    directory.rooms_by_host(named_host(uri)?)
}

/// The calls that a voice connector may have at once.
pub(crate) fn concurrent_calls(connector: &VoiceConnector) -> u32 {
    connector
        .termination
        .as_ref()
        .map_or(directory::DEFAULT_CONCURRENT_CALLS, |t| t.concurrent_calls_limit)
}

pub(crate) fn admit_outbound(
    directory: &Snapshot,
    connector: &Arc<VoiceConnector>,
    called: Option<&str>,
    caller_country: Option<&str>,
) -> Result<Admission, Denied> {
    let Some(termination) = connector.termination.as_ref().filter(|t| !t.disabled) else {
        return Err(Denied::of(Refusal::Disabled, connector));
    };
    let admission = |number: &str, emergency, would_refuse| Admission {
        direction: CallDirection::Outbound,
        carrier: None,
        called: number.into(),
        calls_per_second: termination.cps_limit,
        concurrent_calls: termination.concurrent_calls_limit,
        sip_auth_user: None,
        verification: None,
        proxy: None,
        room: None,
        source: None,
        voice_connector: connector.clone(),
        alternates: Vec::new(),
        emergency,
        is_recording: false,
        applications: Vec::new(),
        would_refuse,
    };
    let emergency = connector.emergency.as_ref().zip(called);
    if let Some(found) = emergency.and_then(|(rules, called)| rules.find(called, caller_country)) {
        let kind = if found.is_test { EmergencyKind::Test } else { EmergencyKind::Emergency };
        return Ok(admission(&found.number, Some(kind), None));
    }
    let number = called.and_then(parse_e164).ok_or_else(|| {
        let for_help = called.is_some_and(|c| EmergencyKind::of_service_urn(c).is_some());
        let refusal = if for_help { Refusal::NoEmergencyNumber } else { Refusal::NotE164 };
        Denied::of(refusal, connector)
    })?;
    match refusal_of(directory, connector, number) {
        Some(refusal) if !connector.dry_run => Err(Denied::of(refusal, connector)),
        would_refuse => Ok(admission(number, None, would_refuse)),
    }
}

/// What the rules on risks and countries say of a number.
pub(crate) fn refusal_of(
    directory: &Snapshot,
    connector: &VoiceConnector,
    number: &str,
) -> Option<Refusal> {
    let termination = connector.termination.as_ref()?;
    let country = country_of(number);
    let is_risk = directory.risk_of(number).is_some();
    // Satellite and other global numbers belong to no country that could be listed.
    let is_listed = country.is_none() && is_risk || termination.allows_region(country);
    if !is_listed {
        return Some(Refusal::RegionNotAllowed);
    }
    (is_risk && !termination.allow_high_risk).then_some(Refusal::HighRisk)
}

/// The voice connector that the host of the request URI or of To names, else the only one whose
/// allowed list holds the source. Named or not, the source must be on its list.
fn outbound_connector(
    directory: &Snapshot,
    registered: &Registered<'_>,
    flow: &Flow,
    invite: &Message,
) -> Result<Arc<VoiceConnector>, Denied> {
    let source = flow.remote.ip().to_canonical();
    let by_host = |uri: &str| directory.voice_connector_by_host(named_host(uri)?);
    let uri = invite.request_uri().unwrap_or_default();
    let for_help = EmergencyKind::of_service_urn(uri).is_some();
    let named =
        by_host(uri).or_else(|| by_host(invite.to().ok()?.uri_text)).or_else(|| match for_help {
            // Where the URI names a service, Route says who is to find it (RFC 6881).
            true => by_host(invite.addresses(HeaderName::Route).next()?.ok()?.uri_text),
            false => None,
        });
    if let Some(connector) = named {
        let listed = directory.voice_connectors_by_source(source).any(|c| c.id == connector.id)
            || registered.connectors.contains(&connector.id);
        return if listed {
            Ok(connector.clone())
        } else {
            Err(Denied::of(Refusal::SourceNotAllowed, connector))
        };
    }
    let by_binding = registered.connectors.iter().filter_map(|id| directory.voice_connector(id));
    let mut by_source = directory.voice_connectors_by_source(source).chain(by_binding);
    match (by_source.next(), by_source.next()) {
        (Some(only), None) => Ok(only.clone()),
        (Some(first), Some(second))
            if first.id == second.id && by_source.all(|c| c.id == first.id) =>
        {
            Ok(first.clone())
        }
        // Any of them is better than none.
        (Some(_), Some(_)) if for_help => by_any(directory, registered, source),
        _ => Err(Denied::stranger(Refusal::UnknownSource)),
    }
}

/// Of several voice connectors at a source that could place an emergency call, the first that is
/// configured to.
fn by_any(
    directory: &Snapshot,
    registered: &Registered<'_>,
    source: IpAddr,
) -> Result<Arc<VoiceConnector>, Denied> {
    let by_binding = registered.connectors.iter().filter_map(|id| directory.voice_connector(id));
    let mut all = directory.voice_connectors_by_source(source).chain(by_binding);
    let found = all.find(|connector| connector.emergency.is_some());
    found.cloned().ok_or(Denied::stranger(Refusal::NoEmergencyNumber))
}

fn named_host(uri: &str) -> Option<&str> {
    match Uri::parse(uri).ok()?.host {
        Host::Name(name) => Some(name),
        Host::Ip(_) => None,
    }
}

/// The user part of the request URI, unescaped and without its own parameters
/// (`+12065550100;npdi` names the number before the semicolon, RFC 3261 section 19.1.6).
fn called_number(invite: &Message) -> Option<String> {
    user_of(invite.request_uri()?)
}

/// The same of To.
fn to_number(invite: &Message) -> Option<String> {
    user_of(invite.to().ok()?.uri_text)
}

/// The user part of a URI, unescaped and without parameters; the URN of an emergency service as it
/// is.
pub(crate) fn user_of(uri: &str) -> Option<String> {
    if EmergencyKind::of_service_urn(uri).is_some() {
        return Some(uri.to_owned());
    }
    let uri = Uri::parse(uri).ok()?;
    let user: Cow<'_, str> = uri.user_unescaped();
    let number = user.split(';').next().unwrap_or_default();
    Some(number.to_owned())
}

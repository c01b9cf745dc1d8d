//! Records as calls are routed by them.
//!
//! What a record says in a form that routing does not know, such as a country that it has no number
//! of, was refused when it was written; such a part is left out here.

use super::{
    Change, Connector, Credentials, Dnis, Group, Kind, MediaApplication, NotificationTarget,
    Number, NumberSettings, Protocol, Proxy, ProxySession, Route, SipRule, State, Streaming,
    Termination, TriggerType, proxy,
};
use directory::{
    ApplicationEndpoint, EmergencyCalling, EmergencyDnis, ForeignCaller, GroupMember, Host,
    NumberTable, OriginationRoute, Resources, RuleTarget, RuleTrigger, Srtp, VoiceConnector,
    VoiceConnectorGroup, country_code,
};
use model::{NotificationTargets, TransportProtocol, VoiceConnectorId};
use std::sync::Arc;

/// What calls are routed by; `numbers` are those of [`number_table`].
pub(crate) fn resources(state: &State, numbers: NumberTable) -> Resources {
    let connectors = state.all::<Connector>().keys().filter_map(|id| one_connector(state, id));
    let voice_connectors = connectors.collect();
    let groups = state.all::<Group>().iter();
    let groups = groups.map(|(id, stored)| group(id, &stored.value)).collect();
    let media_applications = state.all::<MediaApplication>().iter();
    let media_applications =
        media_applications.filter_map(|(id, stored)| application(id, &stored.value));
    let proxies = state.all::<Proxy>().iter();
    let sessions = state.all::<ProxySession>().iter();
    Resources {
        proxies: proxies.filter_map(|(id, each)| proxy::configuration(id, &each.value)).collect(),
        proxy_sessions: sessions
            .filter(|(_, each)| each.value.ended_ms.is_none())
            .filter_map(|(id, each)| proxy::session(id, each))
            .collect(),
        voice_connectors,
        groups,
        numbers,
        media_applications: media_applications.collect(),
        sip_rules: state.all::<SipRule>().iter().map(|(id, each)| rule(id, &each.value)).collect(),
        ..Resources::default()
    }
}

/// A voice connector without its numbers.
pub(crate) fn one_connector(state: &State, id: &str) -> Option<VoiceConnector> {
    let credentials = state.get::<Credentials>(id).map(|stored| &stored.value);
    connector(id, &state.get::<Connector>(id)?.value, credentials)
}

/// Where numbers lead.
pub(crate) fn number_table(state: &State) -> NumberTable {
    let mut table = NumberTable::default();
    for (e164, number) in state.all::<Number>() {
        if let Some(entry) = number.value.entry() {
            table.set(e164, Some(entry));
        }
    }
    table.set_default_calling_name(default_calling_name(state));
    table
}

/// The caller's name of numbers that have none of their own.
fn default_calling_name(state: &State) -> Option<Arc<str>> {
    let settings = state.get::<NumberSettings>(NumberSettings::ID)?;
    settings.value.calling_name.as_deref().map(Arc::from)
}

/// Takes `changes`, which `state` has, over into a table that it had before.
pub(crate) fn follow(table: &mut NumberTable, state: &State, changes: &[Change]) {
    for change in changes {
        let (kind, id) = match change {
            Change::Put(row) => (row.kind, &row.id),
            Change::Remove { kind, id } => (*kind, id),
        };
        match kind {
            Kind::Number => {
                let number = state.get::<Number>(id);
                table.set(id, number.and_then(|number| number.value.entry()));
            }
            Kind::NumberSettings => table.set_default_calling_name(default_calling_name(state)),
            _ => {}
        }
    }
}

fn connector(
    id: &str,
    record: &Connector,
    credentials: Option<&Credentials>,
) -> Option<VoiceConnector> {
    let mut connector = VoiceConnector::new(VoiceConnectorId::new(id).ok()?);
    connector.name = record.name.as_str().into();
    connector.require_encryption = record.require_encryption;
    if let Some(origination) = &record.origination {
        let is_encrypted = record.require_encryption;
        connector.origination.disabled = origination.disabled;
        connector.origination.routes =
            origination.routes.iter().filter_map(|each| route(each, is_encrypted)).collect();
    }
    if let Some(record) = &record.termination {
        if let Some(number) = &record.default_phone_number {
            connector.caller.default_number = Some(number.as_str().into());
            connector.caller.foreign = ForeignCaller::Override;
        }
        connector.termination = Some(termination(record, credentials));
    }
    if let Some(record) = &record.streaming {
        connector.streaming = streaming(record);
    }
    if let Some(logging) = record.logging {
        connector.logging.sip_messages = logging.sip;
        connector.logging.media_metrics = logging.media_metrics;
    }
    connector.emergency = record.emergency.as_deref().map(emergency);
    Some(connector)
}

fn route(record: &Route, is_encrypted: bool) -> Option<OriginationRoute> {
    let protocol = match record.protocol {
        Protocol::Udp => TransportProtocol::Udp,
        Protocol::Tcp if is_encrypted => TransportProtocol::Tls,
        Protocol::Tcp => TransportProtocol::Tcp,
    };
    Some(OriginationRoute {
        port: record.port.filter(|port| *port != 0),
        protocol,
        srtp: if is_encrypted { Srtp::Required } else { Srtp::Off },
        priority: record.priority,
        weight: record.weight,
        ..OriginationRoute::new(Host::parse(&record.host).ok()?)
    })
}

fn termination(record: &Termination, credentials: Option<&Credentials>) -> directory::Termination {
    let networks = record.cidr_allowed_list.iter().filter_map(|each| each.parse().ok());
    let regions = record.calling_regions.iter().filter_map(|each| country_code(each));
    let credentials = credentials.map(|each| each.0.as_slice()).unwrap_or_default();
    let credentials = credentials.iter().map(|each| directory::Credential {
        username: each.username.as_str().into(),
        password: each.password.as_str().into(),
    });
    directory::Termination {
        disabled: record.disabled,
        cidr_allowed_list: networks.collect(),
        cps_limit: record.cps_limit.unwrap_or(directory::Termination::DEFAULT_CPS_LIMIT),
        calling_regions: regions.collect(),
        credentials: credentials.collect(),
        ..directory::Termination::default()
    }
}

fn streaming(record: &Streaming) -> directory::Streaming {
    let told = record.streaming_notification_targets.as_deref().unwrap_or_default();
    let tells = |whom| told.iter().any(|each| each.notification_target == whom);
    directory::Streaming {
        enabled: !record.disabled,
        retention_hours: record.data_retention_in_hours,
        notifications: NotificationTargets {
            event_bridge: tells(NotificationTarget::EventBridge),
            sns: tells(NotificationTarget::Sns),
            sqs: tells(NotificationTarget::Sqs),
        },
        ..directory::Streaming::default()
    }
}

fn emergency(dnis: &[Dnis]) -> EmergencyCalling {
    let dnis = dnis.iter().filter_map(|each| {
        let country = country_code(&each.calling_country)?;
        let number = &each.emergency_phone_number;
        Some(EmergencyDnis {
            test_phone_number: each.test_phone_number.as_deref().map(Arc::from),
            ..EmergencyDnis::new(number, country)
        })
    });
    EmergencyCalling { dnis: dnis.collect(), ..EmergencyCalling::default() }
}

fn group(id: &str, record: &Group) -> VoiceConnectorGroup {
    let members = record.voice_connector_items.iter().filter_map(|item| {
        let voice_connector = VoiceConnectorId::new(&item.voice_connector_id).ok()?;
        Some(GroupMember { voice_connector, priority: item.priority })
    });
    VoiceConnectorGroup {
        id: id.into(),
        name: record.name.as_str().into(),
        members: members.collect(),
        numbers: Vec::new(),
    }
}

fn application(id: &str, record: &MediaApplication) -> Option<directory::MediaApplication> {
    let endpoint = ApplicationEndpoint::parse(&record.lambda_arn).ok()?;
    let mut application = directory::MediaApplication::new(id, endpoint);
    application.name = record.name.as_str().into();
    application.message_logs = record.message_logs;
    Some(application)
}

fn rule(id: &str, record: &SipRule) -> directory::SipRule {
    let value = record.trigger_value.as_str().into();
    let targets = record.target_applications.iter().map(|target| RuleTarget {
        application: target.sip_media_application_id.as_str().into(),
        priority: target.priority,
    });
    directory::SipRule {
        id: id.into(),
        name: record.name.as_str().into(),
        disabled: record.disabled,
        trigger: match record.trigger_type {
            TriggerType::ToPhoneNumber => RuleTrigger::ToPhoneNumber(value),
            TriggerType::RequestUriHostname => RuleTrigger::RequestUriHostname(value),
        },
        targets: targets.collect(),
    }
}

//! Records as calls are routed by them.
//!
//! What a record says in a form that routing does not know, such as a country that it has no number
//! of, was refused when it was written; such a part is left out here.

use super::{
    Association, Connector, Credentials, Dnis, Group, NotificationTarget, Number, Protocol, Route,
    State, Streaming, Termination,
};
use directory::{
    EmergencyCalling, EmergencyDnis, GroupMember, Host, OriginationRoute, Resources, Srtp,
    VoiceConnector, VoiceConnectorGroup, country_code,
};
use model::{NotificationTargets, TransportProtocol, VoiceConnectorId};
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers by the id of what they lead to.
#[derive(Default)]
struct Numbers<'a> {
    connectors: HashMap<&'a str, Vec<Arc<str>>>,
    groups: HashMap<&'a str, Vec<Arc<str>>>,
}

/// What calls are routed by.
pub(crate) fn resources(state: &State) -> Resources {
    let mut numbers = Numbers::default();
    for (e164, number) in state.all::<Number>() {
        let (table, id) = match &number.value.association {
            Some(Association::Connector(id)) => (&mut numbers.connectors, id),
            Some(Association::Group(id)) => (&mut numbers.groups, id),
            None => continue,
        };
        table.entry(id).or_default().push(e164.as_str().into());
    }
    let connectors = state.all::<Connector>().iter().filter_map(|(id, stored)| {
        let credentials = state.get::<Credentials>(id).map(|stored| &stored.value);
        let numbers = numbers.connectors.remove(id.as_str()).unwrap_or_default();
        connector(id, &stored.value, credentials, numbers)
    });
    let voice_connectors = connectors.collect();
    let groups = state.all::<Group>().iter().map(|(id, stored)| {
        let numbers = numbers.groups.remove(id.as_str()).unwrap_or_default();
        group(id, &stored.value, numbers)
    });
    let groups = groups.collect();
    Resources { voice_connectors, groups, ..Resources::default() }
}

fn connector(
    id: &str,
    record: &Connector,
    credentials: Option<&Credentials>,
    numbers: Vec<Arc<str>>,
) -> Option<VoiceConnector> {
    let mut connector = VoiceConnector::new(VoiceConnectorId::new(id).ok()?);
    connector.name = record.name.as_str().into();
    connector.require_encryption = record.require_encryption;
    connector.numbers = numbers;
    if let Some(origination) = &record.origination {
        let is_encrypted = record.require_encryption;
        connector.origination.disabled = origination.disabled;
        connector.origination.routes =
            origination.routes.iter().filter_map(|each| route(each, is_encrypted)).collect();
    }
    if let Some(record) = &record.termination {
        connector.caller.default_number = record.default_phone_number.as_deref().map(Arc::from);
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

fn group(id: &str, record: &Group, numbers: Vec<Arc<str>>) -> VoiceConnectorGroup {
    let members = record.voice_connector_items.iter().filter_map(|item| {
        let voice_connector = VoiceConnectorId::new(&item.voice_connector_id).ok()?;
        Some(GroupMember { voice_connector, priority: item.priority })
    });
    VoiceConnectorGroup {
        id: id.into(),
        name: record.name.as_str().into(),
        members: members.collect(),
        numbers,
    }
}

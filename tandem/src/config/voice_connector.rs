//! `[[voice_connector]]` and its sections.

use super::credential;
use super::media::{self, Media};
use super::policy;
use super::reader::Table;
use super::sip::Sip;
use super::{tls, value};
use directory::{
    CallerPolicy, Credential, Dtmf, EarlyMedia, ForeignCaller, Host, Logging, Origination,
    OriginationRoute, PassedRequests, Refer, Srtp, Termination, VoiceConnector,
};
use model::{TransportProtocol, VoiceConnectorId};
use std::sync::Arc;
use toml::de::DeValue;

pub(super) fn read(mut table: Table<'_>, sip: &Sip, media: &Media) -> Option<VoiceConnector> {
    let id = table.required("id", "id = \"abcdef1ghij2klmno3pqr4\"", |v| {
        VoiceConnectorId::new(value::text(v)?).map_err(|error| error.to_string())
    });
    let name = table.optional("name", value::shared_text);
    let require_encryption = table.or("require_encryption", false, value::boolean);
    let numbers = table.list("numbers", value::shared_text).unwrap_or_default();
    let final_codes = table.list("hunt_final_codes", value::integer::<u16>);
    let no_response = table.optional("no_response_timeout", value::duration);
    let no_answer_timeout = table.no_answer_timeout(sip.no_answer_timeout);
    let early_media = table.or("early_media", EarlyMedia::default(), read_early_media);
    let caller = read_caller(&mut table, &numbers);
    let refer = table.or("refer", Refer::default(), read_refer);
    let passed_requests = read_passed_requests(&mut table);
    let dtmf = table.or("dtmf", Dtmf::default(), value::dtmf);
    let rtcp = table.or("rtcp", None, |value| media::rtcp(value).map(Some));
    let termination = table.table("termination");
    let termination = termination.is_present().then(|| read_termination(termination));
    let disabled = table.or("origination_disabled", false, value::boolean);
    let routes = table.tables("origination", |table| read_route(table, sip, require_encryption));
    let dry_run = table.or("dry_run", false, value::boolean);
    let caps = policy::read_caps(table.table("caps"));
    let emergency = policy::read_emergency(table.table("emergency"));
    let registration = super::registration::of_voice_connector(table.table("registration"));
    let logging = read_logging(table.table("logging"));
    let streaming = super::streaming::read(table.table("streaming"));
    let copied = super::siprec_client::read(table.table("siprec_client"), sip, require_encryption);
    let media = media::read_of_connector(table.table("media"), media.hold_music.as_ref());

    let redirects = super::redirects::read(&mut table);
    if !numbers.is_empty() && routes.is_empty() && !disabled {
        let message = "there is no [[voice_connector.origination]] to send inbound calls to";
        table.warn_at("numbers", message);
    }
    let has_credentials = termination.as_ref().is_some_and(|t| !t.credentials.is_empty());
    if registration.is_some() && !has_credentials {
        let message = "needs credentials in [voice_connector.termination]: without them anybody \
                       could register";
        table.error_at("registration", message);
    }
    if routes.iter().any(|route| route.registered) && registration.is_none() {
        let message = "host = \"registered\" needs [voice_connector.registration]";
        table.error_at("origination", message);
    }
    if require_encryption {
        warn_without_tls(&table, sip);
    }
    if dry_run {
        let message = "countries, risks, rates and caps are only watched, not enforced";
        table.warn_at("dry_run", message);
    }
    table.finish();
    let mut connector = VoiceConnector::new(id?);
    connector.name = name.unwrap_or(connector.name);
    connector.hunt_final_codes = final_codes.map_or(connector.hunt_final_codes, Into::into);
    connector.no_response_timeout = no_response.unwrap_or(connector.no_response_timeout);
    Some(VoiceConnector {
        require_encryption,
        no_answer_timeout,
        redirects,
        early_media,
        refer,
        passed_requests,
        dtmf,
        rtcp,
        caller,
        numbers,
        termination,
        origination: Origination { disabled, routes },
        registration,
        logging,
        streaming,
        siprec_client: copied.map(Arc::new),
        emergency,
        caps,
        dry_run,
        media_timeouts: media.timeouts,
        unheard: media.unheard,
        transcoding: media.transcoding,
        repacketise: media.repacketise,
        sends_comfort_noise: media.sends_comfort_noise,
        hold_music: media.hold_music,
        lines: media.lines,
        ..connector
    })
}

/// Every call of a customer that must use TLS is refused where none is served. (A route over plain
/// signalling is an error: the directory finds it.)
fn warn_without_tls(table: &Table<'_>, sip: &Sip) {
    if !sip.listeners.iter().any(|listener| listener.protocol == TransportProtocol::Tls) {
        let message =
            "[sip] has no tls address, so that every call is refused; add one, or set false";
        table.warn_at("require_encryption", message);
    }
}

fn read_early_media(value: &DeValue<'_>) -> Result<EarlyMedia, String> {
    match value::text(value)? {
        "pass" => Ok(EarlyMedia::Pass),
        "ringback" => Ok(EarlyMedia::Ringback),
        other => Err(format!("expected \"pass\" or \"ringback\", found \"{other}\"")),
    }
}

fn read_caller(table: &mut Table<'_>, numbers: &[Arc<str>]) -> CallerPolicy {
    let caller = CallerPolicy {
        foreign: table.or("caller_policy", ForeignCaller::Pass, |v| match value::text(v)? {
            "pass" => Ok(ForeignCaller::Pass),
            "override" => Ok(ForeignCaller::Override),
            "refuse" => Ok(ForeignCaller::Refuse),
            other => Err(format!("{other:?} is unknown; use \"pass\", \"override\" or \"refuse\"")),
        }),
        default_number: table.optional("default_caller", |v| {
            let text = value::text(v)?;
            let number = directory::parse_e164(text);
            number.map(Into::into).ok_or_else(|| format!("{text:?} is not E.164, as +12065550100"))
        }),
        always_default: table.or("caller_override", false, value::boolean),
        name: table.optional("caller_name", value::shared_text),
    };
    let replaces = caller.foreign == ForeignCaller::Override || caller.always_default;
    if replaces && caller.default_number.is_none() && numbers.is_empty() {
        let key = if caller.always_default { "caller_override" } else { "caller_policy" };
        table.error_at(key, "there is no number to call from; add default_caller or numbers");
    }
    caller
}

fn read_refer(value: &DeValue<'_>) -> Result<Refer, String> {
    match value::text(value)? {
        "handle" => Ok(Refer::Handle),
        "pass" => Ok(Refer::Pass),
        "refuse" => Ok(Refer::Refuse),
        other => Err(format!("{other:?} is unknown; use \"handle\", \"pass\" or \"refuse\"")),
    }
}

fn read_passed_requests(table: &mut Table<'_>) -> PassedRequests {
    let listed = table.list("pass_requests", |v| match value::text(v)? {
        method @ ("INFO" | "MESSAGE") => Ok(method.to_owned()),
        other => Err(format!("{other:?} is unknown; use \"INFO\" or \"MESSAGE\"")),
    });
    listed.map_or_else(PassedRequests::default, |methods| PassedRequests {
        info: methods.iter().any(|method| method == "INFO"),
        message: methods.iter().any(|method| method == "MESSAGE"),
    })
}

fn read_termination(mut table: Table<'_>) -> Termination {
    let default = Termination::default();
    let termination = Termination {
        disabled: table.or("disabled", default.disabled, value::boolean),
        cidr_allowed_list: table.list("cidr_allowed_list", value::network).unwrap_or_default(),
        cps_limit: table.or("cps_limit", default.cps_limit, value::integer),
        concurrent_calls_limit: table.or(
            "concurrent_calls_limit",
            default.concurrent_calls_limit,
            value::integer,
        ),
        calling_regions: table.list("calling_regions", value::country).unwrap_or_default(),
        allow_high_risk: table.or("allow_high_risk", false, value::boolean),
        client_certificate: tls::read_client_certificate(&mut table, None, None),
        credentials: table.tables("credentials", credential::read),
        digest_algorithms: credential::algorithms(&mut table, default.digest_algorithms),
    };
    for (n, credential) in termination.credentials.iter().enumerate() {
        let same = |other: &Credential| other.username == credential.username;
        if termination.credentials.iter().take(n).any(same) {
            let message = format!("user {:?} is listed twice; remove one", credential.username);
            table.error_at(&format!("credentials[{n}].username"), message);
        }
    }
    for (n, net) in termination.cidr_allowed_list.iter().enumerate() {
        if net.prefix_len() == 0 {
            let message = "every address of the internet may call out at your cost";
            table.warn_at(&format!("cidr_allowed_list[{n}]"), message);
        }
    }
    if !termination.disabled {
        if termination.cidr_allowed_list.is_empty() {
            table.warn_at("cidr_allowed_list", "empty: every outbound call is refused");
        }
        if termination.calling_regions.is_empty() {
            table.warn_at("calling_regions", "empty: every outbound call is refused");
        }
    }
    table.finish();
    termination
}

fn read_route(
    mut table: Table<'_>,
    sip: &Sip,
    require_encryption: bool,
) -> Option<OriginationRoute> {
    let host = table.required("host", "host = \"192.0.2.20\"", value::host);
    let registered = host == Some(Host::Name("registered".into()));
    let port = table.optional("port", value::integer);
    let chosen = table.optional("protocol", value::transport);
    let protocol = chosen.unwrap_or(TransportProtocol::Udp);
    let udp_only = table.or("udp_only", false, value::boolean);
    let srtp = table.or("srtp", Srtp::Off, value::srtp);
    if require_encryption && srtp == Srtp::Off && table.has("srtp") {
        let message = "\"off\" is never used: require_encryption asks for SRTP on every route; write \
                       \"required\" or \"dtls\", or remove it";
        table.warn_at("srtp", message);
    }
    let priority = table.or("priority", 1, value::integer);
    let weight = table.or("weight", 1, value::integer);
    let options_ping = table.optional("options_ping", value::duration);
    let max_calls = table.optional("max_calls", value::integer);
    let tls = tls::read_policy(&mut table, protocol == TransportProtocol::Tls, "protocol");
    tls::need_listener(&table, sip, protocol, "protocol");
    if registered && (port.is_some() || chosen.is_some() || options_ping.is_some()) {
        let message = "\"registered\" goes where the systems registered from; remove port, protocol \
                       and options_ping";
        table.error_at("host", message);
    }
    table.finish();
    Some(OriginationRoute {
        registered,
        port,
        protocol,
        choose_transport: chosen.is_none(),
        udp_only,
        tls,
        priority,
        weight,
        options_ping,
        max_calls,
        srtp,
        ..OriginationRoute::new(host?)
    })
}

/// What is written about calls.
pub(super) fn read_logging(mut table: Table<'_>) -> Logging {
    let logging = Logging {
        sip_messages: table.or("sip_messages", false, value::boolean),
        media_metrics: table.or("media_metrics", false, value::boolean),
        hep_share: table.optional("hep_sample", super::hep::share),
    };
    table.finish();
    logging
}

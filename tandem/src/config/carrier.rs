//! `[[carrier]]`.

use super::credential;
use super::media::{self, Media};
use super::reader::Table;
use super::sip::Sip;
use super::stir::Stir;
use super::{tls, value};
use directory::{CallerId, Carrier, DEFAULT_HUNT_FINAL_CODES, Dtmf, Srtp, Verify};
use model::{CarrierId, TransportProtocol};

pub(super) fn read(mut table: Table<'_>, sip: &Sip, media: &Media, stir: &Stir) -> Option<Carrier> {
    let id = table.required("id", "id = \"pstn-1\"", |v| {
        CarrierId::new(value::text(v)?).map_err(|error| error.to_string())
    });
    let host = table.required("host", "host = \"192.0.2.10\"", value::host);
    let port = table.optional("port", value::integer);
    let chosen = table.optional("transport", value::transport);
    let transport = chosen.unwrap_or(TransportProtocol::Udp);
    let udp_only = table.or("udp_only", false, value::boolean);
    let srtp = table.or("srtp", Srtp::Off, value::srtp);
    let dtmf = table.or("dtmf", Dtmf::default(), value::dtmf);
    let rtcp = table.or("rtcp", None, |value| media::rtcp(value).map(Some));
    let transcoding = super::transcoding::read_optional(&mut table);
    let prefixes = table.list("prefixes", value::shared_text).unwrap_or_default();
    let priority = table.or("priority", 1, value::integer);
    let weight = table.or("weight", 1, value::integer);
    let inbound_cidrs = table.list("inbound_cidrs", value::network).unwrap_or_default();
    let credential = credential::optional(&mut table);
    let realm = table.optional("realm", value::shared_text);
    let caller_id = table.or("caller_id", CallerId::default(), |v| match value::text(v)? {
        "from" => Ok(CallerId::From),
        "pai" => Ok(CallerId::Pai),
        "both" => Ok(CallerId::Both),
        other => Err(format!("{other:?} is unknown; use \"from\", \"pai\" or \"both\"")),
    });
    let sign_calls = table.or("sign_calls", false, value::boolean);
    let verify = table.or("verify", Verify::Off, |v| match value::text(v)? {
        "off" => Ok(Verify::Off),
        "annotate" => Ok(Verify::Annotate),
        "require" => Ok(Verify::Require),
        other => Err(format!("{other:?} is unknown; use \"off\", \"annotate\" or \"require\"")),
    });
    let trust_identity = table.or("trust_identity", true, value::boolean);
    if sign_calls && stir.signer.is_none() {
        table.error_at("sign_calls", "there is nothing to sign with; add key and x5u to [stir]");
    }
    if verify != Verify::Off && stir.roots.is_empty() {
        table.error_at("verify", "there is no authority to verify by; add roots to [stir]");
    }
    let registration = super::registration::of_carrier(&mut table, credential.is_some());
    let final_codes = table.list("hunt_final_codes", value::integer::<u16>);
    let no_response =
        table.or("no_response_timeout", Carrier::DEFAULT_NO_RESPONSE_TIMEOUT, value::duration);

    let options_ping = table.optional("options_ping", value::duration);
    let max_calls = table.optional("max_calls", value::integer);
    let cps_limit = table.optional("cps_limit", value::integer);
    let emergency = table.or("emergency", false, value::boolean);
    let no_answer_timeout = table.no_answer_timeout(sip.no_answer_timeout);
    let tls = tls::read_policy(&mut table, transport == TransportProtocol::Tls, "transport");
    tls::need_listener(&table, sip, transport, "transport");
    let client_certificate =
        tls::read_client_certificate(&mut table, host.as_ref(), tls.ca.as_ref());
    if realm.is_some() && credential.is_none() {
        table.warn_at("realm", "without username and password there is nothing to prove in it");
    }
    if prefixes.is_empty() && inbound_cidrs.is_empty() && !emergency && registration.is_none() {
        table.warn_at("id", "the carrier has neither prefixes nor inbound_cidrs: no call uses it");
    }
    for (n, _) in inbound_cidrs.iter().enumerate().filter(|(_, net)| net.prefix_len() == 0) {
        let message = "every address of the internet counts as this carrier";
        table.warn_at(&format!("inbound_cidrs[{n}]"), message);
    }
    let redirects = super::redirects::read(&mut table);
    let hold_music = super::hold_music::read_hold_music(&mut table, media.hold_music.as_ref());
    table.finish();
    Some(Carrier {
        port,
        transport,
        choose_transport: chosen.is_none(),
        udp_only,
        srtp,
        dtmf,
        rtcp,
        transcoding,
        caller_id,
        sign_calls,
        verify,
        trust_identity,
        tls,
        client_certificate,
        prefixes,
        priority,
        weight,
        inbound_cidrs,
        credential,
        realm,
        registration,
        hunt_final_codes: final_codes.unwrap_or_else(|| DEFAULT_HUNT_FINAL_CODES.to_vec()).into(),
        no_response_timeout: no_response,
        no_answer_timeout,
        options_ping,
        max_calls,
        cps_limit,
        emergency,
        redirects,
        hold_music,
        ..Carrier::new(id?, host?)
    })
}

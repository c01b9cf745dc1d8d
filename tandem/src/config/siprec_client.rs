//! `[voice_connector.siprec_client]`: somebody else's recorder that gets copies of a voice connector's
//! calls (SIPREC, RFC 7866).

use super::reader::Table;
use super::sip::Sip;
use super::{credential, tls, value};
use directory::{Host, SiprecClient, Srtp};
use model::TransportProtocol;
use sip_proto::{Scheme, Uri};
use std::sync::Arc;
use toml::de::DeValue;

/// What of the recorder's URI counts.
struct RecorderUri {
    text: Arc<str>,
    host: Host,
    port: Option<u16>,
    /// `None` where it says nothing of it.
    transport: Option<TransportProtocol>,
    secure: bool,
}

pub(super) fn read(
    mut table: Table<'_>,
    sip: &Sip,
    require_encryption: bool,
) -> Option<SiprecClient> {
    let is_there = table.is_present();
    if !is_there {
        table.finish();
        return None;
    }
    let uri = table.required("uri", "uri = \"sip:recorder.example.com\"", recorder_uri);
    let enabled = table.or("enabled", false, value::boolean);
    let by_header = table.or("by_header", false, value::boolean);
    let numbers = table.list("numbers", value::shared_text).unwrap_or_default();
    let credential = credential::optional(&mut table);
    let srtp = table.or("srtp", Srtp::Off, |value| match value::srtp(value)? {
        Srtp::Dtls => Err("copies take their keys from the session descriptions; use \"off\", \
             \"optional\" or \"required\""
            .to_owned()),
        other => Ok(other),
    });
    if !enabled && !by_header {
        let message = "no call would ever be copied; set enabled = true or by_header = true, or \
                       take [voice_connector.siprec_client] out";
        table.error_at("uri", message);
    }
    if !numbers.is_empty() && !enabled {
        table.warn_at("numbers", "has no effect without enabled = true");
    }
    let is_open = |uri: &RecorderUri| {
        srtp != Srtp::Required || !(uri.secure || uri.transport == Some(TransportProtocol::Tls))
    };
    if require_encryption && uri.as_ref().is_some_and(is_open) {
        let message = "require_encryption holds for the customer, and the copies of its calls may \
                       go unencrypted; use sips: or ;transport=tls, and srtp = \"required\"";
        table.warn_at("uri", message);
    }
    let is_tls =
        uri.as_ref().is_some_and(|uri| uri.secure || uri.transport == Some(TransportProtocol::Tls));
    let policy = tls::read_policy(&mut table, is_tls, "the transport of uri");
    let protocol = match &uri {
        Some(uri) if uri.secure => TransportProtocol::Tls,
        Some(uri) => uri.transport.unwrap_or(TransportProtocol::Udp),
        None => TransportProtocol::Udp,
    };
    tls::need_listener(&table, sip, protocol, "uri");
    if protocol != TransportProtocol::Tls
        && !sip.listeners.iter().any(|listener| listener.protocol == protocol)
    {
        let message = format!(
            "needs a {protocol} listener; add one to [sip], or name another ;transport= in the URI"
        );
        table.error_at("uri", message);
    }
    table.finish();
    let uri = uri?;
    Some(SiprecClient {
        choose_transport: uri.transport.is_none() && matches!(uri.host, Host::Name(_)),
        uri: uri.text,
        host: uri.host,
        port: uri.port,
        protocol,
        secure: uri.secure,
        tls: policy,
        srtp,
        enabled,
        by_header,
        numbers: numbers.into(),
        credential,
    })
}

fn recorder_uri(value: &DeValue<'_>) -> Result<RecorderUri, String> {
    let text = value::text(value)?;
    let wrong = |what: &str| {
        format!(
            "{text:?} is {what}; write a URI such as \"sip:recorder.example.com;transport=tcp\""
        )
    };
    let uri = Uri::parse(text).map_err(|_| wrong("no URI"))?;
    let secure = match uri.scheme {
        Scheme::Sip => false,
        Scheme::Sips => true,
        Scheme::Tel | Scheme::Other => return Err(wrong("no sip or sips URI")),
    };
    if !uri.headers.is_empty() || uri.password.is_some() {
        return Err(wrong("more than an address: a password or header fields have no place in it"));
    }
    let host = match uri.host {
        sip_proto::Host::Ip(ip) => Host::Ip(ip),
        sip_proto::Host::Name(name) => Host::parse(name).map_err(|error| error.to_string())?,
    };
    let named = uri.params.get("transport").flatten();
    let transport = match named.map(|name| (name, TransportProtocol::parse(name))) {
        None => None,
        Some((_, Some(TransportProtocol::Udp))) if secure => {
            return Err(wrong("sips, which goes over TLS and not over UDP"));
        }
        Some((_, Some(transport))) => Some(transport),
        Some((name, None)) => {
            return Err(format!("transport={name} is unknown; use udp, tcp or tls"));
        }
    };
    Ok(RecorderUri { text: text.into(), host, port: uri.port, transport, secure })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, errors, with};
    use super::*;

    const CONNECTOR: &str = "[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n\
                             [voice_connector.siprec_client]\n";

    fn client(text: &str) -> Arc<SiprecClient> {
        let config = accepts(&format!("{CONNECTOR}{text}"));
        let connector = config.directory.voice_connectors().next();
        connector.and_then(|vc| vc.siprec_client.clone()).unwrap()
    }

    #[test]
    fn credentials_are_both_or_neither_and_never_shown() {
        let own = "uri = \"sip:192.0.2.9\"\nenabled = true\nusername = \"tandem\"\n";
        assert_eq!(client("uri = \"sip:192.0.2.9\"\nenabled = true\n").credential, None);
        let known = client(&format!("{own}password = \"secret\"\n")).credential.clone().unwrap();
        assert_eq!((&*known.username, &*known.password), ("tandem", "secret"));
        assert!(!format!("{known:?}").contains("secret"));
        let refused = errors(&format!("{CONNECTOR}{own}"));
        assert!(refused.contains("username and password go together"), "{refused}");
    }

    #[test]
    fn a_recorder_is_where_its_uri_says() {
        let named = client("uri = \"sip:srs@Recorder.example.com\"\nenabled = true\n");
        assert_eq!(named.host, Host::Name("recorder.example.com".into()));
        assert_eq!((named.port, named.protocol), (None, TransportProtocol::Udp));
        assert!(named.choose_transport && !named.secure && named.is_for(["+1", "+2"]));
        let address =
            client("uri = \"sip:192.0.2.9:5070\"\nby_header = true\nsrtp = \"required\"\n");
        assert_eq!((address.port, address.srtp), (Some(5070), Srtp::Required));
        assert!(!address.choose_transport && !address.is_for(["+1", "+2"]));
        let some = client("uri = \"sip:192.0.2.9\"\nenabled = true\nnumbers = [\"+1206\"]\n");
        assert!(some.is_for(["+12065550100", "+44"]) && !some.is_for(["+1312", "+44"]));
        assert!(
            accepts("[[voice_connector]]\nid = \"abcdef1ghij2klmno3pqr4\"\n")
                .directory
                .voice_connectors()
                .all(|connector| connector.siprec_client.is_none())
        );
    }

    #[test]
    fn a_client_that_would_do_nothing_is_refused() {
        let refused = |text: &str, message: &str| {
            let errors = errors(&with(&format!("{CONNECTOR}{text}")));
            assert!(errors.contains(message), "{message}: {errors}");
        };
        refused(
            "uri = \"sip:192.0.2.9\"\n",
            "no call would ever be copied; set enabled = true or by_header = true",
        );
        refused("enabled = true\n", "uri = \"sip:recorder.example.com\"");
        refused("uri = \"tel:+12065550100\"\nenabled = true\n", "no sip or sips URI");
        refused("uri = \"recorder\"\nenabled = true\n", "uri");
        refused("uri = \"sip:192.0.2.9;transport=sctp\"\nenabled = true\n", "transport=sctp");
        refused("uri = \"sips:192.0.2.9\"\nenabled = true\n", "needs a TLS listener");
        refused("uri = \"sip:a@192.0.2.9?x=y\"\nenabled = true\n", "header fields");
        refused(
            "uri = \"sip:192.0.2.9\"\nenabled = true\nsrtp = \"dtls\"\n",
            "copies take their keys",
        );
        refused("uri = \"sip:192.0.2.9\"\nenabled = true\nnumber = [\"+1\"]\n", "number");
    }
}

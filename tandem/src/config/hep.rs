//! `[hep]`: copies of SIP messages, RTCP and quality reports for a collector.

use super::reader::Table;
use super::{tls, value};
use call_metrics::{HepConfig, HepTransport};
use directory::{Host, TlsPolicy};
use model::CallSample;
use std::sync::Arc;
use toml::de::DeValue;

/// What is copied, and where to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hep {
    /// Without the layer of TLS, and the shares of voice connectors.
    pub(crate) copies: HepConfig,
    /// `None` where nothing is encrypted.
    pub(crate) tls: Option<HepTls>,
}

/// Whom TLS must lead to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HepTls {
    /// The name in the collector's certificate; default the address of `target`.
    pub(crate) name: Host,
    /// The authority, and what we show.
    pub(crate) policy: Arc<TlsPolicy>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// `None` without the section.
pub(super) fn read(mut table: Table<'_>) -> Option<Hep> {
    if !table.is_present() {
        return None;
    }
    let target = table.required("target", "target = \"192.0.2.9:9060\"", value::socket_address);
    let transport = table.or("transport", Transport::Udp, transport);
    let is_tls = transport == Transport::Tls;
    let name = table.optional("tls_name", value::host);
    let policy = tls::read_policy(&mut table, is_tls, "transport");
    if !is_tls && name.is_some() {
        table.warn_at("tls_name", "is not used: transport is not \"tls\"");
    }
    let capture_id = table.or("capture_id", 1, value::integer);
    let password = table.optional("password", value::string);
    let messages = table.or("messages", true, value::boolean);
    let rtcp = table.or("rtcp", true, value::boolean);
    let quality = table.or("quality", true, value::boolean);
    let others = table.or("others", true, value::boolean);
    let share = table.or("sample", CallSample::WHOLE, share);
    table.finish();
    let target = target?;
    let name = name.unwrap_or(Host::Ip(target.ip()));
    let copies = HepConfig {
        transport: match transport {
            Transport::Udp => HepTransport::Udp,
            Transport::Tcp | Transport::Tls => HepTransport::Tcp,
        },
        capture_id,
        password,
        messages,
        rtcp,
        quality,
        others,
        sample: CallSample { share, ..CallSample::default() },
        ..HepConfig::new(target)
    };
    Some(Hep { copies, tls: is_tls.then_some(HepTls { name, policy }) })
}

fn transport(value: &DeValue<'_>) -> Result<Transport, String> {
    match value::text(value)? {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        other => Err(format!("{other:?} is unknown; use \"udp\", \"tcp\" or \"tls\"")),
    }
}

/// A share, 0 to 1, in 1/10,000.
pub(super) fn share(value: &DeValue<'_>) -> Result<u16, String> {
    let wrong = || "a share is a number from 0 to 1, such as 0.25".to_owned();
    let text = match value {
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => return Err(wrong()),
    };
    let share: f64 = text.parse().map_err(|_| wrong())?;
    if (0.0..=1.0).contains(&share) {
        Ok((share * f64::from(CallSample::WHOLE)).round() as u16)
    } else {
        Err(wrong())
    }
}

//! `[hep]`: copies of SIP messages and quality reports for a collector.

use super::reader::Table;
use super::value;
use call_metrics::{HepConfig, HepTransport};
use toml::de::DeValue;

/// The whole, in the unit of [`share`].
const WHOLE: u16 = 10_000;

/// `None` without the section.
pub(super) fn read(mut table: Table<'_>) -> Option<HepConfig> {
    if !table.is_present() {
        return None;
    }
    let target = table.required("target", "target = \"192.0.2.9:9060\"", value::socket_address);
    let transport = table.or("transport", HepTransport::Udp, transport);
    let capture_id = table.or("capture_id", 1, value::integer);
    let password = table.optional("password", value::string);
    let messages = table.or("messages", true, value::boolean);
    let quality = table.or("quality", true, value::boolean);
    let others = table.or("others", true, value::boolean);
    let sample = table.or("sample", WHOLE, share);
    table.finish();
    let config = HepConfig::new(target?);
    Some(HepConfig {
        transport,
        capture_id,
        password,
        messages,
        quality,
        others,
        share: sample,
        ..config
    })
}

fn transport(value: &DeValue<'_>) -> Result<HepTransport, String> {
    match value::text(value)? {
        "udp" => Ok(HepTransport::Udp),
        "tcp" => Ok(HepTransport::Tcp),
        other => Err(format!("`{other}` is neither \"udp\" nor \"tcp\"")),
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
        Ok((share * f64::from(WHOLE)).round() as u16)
    } else {
        Err(wrong())
    }
}

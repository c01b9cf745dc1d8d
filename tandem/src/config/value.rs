//! Readers of single values.

use super::policy::parse_money;
use super::reader::kind;
use directory::{Dtmf, Host, Money, Srtp};
use ipnet::IpNet;
use model::TransportProtocol;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use toml::de::DeValue;

type Result<T> = std::result::Result<T, String>;

pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str> {
    value.as_str().ok_or_else(|| format!("expected a string in quotes, found {}", kind(value)))
}

pub(super) fn string(value: &DeValue<'_>) -> Result<String> {
    match text(value)? {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn shared_text(value: &DeValue<'_>) -> Result<Arc<str>> {
    string(value).map(Into::into)
}

pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf> {
    string(value).map(Into::into)
}

pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool> {
    value.as_bool().ok_or_else(|| format!("expected true or false, found {}", kind(value)))
}

/// A whole number that fits the type; narrower ranges are checked by [`within`].
pub(super) fn integer<T: TryFrom<i64>>(value: &DeValue<'_>) -> Result<T> {
    let wrong = || format!("expected a whole number, found {}", kind(value));
    let DeValue::Integer(number) = value else { return Err(wrong()) };
    let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong())?;
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

pub(super) fn within<T: PartialOrd + Display>(value: T, range: RangeInclusive<T>) -> Result<T> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(format!("{value} is out of range; use {} to {}", range.start(), range.end()))
    }
}

/// "250ms", "30s", "5m", "12h" or "7d".
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration> {
    let wrong = || {
        format!(
            "expected a duration such as \"30s\", \"5m\", \"250ms\" or \"12h\", found {}",
            kind(value)
        )
    };
    let text = value.as_str().ok_or_else(wrong)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_millis).map(Duration::from_millis).ok_or_else(wrong)
}

pub(super) fn duration_within(
    value: &DeValue<'_>,
    least: Duration,
    most: Duration,
) -> Result<Duration> {
    let duration = duration(value)?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        let (least, most) = (written(least), written(most));
        Err(format!("{} is out of range; use \"{least}\" to \"{most}\"", kind(value)))
    }
}

/// As it would be written in the file.
pub(super) fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        .into_iter()
        .find(|(_, size)| millis >= *size && millis.is_multiple_of(*size))
        .map_or_else(|| format!("{millis}ms"), |(unit, size)| format!("{}{unit}", millis / size))
}

pub(super) fn socket_address(value: &DeValue<'_>) -> Result<SocketAddr> {
    let wrong = || {
        format!(
            "expected an address and port such as \"127.0.0.1:5060\" or \"[::1]:5060\", found {}",
            kind(value)
        )
    };
    let address: SocketAddr = value.as_str().and_then(|t| t.parse().ok()).ok_or_else(wrong)?;
    if address.port() == 0 {
        return Err("port 0 is no fixed port; use 1 to 65535".to_owned());
    }
    Ok(address)
}

/// "192.0.2.53", or with another port than 53.
pub(super) fn name_server(value: &DeValue<'_>) -> Result<SocketAddr> {
    let address = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
    match address {
        Some(ip) => Ok(SocketAddr::new(ip, 53)),
        None => socket_address(value),
    }
}

pub(super) fn ip_address(value: &DeValue<'_>) -> Result<IpAddr> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        format!("expected an IP address such as \"192.0.2.1\", found {}", kind(value))
    })
}

/// "10000-60000".
pub(super) fn port_range(value: &DeValue<'_>) -> Result<RangeInclusive<u16>> {
    let wrong = || format!("expected ports such as \"10000-60000\", found {}", kind(value));
    let (first, last) = value.as_str().and_then(|text| text.split_once('-')).ok_or_else(wrong)?;
    let first: u16 = first.trim().parse().map_err(|_| wrong())?;
    let last: u16 = last.trim().parse().map_err(|_| wrong())?;
    if first < 1024 {
        return Err(format!("{first} is a system port; start at 1024 or above"));
    }
    // A call needs an even and an odd port on each of its two legs.
    let usable = i32::from(last) - i32::from(first.next_multiple_of(2)) + 1;
    if usable < 4 {
        return Err(format!(
            "{first}-{last} is too small for one call; give at least 4 ports from an even one"
        ));
    }
    Ok(first..=last)
}

pub(super) fn host(value: &DeValue<'_>) -> Result<Host> {
    Host::parse(text(value)?).map_err(|error| format!("{} is {error}", kind(value)))
}

pub(super) fn transport(value: &DeValue<'_>) -> Result<TransportProtocol> {
    value
        .as_str()
        .and_then(TransportProtocol::parse)
        .ok_or_else(|| format!("expected \"udp\", \"tcp\" or \"tls\", found {}", kind(value)))
}

/// A sum of money: "0.012", 12 or 0.5.
pub(super) fn money(value: &DeValue<'_>) -> Result<Money> {
    let text = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => "",
    };
    parse_money(text).ok_or_else(|| {
        format!(
            "expected a sum of at most six decimals such as \"0.012\" or 50, found {}",
            kind(value)
        )
    })
}

/// Whether media is encrypted.
pub(super) fn srtp(value: &DeValue<'_>) -> Result<Srtp> {
    match text(value)? {
        "off" => Ok(Srtp::Off),
        "optional" => Ok(Srtp::Optional),
        "required" => Ok(Srtp::Required),
        "dtls" => Ok(Srtp::Dtls),
        other => Err(format!(
            "{other:?} is unknown; use \"off\", \"optional\", \"required\" or \"dtls\""
        )),
    }
}

pub(super) fn dtmf(value: &DeValue<'_>) -> Result<Dtmf> {
    match text(value)? {
        "rfc4733" => Ok(Dtmf::Rfc4733),
        "auto" => Ok(Dtmf::Auto),
        "info" => Ok(Dtmf::Info),
        "inband" => Ok(Dtmf::Inband),
        "pass" => Ok(Dtmf::Pass),
        other => Err(format!(
            "{other:?} is unknown; use \"rfc4733\", \"auto\", \"info\", \"inband\" or \"pass\""
        )),
    }
}

/// A network, or one address.
pub(super) fn network(value: &DeValue<'_>) -> Result<IpNet> {
    let text = text(value)?;
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address).ok_or_else(|| {
        format!(
            "expected a network such as \"192.0.2.0/24\" or \"192.0.2.7/32\", found {}",
            kind(value)
        )
    })
}

/// A country whose numbers may be called.
pub(super) fn country(value: &DeValue<'_>) -> Result<&'static str> {
    directory::country_code(text(value)?).ok_or_else(|| {
        format!(
            "{} is no country with telephone numbers; use ISO 3166-1 codes of two letters such as \
             \"US\", \"GB\" or \"JP\"",
            kind(value)
        )
    })
}

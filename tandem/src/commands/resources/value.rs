//! Arguments that are more than a word.

use serde_json::{Value, json};

/// A route of an origination: `HOST[:PORT][,udp|tcp][,priority=N][,weight=N]`.
pub(super) fn route(text: &str) -> Result<Value, String> {
    let mut parts = text.split(',').map(str::trim);
    let (host, port) = host_and_port(parts.next().unwrap_or_default())?;
    let mut route =
        json!({ "Host": host, "Port": port, "Protocol": "UDP", "Priority": 1, "Weight": 1 });
    for part in parts {
        match part.split_once('=') {
            None if part.eq_ignore_ascii_case("udp") => route["Protocol"] = "UDP".into(),
            None if part.eq_ignore_ascii_case("tcp") => route["Protocol"] = "TCP".into(),
            Some(("priority", n)) => route["Priority"] = number(part, n, 1..=100)?.into(),
            Some(("weight", n)) => route["Weight"] = number(part, n, 1..=100)?.into(),
            _ => {
                return Err(format!(
                    "{part:?} is none of udp, tcp, priority=1 to 100 and weight=1 to 100"
                ));
            }
        }
    }
    Ok(route)
}

fn host_and_port(text: &str) -> Result<(&str, u32), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or("?"))),
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(format!("put an IPv6 address into brackets: [{text}]:5060"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("a route begins with a host".to_owned());
    }
    let port = port.map_or(Ok(5060), |port| number(text, port, 1..=65_535))?;
    Ok((host, port))
}

/// A member of a group: `VOICE_CONNECTOR_ID[:PRIORITY]`.
pub(super) fn group_member(text: &str) -> Result<Value, String> {
    let (id, priority) = text.split_once(':').unwrap_or((text, "1"));
    Ok(json!({ "VoiceConnectorId": id, "Priority": number(text, priority, 1..=99)? }))
}

/// A target of a rule: `APPLICATION_ID[:PRIORITY[:REGION]]`.
pub(super) fn rule_target(text: &str) -> Result<Value, String> {
    let mut parts = text.splitn(3, ':');
    let id = parts.next().unwrap_or_default();
    let priority = number(text, parts.next().unwrap_or("1"), 1..=i32::MAX.unsigned_abs())?;
    let mut target = json!({ "SipMediaApplicationId": id, "Priority": priority });
    if let Some(region) = parts.next() {
        target["AwsRegion"] = region.into();
    }
    Ok(target)
}

/// A tag: `KEY=VALUE`.
pub(super) fn tag(text: &str) -> Result<Value, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok(json!({ "Key": key, "Value": value })),
        _ => Err("a tag is KEY=VALUE".to_owned()),
    }
}

/// A name and a value: `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it is NAME=VALUE".to_owned()),
    }
}

/// What an emergency number of a connector is: `NUMBER,COUNTRY[,TEST_NUMBER]`.
pub(super) fn dnis(text: &str) -> Result<Value, String> {
    let mut parts = text.split(',').map(str::trim);
    let (Some(number), Some(country), test, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it is NUMBER,COUNTRY[,TEST_NUMBER], such as +14155550100,US".to_owned());
    };
    let mut dnis = json!({ "EmergencyPhoneNumber": number, "CallingCountry": country });
    if let Some(test) = test {
        dnis["TestPhoneNumber"] = test.into();
    }
    Ok(dnis)
}

fn number(whole: &str, text: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        format!("{whole:?}: {text:?} is no number from {} to {}", range.start(), range.end())
    })
}

/// A JSON object of a text, or of a file for `@FILE`.
pub(super) fn object(text: &str) -> Result<Value, String> {
    let read = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&read) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it must be a JSON object, such as '{\"MaxResults\": 5}'".to_owned()),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let plain = route("pbx.example.com").unwrap();
        assert_eq!(
            plain,
            json!({ "Host": "pbx.example.com", "Port": 5060, "Protocol": "UDP",
            "Priority": 1, "Weight": 1 })
        );
        let full = route("[2001:db8::1]:5070,TCP,priority=2,weight=100").unwrap();
        assert_eq!(
            full,
            json!({ "Host": "2001:db8::1", "Port": 5070, "Protocol": "TCP",
            "Priority": 2, "Weight": 100 })
        );
        assert_eq!(route("[2001:db8::1]").unwrap()["Port"], 5060);
        for wrong in [
            "",
            ":5060",
            "h:0",
            "h:65536",
            "h:x",
            "2001:db8::1",
            "[::1]x",
            "h,tls",
            "h,priority=0",
            "h,priority=101",
            "h,weight=-1",
            "h,,udp",
        ] {
            assert!(route(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn members_targets_and_tags() {
        assert_eq!(
            group_member("abc").unwrap(),
            json!({ "VoiceConnectorId": "abc", "Priority": 1 })
        );
        assert_eq!(group_member("abc:99").unwrap()["Priority"], 99);
        assert!(group_member("abc:100").is_err() && group_member("abc:").is_err());
        assert_eq!(
            rule_target("a:2:us-east-1").unwrap(),
            json!({ "SipMediaApplicationId": "a", "Priority": 2, "AwsRegion": "us-east-1" })
        );
        assert!(rule_target("a:0").is_err());
        assert_eq!(tag("k=a=b").unwrap(), json!({ "Key": "k", "Value": "a=b" }));
        assert!(tag("k").is_err() && tag("=v").is_err() && pair("=").is_err());
        assert_eq!(dnis("+1415,US,+1416").unwrap()["TestPhoneNumber"], "+1416");
        assert!(dnis("+1415").is_err() && dnis("a,b,c,d").is_err());
        assert!(object("[]").is_err() && object("{").is_err() && object("@/nowhere").is_err());
        assert_eq!(object("{\"a\":1}").unwrap(), json!({ "a": 1 }));
    }
}

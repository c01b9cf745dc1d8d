//! Rules on groups, emergency calling, caps, pings and limits of targets.

use super::{Problems, limits};
use crate::number::parse_e164;
use crate::{
    Caps, Carrier, EmergencyCalling, OriginationRoute, Price, Resources, VoiceConnector,
    VoiceConnectorGroup,
};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

impl Problems {
    pub(super) fn policy(&mut self, resources: &Resources) {
        for (i, carrier) in resources.carriers.iter().enumerate() {
            self.carrier_limits(carrier, &format!("carrier[{i}]"));
        }
        let carriers: HashSet<&str> = resources.carriers.iter().map(|c| c.id.as_str()).collect();
        for (i, vc) in resources.voice_connectors.iter().enumerate() {
            self.policy_of_connector(vc, &carriers, &format!("voice_connector[{i}]"));
        }
        self.groups(resources);
        for (n, prefix) in resources.high_risk_prefixes.iter().enumerate() {
            self.number_prefix(prefix, format!("fraud.high_risk_prefixes[{n}]"));
        }
    }

    pub(super) fn policy_of_connector(
        &mut self,
        vc: &VoiceConnector,
        carriers: &HashSet<&str>,
        at: &str,
    ) {
        for (n, route) in vc.origination.routes.iter().enumerate() {
            self.route_limits(route, &format!("{at}.origination[{n}]"));
        }
        self.caps(&vc.caps, &format!("{at}.caps"));
        if let Some(emergency) = &vc.emergency {
            self.emergency(emergency, carriers, &format!("{at}.emergency"));
            self.check(vc.termination.is_some(), format!("{at}.emergency"), || {
                "emergency calls are outbound calls; add [voice_connector.termination]".to_owned()
            });
        }
    }

    fn carrier_limits(&mut self, carrier: &Carrier, at: &str) {
        self.ping(carrier.options_ping, at);
        self.max_calls(carrier.max_calls, at);
        if let Some(limit) = carrier.cps_limit {
            self.in_range(limit, &limits::CPS, format!("{at}.cps_limit"));
        }
    }

    fn route_limits(&mut self, route: &OriginationRoute, at: &str) {
        self.ping(route.options_ping, at);
        self.max_calls(route.max_calls, at);
    }

    fn max_calls(&mut self, limit: Option<u32>, at: &str) {
        if let Some(limit) = limit {
            self.in_range(limit, &limits::CONCURRENT_CALLS, format!("{at}.max_calls"));
        }
    }

    fn ping(&mut self, interval: Option<Duration>, at: &str) {
        let range = limits::OPTIONS_PING;
        let fine = interval.is_none_or(|interval| range.contains(&interval));
        self.check(fine, format!("{at}.options_ping"), || {
            let (least, most) = (range.start(), range.end());
            format!(
                "{:?} is out of range; use {least:?} to {most:?}, or leave it out to send none",
                interval.unwrap_or_default()
            )
        });
    }

    pub(super) fn caps(&mut self, caps: &Caps, at: &str) {
        if let Some(minutes) = caps.minutes_per_day {
            self.in_range(minutes, &limits::MINUTES_PER_DAY, format!("{at}.minutes_per_day"));
        }
        let range = limits::CALL_DURATION_CAP;
        let longest = caps.max_call_duration;
        let fine = longest.is_none_or(|longest| range.contains(&longest));
        self.check(fine, format!("{at}.max_call_duration"), || {
            let (least, most) = (range.start(), range.end());
            format!("{:?} is out of range; use {least:?} to {most:?}", longest.unwrap_or_default())
        });
        let mut prefixes = HashMap::new();
        for (n, Price { prefix, .. }) in caps.prices.iter().enumerate() {
            let path = format!("{at}.prices[{n}].prefix");
            self.number_prefix(prefix, path.clone());
            self.unique(&mut prefixes, &**prefix, path, || {
                format!("prefix {prefix:?} has two prices; remove one")
            });
        }
        let priced = caps.prices.iter().any(|price| &*price.prefix == "+");
        let fine = caps.spend_per_day.is_none() || priced;
        self.check(fine, format!("{at}.spend_per_day"), || {
            "numbers without a price would cost nothing; add a price for prefix \"+\", which \
             counts for every number that no other prefix fits"
                .to_owned()
        });
    }

    fn emergency(&mut self, emergency: &EmergencyCalling, carriers: &HashSet<&str>, at: &str) {
        self.check(!emergency.dnis.is_empty(), at, || {
            "emergency calling needs at least one [[voice_connector.emergency.dnis]]".to_owned()
        });
        let mut countries = HashMap::new();
        for (n, dnis) in emergency.dnis.iter().enumerate() {
            let at = format!("{at}.dnis[{n}]");
            for (key, number) in [
                ("emergency_phone_number", Some(&dnis.emergency_phone_number)),
                ("test_phone_number", dnis.test_phone_number.as_ref()),
            ] {
                let Some(number) = number else { continue };
                self.check(parse_e164(number).is_some(), format!("{at}.{key}"), || {
                    format!(
                        "{number:?} is not an E.164 number; write \"+\" and 7 to 15 digits of the \
                         emergency router's number"
                    )
                });
            }
            for (key, dialled) in
                [("dialled", &dnis.dialled), ("dialled_for_test", &dnis.dialled_for_test)]
            {
                for (m, number) in dialled.iter().enumerate() {
                    let fine = (2..=15).contains(&number.len())
                        && number.bytes().all(|b| b.is_ascii_digit());
                    self.check(fine, format!("{at}.{key}[{m}]"), || {
                        format!(
                            "{number:?} is not what a caller dials; write digits such as \"911\""
                        )
                    });
                }
            }
            let path = format!("{at}.calling_country");
            self.unique(&mut countries, dnis.calling_country, path, || {
                format!("{} is listed twice; remove one", dnis.calling_country)
            });
        }
        if let Some(carrier) = &emergency.carrier {
            self.check(carriers.contains(carrier.as_str()), format!("{at}.carrier"), || {
                format!("there is no [[carrier]] with id = \"{carrier}\"; add it or correct the id")
            });
        }
    }

    fn groups(&mut self, resources: &Resources) {
        let connectors: HashSet<&str> =
            resources.voice_connectors.iter().map(|vc| vc.id.as_str()).collect();
        let mut numbers = HashMap::new();
        for (i, vc) in resources.voice_connectors.iter().enumerate() {
            for (n, number) in vc.numbers.iter().enumerate() {
                numbers.entry(&**number).or_insert(format!("voice_connector[{i}].numbers[{n}]"));
            }
        }
        let mut ids = HashMap::new();
        for (i, group) in resources.groups.iter().enumerate() {
            let at = format!("voice_connector_group[{i}]");
            self.unique(&mut ids, &*group.id, format!("{at}.id"), || {
                format!("group id \"{}\" is used twice; rename one", group.id)
            });
            self.members(group, &connectors, &at);
            for (n, number) in group.numbers.iter().enumerate() {
                let path = format!("{at}.numbers[{n}]");
                self.e164(number, path.clone());
                self.unique(&mut numbers, &**number, path, || {
                    format!(
                        "{number} is listed twice, and a number reaches one voice connector or \
                         one group; remove one"
                    )
                });
            }
        }
    }

    fn members(&mut self, group: &VoiceConnectorGroup, connectors: &HashSet<&str>, at: &str) {
        let count = group.members.len();
        self.check(count <= limits::GROUP_MEMBERS, format!("{at}.members"), || {
            format!("{count} voice connectors; at most {} are allowed", limits::GROUP_MEMBERS)
        });
        let mut seen = HashMap::new();
        for (n, member) in group.members.iter().enumerate() {
            let at = format!("{at}.members[{n}]");
            let id = member.voice_connector.as_str();
            self.check(connectors.contains(id), format!("{at}.voice_connector"), || {
                format!(
                    "there is no [[voice_connector]] with id = \"{id}\"; add it or correct the id"
                )
            });
            self.unique(&mut seen, id, format!("{at}.voice_connector"), || {
                format!("{id} is listed twice; remove one")
            });
            self.in_range(member.priority, &limits::GROUP_PRIORITY, format!("{at}.priority"));
        }
    }
}

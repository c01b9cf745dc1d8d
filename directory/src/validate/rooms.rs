//! Rules on how meeting rooms are reached.

use super::{Problems, limits};
use crate::rooms::CALL_OUT_CONNECTOR;
use crate::route::is_domain_name;
use crate::{Resources, Rooms, RuleTrigger};
use model::ROOMS_CONNECTOR;
use std::collections::HashMap;

impl Problems {
    pub(super) fn rooms(&mut self, resources: &Resources) {
        let Some(rooms) = &resources.rooms else { return };
        let domain = rooms.domain.trim_end_matches('.');
        self.check(is_domain_name(&rooms.host()), "rooms.domain", || {
            format!("{domain:?} is not a domain name; write one such as \"example.com\"")
        });
        self.regions(rooms);
        for (n, net) in rooms.allow_plain.iter().enumerate() {
            self.network(net, &format!("rooms.allow_plain[{n}]"));
        }
        self.in_range(rooms.max_calls, &limits::CONCURRENT_CALLS, "rooms.max_calls".to_owned());
        let (most, path) = (rooms.max_calls_per_source, "rooms.max_calls_per_source".to_owned());
        self.in_range(most, &limits::CONCURRENT_CALLS, path);
        self.room_numbers(resources, rooms);
        if let Some(out) = &rooms.call_out {
            let at = |key: &str| format!("rooms.call_out.{key}");
            self.e164(&out.caller_id, at("caller_id"));
            self.in_range(out.cps_limit, &limits::CPS, at("cps_limit"));
            let calls = out.concurrent_calls_limit;
            self.in_range(calls, &limits::CONCURRENT_CALLS, at("concurrent_calls_limit"));
            self.caps(&out.caps, &at("caps"));
        }
        for (i, vc) in resources.voice_connectors.iter().enumerate() {
            let is_taken = [ROOMS_CONNECTOR, CALL_OUT_CONNECTOR].contains(&vc.id.as_str());
            self.check(!is_taken, format!("voice_connector[{i}].id"), || {
                format!("{} stands for calls of the meeting rooms; change it", vc.id)
            });
        }
        let hosts = rooms.hosts();
        for (i, rule) in resources.sip_rules.iter().enumerate() {
            let RuleTrigger::RequestUriHostname(host) = &rule.trigger else { continue };
            let is_free = !hosts.contains(&crate::applications::normal(host));
            self.check(is_free, format!("sip_rule[{i}].request_uri_hostname"), || {
                format!("{host} is a name of the meeting rooms ([rooms]); use another one")
            });
        }
    }

    fn regions(&mut self, rooms: &Rooms) {
        let mut codes = HashMap::new();
        for (n, code) in rooms.regions.iter().enumerate() {
            let path = format!("rooms.regions[{n}].code");
            let fine = !code.contains(['.', '_']) && is_domain_name(&rooms.regional_host(code));
            self.check(fine, path.clone(), || {
                format!(
                    "{code:?} cannot stand in meet.<code>.<domain>; use letters, digits and '-', such \
                     as \"us-east-1\""
                )
            });
            self.unique(&mut codes, code.to_ascii_lowercase(), path, || {
                format!("region {code} is listed twice; remove one")
            });
        }
    }

    fn room_numbers(&mut self, resources: &Resources, rooms: &Rooms) {
        let mut numbers = HashMap::new();
        let of_connectors = resources.voice_connectors.iter().map(|each| &each.numbers);
        let of_groups = resources.groups.iter().map(|each| &each.numbers);
        for (i, of_one) in of_connectors.enumerate() {
            for (n, number) in of_one.iter().enumerate() {
                numbers.insert(number.clone(), format!("voice_connector[{i}].numbers[{n}]"));
            }
        }
        for (i, of_one) in of_groups.enumerate() {
            for (n, number) in of_one.iter().enumerate() {
                numbers.insert(number.clone(), format!("voice_connector_group[{i}].numbers[{n}]"));
            }
        }
        for (i, rule) in resources.sip_rules.iter().enumerate() {
            if let RuleTrigger::ToPhoneNumber(number) = &rule.trigger {
                numbers.insert(number.clone(), format!("sip_rule[{i}].to_phone_number"));
            }
        }
        for (n, number) in rooms.numbers.iter().enumerate() {
            let path = format!("rooms.numbers[{n}]");
            self.e164(number, path.clone());
            self.unique(&mut numbers, number.clone(), path, || {
                format!(
                    "{number} is listed twice, and a number reaches the rooms, one voice connector, \
                     one group or one rule; remove one"
                )
            });
        }
    }
}

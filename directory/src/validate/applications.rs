//! Rules on SIP media applications and the calls that they steer.

use super::{Problems, limits};
use crate::media_application::is_uuid;
use crate::route::is_domain_name;
use crate::{MediaApplication, Resources, RuleTrigger, SipRule};
use std::collections::{HashMap, HashSet};

impl Problems {
    pub(super) fn applications(&mut self, resources: &Resources) {
        let (mut ids, mut connectors) = (HashMap::new(), HashMap::new());
        for vc in &resources.voice_connectors {
            connectors.insert(vc.id.as_str().to_owned(), "voice_connector".to_owned());
        }
        for (i, application) in resources.media_applications.iter().enumerate() {
            let at = format!("sip_media_application[{i}]");
            self.application(application, &at);
            self.unique(&mut ids, &*application.id, format!("{at}.id"), || {
                format!("application id \"{}\" is used twice; change one", application.id)
            });
            if let Some(id) = application.connector_id()
                && connectors.insert(id.as_str().to_owned(), at.clone()).is_some()
            {
                self.check(false, format!("{at}.id"), || {
                    format!(
                        "its first 22 digits, {id}, stand for its calls and are used already; take \
                         another UUID"
                    )
                });
            }
        }
        let known: HashSet<&str> = ids.keys().copied().collect();
        self.rules(resources, &known);
    }

    fn application(&mut self, application: &MediaApplication, at: &str) {
        self.check(is_uuid(&application.id), format!("{at}.id"), || {
            format!(
                "{:?} is no id of an application; write a UUID in lower case such as \
                 \"123e4567-e89b-42d3-a456-426614174000\"",
                application.id
            )
        });
        let range = limits::APPLICATION_TIMEOUT;
        self.check(range.contains(&application.timeout), format!("{at}.timeout"), || {
            let (least, most) = (range.start(), range.end());
            format!("{:?} is out of range; use {least:?} to {most:?}", application.timeout)
        });
        let status = application.on_failure;
        self.in_range(status, &limits::HUNT_FINAL_CODE, format!("{at}.on_failure"));
        self.in_range(application.cps_limit, &limits::CPS, format!("{at}.cps_limit"));
        let calls = application.concurrent_calls_limit;
        let path = format!("{at}.concurrent_calls_limit");
        self.in_range(calls, &limits::CONCURRENT_CALLS, path);
    }

    fn rules(&mut self, resources: &Resources, applications: &HashSet<&str>) {
        let (mut ids, mut hosts, mut numbers) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (i, vc) in resources.voice_connectors.iter().enumerate() {
            for (n, number) in vc.numbers.iter().enumerate() {
                numbers.insert(&**number, format!("voice_connector[{i}].numbers[{n}]"));
            }
        }
        for (i, group) in resources.groups.iter().enumerate() {
            for (n, number) in group.numbers.iter().enumerate() {
                numbers.insert(&**number, format!("voice_connector_group[{i}].numbers[{n}]"));
            }
        }
        for (i, rule) in resources.sip_rules.iter().enumerate() {
            let at = format!("sip_rule[{i}]");
            let fine = (1..=64).contains(&rule.id.len())
                && rule.id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            self.check(fine, format!("{at}.id"), || {
                format!(
                    "{:?} is no id of a rule; use 1 to 64 letters, digits, '_', '.' and '-'",
                    rule.id
                )
            });
            self.unique(&mut ids, &*rule.id, format!("{at}.id"), || {
                format!("rule id \"{}\" is used twice; change one", rule.id)
            });
            match &rule.trigger {
                RuleTrigger::ToPhoneNumber(number) => {
                    let path = format!("{at}.to_phone_number");
                    self.e164(number, path.clone());
                    self.unique(&mut numbers, &**number, path, || {
                        format!(
                            "{number} is listed twice, and a number reaches one voice connector, \
                             one group or one rule; remove one"
                        )
                    });
                }
                RuleTrigger::RequestUriHostname(host) => {
                    let path = format!("{at}.request_uri_hostname");
                    let host = host.trim_end_matches('.').to_ascii_lowercase();
                    self.check(is_domain_name(&host), path.clone(), || {
                        format!(
                            "{host:?} is not a host name; write one such as \"menu.example.com\""
                        )
                    });
                    let message = format!("{host} triggers another rule already; remove one");
                    self.unique(&mut hosts, host, path, || message);
                }
            }
            self.targets(rule, applications, &at);
        }
    }

    fn targets(&mut self, rule: &SipRule, applications: &HashSet<&str>, at: &str) {
        let count = rule.targets.len();
        let range = limits::RULE_TARGETS;
        self.check(range.contains(&count), format!("{at}.targets"), || {
            format!("{count} applications; a rule needs {} to {}", range.start(), range.end())
        });
        let mut seen = HashMap::new();
        for (n, target) in rule.targets.iter().enumerate() {
            let path = format!("{at}.targets[{n}].application");
            let id = &*target.application;
            self.check(applications.contains(id), path.clone(), || {
                format!(
                    "there is no [[sip_media_application]] with id = \"{id}\"; add it or correct \
                     the id"
                )
            });
            self.unique(&mut seen, id, path, || {
                format!("the application {id} is listed twice; remove one")
            });
            self.check(target.priority > 0, format!("{at}.targets[{n}].priority"), || {
                "0 is out of range; use 1 to 65535".to_owned()
            });
        }
    }
}

//! Resources of the configuration file and of the control API as one.

use crate::{MediaApplication, Resources, Rooms, RuleTrigger, SipRule, VoiceConnector};
use std::collections::HashSet;
use std::sync::Arc;

impl Resources {
    /// These, which the file says, with those that were `made` through the API beside them. Where both
    /// have an id or a number, the file's stays; the second half says which were left out, in words.
    pub fn with_made(mut self, made: Resources) -> (Resources, Vec<String>) {
        let mut left_out = Vec::new();
        let ids: HashSet<_> = self.voice_connectors.iter().map(|each| each.id.clone()).collect();
        let groups: HashSet<_> = self.groups.iter().map(|each| each.id.clone()).collect();
        let of_connectors = self.voice_connectors.iter().flat_map(|each| each.numbers.iter());
        let of_groups = self.groups.iter().flat_map(|each| each.numbers.iter());
        let of_rooms = self.rooms.iter().flat_map(|rooms| rooms.numbers.iter());
        let numbers: HashSet<_> = of_connectors.chain(of_groups).chain(of_rooms).cloned().collect();
        let Resources {
            voice_connectors,
            groups: made_groups,
            numbers: made_numbers,
            media_applications,
            sip_rules,
            proxies,
            proxy_sessions,
            ..
        } = made;
        let of_both = ids.iter().chain(voice_connectors.iter().map(|each| &each.id));
        let known: HashSet<_> = of_both.cloned().collect();
        // The file has none of these.
        self.proxies.extend(proxies);
        self.proxy_sessions.extend(proxy_sessions);
        for mut connector in voice_connectors {
            if ids.contains(&connector.id) {
                left_out.push(format!("voice connector {}", connector.id));
                continue;
            }
            connector.numbers.retain(|number| {
                let is_free = !numbers.contains(number);
                if !is_free {
                    left_out.push(format!("number {number} of voice connector {}", connector.id));
                }
                is_free
            });
            self.voice_connectors.push(connector);
        }
        for mut group in made_groups {
            if groups.contains(&group.id) {
                left_out.push(format!("group {}", group.id));
                continue;
            }
            group.numbers.retain(|number| {
                let is_free = !numbers.contains(number);
                if !is_free {
                    left_out.push(format!("number {number} of group {}", group.id));
                }
                is_free
            });
            // A reload of the file may have taken it away.
            group.members.retain(|member| {
                let is_there = known.contains(&member.voice_connector);
                if !is_there {
                    left_out.push(format!("{} in group {}", member.voice_connector, group.id));
                }
                is_there
            });
            self.groups.push(group);
        }
        self.steer(media_applications, sip_rules, &numbers, &mut left_out);
        // They stay in the table, but a declared number is found first.
        left_out.extend(
            numbers
                .iter()
                .filter(|number| made_numbers.get(number).is_some())
                .map(|number| format!("number {number}")),
        );
        self.numbers = made_numbers;
        (self, left_out)
    }

    /// These with another voice connector at a place, or with one more.
    #[must_use]
    pub fn with(mut self, place: Option<usize>, connector: VoiceConnector) -> Resources {
        match place.and_then(|at| self.voice_connectors.get_mut(at)) {
            Some(known) => *known = connector,
            None => self.voice_connectors.push(connector),
        }
        self
    }

    /// Applications and rules that were made. A rule goes without applications that a reload of the file
    /// took away, and without any it is left out.
    fn steer(
        &mut self,
        applications: Vec<MediaApplication>,
        rules: Vec<SipRule>,
        numbers: &HashSet<Arc<str>>,
        left_out: &mut Vec<String>,
    ) {
        let of_file: HashSet<_> = self.media_applications.iter().map(|each| &*each.id).collect();
        let (again, new): (Vec<_>, Vec<_>) =
            applications.into_iter().partition(|each| of_file.contains(&*each.id));
        left_out.extend(again.iter().map(|each| format!("SIP media application {}", each.id)));
        self.media_applications.extend(new);
        let known: HashSet<_> = self.media_applications.iter().map(|each| &*each.id).collect();
        let ids: HashSet<_> = self.sip_rules.iter().map(|each| each.id.clone()).collect();
        let triggers: HashSet<_> =
            self.sip_rules.iter().map(|each| normal(&each.trigger)).collect();
        let rooms = self.rooms.as_ref().filter(|rooms| rooms.is_configured);
        let of_rooms = rooms.map(Rooms::hosts).unwrap_or_default();
        for mut rule in rules {
            let is_taken = match &rule.trigger {
                RuleTrigger::ToPhoneNumber(number) => numbers.contains(number),
                RuleTrigger::RequestUriHostname(host) => {
                    of_rooms.contains(&crate::applications::normal(host))
                }
            };
            let before = rule.targets.len();
            rule.targets.retain(|target| known.contains(&*target.application));
            if rule.targets.len() < before {
                left_out.push(format!("an application of SIP rule {}", rule.id));
            }
            match is_taken
                || rule.targets.is_empty()
                || ids.contains(&rule.id)
                || triggers.contains(&normal(&rule.trigger))
            {
                true => left_out.push(format!("SIP rule {}", rule.id)),
                false => self.sip_rules.push(rule),
            }
        }
        self.make_way();
    }

    /// Without rooms that nobody has asked for, where a rule steers the calls to their name.
    #[must_use]
    pub fn without_unwanted_rooms(mut self) -> Resources {
        self.make_way();
        self
    }

    fn make_way(&mut self) {
        let Some(rooms) = self.rooms.as_ref().filter(|rooms| !rooms.is_configured) else { return };
        let hosts = rooms.hosts();
        let is_theirs = |rule: &SipRule| match &rule.trigger {
            RuleTrigger::ToPhoneNumber(_) => false,
            RuleTrigger::RequestUriHostname(_) => hosts.contains(&normal(&rule.trigger)),
        };
        if self.sip_rules.iter().any(is_theirs) {
            self.rooms = None;
        }
    }
}

/// What triggers that are one have in common.
fn normal(trigger: &RuleTrigger) -> String {
    match trigger {
        RuleTrigger::ToPhoneNumber(number) => number.to_string(),
        RuleTrigger::RequestUriHostname(host) => crate::applications::normal(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::VoiceConnectorId;

    fn connector(id: &str, numbers: &[&str]) -> VoiceConnector {
        VoiceConnector {
            numbers: numbers.iter().map(|each| (*each).into()).collect(),
            ..VoiceConnector::new(VoiceConnectorId::new(id).unwrap())
        }
    }

    #[test]
    fn what_the_file_says_stays() {
        let (one, two) = ("abcdef1ghij2klmno3pqr4", "abcdef1ghij2klmno3pqr5");
        let file = Resources {
            voice_connectors: vec![connector(one, &["+12065550100"])],
            ..Resources::default()
        };
        let made = Resources {
            voice_connectors: vec![
                connector(one, &["+12065550101"]),
                connector(two, &["+12065550100", "+12065550102"]),
            ],
            ..Resources::default()
        };
        let (merged, left_out) = file.with_made(made);
        let numbers: Vec<_> =
            merged.voice_connectors.iter().map(|each| &each.numbers[..]).collect();
        assert_eq!(numbers, [&["+12065550100".into()], &["+12065550102".into()]] as [&[_]; 2]);
        assert_eq!(left_out.len(), 2, "{left_out:?}");
    }

    #[test]
    fn a_member_that_the_file_has_no_more_is_left_out() {
        let ids = ["abcdef1ghij2klmno3pqr4", "abcdef1ghij2klmno3pqr5", "abcdef1ghij2klmno3pqr6"];
        let members = ids.map(|id| crate::GroupMember {
            voice_connector: VoiceConnectorId::new(id).unwrap(),
            priority: 1,
        });
        let group = crate::VoiceConnectorGroup {
            id: "g".into(),
            name: "g".into(),
            members: members.to_vec(),
            numbers: Vec::new(),
        };
        let of =
            |id| Resources { voice_connectors: vec![connector(id, &[])], ..Resources::default() };
        let made = Resources { groups: vec![group], ..of(ids[1]) };
        let (merged, left_out) = of(ids[0]).with_made(made);
        assert_eq!(merged.groups[0].members[..], members[..2]);
        assert_eq!(left_out, [format!("{} in group g", ids[2])]);
    }

    #[test]
    fn a_reload_of_the_file_leaves_rules_that_can_be_routed() {
        let application = |id: &str| {
            let endpoint = crate::ApplicationEndpoint::parse("https://menu.example.com/").unwrap();
            MediaApplication::new(id, endpoint)
        };
        let rule = |id: &str, host: &str, targets: &[&str]| SipRule {
            id: id.into(),
            name: id.into(),
            disabled: false,
            trigger: RuleTrigger::RequestUriHostname(host.into()),
            targets: targets
                .iter()
                .map(|id| crate::RuleTarget { application: (*id).into(), priority: 1 })
                .collect(),
        };
        let (there, gone) =
            ("123e4567-e89b-42d3-a456-426614174000", "223e4567-e89b-42d3-a456-426614174000");
        let file = Resources {
            domain: "tandem.test".to_owned(),
            media_applications: vec![application(there)],
            sip_rules: vec![rule("of-file", "Menu.example.com.", &[there])],
            ..Resources::default()
        };
        let made = Resources {
            sip_rules: vec![
                rule("same-host", "menu.example.com", &[there]),
                rule("one-gone", "a.example.com", &[there, gone]),
                rule("all-gone", "b.example.com", &[gone]),
            ],
            ..Resources::default()
        };
        let (merged, left_out) = file.clone().with_made(made);
        let rules: Vec<_> = merged.sip_rules.iter().map(|each| &*each.id).collect();
        assert_eq!(rules, ["of-file", "one-gone"]);
        assert_eq!(left_out.len(), 4, "{left_out:?}");
        assert!(crate::Snapshot::build(merged).is_ok());

        // Rooms that somebody has asked for keep their name, others make way.
        let rooms = Rooms::usual("tandem.test").unwrap();
        for is_configured in [true, false] {
            let rooms = Some(Rooms { is_configured, ..rooms.clone() });
            let file = Resources { rooms, ..file.clone() };
            let made = Resources {
                sip_rules: vec![rule("of-rooms", "Meet.Tandem.test", &[there])],
                ..Resources::default()
            };
            let (merged, left_out) = file.with_made(made);
            assert_eq!(merged.rooms.is_some(), is_configured);
            assert_eq!(left_out.len(), usize::from(is_configured), "{left_out:?}");
            assert!(crate::Snapshot::build(merged).is_ok());
        }
        assert_eq!(Rooms::usual("203.0.113.7"), None);
    }
}

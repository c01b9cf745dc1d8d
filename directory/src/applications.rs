//! The applications of a snapshot, by what leads to them.

use crate::{ApplicationTarget, MediaApplication, RuleTrigger, SipRule, VoiceConnector};
use model::VoiceConnectorId;
use std::collections::HashMap;
use std::sync::Arc;

/// Checked applications and rules.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    applications: Vec<(Arc<MediaApplication>, Arc<VoiceConnector>)>,
    rules: Vec<Arc<SipRule>>,
    by_id: HashMap<Arc<str>, usize>,
    by_connector: HashMap<VoiceConnectorId, usize>,
    /// Positions of rules.
    by_number: HashMap<Arc<str>, usize>,
    by_host: HashMap<String, usize>,
}

impl Applications {
    pub(crate) fn new(applications: Vec<MediaApplication>, rules: Vec<SipRule>) -> Self {
        let mut index = Applications::default();
        for application in applications {
            // One whose id is no UUID was refused before.
            let Some(connector) = application.connector() else { continue };
            let at = index.applications.len();
            index.by_id.insert(application.id.clone(), at);
            index.by_connector.insert(connector.id.clone(), at);
            index.applications.push((Arc::new(application), Arc::new(connector)));
        }
        for (at, mut rule) in rules.into_iter().enumerate() {
            rule.targets.sort_by_key(|target| target.priority);
            if !rule.disabled {
                match &rule.trigger {
                    RuleTrigger::ToPhoneNumber(number) => {
                        index.by_number.insert(number.clone(), at);
                    }
                    RuleTrigger::RequestUriHostname(host) => {
                        index.by_host.insert(normal(host), at);
                    }
                }
            }
            index.rules.push(Arc::new(rule));
        }
        index
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<MediaApplication>> {
        self.applications.iter().map(|(application, _)| application)
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<SipRule>> {
        self.rules.iter()
    }

    pub(crate) fn connector(&self, id: &VoiceConnectorId) -> Option<&Arc<VoiceConnector>> {
        self.applications.get(*self.by_connector.get(id)?).map(|(_, connector)| connector)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<ApplicationTarget> {
        self.target(None, id)
    }

    pub(crate) fn of(&self, number: Option<&str>, host: Option<&str>) -> Vec<ApplicationTarget> {
        let by_number = number.and_then(|number| self.by_number.get(number));
        let by_host = || {
            // Most nodes have no such rule, and every call asks.
            let host = host.filter(|_| !self.by_host.is_empty())?;
            self.by_host.get(&normal(host))
        };
        let rule = by_number.or_else(by_host).and_then(|at| self.rules.get(*at));
        let targets = rule.into_iter().flat_map(|rule| {
            rule.targets.iter().filter_map(|target| self.target(Some(rule), &target.application))
        });
        targets.collect()
    }

    fn target(&self, rule: Option<&Arc<SipRule>>, id: &str) -> Option<ApplicationTarget> {
        let (application, connector) = self.applications.get(*self.by_id.get(id)?)?;
        Some(ApplicationTarget {
            rule: rule.cloned(),
            application: application.clone(),
            connector: connector.clone(),
        })
    }
}

pub(crate) fn normal(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

//! A snapshot's resources in the order of their names, made once for all snapshots that differ in the
//! API's numbers, or in what some voice connectors say, alone. The numbers are in the state, in order.

use directory::{
    MediaApplication, RuleTrigger, SipRule, Snapshot, VoiceConnector, VoiceConnectorGroup,
};
use std::sync::Arc;

/// Whose number it is.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    Connector(Arc<VoiceConnector>),
    Group(Arc<VoiceConnectorGroup>),
}

/// A number of the configuration file and its owner.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) e164: Arc<str>,
    pub(crate) owner: Owner,
}

/// What lists are made of.
pub(crate) struct Catalogue {
    /// What it was made of.
    snapshot: Arc<Snapshot>,
    pub(crate) connectors: Vec<Arc<VoiceConnector>>,
    pub(crate) groups: Vec<Arc<VoiceConnectorGroup>>,
    pub(crate) numbers: Vec<Number>,
}

impl Catalogue {
    pub(crate) fn of(snapshot: &Arc<Snapshot>) -> Self {
        let mut connectors: Vec<_> = snapshot.voice_connectors().cloned().collect();
        connectors.sort_by(|a, b| a.id.cmp(&b.id));
        let mut groups: Vec<_> = snapshot.groups().cloned().collect();
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        let of_connectors = connectors.iter().flat_map(|connector| {
            let owner = Owner::Connector(Arc::clone(connector));
            connector.numbers.iter().map(move |e164| (e164, owner.clone()))
        });
        let of_groups = groups.iter().flat_map(|group| {
            let owner = Owner::Group(Arc::clone(group));
            group.numbers.iter().map(move |e164| (e164, owner.clone()))
        });
        let numbers = of_connectors.chain(of_groups);
        let mut numbers: Vec<_> =
            numbers.map(|(e164, owner)| Number { e164: Arc::clone(e164), owner }).collect();
        numbers.sort_by(|a, b| a.e164.cmp(&b.e164));
        Catalogue { snapshot: Arc::clone(snapshot), connectors, groups, numbers }
    }

    pub(crate) fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        self.snapshot.shares_resources(snapshot)
    }

    /// The same of another snapshot; where that differs in some voice connectors alone, they are put
    /// in the others' place.
    pub(crate) fn following(mut self, snapshot: &Arc<Snapshot>) -> Self {
        if !self.snapshot.shares_ids(snapshot) {
            return Catalogue::of(snapshot);
        }
        let pairs = self.snapshot.voice_connectors().zip(snapshot.voice_connectors());
        for (before, now) in pairs.filter(|(before, now)| !Arc::ptr_eq(before, now)) {
            // Its numbers know their owner.
            if !now.numbers.is_empty() {
                return Catalogue::of(snapshot);
            }
            let at = self.connectors.binary_search_by(|each| each.id.cmp(&before.id));
            if let Some(place) = at.ok().and_then(|at| self.connectors.get_mut(at)) {
                *place = Arc::clone(now);
            }
        }
        self.snapshot = Arc::clone(snapshot);
        self
    }

    pub(crate) fn domain(&self) -> &str {
        self.snapshot.domain()
    }

    pub(crate) fn connector(&self, id: &str) -> Option<&Arc<VoiceConnector>> {
        let at = self.connectors.binary_search_by(|each| each.id.as_str().cmp(id)).ok()?;
        self.connectors.get(at)
    }

    pub(crate) fn group(&self, id: &str) -> Option<&Arc<VoiceConnectorGroup>> {
        let at = self.groups.binary_search_by(|each| (*each.id).cmp(id)).ok()?;
        self.groups.get(at)
    }

    pub(crate) fn number(&self, e164: &str) -> Option<&Number> {
        let at = self.numbers.binary_search_by(|each| (*each.e164).cmp(e164)).ok()?;
        self.numbers.get(at)
    }

    pub(crate) fn applications(&self) -> impl Iterator<Item = &Arc<MediaApplication>> {
        self.snapshot.media_applications()
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<SipRule>> {
        self.snapshot.sip_rules()
    }

    pub(crate) fn has_application(&self, id: &str) -> bool {
        self.applications().any(|each| *each.id == *id)
    }

    pub(crate) fn has_rule(&self, id: &str) -> bool {
        self.rules().any(|each| *each.id == *id)
    }

    pub(crate) fn has_trigger(&self, value: &str) -> bool {
        self.rules().any(|each| match &each.trigger {
            RuleTrigger::ToPhoneNumber(has) | RuleTrigger::RequestUriHostname(has) => {
                has.eq_ignore_ascii_case(value)
            }
        })
    }
}

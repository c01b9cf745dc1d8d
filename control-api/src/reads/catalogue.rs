//! A snapshot's resources in the order of their names, made once for each snapshot.

use directory::{Snapshot, VoiceConnector, VoiceConnectorGroup};
use std::sync::Arc;

/// Whose number it is.
#[derive(Clone, Debug)]
pub(crate) enum Owner {
    Connector(Arc<VoiceConnector>),
    Group(Arc<VoiceConnectorGroup>),
}

/// A number and its owner.
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
        Arc::ptr_eq(&self.snapshot, snapshot)
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
}

//! The indexes of a snapshot, each made of checked resources.

use super::enumerated;
use crate::cidr::CidrIndex;
use crate::route::Candidate;
use crate::target::Target;
use crate::{Carrier, VoiceConnector, VoiceConnectorGroup};
use ipnet::IpNet;
use std::collections::HashMap;
use std::sync::Arc;

/// Where the members of a group are, by priority; the order of declaration among equals.
pub(super) fn members(group: &VoiceConnectorGroup, by_id: &HashMap<Box<str>, usize>) -> Vec<usize> {
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|member| member.priority);
    members
        .into_iter()
        .filter_map(|member| by_id.get(member.voice_connector.as_str()).copied())
        .collect()
}

pub(super) fn route_targets(vc: &VoiceConnector) -> Arc<[Arc<Target>]> {
    enumerated(&vc.origination.routes)
        .map(|(index, route)| Arc::new(Target::of_route(vc, index, route)))
        .collect()
}

pub(super) fn emergency_carriers(carriers: &[Arc<Carrier>]) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = enumerated(carriers)
        .filter(|(_, carrier)| carrier.emergency)
        .map(|(index, c)| Candidate { priority: c.priority, weight: c.weight, index })
        .collect();
    candidates.sort_by_key(|candidate| candidate.priority);
    candidates
}

pub(super) fn index_prefixes(carriers: &[Arc<Carrier>]) -> HashMap<Arc<str>, Vec<Candidate>> {
    let mut prefixes: HashMap<Arc<str>, Vec<Candidate>> = HashMap::new();
    for (index, carrier) in enumerated(carriers) {
        let candidate = Candidate { priority: carrier.priority, weight: carrier.weight, index };
        for prefix in &carrier.prefixes {
            prefixes.entry(prefix.clone()).or_default().push(candidate);
        }
    }
    for group in prefixes.values_mut() {
        group.sort_by_key(|candidate| candidate.priority);
    }
    prefixes
}

/// A connector's own networks are merged where they overlap, so that a lookup names it once.
pub(super) fn index_sources(voice_connectors: &[Arc<VoiceConnector>]) -> CidrIndex {
    CidrIndex::new(enumerated(voice_connectors).flat_map(|(i, vc)| {
        let listed = vc.termination.as_ref().map_or(&[][..], |t| &t.cidr_allowed_list);
        IpNet::aggregate(&listed.to_vec()).into_iter().map(move |net| (net, i))
    }))
}

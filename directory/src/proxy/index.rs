//! Whom a caller of a proxy number reaches, as call routing asks.

use super::{ProxyConfiguration, ProxySession};
use crate::VoiceConnector;
use model::{ProxySessionId, UnixTime, VoiceConnectorId};
use std::collections::HashMap;
use std::sync::Arc;

/// A proxy number of a snapshot.
#[derive(Clone, Debug)]
pub struct ProxyNumber {
    number: Arc<str>,
    fallback: Option<Arc<str>>,
    /// By the caller's own number.
    callers: HashMap<Arc<str>, Claim>,
}

#[derive(Clone, Debug)]
struct Claim {
    session: ProxySessionId,
    called: Arc<str>,
    shown: Arc<str>,
    expires_at: UnixTime,
}

/// Where a call to a proxy number goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProxiedTo<'a> {
    /// The session that it belongs to; `None` when it goes to the fallback number.
    pub session: Option<ProxySessionId>,
    /// The number to be called.
    pub called: &'a Arc<str>,
    /// The proxy number to be shown there.
    pub shown: &'a Arc<str>,
}

impl ProxyNumber {
    /// The number.
    pub fn number(&self) -> &Arc<str> {
        &self.number
    }

    /// Where a call of `caller`, E.164, goes at `now`: to the other participant of its session, else to
    /// the fallback number; `None` when there is neither. Without a caller or the time of day nobody is
    /// known to have a session that is open.
    pub fn reached_by(&self, caller: Option<&str>, now: Option<UnixTime>) -> Option<ProxiedTo<'_>> {
        let claim = caller.and_then(|caller| self.callers.get(caller));
        if let Some(claim) = claim.filter(|claim| now.is_some_and(|now| now < claim.expires_at)) {
            let (called, shown) = (&claim.called, &claim.shown);
            return Some(ProxiedTo { session: Some(claim.session), called, shown });
        }
        // It is no loop: [`index`] has left out those that are.
        let called = self.fallback.as_ref()?;
        Some(ProxiedTo { session: None, called, shown: &self.number })
    }
}

/// Every proxy number of a snapshot, and where each is in it.
#[derive(Default, Debug)]
pub(crate) struct ProxyIndex {
    pub(crate) numbers: Vec<ProxyNumber>,
    pub(crate) places: HashMap<Arc<str>, usize>,
}

/// Fallback numbers that lead from proxy number to proxy number and never to a telephone are none: each
/// such call would go out to the network and come back, until the carriers end it.
fn drop_loops(index: &mut ProxyIndex) {
    let next = |at: usize| {
        let fallback = index.numbers.get(at)?.fallback.as_ref()?;
        index.places.get(fallback).copied()
    };
    // Whether the way from a number goes round; `None` of those that no way has come to.
    let mut goes_round: Vec<Option<bool>> = vec![None; index.numbers.len()];
    let mut way = Vec::new();
    for first in 0..index.numbers.len() {
        // Each number is stepped on once: what a way comes to was decided by an earlier one, or by now.
        let mut at = Some(first);
        while let Some(place) = at.filter(|place| goes_round.get(*place) == Some(&None)) {
            way.push(place);
            // Who comes here again, before it is known to end, goes round.
            goes_round[place] = Some(true);
            at = next(place);
        }
        let round = at.is_some_and(|place| goes_round.get(place) == Some(&Some(true)));
        for place in way.drain(..) {
            goes_round[place] = Some(round);
        }
    }
    for (number, round) in index.numbers.iter_mut().zip(goes_round) {
        number.fallback.take_if(|_| round == Some(true));
    }
}

/// Indexes checked configurations and the sessions that have not been ended. Of two sessions that claim
/// the same, of which one must have expired, the one that expires later counts.
pub(crate) fn index(
    configurations: &[ProxyConfiguration],
    sessions: &[ProxySession],
    connector_of: impl Fn(&VoiceConnectorId) -> Option<Arc<VoiceConnector>>,
) -> ProxyIndex {
    let mut index = ProxyIndex::default();
    // Which voice connector each proxy number is of.
    let mut owners: Vec<&VoiceConnectorId> = Vec::new();
    for configuration in configurations {
        let Some(connector) = connector_of(&configuration.voice_connector) else { continue };
        // A number that came into the pool later: its calls would go round.
        let fallback = configuration.fallback.as_ref();
        let fallback =
            fallback.filter(|fallback| !configuration.pool(&connector).any(|n| n == *fallback));
        for number in configuration.pool(&connector) {
            index.places.insert(number.clone(), index.numbers.len());
            owners.push(&configuration.voice_connector);
            index.numbers.push(ProxyNumber {
                number: number.clone(),
                fallback: fallback.cloned(),
                callers: HashMap::new(),
            });
        }
    }
    drop_loops(&mut index);
    for session in sessions.iter().filter(|session| session.ended.is_none()) {
        let [a, b] = &session.participants;
        for (own, other) in [(a, b), (b, a)] {
            let Some(at) = index.places.get(&own.proxy_number).copied() else { continue };
            if owners.get(at) != Some(&&session.voice_connector) {
                continue;
            }
            let Some(proxy) = index.numbers.get_mut(at) else { continue };
            let claim = Claim {
                session: session.id,
                called: other.number.clone(),
                shown: other.proxy_number.clone(),
                expires_at: session.expires_at(),
            };
            let known = proxy.callers.get(&own.number);
            if known.is_none_or(|known| known.expires_at <= claim.expires_at) {
                proxy.callers.insert(own.number.clone(), claim);
            }
        }
    }
    index
}

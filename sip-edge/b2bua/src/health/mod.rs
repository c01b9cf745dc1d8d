//! The health of carriers and origination routes: what OPTIONS pings find out ([`probe`]), what
//! calls have met ([`marks`]), how many calls each has ([`usage`]), and when each customer last
//! asked for ours.
//!
//! All of it is per carrier and route. What single addresses of a name are worth is not known here.

mod ask;
mod marks;
mod probe;
mod probes;
mod usage;

#[cfg(test)]
mod tests;

use crate::statistics::EdgeStatistics;
use directory::{Route, Snapshot, Target};
use marks::Marks;
use model::{HealthCause, HealthEvent, Instant, TerminationHealth, VoiceConnectorId};
use probes::Probes;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;
use usage::TargetUsage;

pub(crate) use probes::{Action, ProbeId};
pub(crate) use usage::Busy;

/// When a carrier or route counts as dead, and for how long a failure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HealthConfig {
    /// Pings in a row that must fail before a target counts as dead, 1 to 10.
    pub down_after: u32,
    /// Pings in a row that must be answered before a dead target counts as alive, 1 to 10.
    pub up_after: u32,
    /// How long a ping waits for its answer; never longer than the time to the next one.
    pub ping_timeout: Duration,
    /// How long calls avoid a target that did not answer or could not be reached, 1 s to 5 min.
    pub avoid_for: Duration,
}

impl Default for HealthConfig {
    fn default() -> Self {
        HealthConfig {
            down_after: 3,
            up_after: 2,
            ping_timeout: Duration::from_secs(4),
            avoid_for: Duration::from_secs(30),
        }
    }
}

/// What a worker knows of its peers' health. Every table has an entry for each target or voice
/// connector of the directory at the most, and for those that calls still use.
pub(crate) struct Health {
    config: HealthConfig,
    pub(crate) probes: Probes,
    marks: Marks,
    usage: TargetUsage,
    /// With the time that each was told last.
    terminations: HashMap<VoiceConnectorId, (TerminationHealth, Instant)>,
    news: VecDeque<HealthEvent>,
}

/// The routes of a hunt, by health.
pub(crate) struct Sorted {
    /// To be tried in order.
    pub(crate) alive: Vec<Route>,
    /// To be tried when none of those took the call.
    pub(crate) dead: Vec<Route>,
}

impl Health {
    pub(crate) fn new(config: HealthConfig, directory: &Snapshot) -> Self {
        let mut health = Health {
            config,
            probes: Probes::new(config),
            marks: Marks::default(),
            usage: TargetUsage::default(),
            terminations: HashMap::new(),
            news: VecDeque::new(),
        };
        health.probes.follow(directory, &mut health.news);
        health
    }

    /// Follows another directory: what it still has keeps its state.
    pub(crate) fn set_directory(&mut self, directory: &Snapshot) {
        self.probes.follow(directory, &mut self.news);
        if !self.marks.is_empty() || !self.usage.is_empty() {
            let known: HashSet<&str> = directory.targets().map(|target| &*target.key).collect();
            self.marks.retain(|key| known.contains(key));
            self.usage.retain(|key| known.contains(key));
        }
        self.terminations.retain(|id, _| directory.voice_connector(id).is_some());
    }

    /// Parts the routes of a hunt into those to try and those that are known to be dead. Dead ones
    /// are tried all the same when there is nobody else.
    pub(crate) fn sort(
        &self,
        now: Instant,
        routes: Vec<Route>,
        statistics: &mut EdgeStatistics,
    ) -> Sorted {
        if self.marks.is_empty() && !self.probes.knows_of_dead() {
            return Sorted { alive: routes, dead: Vec::new() };
        }
        let (dead, alive): (Vec<Route>, Vec<Route>) =
            routes.into_iter().partition(|route| self.is_dead(now, &route.target));
        if alive.is_empty() {
            return Sorted { alive: dead, dead: Vec::new() };
        }
        for route in &dead {
            if self.probes.is_down(&route.target) {
                statistics.routes_down += 1;
            } else {
                statistics.routes_avoided += 1;
            }
        }
        Sorted { alive, dead }
    }

    fn is_dead(&self, now: Instant, target: &Target) -> bool {
        self.probes.is_down(target) || self.marks.is_marked(now, &target.key)
    }

    /// A call met a failure of the target itself: calls avoid it for a while.
    /// `asked` is what its Retry-After asks for.
    pub(crate) fn avoid(
        &mut self,
        now: Instant,
        target: &Target,
        cause: HealthCause,
        asked: Option<Duration>,
    ) {
        let span = asked.unwrap_or(self.config.avoid_for).clamp(LEAST_AVOIDED, MOST_AVOIDED);
        if self.marks.mark(now, target, span) {
            self.news.push_back(HealthEvent::Avoided { name: target.name.clone(), cause, span });
        }
    }

    /// A call reached the target: it is not avoided any more.
    pub(crate) fn works(&mut self, target: &Target) {
        self.marks.clear(&target.key);
    }

    /// Counts a call to a target in.
    ///
    /// # Errors
    /// Which of its limits is used up; then nothing was counted.
    pub(crate) fn occupy(&mut self, now: Instant, target: &Target) -> Result<(), Busy> {
        self.usage.occupy(now, target)
    }

    /// Counts a call in whatever the limits say.
    pub(crate) fn occupy_anyway(&mut self, now: Instant, target: &Target) {
        self.usage.occupy_anyway(now, target);
    }

    /// Counts a call to a target out.
    pub(crate) fn vacate(&mut self, target: &Target) {
        self.usage.vacate(&target.key);
    }

    /// Remembers a customer's OPTIONS. The recorders hear of it once a second at the most, however
    /// often a customer asks.
    pub(crate) fn note_termination(&mut self, health: TerminationHealth) {
        let id = health.voice_connector.clone();
        let told = self.terminations.get(&id).map(|(_, told)| *told);
        let is_due = told.is_none_or(|told| health.at - told >= TERMINATION_NEWS);
        if is_due {
            self.news.push_back(HealthEvent::Termination(health.clone()));
        }
        let told = if is_due { health.at } else { told.unwrap_or(health.at) };
        self.terminations.insert(id, (health, told));
    }

    /// The last OPTIONS of a voice connector's customer.
    pub(crate) fn termination(&self, id: &VoiceConnectorId) -> Option<&TerminationHealth> {
        self.terminations.get(id).map(|(health, _)| health)
    }

    /// The next thing to be told to the recorders.
    pub(crate) fn poll_news(&mut self) -> Option<HealthEvent> {
        self.news.pop_front().or_else(|| {
            let event = self.probes.poll_news()?;
            if let HealthEvent::Target(health) = &event
                && health.is_up
                && health.is_change
            {
                self.marks.clear_named(&health.name);
            }
            Some(event)
        })
    }
}

/// How often the recorders hear of one customer's OPTIONS.
const TERMINATION_NEWS: Duration = Duration::from_secs(1);
/// However little a Retry-After asks for, the next call goes elsewhere.
const LEAST_AVOIDED: Duration = Duration::from_secs(1);
/// However much it asks for: a peer must not be able to switch its route off for good.
const MOST_AVOIDED: Duration = Duration::from_secs(300);

//! What is counted of SIP media applications.

use super::{Buckets, Label, OTHER, register, registered};
use crate::definition::definitions as d;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Applications that have a label of their own; the rest share `other`.
const MOST: usize = 256;
/// Seconds: the usual timeout is 10 s, the longest 60 s.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 60.0];

type Id = [(&'static str, Arc<str>); 1];

pub(super) struct Applications {
    /// Those that have a label of their own.
    known: Mutex<HashSet<Arc<str>>>,
    requests: Family<(Id, [Label; 1]), Counter>,
    seconds: Family<Id, Histogram, Buckets>,
    actions: Family<[Label; 2], Counter>,
    failures: Family<Id, Counter>,
}

impl Applications {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let seconds = Family::new_with_constructor(Buckets(&BUCKETS));
        let requests = registered(registry, &d::APPLICATION_REQUESTS);
        register(registry, &d::APPLICATION_SECONDS, &seconds);
        Applications {
            known: Mutex::default(),
            requests,
            seconds,
            actions: registered(registry, &d::APPLICATION_ACTIONS),
            failures: registered(registry, &d::APPLICATION_FAILURES),
        }
    }

    pub(super) fn asked(&self, application: &Arc<str>, outcome: &'static str, took: Duration) {
        let id = self.label(application);
        self.requests.get_or_create(&(id.clone(), [("outcome", outcome)])).inc();
        self.seconds.get_or_create(&id).observe(took.as_secs_f64());
    }

    pub(super) fn acted(&self, action: &'static str, outcome: &'static str) {
        self.actions.get_or_create(&[("action", action), ("outcome", outcome)]).inc();
    }

    pub(super) fn failed(&self, application: &Arc<str>) {
        self.failures.get_or_create(&self.label(application)).inc();
    }

    fn label(&self, application: &Arc<str>) -> Id {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.contains(application) || {
            let has_room = known.len() < MOST;
            has_room && known.insert(Arc::clone(application))
        };
        let label = if is_known { Arc::clone(application) } else { Arc::from(OTHER) };
        [("application", label)]
    }
}

#[cfg(test)]
mod tests {
    use crate::Page;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn applications_are_counted_each_for_itself_up_to_a_bound() {
        let page = Page::new(8, "0");
        for number in 0..300 {
            let id = Arc::from(format!("menu-{number}"));
            page.application_asked(&id, "answered", Duration::from_millis(30));
            page.application_asked(&id, "timeout", Duration::from_secs(10));
            page.application_failed(&id);
        }
        page.application_acted("PlayAudio", "done");
        let text = page.encode();
        for line in [
            "tandem_application_requests_total{application=\"menu-7\",outcome=\"answered\"} 1\n",
            "tandem_application_requests_total{application=\"other\",outcome=\"timeout\"} 44\n",
            "tandem_application_request_seconds_bucket{le=\"0.05\",application=\"menu-255\"} 1\n",
            "tandem_application_request_seconds_bucket{le=\"10.0\",application=\"menu-255\"} 2\n",
            "tandem_application_failures_total{application=\"other\"} 44\n",
            "tandem_application_actions_total{action=\"PlayAudio\",outcome=\"done\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert!(!text.contains("menu-256"));
    }
}

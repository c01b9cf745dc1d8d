//! Counters that were looked up once: a family's lookup hashes all its labels, and these are
//! counted several times per call.

use super::{CallLabels, OTHER};
use crate::methods;
use model::{CallDirection, MessageDirection, Side};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use std::hash::Hash;
use std::sync::{Arc, OnceLock};

/// The metric in `cell`; the first time it is made in its family, so that a page shows no metric
/// of things that never happened.
pub(super) fn once<'a, S, M, C>(
    cell: &'a OnceLock<M>,
    family: &Family<S, M, C>,
    labels: impl FnOnce() -> S,
) -> &'a M
where
    S: Clone + Hash + Eq,
    M: Clone,
    C: MetricConstructor<M>,
{
    cell.get_or_init(|| family.get_or_create_owned(&labels()))
}

/// What is counted per voice connector.
pub(super) struct Connector {
    pub(super) label: Arc<str>,
    directions: [OfDirection; 2],
    paths: [OfPath; 4],
}

/// What is counted per direction of calls.
#[derive(Default)]
pub(super) struct OfDirection {
    pub(super) active: OnceLock<Gauge>,
    pub(super) attempts: OnceLock<Counter>,
    pub(super) answered: OnceLock<Counter>,
    pub(super) failures: OnceLock<Counter>,
}

/// What is counted per path of media.
#[derive(Default)]
pub(super) struct OfPath {
    pub(super) packets: OnceLock<Counter>,
    pub(super) bytes: OnceLock<Counter>,
    pub(super) lost: OnceLock<Counter>,
}

impl Connector {
    pub(super) fn new(label: &str) -> Self {
        Connector { label: label.into(), directions: Default::default(), paths: Default::default() }
    }

    /// The counters of a direction, and its labels.
    pub(super) fn direction(
        &self,
        direction: CallDirection,
    ) -> (&OfDirection, impl Fn() -> CallLabels + Copy) {
        let [outbound, inbound] = &self.directions;
        let (counters, name) = match direction {
            CallDirection::Outbound => (outbound, "outbound"),
            CallDirection::Inbound => (inbound, "inbound"),
        };
        (counters, move || self.labels("direction", name))
    }

    /// The counters of what comes from a side and of what goes to it, and their labels.
    pub(super) fn paths(&self, side: Side) -> [(&OfPath, impl Fn() -> CallLabels + Copy); 2] {
        let [from_customer, to_customer, from_remote, to_remote] = &self.paths;
        let paths = match side {
            Side::Customer => [(from_customer, "cust2vc"), (to_customer, "vc2cust")],
            Side::Remote => [(from_remote, "rem2vc"), (to_remote, "vc2rem")],
        };
        paths.map(|(counters, name)| (counters, move || self.labels("path", name)))
    }

    fn labels(&self, name: &'static str, value: &'static str) -> CallLabels {
        ([("voice_connector", Arc::clone(&self.label))], [(name, value)])
    }
}

/// SIP messages by direction, then by method or class.
#[derive(Default)]
pub(super) struct Messages {
    requests: [[OnceLock<Counter>; methods::NAMES.len() + 1]; 2],
    responses: [[OnceLock<Counter>; CLASSES.len() + 1]; 2],
}

/// A cell and the label of what it counts.
type Labelled<'a> = (&'a OnceLock<Counter>, &'static str);

impl Messages {
    /// By the method when it is a known one: peers must not be able to make labels.
    pub(super) fn request(&self, direction: MessageDirection, start_line: &[u8]) -> Labelled<'_> {
        let method = start_line.split(|b| *b == b' ').next().unwrap_or_default();
        let known = methods::position(method);
        labelled(of(direction, &self.requests), &methods::NAMES, known)
    }

    pub(super) fn response(&self, direction: MessageDirection, status: u16) -> Labelled<'_> {
        let known = usize::from(status / 100).checked_sub(1).filter(|at| *at < CLASSES.len());
        labelled(of(direction, &self.responses), &CLASSES, known)
    }
}

/// The class of a status.
pub(super) fn class(status: u16) -> &'static str {
    let known = usize::from(status / 100).checked_sub(1);
    known.and_then(|at| CLASSES.get(at)).copied().unwrap_or(OTHER)
}

fn of<T>(direction: MessageDirection, [received, sent]: &[T; 2]) -> &T {
    match direction {
        MessageDirection::Received => received,
        MessageDirection::Sent => sent,
    }
}

/// The last cell is everything's that has no name of its own.
fn labelled<'a, const CELLS: usize>(
    cells: &'a [OnceLock<Counter>; CELLS],
    names: &[&'static str],
    known: Option<usize>,
) -> Labelled<'a> {
    let named = known.and_then(|at| Some((cells.get(at)?, *names.get(at)?)));
    named.unwrap_or((&cells[CELLS - 1], OTHER))
}

const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "6xx"];

//! The Prometheus page.

mod applications;
mod handles;
mod unheard;

use self::applications::Applications;
use self::handles::{Connector, Messages, once};
use self::unheard::UnheardLegs;
use crate::definition::{Definition, Kind, Reading, Unit, definitions as d};
use crate::quality::Growth;
use model::{
    CallDirection, CarrierId, CredentialProblem, HealthEvent, MessageDirection, QualityReport,
    Refusal, RegistrationEvent, RegistrationNews, Side, VoiceConnectorId,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit as PageUnit};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The `Content-Type` of the page.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The name of everything that no label is kept for.
const OTHER: &str = "other";

/// Counters, gauges and histograms of the node. Shared; all methods take `&self` and are short.
pub struct Page {
    registry: Registry,
    readings: Arc<ReadingSource>,
    /// Voice connectors that have their own label, at most `voice_connector_limit`.
    connectors: Mutex<HashMap<Arc<str>, Arc<Connector>>>,
    voice_connector_limit: usize,
    /// Of all other voice connectors.
    other: Arc<Connector>,
    messages: Messages,
    calls_active: Family<CallLabels, Gauge>,
    call_attempts: Family<CallLabels, Counter>,
    calls_answered: Family<CallLabels, Counter>,
    call_failures: Family<CallLabels, Counter>,
    call_setup: Histograms,
    call_duration: Histograms,
    refusals: Family<[Label; 1], Counter>,
    carrier_calls: Family<CallLabels, Counter>,
    carrier_answered: Family<CallLabels, Counter>,
    carrier_failures: Family<CallLabels, Counter>,
    credentials: Family<[Label; 1], Counter>,
    registered: Family<[(&'static str, Arc<str>); 1], Gauge>,
    throttles: Family<[(&'static str, Arc<str>); 1], Counter>,
    would_refuse: Family<[Label; 1], Counter>,
    target_up: Family<[(&'static str, Arc<str>); 1], Gauge>,
    sip_requests: Family<[Label; 2], Counter>,
    sip_responses: Family<[Label; 2], Counter>,
    unheard: UnheardLegs,
    rtp_packets: Family<CallLabels, Counter>,
    rtp_bytes: Family<CallLabels, Counter>,
    rtp_lost: Family<CallLabels, Counter>,
    jitter: Histograms,
    round_trip: Histograms,
    mos: Histograms,
    dropped: Family<[Label; 1], Counter>,
    copies: Family<[Label; 1], Counter>,
    api_requests: Family<[Label; 2], Counter>,
    api_seconds: Histograms,
    applications: Applications,
}

type Label = (&'static str, &'static str);
/// A voice connector and one more label.
type CallLabels = ([(&'static str, Arc<str>); 1], [Label; 1]);
type Histograms = Family<[Label; 1], Histogram, Buckets>;

/// A request to the control API that was answered.
#[derive(Clone, Copy, Debug)]
pub struct ApiRequest {
    /// The operation's name.
    pub operation: &'static str,
    /// `ok`, or the exception's name.
    pub outcome: &'static str,
    /// `read`, `write` or `other`.
    pub kind: &'static str,
    /// From its last octet to its answer.
    pub took: Duration,
}

/// Fills in what other parts of the node count themselves.
type ReadSource = Box<dyn Fn(&mut Vec<Reading>) + Send + Sync>;

impl Page {
    /// A page on which at most `voice_connector_limit` voice connectors have their own label; the
    /// rest share `other`. `version` is the node's.
    pub fn new(voice_connector_limit: usize, version: &str) -> Self {
        let mut registry = Registry::default();
        let r = &mut registry;
        let build = Family::<[(&'static str, String); 1], Gauge>::default();
        build.get_or_create(&[("version", version.to_owned())]).set(1);
        register(r, &d::BUILD_INFO, &build);
        let readings = Arc::new(ReadingSource::default());
        let page = Page {
            readings: Arc::clone(&readings),
            connectors: Mutex::default(),
            voice_connector_limit,
            other: Arc::new(Connector::new(OTHER)),
            messages: Messages::default(),
            calls_active: registered(r, &d::CALLS_ACTIVE),
            call_attempts: registered(r, &d::CALL_ATTEMPTS),
            calls_answered: registered(r, &d::CALLS_ANSWERED),
            call_failures: registered(r, &d::CALL_FAILURES),
            call_setup: histograms(r, &d::CALL_SETUP, &SETUP_BUCKETS),
            call_duration: histograms(r, &d::CALL_DURATION, &DURATION_BUCKETS),
            refusals: registered(r, &d::REFUSALS),
            carrier_calls: registered(r, &d::CARRIER_CALLS),
            carrier_answered: registered(r, &d::CARRIER_ANSWERED),
            carrier_failures: registered(r, &d::CARRIER_FAILURES),
            credentials: registered(r, &d::CARRIER_CREDENTIALS),
            registered: registered(r, &d::CARRIER_REGISTERED),
            throttles: registered(r, &d::THROTTLES),
            would_refuse: registered(r, &d::WOULD_REFUSE),
            target_up: registered(r, &d::TARGET_UP),
            sip_requests: registered(r, &d::SIP_REQUESTS),
            sip_responses: registered(r, &d::SIP_RESPONSES),
            unheard: UnheardLegs::new(r),
            rtp_packets: registered(r, &d::RTP_PACKETS),
            rtp_bytes: registered(r, &d::RTP_BYTES),
            rtp_lost: registered(r, &d::RTP_LOST),
            jitter: histograms(r, &d::JITTER, &JITTER_BUCKETS),
            round_trip: histograms(r, &d::ROUND_TRIP, &ROUND_TRIP_BUCKETS),
            mos: histograms(r, &d::MOS, &MOS_BUCKETS),
            dropped: registered(r, &d::RECORDER_DROPPED),
            copies: registered(r, &d::HEP_PACKETS),
            api_requests: registered(r, &d::API_REQUESTS),
            api_seconds: histograms(r, &d::API_SECONDS, &API_BUCKETS),
            applications: Applications::new(r),
            registry: Registry::default(),
        };
        for refusal in Refusal::ALL {
            let _ = page.refusals.get_or_create(&[("reason", refusal.name())]);
        }
        registry.register_collector(Box::new(ReadingCollector(readings)));
        Page { registry, ..page }
    }

    /// The page as text, of type [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 * 1_024);
        // Writing into a String fails only when a reading is broken; what is written so far is
        // still right.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Sets, once, where counters and gauges of other parts of the node are read from. Later
    /// calls change nothing.
    pub fn set_readings(&self, source: impl Fn(&mut Vec<Reading>) + Send + Sync + 'static) {
        let _ = self.readings.0.set(Box::new(source));
    }

    pub(crate) fn call_began(&self, vc: &VoiceConnectorId, direction: CallDirection) {
        let connector = self.connector(vc);
        let (counters, labels) = connector.direction(direction);
        once(&counters.attempts, &self.call_attempts, labels).inc();
        once(&counters.active, &self.calls_active, labels).inc();
    }

    pub(crate) fn call_answered(&self, vc: &VoiceConnectorId, direction: CallDirection) {
        let connector = self.connector(vc);
        let (counters, labels) = connector.direction(direction);
        once(&counters.answered, &self.calls_answered, labels).inc();
    }

    pub(crate) fn call_progressed(&self, direction: CallDirection, setup: Duration) {
        let labels = [("direction", direction_label(direction))];
        self.call_setup.get_or_create(&labels).observe(setup.as_secs_f64());
    }

    /// `talk` is the time from the answer to the end; `failed` counts a failure.
    pub(crate) fn call_ended(
        &self,
        vc: &VoiceConnectorId,
        direction: CallDirection,
        talk: Option<Duration>,
        failed: bool,
    ) {
        let connector = self.connector(vc);
        let (counters, labels) = connector.direction(direction);
        once(&counters.active, &self.calls_active, labels).dec();
        if failed {
            once(&counters.failures, &self.call_failures, labels).inc();
        }
        if let Some(talk) = talk {
            let labels = [("direction", direction_label(direction))];
            self.call_duration.get_or_create(&labels).observe(talk.as_secs_f64());
        }
    }

    pub(crate) fn refused(&self, refusal: Refusal, vc: Option<&VoiceConnectorId>) {
        self.refusals.get_or_create(&[("reason", refusal.name())]).inc();
        if refusal.is_throttle() {
            let vc = vc.map_or_else(|| Arc::clone(&self.other), |vc| self.connector(vc));
            self.throttles.get_or_create(&[("voice_connector", Arc::clone(&vc.label))]).inc();
        }
    }

    /// Counts what a dry run left undone.
    pub(crate) fn would_refuse(&self, refusal: Refusal) {
        self.would_refuse.get_or_create(&[("reason", refusal.name())]).inc();
    }

    /// Takes in whether a carrier or route is alive. Their names come from the configuration.
    pub(crate) fn health(&self, event: &HealthEvent) {
        let label = |name: &Arc<str>| [("target", Arc::clone(name))];
        match event {
            HealthEvent::Target(health) => {
                let up = i64::from(health.is_up);
                self.target_up.get_or_create(&label(&health.name)).set(up);
            }
            HealthEvent::TargetForgotten { name } => {
                self.target_up.remove(&label(name));
            }
            HealthEvent::Avoided { .. } | HealthEvent::Termination(_) => {}
        }
    }

    /// A call counts for another voice connector from now on.
    pub(crate) fn call_moved(&self, [from, to]: [&VoiceConnectorId; 2], direction: CallDirection) {
        let connector = self.connector(from);
        let (counters, labels) = connector.direction(direction);
        once(&counters.active, &self.calls_active, labels).dec();
        self.call_began(to, direction);
    }

    /// Takes in whether we are registered at a carrier. Their names come from the configuration.
    pub(crate) fn registration(&self, event: &RegistrationEvent) {
        let label = [("carrier", Arc::from(event.carrier.as_str()))];
        let gauge = self.registered.get_or_create(&label);
        match event.news {
            RegistrationNews::Registered { .. } => _ = gauge.set(1),
            RegistrationNews::Lost | RegistrationNews::Removed => _ = gauge.set(0),
            // An earlier registration may still be in force.
            RegistrationNews::Failed { .. } => {}
        }
    }

    pub(crate) fn carrier_call(&self, carrier: &CarrierId, direction: CallDirection) {
        let labels = carrier_labels(carrier, ("direction", direction_label(direction)));
        self.carrier_calls.get_or_create_owned(&labels).inc();
    }

    pub(crate) fn carrier_answered(&self, carrier: &CarrierId, direction: CallDirection) {
        let labels = carrier_labels(carrier, ("direction", direction_label(direction)));
        self.carrier_answered.get_or_create_owned(&labels).inc();
    }

    /// `status` is the final response of the carrier, if it gave one.
    pub(crate) fn carrier_failed(&self, carrier: &CarrierId, status: Option<u16>) {
        let class = status.map_or("none", handles::class);
        let labels = carrier_labels(carrier, ("class", class));
        self.carrier_failures.get_or_create_owned(&labels).inc();
    }

    /// A leg on `side` sends audio in which nothing is heard.
    pub(crate) fn leg_unheard(
        &self,
        vc: &VoiceConnectorId,
        carrier: Option<&CarrierId>,
        side: Side,
    ) {
        self.unheard.begin(Arc::clone(&self.connector(vc).label), carrier, side);
    }

    /// The call of such a leg is over.
    pub(crate) fn unheard_over(
        &self,
        vc: &VoiceConnectorId,
        carrier: Option<&CarrierId>,
        side: Side,
    ) {
        self.unheard.end(Arc::clone(&self.connector(vc).label), carrier, side);
    }

    /// The call of such a leg counts for another voice connector.
    pub(crate) fn unheard_moved(&self, moved: [&VoiceConnectorId; 2], side: Side) {
        self.unheard.move_on(moved.map(|vc| Arc::clone(&self.connector(vc).label)), side);
    }

    pub(crate) fn credential(&self, problem: CredentialProblem) {
        self.credentials.get_or_create(&[("problem", problem.name())]).inc();
    }

    pub(crate) fn sip_message(
        &self,
        direction: MessageDirection,
        status: Option<u16>,
        start_line: &[u8],
    ) {
        let direction_label = match direction {
            MessageDirection::Received => "received",
            MessageDirection::Sent => "sent",
        };
        let labels = |name, value| [(name, value), ("direction", direction_label)];
        match status {
            Some(status) => {
                let (cell, class) = self.messages.response(direction, status);
                once(cell, &self.sip_responses, || labels("class", class)).inc();
            }
            None => {
                let (cell, method) = self.messages.request(direction, start_line);
                once(cell, &self.sip_requests, || labels("method", method)).inc();
            }
        }
    }

    pub(crate) fn media_grew(&self, vc: &VoiceConnectorId, side: Side, growth: Growth) {
        let connector = self.connector(vc);
        let [(from, from_labels), (to, to_labels)] = connector.paths(side);
        once(&from.packets, &self.rtp_packets, from_labels).inc_by(growth.received_packets);
        once(&from.bytes, &self.rtp_bytes, from_labels).inc_by(growth.received_bytes);
        once(&from.lost, &self.rtp_lost, from_labels).inc_by(growth.received_lost);
        once(&to.packets, &self.rtp_packets, to_labels).inc_by(growth.sent_packets);
        once(&to.bytes, &self.rtp_bytes, to_labels).inc_by(growth.sent_bytes);
        once(&to.lost, &self.rtp_lost, to_labels).inc_by(growth.sent_lost);
    }

    pub(crate) fn quality(&self, side: Side, report: &QualityReport) {
        let labels = [("side", side_label(side))];
        if report.received.interval_loss.expected > 0 {
            let jitter = report.received.interval_jitter_max.as_secs_f64();
            self.jitter.get_or_create(&labels).observe(jitter);
        }
        if let Some(rtt) = report.rtt {
            self.round_trip.get_or_create(&labels).observe(rtt.as_secs_f64());
        }
        if let Some(mos) = report.interval_mos {
            self.mos.get_or_create(&labels).observe(mos.value());
        }
    }

    /// Counts packets for a collector of copies: sent, and failed.
    pub(crate) fn copied(&self, [sent, failed]: [u64; 2]) {
        for (result, count) in [("sent", sent), ("failed", failed)] {
            self.copies.get_or_create(&[("result", result)]).inc_by(count);
        }
    }

    /// Counts a request to the control API. The labels must be of fixed sets: those that clients make
    /// would fill the page.
    pub(crate) fn api_answered(&self, request: ApiRequest) {
        let ApiRequest { operation, outcome, kind, took } = request;
        self.api_requests.get_or_create(&[("operation", operation), ("outcome", outcome)]).inc();
        self.api_seconds.get_or_create(&[("kind", kind)]).observe(took.as_secs_f64());
    }

    /// Counts a request to an application, by its id; `outcome` is of a fixed set.
    pub fn application_asked(&self, application: &Arc<str>, outcome: &'static str, took: Duration) {
        self.applications.asked(application, outcome, took);
    }

    /// Counts an action of an application; both labels are of fixed sets.
    pub fn application_acted(&self, action: &'static str, outcome: &'static str) {
        self.applications.acted(action, outcome);
    }

    /// Counts a call that an application was given up in.
    pub fn application_failed(&self, application: &Arc<str>) {
        self.applications.failed(application);
    }

    /// Counts what the recorder lost.
    pub(crate) fn dropped(&self, what: &'static str) {
        self.dropped.get_or_create(&[("what", what)]).inc();
    }

    fn connector(&self, vc: &VoiceConnectorId) -> Arc<Connector> {
        let mut known = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = known.get(vc.as_str()) {
            return Arc::clone(connector);
        }
        if known.len() >= self.voice_connector_limit {
            return Arc::clone(&self.other);
        }
        let connector = Arc::new(Connector::new(vc.as_str()));
        known.insert(Arc::clone(&connector.label), Arc::clone(&connector));
        connector
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

const SETUP_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
const DURATION_BUCKETS: [f64; 9] = [5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0];
const JITTER_BUCKETS: [f64; 9] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2];
const ROUND_TRIP_BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.15, 0.3, 0.5, 1.0];
const API_BUCKETS: [f64; 9] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
/// The steps of ITU-T G.107 annex B between user satisfaction classes, and a few between.
const MOS_BUCKETS: [f64; 9] = [1.5, 2.0, 2.58, 3.1, 3.6, 4.03, 4.2, 4.34, 4.5];

/// Makes the histograms of a family.
#[derive(Clone, Copy)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, definition: &Definition) -> M {
    let metric = M::default();
    register(registry, definition, &metric);
    metric
}

fn histograms(
    registry: &mut Registry,
    definition: &Definition,
    buckets: &'static [f64],
) -> Histograms {
    let family = Family::new_with_constructor(Buckets(buckets));
    register(registry, definition, &family);
    family
}

fn register(registry: &mut Registry, definition: &Definition, metric: &(impl Metric + Clone)) {
    let (base, unit) = base_and_unit(definition);
    match unit {
        Some(unit) => registry.register_with_unit(base, definition.help, unit, metric.clone()),
        None => registry.register(base, definition.help, metric.clone()),
    }
}

/// The name without the suffixes that the encoder adds.
fn base_and_unit(definition: &Definition) -> (&'static str, Option<PageUnit>) {
    let name = definition.name;
    let name = name.strip_suffix("_total").unwrap_or(name);
    let base = name.strip_suffix(definition.unit.suffix()).unwrap_or(name);
    let unit = match definition.unit {
        Unit::None => None,
        Unit::Seconds => Some(PageUnit::Seconds),
        Unit::Bytes => Some(PageUnit::Bytes),
        Unit::Packets => Some(PageUnit::Other("packets".to_owned())),
    };
    (base, unit)
}

fn direction_label(direction: CallDirection) -> &'static str {
    match direction {
        CallDirection::Outbound => "outbound",
        CallDirection::Inbound => "inbound",
    }
}

/// Carriers are named by the configuration: there are as many labels as it ever had.
fn carrier_labels(carrier: &CarrierId, more: Label) -> CallLabels {
    ([("carrier", Arc::from(carrier.as_str()))], [more])
}

fn side_label(side: Side) -> &'static str {
    match side {
        Side::Customer => "customer",
        Side::Remote => "remote",
    }
}

#[derive(Default)]
struct ReadingSource(OnceLock<ReadSource>);

/// Puts the readings on the page.
struct ReadingCollector(Arc<ReadingSource>);

impl fmt::Debug for ReadingCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadingCollector")
    }
}

impl Collector for ReadingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(source) = self.0.0.get() else { return Ok(()) };
        let mut readings = Vec::new();
        source(&mut readings);
        let mut done: HashSet<&'static str> = HashSet::new();
        for first in &readings {
            let definition = first.definition;
            if !done.insert(definition.name) {
                continue;
            }
            let (base, unit) = base_and_unit(definition);
            let kind = match definition.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                // A histogram is more than one value and cannot be a reading.
                Kind::Histogram => continue,
            };
            let mut metric =
                encoder.encode_descriptor(base, definition.help, unit.as_ref(), kind)?;
            for reading in readings.iter().filter(|r| r.definition.name == definition.name) {
                match definition.labels.first() {
                    Some(name) => {
                        let labels = [(*name, &*reading.label)];
                        encode_value(
                            definition.kind,
                            reading.value,
                            metric.encode_family(&labels)?,
                        )?;
                    }
                    None => {
                        encode_value(definition.kind, reading.value, metric)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

fn encode_value(kind: Kind, value: f64, encoder: MetricEncoder<'_>) -> fmt::Result {
    // Saturates, which no count reaches.
    if kind == Kind::Counter && value.fract() != 0.0 {
        ConstCounter::new(value).encode(encoder)
    } else if kind == Kind::Counter {
        ConstCounter::new(value as u64).encode(encoder)
    } else if value.fract() == 0.0 {
        ConstGauge::new(value as i64).encode(encoder)
    } else {
        ConstGauge::new(value).encode(encoder)
    }
}

#[cfg(test)]
mod tests;

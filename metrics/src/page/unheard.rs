//! Legs that send audio and are not heard: one-way audio although packets flow.

use super::{CallLabels, carrier_labels, registered, side_label};
use crate::definition::definitions as d;
use model::{CarrierId, Side};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Counted by voice connector and by carrier.
pub(super) struct UnheardLegs {
    connectors: Family<CallLabels, Counter>,
    connectors_now: Family<CallLabels, Gauge>,
    carriers: Family<CallLabels, Counter>,
    carriers_now: Family<CallLabels, Gauge>,
}

impl UnheardLegs {
    pub(super) fn new(registry: &mut Registry) -> Self {
        UnheardLegs {
            connectors: registered(registry, &d::UNHEARD_LEGS),
            connectors_now: registered(registry, &d::UNHEARD_LEGS_NOW),
            carriers: registered(registry, &d::CARRIER_UNHEARD_LEGS),
            carriers_now: registered(registry, &d::CARRIER_UNHEARD_LEGS_NOW),
        }
    }

    /// One more leg on `side`. `connector` is the voice connector's label.
    pub(super) fn begin(&self, connector: Arc<str>, carrier: Option<&CarrierId>, side: Side) {
        let labels = connector_labels(connector, side);
        self.connectors.get_or_create_owned(&labels).inc();
        self.connectors_now.get_or_create_owned(&labels).inc();
        if let Some(carrier) = carrier {
            let labels = carrier_labels(carrier, ("side", side_label(side)));
            self.carriers.get_or_create_owned(&labels).inc();
            self.carriers_now.get_or_create_owned(&labels).inc();
        }
    }

    /// The call of such a leg is over.
    pub(super) fn end(&self, connector: Arc<str>, carrier: Option<&CarrierId>, side: Side) {
        self.connectors_now.get_or_create_owned(&connector_labels(connector, side)).dec();
        if let Some(carrier) = carrier {
            let labels = carrier_labels(carrier, ("side", side_label(side)));
            self.carriers_now.get_or_create_owned(&labels).dec();
        }
    }

    /// The call of such a leg counts for another voice connector.
    pub(super) fn move_on(&self, [from, to]: [Arc<str>; 2], side: Side) {
        self.connectors_now.get_or_create_owned(&connector_labels(from, side)).dec();
        self.connectors_now.get_or_create_owned(&connector_labels(to, side)).inc();
    }
}

fn connector_labels(connector: Arc<str>, side: Side) -> CallLabels {
    ([("voice_connector", connector)], [("side", side_label(side))])
}

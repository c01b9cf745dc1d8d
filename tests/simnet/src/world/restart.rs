//! An edge that ends, and the one that goes on with what was kept.

use super::World;
use crate::fixture::snapshot;
use crate::network::Rng;
use b2bua::{Edge, EdgeConfig, Kept, SavedCall};
use directory::Resources;
use std::sync::Arc;

impl World {
    /// The edge is started anew with what was kept of its calls; the relay goes on. Connections have
    /// ended with the edge before.
    pub fn restart(&mut self, config: EdgeConfig, resources: Resources) {
        for (peer, id) in std::mem::take(&mut self.connections) {
            self.streams.close(id, peer);
        }
        self.secure.clear();
        self.identities.clear();
        let calls: Arc<[SavedCall]> = std::mem::take(&mut self.kept).into_values().collect();
        self.relay.keep_claimed(&calls.iter().flat_map(SavedCall::streams).collect());
        let farewells = std::mem::take(&mut self.farewells).into_values().collect();
        let setups = std::mem::take(&mut self.setups).into_values().collect();
        let config = EdgeConfig { calls, farewells, setups, begun: self.now, ..config };
        let random = Box::new(Rng::new(43));
        self.edge = Edge::new(config, snapshot(resources), random);
        self.pump();
    }

    pub(super) fn keep(&mut self, kept: Kept) {
        let id = match &kept {
            Kept::Is(call) => call.transaction_id,
            Kept::Farewell(farewell) => farewell.transaction_id,
            Kept::Setup(setup) => setup.transaction_id,
            Kept::Ended(id) => *id,
        };
        self.kept.remove(&id);
        self.farewells.remove(&id);
        self.setups.remove(&id);
        match kept {
            Kept::Is(call) => drop(self.kept.insert(id, *call)),
            Kept::Farewell(farewell) => drop(self.farewells.insert(id, *farewell)),
            Kept::Setup(setup) => {
                self.setup_notes += 1;
                self.setups.insert(id, setup.saved());
            }
            Kept::Ended(_) => {}
        }
    }
}

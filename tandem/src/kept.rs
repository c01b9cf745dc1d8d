//! Files that the node follows while it runs: those of `[stir]`, and the registrations that outlive
//! it.

use crate::bindings::BindingsFile;
use crate::clock::Origin;
use crate::config::{Config, Stir};
use crate::identity::{CertificateEnd, IdentityFiles};
use crate::node::StartError;
use arc_swap::ArcSwap;
use b2bua::EdgeConfig;
use sip_edge::SipEdge;
use std::sync::Arc;

/// Ticks between two looks at the registrations: a crash loses those of so many seconds.
const BINDINGS_TICKS: u32 = 5;

/// The files, and when to look at them again.
pub(crate) struct Kept {
    identity: IdentityFiles,
    bindings: BindingsFile,
    /// How many seconds lie between two looks at files, as for TLS.
    poll_ticks: u32,
    ticks: u32,
}

impl Kept {
    /// Reads the files into the edge's settings.
    pub(crate) fn start(
        config: &Config,
        origin: Origin,
        edge: &mut EdgeConfig,
    ) -> Result<Kept, StartError> {
        let (identity, stir) =
            IdentityFiles::start(config.stir.clone(), origin.calendar).map_err(StartError)?;
        edge.stir = stir;
        let (bindings, left) = BindingsFile::open(&config.node.data_dir);
        edge.bindings = left.into();
        let seconds = config.sip.tls_poll.as_secs();
        let poll_ticks = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        Ok(Kept { identity, bindings, poll_ticks, ticks: 0 })
    }

    /// When the certificates of `[stir]` end.
    pub(crate) fn certificate_ends(&self) -> Arc<ArcSwap<Vec<CertificateEnd>>> {
        self.identity.ends()
    }

    /// A second has passed.
    pub(crate) fn tick(&mut self, edge: &SipEdge) {
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(self.poll_ticks)
            && let Some(stir) = self.identity.look(Origin::now().calendar)
        {
            edge.set_stir(stir);
        }
        if self.ticks.is_multiple_of(BINDINGS_TICKS) {
            self.keep_bindings(edge);
        }
    }

    /// Another `[stir]` is configured, or its files are to be looked at now.
    pub(crate) fn follow(&mut self, stir: &Stir, edge: &SipEdge) {
        if let Some(stir) = self.identity.follow(stir.clone(), Origin::now().calendar) {
            edge.set_stir(stir);
        }
    }

    /// Writes down who is registered.
    pub(crate) fn keep_bindings(&mut self, edge: &SipEdge) {
        self.bindings.keep(&edge.bindings());
    }
}

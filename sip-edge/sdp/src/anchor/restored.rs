//! A leg's descriptions after a restart of the process.

use super::{Origin, OriginState};
use crate::description::{Limits, SessionDescription};
use crate::leg_crypto::LegCrypto;
use crate::lines::LineStates;
use crate::profile::Encryption;
use model::Fingerprint;
use std::sync::Arc;

/// More than the descriptions of one change that was under way.
const VERSION_GAP: u64 = 100;

impl OriginState {
    /// For a leg that was told `last` before this process began. Our keys, credentials and
    /// certificate are those that it names; the relay goes on with them. `fingerprint` is that of the
    /// certificate for a leg that has heard of none. What was agreed is to be noted as for a leg of
    /// this process ([`OriginState::note_plan`]). `None` when `last` is not one of ours.
    pub fn restored(
        last: &[u8],
        encryption: Encryption,
        fingerprint: Option<Fingerprint>,
    ) -> Option<Self> {
        let told = SessionDescription::parse(last, &Limits::default()).ok()?.for_leg(encryption);
        let written = &told.inner.origin;
        let origin =
            Origin { session_id: written.sess_id.parse().ok()?, version: written.sess_version };
        let audio = told.audio().map(Arc::new);
        let mut state = OriginState {
            origin,
            crypto: LegCrypto::restored(encryption, fingerprint, audio.as_deref()),
            last: Some(last.into()),
            last_audio: None,
            last_rtp: None,
            lines: LineStates::restored(&told, (encryption, fingerprint)),
        };
        state.note_audio(audio);
        Some(state)
    }

    /// The leg may have been told of descriptions that are not known any more: the next one has a
    /// version beyond theirs (RFC 3264 section 8: another description under a known version is none).
    pub fn skip_versions(&mut self) {
        self.origin.version = self.origin.version.wrapping_add(VERSION_GAP);
    }

    /// A leg that has heard of no certificate of ours may hear of this one from now on.
    pub fn learn_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.crypto.learn(fingerprint);
        self.lines.learn(fingerprint);
    }
}

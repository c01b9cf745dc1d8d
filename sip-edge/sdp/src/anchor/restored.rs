//! A leg's descriptions after a restart of the process.

use super::{Origin, OriginState};
use crate::description::{Limits, SessionDescription};
use crate::leg_crypto::LegCrypto;
use crate::lines::LineStates;
use crate::profile::Encryption;
use model::Fingerprint;

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
        let audio = told.audio();
        let mut state = OriginState {
            origin,
            crypto: LegCrypto::restored(encryption, fingerprint, audio.as_ref()),
            last: Some(last.into()),
            last_audio: None,
            last_rtp: None,
            lines: LineStates::restored(&told, (encryption, fingerprint)),
        };
        state.note_audio(audio);
        Some(state)
    }
}

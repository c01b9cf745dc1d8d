//! What is kept of a call's media over a restart of the process, and made of it then.

use super::lines::LegLines;
use super::{CallMedia, LegMedia};
use crate::kept::{self, SavedMedia};
use model::{Fingerprint, IpFamily, LegPlan, LegSecurity, LocalMedia, MediaId};
use sdp::{Encryption, Limits, OriginState, SessionDescription};
use std::sync::Arc;

impl LegMedia {
    fn saved(&self) -> Option<SavedMedia> {
        let is_plain = |plan: &LegPlan| plan.security == LegSecurity::Plain && plan.ice.is_none();
        self.plan.as_ref().filter(|plan| is_plain(plan))?;
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).ok();
        Some(SavedMedia {
            encryption: kept::policy_code(self.origin.encryption())?,
            sent: text(self.origin.last()?)?,
            received: text(self.received_body.as_ref()?)?,
            hold_music: self.hold_music.clone(),
            has_listened: self.has_listened,
            dtmf: kept::dtmf_code(self.dtmf),
        })
    }

    fn restored(saved: &SavedMedia, fingerprint: Option<Fingerprint>) -> Option<Self> {
        let encryption = kept::policy_of(saved.encryption)?;
        let origin = OriginState::restored(saved.sent.as_bytes(), encryption, fingerprint)?;
        let mut leg = LegMedia {
            origin,
            received: None,
            received_body: None,
            plan: None,
            hold_music: saved.hold_music.clone(),
            has_listened: saved.has_listened,
            lines: LegLines::default(),
            dtmf: kept::dtmf_of(saved.dtmf)?,
            // Its stream has had its first plan.
            rtcp: None,
        };
        let received =
            SessionDescription::parse(saved.received.as_bytes(), &Limits::default()).ok()?;
        leg.note_received(&received.for_leg(Encryption::Optional));
        Some(leg)
    }
}

impl CallMedia {
    /// What a plain call needs to go on after a restart: our address, and for each leg its policy and
    /// the last description either way. `None` while it has no ports, and of a call with keys, which
    /// are not to lie on a disk, and of one with further lines.
    pub(crate) fn saved(&self) -> Option<([LocalMedia; 2], [SavedMedia; 2])> {
        let [a, b] = &self.legs;
        if !self.lines.is_empty() {
            return None;
        }
        Some((self.local?, [a.saved()?, b.saved()?]))
    }

    /// The media of a call that began before this process; `None` when it was not saved by us.
    pub(crate) fn restored(
        id: MediaId,
        local: [LocalMedia; 2],
        legs: [&SavedMedia; 2],
        fingerprint: Option<Fingerprint>,
    ) -> Option<Self> {
        let families = local.map(|media| IpFamily::of(&media.rtp));
        let [a, b] = legs;
        let legs = [LegMedia::restored(a, fingerprint)?, LegMedia::restored(b, fingerprint)?];
        let (id, local) = (Some(id), Some(local));
        let (transcodes, lines) = (Arc::default(), Vec::new());
        let (repacketises, sends_noise) = (false, false);
        Some(CallMedia { id, families, local, legs, transcodes, repacketises, sends_noise, lines })
    }
}

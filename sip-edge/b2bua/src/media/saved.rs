//! What is kept of a call's media over a restart of the process, and made of it then.

use super::lines::{CallLine, LegLines};
use super::{CallMedia, Habits, LegMedia, Undo};
use crate::kept::{self, SavedCall, SavedLine, SavedMedia};
use model::{Fingerprint, IpFamily, LocalMedia, MediaId};
use sdp::{Encryption, Limits, OriginState, RecordState, SessionDescription};
use std::sync::Arc;

impl LegMedia {
    fn saved(&self) -> Option<SavedMedia> {
        self.plan.as_ref()?;
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).ok();
        Some(SavedMedia {
            encryption: kept::policy_code(self.origin.encryption()),
            sent: text(self.origin.last()?)?,
            received: text(self.received_body.as_ref()?)?,
            hold_music: self.hold_music.clone(),
            has_listened: self.has_listened,
            dtmf: kept::dtmf_code(self.habits.dtmf),
            recorded: self.recorded.map(|recorded| recorded.name().into()),
            has_offer: false,
            transcode: self.habits.transcodes.as_ref().map(|formats| kept::names_of(formats)),
        })
    }

    fn restored(saved: &SavedMedia, fingerprint: Option<Fingerprint>) -> Option<Self> {
        let encryption = kept::policy_of(saved.encryption)?;
        let mut origin = OriginState::restored(saved.sent.as_bytes(), encryption, fingerprint)?;
        if saved.has_offer {
            origin.skip_versions();
        }
        let mut leg = LegMedia {
            origin,
            received: None,
            received_body: None,
            plan: None,
            is_joined: false,
            hold_music: saved.hold_music.clone(),
            has_listened: saved.has_listened,
            recorded: saved.recorded.as_deref().and_then(RecordState::parse),
            floor: None,
            was_offered: false,
            lines: LegLines::default(),
            habits: Habits {
                dtmf: kept::dtmf_of(saved.dtmf)?,
                // Its stream has had its first plan.
                rtcp: None,
                transcodes: saved.transcode.as_deref().map(kept::formats_of),
            },
        };
        let received =
            SessionDescription::parse(saved.received.as_bytes(), &Limits::default()).ok()?;
        leg.note_received(&received.for_leg(Encryption::Optional));
        Some(leg)
    }
}

impl SavedMedia {
    /// An offer to the leg is not answered: what is known of the leg is what was true before it.
    pub(crate) fn withdraw(&mut self, offer: &Undo) {
        let before = offer.origin.last().map(<[u8]>::to_vec);
        if let Some(before) = before.and_then(|body| String::from_utf8(body).ok()) {
            (self.sent, self.has_offer) = (before, true);
        }
    }
}

/// The media of a call as it is written down.
pub(crate) struct Parts {
    pub(crate) id: MediaId,
    pub(crate) local: [LocalMedia; 2],
    pub(crate) legs: [SavedMedia; 2],
    pub(crate) lines: Vec<SavedLine>,
}

impl CallMedia {
    /// What a call needs to go on after a restart: its streams with our addresses, and for each leg its
    /// policy and the last description either way. `None` while it has no ports.
    pub(crate) fn saved(&self) -> Option<Parts> {
        let [a, b] = &self.legs;
        Some(Parts {
            id: self.id?,
            local: self.local?,
            legs: [a.saved()?, b.saved()?],
            lines: self.lines.iter().filter_map(CallLine::saved).collect(),
        })
    }

    /// The media of a call that began before this process; `None` when it was not saved by us.
    pub(crate) fn restored(saved: &SavedCall, fingerprint: Option<Fingerprint>) -> Option<Self> {
        let local = saved.local?;
        let families = local.map(|media| IpFamily::of(&media.rtp));
        let [a, b] = saved.legs.as_slice() else { return None };
        let legs = [
            LegMedia::restored(&a.media, fingerprint)?,
            LegMedia::restored(&b.media, fingerprint)?,
        ];
        let (id, local) = (Some(saved.media), Some(local));
        let (transcodes, repacketises, sends_noise) = (Arc::default(), false, false);
        let lines = saved.lines.iter().take(model::MAX_CALL_LINES - 1).map(CallLine::restored);
        let lines = lines.collect();
        let (unheard_after, copies_rtcp) = (None, false);
        Some(CallMedia {
            id,
            families,
            local,
            legs,
            transcodes,
            repacketises,
            sends_noise,
            unheard_after,
            copies_rtcp,
            tells_keys: false,
            hears_tones: false,
            is_masked: false,
            lines,
        })
    }
}

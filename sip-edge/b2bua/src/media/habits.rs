//! What a leg's media goes by because of whose it is: a carrier's, or the voice connector's.

use super::CallMedia;
use directory::{Carrier, Dtmf, VoiceConnector};
use model::{LegSide, RtcpStyle, TranscodableFormat};
use std::sync::Arc;

/// The settings of a leg's peer. They stay with the leg, also when a transfer brings it to another
/// call.
#[derive(Clone, Default)]
pub(crate) struct Habits {
    /// How its side says that a key was pressed.
    pub(super) dtmf: Dtmf,
    /// Who is to speak RTCP in its side's calls; `None` for what the node does.
    pub(super) rtcp: Option<RtcpStyle>,
    /// What its carrier says of transcoding: the formats that are offered for it, none where audio is
    /// never transcoded. `None` where there is no carrier, or it leaves that to the voice connector.
    pub(super) transcodes: Option<Arc<[TranscodableFormat]>>,
}

impl Habits {
    /// Those of a carrier's leg, and of one that has none.
    pub(crate) fn of(connector: &VoiceConnector, carrier: Option<&Carrier>) -> Self {
        match carrier {
            Some(carrier) => Habits {
                dtmf: carrier.dtmf,
                rtcp: carrier.rtcp,
                transcodes: carrier.transcoding.clone(),
            },
            None => Habits { dtmf: connector.dtmf, rtcp: connector.rtcp, transcodes: None },
        }
    }
}

impl CallMedia {
    /// The formats that a leg is offered beside those of the other one: its carrier's word counts, else
    /// that of the other leg's carrier, else the voice connector's. A call between a carrier and a
    /// customer so goes by the carrier's setting both ways.
    pub(super) fn transcodes_to(&self, leg: LegSide) -> &Arc<[TranscodableFormat]> {
        let said = |leg: LegSide| self.legs[leg.index()].habits.transcodes.as_ref();
        said(leg).or_else(|| said(leg.other())).unwrap_or(&self.transcodes)
    }

    /// Whether audio may be transcoded, on its way to either leg.
    pub(super) fn may_transcode(&self) -> bool {
        LegSide::BOTH.into_iter().any(|leg| !self.transcodes_to(leg).is_empty())
    }
}

//! A call for tests of what the crate gives.

use call_audio::{AudioConsumer, Frame, Opening};
use call_recordings::{Keep, RecordingsConfig, Rotation};
use model::{
    CallDirection, Channel, LegSide, ListenedCall, TransactionId, UnixTime, VoiceConnectorId,
};
use std::path::Path;
use std::sync::Arc;

pub(crate) fn config(root: &Path) -> RecordingsConfig {
    RecordingsConfig {
        root: root.to_owned(),
        node: "edge-1".to_owned(),
        writers: 1,
        rotation: Rotation { seconds: None, bytes: u64::MAX },
        keep: Keep { age: None, meetings: None, uploaded: None, bytes: u64::MAX },
        key: None,
        upload: None,
        meetings: None,
        notices: None,
        outcomes: None,
    }
}

/// A call of two parties that began `number` seconds after another one.
pub(crate) fn opening(number: u64, sample_rate: u32) -> Opening {
    let call = ListenedCall {
        transaction_id: TransactionId::from_random(u128::from(number)),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "call@pbx".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550199".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    };
    let channel =
        |side| Channel { side, is_caller: side == LegSide::A, media_index: 0, label: None };
    Opening {
        call: Arc::new(call),
        channels: LegSide::BOTH.map(|side| Some(channel(side))),
        sample_rate,
        began: UnixTime::from_millis(1_767_323_045_678 + 1_000 * number),
    }
}

/// 20 ms of both channels, as a hub gives them: `sample` tells each by its place.
pub(crate) fn speak(
    consumer: &mut dyn AudioConsumer,
    frame: u64,
    rate: u32,
    sample: impl Fn(LegSide, u64) -> i16,
) {
    let length = u64::from(rate) / 50;
    for side in LegSide::BOTH {
        let at = frame * length;
        let samples: Vec<_> = (at..at + length).map(|at| sample(side, at)).collect();
        consumer.audio(&Frame { side, at, samples: &samples, missing: 0 });
    }
}

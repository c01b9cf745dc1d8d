//! A call for tests.

use call_audio::Opening;
use model::{
    CallDirection, Channel, LegSide, ListenedCall, TransactionId, UnixTime, VoiceConnectorId,
};
use std::sync::Arc;

/// A call of two parties that began at 2026-11-22T13:52:00.123Z.
pub(crate) fn opening(sample_rate: u32) -> Opening {
    let call = ListenedCall {
        transaction_id: TransactionId::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef),
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
        began: UnixTime::from_millis(1_795_355_520_123),
    }
}

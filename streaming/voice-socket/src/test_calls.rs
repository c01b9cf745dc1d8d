//! A call to listen to, for the tests here.

use call_audio::{Frame, Opening};
use model::{
    CallDirection, Channel, ChannelLayout, LegSide, ListenedCall, OtherMedia, TransactionId,
    UnixTime, VoiceConnectorId, WebSocketListener,
};
use std::sync::Arc;

pub(crate) fn listener(url: &str) -> WebSocketListener {
    WebSocketListener {
        url: url.into(),
        token: None,
        speaks_to: [false; 2],
        other_media: OtherMedia::Yields,
        layout: ChannelLayout::Stereo,
        message_ms: 20,
        notify: model::NotificationTargets::NONE,
    }
}

pub(crate) fn opening(sample_rate: u32) -> Opening {
    let call = ListenedCall {
        transaction_id: TransactionId::from_random(7),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "a84b4c76e66710@pbx.example.com".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550199".into(),
        invite_headers: vec![("x-campaign".into(), "spring".into())],
        siprec_metadata: None,
    };
    let channel = |side, label: Option<&str>| {
        let (is_caller, label) = (side == LegSide::A, label.map(Arc::from));
        Some(Channel { side, is_caller, media_index: 0, label })
    };
    Opening {
        call: Arc::new(call),
        channels: [channel(LegSide::A, None), channel(LegSide::B, Some("2"))],
        sample_rate,
        began: UnixTime::from_millis(1_700_000_000_000),
    }
}

pub(crate) fn frame(side: LegSide, at: u64, samples: &[i16]) -> Frame<'_> {
    Frame { side, at, samples, missing: 0 }
}

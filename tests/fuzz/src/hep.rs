//! RTCP of peers that is copied to a HEP collector.

use call_metrics::{HepConfig, MessagePrivacy, Numbers, Privacy, Recorder, RecorderConfig};
use model::{
    CallDirection, CallEvent, CallEventKind, CallParties, Instant, LegSide, MediaId,
    MessageDirection, RtcpCopy, TransactionId, UnixTime, VoiceConnectorId,
};
use rtp_proto::rtcp::{SdesItem, SdesKind, parse_compound, write_source_description};
use std::sync::Arc;

/// The digits that are planted, and how long a run of them tells whose they are.
const PLANTED: &str = "41555501234";
const RUN: usize = 5;
/// A relay's buffer takes no more.
const LONGEST: usize = 2_048;

/// Copies `data` as a compound, once plain and once with numbers hidden and a number planted behind it.
///
/// # Panics
/// When a packet is no HEP with JSON in it, when sound RTCP is not copied, or when the number survives.
pub(crate) fn copied(data: &[u8]) {
    let data = data.get(..LONGEST).unwrap_or(data);
    let is_sound = !data.is_empty() && parse_compound(data).all(|packet| packet.is_ok());
    let plain = copy(Numbers::Plain, data);
    assert!(plain.is_some() || !is_sound, "sound RTCP is copied");
    if let Some(text) = &plain {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_ok_and(|told| told.is_object()));
    }
    let mut planted = data.to_vec();
    let items = [SdesKind::Cname, SdesKind::Name, SdesKind::Phone, SdesKind::Note, SdesKind::Tool]
        .map(|kind| SdesItem { kind, text: PLANTED.as_bytes() });
    write_source_description(&mut planted, 1, &items);
    let hidden = copy(Numbers::Masked { shown: 4 }, &planted);
    // An input may have a run of its own where it is a number of RTCP's.
    if let Some(hidden) = hidden.filter(|_| !plain.is_some_and(|text| has_run(&text))) {
        assert!(!has_run(&hidden), "a run of a number's digits survives: {hidden}");
    }
}

fn has_run(text: &str) -> bool {
    let planted = PLANTED.as_bytes();
    text.as_bytes().windows(RUN).any(|run| planted.windows(RUN).any(|part| part == run))
}

/// The payload of the packet that a collector gets.
fn copy(numbers: Numbers, octets: &[u8]) -> Option<String> {
    let hep = MessagePrivacy { numbers, ..MessagePrivacy::default() };
    let base = RecorderConfig::new("edge-1", "us-east-1", "111122223333", UnixTime::default());
    let mut recorder = Recorder::new(RecorderConfig {
        hep: Some(HepConfig::new(([192, 0, 2, 9], 9_060).into())),
        privacy: Privacy { hep, ..Privacy::default() },
        max_voice_connectors: 1,
        ..base
    });
    let transaction_id = TransactionId::from_random(7);
    let parties = Arc::new(parties()?);
    let kind = CallEventKind::Attempted { parties };
    recorder.handle_call_event(CallEvent { transaction_id, at: Instant::ZERO, kind });
    recorder.handle_rtcp(&RtcpCopy {
        id: MediaId(1),
        transaction_id,
        leg: LegSide::A,
        direction: MessageDirection::Received,
        local: ([192, 0, 2, 1], 10_001).into(),
        remote: ([198, 51, 100, 7], 4_001).into(),
        at: Instant::ZERO,
        octets: octets.to_vec(),
    });
    let packet = recorder.poll_copy()?;
    let mut rest = packet.strip_prefix(b"HEP3").and_then(|rest| rest.get(2..));
    let mut payload = None;
    while let Some([_, _, kind_high, kind_low, high, low, ..]) = rest {
        let kind = u16::from_be_bytes([*kind_high, *kind_low]);
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let chunk = rest.and_then(|rest| rest.split_at_checked(length));
        assert!(length >= 6 && chunk.is_some(), "chunk {kind} has a length of {length}");
        if kind == 0x0f {
            payload = chunk.and_then(|(chunk, _)| chunk.get(6..));
        }
        rest = chunk.map(|(_, after)| after);
    }
    String::from_utf8(payload?.to_vec()).ok()
}

fn parties() -> Option<CallParties> {
    Some(CallParties {
        direction: CallDirection::Outbound,
        voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").ok()?,
        from_user: "a".into(),
        from_country: "US",
        to_user: "b".into(),
        to_country: "US",
        call_id: "call@pbx".into(),
        carrier: None,
        emergency: None,
        source: ([192, 0, 2, 1], 5_060).into(),
        sip_auth_user: None,
        proxy: None,
        log_sip_messages: false,
        log_media_metrics: false,
    })
}

use crate::recorder::tests::{begin, id, ms};
use crate::{HepConfig, Recorder, RecorderConfig};
use model::{
    CallDirection, CallSample, LegSide, MediaId, MessageDirection, RtcpCopy, UnixTime,
    VoiceConnectorId,
};

fn recorder(change: impl FnOnce(&mut HepConfig)) -> Recorder {
    let mut hep = HepConfig::new("192.0.2.9:9060".parse().unwrap());
    change(&mut hep);
    let base = RecorderConfig::new("edge-1", "us-east-1", "111122223333", UnixTime::default());
    let mut recorder = Recorder::new(RecorderConfig { hep: Some(hep), ..base });
    begin(&mut recorder, CallDirection::Outbound);
    recorder
}

fn rtcp() -> RtcpCopy {
    RtcpCopy {
        id: MediaId(1),
        transaction_id: id(),
        leg: LegSide::A,
        direction: MessageDirection::Received,
        local: "192.0.2.1:10001".parse().unwrap(),
        remote: "198.51.100.7:4001".parse().unwrap(),
        at: ms(1_500),
        // A receiver report without blocks.
        octets: vec![0x80, 201, 0, 1, 0, 0, 0, 9],
    }
}

#[test]
fn rtcp_of_a_call_has_its_call_id_and_time() {
    let mut recorder = recorder(|_| {});
    recorder.handle_rtcp(&rtcp());
    let packet = recorder.poll_copy().unwrap();
    let has = |part: &[u8]| packet.windows(part.len()).any(|window| window == part);
    assert!(has(b"a84b4c76e66710@pbx"), "leg A's Call-ID, for either leg");
    assert!(has(&[0, 9, 0, 10, 0, 0, 0, 1]) && has(&[0, 10, 0, 10, 0, 7, 0xa1, 0x20]), "1.5 s");
    assert_eq!(recorder.poll_copy(), None);
}

#[test]
fn rtcp_is_copied_of_calls_that_are_known_and_sampled() {
    let connector = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
    let left_out = |hep: &mut HepConfig| {
        hep.sample = CallSample { shares: [(connector, 0)].into(), ..CallSample::default() };
    };
    for mut recorder in
        [recorder(left_out), recorder(|hep| hep.sample.share = 0), recorder(|hep| hep.rtcp = false)]
    {
        recorder.handle_rtcp(&rtcp());
        assert_eq!(recorder.poll_copy(), None);
        assert!(!recorder.encode().contains("rtcp_without_call"));
    }
    let mut recorder = recorder(|_| {});
    let stray = RtcpCopy { transaction_id: model::TransactionId::from_random(8), ..rtcp() };
    recorder.handle_rtcp(&stray);
    recorder.handle_rtcp(&RtcpCopy { octets: vec![1, 2, 3], ..rtcp() });
    assert_eq!(recorder.poll_copy(), None);
    let counted = "tandem_recorder_dropped_total{what=\"rtcp_without_call\"} 1";
    assert!(recorder.encode().contains(counted), "{}", recorder.encode());
}

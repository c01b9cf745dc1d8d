//! What the page says of a carrier's calls.

use super::tests::{message, ms, recorder};
use super::*;
use model::{
    CallDirection, CallEnd, CallParties, CarrierId, EndedBy, LegSide, MessageDirection,
    TransportProtocol, VoiceConnectorId,
};

fn happen(recorder: &mut Recorder, kind: CallEventKind) {
    recorder.handle_call_event(CallEvent { transaction_id: tests::id(), at: ms(1), kind });
}

fn begin(recorder: &mut Recorder, direction: CallDirection, carrier: Option<&str>) {
    let parties = CallParties {
        direction,
        voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        from_user: "1".into(),
        from_country: "US",
        to_user: "2".into(),
        to_country: "US",
        call_id: "a".into(),
        carrier: carrier.map(|id| CarrierId::new(id).unwrap()),
        emergency: None,
        source: "127.0.0.3:5070".parse().unwrap(),
        sip_auth_user: None,
        proxy: None,
        log_sip_messages: false,
        log_media_metrics: false,
    };
    happen(recorder, CallEventKind::Attempted { parties: Arc::new(parties) });
}

fn route(recorder: &mut Recorder, carrier: Option<&str>, attempt: u32) {
    let kind = CallEventKind::Routed {
        carrier: carrier.map(|id| CarrierId::new(id).unwrap()),
        destination: "127.0.0.2:5080".parse().unwrap(),
        protocol: TransportProtocol::Udp,
        attempt,
    };
    happen(recorder, kind);
}

fn receive(recorder: &mut Recorder, leg: LegSide, status: u16) {
    let direction = MessageDirection::Received;
    let mut event = message(1, leg, direction, &format!("SIP/2.0 {status} So"));
    if let SipObservation::Message(event) = &mut event {
        event.status = Some(status);
    }
    recorder.handle_sip(event);
}

fn end(recorder: &mut Recorder, status: u16) {
    let end = CallEnd { status, cause: "", ended_by: EndedBy::LegB, refusal: None };
    happen(recorder, CallEventKind::Ended(end));
}

fn carriers(recorder: &Recorder) -> Vec<String> {
    let text = recorder.encode();
    let lines = text.lines().filter_map(|line| line.strip_prefix("tandem_carrier_"));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn each_carrier_of_a_hunt_has_its_own_end() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Outbound, None);
    route(&mut recorder, Some("silent"), 1);
    route(&mut recorder, Some("broken"), 2);
    // Its challenge was answered; what counts is what came last.
    receive(&mut recorder, LegSide::B, 407);
    receive(&mut recorder, LegSide::B, 503);
    // The caller's side does not count.
    receive(&mut recorder, LegSide::A, 486);
    route(&mut recorder, Some("good"), 3);
    receive(&mut recorder, LegSide::B, 180);
    receive(&mut recorder, LegSide::B, 200);
    happen(&mut recorder, CallEventKind::Answered);
    // Of a request within the call.
    receive(&mut recorder, LegSide::B, 488);
    end(&mut recorder, 200);
    assert_eq!(
        carriers(&recorder),
        [
            "answered_total{carrier=\"good\",direction=\"outbound\"} 1",
            "calls_total{carrier=\"broken\",direction=\"outbound\"} 1",
            "calls_total{carrier=\"good\",direction=\"outbound\"} 1",
            "calls_total{carrier=\"silent\",direction=\"outbound\"} 1",
            "failures_total{carrier=\"broken\",class=\"5xx\"} 1",
            "failures_total{carrier=\"silent\",class=\"none\"} 1",
        ]
    );
}

#[test]
fn who_gives_up_blames_no_carrier_and_who_is_busy_is_told() {
    for (status, failures) in [(487, 0), (486, 1)] {
        let mut recorder = recorder();
        begin(&mut recorder, CallDirection::Outbound, None);
        route(&mut recorder, Some("pstn"), 1);
        receive(&mut recorder, LegSide::B, status);
        end(&mut recorder, status);
        let found = carriers(&recorder);
        let failed: Vec<_> = found.iter().filter(|line| line.starts_with("failures")).collect();
        assert_eq!(failed.len(), failures, "{found:?}");
        assert!(failed.iter().all(|line| line.contains("class=\"4xx\"")), "{found:?}");
    }
}

#[test]
fn inbound_calls_count_for_the_carrier_that_they_came_from() {
    let mut recorder = recorder();
    begin(&mut recorder, CallDirection::Inbound, Some("pstn"));
    route(&mut recorder, None, 1);
    receive(&mut recorder, LegSide::B, 503);
    route(&mut recorder, None, 2);
    happen(&mut recorder, CallEventKind::Answered);
    end(&mut recorder, 200);
    assert_eq!(
        carriers(&recorder),
        [
            "answered_total{carrier=\"pstn\",direction=\"inbound\"} 1",
            "calls_total{carrier=\"pstn\",direction=\"inbound\"} 1",
        ]
    );
}

//! Streams that are listened to, over sockets.

use super::rig::{Endpoint, Rig, rtp};
use model::{
    CallDirection, Channel, ChannelLayout, LegSide, ListenFailure, ListenedCall, ListenedUpdate,
    Listener, Listening, MediaCommand, MediaEvent, MediaId, OtherMedia, TransactionId,
    VoiceConnectorId, WarningTone, WebSocketListener,
};
use relay_core::{ListenNews, ListenReader, Listened};
use rtp_proto::RtpPacket;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

fn listening(call: u128, legs: [bool; 2]) -> Box<Listening> {
    let channel = |side: LegSide| Channel {
        side,
        is_caller: side == LegSide::A,
        media_index: 0,
        label: None,
    };
    let call = ListenedCall {
        transaction_id: TransactionId::from_random(call),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "1".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550123".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    };
    let channels = LegSide::BOTH.map(|side| legs[side.index()].then(|| channel(side)));
    Box::new(Listening {
        call: Arc::new(call),
        channels,
        sample_rate: 8_000,
        listeners: vec![],
        tone: None,
        is_retry: false,
    })
}

fn order(rig: &Rig, id: u64, legs: [bool; 2]) -> Result<(), ListenFailure> {
    ordered(rig, id, listening(id.into(), legs))
}

fn ordered(rig: &Rig, id: u64, listening: Box<Listening>) -> Result<(), ListenFailure> {
    rig.relay.command(MediaCommand::Listen { id: MediaId(id), listening }).unwrap();
    loop {
        match rig.event() {
            MediaEvent::Listens { id: on } if on == MediaId(id) => return Ok(()),
            MediaEvent::ListenFailed { id: of, failure } if of == MediaId(id) => {
                return Err(failure);
            }
            _ => {}
        }
    }
}

fn stream(news: &Receiver<ListenNews>) -> ListenReader {
    match news.try_recv().unwrap() {
        ListenNews::Stream(stream) => stream.reader,
        other => panic!("{other:?}"),
    }
}

/// What listeners are told of an order that was refused.
fn refused(news: &Receiver<ListenNews>) -> (TransactionId, ListenFailure) {
    match news.recv_timeout(Duration::from_secs(20)).unwrap() {
        ListenNews::Refused(refused) => {
            assert_eq!(refused.listening.channels.iter().flatten().count(), 2);
            assert!(refused.at.as_millis() > 1_600_000_000_000, "{:?}", refused.at);
            (refused.listening.call.transaction_id, refused.failure)
        }
        other => panic!("{other:?}"),
    }
}

/// The packets there are, and whose.
fn packets(reader: &mut ListenReader) -> Vec<(LegSide, Vec<u8>)> {
    let (mut found, mut octets) = (Vec::new(), Vec::new());
    while let Some(listened) = reader.read(&mut octets) {
        if let Listened::Packet { from, .. } = listened {
            found.push((from, octets.clone()));
        }
    }
    found
}

#[test]
fn a_stream_is_handed_over_told_of_changes_and_ended() {
    let (sender, news) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 20_900..=20_919, move |config| config.listening = Some(sender));
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let pass = |sequence| {
        a.send(local[0].rtp, sequence);
        assert_eq!(b.receive().0, rtp(sequence));
        b.send(local[1].rtp, sequence);
        assert_eq!(a.receive().0, rtp(sequence));
    };
    pass(1);
    assert_eq!(order(&rig, 1, [true, true]), Ok(()));
    let ListenNews::Stream(begun) = news.try_recv().unwrap() else { panic!("no stream") };
    assert_eq!((begun.id, begun.listening.sample_rate), (MediaId(1), 8_000));
    assert!(begun.began_at.as_millis() > 1_600_000_000_000, "{:?}", begun.began_at);
    let mut both = begun.reader;
    pass(2);
    assert_eq!(packets(&mut both), [(LegSide::A, rtp(2)), (LegSide::B, rtp(2))]);
    let update = || {
        let headers = vec![("cseq".into(), "2 INVITE".into())];
        let update = Box::new(ListenedUpdate { headers, siprec_metadata: None });
        rig.relay.command(MediaCommand::UpdateListening { id: MediaId(1), update }).unwrap();
    };
    update();
    // Said again: another ring, and the first one ends.
    assert_eq!(order(&rig, 1, [false, true]), Ok(()));
    let ListenNews::Update { transaction_id, update: told } = news.try_recv().unwrap() else {
        panic!("no update")
    };
    assert_eq!(transaction_id, TransactionId::from_random(1));
    assert_eq!(&*told.headers[0].1, "2 INVITE");
    let mut one = stream(&news);
    assert!(both.is_closed());
    pass(3);
    assert_eq!(packets(&mut one), [(LegSide::B, rtp(3))]);
    assert_eq!(rig.relay.statistics().listened_streams, 1);
    rig.relay.command(MediaCommand::StopListening { id: MediaId(1) }).unwrap();
    update();
    rig.until(|s| s.listened_streams == 0);
    pass(4);
    assert!(one.is_closed() && packets(&mut one).is_empty());
    assert!(news.try_recv().is_err(), "nobody is told any more");
    assert_eq!(order(&rig, 1, [true, false]), Ok(()));
    let last = stream(&news);
    rig.release(1);
    let statistics = rig.until(|_| last.is_closed());
    assert_eq!((statistics.listened_streams, statistics.listen_failures), (0, 0));
}

#[test]
fn whoever_cannot_be_listened_to_is_told_and_passes() {
    let (sender, news) = sync_channel(1);
    let rig = Rig::new("127.0.0.1", 20_870..=20_899, move |config| {
        config.listening = Some(sender);
        config.max_listened_streams = 2;
    });
    let locals = [1, 2, 3].map(|id| rig.allocate(id).unwrap());
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    assert_eq!(order(&rig, 9, [true; 2]), Err(ListenFailure::NoStream));
    assert_eq!(refused(&news), (TransactionId::from_random(9), ListenFailure::NoStream));
    assert_eq!(order(&rig, 1, [true; 2]), Ok(()));
    // Nobody has taken the first one.
    assert_eq!(order(&rig, 2, [true; 2]), Err(ListenFailure::TooMany));
    let mut first = stream(&news);
    assert_eq!(order(&rig, 2, [true; 2]), Ok(()));
    let _second = stream(&news);
    assert_eq!(order(&rig, 3, [true; 2]), Err(ListenFailure::TooMany), "the bound");
    assert_eq!(refused(&news), (TransactionId::from_random(3), ListenFailure::TooMany));
    let mut again = listening(3, [true; 2]);
    again.is_retry = true;
    assert_eq!(ordered(&rig, 3, again), Err(ListenFailure::TooMany));
    assert!(news.try_recv().is_err(), "it was told before");
    rig.relay.command(MediaCommand::StopListening { id: MediaId(2) }).unwrap();
    drop(news);
    assert_eq!(order(&rig, 3, [true; 2]), Err(ListenFailure::NoListeners), "nobody is there");
    a.send(locals[0][0].rtp, 1);
    assert_eq!(b.receive().0, rtp(1));
    assert_eq!(packets(&mut first), [(LegSide::A, rtp(1))]);
    assert_eq!(rig.relay.statistics().listen_failures, 5);
}

/// A program hears both parties and speaks to leg A, whose other party is not heard meanwhile.
#[test]
fn a_listener_speaks_into_the_call() {
    let (sender, news) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 20_820..=20_849, move |config| config.listening = Some(sender));
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    b.send(local[1].rtp, 1);
    assert_eq!(a.receive().0, rtp(1));
    let mut listening = listening(1, [true; 2]);
    listening.listeners.push(Listener::WebSocket(WebSocketListener {
        url: "ws://127.0.0.1/".into(),
        token: None,
        speaks_to: [true, false],
        other_media: OtherMedia::Yields,
        layout: ChannelLayout::Stereo,
        message_ms: 20,
        notify: model::NotificationTargets::NONE,
    }));
    rig.relay.command(MediaCommand::Listen { id: MediaId(1), listening }).unwrap();
    while !matches!(rig.event(), MediaEvent::Listens { .. }) {}
    let ListenNews::Stream(begun) = news.try_recv().unwrap() else { panic!("no stream") };
    let ([Some(mut voice), None], reader) = (begun.voices, begun.reader) else {
        panic!("a voice for leg A alone")
    };
    assert_eq!(voice.write(&[1_000; 1_600]), 1_600);
    let mut last = 1;
    for n in 0..10 {
        let packet = a.receive().0;
        let said = RtpPacket::parse(&packet).unwrap();
        assert_eq!((said.payload_type(), said.payload().len()), (0, 160));
        // A worker that was kept from running for long begins anew with one.
        assert!(said.marker() || n > 0);
        assert_eq!(said.sequence(), last + 1);
        last = said.sequence();
        if n == 0 {
            // Not heard by A now, and by the listener all the same.
            b.send(local[1].rtp, 2);
        }
    }
    assert_eq!((voice.taken(), voice.unheard()), (1_600, 0));
    let (reader, heard) = (RefCell::new(reader), RefCell::new(Vec::new()));
    rig.until(|_| {
        heard.borrow_mut().extend(packets(&mut reader.borrow_mut()));
        !heard.borrow().is_empty()
    });
    assert_eq!(heard.into_inner(), [(LegSide::B, rtp(2))]);
    rig.relay.command(MediaCommand::StopListening { id: MediaId(1) }).unwrap();
    rig.until(|statistics| statistics.listened_streams == 0);
    assert!(voice.is_closed());
    b.send(local[1].rtp, 3);
    let next = a.receive().0;
    assert_eq!(RtpPacket::parse(&next).unwrap().sequence(), last + 1);
}

/// The level of 1,400 Hz in µ-law, of 1 for a whole sine of the greatest amplitude.
fn tone_in(payload: &[u8]) -> f32 {
    let omega = std::f32::consts::TAU * 1_400.0 / 8_000.0;
    let (mut before, mut last) = (0.0, 0.0);
    for octet in payload {
        let sample = f32::from(rtp_proto::codecs::g711::decode_mu_law(*octet)) / 32_768.0;
        (before, last) = (last, 2.0 * omega.cos() * last - before + sample);
    }
    let power = last * last + before * before - 2.0 * omega.cos() * last * before;
    power.max(0.0).sqrt() * 2.0 / payload.len() as f32
}

/// Who is silent meanwhile hears the tone in packets of its own, the other one in those of the first;
/// listeners hear what was sent.
#[test]
fn both_legs_hear_the_tone_of_a_recorded_call() {
    let (sender, news) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 20_780..=20_799, move |config| config.listening = Some(sender));
    let local = rig.allocate(1).unwrap();
    let [a, b] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    rig.apply(1, [&a, &b]);
    let mut recorded = listening(1, [true; 2]);
    recorded.tone = Some(WarningTone { every: Duration::from_secs(5), ..WarningTone::default() });
    assert_eq!(ordered(&rig, 1, recorded), Ok(()));
    let mut reader = stream(&news);
    // Nobody speaks: both get packets of the tone alone, one after the other.
    for leg in [&a, &b] {
        let packets: Vec<_> = (0..10).map(|_| leg.receive().0).collect();
        for pair in packets.windows(2) {
            let [one, next] = [&pair[0], &pair[1]].map(|packet| RtpPacket::parse(packet).unwrap());
            assert_eq!(next.sequence(), one.sequence().wrapping_add(1));
            assert_eq!(next.ssrc(), one.ssrc());
            assert!(tone_in(next.payload()) > 0.04, "{}", tone_in(next.payload()));
        }
    }
    rig.relay.command(MediaCommand::StopListening { id: MediaId(1) }).unwrap();
    rig.until(|statistics| statistics.listened_streams == 0);
    // A packet of a tone that was made late may still be on its way.
    a.send(local[0].rtp, 7);
    while b.receive().0[12..] != rtp(7)[12..] {}
    assert_eq!(packets(&mut reader), [], "nobody sent anything that was heard");
}

#[test]
fn a_relay_that_was_given_nobody_says_so() {
    let rig = Rig::new("127.0.0.1", 20_850..=20_869, |_| {});
    rig.allocate(1).unwrap();
    assert_eq!(order(&rig, 1, [true; 2]), Err(ListenFailure::NoListeners));
}

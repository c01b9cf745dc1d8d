use super::{PATIENCE, Rig, Seen, config, empty_directory, message};
use crate::handle::MEDIA_QUEUE;
use crate::resolver::Reply;
use crate::transport::TcpLimits;
use crate::{MediaEventSender, StartError};
use b2bua::{ListenRefusal, NotCalled, Output, ResolveId};
use model::{
    AllocationFailure, ApplicationEvent, ApplicationOrder, ApplicationTold, CallDirection, Instant,
    IpFamily, MediaCommand, MediaEvent, MediaId, OutboundCall, SteeredCall, TransactionId,
    TransportProtocol, VoiceConnectorId,
};
use sip_proto::locate::{Record, RecordKind, Wanted};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn an_address_in_use_is_named_with_its_setting() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let lookup = super::no_lookup();
    let error =
        Rig::try_start(config(&[&address], &[], TcpLimits::default()), lookup).err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("[sip] udp \"{address}\": address in use; another SIP server runs on this port")
    );
    let lookup = super::no_lookup();
    let nothing = Rig::try_start(config(&[], &[], TcpLimits::default()), lookup).err().unwrap();
    assert!(matches!(nothing, StartError::NothingToListenOn));
}

#[test]
fn the_same_ports_serve_again_after_a_restart() {
    let first = Rig::start(&["127.0.0.1:0"], &["127.0.0.1:0"], TcpLimits::default());
    let [(_, udp), (_, tcp)] = *first.edge.addresses() else { panic!("two listeners") };
    let kept = TcpStream::connect(tcp).unwrap();
    let wait = first.edge.statistics();
    assert_eq!(wait.active_calls, 0);
    first.edge.stop();
    let (udp, tcp) = (udp.to_string(), tcp.to_string());
    let second = Rig::start(&[&udp], &[&tcp], TcpLimits::default());
    drop(kept);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.send_to(message("OPTIONS", "z9hG4bK1", "").as_bytes(), &udp).unwrap();
    second.next_input();
}

#[test]
fn who_wants_somebody_called_learns_which_call_it_is() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let orders = rig.edge.application_orders();
    let wanted = |application: &str| OutboundCall {
        application: application.into(),
        to: "+12065550177".into(),
        from: "+12065550100".into(),
        headers: Vec::new(),
        arguments: Vec::new(),
    };
    assert_eq!(orders.call(wanted("known")), Some(Ok(TransactionId::from_random(2))));
    assert_eq!(orders.call(wanted("other")), Some(Err(NotCalled::NoApplication)));
    rig.edge.stop();
    assert_eq!(orders.call(wanted("known")), None, "nobody calls any more");
}

#[test]
fn orders_to_whom_a_meeting_calls_follow_the_call() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let (orders, call) = (rig.edge.application_orders(), TransactionId::from_random(3));
    assert!(orders.call_for_rooms(call, "+12065550177".into()));
    let hang_up = ApplicationOrder::HangUp { leg: None, status: 480 };
    orders.order(call, 1, hang_up.clone()).unwrap();
    let Seen::CalledForRooms(of, to) = rig.next() else { panic!("nobody is called") };
    assert_eq!((of, &*to), (call, "+12065550177"));
    let second = rig.next();
    assert!(matches!(second, Seen::Ordered(of, 1, ref order) if of == call && *order == hang_up));
    rig.edge.stop();
    assert!(!orders.call_for_rooms(call, "+12065550177".into()));
}

#[test]
fn who_wants_a_call_listened_to_hears_whether_it_can_be() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let known = TransactionId::from_random(1);
    assert_eq!(rig.edge.set_listening(known, true), Some(Ok(())));
    assert_eq!(rig.edge.set_listening(known, false), Some(Err(ListenRefusal::NoCall)));
    let unknown = TransactionId::from_random(2);
    assert_eq!(rig.edge.set_listening(unknown, true), Some(Err(ListenRefusal::NoCall)));
}

#[test]
fn orders_of_applications_reach_the_calls() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let (call, orders) = (TransactionId::from_random(1), rig.edge.application_orders());
    assert_eq!(orders.order(call, 7, ApplicationOrder::Answer), Ok(()));
    assert!(orders.unreachable(call));
    let Seen::Ordered(of, 7, ApplicationOrder::Answer) = rig.next() else { panic!("no order") };
    assert_eq!(of, call);
    let Seen::ApplicationUnreachable(of) = rig.next() else { panic!("it can be asked") };
    assert_eq!(of, call);
    drop(rig);
    let refused = orders.order(call, 8, ApplicationOrder::Answer);
    assert_eq!(refused, Err(ApplicationOrder::Answer), "the worker has ended");
}

#[test]
fn a_call_that_no_application_can_be_told_of_goes_to_the_next_one() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    let (call, at) = (TransactionId::from_random(1), Instant::from_millis(1));
    let begun = SteeredCall {
        application: "a".into(),
        rule: None,
        direction: CallDirection::Inbound,
        from: "+12065550100".into(),
        to: "+12065550500".into(),
        arguments: Vec::new(),
        voice_connector: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "1".into(),
        headers: Vec::new(),
        room: None,
    };
    let told = ApplicationTold::Begun(Box::new(begun));
    rig.output(Output::Application(ApplicationEvent { call, at, told }));
    loop {
        match rig.next() {
            // What wakes the worker.
            Seen::Media(_) => {}
            Seen::ApplicationUnreachable(of) => break assert_eq!(of, call),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn timeouts_are_called_at_their_deadline_and_not_before() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    for delay in [60, 20, 40] {
        let at = rig.clock.now() + Duration::from_millis(delay);
        *rig.timeout.lock().unwrap() = Some(at);
        rig.wake();
        assert!(matches!(rig.next(), Seen::Timeout));
        assert!(rig.clock.now() >= at);
    }
}

#[test]
fn a_drain_ends_when_the_calls_do_and_by_force_at_its_limit() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    rig.calls.store(2, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| rig.edge.drain(PATIENCE));
        assert!(matches!(rig.next(), Seen::Drain));
        rig.calls.store(0, Ordering::SeqCst);
        rig.wake();
        assert_eq!(draining.join().unwrap().ended_by_force, 0);
    });
    rig.calls.store(3, Ordering::SeqCst);
    assert_eq!(rig.edge.drain(Duration::from_millis(10)).ended_by_force, 3);
    assert!(matches!(rig.next(), Seen::Drain));
    assert!(matches!(rig.next(), Seen::EndAll));
    assert!(rig.edge.reload(empty_directory()));
    assert!(matches!(rig.next(), Seen::Directory));
}

#[test]
fn calls_that_are_ended_from_outside_are_counted_though_the_worker_is_late() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    rig.calls.store(2, Ordering::SeqCst);
    std::thread::scope(|scope| {
        // The worker cannot learn its next deadline, and says nothing meanwhile.
        let held = rig.timeout.lock().unwrap();
        let draining = scope.spawn(|| rig.edge.drain(Duration::from_secs(3_600)));
        rig.edge.end_calls();
        drop(held);
        assert_eq!(draining.join().unwrap().ended_by_force, 2);
    });
}

#[test]
fn a_directory_is_in_force_once_the_worker_has_it() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    // The worker cannot learn its next deadline; it may take one directory before it asks for it.
    let held = rig.timeout.lock().unwrap();
    rig.edge.reload(empty_directory());
    assert!(!rig.edge.reload(empty_directory()));
    drop(held);
    assert!(rig.edge.reload(empty_directory()));
}

fn allocate(id: u64) -> Output {
    Output::Media(MediaCommand::Allocate {
        id: MediaId(id),
        transaction_id: TransactionId::from_random(1),
        families: [IpFamily::V4; 2],
        emergency: false,
        line: Default::default(),
    })
}

#[test]
fn a_full_relay_fails_allocations_and_delays_the_rest_in_order() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    // The relay of the rig has room for one command.
    rig.output(allocate(1));
    rig.output(allocate(2));
    match rig.next() {
        Seen::Media(MediaEvent::AllocationFailed { id, reason }) => {
            assert_eq!((id, reason), (MediaId(2), AllocationFailure::Overloaded));
        }
        other => panic!("expected a failed allocation, not {other:?}"),
    }
    for id in 10..20 {
        rig.output(Output::Media(MediaCommand::Release { id: MediaId(id) }));
    }
    let take = || rig.commands.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(take(), MediaCommand::Allocate { id: MediaId(1), .. }));
    for expected in 10..20 {
        assert!(matches!(take(), MediaCommand::Release { id } if id == MediaId(expected)));
    }
}

#[test]
fn a_full_event_queue_fails_streams_instead_of_forgetting_them() {
    let (inputs, mut queue) = tokio::sync::mpsc::channel(1);
    let shared = Arc::<crate::handle::Shared>::default();
    let sender = MediaEventSender { shared: Arc::clone(&shared), inputs };
    let failed = |id| MediaEvent::AllocationFailed {
        id: MediaId(id),
        reason: AllocationFailure::PortsExhausted,
    };
    sender.send(failed(1));
    sender.send(failed(2));
    sender.send(MediaEvent::Silent { id: MediaId(3), leg: model::LegSide::A, at: Instant::ZERO });
    assert!(queue.try_recv().is_ok());
    assert_eq!(shared.requests().failed_streams, [MediaId(2)]);
    assert_eq!(shared.media_events_lost.load(Ordering::Relaxed), 1);
    const { assert!(MEDIA_QUEUE > 1_000) };
}

#[test]
fn names_are_asked_once_and_literals_never() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let rig = Rig::with_lookup(
        &["127.0.0.1:0"],
        &[],
        TcpLimits::default(),
        Arc::new(move |question| {
            record.lock().unwrap().push((question.name.to_string(), question.kind));
            let known = &*question.name == "pbx.example" && question.kind == RecordKind::A;
            let address = Record::Address("192.0.2.7".parse().unwrap());
            let records = if known { vec![address] } else { Vec::new() };
            Box::pin(async { Reply::Records(records, Some(Duration::from_secs(60))) })
        }),
    );
    let resolve = |id, host: &str, port| {
        let transport = Some(TransportProtocol::Udp);
        let wanted = Wanted { host: host.into(), port, transport, secure: false };
        rig.output(Output::Resolve { id: ResolveId(id), wanted });
        match rig.next() {
            Seen::Resolved(answered, targets) => {
                assert_eq!(answered, ResolveId(id));
                targets.iter().map(|t| t.address.to_string()).collect::<Vec<_>>().join(" ")
            }
            other => panic!("expected targets, not {other:?}"),
        }
    };
    assert_eq!(resolve(1, "pbx.example", None), "192.0.2.7:5060");
    assert_eq!(resolve(2, "pbx.example", Some(5070)), "192.0.2.7:5070");
    assert_eq!(resolve(3, "nowhere.example", Some(5060)), "");
    assert_eq!(resolve(4, "127.0.0.9", None), "127.0.0.9:5060");
    assert_eq!(resolve(5, "[2001:db8::1]", None), "", "we do not listen on IPv6");
    let expected = [
        ("_sip._udp.pbx.example", RecordKind::Srv),
        ("pbx.example", RecordKind::A),
        ("nowhere.example", RecordKind::A),
    ];
    assert_eq!(*asked.lock().unwrap(), expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn a_worker_that_hangs_is_told_from_one_that_answers() {
    let rig = Rig::start(&["127.0.0.1:0"], &[], TcpLimits::default());
    assert!(rig.edge.is_responsive());
    // The worker cannot learn its next deadline; it may answer once before it asks for it.
    let held = rig.timeout.lock().unwrap();
    rig.edge.is_responsive();
    assert!(!rig.edge.is_responsive());
    drop(held);
    assert!(rig.edge.is_responsive());
}

//! Both user agents on real sockets, against each other and against nobody.

use super::caller::{place_call, place_call_watched};
use super::error::CallError;
use super::options::{CallOptions, Progress};
use super::outcome::{CallOutcome, EndedBy};
use super::{AnswerOptions, Answerer};
use model::TransportProtocol;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn answering() -> AnswerOptions {
    AnswerOptions::new(loopback())
}

fn calling(to: SocketAddr) -> CallOptions {
    CallOptions { seconds: 2, ..CallOptions::new(format!("sip:+12065550123@{to}")) }
}

fn assert_good(outcome: &CallOutcome) {
    let media = &outcome.media;
    let far_end = media.far_end.as_ref().unwrap();
    assert!(outcome.is_good(), "{outcome:?}");
    assert!((95..=105).contains(&media.packets_sent), "{outcome:?}");
    assert!((95..=110).contains(&media.received.packets), "{outcome:?}");
    assert_eq!((media.received.lost, far_end.lost), (0, 0), "{outcome:?}");
    // The far end's last report covers the whole call.
    assert_eq!(far_end.expected, media.packets_sent, "{outcome:?}");
    assert!(media.received.mos.unwrap() > 4.2 && far_end.mos.unwrap() > 4.2, "{outcome:?}");
    assert!(media.rtt.unwrap() < Duration::from_millis(200), "{outcome:?}");
    assert!(media.received.level_dbov.unwrap() > -35.0, "{outcome:?}");
    assert!(outcome.talked >= Duration::from_secs(2), "{outcome:?}");
}

#[test]
fn a_call_is_heard_and_measured_on_both_sides_over_udp_and_tcp() {
    for protocol in [TransportProtocol::Udp, TransportProtocol::Tcp] {
        let answerer = Answerer::start(answering()).unwrap();
        let options = CallOptions {
            transport: Some(protocol),
            local: Some("127.0.0.3".parse().unwrap()),
            ..calling(answerer.local())
        };
        let mut seen = Vec::new();
        let outcome = place_call_watched(&options, &mut |progress| seen.push(progress)).unwrap();
        assert_good(&outcome);
        assert_eq!(outcome.transport, protocol.uri_token());
        assert!(matches!(
            seen.as_slice(),
            [
                Progress::Calling { .. },
                Progress::Ringing { status: 180, .. },
                Progress::Answered { codec: "PCMU", .. }
            ]
        ));
        let statistics = answerer.stop();
        assert_eq!((statistics.answered, statistics.refused, statistics.peak), (1, 0, 1));
        let finished = statistics.finished.front().unwrap();
        assert_eq!(finished.call_id, outcome.call_id);
        assert_eq!(finished.source.ip(), outcome.local.ip());
        assert_eq!(finished.media.received.lost, 0);
        assert!((95..=105).contains(&finished.media.received.packets), "{finished:?}");
        assert!(finished.media.received.mos.unwrap() > 4.2 && finished.media.rtt.is_some());
    }
}

#[test]
fn the_callee_may_hang_up_first() {
    let hang_up_after = Some(Duration::from_millis(300));
    let answerer = Answerer::start(AnswerOptions { hang_up_after, ..answering() }).unwrap();
    let outcome = place_call(&calling(answerer.local())).unwrap();
    assert_eq!(outcome.ended_by, EndedBy::Callee);
    assert!(outcome.talked < Duration::from_secs(2) && outcome.is_good(), "{outcome:?}");
    assert_eq!(answerer.stop().finished.len(), 1);
}

#[test]
fn an_unanswered_call_is_cancelled() {
    let ring = Duration::from_secs(60);
    for protocol in [TransportProtocol::Udp, TransportProtocol::Tcp] {
        let answerer = Answerer::start(AnswerOptions { ring, ..answering() }).unwrap();
        let options = CallOptions {
            transport: Some(protocol),
            setup_timeout: Duration::from_millis(300),
            ..calling(answerer.local())
        };
        let error = place_call(&options).unwrap_err();
        assert!(matches!(error, CallError::NotAnswered { rang: true, .. }), "{error}");
        let statistics = answerer.stop();
        assert_eq!((statistics.answered, statistics.cancelled), (0, 1));
    }
}

#[test]
fn stopping_while_it_rings_cancels_and_while_talking_hangs_up() {
    let ring = Duration::from_millis(200);
    let answerer = Answerer::start(AnswerOptions { ring, ..answering() }).unwrap();
    let options = calling(answerer.local());
    let stop = options.stop.clone();
    let stop_at_180 = &mut |progress| {
        if matches!(progress, Progress::Ringing { .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let error = place_call_watched(&options, stop_at_180).unwrap_err();
    assert!(matches!(error, CallError::Stopped));

    let options = calling(answerer.local());
    let stop = options.stop.clone();
    let stop_at_200 = &mut |progress| {
        if matches!(progress, Progress::Answered { .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let outcome = place_call_watched(&options, stop_at_200).unwrap();
    assert!(outcome.talked < Duration::from_secs(1), "{outcome:?}");
    let statistics = answerer.stop();
    assert_eq!((statistics.cancelled, statistics.answered), (1, 1));
}

#[test]
fn no_free_line_is_busy_and_other_refusals_say_what_to_do() {
    let answerer = Answerer::start(AnswerOptions { max_calls: 0, ..answering() }).unwrap();
    let error = place_call(&calling(answerer.local())).unwrap_err();
    assert_eq!(error.status(), Some(486));
    assert!(error.to_string().contains("busy"), "{error}");
    assert_eq!(answerer.stop().busy, 1);

    for (status, part) in [
        (403, "cidr_allowed_list"),
        (404, "number"),
        (480, "not available"),
        (488, "PCMU"),
        (503, "no capacity"),
        (603, "declined"),
    ] {
        let refuse_with = Some(status);
        let answerer = Answerer::start(AnswerOptions { refuse_with, ..answering() }).unwrap();
        let error = place_call(&calling(answerer.local())).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.status(), Some(status));
        assert!(text.contains(part) && text.contains(&answerer.local().to_string()), "{text}");
        assert_eq!(answerer.stop().refused, 1);
    }
}

#[test]
fn a_closed_port_is_noticed_at_once() {
    // Bound and closed again, so that nothing listens there.
    let udp = UdpSocket::bind(loopback()).unwrap().local_addr().unwrap();
    let tcp = TcpListener::bind(loopback()).unwrap().local_addr().unwrap();
    for (protocol, to) in [(TransportProtocol::Udp, udp), (TransportProtocol::Tcp, tcp)] {
        let options = CallOptions { transport: Some(protocol), ..calling(to) };
        let error = place_call(&options).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, CallError::Unreachable { .. }), "{text}");
        assert!(text.contains(&to.to_string()) && text.contains("is tandem running"), "{text}");
    }
}

#[test]
fn silence_on_the_line_is_an_error_that_names_the_peer() {
    let mute = UdpSocket::bind(loopback()).unwrap();
    let to = mute.local_addr().unwrap();
    let options = CallOptions { setup_timeout: Duration::from_millis(700), ..calling(to) };
    let error = place_call(&options).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, CallError::NoResponse { .. }), "{text}");
    assert!(text.starts_with(&format!("no answer from {to}")), "{text}");
    // The INVITE was repeated after T1.
    let mut buffer = [0; 2_048];
    mute.set_nonblocking(true).unwrap();
    let invites = std::iter::from_fn(|| mute.recv(&mut buffer).ok().map(|n| n > 100));
    assert_eq!(invites.filter(|is_invite| *is_invite).count(), 2);
}

#[test]
fn a_callers_name_that_is_none_is_a_usage_error() {
    let from = CallOptions { from: Some("two words".to_owned()), ..calling(loopback()) };
    let error = place_call(&from).unwrap_err();
    assert!(error.is_usage(), "{error}");
}

#[test]
fn an_encrypted_call_is_heard_and_says_how() {
    let answerer = Answerer::start(answering()).unwrap();
    let options = CallOptions { srtp: true, seconds: 1, ..calling(answerer.local()) };
    let outcome = place_call(&options).unwrap();
    assert!(outcome.is_good(), "{:?}", outcome.media);
    assert_eq!(outcome.srtp, Some("AEAD_AES_256_GCM"));
    assert_eq!(outcome.media.received.loss_ratio, 0.0);
    assert!(outcome.media.far_end.is_some(), "its reports are read too");
}

#[test]
fn many_calls_at_once_all_succeed() {
    const CALLS: usize = 20;
    let answerer = Answerer::start(answering()).unwrap();
    let options = CallOptions { seconds: 1, ..calling(answerer.local()) };
    let threads: Vec<_> = (0..CALLS)
        .map(|_| {
            let options = options.clone();
            std::thread::spawn(move || place_call(&options))
        })
        .collect();
    for thread in threads {
        let outcome = thread.join().unwrap().unwrap();
        assert!(outcome.media.received.packets > 30, "{outcome:?}");
    }
    let statistics = answerer.stop();
    assert_eq!((statistics.answered, statistics.finished.len()), (CALLS as u64, CALLS));
}

#[test]
fn stopping_the_answerer_hangs_up() {
    let answerer = Answerer::start(answering()).unwrap();
    let options = CallOptions { seconds: 30, ..calling(answerer.local()) };
    let (told, heard) = crossbeam_channel::bounded(8);
    let caller = std::thread::spawn(move || {
        place_call_watched(&options, &mut |progress| told.send(progress).unwrap())
    });
    while !matches!(heard.recv().unwrap(), Progress::Answered { .. }) {}
    let statistics = answerer.stop();
    assert_eq!(statistics.finished.len(), 1);
    assert_eq!(caller.join().unwrap().unwrap().ended_by, EndedBy::Callee);
}

#[test]
fn a_call_goes_over_tls_to_the_name_that_its_certificate_is_for() {
    let place = std::env::temp_dir().join(format!("tandem-ua-tls-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let settings = sip_edge::tls::TlsSettings::new("localhost", &place);
    let files = sip_edge::tls::self_signed_files(&settings).unwrap();
    let certificate = files.certificate.clone();
    let options = AnswerOptions { tls: Some(loopback()), tls_files: Some(files), ..answering() };
    let answerer = Answerer::start(options).unwrap();
    let port = answerer.tls().unwrap().port();
    let trusting = directory::TlsPolicy { ca: Some(certificate), ..Default::default() };
    let to = |host: &str| CallOptions {
        tls: trusting.clone(),
        transport: Some(TransportProtocol::Tls),
        seconds: 1,
        local: Some("127.0.0.1".parse().unwrap()),
        ..CallOptions::new(format!("sip:+12065550123@{host}:{port}"))
    };
    let outcome = place_call(&to("localhost")).unwrap();
    assert!(outcome.is_good(), "{outcome:?}");
    assert_eq!(outcome.transport, "tls");
    let refused = place_call(&to("127.0.0.1")).unwrap_err().to_string();
    assert!(refused.contains("not valid for name"), "{refused}");
    let stranger = CallOptions { tls: directory::TlsPolicy::default(), ..to("localhost") };
    assert!(place_call(&stranger).is_err());
    let insecure = directory::TlsPolicy { verify: false, ..Default::default() };
    assert!(place_call(&CallOptions { tls: insecure, ..to("127.0.0.1") }).unwrap().is_good());
    let _ = std::fs::remove_dir_all(&place);
}

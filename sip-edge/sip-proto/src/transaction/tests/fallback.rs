use super::*;

/// A request over a stream to the peer that is still to be opened, with a datagram as fallback.
fn send(f: &mut Fixture, method: &str) -> (ClientKey, String) {
    let branch = format!("z9hG4bK{method}");
    let text = |transport: &str| {
        format!(
            "{method} sip:bob@192.0.2.9 SIP/2.0\r\n\
             Via: SIP/2.0/{transport} 192.0.2.1;rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:alice@192.0.2.1>;tag=ours\r\nTo: <sip:bob@192.0.2.9>\r\n\
             Call-ID: out@us\r\nCSeq: 77 {method}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let stream = Flow { connection: None, ..flow(TCP) };
    let fallback = Some((flow(UDP), text("UDP").into()));
    let key = f
        .endpoint
        .send_request_or(
            f.now,
            stream,
            &branch,
            Method::parse(method),
            text("TCP").into(),
            fallback,
        )
        .unwrap();
    f.drain();
    (key, branch)
}

fn sent_over(f: &Fixture, protocol: TransportProtocol) -> usize {
    f.sent.iter().filter(|sent| sent.flow.protocol == protocol).count()
}

fn fixture() -> Fixture {
    Fixture::with(TransactionConfig {
        branch_prefix: "z9hG4bK".to_owned(),
        ..TransactionConfig::default()
    })
}

#[test]
fn a_refused_stream_is_followed_by_datagrams_in_the_same_transaction() {
    for method in ["INVITE", "BYE"] {
        let mut f = fixture();
        let (key, branch) = send(&mut f, method);
        assert_eq!((sent_over(&f, TCP), sent_over(&f, UDP)), (1, 0));
        f.endpoint.handle_unreachable(f.now, key);
        f.drain();
        assert_eq!(f.names(), ["FellBack"]);
        assert!(f.last_sent().contains("\r\nVia: SIP/2.0/UDP "), "{}", f.last_sent());
        // Datagrams are repeated, and the transaction has its whole time before it.
        f.run_for(Duration::from_millis(500));
        assert_eq!(sent_over(&f, UDP), 2);
        f.run_for(Duration::from_millis(31_499));
        assert_eq!(f.names(), ["FellBack"]);
        f.reply(UDP, &branch, 404, method);
        assert_eq!(f.names()[1], "Response");
        f.run_for(Duration::from_secs(40));
        assert!(f.endpoint.is_empty());
        assert_eq!(f.endpoint.poll_timeout(), None);
        assert_eq!(f.endpoint.transaction_counters().fallbacks, 1);
    }
}

#[test]
fn a_stream_that_brings_nothing_is_given_four_t1() {
    let mut f = fixture();
    send(&mut f, "INVITE");
    f.run_for(Duration::from_millis(1_999));
    assert_eq!(sent_over(&f, UDP), 0);
    f.run_for(Duration::from_millis(1));
    assert_eq!((f.names(), sent_over(&f, UDP)), (vec!["FellBack"], 1));
    // And then nothing else is left: the datagrams fail as any others do.
    f.run_for(Duration::from_secs(32));
    assert_eq!(f.names(), ["FellBack", "ClientTimeout", "ClientDone"]);
}

#[test]
fn a_stream_that_answers_is_not_left() {
    for status in [100, 200, 503] {
        let mut f = fixture();
        let (key, branch) = send(&mut f, "INVITE");
        f.reply(TCP, &branch, status, "INVITE");
        f.run_for(Duration::from_secs(10));
        f.endpoint.handle_unreachable(f.now, key);
        f.drain();
        assert_eq!(sent_over(&f, UDP), 0, "{status}");
        assert!(!f.names().contains(&"FellBack"), "{status}");
    }
}

#[test]
fn cancel_and_ack_go_the_way_that_their_invite_went() {
    let mut f = fixture();
    let (key, branch) = send(&mut f, "INVITE");
    f.cancel(key).unwrap();
    f.endpoint.handle_unreachable(f.now, key);
    f.drain();
    assert_eq!(f.count_sent("CANCEL"), 0, "nothing has come yet");
    f.reply(UDP, &branch, 100, "INVITE");
    assert_eq!(f.count_sent("CANCEL"), 1);
    f.reply(UDP, &branch, 487, "INVITE");
    for method in ["CANCEL", "ACK"] {
        let sent = f.sent.iter().find(|t| t.payload.starts_with(method.as_bytes())).unwrap();
        assert_eq!(sent.flow.protocol, UDP);
        let via = format!("\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch={branch}\r\n");
        assert!(str::from_utf8(&sent.payload).unwrap().contains(&via), "{method}");
    }
    let mut f = fixture();
    let (key, branch) = send(&mut f, "INVITE");
    f.reply(TCP, &branch, 180, "INVITE");
    f.cancel(key).unwrap();
    f.reply(TCP, &branch, 487, "INVITE");
    assert_eq!((sent_over(&f, TCP), sent_over(&f, UDP)), (3, 0));
}

#[test]
fn the_late_failure_of_a_stream_that_was_given_up_is_no_news() {
    let mut f = fixture();
    let (key, branch) = send(&mut f, "INVITE");
    f.run_for(Duration::from_secs(2));
    assert_eq!(f.names(), ["FellBack"]);
    f.endpoint.handle_unreachable(f.now, key);
    f.drain();
    assert_eq!(f.names(), ["FellBack"]);
    f.reply(UDP, &branch, 100, "INVITE");
    assert_eq!(f.names(), ["FellBack", "Response"]);
    // What the network says about the datagrams counts.
    let mut f = fixture();
    send(&mut f, "INVITE");
    f.run_for(Duration::from_secs(2));
    f.endpoint.handle_peer_unreachable(f.now, PEER.parse().unwrap());
    f.drain();
    assert_eq!(f.names(), ["FellBack", "ClientUnreachable", "ClientDone"]);
}

use super::*;

#[test]
fn an_invite_gets_100_at_once_and_its_copies_get_the_last_response() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    assert!(f.last_sent().starts_with("SIP/2.0 100 Trying\r\n"));
    assert!(f.last_sent().contains("To: <sip:bob@192.0.2.1>\r\n"), "a 100 adds no tag");
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    assert_eq!(f.count_sent("SIP/2.0 100"), 2);
    f.respond(180);
    f.input(UDP, request("INVITE", "z9hG4bKA"));
    assert_eq!(f.count_sent("SIP/2.0 180"), 2);
    assert_eq!(f.names(), ["Request"]);
    assert_eq!(f.endpoint.transaction_counters().repeated_requests, 2);
}

#[test]
fn a_lost_ack_is_asked_for_again_by_the_final_response() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    f.respond(486);
    f.run_for(Duration::from_millis(1_600));
    assert_eq!(f.count_sent("SIP/2.0 486"), 3);
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    assert_eq!(f.count_sent("SIP/2.0 486"), 4);
    f.input(UDP, request("ACK", "z9hG4bKa"));
    f.input(UDP, request("ACK", "z9hG4bKa"));
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.count_sent("SIP/2.0 486"), 4);
    assert_eq!(f.names(), ["Request", "ServerDone acked"]);
}

#[test]
fn an_accepted_invite_absorbs_copies_and_passes_its_ack_on() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    f.respond(200);
    let key = f.last_request();
    let answer = f.endpoint.last_response(key).expect("kept until the ACK");
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    assert_eq!(f.count_sent("SIP/2.0 200"), 1, "the core repeats a 2xx, not the layer");
    f.endpoint.respond(f.now, key, 200, answer).unwrap();
    f.drain();
    assert_eq!(f.count_sent("SIP/2.0 200"), 2);
    assert_eq!(f.endpoint.respond(f.now, key, 486, Bytes::new()), Err(Gone));
    // The ACK of a 2xx has a branch of its own.
    f.input(UDP, request_with("ACK", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", "core", 5));
    assert_eq!(f.names(), ["Request", "Ack"]);
    assert_eq!(f.endpoint.last_response(key), None);
    f.run_for(Duration::from_secs(33));
    f.input(UDP, request_with("ACK", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKb", "core", 5));
    assert_eq!(f.names(), ["Request", "Ack", "Ack"]);
}

#[test]
fn every_2xx_of_an_accepted_invite_is_reported_and_then_strays() {
    let mut f = Fixture::new();
    let (_, branch) = f.send(UDP, "INVITE");
    f.reply(UDP, &branch, 200, "INVITE");
    f.reply(UDP, &branch, 200, "INVITE");
    f.reply(UDP, &branch, 180, "INVITE");
    assert_eq!(f.names(), ["Response", "Response"]);
    f.run_for(Duration::from_secs(33));
    f.reply(UDP, &branch, 200, "INVITE");
    f.reply(UDP, &branch, 486, "INVITE");
    assert_eq!(f.names(), ["Response", "Response", "ClientDone", "StrayResponse"]);
    assert_eq!(f.endpoint.transaction_counters().unmatched_responses, 1);
}

#[test]
fn the_ack_of_a_refusal_is_built_from_the_invite_and_repeated() {
    let mut f = Fixture::new();
    let (_, branch) = f.send(UDP, "INVITE");
    f.reply(UDP, &branch, 486, "INVITE");
    let ack = format!(
        "ACK sip:bob@192.0.2.9;x=1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch={branch}\r\n\
         Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\nFrom: <sip:alice@192.0.2.1>;tag=ours\r\n\
         To: <sip:bob@192.0.2.9>;tag=theirs\r\nCall-ID: out@us\r\nCSeq: 77 ACK\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(f.last_sent(), ack);
    f.reply(UDP, &branch, 486, "INVITE");
    assert_eq!(f.last_sent(), ack);
    assert_eq!(f.count_sent("ACK"), 2);
    assert_eq!(f.names(), ["Response"]);
}

#[test]
fn a_request_that_came_over_two_paths_is_merged() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    f.input(UDP, request("INVITE", "z9hG4bKb"));
    assert!(f.last_sent().starts_with("SIP/2.0 482 "), "{}", f.last_sent());
    f.input(UDP, request("ACK", "z9hG4bKb"));
    assert_eq!(f.names(), ["Request"], "the core hears nothing of it");
    // In a dialog, or with the next CSeq number, it is another request.
    f.input(UDP, request_with("INVITE", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKc", "core", 5));
    f.input(UDP, request_with("INVITE", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKd", "", 6));
    assert_eq!(f.names(), ["Request"; 3]);
    assert_eq!(f.endpoint.transaction_counters().merged_requests, 1);
}

#[test]
fn without_the_magic_cookie_rfc_2543_decides() {
    for via in ["SIP/2.0/UDP 192.0.2.9", "SIP/2.0/UDP 192.0.2.9;branch=1"] {
        let mut f = Fixture::new();
        f.input(UDP, request_with("INVITE", via, "", 5));
        f.input(UDP, request_with("INVITE", via, "", 5));
        assert_eq!(f.names(), ["Request"], "{via}");
        f.input(UDP, request_with("CANCEL", via, "", 5));
        assert_eq!(f.names(), ["Request", "Cancelled"]);
        f.respond(487);
        // An ACK with another To tag answers another response.
        f.input(UDP, request_with("ACK", via, "other", 5));
        assert_eq!(f.names(), ["Request", "Cancelled", "Ack"]);
        f.input(UDP, request_with("ACK", via, "core", 5));
        assert_eq!(f.names(), ["Request", "Cancelled", "Ack", "ServerDone acked"]);
        f.input(UDP, request_with("BYE", via, "core", 6));
        f.input(UDP, request_with("BYE", via, "core", 7));
        assert_eq!(f.names().len(), 6, "the CSeq number tells requests apart");
    }
}

#[test]
fn responses_carry_received_and_rport_and_follow_them() {
    let mut f = Fixture::new();
    let over = Flow { remote: "198.51.100.7:9999".parse().unwrap(), ..flow(UDP) };
    let via = "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;rport";
    f.input_over(over, request_with("OPTIONS", via, "", 5));
    f.respond(200);
    assert!(f.last_sent().contains(
        "\r\nVia: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKa;received=198.51.100.7;rport=9999\r\n"
    ));
    assert_eq!(f.sent.last().unwrap().flow, over);
    // Without rport: the sent-by port.
    let via = "SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bKb";
    f.input_over(over, request_with("OPTIONS", via, "", 6));
    f.respond(200);
    assert!(f.last_sent().contains(";branch=z9hG4bKb;received=198.51.100.7\r\n"));
    assert_eq!(f.sent.last().unwrap().flow.remote, "198.51.100.7:5062".parse().unwrap());
    let key = f.last_request();
    assert_eq!(f.endpoint.server_flow(key), Some(f.sent.last().unwrap().flow));
}

#[test]
fn after_its_connection_closed_a_response_asks_for_a_new_one() {
    let mut f = Fixture::new();
    let over = Flow { remote: "192.0.2.9:40000".parse().unwrap(), ..flow(TCP) };
    let via = "SIP/2.0/TCP 192.0.2.9:5070;branch=z9hG4bKa";
    f.input_over(over, request_with("OPTIONS", via, "", 5));
    f.endpoint.handle_connection_closed(f.now, ConnectionId(6));
    assert_eq!(f.endpoint.server_flow(f.last_request()), Some(over));
    f.endpoint.handle_connection_closed(f.now, ConnectionId(7));
    f.respond(200);
    let expected = Flow { remote: "192.0.2.9:5070".parse().unwrap(), ..over };
    assert_eq!(f.sent.last().unwrap().flow, expected);
}

#[test]
fn a_closed_connection_fails_only_what_had_no_response() {
    let mut f = Fixture::new();
    f.send(TCP, "INVITE");
    f.send(TCP, "OPTIONS");
    let (_, ringing) = f.send(TCP, "INVITE");
    f.reply(TCP, &ringing, 180, "INVITE");
    f.endpoint.handle_connection_closed(f.now, ConnectionId(7));
    f.drain();
    let failed = ["ClientUnreachable", "ClientDone"];
    assert_eq!(f.names(), [&["Response"][..], &failed, &failed].concat());
    f.reply(TCP, &ringing, 200, "INVITE");
    assert_eq!(f.names().last(), Some(&"Response"));
}

#[test]
fn an_unreachable_peer_ends_the_request() {
    for method in ["INVITE", "BYE"] {
        let mut f = Fixture::new();
        let (key, _) = f.send(UDP, method);
        assert_eq!(f.sent.last().unwrap().client, Some(key));
        f.endpoint.handle_unreachable(f.now, key);
        f.endpoint.handle_unreachable(f.now, key);
        f.drain();
        assert_eq!(f.names(), ["ClientUnreachable", "ClientDone"]);
        assert_eq!(f.endpoint.len(), (0, 0));
        assert_eq!(f.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_full_table_refuses_new_calls_but_not_running_ones() {
    let mut config = TransactionConfig::new(OwnerTag::default());
    config.max_transactions = 10;
    let mut f = Fixture::with(config);
    let via = |n: u32| format!("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{n}");
    for n in 0..9 {
        f.input(UDP, request_with("INVITE", &via(n), "", n));
    }
    assert_eq!(f.endpoint.len(), (8, 0));
    assert!(f.last_sent().starts_with("SIP/2.0 503 "), "{}", f.last_sent());
    assert!(f.last_sent().contains("\r\nRetry-After: 5\r\n"));
    assert_eq!(f.endpoint.counters().overflows, 1);
    f.input(UDP, request_with("BYE", &via(20), "core", 20));
    f.input(UDP, request_with("CANCEL", &via(3), "", 3));
    assert_eq!(f.endpoint.len(), (10, 0));
    assert_eq!(f.names().last(), Some(&"Cancelled"));
    f.input(UDP, request_with("BYE", &via(21), "core", 21));
    assert_eq!(f.endpoint.counters().overflows, 2);
    let branch = "z9hG4bKfull";
    for n in 0..11 {
        let branch = format!("{branch}{n}");
        let sent = f.endpoint.send_request(f.now, flow(UDP), &branch, Method::Bye, Bytes::new());
        assert_eq!(sent.is_ok(), n < 10);
    }
}

#[test]
fn a_branch_is_used_once() {
    let mut f = Fixture::new();
    let send = |f: &mut Fixture| {
        f.endpoint.send_request(f.now, flow(UDP), "z9hG4bKx", Method::Bye, Bytes::new())
    };
    assert!(send(&mut f).is_ok());
    assert_eq!(send(&mut f), Err(Full));
}

#[test]
fn extension_methods_are_told_apart_by_name() {
    let mut f = Fixture::new();
    f.input(UDP, request("CHAT", "z9hG4bKa"));
    f.input(UDP, request("TALK", "z9hG4bKa"));
    f.input(UDP, request("TALK", "z9hG4bKa"));
    assert_eq!(f.names(), ["Request"; 2]);
}

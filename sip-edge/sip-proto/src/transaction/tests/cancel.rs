use super::*;

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut f = Fixture::new();
    let (key, branch) = f.send(UDP, "INVITE");
    f.cancel(key).unwrap();
    f.run_for(Duration::from_millis(600));
    assert_eq!((f.count_sent("INVITE"), f.count_sent("CANCEL")), (2, 0));
    f.reply(UDP, &branch, 100, "INVITE");
    assert_eq!(f.count_sent("CANCEL"), 1);
    f.cancel(key).unwrap();
    assert_eq!(f.count_sent("CANCEL"), 1, "cancelling twice changes nothing");
}

#[test]
fn a_cancel_copies_what_section_9_1_says() {
    let mut f = Fixture::new();
    let (key, branch) = f.send(UDP, "INVITE");
    f.reply(UDP, &branch, 180, "INVITE");
    f.cancel(key).unwrap();
    assert_eq!(
        f.last_sent(),
        format!(
            "CANCEL sip:bob@192.0.2.9;x=1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.1;rport;branch={branch}\r\n\
             Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n\
             From: <sip:alice@192.0.2.1>;tag=ours\r\nTo: <sip:bob@192.0.2.9>\r\n\
             Call-ID: out@us\r\nCSeq: 77 CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    );
}

#[test]
fn nothing_is_cancelled_when_the_final_response_comes_first() {
    for status in [200, 486] {
        let mut f = Fixture::new();
        let (key, branch) = f.send(UDP, "INVITE");
        f.cancel(key).unwrap();
        f.reply(UDP, &branch, status, "INVITE");
        assert_eq!(f.cancel(key), Err(Gone));
        f.run_for(Duration::from_secs(40));
        assert_eq!(f.count_sent("CANCEL"), 0);
        assert_eq!(f.endpoint.len(), (0, 0));
    }
}

#[test]
fn a_cancel_that_crosses_the_200_leaves_the_200_to_the_core() {
    let mut f = Fixture::new();
    let (key, branch) = f.send(UDP, "INVITE");
    f.reply(UDP, &branch, 180, "INVITE");
    f.cancel(key).unwrap();
    f.reply(UDP, &branch, 200, "INVITE");
    f.reply(UDP, &branch, 200, "CANCEL");
    assert_eq!(f.names(), ["Response", "Response"]);
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.names(), ["Response", "Response", "ClientDone"]);
    assert_eq!(f.endpoint.len(), (0, 0));
}

#[test]
fn a_cancelled_invite_ends_with_the_487() {
    let mut f = Fixture::new();
    let (key, branch) = f.send(UDP, "INVITE");
    f.reply(UDP, &branch, 180, "INVITE");
    f.cancel(key).unwrap();
    f.reply(UDP, &branch, 200, "CANCEL");
    f.reply(UDP, &branch, 487, "INVITE");
    assert_eq!(f.count_sent("ACK"), 1);
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.names(), ["Response", "Response", "ClientDone"]);
}

#[test]
fn an_incoming_cancel_is_answered_with_the_tag_of_the_ringing() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    f.respond(180);
    f.input(UDP, request("CANCEL", "z9hG4bKa"));
    assert!(f.last_sent().starts_with("SIP/2.0 200 OK\r\n"), "{}", f.last_sent());
    assert!(f.last_sent().contains("To: <sip:bob@192.0.2.1>;tag=core\r\n"));
    assert!(f.last_sent().contains("CSeq: 5 CANCEL\r\n"));
    assert_eq!(f.names(), ["Request", "Cancelled"]);
    f.input(UDP, request("CANCEL", "z9hG4bKa"));
    assert_eq!(f.count_sent("SIP/2.0 200"), 2, "a repeated CANCEL gets the same answer");
    assert_eq!(f.names(), ["Request", "Cancelled"]);
    f.respond(487);
    f.input(UDP, request("ACK", "z9hG4bKa"));
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.names(), ["Request", "Cancelled", "ServerDone acked"]);
    assert_eq!(f.endpoint.len(), (0, 0));
}

#[test]
fn a_cancel_after_the_final_response_has_no_effect() {
    for status in [200, 486] {
        let mut f = Fixture::new();
        f.input(UDP, request("INVITE", "z9hG4bKa"));
        f.respond(status);
        f.input(UDP, request("CANCEL", "z9hG4bKa"));
        assert!(f.last_sent().starts_with("SIP/2.0 200 OK\r\n"));
        assert_eq!(f.names(), ["Request"]);
    }
}

#[test]
fn a_cancel_for_nothing_gets_481() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    f.input(UDP, request("CANCEL", "z9hG4bKother"));
    assert!(f.last_sent().starts_with("SIP/2.0 481 "), "{}", f.last_sent());
    assert_eq!(f.names(), ["Request"]);
    assert_eq!(f.endpoint.transaction_counters().unmatched_cancels, 1);
}

#[test]
fn a_nat_may_change_the_sent_by_of_cancel_and_ack() {
    let mut f = Fixture::new();
    f.input(UDP, request("INVITE", "z9hG4bKa"));
    let moved =
        |method: &str| request_with(method, "SIP/2.0/UDP 10.0.0.3:1024;branch=z9hG4bKa", "", 5);
    f.input(UDP, moved("CANCEL"));
    assert_eq!(f.names(), ["Request", "Cancelled"]);
    f.respond(487);
    f.input(UDP, moved("ACK"));
    assert_eq!(f.names(), ["Request", "Cancelled", "ServerDone acked"]);
}

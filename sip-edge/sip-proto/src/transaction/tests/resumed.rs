//! Transactions of a process before this one.

use super::*;

fn invite(branch: &str) -> Bytes {
    Bytes::from(format!(
        "INVITE sip:bob@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch={branch}\r\n\
         Route: <sip:p1;lr>\r\nFrom: <sip:alice@192.0.2.1>;tag=ours\r\nTo: <sip:bob@192.0.2.9>\r\n\
         Call-ID: out@us\r\nCSeq: 77 INVITE\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn resumed(f: &mut Fixture) -> (ClientKey, String) {
    let branch = f.endpoint.new_branch(&mut StepRandom::new(9));
    let key = f.endpoint.resume_invite(flow(UDP), &branch, invite(&branch)).unwrap();
    f.drain();
    (key, branch)
}

#[test]
fn an_invite_that_was_answered_provisionally_is_cancelled_without_being_sent_again() {
    let mut f = Fixture::new();
    let (key, branch) = resumed(&mut f);
    assert_eq!(f.endpoint.waits_for_final(key), Some(true));
    assert_eq!(f.sent.len(), 0);
    f.cancel(key).unwrap();
    assert_eq!((f.count_sent("INVITE"), f.count_sent("CANCEL")), (0, 1));
    assert!(f.last_sent().contains("CSeq: 77 CANCEL\r\n") && f.last_sent().contains("<sip:p1;lr>"));
    f.reply(UDP, &branch, 200, "CANCEL");
    f.reply(UDP, &branch, 487, "INVITE");
    assert_eq!(f.count_sent("ACK"), 1);
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.endpoint.len(), (0, 0));
}

#[test]
fn a_peer_that_says_nothing_more_is_waited_for_as_long_as_for_any_cancelled_invite() {
    let mut f = Fixture::new();
    let (key, _) = resumed(&mut f);
    f.cancel(key).unwrap();
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.names(), ["ClientTimeout", "ClientDone"]);
    assert_eq!(f.endpoint.len(), (0, 0));
}

#[test]
fn the_200_that_crossed_the_restart_goes_to_the_core() {
    let mut f = Fixture::new();
    let (_, branch) = resumed(&mut f);
    f.reply(UDP, &branch, 200, "INVITE");
    assert_eq!(f.names(), ["Response"]);
    assert_eq!(f.endpoint.resume_invite(flow(UDP), &branch, invite(&branch)), Err(Full));
}

/// An INVITE of the peer as it was received, with the Via that we stamped.
fn received(transport: &str) -> Bytes {
    Bytes::from(format!(
        "INVITE sip:bob@192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} 192.0.2.9:5060;branch=z9hG4bKpeer;received=192.0.2.9;rport=5060\r\n\
         From: <sip:carol@192.0.2.9>;tag=theirs\r\nTo: <sip:bob@192.0.2.1>\r\nCall-ID: in@them\r\n\
         CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:carol@192.0.2.9>\r\n\
         Content-Length: 0\r\n\r\n"
    ))
}

fn refused(f: &mut Fixture, transport: &str, over: Flow) -> ServerKey {
    let message = Message::parse(received(transport), &Limits::default()).unwrap();
    let key = f.endpoint.resume_request(f.now, over, message.clone()).unwrap();
    let response = Composer::response_to(&message, 503, "Status", Some("core")).finish();
    f.endpoint.respond(f.now, key, 503, response).unwrap();
    f.drain();
    key
}

#[test]
fn an_invite_from_before_is_refused_until_it_is_acknowledged_and_its_copies_are_no_new_calls() {
    let mut f = Fixture::new();
    refused(&mut f, "UDP", flow(UDP));
    assert_eq!(f.sent.last().unwrap().flow, flow(UDP));
    f.run_for(Duration::from_millis(600));
    f.input(UDP, received("UDP"));
    assert_eq!(f.count_sent("SIP/2.0 503"), 3, "once more by its timer, and for the copy");
    let ack = String::from_utf8(received("UDP").to_vec()).unwrap().replace("INVITE", "ACK");
    f.input(UDP, ack.replace("sip:bob@192.0.2.1>\r\n", "sip:bob@192.0.2.1>;tag=core\r\n"));
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.count_sent("SIP/2.0 503"), 3);
    assert_eq!(f.names(), ["ServerDone acked"]);
    assert_eq!(f.endpoint.len(), (0, 0));
}

#[test]
fn over_a_stream_the_answer_follows_the_connection_that_the_invite_comes_again_over() {
    let mut f = Fixture::new();
    let gone = Flow { connection: None, ..flow(TCP) };
    refused(&mut f, "TCP", gone);
    assert_eq!(f.sent.last().unwrap().flow, gone, "to the address in the top Via");
    let fresh = Flow { remote: "192.0.2.9:40001".parse().unwrap(), ..flow(TCP) };
    f.input_over(fresh, received("TCP"));
    assert_eq!(f.sent.last().unwrap().flow, fresh);
    assert_eq!(f.count_sent("SIP/2.0 503"), 2);
    f.endpoint.handle_connection_closed(f.now, ConnectionId(7));
    f.input_over(Flow { connection: Some(ConnectionId(8)), ..fresh }, received("TCP"));
    assert_eq!(f.sent.last().unwrap().flow.connection, Some(ConnectionId(8)));
    f.run_for(Duration::from_secs(40));
    assert_eq!(f.endpoint.len(), (0, 0));
}

#[test]
fn what_is_no_invite_or_is_there_already_is_not_taken_up() {
    let mut f = Fixture::new();
    refused(&mut f, "UDP", flow(UDP));
    let again = Message::parse(received("UDP"), &Limits::default()).unwrap();
    assert_eq!(f.endpoint.resume_request(f.now, flow(UDP), again), Err(Full));
    let other = String::from_utf8(received("UDP").to_vec()).unwrap().replace("INVITE", "BYE");
    let other = Message::parse(other.into(), &Limits::default()).unwrap();
    assert_eq!(f.endpoint.resume_request(f.now, flow(UDP), other), Err(Full));
}

//! The targets of one name: RFC 3263 section 4.3, and names in route sets and Contacts.

use model::{CallEventKind, TransportProtocol};
use simnet::{CARRIER, CARRIER_2, CARRIER_TCP, EDGE, PBX, Ua, World, config, directory};
use sip_proto::locate::Target;
use std::net::SocketAddr;
use std::time::Duration;

const NAME: &str = "sip.carrier.example";

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, last], 5080))
}

/// The first carrier is a name with these servers.
fn named(servers: &[SocketAddr]) -> World {
    let mut resources = directory();
    resources.carriers[0].host = directory::Host::parse(NAME).unwrap();
    let mut w = World::with(config(), resources);
    w.names.insert(NAME, servers.to_vec());
    w
}

fn calling(w: &mut World) -> Ua {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite(w, Some(&offer));
    pbx
}

fn answers(w: &mut World, pbx: &mut Ua, pstn: &mut Ua) {
    let answer = pstn.sdp(40_000);
    pstn.answer(w, pbx, &answer);
    pbx.hang_up(w, pstn);
}

/// A call that is cancelled where it arrives first.
fn tries_first(w: &mut World, at: SocketAddr) {
    let mut pbx = calling(w);
    let mut pstn = w.callee(at);
    pstn.reply(w, 180, None);
    pbx.expect(w, "180");
    pbx.cancel(w);
    pbx.expect(w, "200");
    pbx.expect(w, "487");
    pbx.ack_failure(w);
    pstn.expect(w, "CANCEL");
    pstn.ok(w);
    pstn.reply(w, 487, None);
    pstn.expect(w, "ACK");
}

#[test]
fn silence_unreachability_and_503_try_the_next_target_as_a_new_dialog() {
    let mut w = named(&[address(1), address(2), address(3), address(4)]);
    w.unreachable.push(address(2));
    let mut pbx = calling(&mut w);
    let first = w.callee(address(1));
    w.advance(Duration::from_secs(5));
    let mut third = w.callee(address(3));
    assert_ne!(first.call_id, third.call_id);
    third.reply(&mut w, 503, None);
    third.expect(&mut w, "ACK");
    let mut fourth = w.callee(address(4));
    answers(&mut w, &mut pbx, &mut fourth);
    assert!(w.take(CARRIER_2, None).is_none(), "the next route was not needed");
    let tried = w.audit.events.iter().filter_map(|event| match &event.kind {
        CallEventKind::Routed { destination, attempt, .. } => Some((*destination, *attempt)),
        _ => None,
    });
    let expected: Vec<_> = (1..).take(4).map(|n| (address(n as u8), n)).collect();
    assert_eq!(tried.collect::<Vec<_>>(), expected);
    let statistics = w.edge.statistics();
    assert_eq!((statistics.target_failures, statistics.target_failovers), (3, 3));
    w.finish();
}

#[test]
fn what_a_target_says_about_the_call_holds_for_its_whole_name() {
    // Another server of the same carrier would say it again; another route may not.
    for status in [500, 403, 480] {
        let mut w = named(&[address(1), address(2)]);
        let mut pbx = calling(&mut w);
        let mut first = w.callee(address(1));
        first.reply(&mut w, status, None);
        first.expect(&mut w, "ACK");
        assert!(w.take(address(2), None).is_none(), "{status}");
        let mut second = w.callee(CARRIER_2);
        answers(&mut w, &mut pbx, &mut second);
        w.finish();
    }
    let mut w = named(&[address(1), address(2)]);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(address(1));
    first.reply(&mut w, 486, None);
    first.expect(&mut w, "ACK");
    pbx.expect(&mut w, "486");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn all_targets_dead_is_a_dead_route() {
    let mut w = named(&[address(1), address(2)]);
    w.unreachable.extend([address(1), address(2)]);
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);

    w.unreachable.push(CARRIER_2);
    let mut pbx = calling(&mut w);
    pbx.expect(&mut w, "500");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_failed_target_is_tried_last_and_poisons_neither_its_neighbours_nor_later_calls() {
    let mut w = named(&[address(1), address(2)]);
    w.unreachable.push(address(1));
    tries_first(&mut w, address(2));
    assert_eq!(w.edge.statistics().target_failovers, 1);
    // The second call does not waste its time there, although the name still puts it first.
    tries_first(&mut w, address(2));
    assert_eq!(w.edge.statistics().target_failovers, 1);
    // The only one left is tried all the same, and is well again as soon as it answers.
    w.unreachable = vec![address(2)];
    tries_first(&mut w, address(1));
    w.unreachable.clear();
    tries_first(&mut w, address(1));
    let statistics = w.edge.statistics();
    assert_eq!((statistics.target_failures, statistics.target_recoveries), (2, 1));
    // And without any answer it is forgiven in half a minute.
    w.advance(Duration::from_secs(31));
    w.names.insert(NAME, vec![address(2), address(1)]);
    tries_first(&mut w, address(2));
    w.finish();
}

#[test]
fn a_late_answer_of_a_target_that_was_given_up_is_hung_up() {
    let mut w = named(&[address(1), address(2)]);
    let mut pbx = calling(&mut w);
    let mut first = w.callee(address(1));
    w.advance(Duration::from_secs(5));
    let mut second = w.callee(address(2));
    // The INVITE had been repeated; it is the CANCEL that could not be sent yet.
    while w.take(address(1), Some(&first.call_id)).is_some() {}
    let answer = first.sdp(41_000);
    first.reply(&mut w, 200, Some(&answer));
    first.expect(&mut w, "ACK");
    first.expect(&mut w, "BYE");
    first.ok(&mut w);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn a_target_s_transport_is_the_one_that_the_dns_chose() {
    let mut resources = directory();
    resources.carriers[0].host = directory::Host::parse(NAME).unwrap();
    resources.carriers[0].port = None;
    resources.carriers[0].choose_transport = true;
    let mut w = World::with(config(), resources);
    let targets = [(CARRIER_TCP, TransportProtocol::Tcp), (CARRIER, TransportProtocol::Udp)];
    w.servers.insert(NAME, targets.map(|(at, over)| Target::literal(at, over)).into());
    let mut pbx = calling(&mut w);
    let asked = &w.asked[0];
    assert_eq!((&*asked.host, asked.port, asked.transport), (NAME, None, None));
    let mut first = w.callee(CARRIER_TCP);
    let invite = first.invited.clone().unwrap();
    assert_eq!(invite.top_via().unwrap().protocol, "TCP");
    assert!(invite.request_uri().unwrap().ends_with(";transport=tcp"));
    first.transport = "TCP";
    first.reply(&mut w, 503, None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER);
    assert_eq!(second.invited.clone().unwrap().top_via().unwrap().protocol, "UDP");
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn an_address_of_ours_is_passed_over_and_refused_when_it_is_the_only_one() {
    let mut w = named(&[EDGE, address(2)]);
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(address(2));
    answers(&mut w, &mut pbx, &mut pstn);
    let mut w = named(&[EDGE]);
    let mut pbx = calling(&mut w);
    pbx.expect(&mut w, "482");
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn a_named_next_hop_is_resolved_for_requests_inside_the_dialog() {
    let mut w = World::new();
    let (proxy, inner) = (address(77), SocketAddr::from(([192, 0, 2, 88], 5066)));
    w.names.insert("proxy.carrier.example", vec![proxy]);
    w.names.insert("pbx.customer.example", vec![inner]);
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.contact = "sip:line@pbx.customer.example:5066".to_owned();
    let offer = pbx.sdp(30_000);
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    pstn.record_routes = vec!["<sip:proxy.carrier.example;lr>".to_owned()];
    pstn.reply(&mut w, 180, None);
    pbx.expect(&mut w, "180");
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    // The name was asked for when the 180 brought it, so the ACK needs not wait for it.
    pstn.at = proxy;
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.at = inner;
    w.command(|edge, now| edge.end_all(now));
    for ua in [&mut pbx, &mut pstn] {
        ua.expect(&mut w, "BYE");
        ua.ok(&mut w);
    }
    let asked: Vec<_> = w.asked.iter().map(|wanted| (&*wanted.host, wanted.port)).collect();
    assert_eq!(
        asked,
        [("pbx.customer.example", Some(5066)), ("proxy.carrier.example", None)],
        "each once"
    );
    w.finish();
}

#[test]
fn a_next_hop_that_is_resolved_late_or_never() {
    for found in [true, false] {
        let mut w = World::new();
        let mut pbx = calling(&mut w);
        let mut pstn = w.callee(CARRIER);
        pstn.contact = "sip:gw@gateway.carrier.example".to_owned();
        let answer = pstn.sdp(40_000);
        pstn.answer(&mut w, &mut pbx, &answer);
        let gateway = address(99);
        w.answer_question(if found { std::slice::from_ref(&gateway) } else { &[] });
        if found {
            // Had the ACK gone astray, the copy of the 2xx would bring it to the right place.
            pstn.reply(&mut w, 200, Some(&answer));
            pstn.at = gateway;
            pstn.expect(&mut w, "ACK");
        }
        pbx.bye(&mut w);
        pbx.expect(&mut w, "200");
        pstn.expect(&mut w, "BYE");
        pstn.ok(&mut w);
        assert_eq!(w.asked.len(), 1, "not asked with every message");
        w.finish();
    }
}

#[test]
fn a_name_whose_servers_are_all_silent_holds_the_call_for_a_bounded_time() {
    // Of six servers four are tried, five seconds each but within fifteen.
    let servers: Vec<_> = (1..=6).map(address).collect();
    let mut w = named(&servers);
    let mut pbx = calling(&mut w);
    w.advance(Duration::from_millis(15_100));
    for (server, tried) in [(1, true), (2, true), (3, true), (4, false), (5, false)] {
        assert_eq!(w.take(address(server), None).is_some(), tried, "{server}");
    }
    let mut second = w.callee(CARRIER_2);
    answers(&mut w, &mut pbx, &mut second);
    w.finish();
}

#[test]
fn no_more_servers_of_a_name_are_tried_than_the_settings_allow() {
    let servers: Vec<_> = (1..=6).map(address).collect();
    let mut w = named(&servers);
    w.unreachable.extend(&servers);
    let mut pbx = calling(&mut w);
    let mut second = w.callee(CARRIER_2);
    assert_eq!(w.edge.statistics().target_failures, 4);
    answers(&mut w, &mut pbx, &mut second);
    // The next call that takes this route begins with those that have not failed.
    w.unreachable = vec![CARRIER_2];
    tries_first(&mut w, address(5));
    w.finish();
}

#[test]
fn requests_inside_a_dialog_go_on_to_the_next_server_of_a_named_next_hop() {
    let mut w = World::new();
    let (dead, refusing, alive) = (address(71), address(72), address(73));
    w.names.insert("proxy.carrier.example", vec![dead, refusing, alive]);
    w.unreachable.extend([dead, refusing]);
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.record_routes = vec!["<sip:proxy.carrier.example;lr>".to_owned()];
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    // A re-INVITE keeps its number, so that its answer and its ACK are those of the first one.
    pstn.at = alive;
    let hold = pbx.sdp_with(30_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    let invite = pstn.expect(&mut w, "INVITE");
    assert_eq!(invite.cseq().unwrap().number, 2);
    let held = pstn.sdp_with(40_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &held);
    assert_eq!(w.edge.statistics().target_failovers, 2);
    // The next request begins where the last one got through.
    pbx.hang_up(&mut w, &mut pstn);
    assert_eq!(w.edge.statistics().target_failovers, 2);
    w.finish();
}

#[test]
fn a_next_hop_without_a_server_that_can_be_reached_ends_the_call_as_before() {
    let mut w = World::new();
    w.names.insert("proxy.carrier.example", vec![address(71), address(72)]);
    w.unreachable.extend([address(71), address(72)]);
    let mut pbx = calling(&mut w);
    let mut pstn = w.callee(CARRIER);
    pstn.record_routes = vec!["<sip:proxy.carrier.example;lr>".to_owned()];
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pbx.expect(&mut w, "200");
    pbx.ack(&mut w, None);
    pbx.bye(&mut w);
    pbx.expect(&mut w, "200");
    w.finish();
}

use proptest::prelude::*;

use super::*;

/// One thing that the network or the core does.
#[derive(Clone, Debug)]
enum Blow {
    Send { method: usize, tcp: bool },
    Reply { nth: usize, status: usize, method: usize, tcp: bool },
    Request { method: usize, branch: u8, cseq: u32, to_tag: bool, tcp: bool },
    Respond { nth: usize, status: usize },
    Cancel { nth: usize },
    Unreachable { nth: usize },
    Close,
    Wait { millis: u64 },
}

const METHODS: [&str; 6] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "CHAT"];
const STATUSES: [u16; 6] = [100, 180, 200, 202, 487, 603];

fn blows() -> impl Strategy<Value = Vec<Blow>> {
    let any_nth = any::<usize>;
    let blow = prop_oneof![
        (0..6_usize, any::<bool>()).prop_map(|(method, tcp)| Blow::Send { method, tcp }),
        (any_nth(), 0..6_usize, 0..6_usize, any::<bool>())
            .prop_map(|(nth, status, method, tcp)| Blow::Reply { nth, status, method, tcp }),
        (0..6_usize, 0..4_u8, 1..4_u32, any::<bool>(), any::<bool>()).prop_map(
            |(method, branch, cseq, to_tag, tcp)| Blow::Request {
                method,
                branch,
                cseq,
                to_tag,
                tcp
            }
        ),
        (any_nth(), 0..6_usize).prop_map(|(nth, status)| Blow::Respond { nth, status }),
        any_nth().prop_map(|nth| Blow::Cancel { nth }),
        any_nth().prop_map(|nth| Blow::Unreachable { nth }),
        Just(Blow::Close),
        (0..40_000_u64).prop_map(|millis| Blow::Wait { millis }),
    ];
    proptest::collection::vec(blow, 1..120)
}

fn transport(tcp: bool) -> TransportProtocol {
    if tcp { TCP } else { UDP }
}

fn pick<T: Clone>(from: &[T], nth: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[nth % from.len()].clone())
}

proptest! {
    #[test]
    fn no_transaction_outlives_its_timers(blows in blows()) {
        let mut f = Fixture::new();
        let mut clients: Vec<(ClientKey, String)> = Vec::new();
        for blow in blows {
            let servers = requests(&f);
            match blow {
                Blow::Send { method, tcp } => clients.push(f.send(transport(tcp), METHODS[method])),
                Blow::Reply { nth, status, method, tcp } => {
                    if let Some((_, branch)) = pick(&clients, nth) {
                        f.reply(transport(tcp), &branch, STATUSES[status], METHODS[method]);
                    }
                }
                Blow::Request { method, branch, cseq, to_tag, tcp } => {
                    let via = format!("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{branch}");
                    let to_tag = if to_tag { "core" } else { "" };
                    f.input(transport(tcp), request_with(METHODS[method], &via, to_tag, cseq));
                }
                Blow::Respond { nth, status } => {
                    if let Some(key) = pick(&servers, nth) {
                        answer(&mut f, key, STATUSES[status]);
                    }
                }
                Blow::Cancel { nth } => {
                    if let Some((key, _)) = pick(&clients, nth) {
                        let _ = f.cancel(key);
                    }
                }
                Blow::Unreachable { nth } => {
                    if let Some((key, _)) = pick(&clients, nth) {
                        f.endpoint.handle_unreachable(f.now, key);
                        f.drain();
                    }
                }
                Blow::Close => {
                    f.endpoint.handle_connection_closed(f.now, ConnectionId(7));
                    f.drain();
                }
                Blow::Wait { millis } => f.run_for(Duration::from_millis(millis)),
            }
        }
        // The core does its part: it answers every call and cancels what still rings.
        for key in requests(&f) {
            answer(&mut f, key, 487);
        }
        for (key, _) in &clients {
            let _ = f.cancel(*key);
        }
        f.run_for(Duration::from_secs(200));
        prop_assert_eq!(f.endpoint.len(), (0, 0));
        prop_assert_eq!(f.endpoint.poll_timeout(), None);
        prop_assert!(f.endpoint.servers_by_key.is_empty());
        prop_assert!(f.endpoint.servers_by_origin.is_empty());
        prop_assert!(f.endpoint.clients_by_key.is_empty());
        prop_assert!(f.endpoint.by_connection.is_empty());
        for (key, _) in clients {
            let done = f.events.iter().filter(
                |event| matches!(event, TransactionEvent::ClientDone { key: k } if *k == key),
            );
            prop_assert_eq!(done.count(), 1);
        }
    }
}

fn requests(f: &Fixture) -> Vec<ServerKey> {
    f.events
        .iter()
        .filter_map(|event| match event {
            TransactionEvent::Request { key, .. } => Some(*key),
            _ => None,
        })
        .collect()
}

fn answer(f: &mut Fixture, key: ServerKey, status: u16) {
    let Some(request) = f.endpoint.request_of(key).cloned() else { return };
    let response = Composer::response_to(&request, status, "Status", Some("core")).finish();
    f.endpoint.respond(f.now, key, status, response).unwrap();
    f.drain();
}

//! What many numbers cost. `api-bench FOLDER [NUMBERS [CONNECTORS [SECONDS]]]` fills a store in FOLDER
//! and measures a start with it, the API's reads and writes, in process and signed, with the journal on
//! FOLDER's disk; and a call's lookup of a number beside the same with ten numbers.
//! `api-bench lookups NUMBERS TIMES` does nothing but lookups, to be counted by callgrind.
//! `api-bench node TANDEM FOLDER [NUMBERS [CONNECTORS [SECONDS [CONNECTIONS [PEER]]]]]` starts the
//! binary TANDEM with such a store and asks it over HTTP; PEER is the address of a moto server.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod http;
mod node;
mod process;
mod signer;

use control_api::{Api, Ids, Request, Settings};
use directory::{NumberEntry, NumberOwner, NumberTable, Resources, Snapshot, VoiceConnector};
use model::{UnixTime, VoiceConnectorId};
use node::{KEY, Node, SECRET, connector_id, e164};
use signer::Signer;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

/// [`signer::TIME`].
const NOW: UnixTime = UnixTime::from_millis(1_767_323_045_000);
const IDS: Ids<'static> = Ids { request: "request", event: "event" };
/// Lookups of one round, and rounds of each size, which take turns.
const LOOKUPS: usize = 200_000;
const ROUNDS: usize = 7;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| fail("say a folder for the store"));
    if first == "node" {
        over_http(&arguments.collect::<Vec<_>>());
        return;
    }
    let mut number = |default: usize| number(arguments.next().as_deref(), default);
    if first == "lookups" {
        let (numbers, times) = (number(100_000), number(1_000));
        lookups(&routed(numbers), numbers, times);
        return;
    }
    let (numbers, connectors, seconds) = (number(100_000), number(1_000), number(3));
    let folder = Path::new(&first);
    node::fill(folder, connectors, numbers);
    println!("{numbers} numbers, {connectors} voice connectors");
    let begin = Instant::now();
    let (mut node, state) = Node::start(folder);
    println!("start: {:.0} ms", begin.elapsed().as_secs_f64() * 1e3);
    assert_eq!(node.snapshot().numbers().len(), numbers);
    let mut api = Api::new(
        Settings {
            region: "us-east-1".to_owned(),
            account_id: "111122223333".to_owned(),
            cdr_bucket: None,
            requests_per_second: u32::MAX,
            token_key: [7; 32],
        },
        state,
    );
    let limit = Duration::from_secs(seconds as u64);
    for (name, ask) in asks(connectors, numbers) {
        rate(&mut api, &mut node, limit, name, &*ask);
    }
    compare(numbers);
}

fn number(text: Option<&str>, default: usize) -> usize {
    text.map_or(default, |text| {
        text.parse().unwrap_or_else(|_| fail(&format!("no number: {text}")))
    })
}

fn over_http(arguments: &[String]) {
    let [tandem, folder, more @ ..] = arguments else { fail("say TANDEM and FOLDER") };
    let at = |n: usize, default| number(more.get(n).map(String::as_str), default);
    let peer = more
        .get(4)
        .map(|text| text.parse().unwrap_or_else(|_| fail(&format!("no address and port: {text}"))));
    let (numbers, connectors) = (at(0, 100_000), at(1, 1_000));
    let wanted = process::Wanted {
        tandem: tandem.into(),
        folder: folder.into(),
        numbers,
        connectors,
        limit: Duration::from_secs(at(2, 3) as u64),
        connections: at(3, 4),
        peer,
    };
    process::measure(&wanted, asks(connectors, numbers));
}

/// A request: method, path, query, body.
pub(crate) type Ask = (&'static str, String, String, String);

/// The n-th request of a kind.
pub(crate) type Asks = Box<dyn Fn(usize) -> Ask + Sync>;

/// What is asked, the n-th time.
fn asks(connectors: usize, numbers: usize) -> Vec<(&'static str, Asks)> {
    let spread = move |n: usize| n.wrapping_mul(7_919) % numbers;
    let quoted = |n: usize| e164(n).replace('+', "%2B");
    vec![
        (
            "GetPhoneNumber",
            Box::new(move |n| {
                (
                    "GET",
                    format!("/phone-numbers/{}", quoted(spread(n))),
                    String::new(),
                    String::new(),
                )
            }),
        ),
        (
            "ListPhoneNumbers, 100 of all",
            Box::new(|_| ("GET", "/phone-numbers".to_owned(), String::new(), String::new())),
        ),
        (
            "ListPhoneNumbers, a connector's",
            Box::new(move |n| {
                let id = connector_id(n % connectors);
                let query = format!("filter-name=VoiceConnectorId&filter-value={id}");
                ("GET", "/phone-numbers".to_owned(), query, String::new())
            }),
        ),
        (
            "GetVoiceConnector",
            Box::new(move |n| {
                let path = format!("/voice-connectors/{}", connector_id(n % connectors));
                ("GET", path, String::new(), String::new())
            }),
        ),
        (
            "AssociatePhoneNumbers, one",
            Box::new(move |n| {
                let path = format!("/voice-connectors/{}", connector_id(n * 31 % connectors));
                let number = e164(spread(n));
                let body =
                    format!("{{\"E164PhoneNumbers\":[\"{number}\"],\"ForceAssociate\":true}}");
                ("POST", path, "operation=associate-phone-numbers".to_owned(), body)
            }),
        ),
        (
            "PutVoiceConnectorOrigination",
            Box::new(move |n| {
                let path =
                    format!("/voice-connectors/{}/origination", connector_id(n % connectors));
                let body = "{\"Origination\":{\"Disabled\":false,\"Routes\":[{\"Host\":\"192.0.2.9\",\
                        \"Port\":5060,\"Protocol\":\"UDP\",\"Priority\":1,\"Weight\":1}]}}";
                ("PUT", path, String::new(), body.to_owned())
            }),
        ),
        (
            "CreateVoiceConnector",
            Box::new(|n| {
                let body = format!("{{\"Name\":\"one more {n}\",\"RequireEncryption\":false}}");
                ("POST", "/voice-connectors".to_owned(), String::new(), body)
            }),
        ),
        (
            "CreateVoiceConnectorGroup",
            Box::new(|n| {
                let body = format!("{{\"Name\":\"group {n}\",\"VoiceConnectorItems\":[]}}");
                ("POST", "/voice-connector-groups".to_owned(), String::new(), body)
            }),
        ),
    ]
}

fn rate(api: &mut Api, node: &mut Node, limit: Duration, name: &str, ask: &dyn Fn(usize) -> Ask) {
    let signer = Signer::new((KEY, SECRET), signer::TIME, "chime", "tandem");
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed() < limit {
        let (method, path, query, body) = ask(done);
        let headers = signer.headers(method, &path, &query, body.as_bytes());
        let request = Request {
            method,
            path: &path,
            query: &query,
            headers: &headers,
            body: body.as_bytes(),
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let answer = api.handle(NOW, IDS, &request, node);
        if !(200..300).contains(&answer.status) {
            fail(&String::from_utf8_lossy(&answer.body));
        }
        done += 1;
    }
    let each = begin.elapsed().as_secs_f64() / done as f64;
    println!("{name:34}{:>10.0} a second{:>10.0} µs", 1.0 / each, each * 1e6);
}

/// One voice connector with so many numbers.
fn routed(numbers: usize) -> Snapshot {
    let Ok(id) = VoiceConnectorId::new(&connector_id(0)) else { fail("a valid id") };
    let mut table = NumberTable::default();
    for n in 0..numbers {
        let owner = NumberOwner::Connector(id.clone());
        table.set(&e164(n), Some(NumberEntry { owner, calling_name: None }));
    }
    let voice_connectors = vec![VoiceConnector::new(id)];
    let domain = "tandem.test".to_owned();
    let resources = Resources { domain, voice_connectors, numbers: table, ..Resources::default() };
    Snapshot::build(resources).unwrap_or_else(|problems| fail(&format!("{problems:?}")))
}

fn lookups(snapshot: &Snapshot, numbers: usize, times: usize) {
    // Prepared, so that only lookups are measured.
    let asked: Vec<String> = (0..1_024).map(|n| e164(n * 7_919 % numbers)).collect();
    look_up(snapshot, &asked, times);
}

#[inline(never)]
fn look_up(snapshot: &Snapshot, asked: &[String], times: usize) {
    for e164 in asked.iter().cycle().take(times) {
        if black_box(snapshot.voice_connectors_by_number(e164)).is_empty() {
            fail("a number leads nowhere");
        }
    }
}

fn compare(numbers: usize) {
    let few = routed(10);
    let many = routed(numbers);
    let asked = |numbers: usize| -> Vec<String> {
        (0..100_000).map(|n| e164(n * 7_919 % numbers)).collect()
    };
    let (of_few, of_many) = (asked(10), asked(numbers));
    let mut best = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (best, snapshot, asked) in
            best.iter_mut().zip([(&few, &of_few), (&many, &of_many)]).map(|(b, (s, a))| (b, s, a))
        {
            let begin = Instant::now();
            look_up(snapshot, asked, LOOKUPS);
            *best = best.min(begin.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64);
        }
    }
    let [few, many] = best;
    println!(
        "a call's lookup: {few:.0} ns with 10 numbers, {many:.0} ns with {numbers}, all of them \
              asked for in turn: {:.2} times",
        many / few
    );
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    std::process::exit(1)
}

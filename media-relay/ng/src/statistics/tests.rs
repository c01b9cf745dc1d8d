use super::*;
use std::net::SocketAddr;

fn proxy(last: u8) -> Asker {
    Asker::Udp { listener: 0, from: SocketAddr::from(([192, 0, 2, last], 5_060)) }
}

fn named(command: &str) -> Dictionary {
    let mut request = Dictionary::new();
    request.set("command", command);
    request
}

fn number(dictionary: &Dictionary, name: &str) -> i64 {
    let value = dictionary.get(name).unwrap_or_else(|| panic!("{name} in {dictionary:?}"));
    value.integer().unwrap()
}

fn text(dictionary: &Dictionary, name: &str) -> String {
    String::from_utf8(dictionary.get(name).unwrap().text().unwrap().to_vec()).unwrap()
}

#[test]
fn requests_are_counted_by_command_and_proxy() {
    let mut totals = Totals::default();
    for command in ["offer", "start recording", "start-recording", "play_DTMF", "none"] {
        totals.note_request(Instant::ZERO, proxy(1), &named(command));
    }
    totals.note_request(Instant::ZERO, Asker::Tcp(7), &named("offer"));
    totals.note_error(proxy(1));
    let told = totals.control();
    assert_eq!(number(&told, "totaloffercount"), 2);
    assert_eq!(number(&told, "totalstartreccount"), 2);
    assert_eq!(number(&told, "totalplaydtmfcount"), 1);
    assert_eq!(number(&told, "totalerrorcount"), 1);
    let proxies = told.get("proxies").unwrap().list().unwrap();
    let [proxy] = proxies else { panic!("{proxies:?}") };
    let proxy = proxy.dictionary().unwrap();
    assert_eq!(text(proxy, "proxy"), "192.0.2.1");
    assert_eq!((number(proxy, "offercount"), number(proxy, "errorcount")), (1, 1));
}

#[test]
fn proxies_are_bounded() {
    let mut totals = Totals::default();
    for last in 0..=u8::MAX {
        totals.note_request(Instant::ZERO, proxy(last), &named("ping"));
    }
    assert_eq!(totals.proxies.len(), MAX_PROXIES);
    assert_eq!(number(&totals.control(), "totalpingcount"), 256);
}

#[test]
fn rates_are_those_of_the_last_second() {
    let mut totals = Totals::default();
    let relayed = |packets| Relayed { packets, octets: packets * 200, ..Relayed::default() };
    totals.note_relayed(Instant::from_millis(1_000), relayed(50));
    assert_eq!(number(&totals.current(1), "packetrate"), 0, "there is nothing to compare with");
    totals.note_relayed(Instant::from_millis(2_000), relayed(150));
    // Asked in between, it says the same.
    totals.note_relayed(Instant::from_millis(2_499), relayed(900));
    let told = totals.current(1);
    assert_eq!((number(&told, "packetrate"), number(&told, "byterate")), (100, 20_000));
    totals.note_relayed(Instant::from_millis(4_000), relayed(350));
    assert_eq!(number(&totals.current(1), "packetrate"), 100);
}

#[test]
fn means_and_deviations_are_those_of_their_definition() {
    let mut totals = Totals::default();
    assert_eq!(text(&totals.mos(), "mos_average"), "0.000000");
    for mos in [4.0, 3.0, 2.0] {
        totals.note_score(Mos::new(mos));
    }
    let told = totals.mos();
    assert_eq!(number(&told, "mos_samples_total"), 3);
    assert_eq!(
        (&*text(&told, "mos_total"), &*text(&told, "mos_average")),
        ("9.000000", "3.000000")
    );
    assert_eq!(text(&told, "mos_stddev"), "0.816497");
}

#[test]
fn timeouts_are_told_apart() {
    let mut totals = Totals::default();
    for timeout in [Timeout::Media, Timeout::Hold, Timeout::Hold, Timeout::Offer] {
        totals.note_timeout(timeout);
    }
    let told = totals.total(Instant::from_millis(5_000));
    let named = ["timeoutsessions", "silenttimeoutsessions", "offertimeoutsessions"];
    assert_eq!(named.map(|name| number(&told, name)), [1, 2, 1]);
    assert_eq!(text(&told, "uptime"), "5");
}

#[test]
fn ports_that_rest_are_used_and_chains_have_the_rates_of_the_last_second() {
    let interface = InterfacePorts {
        address: [192, 0, 2, 1].into(),
        range: (20_000, 20_999),
        all: 1_000,
        free: 996,
    };
    let mut totals = Totals { interfaces: vec![interface], ..Totals::default() };
    let told = totals.interfaces();
    let [interface] = &told[..] else { panic!("{told:?}") };
    let interface = interface.dictionary().unwrap();
    assert_eq!(text(interface, "address"), "192.0.2.1");
    let ports = interface.get("ports").unwrap().dictionary().unwrap();
    let numbers = ["min", "max", "used", "free", "totals"].map(|name| number(ports, name));
    assert_eq!((numbers, &*text(ports, "used_pct")), ([20_000, 20_999, 4, 996, 1_000], "0.40"));

    let chain = |packets| TranscodedChain {
        from: "PCMU/8000",
        to: "PCMA/8000",
        directions: 2,
        packets,
        octets: packets * 160,
    };
    for (millis, packets) in [(1_000, 50), (2_000, 150), (2_100, 170)] {
        totals.note_chains(Instant::from_millis(millis), &[chain(packets)]);
    }
    let told = totals.transcoders();
    let [told] = &told[..] else { panic!("{told:?}") };
    let told = told.dictionary().unwrap();
    assert_eq!(text(told, "chain"), "PCMU/8000 -> PCMA/8000");
    let names = ["num", "packetrate", "byterate", "packets", "bytes"];
    assert_eq!(names.map(|name| number(told, name)), [2, 100, 16_000, 150, 24_000]);
    totals.note_chains(Instant::from_millis(3_000), &[chain(150)]);
    let told = totals.transcoders();
    assert!(told[0].dictionary().unwrap().get("packetrate").is_none(), "nothing came");
}

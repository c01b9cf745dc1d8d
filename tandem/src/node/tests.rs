//! How a node stops.

use super::*;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::thread;

fn configured(data_dir: &Path) -> Config {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "[node]\nname = \"edge-t\"\ndata_dir = \"{}\"\n[sip]\ndomain = \"example.com\"\n\
         udp = \"{free}\"\n",
        data_dir.display()
    );
    Config::parse(&text, "t.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

#[expect(clippy::disallowed_methods, reason = "who reads the page is to be slow")]
fn take_long(span: Duration) {
    thread::sleep(span);
}

/// The page is read by a thread that holds the edge and the media meanwhile.
#[test]
fn a_node_that_stops_while_its_page_is_read_stops_whole() {
    let directory = std::env::temp_dir().join(format!("tandem-node-{}", std::process::id()));
    let node = Node::start(configured(&directory), Origin::now(), Role::All).unwrap();
    let [(TransportProtocol::Udp, address)] = *node.addresses() else { panic!("one address") };
    assert!(UdpSocket::bind(address).is_err(), "the edge has it");
    let (edge, media) = (Arc::clone(&node.edge), Arc::clone(&node.media));
    let readiness = node.readiness();
    let page = thread::spawn(move || {
        while readiness.lacking().iter().all(|lack| *lack != readiness::Lack::draining()) {
            take_long(Duration::from_millis(1));
        }
        let statistics = edge.statistics();
        take_long(Duration::from_millis(300));
        drop((edge, media));
        statistics
    });
    node.stop();
    UdpSocket::bind(address).expect("the edge has stopped before the node says that it has");
    page.join().unwrap();
    fs::remove_dir_all(directory).unwrap();
}

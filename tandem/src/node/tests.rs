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

/// Holds `what` for a while from when the node stops on, as the reading of a page does.
fn hold<T: Send + Sync + 'static>(node: &Node, what: Arc<T>) -> thread::JoinHandle<()> {
    let readiness = node.readiness();
    thread::spawn(move || {
        while readiness.lacking().iter().all(|lack| *lack != readiness::Lack::draining()) {
            take_long(Duration::from_millis(1));
        }
        take_long(Duration::from_millis(300));
        drop(what);
    })
}

/// Whichever of both the page holds. The edge holds the media itself, so that waiting for the media is
/// waiting for both.
#[test]
fn a_node_that_stops_while_its_page_is_read_stops_whole() {
    for holds_edge in [true, false] {
        let name = format!("tandem-node-{}-{holds_edge}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let node = Node::start(configured(&directory), Origin::now(), Role::All).unwrap();
        let [(TransportProtocol::Udp, address)] = *node.addresses() else { panic!("one address") };
        assert!(UdpSocket::bind(address).is_err(), "the edge has it");
        let (edge, media) = (Arc::downgrade(&node.edge), Arc::downgrade(&node.media));
        let page = match holds_edge {
            true => hold(&node, Arc::clone(&node.edge)),
            false => hold(&node, Arc::clone(&node.media)),
        };
        node.stop();
        assert_eq!((edge.strong_count(), media.strong_count()), (0, 0), "edge, media");
        UdpSocket::bind(address).expect("the edge has stopped before the node says that it has");
        page.join().unwrap();
        fs::remove_dir_all(directory).unwrap();
    }
}

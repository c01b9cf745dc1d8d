//! How a node stops.

use super::*;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::thread;

fn configured(data_dir: &Path) -> Config {
    configured_with(data_dir, "")
}

fn configured_with(data_dir: &Path, more: &str) -> Config {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "[node]\nname = \"edge-t\"\ndata_dir = \"{}\"\n[sip]\ndomain = \"example.com\"\n\
         udp = \"{free}\"\n{more}",
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

#[test]
fn what_is_done_last_finds_the_calls_over_and_the_rooms_there() {
    let directory = std::env::temp_dir().join(format!("tandem-node-{}-last", std::process::id()));
    let node = Node::start(configured(&directory), Origin::now(), Role::All).unwrap();
    let (edge, rooms) = (Arc::downgrade(&node.edge), node.rooms());
    let mut found = None;
    node.stop_after(|drained| {
        found = Some((drained.ended_by_force, edge.strong_count(), rooms.held()));
    });
    assert_eq!(found, Some((0, 0, Some(Vec::new()))));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_that_wants_no_rooms_any_more_leaves_the_meetings_until_the_restart() {
    let directory = std::env::temp_dir().join(format!("tandem-node-{}-rooms", std::process::id()));
    let rooms = "[rooms]\nallow_plain = [\"127.0.0.1/32\"]\n[[rooms.meeting]]\nname = \"Board\"\n\
        attendee_id = \"4081234567\"\nmoderator_id = \"7035550123456\"\n";
    let config = configured_with(&directory, rooms);
    let mut node = Node::start(config, Origin::now(), Role::All).unwrap();
    let without = configured_with(&directory, "[rooms]\nenabled = false\n");
    let restart = node.reload(without).unwrap();
    assert!(restart.contains(&"[rooms]"), "{restart:?}");
    assert_eq!(node.directory().meetings().file_since(0), None, "nobody is told of another file");
    node.stop();
    fs::remove_dir_all(directory).unwrap();
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

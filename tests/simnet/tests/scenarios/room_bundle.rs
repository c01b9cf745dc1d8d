//! Browsers in the meeting rooms whose lines share one transport (BUNDLE, RFC 9143): what is answered, what the
//! relay is told, and what a call keeps of it.

use crate::room_pictures::{ALL, change, join, leave, open, sit};
use crate::steered::news;
use directory::{Resources, Rooms};
use model::{ApplicationNews, Fingerprint, MediaId};
use simnet::{STRANGER, Ua, World, config, directory};

const URI: &str = "sip:4081234567@meet.tandem.example";
const THEIRS: &str = "sha-256 5A:0C:11:9E:43:7B:2F:D6:88:91:C4:0E:72:AA:3D:5F:\
                      19:E8:B7:60:24:CD:93:01:7E:48:F5:6B:D2:8C:3A:99";
const OURS: &str = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:\
                    18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";

fn world() -> World {
    let mut config = config();
    config.dtls_fingerprint = Fingerprint::parse(OURS);
    let rooms = Some(Rooms::new("tandem.example"));
    World::with(config, Resources { rooms, ..directory() })
}

fn browser(w: &mut World) -> Ua {
    w.connect_web(STRANGER);
    let mut browser = w.caller(STRANGER, "4081234567");
    browser.transport = "WSS";
    browser.call_uri(URI);
    browser
}

/// Sound, and a line of pictures for each of `pictures`: its port and what is said of it.
fn offer(version: u32, group: &str, pictures: &[(u16, &str)]) -> String {
    let transport = format!(
        "c=IN IP4 192.0.2.99\r\na=rtcp-mux\r\na=fingerprint:{THEIRS}\r\na=setup:actpass\r\n\
         a=ice-ufrag:h3Fs\r\na=ice-pwd:Jk8ux0pM2Yk3c9b6Zq1VtR5n\r\n\
         a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    );
    let mut text = format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{group}\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{transport}a=rtpmap:111 opus/48000/2\r\na=mid:0\r\n"
    );
    for (at, (port, rest)) in pictures.iter().enumerate() {
        text += &format!(
            "m=video {port} UDP/TLS/RTP/SAVPF 96\r\n{transport}a=rtpmap:96 VP8/90000\r\n\
             a=mid:{}\r\n{rest}",
            at + 1
        );
    }
    text
}

fn group(answer: &str) -> Option<&str> {
    answer.lines().find_map(|line| line.strip_prefix("a=group:"))
}

fn ports(answer: &str) -> Vec<&str> {
    let lines = answer.lines().filter_map(|line| line.strip_prefix("m="));
    lines.filter_map(|line| line.split(' ').nth(1)).collect()
}

/// What the relay was told last of the main stream and of each other line: whose transport it has, and its mid.
fn told(w: &World, further: usize) -> Vec<Option<(MediaId, String, Option<u8>)>> {
    let plans = w.relay.plans.last().into_iter();
    let others = w.relay.further.iter().rev().take(further).rev().map(|(_, plan)| plan);
    plans
        .chain(others)
        .map(|plan| {
            let line = plan.bundled.as_deref()?;
            Some((line.on, line.mid.to_string(), line.mid_extension))
        })
        .collect()
}

/// What the rooms are told of a call's lines.
fn pictures(camera: bool, slides: bool) -> ApplicationNews {
    ApplicationNews::Pictures { camera, slides }
}

#[test]
fn a_browser_has_one_port_for_all_of_its_lines() {
    let mut w = world();
    let mut browser = browser(&mut w);
    let both = "a=group:BUNDLE 0 1\r\n";
    let (call, answer, _) = join(&mut w, &mut browser, &offer(1, both, &[(9, "")]));
    assert_eq!(group(&answer), Some("BUNDLE 0 1"), "{answer}");
    let found = ports(&answer);
    assert_eq!(found[0], found[1], "{answer}");
    assert_eq!(answer.matches("a=candidate").count(), 1, "{answer}");
    let before = told(&w, 1);
    let main = before[0].clone().unwrap().0;
    assert_eq!(before[0], Some((main, "0".to_owned(), Some(4))));
    assert_eq!(before[1], Some((main, "1".to_owned(), Some(4))));
    assert_eq!(
        w.relay.further.last().unwrap().1.legs[0].security,
        w.relay.plans[0].legs[0].security
    );
    sit(&mut w, call, 2, ALL);
    // A screen is shared: another line, at the same port.
    let all = "a=group:BUNDLE 0 1 2\r\n";
    let slides = (0, "a=bundle-only\r\na=content:slides\r\n");
    let answer = change(&mut w, &mut browser, &offer(2, all, &[(9, ""), slides]));
    assert_eq!(group(&answer), Some("BUNDLE 0 1 2"), "{answer}");
    assert_eq!(ports(&answer), [found[0]; 3], "{answer}");
    assert_eq!(told(&w, 2)[2], Some((main, "2".to_owned(), Some(4))));
    assert_eq!(w.relay.shown.len(), 2);
    // The camera's line goes, and its ports with it.
    let answer = change(&mut w, &mut browser, &offer(3, all, &[(0, ""), slides]));
    assert_eq!(group(&answer), Some("BUNDLE 0 2"), "{answer}");
    assert_eq!(ports(&answer), [found[0], "0", found[0]], "{answer}");
    assert_eq!(w.relay.open(), 2);
    // Without the group nobody shares anything, and what came that way does not.
    let answer =
        change(&mut w, &mut browser, &offer(4, "", &[(0, ""), (9, "a=content:slides\r\n")]));
    assert_eq!((group(&answer), open(&answer)), (None, vec![true, false, false]), "{answer}");
    assert_eq!(told(&w, 0), [None]);
    assert_eq!(w.relay.open(), 1);
    assert_eq!(news(&mut w), [pictures(true, true), pictures(false, true), pictures(false, false)]);
    leave(w, &mut browser);
}

#[test]
fn sound_alone_is_answered_with_its_group_and_what_follows_joins_it() {
    let mut w = world();
    let mut browser = browser(&mut w);
    let (_, answer, _) = join(&mut w, &mut browser, &offer(1, "a=group:BUNDLE 0\r\n", &[]));
    assert_eq!(group(&answer), Some("BUNDLE 0"), "{answer}");
    let answer = change(&mut w, &mut browser, &offer(2, "a=group:BUNDLE 0 1\r\n", &[(9, "")]));
    assert_eq!(group(&answer), Some("BUNDLE 0 1"), "{answer}");
    assert!(told(&w, 1).iter().all(Option::is_some));
    assert_eq!(news(&mut w), [pictures(true, false)]);
    leave(w, &mut browser);
}

#[test]
fn lines_with_ports_of_their_own_keep_them_whatever_follows() {
    let mut w = world();
    let mut browser = browser(&mut w);
    let both = "a=group:BUNDLE 0 1\r\n";
    let (_, answer, _) = join(&mut w, &mut browser, &offer(1, both, &[(40_002, "")]));
    assert_eq!(group(&answer), None, "{answer}");
    let found = ports(&answer);
    assert_ne!(found[0], found[1], "{answer}");
    assert_eq!(answer.matches("a=candidate").count(), 2, "{answer}");
    assert_eq!(told(&w, 1), [None, None]);
    let all = "a=group:BUNDLE 0 1 2\r\n";
    let slides = (9, "a=content:slides\r\n");
    let answer = change(&mut w, &mut browser, &offer(2, all, &[(9, ""), slides]));
    assert_eq!((group(&answer), open(&answer)), (None, vec![true; 3]), "{answer}");
    assert_eq!(told(&w, 2), [None, None, None]);
    assert_eq!(news(&mut w), [pictures(true, true)]);
    leave(w, &mut browser);
}

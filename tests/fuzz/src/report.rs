//! `tandem report` over files of records and SIP logs that somebody else wrote, or a bad disk.

use crate::bounded;
use call_metrics::{CallRecord, DescriptionRecord};
use model::TransactionId;

/// A record of this call, and messages of it.
const SEED: &[u8] = include_bytes!("../corpus/report/call.jsonl");

/// The call that is looked for.
fn id() -> TransactionId {
    TransactionId::from_random(7)
}

/// The octets as a file of records and as a SIP log, in both of which a call is looked for. Where
/// its record is damaged, the log is read with a sound one.
///
/// # Panics
/// When a report has a command to a terminal, when a peer's text is markup in a page, when a capture
/// file does not hold together, or when a description is kept longer than it may be.
pub fn report(data: &[u8]) {
    let data = bounded(data);
    let found = call_metrics::call_record_in(data, id());
    let record = found.ok().flatten().unwrap_or_else(sound);
    let text = call_metrics::explain(&record);
    let is_command = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!text.contains(is_command), "a terminal is shown text");
    assert!(!call_metrics::because(&record).text.contains('\n'), "one sentence is one line");
    let page = call_metrics::explain_html(&record);
    assert!(!page.contains(is_command), "a browser is shown text");
    markup(&page);
    if let Ok(Some(capture)) = call_metrics::capture_from(data, &record) {
        packets(&capture);
    }
    if let Some(description) = DescriptionRecord::of_message(data) {
        assert!(description.codecs.len() <= 12 && description.others.len() <= 4);
    }
}

fn sound() -> CallRecord {
    let found = call_metrics::call_record_in(SEED, id()).ok().flatten();
    found.unwrap_or_else(|| panic!("the seed has a record"))
}

/// Elements that the page is made of.
const ELEMENTS: &[&str] = &[
    "html",
    "head",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "h3",
    "p",
    "span",
    "dl",
    "dt",
    "dd",
    "div",
    "figure",
    "figcaption",
    "svg",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "small",
    "ul",
    "li",
    "b",
    "i",
];
/// Those that have no end tag, or are closed where they stand.
const EMPTY: &[&str] = &["!doctype", "meta", "line", "polyline", "rect"];

/// Each element is one of ours, and closed in its turn.
fn markup(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("a tag without its end"));
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "closed out of turn"),
            None if ELEMENTS.contains(&name) => open.push(name),
            None => assert!(EMPTY.contains(&name), "<{tag}> is none of ours"),
        }
    }
    assert_eq!(open, Vec::<&str>::new(), "never closed");
}

/// A capture file of raw IP packets, each as long as it says.
fn packets(capture: &[u8]) {
    let mut rest = capture.get(24..).unwrap_or_else(|| panic!("a capture without its header"));
    while !rest.is_empty() {
        let word = |at: usize| {
            let octets = rest.get(at..at + 4).and_then(|octets| octets.try_into().ok());
            octets.map_or_else(|| panic!("a packet without its header"), u32::from_le_bytes)
        };
        let (length, whole) = (word(8) as usize, word(12) as usize);
        assert_eq!(length, whole, "nothing is cut");
        let packet = rest.get(16..16 + length).unwrap_or_else(|| panic!("a packet is cut"));
        let of = |at: usize| {
            let octets = [0, 1].map(|next| packet.get(at + next).copied().unwrap_or_default());
            usize::from(u16::from_be_bytes(octets))
        };
        match packet.first().map(|first| first >> 4) {
            Some(4) => assert_eq!(of(2), length),
            Some(6) => assert_eq!(of(4) + 40, length),
            version => panic!("no version of IP: {version:?}"),
        }
        rest = rest.get(16 + length..).unwrap_or_default();
    }
}

/// The call with as many messages as a ladder has, and a record after one that is damaged.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut call = sound();
    if let Some(rung) = call.ladder.first().cloned() {
        call.ladder = vec![rung; 400];
        call.ladder_omitted = 9;
    }
    let mut many = serde_json::to_vec(&call).unwrap_or_default();
    many.push(b'\n');
    let start = SEED.get(..120).unwrap_or_default();
    let damaged = [start, b"\n", SEED].concat();
    let cut = SEED.get(..SEED.len() * 2 / 3).unwrap_or_default().to_vec();
    vec![("many", many), ("damaged", damaged), ("cut", cut)]
}

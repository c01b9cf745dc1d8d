//! SIP messages from which numbers are taken before they are logged.

use crate::bounded;
use call_metrics::{Bodies, KEY_LENGTH, MessagePrivacy, NumberKey, Numbers, masked};
use std::sync::Arc;

/// The digits that are planted, and how long a run of them tells whose they are.
const PLANTED: &str = "41555501234";
const RUN: usize = 5;

/// Whether there is a run of the planted digits. An input may have one of its own, where it stays: in a
/// Call-ID or a method.
fn has_run(octets: &[u8]) -> bool {
    let planted = PLANTED.as_bytes();
    octets.windows(RUN).any(|run| planted.windows(RUN).any(|part| part == run))
}

/// The octets as a message, with a number planted in a line behind them.
///
/// # Panics
/// When the number survives, or when a message that nothing is to be hidden in is changed.
pub fn privacy(data: &[u8]) {
    let data = bounded(data);
    let line = format!("\r\nP-Asserted-Identity: \"{PLANTED}\" <sip:+{PLANTED}@h;x={PLANTED}>\r\n");
    let message = [data, line.as_bytes()].concat();
    let has_it = has_run(data);
    let keys: Arc<[NumberKey]> = Arc::new([NumberKey::new([7; KEY_LENGTH])]);
    for numbers in [Numbers::Plain, Numbers::Masked { shown: 4 }, Numbers::Hashed(keys)] {
        for bodies in [Bodies::Kept, Bodies::Omitted, Bodies::SdpWithoutKeys] {
            let privacy = MessagePrivacy { numbers: numbers.clone(), bodies };
            let written = privacy.of_message(&message);
            if numbers == Numbers::Plain && bodies == Bodies::Kept {
                assert_eq!(written, masked(&message), "nothing is to be hidden");
            }
            if numbers != Numbers::Plain && !has_it {
                assert!(!has_run(&written), "a run of a number's digits survives");
            }
        }
        let text = String::from_utf8_lossy(data);
        let _ = (numbers.user(&text), numbers.start_line(&text), numbers.reason(&text));
        let _ = numbers.questions(&text);
    }
}

/// Messages whose numbers stand where a reader may lose its place.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let message = |line: &str| format!("INVITE sip:a@b SIP/2.0\r\n{line}\r\n\r\n").into_bytes();
    vec![
        ("quote_without_end", message(&format!("From: \"{}", "\\\"".repeat(20_000)))),
        ("brackets", message(&format!("To: {}", "<sip:".repeat(12_000)))),
        ("folded", message(&"Diversion: <sip:+1\r\n\t415\r\n 555@h>\r\n".repeat(1_000))),
        ("escapes", message(&format!("Contact: <sip:{}@h>", "%3".repeat(30_000)))),
    ]
}

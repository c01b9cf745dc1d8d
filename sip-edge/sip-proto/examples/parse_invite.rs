//! Parses a typical INVITE N times and reads every typed value, for instruction counts:
//! `valgrind --tool=callgrind target/release/examples/parse_invite 1000`, the same with 2000, and
//! the difference divided by 1000 is the cost of one. A second argument says how much is done:
//! `parse`, `typed` (the default) or `validate`.

use std::env;
use std::hint::black_box;

use bytes::Bytes;
use sip_proto::{Limits, Message, validate_request};

mod typical;

fn main() {
    let mut arguments = env::args().skip(1);
    let times: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1000);
    let work = arguments.next().unwrap_or_else(|| "typed".to_owned());
    let limits = Limits::default();
    let raw = typical::invite();
    let mut sum = 0_usize;
    for _ in 0..times {
        let Ok(message) = Message::parse(Bytes::clone(&raw), &limits) else { continue };
        let message = black_box(message);
        sum = sum.wrapping_add(match work.as_str() {
            "parse" => 1,
            "validate" => usize::from(validate_request(&message, &[]).is_ok()),
            _ => typical::read_all(&message),
        });
    }
    assert!(black_box(sum) > 0, "every parse failed");
}

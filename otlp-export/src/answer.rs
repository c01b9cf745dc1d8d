//! What the collector's answer means for the spans that were sent (OTLP 1.10, "OTLP/HTTP Response").

use crate::wire::Fields;
use std::time::Duration;

/// Octets of an answer that are looked at.
pub(crate) const MOST_BYTES: usize = 64 * 1_024;
/// Characters of a collector's text that are shown.
const CHARACTERS: usize = 200;

/// An HTTP answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// From `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of the spans of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The collector has them, but for those that it rejected.
    Taken(Refused),
    /// It may take them later.
    Later { reason: String, after: Option<Duration> },
    /// It never will.
    Never { reason: String },
}

/// A partial success.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Refused {
    /// Spans that were rejected.
    pub spans: u64,
    /// Why, or a warning when none were; empty without one.
    pub message: String,
}

/// The partial success of an ExportTraceServiceResponse. Octets that are none say nothing.
pub fn read_refused(body: &[u8]) -> Refused {
    let partial = Fields::new(body).octets(1).unwrap_or_default();
    // An int64 below 0 would be nonsense.
    let spans = Fields::new(partial).number(1).filter(|count| i64::try_from(*count).is_ok());
    let message = Fields::new(partial).octets(2).map(shown).unwrap_or_default();
    Refused { spans: spans.unwrap_or(0), message }
}

/// Judges an answer.
pub(crate) fn judge(answer: &Answer) -> Verdict {
    match answer.status {
        200..=299 => Verdict::Taken(read_refused(&answer.body)),
        429 | 502..=504 => Verdict::Later { reason: reason(answer), after: answer.retry_after },
        _ => Verdict::Never { reason: reason(answer) },
    }
}

/// Status, and what the body says: google.rpc.Status, or text.
fn reason(answer: &Answer) -> String {
    let told = Fields::new(&answer.body).octets(2).filter(|text| std::str::from_utf8(text).is_ok());
    let text = shown(told.unwrap_or(&answer.body));
    let status = answer.status;
    if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") }
}

/// Text of the collector: one line, printable, cut.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text.get(..4 * CHARACTERS).unwrap_or(text));
    call_metrics::printable_line(text.trim()).chars().take(CHARACTERS).collect()
}

/// What a `Retry-After` header says (RFC 9110 section 10.2.3): seconds, or a date. `now` is in
/// seconds since 1970.
pub(crate) fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    let seconds = value.parse::<u64>().ok().or_else(|| {
        let date = jiff::fmt::rfc2822::parse(value).ok()?;
        Some(u64::try_from(date.timestamp().as_second().saturating_sub(now)).unwrap_or(0))
    })?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Message;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer { status, retry_after: None, body: body.to_vec() }
    }

    #[test]
    fn only_four_statuses_are_repeated() {
        for status in 100..=599 {
            let judged = judge(&answer(status, b""));
            let expected = match status {
                200..=299 => matches!(judged, Verdict::Taken(_)),
                429 | 502 | 503 | 504 => matches!(judged, Verdict::Later { .. }),
                _ => matches!(judged, Verdict::Never { .. }),
            };
            assert!(expected, "{status}: {judged:?}");
        }
    }

    #[test]
    fn a_partial_success_says_how_many_and_why() {
        let mut body = Message::default();
        body.message(1, |partial| {
            partial.number(1, 3);
            partial.octets(2, b"too\x1b old");
        });
        let expected = Refused { spans: 3, message: "too\u{fffd} old".to_owned() };
        assert_eq!(judge(&answer(200, &body.finish())), Verdict::Taken(expected));
        let mut body = Message::default();
        body.message(1, |partial| partial.number(1, u64::MAX));
        assert_eq!(read_refused(&body.finish()), Refused::default());
        assert_eq!(read_refused(b"{}"), Refused::default());
    }

    #[test]
    fn the_reason_is_the_body_s_text() {
        let mut status = Message::default();
        status.number(1, 3);
        status.octets(2, b"no such tenant");
        let of = |body: &[u8]| match judge(&answer(400, body)) {
            Verdict::Never { reason } => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&status.finish()), "status 400: no such tenant");
        assert_eq!(of(b"404 page not found\n"), "status 400: 404 page not found");
        assert_eq!(of(b""), "status 400");
        assert_eq!(of(&[b'x'; 5_000]).chars().count(), "status 400: ".len() + CHARACTERS);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 30 ", 0), Some(Duration::from_secs(30)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, 784_111_767), Some(Duration::from_secs(10)));
        assert_eq!(retry_after(date, 784_111_800), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after(nonsense, 0), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_judged(status in 100..600_u16, body in vec(any::<u8>(), 0..200), text in ".{0,40}") {
            let _ = judge(&answer(status, &body));
            let _ = retry_after(&text, 0);
        }
    }
}

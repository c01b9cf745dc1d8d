//! Spans that go in one request.

use call_metrics::{CallTrace, Span};

/// A request is complete with this many spans. A call's are never torn apart, so that there may be
/// one call's more.
const SPANS: usize = 512;

/// What is gathered for a request.
#[derive(Default, Debug)]
pub(crate) struct Batch {
    spans: Vec<Span>,
}

impl Batch {
    pub(crate) fn add(&mut self, call: &CallTrace) {
        self.spans.append(&mut call.spans());
    }

    pub(crate) fn is_full(&self) -> bool {
        self.spans.len() >= SPANS
    }

    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }
}

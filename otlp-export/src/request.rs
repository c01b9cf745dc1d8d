//! ExportTraceServiceRequest (opentelemetry/proto/collector/trace/v1, opentelemetry/proto/trace/v1).

use crate::wire::Message;
use call_metrics::{AttributeValue, Span, SpanEvent, SpanKind, SpanLink};

/// The instrumentation scope: who made the spans.
const SCOPE: &str = "tandem";
/// STATUS_CODE_ERROR.
const ERROR: u64 = 2;

/// A request with `spans`; without any it is the empty request, which every collector takes.
pub fn encode(resource: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    if !spans.is_empty() {
        request.message(1, |resource_spans| {
            resource_spans.message(1, |out| {
                for (name, value) in resource {
                    text_attribute(out, 1, name, value);
                }
            });
            resource_spans.message(2, |scope_spans| {
                scope_spans.message(1, |scope| {
                    scope.octets(1, SCOPE.as_bytes());
                    scope.octets(2, env!("CARGO_PKG_VERSION").as_bytes());
                });
                for span in spans {
                    scope_spans.message(2, |out| write_span(out, span));
                }
            });
        });
    }
    request.finish()
}

fn write_span(out: &mut Message, span: &Span) {
    out.octets(1, &span.trace_id.to_be_bytes());
    out.octets(2, &span.span_id.to_be_bytes());
    if let Some(parent) = span.parent {
        out.octets(4, &parent.to_be_bytes());
    }
    out.octets(5, span.name.as_bytes());
    out.number(
        6,
        match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
        },
    );
    out.fixed64(7, span.start);
    out.fixed64(8, span.end);
    attributes(out, 9, &span.attributes);
    for SpanEvent { at, name, attributes: more } in &span.events {
        out.message(11, |event| {
            event.fixed64(1, *at);
            event.octets(2, name.as_bytes());
            attributes(event, 3, more);
        });
    }
    out.number(12, span.dropped_events.into());
    for SpanLink { trace_id, span_id, attributes: more } in &span.links {
        out.message(13, |link| {
            link.octets(1, &trace_id.to_be_bytes());
            link.octets(2, &span_id.to_be_bytes());
            attributes(link, 4, more);
        });
    }
    if let Some(text) = &span.error {
        out.message(15, |status| {
            status.octets(2, text.as_bytes());
            status.number(3, ERROR);
        });
    }
}

fn attributes(out: &mut Message, field: u32, attributes: &[(&'static str, AttributeValue)]) {
    for (name, value) in attributes {
        match value {
            AttributeValue::Text(text) => text_attribute(out, field, name, text),
            value => attribute(out, field, name, |out| match value {
                AttributeValue::Bool(truth) => out.present_number(2, (*truth).into()),
                // Two's complement of 64 bits.
                AttributeValue::Int(number) => out.present_number(3, *number as u64),
                AttributeValue::Double(number) => out.alone_fixed64(4, number.to_bits()),
                AttributeValue::Text(_) => {}
            }),
        }
    }
}

fn text_attribute(out: &mut Message, field: u32, name: &str, text: &str) {
    attribute(out, field, name, |out| out.present(1, text.as_bytes()));
}

fn attribute(out: &mut Message, field: u32, name: &str, value: impl FnOnce(&mut Message)) {
    out.message(field, |pair| {
        pair.octets(1, name.as_bytes());
        pair.message(2, value);
    });
}

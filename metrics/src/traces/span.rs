//! Spans as OpenTelemetry has them, before they are written down for a wire.

/// The value of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

/// Names and values, each name once.
pub type Attributes = Vec<(&'static str, AttributeValue)>;

/// Which part of an exchange a span is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpanKind {
    /// Nothing that another system sees as a whole: a call, a leg.
    Internal,
    /// A request that came to us.
    Server,
    /// A request that went from us.
    Client,
}

/// Something that happened within a span.
#[derive(Clone, PartialEq, Debug)]
pub struct SpanEvent {
    /// Nanoseconds since 1970.
    pub at: u64,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub attributes: Attributes,
}

/// A span of another trace that this one has to do with.
#[derive(Clone, PartialEq, Debug)]
pub struct SpanLink {
    /// Its trace.
    pub trace_id: u128,
    /// The span.
    pub span_id: u64,
    /// How they belong together.
    pub attributes: Attributes,
}

/// One span.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// Never 0.
    pub trace_id: u128,
    /// Never 0, unique within the trace.
    pub span_id: u64,
    /// The span that it is a part of; `None` of a call.
    pub parent: Option<u64>,
    /// One of few.
    pub name: &'static str,
    /// Which part of an exchange it is.
    pub kind: SpanKind,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// Nanoseconds since 1970, not before `start`.
    pub end: u64,
    /// What is known of it.
    pub attributes: Attributes,
    /// In the order of time.
    pub events: Vec<SpanEvent>,
    /// Events that there was no room for.
    pub dropped_events: u32,
    /// Other calls.
    pub links: Vec<SpanLink>,
    /// What went wrong; `None` when nothing did.
    pub error: Option<String>,
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        AttributeValue::Text(text.to_owned())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        AttributeValue::Text(text)
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        AttributeValue::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for AttributeValue {
    fn from(number: u32) -> Self {
        AttributeValue::Int(number.into())
    }
}

impl From<u16> for AttributeValue {
    fn from(number: u16) -> Self {
        AttributeValue::Int(number.into())
    }
}

impl From<f64> for AttributeValue {
    fn from(number: f64) -> Self {
        AttributeValue::Double(number)
    }
}

impl From<bool> for AttributeValue {
    fn from(truth: bool) -> Self {
        AttributeValue::Bool(truth)
    }
}

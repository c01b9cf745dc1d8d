//! `[limits]` and `[drain]`.

use super::reader::Table;
use super::sip::{HOUR, SECOND};
use super::value;
use std::time::Duration;

/// Bounds on messages and tables. Beyond each, a request is refused or dropped and counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// What a SIP message may measure.
    pub(crate) message: sip_proto::Limits,
    /// SIP transactions at once, 100 to 10,000,000; default 200,000.
    pub(crate) max_transactions: usize,
    /// Of these, how many one source may have beside those of its calls, 10 to 10,000,000; default a
    /// quarter.
    pub(crate) transactions_per_source: usize,
    /// Answers a second to sources that nobody configured, 0 to 100,000; default 100.
    pub(crate) stranger_answers_per_second: u32,
    /// Of those, answers a second to one source, 0 to 100,000; default 10.
    pub(crate) stranger_answers_per_source: u32,
    /// TCP connections at once, 1 to 100,000; default 4,096.
    pub(crate) tcp_connections: usize,
}

/// How the node stops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Drain {
    /// How long running calls may go on after SIGTERM, up to 24 h; default 30 s.
    pub(crate) timeout: Duration,
}

pub(super) fn read_limits(mut table: Table<'_>) -> Limits {
    let default = sip_proto::Limits::default();
    let message = sip_proto::Limits {
        message_bytes: table.or("message_bytes", default.message_bytes, |v| {
            value::within(value::integer(v)?, 1_500..=1_048_576)
        }),
        head_bytes: table.or("head_bytes", default.head_bytes, |v| {
            value::within(value::integer(v)?, 1_500..=1_048_576)
        }),
        headers: table
            .or("headers", default.headers, |v| value::within(value::integer(v)?, 32..=4_096)),
        header_bytes: table.or("header_bytes", default.header_bytes, |v| {
            value::within(value::integer(v)?, 256..=65_535)
        }),
        uri_bytes: table.or("uri_bytes", default.uri_bytes, |v| {
            value::within(value::integer(v)?, 128..=65_535)
        }),
        body_bytes: table.or("body_bytes", default.body_bytes, |v| {
            value::within(value::integer(v)?, 1_024..=1_048_576)
        }),
    };
    let max_transactions = table
        .or("max_transactions", 200_000, |v| value::within(value::integer(v)?, 100..=10_000_000));
    let limits = Limits {
        message,
        max_transactions,
        transactions_per_source: table.or("transactions_per_source", max_transactions / 4, |v| {
            value::within(value::integer(v)?, 10..=10_000_000)
        }),
        stranger_answers_per_second: table.or("stranger_answers_per_second", 100, |v| {
            value::within(value::integer(v)?, 0..=100_000)
        }),
        stranger_answers_per_source: table.or("stranger_answers_per_source", 10, |v| {
            value::within(value::integer(v)?, 0..=100_000)
        }),
        tcp_connections: table
            .or("tcp_connections", 4_096, |v| value::within(value::integer(v)?, 1..=100_000)),
    };
    table.finish();
    limits
}

pub(super) fn read_drain(mut table: Table<'_>) -> Drain {
    let timeout =
        table.or("timeout", 30 * SECOND, |v| value::duration_within(v, Duration::ZERO, 24 * HOUR));
    table.finish();
    Drain { timeout }
}

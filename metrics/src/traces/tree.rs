//! A finished call as a tree of spans: the call, its legs, their transactions.

use super::ids::SpanIds;
use super::span::{Attributes, Span, SpanEvent, SpanKind, SpanLink};
use super::transactions::{Transaction, Transactions};
use super::{CallTrace, call_span_id};
use crate::tracked::{Route, ended_by};
use crate::{Because, CallRecord, Cause, because};
use model::{
    CallDirection, CallParties, CarrierId, EmergencyKind, Flow, Instant, LegSide, MessageDirection,
    Refusal, Side, TransactionId, TransportProtocol,
};
use std::time::Duration;

/// Numbers of spans, which their ids are made of.
pub(super) const CALL: u64 = 0;
const LEGS: u64 = 1;
const TRANSACTIONS: u64 = 3;

/// A request that got no final response in this time got none at all, as far as a trace can tell.
const PATIENCE: Duration = Duration::from_secs(2);
/// The caller gave up (RFC 3261 section 15.1.2): nobody failed.
const GIVEN_UP: u16 = 487;
/// Challenges (RFC 3261 section 22): the request comes again with credentials.
const CHALLENGES: [u16; 2] = [401, 407];

impl CallTrace {
    /// The spans of the call, its own first, each behind the one that it is a part of.
    pub fn spans(&self) -> Vec<Span> {
        let Some(parties) = self.call.parties.as_deref() else { return Vec::new() };
        let nothing = Transactions::default();
        let seen = self.call.transactions.as_deref().unwrap_or(&nothing);
        let mut legs = Vec::new();
        let root = self.ids().of(CALL);
        for leg in LegSide::BOTH {
            let of_leg =
                || seen.list.iter().filter(move |transaction| transaction.leg == Some(leg));
            let began = of_leg().map(|transaction| transaction.began).min();
            if let Some(began) = began {
                let ended = of_leg().map(Transaction::ended).max().unwrap_or(began);
                legs.push(self.leg_span(parties, seen, leg, (began, ended.max(self.leg_end(leg)))));
            }
        }
        let mut whole = self.call_span(parties, seen);
        whole.start = legs.iter().fold(whole.start, |start, leg| start.min(leg.start));
        whole.end = legs.iter().fold(whole.end, |end, leg| end.max(leg.end));
        let mut spans = vec![whole];
        spans.append(&mut legs);
        for (number, transaction) in (TRANSACTIONS..).zip(&seen.list) {
            let parent = transaction.leg.map_or(root, |leg| self.leg_id(leg));
            spans.push(self.transaction_span(parent, number, transaction));
        }
        spans
    }

    fn ids(&self) -> SpanIds {
        SpanIds::new(self.config.run, self.id)
    }

    fn leg_id(&self, leg: LegSide) -> u64 {
        self.ids().of(LEGS + leg.index() as u64)
    }

    /// Nanoseconds since 1970.
    fn nanos(&self, at: Instant) -> u64 {
        self.origin.as_millis().saturating_mul(1_000_000).saturating_add(at.as_nanos())
    }

    fn ended(&self) -> Instant {
        self.call.ended.as_ref().map_or(self.closed, |(at, _)| *at)
    }

    /// Leg A lasts as long as the call; leg B too, once it was answered.
    fn leg_end(&self, leg: LegSide) -> Instant {
        match leg {
            LegSide::A => self.ended(),
            LegSide::B => self.call.answered.map_or(Instant::ZERO, |_| self.ended()),
        }
    }

    fn span(&self, number: u64, parent: Option<u64>, times: (Instant, Instant)) -> Span {
        let (start, end) = times;
        Span {
            trace_id: self.id.as_u128(),
            span_id: self.ids().of(number),
            parent,
            name: "",
            kind: SpanKind::Internal,
            start: self.nanos(start),
            end: self.nanos(end.max(start)),
            attributes: Attributes::new(),
            events: Vec::new(),
            dropped_events: 0,
            links: Vec::new(),
            error: None,
        }
    }

    fn call_span(&self, parties: &CallParties, seen: &Transactions) -> Span {
        let times = seen.list.iter().map(|transaction| (transaction.began, transaction.ended()));
        let whole = (self.call.began(), self.ended());
        let times = times.fold(whole, |(start, end), (a, b)| (start.min(a), end.max(b)));
        let because = self.because(parties);
        let mut attributes = self.call_attributes(parties);
        if let Some(Because { cause, text }) = &because
            && *cause != Cause::Good
        {
            attributes.push(("sip.call.cause", format!("{cause:?}").into()));
            attributes.push(("sip.call.reason", text.as_str().into()));
        }
        if seen.dropped > 0 {
            attributes.push(("sip.call.dropped_transactions", seen.dropped.into()));
        }
        let error = self.has_failed().then(|| {
            let cause = self.call.ended.as_ref().map_or("", |(_, end)| end.cause);
            because.map_or_else(|| cause.to_owned(), |because| because.text)
        });
        let event = |name, at: Option<Instant>| {
            at.map(|at| SpanEvent { at: self.nanos(at), name, attributes: Vec::new() })
        };
        let events = [
            event("sip.call.ringing", self.call.ringing),
            event("sip.call.answered", self.call.answered),
        ];
        let span = self.span(CALL, None, times);
        Span {
            name: match parties.direction {
                CallDirection::Outbound => "call outbound",
                CallDirection::Inbound => "call inbound",
            },
            attributes,
            events: events.into_iter().flatten().collect(),
            links: self.links(),
            error,
            ..span
        }
    }

    fn call_attributes(&self, parties: &CallParties) -> Attributes {
        let call = &self.call;
        let mut out: Attributes = vec![
            ("sip.call.transaction_id", self.id.to_string().into()),
            ("sip.call.direction", direction(parties.direction).into()),
            ("sip.call.voice_connector", parties.voice_connector.as_str().into()),
            ("sip.call_id", shown(&parties.call_id).into()),
            ("sip.call.from", shown(&self.numbers.user(&parties.from_user)).into()),
            ("sip.call.to", shown(&self.numbers.user(&parties.to_user)).into()),
            ("sip.call.answered", call.answered.is_some().into()),
        ];
        let countries = [
            ("sip.call.from_country", parties.from_country),
            ("sip.call.to_country", parties.to_country),
        ];
        out.extend(
            countries.into_iter().filter(|(_, c)| !c.is_empty()).map(|(n, c)| (n, c.into())),
        );
        let carrier = parties.carrier.as_ref().or_else(|| call.carrier());
        out.extend(carrier.map(|carrier| ("sip.call.carrier", carrier.as_str().into())));
        if let Some((_, end)) = &call.ended {
            out.push(("sip.call.status_code", end.status.into()));
            out.push(("sip.call.end", end.cause.into()));
            out.push(("sip.call.ended_by", ended_by(end.ended_by).into()));
            out.extend(
                end.refusal.map(|refusal| ("sip.call.refusal", Refusal::name(refusal).into())),
            );
            if self.has_failed() {
                let kind =
                    end.refusal.map_or_else(|| end.status.to_string(), |r| r.name().to_owned());
                out.push(("error.type", kind.into()));
            }
        }
        if let Some(kind) = parties.emergency {
            out.push(("sip.call.emergency", EmergencyKind::name(kind).into()));
        }
        if call.began() < self.begun {
            out.push(("sip.call.resumed", true.into()));
        }
        let sides =
            [("sip.call.mos.customer", Side::Customer), ("sip.call.mos.remote", Side::Remote)];
        for (name, side) in sides {
            let mos = call.leg_on(side).record().and_then(|record| record.mos);
            out.extend(mos.map(|mos| (name, mos.into())));
        }
        out
    }

    /// 487: the caller gave up, and nobody failed.
    fn has_failed(&self) -> bool {
        let status = self.call.ended.as_ref().map_or(0, |(_, end)| end.status);
        self.call.answered.is_none() && status != GIVEN_UP
    }

    /// What `tandem report` says of the call, with numbers as they may be shown.
    fn because(&self, parties: &CallParties) -> Option<Because> {
        let record: CallRecord = serde_json::from_slice(&self.record).ok()?;
        let Because { cause, text } = because(&record);
        let text = self.hidden(&text, [&parties.from_user, &parties.to_user]);
        Some(Because { cause, text: shown(&text) })
    }

    /// A text in which the numbers are written as they may be shown.
    fn hidden(&self, text: &str, [one, other]: [&str; 2]) -> String {
        // The longer one first: the other may be a part of it.
        let numbers = if one.len() >= other.len() { [one, other] } else { [other, one] };
        let known = numbers.into_iter().filter(|number| !number.is_empty());
        known.fold(text.to_owned(), |text, number| text.replace(number, &self.numbers.user(number)))
    }

    fn links(&self) -> Vec<SpanLink> {
        let other = |how: &'static str, call: Option<TransactionId>| {
            let call = call.filter(|call| self.config.has(*call))?;
            let attributes = vec![("sip.call.relation", how.into())];
            let span_id = call_span_id(self.config.run, call);
            Some(SpanLink { trace_id: call.as_u128(), span_id, attributes })
        };
        let links = [
            other("transferred_to", self.call.transferred_to),
            other("transferred_from", self.call.transferred_from),
        ];
        links.into_iter().flatten().collect()
    }

    fn leg_span(
        &self,
        parties: &CallParties,
        seen: &Transactions,
        leg: LegSide,
        times: (Instant, Instant),
    ) -> Span {
        let (name, letter) = match leg {
            LegSide::A => ("leg A", "A"),
            LegSide::B => ("leg B", "B"),
        };
        let side = match parties.direction.side_of(leg) {
            Side::Customer => "customer",
            Side::Remote => "remote",
        };
        let mut attributes: Attributes =
            vec![("sip.leg", letter.into()), ("sip.leg.side", side.into())];
        let [a, b] = &self.call.legs;
        let quality = if leg == LegSide::A { a.record() } else { b.record() };
        if let Some(quality) = quality {
            let codec = quality.codec.map(|codec| ("sip.leg.codec", codec.into()));
            attributes.extend(codec);
            attributes.extend(quality.mos.map(|mos| ("sip.leg.mos", mos.into())));
            attributes.push(("sip.leg.received_packets", quality.received_packets.into()));
            let lost = u64::try_from(quality.lost_packets).unwrap_or(0);
            attributes.push(("sip.leg.lost_packets", lost.into()));
        }
        let routes = self.call.routes.iter().filter(|_| leg == LegSide::B);
        let mut events: Vec<_> = routes.map(|route| self.route_event(route)).collect();
        for ack in seen.acks.iter().filter(|ack| ack.leg == Some(leg)) {
            let way = match ack.direction {
                MessageDirection::Received => "received",
                MessageDirection::Sent => "sent",
            };
            let attributes = vec![("sip.cseq", ack.cseq.into()), ("sip.direction", way.into())];
            events.push(SpanEvent { at: self.nanos(ack.at), name: "ACK", attributes });
        }
        events.sort_by_key(|event| event.at);
        // An event belongs into its span: an ACK may follow what ended it, and a route is chosen before
        // its INVITE goes out.
        let span = self.span(LEGS + leg.index() as u64, Some(self.ids().of(CALL)), times);
        let first = events.first().map_or(span.start, |event| event.at);
        let last = events.last().map_or(span.end, |event| event.at);
        let (start, end) = (span.start.min(first), span.end.max(last));
        Span { name, attributes, events, start, end, ..span }
    }

    fn route_event(&self, route: &Route) -> SpanEvent {
        let mut attributes: Attributes = vec![
            ("sip.route.attempt", route.attempt.into()),
            ("sip.route.destination", route.destination.to_string().into()),
            ("sip.transport", route.protocol.uri_token().into()),
        ];
        let carrier = route.carrier.as_ref().map(CarrierId::as_str);
        attributes.extend(carrier.map(|carrier| ("sip.call.carrier", carrier.into())));
        SpanEvent { at: self.nanos(route.at), name: "sip.route", attributes }
    }

    fn transaction_span(&self, parent: u64, number: u64, seen: &Transaction) -> Span {
        let kind = match seen.request {
            MessageDirection::Received => SpanKind::Server,
            MessageDirection::Sent => SpanKind::Client,
        };
        let mut attributes: Attributes =
            vec![("sip.method", seen.method.into()), ("sip.cseq", seen.cseq.into())];
        attributes.extend(of_flow(&seen.flow));
        if let Some((_, status)) = seen.finished {
            attributes.push(("sip.status_code", status.into()));
        }
        attributes.push(("sip.retransmissions", seen.retransmissions.into()));
        if seen.more_answers > 0 {
            attributes.push(("sip.more_answers", seen.more_answers.into()));
        }
        let error = self.failure(kind, seen);
        if let Some((kind, _)) = &error {
            attributes.push(("error.type", kind.as_str().into()));
        }
        let provisional = seen.provisional.iter().map(|response| {
            let mut attributes: Attributes = vec![("sip.status_code", response.status.into())];
            if !response.to_tag.is_empty() {
                attributes.push(("sip.to_tag", (*response.to_tag).into()));
            }
            SpanEvent { at: self.nanos(response.at), name: "sip.provisional", attributes }
        });
        let span = self.span(number, Some(parent), (seen.began, seen.ended()));
        Span {
            name: seen.method,
            kind,
            attributes,
            events: provisional.filter(|event| event.at <= span.end).collect(),
            dropped_events: seen.dropped_provisional,
            error: error.map(|(_, text)| text),
            ..span
        }
    }

    /// Kind and text of what went wrong with a transaction.
    fn failure(&self, kind: SpanKind, seen: &Transaction) -> Option<(String, String)> {
        let Some((_, status)) = seen.finished else {
            let waited = self.closed.saturating_since(seen.began) >= PATIENCE;
            let peer = seen.flow.remote;
            let text = match kind {
                SpanKind::Client => format!("no final response from {peer}"),
                SpanKind::Server | SpanKind::Internal => "no final response was sent".to_owned(),
            };
            return waited.then(|| ("timeout".to_owned(), text));
        };
        // As HTTP has it: what a server answers is its own failure from 500 on, a client's from 400.
        let failed = match kind {
            SpanKind::Client => {
                status >= 400 && status != GIVEN_UP && !CHALLENGES.contains(&status)
            }
            SpanKind::Server | SpanKind::Internal => (500..600).contains(&status),
        };
        failed.then(|| (status.to_string(), String::new()))
    }
}

/// Who it was spoken with, in OpenTelemetry's own names.
fn of_flow(flow: &Flow) -> Attributes {
    let transport = if flow.protocol == TransportProtocol::Udp { "udp" } else { "tcp" };
    vec![
        ("sip.transport", flow.protocol.uri_token().into()),
        ("network.transport", transport.into()),
        ("network.peer.address", flow.remote.ip().to_string().into()),
        ("network.peer.port", flow.remote.port().into()),
        ("network.local.address", flow.local.ip().to_string().into()),
        ("network.local.port", flow.local.port().into()),
    ]
}

fn direction(direction: CallDirection) -> &'static str {
    match direction {
        CallDirection::Outbound => "outbound",
        CallDirection::Inbound => "inbound",
    }
}

/// Text of peers, without commands to a terminal.
fn shown(text: &str) -> String {
    crate::printable_line(text).into_owned()
}

//! What [`crate::EventBridge`], [`crate::Sns`] and [`crate::Sqs`] have in common: events, ten to a
//! request, of which each may be refused by itself.

pub mod batch;
mod trial;

pub use trial::send;

use crate::fault::{Fault, Waiting, Words};
use crate::tally::{Exception, Item, Sent, Tally, send_all};
use batch::{MAX_BYTES, Notice};
use model::UnixTime;
use outbox::{BatchRules, Entry, OutboxRecord, Outcome};

/// Entries that are taken from the queue at once.
const AT_ONCE: usize = 50;
/// The attribute of a record that holds the event's `detail-type`.
pub(crate) const DETAIL_TYPE: &str = "detail-type";

/// A service that events go to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventTarget {
    /// A bus of EventBridge.
    EventBridge,
    /// A topic of SNS.
    Sns,
    /// A queue of SQS.
    Sqs,
}

/// An event, as far as services tell it from others.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// Events of one group, such as a call, are delivered in their order.
    pub group: &'a str,
    /// When it happened.
    pub time: UnixTime,
    /// What kind of event.
    pub detail_type: &'a str,
    /// A JSON object: what EventBridge gets.
    pub detail: &'a str,
    /// The whole event in EventBridge's form: what SNS and SQS get.
    pub message: &'a str,
}

impl EventTarget {
    /// All of them.
    pub const ALL: [EventTarget; 3] =
        [EventTarget::EventBridge, EventTarget::Sns, EventTarget::Sqs];

    /// As configuration and queues name it.
    pub const fn name(self) -> &'static str {
        match self {
            EventTarget::EventBridge => "events",
            EventTarget::Sns => "sns",
            EventTarget::Sqs => "sqs",
        }
    }

    /// An event as the service gets it.
    pub fn record(self, event: NewEvent<'_>) -> OutboxRecord {
        let NewEvent { group, time, detail_type, detail, message } = event;
        let (attributes, body) = match self {
            EventTarget::EventBridge => {
                (vec![(DETAIL_TYPE.to_owned(), detail_type.to_owned())], detail)
            }
            EventTarget::Sns | EventTarget::Sqs => (Vec::new(), message),
        };
        OutboxRecord { stream: group.to_owned(), time, kind: 0, attributes, body: body.into() }
    }
}

impl Item for Notice {
    fn entry(&self) -> usize {
        self.entry
    }

    fn name(&self) -> String {
        String::new()
    }
}

/// The batches that are made into requests.
pub(crate) const fn rules() -> BatchRules {
    BatchRules {
        max_entries: AT_ONCE,
        max_bytes: AT_ONCE * MAX_BYTES,
        overhead_bytes: 0,
        one_stream: false,
        max_span: None,
    }
}

/// Sends a batch in requests; `overhead` is what each event has in one beside its text.
pub(crate) async fn deliver(
    entries: &[Entry],
    overhead: usize,
    one_of_a_group: bool,
    send: impl AsyncFnMut(&[Notice]) -> Sent,
) -> (Outcome, bool) {
    let mut tally = Tally::new(entries.len());
    let mut notices = Vec::with_capacity(entries.len());
    for (n, entry) in entries.iter().enumerate() {
        match Notice::of(n, entry) {
            Ok(notice) => notices.push(notice),
            Err(reason) => tally.refuse(n, reason.to_owned()),
        }
    }
    let (requests, refused) = batch::requests(notices, overhead, one_of_a_group);
    for notice in refused {
        tally.refuse(notice.entry, format!("it is larger than a request ({MAX_BYTES} octets)"));
    }
    send_all(&mut tally, requests, send).await;
    let renews = tally.renews();
    (tally.outcome(), renews)
}

/// What a service says of one event that it did not take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    /// The event itself is at fault.
    pub(crate) is_ours: bool,
}

impl Failure {
    pub(crate) fn told(&self) -> String {
        match self.message.is_empty() {
            true => self.code.clone(),
            false => format!("{} ({})", self.code, self.message),
        }
    }
}

/// What became of each event of an answer that is a success as a whole: `of` tells it by the place,
/// `None` where the answer says nothing of it.
pub(crate) fn each(
    count: usize,
    of: impl Fn(usize) -> Option<Result<(), Failure>>,
    exception: impl Fn(&Failure) -> Exception,
) -> Sent {
    let mut exceptions = Vec::new();
    for n in 0..count {
        match of(n) {
            Some(Ok(())) => {}
            Some(Err(failure)) => exceptions.push((n, exception(&failure))),
            None => {
                let waiting = Waiting::because("the answer says nothing of some events");
                exceptions.push((n, Exception::Again(waiting)));
            }
        }
    }
    Sent::Except(exceptions)
}

/// Success, in words that are not the service's.
pub(crate) fn not_understood(words: Words) -> Sent {
    let table = words.table;
    Sent::Failed(Fault::Wait(Waiting::because(format!(
        "the answer is none of this service: see endpoint_url of [sinks] {table}"
    ))))
}

/// An event that has to be tried again.
pub(crate) fn again(failure: &Failure, advice: &str) -> Exception {
    let told = failure.told();
    let reason = if advice.is_empty() { told } else { format!("{told}: {advice}") };
    Exception::Again(Waiting::because(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_gets_its_own_form() {
        let event = NewEvent {
            group: "call-1",
            time: UnixTime::from_millis(5),
            detail_type: "Type",
            detail: "{}",
            message: "{\"detail\":{}}",
        };
        let bridge = EventTarget::EventBridge.record(event);
        assert_eq!((bridge.stream.as_str(), bridge.body.as_slice()), ("call-1", &b"{}"[..]));
        assert_eq!(bridge.attribute(DETAIL_TYPE), Some("Type"));
        for target in [EventTarget::Sns, EventTarget::Sqs] {
            assert_eq!(target.record(event).body, b"{\"detail\":{}}");
        }
        let names = EventTarget::ALL.map(EventTarget::name);
        assert_eq!(names, ["events", "sns", "sqs"]);
    }

    #[test]
    fn an_event_that_no_answer_speaks_of_is_sent_again() {
        let failure = || Failure { code: "C".into(), message: "m".into(), is_ours: true };
        let of = |n| match n {
            0 => Some(Ok(())),
            1 => Some(Err(failure())),
            _ => None,
        };
        let Sent::Except(exceptions) = each(3, of, |failure| again(failure, "advice")) else {
            panic!()
        };
        let reasons: Vec<_> = exceptions
            .iter()
            .map(|(n, exception)| match exception {
                Exception::Again(waiting) => (*n, waiting.reason.as_str()),
                Exception::Refused(reason) => panic!("{reason}"),
            })
            .collect();
        let unknown = "the answer says nothing of some events";
        assert_eq!(reasons, [(1, "C (m): advice"), (2, unknown)]);
    }
}

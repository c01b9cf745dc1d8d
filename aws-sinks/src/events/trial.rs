//! One event to each service, to see that it arrives.

use super::{EventTarget, NewEvent};
use crate::probe::{Judgement, Question, Said, Target};
use crate::{EventBridge, Sns, Sqs};
use futures_util::future::join_all;
use outbox::{Destination, Entry, Outcome, Verdict};
use std::time::Duration;

/// How long a service may take, credentials included.
const PATIENCE: Duration = Duration::from_secs(15);

/// Sends `event` to the services that events go to, at once and past any queue; at most 15 seconds.
pub fn send(questions: &[Question], event: NewEvent<'_>) -> Vec<Said> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return vec![Said::new("events", Judgement::Unknown, error.to_string(), "")],
    };
    let all = join_all(questions.iter().map(|question| to(question, event)));
    let said = runtime.block_on(all).into_iter().flatten().collect();
    // A name that is being resolved is not waited for.
    runtime.shutdown_background();
    said
}

async fn to(question: &Question, event: NewEvent<'_>) -> Option<Said> {
    let access = &question.access;
    Some(match &question.target {
        Target::EventBridge { config } => {
            let place = format!("bus {:?} as source {:?}", config.bus, config.source);
            let bridge = EventBridge::new(access, config.clone());
            deliver(bridge, EventTarget::EventBridge, event, &place).await
        }
        Target::Sns { topic } => {
            let sns = Sns::new(access, topic.clone());
            deliver(sns, EventTarget::Sns, event, topic.as_str()).await
        }
        Target::Sqs { queue } => {
            let sqs = Sqs::new(access, queue.clone());
            deliver(sqs, EventTarget::Sqs, event, queue.as_str()).await
        }
        Target::CloudWatch { .. }
        | Target::Logs { .. }
        | Target::S3 { .. }
        | Target::Recordings { .. }
        | Target::Kms { .. }
        | Target::KinesisVideo { .. } => return None,
    })
}

async fn deliver(
    mut destination: impl Destination,
    target: EventTarget,
    event: NewEvent<'_>,
    place: &str,
) -> Said {
    let entry = Entry {
        sequence: 0,
        idempotency_key: format!("doctor-{}", event.time.as_millis()),
        possible_duplicate: false,
        attempts: 0,
        record: target.record(event),
    };
    let outcome = tokio::time::timeout(PATIENCE, destination.deliver(&[entry])).await;
    let reason = match outcome {
        Ok(Outcome::PerEntry(verdicts)) => match verdicts.into_iter().next() {
            Some(Verdict::Delivered) => {
                let found = format!("took a {:?} for {place}", event.detail_type);
                return Said::new(target.name(), Judgement::Works, found, "");
            }
            Some(Verdict::Again { reason, .. } | Verdict::Refused(reason)) => reason,
            None => "it says nothing of the event".to_owned(),
        },
        Ok(Outcome::Unavailable { reason, .. }) => reason,
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    let found = format!("did not take a {:?} for {place}: {reason}", event.detail_type);
    Said::new(target.name(), Judgement::Fails, found, "")
}

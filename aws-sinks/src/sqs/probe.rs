//! Whether a queue is there, as far as it tells.

use super::{QueueUrl, Sqs, WORDS, is_missing, missing_advice};
use crate::answer::Answer;
use crate::connection::NoAnswer;
use crate::events::batch::MAX_BYTES;
use crate::fault;
use crate::probe::{Said, asked};
use serde_json::{Value, json};

impl Sqs {
    /// Asks for the queue's attributes, which need not be allowed.
    pub(crate) async fn probe(mut self) -> Result<Vec<Said>, NoAnswer> {
        let queue = self.queue;
        let body = json!({"QueueUrl": queue.as_str(), "AttributeNames": ["QueueArn", "MaximumMessageSize"]});
        asked(&mut self.connection, WORDS, queue.origin(), async |sender| {
            match queue.call(sender, "GetQueueAttributes", &body).await {
                Ok(answer) => judge(&answer, &queue),
                Err(NoAnswer(reason)) => vec![Said::unanswered(WORDS, reason)],
            }
        })
        .await
    }
}

fn judge(answer: &Answer, queue: &QueueUrl) -> Vec<Said> {
    let (at, error) = (queue.origin(), answer.error());
    let untold = Said::unknown(
        WORDS,
        format!(
            "whether {} is allowed cannot be asked without a message; --send-event sends one",
            WORDS.action
        ),
    );
    if answer.is_success() {
        let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let attribute = |name: &str| parsed.get("Attributes")?.get(name)?.as_str();
        let Some(arn) = attribute("QueueArn") else {
            let found = format!("{at} answers, but tells nothing of the queue {queue}");
            return vec![Said::unknown(WORDS, found), untold];
        };
        let most = attribute("MaximumMessageSize").and_then(|most| most.parse::<usize>().ok());
        if let Some(most) = most.filter(|most| *most < MAX_BYTES) {
            let found = format!("the queue {queue} takes messages of {most} octets only");
            let advice = format!(
                "set its MaximumMessageSize to {MAX_BYTES}: events with much metadata are refused"
            );
            return vec![Said::fails(WORDS, found, advice), untold];
        }
        return vec![Said::works(WORDS, format!("{at} has the queue {arn}")), untold];
    }
    match error.code.as_str() {
        code if is_missing(code) => {
            vec![Said::refused_with(WORDS, at, &error, missing_advice(queue))]
        }
        "AccessDenied" | "AccessDeniedException" => {
            let told = fault::told(&error);
            let found = format!("{at} does not tell of {queue} (sqs:GetQueueAttributes: {told})");
            vec![Said::unknown(WORDS, found), untold]
        }
        _ => vec![Said::refused(WORDS, at, &error)],
    }
}

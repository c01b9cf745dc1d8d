//! Whether a topic is there, as far as it tells.

use super::{Form, Service, Sns, TopicArn, WORDS, missing_advice};
use crate::answer::Answer;
use crate::connection::NoAnswer;
use crate::fault;
use crate::probe::{Said, asked};

impl Sns {
    /// Asks for the topic's attributes, which need not be allowed.
    pub(crate) async fn probe(mut self) -> Result<Vec<Said>, NoAnswer> {
        let at = self.endpoint.to_string();
        let service = Service { endpoint: &self.endpoint, topic: &self.topic };
        asked(&mut self.connection, WORDS, &at, async |sender| {
            match service.call(sender, Form::of("GetTopicAttributes", service.topic)).await {
                Ok(answer) => judge(&answer, &at, service.topic),
                Err(NoAnswer(reason)) => vec![Said::unanswered(WORDS, reason)],
            }
        })
        .await
    }
}

fn judge(answer: &Answer, at: &str, topic: &TopicArn) -> Vec<Said> {
    let error = answer.error();
    let untold = Said::unknown(
        WORDS,
        format!(
            "whether {} is allowed cannot be asked without a message; --send-event sends one",
            WORDS.action
        ),
    );
    match error.code.as_str() {
        _ if answer.is_success() => {
            vec![Said::works(WORDS, format!("{at} has the topic {topic}")), untold]
        }
        "NotFound" | "NotFoundException" => {
            vec![Said::refused_with(WORDS, at, &error, missing_advice(topic))]
        }
        "AuthorizationError" | "AccessDenied" | "AuthorizationErrorException" => {
            let told = fault::told(&error);
            let found = format!("{at} does not tell of {topic} (sns:GetTopicAttributes: {told})");
            vec![Said::unknown(WORDS, found), untold]
        }
        _ => vec![Said::refused(WORDS, at, &error)],
    }
}

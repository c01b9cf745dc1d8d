//! Whether KMS would make keys for recordings, and open them.

use super::{DECRYPT, Fields, GENERATE, Kms, Operation, advice, send, to_generate, to_open};
use crate::answer::Answer;
use crate::connection::{NoAnswer, Sender};
use crate::probe::{Said, asked};

impl Kms {
    /// Has a key made as a recording has it, which nobody keeps, and has it opened again.
    pub(crate) async fn probe(
        mut self,
        key: &str,
        context: &[(String, String)],
    ) -> Result<Vec<Said>, NoAnswer> {
        let (endpoint, at) = (&self.endpoint, self.endpoint.to_string());
        asked(&mut self.connection, GENERATE.words(), &at, async |sender: &Sender| {
            let asked = send(sender, endpoint, GENERATE, &to_generate(key, context)).await;
            let made = match asked {
                Ok(answer) if answer.is_success() => answer,
                other => return vec![refused(other, &at, GENERATE)],
            };
            let made = Fields(serde_json::from_slice(&made.body).unwrap_or_default());
            let Some(wrapped) = made.octets("CiphertextBlob") else {
                let found = format!("{at} answers GenerateDataKey without a key");
                let advice = "endpoint_url of [sinks] kms does not lead to this service";
                return vec![Said::fails(GENERATE.words(), found, advice)];
            };
            let by = made.text("KeyId").unwrap_or(key);
            let works =
                Said::works(GENERATE.words(), format!("{at} allows kms:GenerateDataKey with {by}"));
            let opened =
                match send(sender, endpoint, DECRYPT, &to_open(by, &wrapped, context)).await {
                    Ok(answer) if answer.is_success() => {
                        Said::works(DECRYPT.words(), format!("{at} allows kms:Decrypt with {by}"))
                    }
                    other => refused(other, &at, DECRYPT),
                };
            vec![works, opened]
        })
        .await
    }
}

/// What is told of an answer that is no success, or of none.
fn refused(asked: Result<Answer, NoAnswer>, at: &str, operation: Operation) -> Said {
    let words = operation.words();
    match asked {
        Ok(answer) => {
            let error = answer.error();
            match advice(&error) {
                Some(advice) => Said::refused_with(words, at, &error, advice),
                None => Said::refused(words, at, &error),
            }
        }
        Err(NoAnswer(reason)) => Said::unanswered(words, reason),
    }
}

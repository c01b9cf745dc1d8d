//! Whether CloudWatch would take metrics, as far as it can be asked without one.

use super::{CloudWatch, WORDS, batch, fault_of, is_namespace, namespace_advice};
use crate::answer::Answer;
use crate::connection::{NoAnswer, Request, Sender};
use crate::fault::Fault;
use crate::probe::{Said, asked};

impl CloudWatch {
    /// Puts no metric at all: an error that says just that came past signature, clock and region.
    pub(crate) async fn probe(mut self) -> Result<Vec<Said>, NoAnswer> {
        let at = self.endpoint.to_string();
        let (url, namespace) = (self.url(), self.namespace);
        asked(&mut self.connection, WORDS, &at, async |sender| {
            ask(sender, &at, url, &namespace).await
        })
        .await
    }
}

async fn ask(sender: &Sender, at: &str, url: String, namespace: &str) -> Vec<Said> {
    let headers = vec![
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData"),
    ];
    let body = batch::body(namespace, &[]).into_bytes().into();
    match sender.send(Request { method: "POST", url, headers, body }).await {
        Ok(answer) => judge(&answer, at, namespace),
        Err(NoAnswer(reason)) => vec![Said::unanswered(WORDS, reason)],
    }
}

fn judge(answer: &Answer, at: &str, namespace: &str) -> Vec<Said> {
    let error = answer.error();
    if !answer.is_success() && is_namespace(&error) {
        return vec![Said::refused_with(WORDS, at, &error, namespace_advice(namespace))];
    }
    if !answer.is_success() && !matches!(fault_of(&error, namespace), Fault::Invalid(_)) {
        return vec![Said::refused(WORDS, at, &error)];
    }
    vec![
        Said::works(WORDS, format!("{at} answers, and takes credentials, clock and region")),
        Said::unknown(
            WORDS,
            format!(
                "whether {} into {namespace:?} is allowed cannot be asked without a metric; the \
                 first minute shows it",
                WORDS.action
            ),
        ),
    ]
}

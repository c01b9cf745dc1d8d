//! Whether EventBridge would take events, as far as it can be asked without one.

use super::{Bus, EventBridge, EventBridgeConfig, WORDS, fault_of};
use crate::answer::Answer;
use crate::connection::NoAnswer;
use crate::fault::Fault;
use crate::probe::{Said, asked};

impl EventBridge {
    /// Puts no event at all: an error that says just that came past signature, clock and region.
    pub(crate) async fn probe(mut self) -> Result<Vec<Said>, NoAnswer> {
        let at = self.endpoint.to_string();
        let bus = Bus { endpoint: &self.endpoint, config: &self.config };
        asked(&mut self.connection, WORDS, &at, async |sender| match bus.call(sender, &[]).await {
            Ok(answer) => judge(&answer, &at, bus.config),
            Err(NoAnswer(reason)) => vec![Said::unanswered(WORDS, reason)],
        })
        .await
    }
}

fn judge(answer: &Answer, at: &str, config: &EventBridgeConfig) -> Vec<Said> {
    let error = answer.error();
    if !answer.is_success() && !matches!(fault_of(&error, config), Fault::Invalid(_)) {
        return vec![Said::refused(WORDS, at, &error)];
    }
    let EventBridgeConfig { source, bus } = config;
    vec![
        Said::works(WORDS, format!("{at} answers, and takes credentials, clock and region")),
        Said::unknown(
            WORDS,
            format!(
                "whether {} of source {source:?} onto bus {bus:?} is allowed cannot be asked without \
                 an event; --send-event sends one",
                WORDS.action
            ),
        ),
    ]
}

//! Whether streams could be used.

use super::{KinesisVideo, WORDS};
use crate::connection::NoAnswer;
use crate::probe::{Said, asked};
use serde_json::json;

impl KinesisVideo {
    /// Asks for `stream`, which need not be there: whoever may not ask is told so.
    pub(crate) async fn probe(self, stream: &str) -> Result<Vec<Said>, NoAnswer> {
        let at = self.base.clone();
        let data = self.data.as_ref().map(|data| format!("; audio is sent to {data}"));
        let request = || self.request("describeStream", &json!({ "StreamName": stream }));
        let mut connection = self.connection.lock().await;
        asked(&mut connection, WORDS, &at, async |sender| {
            let answer = match sender.send(request()).await {
                Ok(answer) => answer,
                Err(NoAnswer(reason)) => return vec![Said::unanswered(WORDS, reason)],
            };
            let error = answer.error();
            if !answer.is_success() && error.code != "ResourceNotFoundException" {
                return vec![Said::refused(WORDS, &at, &error)];
            }
            let data = data.unwrap_or_default();
            let found = format!("{at} allows kinesisvideo:DescribeStream{data}");
            let untold = "whether streams may be made and filled (kinesisvideo:CreateStream, \
                          GetDataEndpoint, PutMedia) cannot be asked; the first streamed call shows it";
            vec![Said::works(WORDS, found), Said::unknown(WORDS, untold)]
        })
        .await
    }
}

//! Whether CloudWatch Logs would take events.

use super::{Logs, PUTS, Service};
use crate::answer::Answer;
use crate::connection::{NoAnswer, Sender};
use crate::fault;
use crate::probe::{Said, asked};
use serde_json::{Value, json};

/// What the names of all groups of the recorder begin with.
const GROUPS: &str = "/aws/ChimeVoiceConnector";
/// Groups that are counted, as many as one answer tells.
const MOST_GROUPS: usize = 50;

impl Logs {
    /// Asks for the groups that are there, which it need not be allowed to, and puts an event into a
    /// stream of `group` that is not there: the service says so only to whoever may put events.
    pub(crate) async fn probe(mut self, group: &str, stream: &str) -> Result<Vec<Said>, NoAnswer> {
        let at = self.endpoint.to_string();
        let service = Service { endpoint: &self.endpoint, retention_days: None };
        asked(&mut self.connection, PUTS, &at, async |sender| {
            match ask(&service, sender, &at, group, stream).await {
                Ok(said) => said,
                Err(NoAnswer(reason)) => vec![Said::unanswered(PUTS, reason)],
            }
        })
        .await
    }
}

async fn ask(
    service: &Service<'_>,
    sender: &Sender,
    at: &str,
    group: &str,
    stream: &str,
) -> Result<Vec<Said>, NoAnswer> {
    let body = json!({"logGroupNamePrefix": GROUPS, "limit": MOST_GROUPS});
    let listed = service.call(sender, "DescribeLogGroups", &body).await?;
    let groups = groups(&listed);
    let event = json!({"timestamp": sender.now().as_millis(), "message": "tandem doctor"});
    let body = json!({"logGroupName": group, "logStreamName": stream, "logEvents": [event]});
    let answer = service.call(sender, "PutLogEvents", &body).await?;
    let error = answer.error();
    let said = match error.code.as_str() {
        "ResourceNotFoundException" => {
            Said::works(PUTS, format!("{at} allows logs:PutLogEvents on group {group}; {groups}"))
        }
        "AccessDeniedException" | "AccessDenied" => Said::refused_with(
            PUTS,
            at,
            &error,
            format!(
                "allow logs:PutLogEvents on log group {group} to these credentials (docs/aws.md has \
                 the policy)"
            ),
        ),
        _ if answer.is_success() => Said::unknown(
            PUTS,
            format!("{at} took an event into stream {stream} of group {group}, which was not made"),
        ),
        _ => return Ok(vec![Said::refused(PUTS, at, &error)]),
    };
    let makes = Said::unknown(
        PUTS,
        "whether groups and streams may be made (logs:CreateLogGroup, logs:CreateLogStream) cannot be \
         asked without making one",
    );
    Ok(vec![said, makes])
}

/// How many groups are there, in words; not being told is no error.
fn groups(answer: &Answer) -> String {
    if !answer.is_success() {
        let told = fault::told(&answer.error());
        return format!("which groups are there it does not tell (logs:DescribeLogGroups: {told})");
    }
    let parsed: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let count = parsed.get("logGroups").and_then(Value::as_array).map_or(0, Vec::len);
    let more = if count == MOST_GROUPS { " or more" } else { "" };
    format!("{count}{more} groups {GROUPS}… are there")
}

//! Lambda: functions that are called and waited for.

use crate::connection::{Connection, Protocol, Request, Sender};
use crate::fault::{self, Words};
use crate::{Access, Endpoint, Unserved, s3};
use std::time::Duration;
use tokio::sync::Mutex;

/// As `[sinks]` would name it.
const TABLE: &str = "lambda";
const WORDS: Words = Words {
    table: TABLE,
    action: "lambda:InvokeFunction",
    meanwhile: "the function is asked once more, then the call does without its answer",
};
/// Octets of a function's own error that are told.
const MOST_TOLD: usize = 400;

/// Calls functions of one region. It connects with the first request; many may be under way.
#[derive(Debug)]
pub struct Lambda {
    endpoint: Endpoint,
    connection: Mutex<Connection>,
}

impl Lambda {
    /// Lambda of a region, or another backend.
    pub fn new(access: &Access) -> Self {
        let endpoint = access.endpoint.clone();
        let endpoint = endpoint.unwrap_or_else(|| Endpoint::of_aws(TABLE, &access.region));
        let protocol = Protocol { signing_name: TABLE, is_s3: false };
        Lambda { endpoint, connection: Mutex::new(Connection::new(access, protocol)) }
    }

    /// Calls a function (Invoke, RequestResponse) and gives what it returned, 256 KiB at most.
    /// `function` is its ARN or name.
    ///
    /// # Errors
    /// [`Unserved`]: refused where the function itself has failed.
    pub async fn invoke(
        &self,
        function: &str,
        payload: &str,
        patience: Duration,
    ) -> Result<Vec<u8>, Unserved> {
        let sender: Sender = self.connection.lock().await.prepare().await?;
        let name = s3::encoded(function).replace('/', "%2F");
        let url = format!("{}/2015-03-31/functions/{name}/invocations", self.endpoint);
        let headers = vec![
            ("content-type", "application/json"),
            ("x-amz-invocation-type", "RequestResponse"),
        ];
        let body = payload.to_owned().into();
        let request = Request { method: "POST", url, headers, body };
        let answer = sender.send_within(request, patience).await?;
        if !answer.is_success() {
            let error = answer.error();
            let told = fault::told(&error);
            let wait = match fault::common(&error, WORDS) {
                Some(fault) => Unserved::of(fault, &mut *self.connection.lock().await),
                None => Unserved::because(told),
            };
            return Err(wait);
        }
        match &answer.error_type {
            Some(kind) if kind == FUNCTION_ERROR => {
                let said = String::from_utf8_lossy(&answer.body);
                let said: String =
                    said.chars().filter(|c| !c.is_control()).take(MOST_TOLD).collect();
                Err(Unserved::Refused(format!("the function failed: {said}")))
            }
            _ => Ok(answer.body),
        }
    }
}

/// What a function's own failure is noted as.
pub(crate) const FUNCTION_ERROR: &str = "FunctionError";

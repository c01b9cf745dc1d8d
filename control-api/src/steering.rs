//! Calls that SIP media applications steer.

use crate::backend::{Backend, NotUpdated};
use crate::error::{ApiError, ErrorKind};
use model::TransactionId;
use serde_json::{Map, Value, json};

/// UpdateSipMediaApplicationCall: the application is asked again, with arguments.
pub(crate) fn update(input: &Value, backend: &mut dyn Backend) -> Result<Value, ApiError> {
    let text = |member: &str| input[member].as_str().unwrap_or_default();
    let (application, call) = (text("SipMediaApplicationId"), text("TransactionId"));
    let no_call = || {
        let message = format!("SIP media application {application} steers no call {call}");
        ApiError::new(ErrorKind::NotFound, message)
    };
    let id = TransactionId::parse(call).map_err(|_| no_call())?;
    let arguments: Map<String, Value> = input["Arguments"].as_object().cloned().unwrap_or_default();
    match backend.update_application_call(application, id, arguments) {
        Ok(()) => Ok(json!({ "SipMediaApplicationCall": { "TransactionId": call } })),
        Err(NotUpdated::NoCall) => Err(no_call()),
        Err(NotUpdated::Busy) => Err(ApiError::new(
            ErrorKind::ThrottledClient,
            format!("the application of call {call} has too much to answer; ask again"),
        )),
    }
}

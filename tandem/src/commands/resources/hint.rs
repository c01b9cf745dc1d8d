//! What to do about a refusal, where its message does not say.

use crate::control_api::Failure;

/// The hint; `listing` is the command that shows what there is.
pub(super) fn of(failure: &Failure, listing: &str) -> Option<String> {
    let Failure::Refused { exception, message } = failure else { return None };
    let hint = match exception.as_str() {
        "NotFoundException" => format!("`{listing}` shows what there is"),
        "BadRequestException" => "correct that, `--help` tells the forms".to_owned(),
        // What may be instead is in the message.
        "ConflictException"
            if message.contains("cannot become") || says_what_to_do_in_rooms(message) =>
        {
            return None;
        }
        "ConflictException" => {
            "it is in use, or was changed meanwhile: look at it, and remove what still belongs to it first"
                .to_owned()
        }
        "ForbiddenException" if message.contains("not yet served") => {
            "docs/control-api.md tells what is served".to_owned()
        }
        "ResourceLimitExceededException" => "delete what is no longer needed".to_owned(),
        "ThrottledClientException" => {
            "others ask at the same time: try again, or raise [api] requests_per_second".to_owned()
        }
        "UnrecognizedClientException" | "InvalidSignatureException" => {
            "directory.key has changed since the node started, or it is an older Tandem: restart it"
                .to_owned()
        }
        "ServiceUnavailableException" | "ServiceFailureException" => {
            "the node's log says why; `tandem directory check` looks at its database".to_owned()
        }
        _ => return None,
    };
    Some(hint)
}

/// Refusals of what is wanted in a meeting: nothing belongs to it that would have to go first.
fn says_what_to_do_in_rooms(message: &str) -> bool {
    ["nobody is in", "nobody may be called into", "meetings are not recorded"]
        .iter()
        .any(|begin| message.starts_with(begin))
}

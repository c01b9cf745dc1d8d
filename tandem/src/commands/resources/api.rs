//! `tandem api`: any operation of the control API.

use super::shown::Shown;
use super::value::object;
use super::{How, Outcome, Resource, members};
use crate::control_api::{Asked, Failure};
use control_api::{OPERATIONS, OWN_OPERATIONS};
use serde_json::Value;

/// One operation, by its name.
#[derive(clap::Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) request: ApiRequest,
}

#[derive(clap::Args)]
pub(crate) struct ApiRequest {
    /// The operation, such as GetVoiceConnector; docs/control-api.md has all of them.
    operation: String,
    /// Its members as a JSON object, or @FILE; such as '{"VoiceConnectorId": "ID"}'.
    #[arg(default_value = "{}", value_parser = object)]
    members: Value,
}

impl Resource for ApiRequest {
    fn is_read(&self) -> bool {
        let mut all = OPERATIONS.iter().chain(OWN_OPERATIONS);
        all.any(|each| each.name == self.operation && each.is_read())
    }

    fn listing(&self) -> &'static str {
        "tandem vc list"
    }

    fn perform(&self, api: &mut dyn Asked, _: bool) -> Result<Outcome, Failure> {
        let reply = api.ask(&self.operation, &members(self.members.clone()))?;
        Ok(Outcome { reply, shown: Shown::Facts })
    }
}

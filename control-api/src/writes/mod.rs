//! The operations that change something. Each works on a draft and gives its answer; that all of it is
//! done or nothing is the API's ([`crate::api::Api`]).

mod voice_connectors;

use crate::api::Settings;
use crate::error::{ApiError, ErrorKind};
use crate::reads::Catalogue;
use crate::router::Routed;
use crate::state::{Connector, Draft, Stored, Tag, Tags};
use model::UnixTime;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What an operation writes with.
pub(crate) struct Writing<'a, 'r> {
    pub(crate) settings: &'a Settings,
    /// Everything that there was before the request, of the file and of the API.
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) routed: &'a Routed,
    /// The request's members of path, query and body.
    pub(crate) input: Value,
    pub(crate) draft: Draft<'a>,
    pub(crate) random: &'r mut dyn FnMut() -> Option<u128>,
}

impl Writing<'_, '_> {
    /// Does it; the answer's body, null for none.
    pub(crate) fn answer(&mut self) -> Result<Value, ApiError> {
        match self.routed.operation.name {
            "CreateVoiceConnector" => self.create_voice_connector(),
            "UpdateVoiceConnector" => self.update_voice_connector(),
            "DeleteVoiceConnector" => self.delete_voice_connector(),
            "PutVoiceConnectorOrigination" => self.put_origination(),
            "DeleteVoiceConnectorOrigination" => self.delete_origination(),
            other => Err(ApiError::new(
                ErrorKind::Forbidden,
                format!("{other} is not yet served by Tandem"),
            )),
        }
    }

    /// A member of the request, or its default.
    fn member<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApiError> {
        match self.input.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| bad_request(format!("{name}: {error}"))),
        }
    }

    /// A member that the model requires.
    fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, ApiError> {
        self.member(name)?.ok_or_else(|| bad_request(format!("{name}: is missing")))
    }

    /// A UUID of version 4.
    #[allow(dead_code, reason = "for ids of what comes next")]
    fn uuid(&mut self) -> Result<String, ApiError> {
        Ok(model::TransactionId::from_random(self.draw()?).to_string())
    }

    fn draw(&mut self) -> Result<u128, ApiError> {
        (self.random)().ok_or_else(|| {
            let message = "no random numbers from the system; see Tandem's log";
            ApiError::new(ErrorKind::ServiceUnavailable, message)
        })
    }

    /// The voice connector of the path, to be changed.
    fn connector(&self) -> Result<(String, Stored<Connector>), ApiError> {
        let id = self.routed.member("VoiceConnectorId").unwrap_or_default();
        crate::reads::check_id(id)?;
        match self.draft.get::<Connector>(id) {
            Some(stored) => Ok((id.to_owned(), stored.clone())),
            None if self.catalogue.connector(id).is_some() => {
                Err(of_file(&format!("voice connector {id}")))
            }
            None => Err(not_found(format!("there is no voice connector {id}"))),
        }
    }

    /// Keeps the tags that a request to make something brings.
    fn keep_tags(&mut self, arn: &str) -> Result<(), ApiError> {
        if let Some(mut tags) = self.member::<Vec<Tag>>("Tags")? {
            tags.sort_by(|a, b| a.key.cmp(&b.key));
            if tags.windows(2).any(|pair| pair[0].key == pair[1].key) {
                return Err(bad_request("Tags: a key is given twice".to_owned()));
            }
            self.draft.put(arn, Tags(tags));
        }
        Ok(())
    }
}

pub(crate) fn bad_request(message: String) -> ApiError {
    ApiError::new(ErrorKind::BadRequest, message)
}

pub(crate) fn not_found(message: String) -> ApiError {
    ApiError::new(ErrorKind::NotFound, message)
}

/// The refusal to change what the configuration file says.
pub(crate) fn of_file(what: &str) -> ApiError {
    let message = format!(
        "{what} is of the configuration file, which alone can change it: edit the file and send SIGHUP"
    );
    ApiError::new(ErrorKind::Forbidden, message)
}

/// A time as the API writes it.
pub(crate) fn timestamp(at: UnixTime) -> String {
    crate::calendar::iso_millis(at)
}

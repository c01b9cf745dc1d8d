//! The operations that change something. Each works on a draft and gives its answer; that all of it is
//! done or nothing is the API's ([`crate::api::Api`]).

mod addresses;
mod associations;
mod configurations;
mod groups;
mod media_applications;
mod meetings;
mod numbers;
mod orders;
mod porting;
mod proxy;
mod rooms;
mod settings;
mod tags;
mod termination;
mod voice_connectors;

pub(crate) use numbers::with_plus;

use crate::api::Settings;
use crate::error::{ApiError, ErrorKind};
use crate::reads::Catalogue;
use crate::router::Routed;
use crate::state::{Connector, Draft, Stored};
use directory::Snapshot;
use model::{ProxySessionId, UnixTime};
use room_core::{MeetingId, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What an operation writes with.
pub(crate) struct Writing<'a, 'r> {
    pub(crate) settings: &'a Settings,
    /// Everything that there was before the request, of the file and of the API.
    pub(crate) catalogue: &'a Catalogue,
    /// What calls were routed by before the request.
    pub(crate) directory: &'a Snapshot,
    pub(crate) routed: &'a Routed,
    /// The request's members of path, query and body.
    pub(crate) input: Value,
    pub(crate) draft: Draft<'a>,
    /// The meetings, which remember what is changed of them.
    pub(crate) meetings: &'a mut Registry,
    /// Of these, those that people are in, where that is known.
    pub(crate) held: Option<Vec<MeetingId>>,
    /// The proxy phone sessions of calls that are up, once for each call.
    pub(crate) live: &'a [ProxySessionId],
    pub(crate) random: &'r mut dyn FnMut() -> Option<u128>,
    /// For how long finished orders are told, in milliseconds.
    pub(crate) orders_kept_ms: u64,
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
            "PutVoiceConnectorTermination" => self.put_termination(),
            "DeleteVoiceConnectorTermination" => self.delete_termination(),
            "PutVoiceConnectorTerminationCredentials" => self.put_credentials(),
            "DeleteVoiceConnectorTerminationCredentials" => self.delete_credentials(),
            "PutVoiceConnectorStreamingConfiguration" => self.put_streaming(),
            "DeleteVoiceConnectorStreamingConfiguration" => self.delete_streaming(),
            "PutVoiceConnectorLoggingConfiguration" => self.put_logging(),
            "PutVoiceConnectorEmergencyCallingConfiguration" => self.put_emergency_calling(),
            "DeleteVoiceConnectorEmergencyCallingConfiguration" => self.delete_emergency_calling(),
            "PutVoiceConnectorExternalSystemsConfiguration" => self.put_external_systems(),
            "DeleteVoiceConnectorExternalSystemsConfiguration" => self.delete_external_systems(),
            "CreateVoiceConnectorGroup" => self.create_group(),
            "UpdateVoiceConnectorGroup" => self.update_group(),
            "DeleteVoiceConnectorGroup" => self.delete_group(),
            "TagResource" => self.tag_resource(),
            "UntagResource" => self.untag_resource(),
            "UpdateGlobalSettings" => self.update_global_settings(),
            "ValidateE911Address" => self.validate_address(),
            "CreateSipMediaApplication" => self.create_application(),
            "UpdateSipMediaApplication" => self.update_application(),
            "DeleteSipMediaApplication" => self.delete_application(),
            "PutSipMediaApplicationLoggingConfiguration" => self.put_application_logging(),
            "CreateSipRule" => self.create_rule(),
            "UpdateSipRule" => self.update_rule(),
            "DeleteSipRule" => self.delete_rule(),
            "AssociatePhoneNumbersWithVoiceConnector" => self.associate_with_connector(),
            "AssociatePhoneNumbersWithVoiceConnectorGroup" => self.associate_with_group(),
            "DisassociatePhoneNumbersFromVoiceConnector" => self.disassociate_from_connector(),
            "DisassociatePhoneNumbersFromVoiceConnectorGroup" => self.disassociate_from_group(),
            "CreatePhoneNumberOrder" => self.create_order(),
            "CreatePortingOrder" => self.create_porting_order(),
            "AdvancePortingOrder" => self.advance_porting_order(),
            "UpdatePhoneNumber" => self.update_number(),
            "BatchUpdatePhoneNumber" => self.batch_update_numbers(),
            "DeletePhoneNumber" => self.delete_number(),
            "BatchDeletePhoneNumber" => self.batch_delete_numbers(),
            "RestorePhoneNumber" => self.restore_number(),
            "UpdatePhoneNumberSettings" => self.update_number_settings(),
            "PutVoiceConnectorProxy" => self.put_proxy(),
            "DeleteVoiceConnectorProxy" => self.delete_proxy(),
            "CreateProxySession" => self.create_proxy_session(),
            "UpdateProxySession" => self.update_proxy_session(),
            "DeleteProxySession" => self.delete_proxy_session(),
            "CreateMeeting" | "CreateMeetingWithAttendees" => self.create_meeting(),
            "DeleteMeeting" | "DeleteRoom" => self.delete_meeting(),
            "CreateAttendee" => self.create_attendee(),
            "BatchCreateAttendee" => self.batch_create_attendee(),
            "DeleteAttendee" => self.delete_attendee(),
            "UpdateAttendeeCapabilities" => self.update_capabilities(),
            "BatchUpdateAttendeeCapabilitiesExcept" => self.update_capabilities_except(),
            "CreateRoom" => self.create_room(),
            "UpdateRoom" => self.update_room(),
            "ResetRoom" => self.reset_room(),
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

    /// A name of a resource.
    fn name(&self) -> Result<String, ApiError> {
        let name: String = self.required("Name")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || " _.-".contains(c);
        if name.is_empty() || name.len() > 256 || !name.chars().all(fits) {
            return Err(bad_request(
                "Name: must be 1 to 256 letters, digits, spaces or characters of _.-",
            ));
        }
        Ok(name)
    }

    /// A node is in one region.
    fn check_region(&self, region: &str) -> Result<(), ApiError> {
        match region == self.settings.region {
            true => Ok(()),
            false => Err(bad_request(format!(
                "AwsRegion: this Tandem is in {} alone, as region of [node] says",
                self.settings.region
            ))),
        }
    }
}

pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::BadRequest, message)
}

pub(crate) fn not_found(message: String) -> ApiError {
    ApiError::new(ErrorKind::NotFound, message)
}

pub(crate) fn conflict(message: String) -> ApiError {
    ApiError::new(ErrorKind::Conflict, message)
}

/// The refusal of what cannot be served here, whoever asks.
pub(crate) fn refused(message: String) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, message)
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

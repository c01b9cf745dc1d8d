//! The operations that read. What they tell is the directory's snapshot, and of resources that were
//! made through the API what was said of them then. Resources of the configuration file have no time
//! of creation, and none is made up.

mod catalogue;
mod media_applications;
mod meetings;
mod numbers;
mod orders;
mod porting;
mod proxy;
mod rooms;
mod search;
mod voice_connectors;

pub(crate) use catalogue::Catalogue;
pub(crate) use media_applications::{written_application, written_rule};
pub(crate) use meetings::{written_attendee, written_meeting};
pub(crate) use numbers::written_number;
pub(crate) use orders::{is_forgotten, written_order};
pub(crate) use porting::written_porting;
pub(crate) use proxy::written_session;
pub(crate) use rooms::written_room;
pub(crate) use search::pool_of;
pub(crate) use voice_connectors::{check_id, written_connector, written_group};

use crate::api::Settings;
use crate::backend::Backend;
use crate::error::{ApiError, ErrorKind};
use crate::page_token::PageTokens;
use crate::router::Routed;
use crate::state::{GlobalSettings, MediaApplication, Number, State, Tags};
use crate::writes::with_plus;
use directory::Snapshot;
use model::{ProxySessionId, UnixTime};
use room_core::{Registry, StoredMeeting};
use serde_json::{Value, json};

/// What an operation reads from.
pub(crate) struct Reading<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) tokens: &'a PageTokens,
    pub(crate) routed: &'a Routed,
    pub(crate) state: &'a State,
    pub(crate) backend: &'a dyn Backend,
    /// The meetings of the state.
    pub(crate) meetings: &'a Registry,
    /// What calls are routed by.
    pub(crate) directory: &'a Snapshot,
    pub(crate) now: UnixTime,
    /// For how long finished orders are told, in milliseconds.
    pub(crate) orders_kept_ms: u64,
    /// The proxy phone sessions of calls that are up, once for each call.
    pub(crate) live: &'a [ProxySessionId],
}

/// Pages have so many entries when the client does not say: AWS's 100 at most.
const PAGE_DEFAULT: usize = 100;

impl Reading<'_> {
    /// The answer's body.
    pub(crate) fn answer(&self) -> Result<Value, ApiError> {
        match self.routed.operation.name {
            "ListVoiceConnectors" => self.list_voice_connectors(),
            "GetVoiceConnector" => self.voice_connector(),
            "GetVoiceConnectorOrigination" => self.origination(),
            "GetVoiceConnectorTermination" => self.termination(),
            "GetVoiceConnectorTerminationHealth" => self.termination_health(),
            "ListVoiceConnectorTerminationCredentials" => self.credentials(),
            "GetVoiceConnectorStreamingConfiguration" => self.streaming(),
            "GetVoiceConnectorLoggingConfiguration" => self.logging(),
            "GetVoiceConnectorEmergencyCallingConfiguration" => self.emergency_calling(),
            "GetVoiceConnectorExternalSystemsConfiguration" => self.external_systems(),
            "ListVoiceConnectorGroups" => self.list_groups(),
            "GetVoiceConnectorGroup" => self.group(),
            "ListPhoneNumbers" => self.list_phone_numbers(),
            "GetPhoneNumber" => self.phone_number(),
            "ListSipMediaApplications" => self.list_applications(),
            "GetSipMediaApplication" => self.application(),
            "GetSipMediaApplicationLoggingConfiguration" => self.application_logging(),
            "ListSipRules" => self.list_rules(),
            "GetSipRule" => self.rule(),
            "GetPhoneNumberSettings" => Ok(self.number_settings()),
            "ListSupportedPhoneNumberCountries" => self.countries(),
            "SearchAvailablePhoneNumbers" => self.search(),
            "GetPhoneNumberOrder" => self.order(),
            "ListPhoneNumberOrders" => self.list_orders(),
            "GetPortingOrder" => self.porting_order(),
            "ListPortingOrders" => self.list_porting_orders(),
            "ListAvailableVoiceConnectorRegions" => {
                Ok(json!({ "VoiceConnectorRegions": [self.settings.region] }))
            }
            "GetGlobalSettings" => {
                let cdr_bucket = self.cdr_bucket().map(str::to_owned);
                Ok(json!({ "VoiceConnector": GlobalSettings { cdr_bucket } }))
            }
            "ListTagsForResource" => self.tags(),
            "GetVoiceConnectorProxy" => self.proxy(),
            "GetProxySession" => self.proxy_session(),
            "ListProxySessions" => self.list_proxy_sessions(),
            "GetMeeting" => self.meeting(),
            "GetAttendee" => self.attendee(),
            "ListAttendees" => self.list_attendees(),
            "GetRoom" => self.room(),
            "ListRooms" => self.list_rooms(),
            "ListRoomParticipants" => self.room_participants(),
            other => Err(ApiError::new(
                ErrorKind::Forbidden,
                format!("{other} is not yet served by Tandem"),
            )),
        }
    }

    /// The ARN that a policy is asked about; `*` for what is about no one resource. `body` is the
    /// request's, where it is JSON.
    pub(crate) fn resource(&self, body: &Value) -> String {
        if let Some(id) = self.routed.member("VoiceConnectorId") {
            return self.settings.arn("vc", id);
        }
        if let Some(id) = self.routed.member("VoiceConnectorGroupId") {
            return self.settings.arn("vcg", id);
        }
        if let Some(id) = self.routed.member("SipMediaApplicationId") {
            return self.settings.arn("sma", id);
        }
        if let Some(id) = self.routed.member("SipRuleId") {
            return self.settings.arn("sip-rule", id);
        }
        let of_meeting = self.routed.member("MeetingId").or_else(|| self.routed.member("RoomId"));
        if let Some(id) = of_meeting {
            // Ids are read in either case: a policy is asked about one.
            return self.settings.arn("meeting", &id.to_ascii_lowercase());
        }
        if let Some(id) = self.routed.member("PortingOrderId") {
            return self.settings.arn("porting-order", id);
        }
        if let Some(id) = self.routed.member("PhoneNumberId") {
            return self.settings.arn("phone-number", &with_plus(id));
        }
        if self.routed.operation.name == "ListTagsForResource"
            && let Some(arn) = self.routed.parameter("arn")
        {
            return arn.to_owned();
        }
        if matches!(self.routed.operation.name, "TagResource" | "UntagResource")
            && let Some(arn) = body.get("ResourceARN").and_then(Value::as_str)
        {
            return arn.to_owned();
        }
        "*".to_owned()
    }

    fn tags(&self) -> Result<Value, ApiError> {
        let arn = self.routed.parameter("arn").unwrap_or_default();
        if arn.is_empty() || arn.len() > 1_024 || !arn.starts_with("arn") {
            let message = format!("ResourceARN: {arn:?} is no ARN of 1 to 1024 characters");
            return Err(ApiError::new(ErrorKind::BadRequest, message));
        }
        match has_arn(self.settings, self.catalogue, self.state, arn) {
            // The configuration file has no tags: they are of the API alone.
            true => {
                let tags = self.settings.tag_key(arn).and_then(|key| self.state.get::<Tags>(key));
                let tags = tags.map(|stored| &stored.value);
                Ok(json!({ "Tags": tags.cloned().unwrap_or_default() }))
            }
            false => Err(ApiError::new(ErrorKind::NotFound, format!("there is no {arn}"))),
        }
    }

    /// Where call detail records go: what was said through the API, or else in the configuration file.
    fn cdr_bucket(&self) -> Option<&str> {
        let of_file = self.settings.cdr_bucket.as_deref()?;
        match self.state.get::<GlobalSettings>(GlobalSettings::ID) {
            Some(stored) => stored.value.cdr_bucket.as_deref(),
            None => Some(of_file),
        }
    }

    /// A page of `all`, which is in the order of `name`; `filters` tell one list from another.
    fn page<T>(
        &self,
        member: &str,
        filters: &str,
        all: &[T],
        name: impl Fn(&T) -> &str,
        written: impl Fn(&T) -> Value,
    ) -> Result<Value, ApiError> {
        let list = format!("{}?{filters}", self.routed.operation.name);
        let most = self.max_results(100)?;
        let begin = match self.after(&list)? {
            None => 0,
            Some(last) => all.partition_point(|each| name(each) <= last.as_str()),
        };
        let rest = all.get(begin..).unwrap_or_default();
        let page = rest.get(..most).unwrap_or(rest);
        let mut body = json!({ member: page.iter().map(written).collect::<Vec<_>>() });
        if let Some(last) = page.last().filter(|_| rest.len() > page.len()) {
            body["NextToken"] = self.tokens.write(&list, name(last)).into();
        }
        Ok(body)
    }

    /// Where the list goes on, by the request's token; `None` for its beginning.
    fn after(&self, list: &str) -> Result<Option<String>, ApiError> {
        let token = self.routed.parameter("next-token");
        token.map(|token| self.tokens.read(list, token)).transpose()
    }

    fn max_results(&self, limit: usize) -> Result<usize, ApiError> {
        let Some(text) = self.routed.parameter("max-results") else { return Ok(PAGE_DEFAULT) };
        let most = text.parse().ok().filter(|most| (1..=limit).contains(most));
        most.ok_or_else(|| {
            let message = format!("MaxResults: {text:?} is no number from 1 to {limit}");
            ApiError::new(ErrorKind::BadRequest, message)
        })
    }
}

/// Whether something has this ARN.
pub(crate) fn has_arn(
    settings: &Settings,
    catalogue: &Catalogue,
    state: &State,
    arn: &str,
) -> bool {
    let Some(key) = settings.tag_key(arn) else { return false };
    let one_of = |kind: &str| key.strip_prefix(kind)?.strip_prefix('/');
    one_of("vc").is_some_and(|id| catalogue.connector(id).is_some())
        || one_of("vcg").is_some_and(|id| catalogue.group(id).is_some())
        || one_of("phone-number")
            .is_some_and(|id| catalogue.number(id).is_some() || state.get::<Number>(id).is_some())
        || one_of("meeting").is_some_and(|id| state.get::<StoredMeeting>(id).is_some())
        || one_of("sma").is_some_and(|id| {
            catalogue.has_application(id) || state.get::<MediaApplication>(id).is_some()
        })
}

//! The operations that read. What they tell is the directory's snapshot, and of resources that were
//! made through the API what was said of them then. Resources of the configuration file have no time
//! of creation, and none is made up.

mod catalogue;
mod numbers;
mod voice_connectors;

pub(crate) use catalogue::Catalogue;
pub(crate) use voice_connectors::{check_id, written_connector};

use crate::api::Settings;
use crate::error::{ApiError, ErrorKind};
use crate::page_token::PageTokens;
use crate::router::Routed;
use crate::state::{State, Tags};
use serde_json::{Value, json};

/// What an operation reads from.
pub(crate) struct Reading<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) tokens: &'a PageTokens,
    pub(crate) routed: &'a Routed,
    pub(crate) state: &'a State,
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
            "ListVoiceConnectorTerminationCredentials" => self.credentials(),
            "GetVoiceConnectorStreamingConfiguration" => self.streaming(),
            "GetVoiceConnectorLoggingConfiguration" => self.logging(),
            "GetVoiceConnectorEmergencyCallingConfiguration" => self.emergency_calling(),
            "ListVoiceConnectorGroups" => self.list_groups(),
            "GetVoiceConnectorGroup" => self.group(),
            "ListPhoneNumbers" => self.list_phone_numbers(),
            "GetPhoneNumber" => self.phone_number(),
            "ListAvailableVoiceConnectorRegions" => {
                Ok(json!({ "VoiceConnectorRegions": [self.settings.region] }))
            }
            "GetGlobalSettings" => {
                Ok(json!({ "VoiceConnector": { "CdrBucket": self.settings.cdr_bucket } }))
            }
            "ListTagsForResource" => self.tags(),
            other => Err(ApiError::new(
                ErrorKind::Forbidden,
                format!("{other} is not yet served by Tandem"),
            )),
        }
    }

    /// The ARN that a policy is asked about; `*` for what is about no one resource.
    pub(crate) fn resource(&self) -> String {
        if let Some(id) = self.routed.member("VoiceConnectorId") {
            return self.settings.arn("vc", id);
        }
        if let Some(id) = self.routed.member("VoiceConnectorGroupId") {
            return self.settings.arn("vcg", id);
        }
        if let Some(id) = self.routed.member("PhoneNumberId") {
            return self.settings.arn("phone-number", id);
        }
        if self.routed.operation.name == "ListTagsForResource"
            && let Some(arn) = self.routed.parameter("arn")
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
        let one_of = |kind: &str| arn.strip_prefix(&*self.settings.arn(kind, ""));
        let is_known = one_of("vc").is_some_and(|id| self.catalogue.connector(id).is_some())
            || one_of("vcg").is_some_and(|id| self.catalogue.group(id).is_some())
            || one_of("phone-number").is_some_and(|id| self.catalogue.number(id).is_some());
        match is_known {
            // The configuration file has no tags: they are of the API alone.
            true => {
                let tags = self.state.get::<Tags>(arn).map(|stored| &stored.value);
                Ok(json!({ "Tags": tags.cloned().unwrap_or_default() }))
            }
            false => Err(ApiError::new(ErrorKind::NotFound, format!("there is no {arn}"))),
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
        let most = self.max_results()?;
        let begin = match self.routed.parameter("next-token") {
            None => 0,
            Some(token) => {
                let last = self.tokens.read(&list, token)?;
                all.partition_point(|each| name(each) <= last.as_str())
            }
        };
        let rest = all.get(begin..).unwrap_or_default();
        let page = rest.get(..most).unwrap_or(rest);
        let mut body = json!({ member: page.iter().map(written).collect::<Vec<_>>() });
        if let Some(last) = page.last().filter(|_| rest.len() > page.len()) {
            body["NextToken"] = self.tokens.write(&list, name(last)).into();
        }
        Ok(body)
    }

    fn max_results(&self) -> Result<usize, ApiError> {
        let Some(text) = self.routed.parameter("max-results") else { return Ok(PAGE_DEFAULT) };
        let most = text.parse().ok().filter(|most| (1..=100).contains(most));
        most.ok_or_else(|| {
            let message = format!("MaxResults: {text:?} is no number from 1 to 100");
            ApiError::new(ErrorKind::BadRequest, message)
        })
    }
}

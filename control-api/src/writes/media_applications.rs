//! SIP media applications and SIP rules.

use super::{Writing, bad_request, not_found, of_file};
use crate::error::{ApiError, ErrorKind};
use crate::reads::{written_application, written_rule};
use crate::state::{MediaApplication, Number, SipRule, Stored, TargetApplication, TriggerType};
use directory::{Host, parse_e164};
use serde::Deserialize;
use serde_json::{Value, json};

/// Applications of one rule, as at AWS.
const TARGETS_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    lambda_arn: String,
}

#[derive(Deserialize)]
struct LoggingConfiguration {
    #[serde(rename = "EnableSipMediaApplicationMessageLogs", default)]
    message_logs: bool,
}

impl Writing<'_, '_> {
    pub(super) fn create_application(&mut self) -> Result<Value, ApiError> {
        let record = MediaApplication {
            name: self.name()?,
            aws_region: self.required("AwsRegion")?,
            lambda_arn: self.endpoint()?.ok_or_else(|| bad_request("Endpoints: is missing"))?,
            message_logs: false,
        };
        self.check_region(&record.aws_region)?;
        let id = self.uuid()?;
        self.keep_tags(&self.settings.arn("sma", &id))?;
        self.draft.put(&id, record);
        self.application_told(&id)
    }

    pub(super) fn update_application(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.application()?;
        if self.member::<String>("Name")?.is_some() {
            stored.value.name = self.name()?;
        }
        if let Some(endpoint) = self.endpoint()? {
            stored.value.lambda_arn = endpoint;
        }
        self.draft.put(&id, stored.value);
        self.application_told(&id)
    }

    pub(super) fn delete_application(&mut self) -> Result<Value, ApiError> {
        let (id, _) = self.application()?;
        let asks = |rule: &SipRule| {
            rule.target_applications.iter().any(|to| to.sip_media_application_id == id)
        };
        let mut rules = self.draft.all::<SipRule>().iter();
        if let Some((rule, _)) = rules.find(|(_, stored)| asks(&stored.value)) {
            return Err(conflict(format!(
                "SIP media application {id} is a target of SIP rule {rule}: delete the rule first"
            )));
        }
        self.draft.remove::<MediaApplication>(&id);
        self.drop_tags("sma", &id);
        Ok(Value::Null)
    }

    pub(super) fn put_application_logging(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.application()?;
        const MEMBER: &str = "SipMediaApplicationLoggingConfiguration";
        let wanted: Option<LoggingConfiguration> = self.member(MEMBER)?;
        let on = wanted.is_some_and(|wanted| wanted.message_logs);
        stored.value.message_logs = on;
        self.draft.put(&id, stored.value);
        Ok(json!({ MEMBER: { "EnableSipMediaApplicationMessageLogs": on } }))
    }

    pub(super) fn create_rule(&mut self) -> Result<Value, ApiError> {
        let record = SipRule {
            name: self.name()?,
            disabled: self.member("Disabled")?.unwrap_or(false),
            trigger_type: self.required("TriggerType")?,
            trigger_value: self.required("TriggerValue")?,
            target_applications: self.required("TargetApplications")?,
        };
        self.check_trigger(&record)?;
        self.check_targets(&record.target_applications)?;
        let id = self.uuid()?;
        self.draft.put(&id, record);
        self.rule_told(&id)
    }

    pub(super) fn update_rule(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.rule()?;
        stored.value.name = self.name()?;
        if let Some(disabled) = self.member("Disabled")? {
            stored.value.disabled = disabled;
        }
        if let Some(targets) = self.member::<Vec<TargetApplication>>("TargetApplications")? {
            self.check_targets(&targets)?;
            stored.value.target_applications = targets;
        }
        self.draft.put(&id, stored.value);
        self.rule_told(&id)
    }

    pub(super) fn delete_rule(&mut self) -> Result<Value, ApiError> {
        let (id, stored) = self.rule()?;
        if !stored.value.disabled {
            return Err(conflict(format!("SIP rule {id} is in force: disable it first")));
        }
        self.draft.remove::<SipRule>(&id);
        Ok(Value::Null)
    }

    fn application(&self) -> Result<(String, Stored<MediaApplication>), ApiError> {
        let id = self.routed.member("SipMediaApplicationId").unwrap_or_default();
        match self.draft.get::<MediaApplication>(id) {
            Some(stored) => Ok((id.to_owned(), stored.clone())),
            None if self.catalogue.has_application(id) => {
                Err(of_file(&format!("SIP media application {id}")))
            }
            None => Err(not_found(format!("there is no SIP media application {id}"))),
        }
    }

    fn rule(&self) -> Result<(String, Stored<SipRule>), ApiError> {
        let id = self.routed.member("SipRuleId").unwrap_or_default();
        match self.draft.get::<SipRule>(id) {
            Some(stored) => Ok((id.to_owned(), stored.clone())),
            None if self.catalogue.has_rule(id) => Err(of_file(&format!("SIP rule {id}"))),
            None => Err(not_found(format!("there is no SIP rule {id}"))),
        }
    }

    fn endpoint(&self) -> Result<Option<String>, ApiError> {
        let Some(endpoints) = self.member::<Vec<Endpoint>>("Endpoints")? else { return Ok(None) };
        let one = <[Endpoint; 1]>::try_from(endpoints);
        let [endpoint] = one.map_err(|_| bad_request("Endpoints: must be one endpoint"))?;
        directory::ApplicationEndpoint::parse(&endpoint.lambda_arn)
            .map_err(|why| bad_request(format!("Endpoints[0].LambdaArn: {why}")))?;
        Ok(Some(endpoint.lambda_arn))
    }

    /// No two rules look at the same thing, and a number that leads to a voice connector or a group
    /// leads to no rule.
    fn check_trigger(&self, rule: &SipRule) -> Result<(), ApiError> {
        let value = rule.trigger_value.as_str();
        match rule.trigger_type {
            TriggerType::ToPhoneNumber if parse_e164(value).is_none() => {
                return Err(bad_request(
                    "TriggerValue: must be \"+\" and 7 to 15 digits of an E.164 number",
                ));
            }
            TriggerType::ToPhoneNumber => {
                let is_taken = self.catalogue.number(value).is_some()
                    || (self.draft.get::<Number>(value))
                        .is_some_and(|stored| stored.value.association.is_some());
                if is_taken {
                    return Err(conflict(format!(
                        "{value} leads to a voice connector or a group: disassociate it first"
                    )));
                }
            }
            TriggerType::RequestUriHostname => {
                if !matches!(Host::parse(value), Ok(Host::Name(_))) {
                    return Err(bad_request("TriggerValue: must be a host name"));
                }
            }
        }
        let is_same = |other: &SipRule| {
            other.trigger_type == rule.trigger_type
                && other.trigger_value.eq_ignore_ascii_case(value)
        };
        let mut rules = self.draft.all::<SipRule>().iter();
        match rules.find(|(_, stored)| is_same(&stored.value)) {
            Some((id, _)) => Err(conflict(format!("SIP rule {id} has {value} already"))),
            None if self.catalogue.has_trigger(value) => {
                Err(conflict(format!("a SIP rule of the configuration file has {value} already")))
            }
            None => Ok(()),
        }
    }

    fn check_targets(&self, targets: &[TargetApplication]) -> Result<(), ApiError> {
        if targets.is_empty() || targets.len() > TARGETS_MAX {
            return Err(bad_request(format!("TargetApplications: must be 1 to {TARGETS_MAX}")));
        }
        for (n, target) in targets.iter().enumerate() {
            let id = target.sip_media_application_id.as_str();
            let at = format!("TargetApplications[{n}]");
            if target.priority == 0 {
                return Err(bad_request(format!("{at}.Priority: must be 1 or more")));
            }
            if let Some(region) = &target.aws_region {
                self.check_region(region)
                    .map_err(|error| bad_request(format!("{at}.{}", error.message)))?;
            }
            let is_known = self.draft.get::<MediaApplication>(id).is_some()
                || self.catalogue.has_application(id);
            if !is_known {
                return Err(bad_request(format!(
                    "{at}.SipMediaApplicationId: there is no SIP media application {id}"
                )));
            }
            let so_far = targets.get(..n).unwrap_or_default();
            if so_far.iter().any(|other| other.sip_media_application_id == id) {
                return Err(bad_request(format!("{at}.SipMediaApplicationId: is given twice")));
            }
        }
        Ok(())
    }

    fn application_told(&self, id: &str) -> Result<Value, ApiError> {
        let stored = self.draft.get::<MediaApplication>(id);
        let written = stored.map(|stored| written_application(self.settings, id, stored));
        Ok(json!({ "SipMediaApplication": written }))
    }

    fn rule_told(&self, id: &str) -> Result<Value, ApiError> {
        let written = self.draft.get::<SipRule>(id).map(|stored| written_rule(id, stored));
        Ok(json!({ "SipRule": written }))
    }
}

fn conflict(message: String) -> ApiError {
    ApiError::new(ErrorKind::Conflict, message)
}

//! SIP media applications and SIP rules.

use super::Reading;
use crate::api::Settings;
use crate::error::ApiError;
use crate::state::{MediaApplication, SipRule, Stored};
use crate::writes::{not_found, timestamp};
use directory::RuleTrigger;
use serde_json::{Value, json};

impl Reading<'_> {
    pub(super) fn list_applications(&self) -> Result<Value, ApiError> {
        fn by_id(each: &(String, Value)) -> &str {
            &each.0
        }
        let all = self.applications();
        self.page("SipMediaApplications", "", &all, by_id, |each| each.1.clone())
    }

    pub(super) fn application(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("SipMediaApplicationId").unwrap_or_default();
        let mut all = self.applications().into_iter();
        let found = all.find(|(each, _)| each == id);
        let (_, found) =
            found.ok_or_else(|| not_found(format!("there is no SIP media application {id}")))?;
        Ok(json!({ "SipMediaApplication": found }))
    }

    pub(super) fn application_logging(&self) -> Result<Value, ApiError> {
        self.application()?;
        let id = self.routed.member("SipMediaApplicationId").unwrap_or_default();
        let mut routed = self.catalogue.applications();
        // What was put, also where the file has them logged anyway.
        let on = match self.state.get::<MediaApplication>(id) {
            Some(stored) => stored.value.message_logs,
            None => routed.find(|each| *each.id == *id).is_some_and(|each| each.message_logs),
        };
        Ok(json!({ "SipMediaApplicationLoggingConfiguration": {
            "EnableSipMediaApplicationMessageLogs": on,
        } }))
    }

    pub(super) fn list_rules(&self) -> Result<Value, ApiError> {
        fn by_id(each: &(String, Value)) -> &str {
            &each.0
        }
        let of = self.routed.parameter("sip-media-application");
        let fits = |rule: &Value| {
            let targets = rule["TargetApplications"].as_array();
            of.is_none_or(|of| {
                targets.into_iter().flatten().any(|each| each["SipMediaApplicationId"] == of)
            })
        };
        let mut all = self.rules();
        all.retain(|(_, rule)| fits(rule));
        self.page("SipRules", &format!("{of:?}"), &all, by_id, |each| each.1.clone())
    }

    pub(super) fn rule(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("SipRuleId").unwrap_or_default();
        let found = self.rules().into_iter().find(|(each, _)| each == id);
        let (_, found) = found.ok_or_else(|| not_found(format!("there is no SIP rule {id}")))?;
        Ok(json!({ "SipRule": found }))
    }

    /// All applications, by id: those of the API and those of the file.
    fn applications(&self) -> Vec<(String, Value)> {
        let made = self.state.all::<MediaApplication>().iter();
        let made =
            made.map(|(id, stored)| (id.clone(), written_application(self.settings, id, stored)));
        let of_file = self.catalogue.applications().filter_map(|each| {
            let is_made = self.state.get::<MediaApplication>(&each.id).is_some();
            (!is_made).then(|| {
                let written = json!({
                    "SipMediaApplicationId": &*each.id,
                    "AwsRegion": self.settings.region,
                    "Name": &*each.name,
                    "Endpoints": [{ "LambdaArn": each.endpoint.text() }],
                    "SipMediaApplicationArn": self.settings.arn("sma", &each.id),
                });
                (each.id.to_string(), written)
            })
        });
        let mut all: Vec<_> = made.chain(of_file).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn rules(&self) -> Vec<(String, Value)> {
        let made = self.state.all::<SipRule>().iter();
        let made = made.map(|(id, stored)| (id.clone(), written_rule(id, stored)));
        let of_file = self.catalogue.rules().filter_map(|each| {
            let is_made = self.state.get::<SipRule>(&each.id).is_some();
            let (kind, value) = match &each.trigger {
                RuleTrigger::ToPhoneNumber(number) => ("ToPhoneNumber", number),
                RuleTrigger::RequestUriHostname(host) => ("RequestUriHostname", host),
            };
            let targets = each.targets.iter().map(|target| {
                json!({
                    "SipMediaApplicationId": &*target.application,
                    "Priority": target.priority,
                    "AwsRegion": self.settings.region,
                })
            });
            (!is_made).then(|| {
                let written = json!({
                    "SipRuleId": &*each.id,
                    "Name": &*each.name,
                    "Disabled": each.disabled,
                    "TriggerType": kind,
                    "TriggerValue": &**value,
                    "TargetApplications": targets.collect::<Vec<_>>(),
                });
                (each.id.to_string(), written)
            })
        });
        let mut all: Vec<_> = made.chain(of_file).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

/// An application of the API.
pub(crate) fn written_application(
    settings: &Settings,
    id: &str,
    stored: &Stored<MediaApplication>,
) -> Value {
    let record = &stored.value;
    json!({
        "SipMediaApplicationId": id,
        "AwsRegion": record.aws_region,
        "Name": record.name,
        "Endpoints": [{ "LambdaArn": record.lambda_arn }],
        "CreatedTimestamp": timestamp(stored.created),
        "UpdatedTimestamp": timestamp(stored.updated),
        "SipMediaApplicationArn": settings.arn("sma", id),
    })
}

/// A rule of the API.
pub(crate) fn written_rule(id: &str, stored: &Stored<SipRule>) -> Value {
    let record = &stored.value;
    json!({
        "SipRuleId": id,
        "Name": record.name,
        "Disabled": record.disabled,
        "TriggerType": record.trigger_type,
        "TriggerValue": record.trigger_value,
        "TargetApplications": record.target_applications,
        "CreatedTimestamp": timestamp(stored.created),
        "UpdatedTimestamp": timestamp(stored.updated),
    })
}

//! `[[sip_media_application]]` and `[[sip_rule]]`.

use super::reader::Table;
use super::value;
use directory::{
    ApplicationEndpoint, DEFAULT_CONCURRENT_CALLS, MediaApplication, RuleTarget, RuleTrigger,
    SipRule, Termination,
};
use std::sync::Arc;
use toml::de::DeValue;

pub(super) fn read(mut table: Table<'_>) -> Option<MediaApplication> {
    let example = "id = \"123e4567-e89b-42d3-a456-426614174000\"";
    let id = table.required("id", example, value::shared_text);
    let name = table.optional("name", value::shared_text);
    let example = "endpoint = \"https://menu.example.com/calls\"";
    let endpoint =
        table.required("endpoint", example, |v| ApplicationEndpoint::parse(value::text(v)?));
    let rules = rules(&mut table, endpoint.as_ref());
    table.finish();
    let id = id?;
    let name = name.unwrap_or_else(|| id.clone());
    Some(MediaApplication { name, id, endpoint: endpoint?, ..rules })
}

/// What an application is asked with and what it may do; the rest is a stand-in.
fn rules(table: &mut Table<'_>, endpoint: Option<&ApplicationEndpoint>) -> MediaApplication {
    let stand_in = MediaApplication::new("", ApplicationEndpoint::Url(Arc::from("")));
    let secret = table.optional("secret", secret);
    let is_url = matches!(endpoint, Some(ApplicationEndpoint::Url(_)));
    if is_url && secret.is_none() && !table.has("secret") {
        let message = "without a secret the application cannot tell our requests from others'";
        table.warn_at("endpoint", message);
    }
    MediaApplication {
        secret,
        timeout: table.or("timeout", MediaApplication::DEFAULT_TIMEOUT, value::duration),
        on_failure: table.or("on_failure", MediaApplication::DEFAULT_ON_FAILURE, value::integer),
        calling_regions: table.list("calling_regions", value::country).unwrap_or_default(),
        allow_high_risk: table.or("allow_high_risk", false, value::boolean),
        cps_limit: table.or("cps_limit", Termination::DEFAULT_CPS_LIMIT, value::integer),
        concurrent_calls_limit: table.or(
            "concurrent_calls_limit",
            DEFAULT_CONCURRENT_CALLS,
            value::integer,
        ),
        message_logs: table.or("message_logs", false, value::boolean),
        ..stand_in
    }
}

/// `[[media_applications.function]]`: applications that are made through the API name a function of
/// AWS Lambda; this says what that function is here, and what its applications may do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Function {
    /// The function's name, what its ARN ends with.
    pub(crate) name: Arc<str>,
    /// Where it is asked; `None` for Lambda itself.
    pub(crate) endpoint: Option<ApplicationEndpoint>,
    rules: MediaApplication,
}

impl Function {
    /// Puts its rules on an application that names it.
    pub(crate) fn rule(&self, application: &mut MediaApplication) {
        let (id, name) = (application.id.clone(), application.name.clone());
        let endpoint = self.endpoint.clone().unwrap_or_else(|| application.endpoint.clone());
        // Whoever wants them logged has them.
        let message_logs = self.rules.message_logs || application.message_logs;
        *application = MediaApplication { id, name, endpoint, message_logs, ..self.rules.clone() };
    }

    /// Whether an application names it.
    pub(crate) fn is_of(&self, application: &MediaApplication) -> bool {
        match &application.endpoint {
            ApplicationEndpoint::Lambda(arn) => arn.split(':').nth(6) == Some(&*self.name),
            ApplicationEndpoint::Url(_) | ApplicationEndpoint::Rooms => false,
        }
    }
}

pub(super) fn read_function(mut table: Table<'_>) -> Option<Function> {
    let name = table.required("name", "name = \"menu\"", value::shared_text);
    let endpoint = table.optional("endpoint", |v| ApplicationEndpoint::parse(value::text(v)?));
    let rules = rules(&mut table, endpoint.as_ref());
    // The directory checks applications; a function is none until one names it.
    if !directory::limits::APPLICATION_TIMEOUT.contains(&rules.timeout) {
        table.error_at("timeout", "is out of range; use 1s to 60s");
    }
    if !directory::limits::HUNT_FINAL_CODE.contains(&rules.on_failure) {
        table.error_at("on_failure", "is out of range; use 400 to 699");
    }
    if !directory::limits::CPS.contains(&rules.cps_limit) {
        table.error_at("cps_limit", "is out of range; use 1 to 100000");
    }
    if !directory::limits::CONCURRENT_CALLS.contains(&rules.concurrent_calls_limit) {
        table.error_at("concurrent_calls_limit", "is out of range; use 1 to 1000000");
    }
    table.finish();
    Some(Function { name: name?, endpoint, rules })
}

/// Never shown, not even when it is no text.
fn secret(value: &DeValue<'_>) -> Result<Arc<str>, String> {
    match value.as_str() {
        Some(secret) if secret.len() >= 16 => Ok(secret.into()),
        Some(_) => Err("a secret needs 16 characters at least".to_owned()),
        None => Err("expected a secret in quotes".to_owned()),
    }
}

pub(super) fn read_rule(mut table: Table<'_>) -> Option<SipRule> {
    let id = table.required("id", "id = \"menu\"", value::shared_text);
    let name = table.optional("name", value::shared_text);
    let disabled = table.or("disabled", false, value::boolean);
    let number = table.optional("to_phone_number", value::shared_text);
    let host = table.optional("request_uri_hostname", value::shared_text);
    let targets = table.tables("targets", read_target);
    let trigger = match (number, host) {
        (Some(number), None) => Some(RuleTrigger::ToPhoneNumber(number)),
        (None, Some(host)) => Some(RuleTrigger::RequestUriHostname(host)),
        (Some(_), Some(_)) => {
            let message = "a rule has one trigger; give to_phone_number or this one";
            table.error_at("request_uri_hostname", message);
            None
        }
        (None, None) => {
            if !table.has("to_phone_number") && !table.has("request_uri_hostname") {
                table.error(
                    "[sip_rule] needs a trigger; add a line such as to_phone_number = \
                     \"+12065550100\" or request_uri_hostname = \"menu.example.com\"",
                );
            }
            None
        }
    };
    table.finish();
    let id = id?;
    let name = name.unwrap_or_else(|| id.clone());
    Some(SipRule { id, name, disabled, trigger: trigger?, targets })
}

fn read_target(mut table: Table<'_>) -> Option<RuleTarget> {
    let example = "application = \"123e4567-e89b-42d3-a456-426614174000\"";
    let application = table.required("application", example, value::shared_text);
    let priority = table.or("priority", 1, value::integer);
    table.finish();
    Some(RuleTarget { application: application?, priority })
}

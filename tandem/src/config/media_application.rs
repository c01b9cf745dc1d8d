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
    let secret = table.optional("secret", secret);
    let is_url = matches!(endpoint, Some(ApplicationEndpoint::Url(_)));
    if is_url && secret.is_none() && !table.has("secret") {
        let message = "without a secret the application cannot tell our requests from others'";
        table.warn_at("endpoint", message);
    }
    let timeout = table.or("timeout", MediaApplication::DEFAULT_TIMEOUT, value::duration);
    let on_failure = table.or("on_failure", MediaApplication::DEFAULT_ON_FAILURE, value::integer);
    let calling_regions = table.list("calling_regions", value::country).unwrap_or_default();
    let allow_high_risk = table.or("allow_high_risk", false, value::boolean);
    let cps_limit = table.or("cps_limit", Termination::DEFAULT_CPS_LIMIT, value::integer);
    let concurrent_calls_limit =
        table.or("concurrent_calls_limit", DEFAULT_CONCURRENT_CALLS, value::integer);
    table.finish();
    let id = id?;
    Some(MediaApplication {
        name: name.unwrap_or_else(|| id.clone()),
        id,
        endpoint: endpoint?,
        secret,
        timeout,
        on_failure,
        calling_regions,
        allow_high_risk,
        cps_limit,
        concurrent_calls_limit,
    })
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

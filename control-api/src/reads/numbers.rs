//! Phone numbers.

use super::Reading;
use super::catalogue::{Number, Owner};
use super::voice_connectors::check_id;
use crate::error::{ApiError, ErrorKind};
use directory::country_of;
use serde_json::{Value, json};

/// The model's PhoneNumberStatus.
const STATUSES: [&str; 11] = [
    "Cancelled",
    "PortinCancelRequested",
    "PortinInProgress",
    "AcquireInProgress",
    "AcquireFailed",
    "Unassigned",
    "Assigned",
    "ReleaseInProgress",
    "DeleteInProgress",
    "ReleaseFailed",
    "DeleteFailed",
];

/// North American codes of freephone numbers.
const TOLL_FREE: [&str; 7] = ["+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888"];

/// What a list is restricted to.
enum Filter<'a> {
    All,
    None,
    Connector(&'a str),
    Group(&'a str),
}

impl Reading<'_> {
    pub(super) fn list_phone_numbers(&self) -> Result<Value, ApiError> {
        fn by_number<'a>(each: &'a &Number) -> &'a str {
            &each.e164
        }
        let filter = self.filter()?;
        let fits = |number: &&Number| match (&filter, &number.owner) {
            (Filter::All, _) => true,
            (Filter::Connector(id), Owner::Connector(connector)) => connector.id.as_str() == *id,
            (Filter::Group(id), Owner::Group(group)) => *group.id == **id,
            _ => false,
        };
        let all: Vec<&Number> = self.catalogue.numbers.iter().filter(fits).collect();
        let named = ["status", "product-type", "filter-name", "filter-value"];
        let filters: Vec<_> = named.iter().map(|name| self.routed.parameter(name)).collect();
        let filters = format!("{filters:?}");
        self.page("PhoneNumbers", &filters, &all, by_number, |each| self.written_number(each))
    }

    pub(super) fn phone_number(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("PhoneNumberId").unwrap_or_default();
        let number = self.catalogue.number(id).ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no phone number {id:?}"))
        })?;
        Ok(json!({ "PhoneNumber": self.written_number(number) }))
    }

    fn filter(&self) -> Result<Filter<'_>, ApiError> {
        let refused = |message: String| Err(ApiError::new(ErrorKind::BadRequest, message));
        let parameter = |name| self.routed.parameter(name);
        let mut is_empty = false;
        match parameter("status") {
            Some(status) if !STATUSES.contains(&status) => {
                return refused(format!("Status: {status:?} is none of {}", STATUSES.join(", ")));
            }
            status => is_empty |= status.is_some_and(|status| status != "Assigned"),
        }
        match parameter("product-type") {
            None | Some("VoiceConnector") => {}
            Some("SipMediaApplicationDialIn") => is_empty = true,
            Some(other) => return refused(format!("ProductType: {other:?} is unknown")),
        }
        let filter = match (parameter("filter-name"), parameter("filter-value")) {
            (None, None) => Filter::All,
            (Some("VoiceConnectorId"), Some(id)) => {
                check_id(id)?;
                Filter::Connector(id)
            }
            (Some("VoiceConnectorGroupId"), Some(id)) => Filter::Group(id),
            (Some("SipRuleId"), Some(_)) => Filter::None,
            (Some(other), Some(_)) => return refused(format!("FilterName: {other:?} is unknown")),
            _ => return refused("FilterName and FilterValue go together".to_owned()),
        };
        Ok(if is_empty { Filter::None } else { filter })
    }

    fn written_number(&self, number: &Number) -> Value {
        let e164 = &*number.e164;
        let (name, value) = match &number.owner {
            Owner::Connector(connector) => ("VoiceConnectorId", connector.id.as_str()),
            Owner::Group(group) => ("VoiceConnectorGroupId", &*group.id),
        };
        let is_toll_free = TOLL_FREE.iter().any(|code| e164.starts_with(code));
        let mut written = json!({
            "PhoneNumberId": e164,
            "PhoneNumberArn": self.settings.arn("phone-number", e164),
            "E164PhoneNumber": e164,
            "Type": if is_toll_free { "TollFree" } else { "Local" },
            "ProductType": "VoiceConnector",
            "Status": "Assigned",
            "Capabilities": {
                "InboundCall": true,
                "OutboundCall": true,
                "InboundSMS": false,
                "OutboundSMS": false,
                "InboundMMS": false,
                "OutboundMMS": false,
            },
            "Associations": [{ "Name": name, "Value": value }],
        });
        // A number of no country, such as +800, has none.
        if let Some(country) = country_of(e164) {
            written["Country"] = country.into();
        }
        written
    }
}

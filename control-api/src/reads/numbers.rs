//! Phone numbers.

use super::Reading;
use super::catalogue::{Number, Owner};
use super::voice_connectors::check_id;
use crate::api::Settings;
use crate::error::{ApiError, ErrorKind};
use crate::state::{self, Association, FOR_VOICE_CONNECTORS, NumberSettings, Stored};
use crate::writes::timestamp;
use directory::{NumberOwner, country_of, is_toll_free};
use model::{UnixTime, VoiceConnectorId};
use serde_json::{Value, json};
use std::ops::Bound;

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

/// Owners with more numbers than these are looked for among all, which fill a page soon.
const FEW: usize = 5_000;

/// What a list is restricted to.
enum Filter<'a> {
    All,
    None,
    Connector(&'a str),
    Group(&'a str),
}

/// A number of the configuration file, or of the API.
enum Each<'a> {
    OfFile(&'a Number),
    OfApi(&'a str, &'a Stored<state::Number>),
}

impl Each<'_> {
    fn e164(&self) -> &str {
        match self {
            Each::OfFile(number) => &number.e164,
            Each::OfApi(e164, _) => e164,
        }
    }
}

impl Reading<'_> {
    pub(super) fn list_phone_numbers(&self) -> Result<Value, ApiError> {
        let filter = self.filter()?;
        let named = ["status", "product-type", "filter-name", "filter-value"];
        let filters: Vec<_> = named.iter().map(|name| self.routed.parameter(name)).collect();
        let list = format!("{}?{filters:?}", self.routed.operation.name);
        let (after, most) = (self.after(&list)?.unwrap_or_default(), self.max_results(100)?);
        let mut of_api = self.numbers_of_api(&filter, &after).peekable();
        let begin = self.catalogue.numbers.partition_point(|each| *each.e164 <= *after);
        let of_file = self.catalogue.numbers.get(begin..).unwrap_or_default().iter();
        let mut of_file =
            of_file.map(Each::OfFile).filter(|each| self.fits(&filter, each)).peekable();
        let mut page = Vec::new();
        // One more than the page has tells whether the list goes on.
        while page.len() <= most {
            let next = match (of_file.peek(), of_api.peek()) {
                (Some(file), Some(api)) if file.e164() <= api.e164() => of_file.next(),
                (Some(_), None) => of_file.next(),
                _ => of_api.next(),
            };
            let Some(next) = next else { break };
            page.push(next);
        }
        let goes_on = page.len() > most;
        page.truncate(most);
        let written = page.iter().map(|each| self.told(each));
        let mut body = json!({ "PhoneNumbers": written.collect::<Vec<_>>() });
        if let Some(last) = page.last().filter(|_| goes_on) {
            body["NextToken"] = self.tokens.write(&list, last.e164()).into();
        }
        Ok(body)
    }

    /// The API's numbers after `after` that the filter lets through, in order.
    fn numbers_of_api<'b>(
        &'b self,
        filter: &'b Filter<'b>,
        after: &str,
    ) -> Box<dyn Iterator<Item = Each<'b>> + 'b> {
        let owner = match filter {
            Filter::Connector(id) => VoiceConnectorId::new(id).ok().map(NumberOwner::Connector),
            Filter::Group(id) => Some(NumberOwner::Group((*id).into())),
            _ => None,
        };
        let known = self.directory.numbers();
        let all = self.state.all::<state::Number>();
        let few = owner.filter(|owner| known.count_of(owner) <= FEW);
        let entries: Box<dyn Iterator<Item = (&'b String, &'b Stored<state::Number>)>> = match few {
            Some(owner) => {
                let mut of_owner: Vec<_> =
                    known.of(&owner).filter_map(|number| all.get_key_value(&number)).collect();
                // By text: longer numbers may come before shorter ones.
                of_owner.sort_by_key(|(e164, _)| *e164);
                let begin = of_owner.partition_point(|(e164, _)| e164.as_str() <= after);
                Box::new(of_owner.into_iter().skip(begin))
            }
            None => Box::new(all.range::<str, _>((Bound::Excluded(after), Bound::Unbounded))),
        };
        let entries = entries.map(|(e164, stored)| Each::OfApi(e164, stored));
        Box::new(
            entries.filter(|each| {
                self.fits(filter, each) && self.catalogue.number(each.e164()).is_none()
            }),
        )
    }

    fn fits(&self, filter: &Filter<'_>, each: &Each<'_>) -> bool {
        let parameter = |name| self.routed.parameter(name);
        let (status, product) = match each {
            Each::OfFile(_) => ("Assigned", FOR_VOICE_CONNECTORS),
            Each::OfApi(_, stored) if stored.value.is_gone(self.now) => return false,
            Each::OfApi(_, stored) => (stored.value.status(), stored.value.product_type.as_str()),
        };
        if parameter("status").is_some_and(|asked| asked != status)
            || parameter("product-type").is_some_and(|asked| asked != product)
        {
            return false;
        }
        let (connector, group) = match each {
            Each::OfFile(number) => match &number.owner {
                Owner::Connector(connector) => (Some(connector.id.as_str()), None),
                Owner::Group(group) => (None, Some(&*group.id)),
            },
            Each::OfApi(_, stored) => match &stored.value.association {
                Some(Association::Connector(id)) => (Some(id.as_str()), None),
                Some(Association::Group(id)) => (None, Some(id.as_str())),
                None => (None, None),
            },
        };
        match filter {
            Filter::All => true,
            Filter::None => false,
            Filter::Connector(id) => connector == Some(*id),
            Filter::Group(id) => group == Some(*id),
        }
    }

    pub(super) fn phone_number(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("PhoneNumberId").unwrap_or_default();
        let number = self.number(id).ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no phone number {id:?}"))
        })?;
        Ok(json!({ "PhoneNumber": number }))
    }

    /// A number as the API tells it; the configuration file's stands before the API's.
    pub(super) fn number(&self, e164: &str) -> Option<Value> {
        if let Some(number) = self.catalogue.number(e164) {
            return Some(self.told(&Each::OfFile(number)));
        }
        let (e164, stored) = self.state.all::<state::Number>().get_key_value(e164)?;
        (!stored.value.is_gone(self.now)).then(|| self.told(&Each::OfApi(e164, stored)))
    }

    pub(super) fn number_settings(&self) -> Value {
        let stored = self.state.get::<NumberSettings>(NumberSettings::ID);
        let Some(NumberSettings { calling_name, calling_name_ms }) = stored.map(|s| &s.value)
        else {
            return json!({});
        };
        let at = timestamp(UnixTime::from_millis(*calling_name_ms));
        let mut told = json!({ "CallingNameUpdatedTimestamp": at });
        if let Some(name) = calling_name {
            told["CallingName"] = name.as_str().into();
        }
        told
    }

    fn filter(&self) -> Result<Filter<'_>, ApiError> {
        let refused = |message: String| Err(ApiError::new(ErrorKind::BadRequest, message));
        let parameter = |name| self.routed.parameter(name);
        if let Some(status) = parameter("status").filter(|status| !STATUSES.contains(status)) {
            return refused(format!("Status: {status:?} is none of {}", STATUSES.join(", ")));
        }
        parameter("product-type").map_or(Ok(()), check_product_type)?;
        Ok(match (parameter("filter-name"), parameter("filter-value")) {
            (None, None) => Filter::All,
            (Some("VoiceConnectorId"), Some(id)) => {
                check_id(id)?;
                Filter::Connector(id)
            }
            (Some("VoiceConnectorGroupId"), Some(id)) => Filter::Group(id),
            (Some("SipRuleId"), Some(_)) => Filter::None,
            (Some(other), Some(_)) => return refused(format!("FilterName: {other:?} is unknown")),
            _ => return refused("FilterName and FilterValue go together".to_owned()),
        })
    }

    fn told(&self, each: &Each<'_>) -> Value {
        let number = match each {
            Each::OfApi(e164, stored) => return written_number(self.settings, e164, stored),
            Each::OfFile(number) => number,
        };
        let (name, value) = match &number.owner {
            Owner::Connector(connector) => ("VoiceConnectorId", connector.id.as_str()),
            Owner::Group(group) => ("VoiceConnectorGroupId", &*group.id),
        };
        let mut written = common(self.settings, &number.e164, is_toll_free(&number.e164));
        written["ProductType"] = FOR_VOICE_CONNECTORS.into();
        written["Status"] = "Assigned".into();
        written["Associations"] = json!([{ "Name": name, "Value": value }]);
        written
    }
}

/// Whether the model knows it.
pub(super) fn check_product_type(text: &str) -> Result<(), ApiError> {
    match text {
        FOR_VOICE_CONNECTORS | "SipMediaApplicationDialIn" => Ok(()),
        other => {
            let message = format!(
                "ProductType: {other:?} is none of VoiceConnector, SipMediaApplicationDialIn"
            );
            Err(ApiError::new(ErrorKind::BadRequest, message))
        }
    }
}

/// A number of the API in the model's shape.
pub(crate) fn written_number(
    settings: &Settings,
    e164: &str,
    stored: &Stored<state::Number>,
) -> Value {
    let number = &stored.value;
    let mut written = common(settings, e164, number.toll_free);
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            written[name] = value.into();
        }
    };
    let at = |ms: Option<u64>| ms.map(|ms| timestamp(UnixTime::from_millis(ms)));
    put("ProductType", Some(number.product_type.clone()));
    put("Status", Some(number.status().to_owned()));
    put("Name", number.name.clone());
    put("CallingName", number.calling_name.clone());
    let named = if number.calling_name.is_some() { "UpdateSucceeded" } else { "Unassigned" };
    put("CallingNameStatus", Some(named.to_owned()));
    put("OrderId", number.order_id.clone());
    put("CreatedTimestamp", Some(timestamp(stored.created)));
    put("UpdatedTimestamp", Some(timestamp(stored.updated)));
    put("DeletionTimestamp", at(number.deleted_ms));
    written["Associations"] = match &number.association {
        None => json!([]),
        Some(to) => {
            let (name, value) = match to {
                Association::Connector(id) => ("VoiceConnectorId", id),
                Association::Group(id) => ("VoiceConnectorGroupId", id),
            };
            let mut association = json!({ "Name": name, "Value": value });
            if let Some(at) = at(number.associated_ms) {
                association["AssociatedTimestamp"] = at.into();
            }
            json!([association])
        }
    };
    written
}

fn common(settings: &Settings, e164: &str, is_toll_free: bool) -> Value {
    let mut written = json!({
        "PhoneNumberId": e164,
        "PhoneNumberArn": settings.arn("phone-number", e164),
        "E164PhoneNumber": e164,
        "Type": if is_toll_free { "TollFree" } else { "Local" },
        "Capabilities": {
            "InboundCall": true,
            "OutboundCall": true,
            "InboundSMS": false,
            "OutboundSMS": false,
            "InboundMMS": false,
            "OutboundMMS": false,
        },
    });
    // A number of no country, such as +800, has none.
    if let Some(country) = country_of(e164) {
        written["Country"] = country.into();
    }
    written
}

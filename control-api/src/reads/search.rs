//! Numbers that may be ordered, from the operator's pools.

use super::Reading;
use super::numbers::check_product_type;
use crate::error::{ApiError, ErrorKind};
use crate::state::{Number, State};
use directory::{NumberPool, Snapshot};
use model::UnixTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// AWS's limit of one page.
const PAGE_MAX: usize = 500;

impl Reading<'_> {
    pub(super) fn search(&self) -> Result<Value, ApiError> {
        let named =
            ["area-code", "city", "country", "state", "toll-free-prefix", "phone-number-type"];
        let filters = named.map(|name| self.routed.parameter(name).filter(|text| !text.is_empty()));
        let list = format!("{}?{filters:?}", self.routed.operation.name);
        let [area_code, city, country, state, toll_free_prefix, kind] = filters;
        let is_toll_free = match kind {
            None => None,
            Some("Local") => Some(false),
            Some("TollFree") => Some(true),
            Some(other) => {
                return refused(&format!("PhoneNumberType: {other:?} is none of Local, TollFree"));
            }
        };
        let area_code = area_code.map(digits_of).transpose()?;
        if toll_free_prefix.is_some_and(|prefix| !directory::is_toll_free(&freephone(prefix))) {
            return refused("TollFreePrefix: must be 800, 833, 844, 855, 866, 877 or 888");
        }
        let mut prefixes = area_code
            .iter()
            .chain(toll_free_prefix.map(str::to_owned).iter())
            .map(|code| format!("+1{code}"))
            .collect::<Vec<_>>();
        prefixes.dedup();
        if prefixes.len() > 1 {
            return Ok(json!({ "E164PhoneNumbers": [] }));
        }
        let (after, most) = (self.after(&list)?, self.max_results(PAGE_MAX)?);
        let is = |asked: Option<&str>, has: Option<&str>| {
            asked.is_none_or(|asked| has.is_some_and(|has| has.eq_ignore_ascii_case(asked)))
        };
        let pools = self.directory.number_pools().iter().filter(|pool| {
            is(country, Some(&pool.country))
                && is(state, pool.state.as_deref())
                && is(city, pool.city.as_deref())
                && is_toll_free.is_none_or(|asked| pool.is_toll_free == asked)
                && (toll_free_prefix.is_none() || pool.is_toll_free)
        });
        let mut ranges: Vec<_> = pools.flat_map(|pool| &pool.ranges).collect();
        ranges.sort();
        let prefix = prefixes.first().map(String::as_str);
        let mut free = ranges
            .into_iter()
            .flat_map(|range| range.numbers(after.as_deref(), prefix))
            .filter(|e164| is_free(self.directory, self.state, self.now, e164));
        let page: Vec<String> = free.by_ref().take(most).collect();
        let mut body = json!({ "E164PhoneNumbers": page });
        if let Some(last) = page.last().filter(|_| free.next().is_some()) {
            body["NextToken"] = self.tokens.write(&list, last).into();
        }
        Ok(body)
    }

    pub(super) fn countries(&self) -> Result<Value, ApiError> {
        let product = self.routed.parameter("product-type").unwrap_or_default();
        check_product_type(product)?;
        let mut countries: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
        for pool in self.directory.number_pools() {
            let [local, toll_free] = countries.entry(&pool.country).or_default();
            *(if pool.is_toll_free { toll_free } else { local }) = true;
        }
        let told = countries.iter().map(|(country, [local, toll_free])| {
            let kinds = [(local, "Local"), (toll_free, "TollFree")];
            let kinds: Vec<_> = kinds.iter().filter(|(is, _)| **is).map(|(_, kind)| kind).collect();
            json!({ "CountryCode": country, "SupportedPhoneNumberTypes": kinds })
        });
        Ok(json!({ "PhoneNumberCountries": told.collect::<Vec<_>>() }))
    }
}

/// The pool that a number can be ordered from now.
pub(crate) fn pool_of<'a>(
    directory: &'a Snapshot,
    state: &State,
    now: UnixTime,
    e164: &str,
) -> Option<&'a NumberPool> {
    let mut pools = directory.number_pools().iter();
    pools
        .find(|pool| pool.ranges.iter().any(|range| range.contains(e164)))
        .filter(|_| is_free(directory, state, now, e164))
}

fn is_free(directory: &Snapshot, state: &State, now: UnixTime, e164: &str) -> bool {
    let taken = state.get::<Number>(e164);
    taken.is_none_or(|taken| taken.value.is_gone(now)) && !directory.declares_number(e164)
}

/// An area code; letters stand for the digits that telephones have them on (ITU-T E.161).
fn digits_of(area_code: &str) -> Result<String, ApiError> {
    let digit = |letter: char| match letter.to_ascii_uppercase() {
        digit @ '0'..='9' => Some(digit),
        'A'..='C' => Some('2'),
        'D'..='F' => Some('3'),
        'G'..='I' => Some('4'),
        'J'..='L' => Some('5'),
        'M'..='O' => Some('6'),
        'P'..='S' => Some('7'),
        'T'..='V' => Some('8'),
        'W'..='Z' => Some('9'),
        _ => None,
    };
    match area_code.chars().map(digit).collect::<Option<String>>() {
        Some(digits) if digits.len() == 3 => Ok(digits),
        _ => refused(&format!("AreaCode: {area_code:?} is not three digits, or letters for them")),
    }
}

fn freephone(prefix: &str) -> String {
    format!("+1{prefix}5550100")
}

fn refused<T>(message: &str) -> Result<T, ApiError> {
    Err(ApiError::new(ErrorKind::BadRequest, message))
}

//! Addresses for emergency calls: whether one is written as such an address must be. There is no
//! register of addresses here to look it up in.

use super::{Writing, bad_request};
use crate::error::{ApiError, ErrorKind};
use serde_json::{Value, json};

const STATES: [&str; 56] = [
    "AL", "AK", "AS", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "GU", "HI", "ID", "IL",
    "IN", "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MP", "MS", "MO", "MT", "NE", "NV",
    "NH", "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA", "PR", "RI", "SC", "SD", "TN", "TX",
    "UT", "VT", "VA", "VI", "WA", "WV", "WI", "WY",
];
const PROVINCES: [&str; 13] =
    ["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];

/// Longest member, in characters.
const LONGEST: usize = 256;

impl Writing<'_, '_> {
    pub(super) fn validate_address(&mut self) -> Result<Value, ApiError> {
        let account: String = self.required("AwsAccountId")?;
        if account != self.settings.account_id {
            let own = &self.settings.account_id;
            return Err(bad_request(format!(
                "AwsAccountId: {account:?} is not {own}, this account"
            )));
        }
        let mut texts = Vec::with_capacity(6);
        for member in ["StreetNumber", "StreetInfo", "City", "State", "Country", "PostalCode"] {
            let text: String = self.required(member)?;
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if text.is_empty() || text.chars().count() > LONGEST {
                return Err(unprocessable(member, "must have 1 to 256 characters"));
            }
            if text.chars().any(char::is_control) {
                return Err(unprocessable(member, "has control characters"));
            }
            texts.push(text);
        }
        let [number, street, city, state, country, code] = texts.as_slice() else {
            return Err(bad_request("an address has six members".to_owned()));
        };
        let address = checked(number, street, city, state, country, code)?;
        Ok(json!({ "ValidationResult": 0, "Address": address, "CandidateAddressList": [] }))
    }
}

fn checked(
    number: &str,
    street: &str,
    city: &str,
    state: &str,
    country: &str,
    code: &str,
) -> Result<Value, ApiError> {
    let is_us = match country.to_ascii_uppercase().as_str() {
        "US" | "USA" => true,
        "CA" | "CAN" => false,
        _ => return Err(unprocessable("Country", "is neither US nor CA, which E911 is for")),
    };
    if !number.chars().any(|c| c.is_ascii_digit()) {
        return Err(unprocessable("StreetNumber", "has no digit"));
    }
    for (member, text) in [("StreetInfo", street), ("City", city)] {
        if !text.chars().any(char::is_alphanumeric) {
            return Err(unprocessable(member, "has no letter and no digit"));
        }
    }
    let state = state.to_ascii_uppercase();
    let states = if is_us { &STATES[..] } else { &PROVINCES[..] };
    if !states.contains(&state.as_str()) {
        let why = if is_us { "is no state's two letters" } else { "is no province's two letters" };
        return Err(unprocessable("State", why));
    }
    let (code, plus4) = if is_us { zip(code)? } else { (canadian(code)?, None) };
    let mut address = json!({
        "streetNumber": number,
        "streetName": street,
        "city": city,
        "state": state,
        "postalCode": code,
        "country": if is_us { "US" } else { "CA" },
    });
    if let Some(plus4) = plus4 {
        address["postalCodePlus4"] = plus4.into();
    }
    Ok(address)
}

/// Five digits, and four more where they are given.
fn zip(code: &str) -> Result<(String, Option<String>), ApiError> {
    let (five, four) = match code.split_once('-') {
        Some((five, four)) => (five, Some(four)),
        None => (code, None),
    };
    let are = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if !are(five, 5) || four.is_some_and(|four| !are(four, 4)) {
        return Err(unprocessable("PostalCode", "is no ZIP code, such as 98109 or 98109-1234"));
    }
    Ok((five.to_owned(), four.map(str::to_owned)))
}

/// As `A1A 1A1`.
fn canadian(code: &str) -> Result<String, ApiError> {
    let bare: String = code.chars().filter(|c| *c != ' ').collect::<String>().to_ascii_uppercase();
    let fits = bare.len() == 6
        && bare.bytes().enumerate().all(|(at, b)| match at % 2 {
            0 => b.is_ascii_uppercase(),
            _ => b.is_ascii_digit(),
        });
    match bare.split_at_checked(3).filter(|_| fits) {
        Some((first, last)) => Ok(format!("{first} {last}")),
        None => Err(unprocessable("PostalCode", "is no Canadian postal code, such as K1A 0B1")),
    }
}

fn unprocessable(member: &str, why: &str) -> ApiError {
    ApiError::new(ErrorKind::UnprocessableEntity, format!("{member}: {why}"))
}

//! Outbound calling: its settings, and the credentials that the customer's systems prove.

use super::{Writing, bad_request, not_found};
use crate::error::ApiError;
use crate::state::{Credential, Credentials, Termination};
use directory::{country_code, limits, parse_e164};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::IpAddr;

/// Credentials of one voice connector, as at AWS.
const CREDENTIALS: usize = 10;
/// Longest user name and password, in characters.
const CREDENTIAL_TEXT: usize = 128;

impl Writing<'_, '_> {
    pub(super) fn put_termination(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        let termination: Termination = self.required("Termination")?;
        check(&termination)?;
        let told = json!({ "Termination": termination });
        stored.value.termination = Some(termination);
        self.draft.put(&id, stored.value);
        Ok(told)
    }

    pub(super) fn delete_termination(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        self.refuse_in_emergency(&id, &stored.value, "termination")?;
        // Its credentials stay: a termination that is put again asks for them again, and never lets
        // anybody call without.
        stored.value.termination = None;
        self.draft.put(&id, stored.value);
        Ok(Value::Null)
    }

    /// Adds credentials, or gives a user name another password.
    pub(super) fn put_credentials(&mut self) -> Result<Value, ApiError> {
        let (id, stored) = self.connector()?;
        if stored.value.termination.is_none() {
            return Err(not_found(format!(
                "voice connector {id} has no termination, which credentials are of: put it first"
            )));
        }
        let given: Vec<Credential> = self.member("Credentials")?.unwrap_or_default();
        let mut all = self.known_credentials(&id);
        for (n, credential) in given.into_iter().enumerate() {
            check_credential(n, &credential)?;
            match all.0.iter_mut().find(|each| each.username == credential.username) {
                Some(known) => *known = credential,
                None => all.0.push(credential),
            }
        }
        if all.0.len() > CREDENTIALS {
            return Err(bad_request(format!(
                "Credentials: a voice connector has at most {CREDENTIALS}, and these would be {}",
                all.0.len()
            )));
        }
        self.keep_credentials(&id, all);
        Ok(Value::Null)
    }

    pub(super) fn delete_credentials(&mut self) -> Result<Value, ApiError> {
        let (id, _) = self.connector()?;
        let gone: HashSet<String> = self.required("Usernames")?;
        let mut all = self.known_credentials(&id);
        all.0.retain(|each| !gone.contains(&each.username));
        self.keep_credentials(&id, all);
        Ok(Value::Null)
    }

    fn known_credentials(&self, id: &str) -> Credentials {
        self.draft.get::<Credentials>(id).map(|stored| stored.value.clone()).unwrap_or_default()
    }

    fn keep_credentials(&mut self, id: &str, credentials: Credentials) {
        if credentials.0.is_empty() {
            self.draft.remove::<Credentials>(id);
        } else {
            self.draft.put(id, credentials);
        }
    }
}

fn check(termination: &Termination) -> Result<(), ApiError> {
    let refuse =
        |member: String, why: &str| Err(bad_request(format!("Termination.{member}: {why}")));
    if let Some(limit) = termination.cps_limit.filter(|limit| !limits::CPS.contains(limit)) {
        let why = format!("{limit} is out of range; use {} to {}", 1, limits::CPS.end());
        return refuse("CpsLimit".to_owned(), &why);
    }
    if termination.default_phone_number.as_deref().is_some_and(|e164| parse_e164(e164).is_none()) {
        return refuse("DefaultPhoneNumber".to_owned(), NOT_E164);
    }
    for (n, region) in termination.calling_regions.iter().enumerate() {
        if country_code(region).is_none() {
            let why =
                format!("{region:?} is no country that has phone numbers (ISO 3166-1 alpha-2)");
            return refuse(format!("CallingRegions[{n}]"), &why);
        }
    }
    let mut seen = HashSet::new();
    for (n, text) in termination.cidr_allowed_list.iter().enumerate() {
        let member = format!("CidrAllowedList[{n}]");
        let Ok(network) = text.parse::<IpNet>() else {
            let why = format!("{text:?} is no network in CIDR form, such as 192.0.2.8/29");
            return refuse(member, &why);
        };
        if network.addr() != network.network() {
            let why = format!("{text} has bits after its prefix length; write {}", network.trunc());
            return refuse(member, &why);
        }
        if matches!(network.addr(), IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some()) {
            return refuse(member, "is an IPv4 network in IPv6 form; write it as IPv4");
        }
        if !seen.insert(network) {
            return refuse(member, &format!("{text} is listed twice"));
        }
    }
    Ok(())
}

/// What numbers that calls are sent to or come from must be.
pub(super) const NOT_E164: &str = "must be \"+\" and 7 to 15 digits, such as +12065550100";

/// The password is never repeated.
fn check_credential(n: usize, credential: &Credential) -> Result<(), ApiError> {
    let refuse =
        |member: &str, why: &str| Err(bad_request(format!("Credentials[{n}].{member}: {why}")));
    let printable = |text: &str| {
        (1..=CREDENTIAL_TEXT).contains(&text.len())
            && text.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    // RFC 2617 section 2: a colon ends the user name.
    if !printable(&credential.username) || credential.username.contains([':', '"', '\\']) {
        return refuse("Username", "must be 1 to 128 characters of US-ASCII other than : \" \\");
    }
    if !printable(&credential.password) {
        return refuse("Password", "must be 1 to 128 printable characters of US-ASCII");
    }
    Ok(())
}

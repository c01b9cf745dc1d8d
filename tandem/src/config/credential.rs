//! User names and passwords. What is wrong with one is told without repeating the password.

use super::reader::{Table, kind};
use super::value;
use directory::{Credential, DigestAlgorithm};
use std::sync::Arc;
use toml::de::DeValue;

/// `username` and `password`, both required.
pub(super) fn read(mut table: Table<'_>) -> Option<Credential> {
    let username = table.required("username", "username = \"pbx\"", value::shared_text);
    let password = table.required("password", "password = \"…\"", password);
    table.finish();
    Some(Credential { username: username?, password: password? })
}

/// `username` and `password` of a table that has other keys as well: both or neither.
pub(super) fn optional(table: &mut Table<'_>) -> Option<Credential> {
    let username = table.optional("username", value::shared_text);
    let password = table.optional("password", password);
    if username.is_some() != password.is_some() {
        let lonely = if username.is_some() { "username" } else { "password" };
        table.error_at(lonely, "username and password go together; give both or neither");
    }
    username.zip(password).map(|(username, password)| Credential { username, password })
}

/// `digest_algorithms`, the preferred one first.
pub(super) fn algorithms(
    table: &mut Table<'_>,
    default: Vec<DigestAlgorithm>,
) -> Vec<DigestAlgorithm> {
    let listed = table.list("digest_algorithms", |v| {
        DigestAlgorithm::parse(value::text(v)?).ok_or_else(|| {
            format!("{} is unknown; use \"SHA-256\", \"SHA-512-256\" or \"MD5\"", kind(v))
        })
    });
    match listed {
        Some(listed) if listed.is_empty() => {
            let message = "empty: no credentials could be proved; leave it out for the default";
            table.error_at("digest_algorithms", message);
            default
        }
        Some(listed) => listed,
        None => default,
    }
}

/// Never shown, not even when it is no text.
fn password(value: &DeValue<'_>) -> Result<Arc<str>, String> {
    match value.as_str() {
        Some("") => Err("must not be empty".to_owned()),
        Some(password) => Ok(password.into()),
        None => Err("expected a password in quotes".to_owned()),
    }
}

//! A certificate for a node that was given none: made once, kept in `data_dir`, used again.

use super::files::{TlsFileError, check_pair};
use super::state::TlsSettings;
use directory::KeyPairFiles;
use rcgen::{CertificateParams, DnType, KeyPair};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How long it is valid. Nobody can check it against an authority, so that renewing it often would
/// only disturb the peers that have pinned it.
const VALID_SECONDS: i64 = 10 * 366 * 86_400;

/// A pair with less than this left is made anew at the start.
const RENEW_SECONDS: i64 = 30 * 86_400;

/// The self-signed pair of `settings`, for their domain, the voice connectors below it, and their names; made when
/// it is not there, does not work, ends soon, or is not for a name that it needs.
///
/// # Errors
/// [`TlsFileError`] when it cannot be written.
pub(crate) fn self_signed(settings: &TlsSettings, now: i64) -> Result<KeyPairFiles, TlsFileError> {
    let TlsSettings { data_dir, domain, names: others, needs_names, .. } = settings;
    let names: Vec<String> = [domain.to_owned(), format!("*.voiceconnector.{domain}")]
        .into_iter()
        .chain(others.iter().cloned())
        .collect();
    let files = KeyPairFiles {
        certificate: data_dir.join("tls-self-signed.pem").into(),
        key: data_dir.join("tls-self-signed.key").into(),
    };
    let usable = check_pair(&files).is_ok_and(|facts| {
        let is_for = |wanted: &String| facts.names.iter().any(|name| **name == **wanted);
        let needed = others.iter().filter(|_| *needs_names);
        let wanted = std::iter::once(domain).chain(needed);
        facts.not_after - now > RENEW_SECONDS && wanted.into_iter().all(is_for)
    });
    if !usable {
        make(&files, &names, now)?;
        tracing::info!(
            certificate = %files.certificate.display(),
            "made a self-signed TLS certificate for {domain}; set [sip] tls_certificate and tls_key \
             to one that peers can check"
        );
    }
    Ok(files)
}

/// A self-signed certificate and its key for `names`, as PEM, valid from a day before `now` (in
/// seconds since 1970).
///
/// # Errors
/// What the generator said, most likely about a name.
pub(super) fn make_self_signed(names: &[String], now: i64) -> Result<(String, String), String> {
    let said = |error: rcgen::Error| error.to_string();
    let mut params = CertificateParams::new(names.to_vec()).map_err(said)?;
    let common_name = names.first().map_or("tandem", |name| name.as_str());
    params.distinguished_name.push(DnType::CommonName, common_name);
    let date = |seconds: i64| {
        time::OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string())
    };
    params.not_before = date(now - 86_400)?;
    params.not_after = date(now + VALID_SECONDS)?;
    let key = KeyPair::generate().map_err(said)?;
    let certificate = params.self_signed(&key).map_err(said)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn make(files: &KeyPairFiles, names: &[String], now: i64) -> Result<(), TlsFileError> {
    let (certificate, key) = make_self_signed(names, now).map_err(|reason| TlsFileError {
        path: None,
        reason: format!("{}: {reason}", names.join(", ")),
    })?;
    write(&files.key, &key)?;
    write(&files.certificate, &certificate)
}

/// Replaces the file in one step, so that nobody reads half of it.
fn write(path: &Path, text: &str) -> Result<(), TlsFileError> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    let written = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    written().map_err(|error: std::io::Error| TlsFileError {
        path: Some(path.to_owned()),
        reason: format!("cannot be written: {error}; give a data_dir that this user may write"),
    })
}

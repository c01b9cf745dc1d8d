//! `tandem check`.

use super::{complain, load, say};
use crate::clock::Origin;
use crate::config::{AudioFile, Config, Finding, TlsFileKind, TlsFiles, TokenFile};
use crate::exposure::Exposure;
use relay_control::fingerprint_text;
use sip_edge::tls;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn check(path: &Path) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    if !tls_files_are_fine(path, &config) {
        return ExitCode::FAILURE;
    }
    if !identity_files_are_fine(path, &config) || !audio_files_are_fine(path, &config) {
        return ExitCode::FAILURE;
    }
    if !token_files_are_fine(path, &config) {
        return ExitCode::FAILURE;
    }
    if !crate::recordings::key_is_fine(path, &config) {
        return ExitCode::FAILURE;
    }
    if let Err(error) = crate::privacy::check(&config) {
        complain(format_args!("{}: {error}", path.display()));
        return ExitCode::FAILURE;
    }
    if let Some(control) = &config.relay_control {
        match control.credentials.fingerprint() {
            Ok(ours) => say(format_args!(
                "[relay_control] fingerprints of the other side must name {}",
                fingerprint_text(&ours)
            )),
            Err(error) => {
                complain(format_args!("{}: [relay_control] {error}", path.display()));
                return ExitCode::FAILURE;
            }
        }
    }
    if let Some(exposure) = Exposure::of(&config.node.data_dir) {
        let (file, advice) = (path.display(), exposure.advice());
        complain(format_args!("warning: {file}: [node] data_dir: {exposure}; {advice}"));
    }
    let directory = &config.directory;
    let numbers: usize =
        directory.voice_connectors().map(|connector| connector.numbers.len()).sum();
    say(format_args!(
        "{}: fine. {} voice connector(s) with {numbers} number(s), {} carrier(s), {} listener(s)",
        path.display(),
        directory.voice_connectors().count(),
        directory.carriers().count(),
        config.sip.listeners.len(),
    ));
    ExitCode::SUCCESS
}

/// Looks at every file of TLS that the configuration names, and says what is wrong.
fn tls_files_are_fine(path: &Path, config: &Config) -> bool {
    let file = path.display().to_string();
    let mut fine = true;
    for files in &config.tls_files {
        match look_at(files) {
            Ok(None) => {}
            Ok(Some(warning)) => complain(format_args!("warning: {}", warning.in_file(&file))),
            Err(error) => {
                complain(error.in_file(&file));
                fine = false;
            }
        }
    }
    fine
}

/// The same for what is to be played. All of them together may still be too much for a node's memory.
fn audio_files_are_fine(path: &Path, config: &Config) -> bool {
    let mut fine = true;
    for AudioFile { line, key, path: audio } in &config.audio_files {
        if let Err(error) = media_relay::check_audio_file(audio) {
            complain(format_args!("{}:{line}: {key}: {error}", path.display()));
            fine = false;
        }
    }
    fine
}

/// The same for tokens of programs behind WebSockets. Where relays run on other hosts, theirs are read.
fn token_files_are_fine(path: &Path, config: &Config) -> bool {
    let mut fine = true;
    for TokenFile { line, path: token } in &config.token_files {
        let place = format!("{}:{line}: token_file", path.display());
        if let Err(error) = voice_socket::read_token(Path::new(&**token)) {
            complain(format_args!("{place}: {token}: {error}"));
            fine = false;
        } else if fs::metadata(&**token).is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
            complain(format_args!(
                "warning: {place}: others on this host can read {token}; chmod 600 {token}"
            ));
        }
    }
    fine
}

/// The same for the files of `[stir]`.
fn identity_files_are_fine(path: &Path, config: &Config) -> bool {
    let now = Origin::now().calendar;
    let loaded = match crate::identity::load(&config.stir, now) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(format_args!("{}: {error}", path.display()));
            return false;
        }
    };
    for text in &loaded.refused {
        complain(format_args!("{}: {text}", path.display()));
    }
    let mut fine = loaded.refused.is_empty();
    for end in &loaded.ends {
        let Some(warning) = end.warning(now) else { continue };
        let expired = end.seconds_left(now) <= 0;
        let kind = if expired { "" } else { "warning: " };
        complain(format_args!("{kind}{}: {warning}", path.display()));
        fine &= !expired;
    }
    fine
}

fn look_at(files: &TlsFiles) -> Result<Option<Finding>, Finding> {
    let finding = |message: String| Finding { line: Some(files.line), message };
    let pair = match &files.kind {
        TlsFileKind::Authorities(path) => {
            let checked = tls::check_authorities(path);
            return checked.map(|()| None).map_err(|error| finding(error.to_string()));
        }
        TlsFileKind::Pair(pair) => pair,
    };
    let left = tls::check_pair(pair).map_err(|error| finding(error.to_string()))?.seconds_left();
    let certificate = pair.certificate.display();
    if left <= 0 {
        return Err(finding(format!("{certificate} has expired; put a new certificate there")));
    }
    let days = left / 86_400;
    let soon = format!("{certificate} expires in {days} days; put a new certificate there");
    Ok((left < tls::EXPIRY_WARNING_SECONDS).then(|| finding(soon)))
}

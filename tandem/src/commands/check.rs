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
    for host in unnamed_rooms(&config) {
        complain(format_args!(
            "warning: {}: [rooms]: no certificate of [sip] is for {host}, so devices end the handshake; \
             put one that is into tls_certificate, or into [[sip.tls_host]]",
            path.display()
        ));
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

/// The names of the meeting rooms that no certificate is for. The self-signed one is for all.
pub(crate) fn unnamed_rooms(config: &Config) -> Vec<String> {
    let (sip, rooms) = (&config.sip, &config.resources.rooms);
    let (Some(rooms), Some(default)) = (rooms, &sip.tls_certificate) else { return Vec::new() };
    if !rooms.is_configured {
        // Whoever has not asked for rooms need not have a certificate for them.
        return Vec::new();
    }
    let pairs = std::iter::once(default).chain(sip.tls_hosts.iter().map(|host| &host.files));
    // One that cannot be read was complained about.
    let names: Vec<_> =
        pairs.filter_map(|pair| tls::check_pair(pair).ok()).flat_map(|facts| facts.names).collect();
    let mut hosts = rooms.hosts();
    hosts.retain(|host| !names.iter().any(|name| is_for(name, host)));
    hosts
}

/// Whether a certificate with this name is for a host (RFC 6125 section 6.4.3): `*` stands for the first
/// label.
fn is_for(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, of_host)| of_host == rest),
        None => name == host,
    }
}

/// The same for what is to be played. All of them together may still be too much for a node's memory.
fn audio_files_are_fine(path: &Path, config: &Config) -> bool {
    let mut fine = true;
    for AudioFile { line, key, path: audio, .. } in &config.audio_files {
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

/// What is wrong with the files of one place, or soon will be.
pub(crate) fn look_at(files: &TlsFiles) -> Result<Option<Finding>, Finding> {
    let finding = |message: String| Finding { line: Some(files.line), message };
    let pair = match &files.kind {
        TlsFileKind::Authorities(path) => {
            let checked = tls::check_authorities(path);
            return checked.map(|()| None).map_err(|error| finding(error.to_string()));
        }
        TlsFileKind::Pair(pair) => pair,
    };
    let facts = tls::check_pair(pair).map_err(|error| finding(error.to_string()))?;
    let certificate = pair.certificate.display().to_string();
    validity(&certificate, facts.seconds_to_begin(), facts.seconds_left())
        .map(|warning| warning.map(finding))
        .map_err(finding)
}

/// What is wrong with the time of a certificate, and what is only to be known.
fn validity(certificate: &str, to_begin: i64, left: i64) -> Result<Option<String>, String> {
    const DAY: i64 = 86_400;
    let text = match (to_begin, left) {
        (_, ..=0) => return Err(format!("{certificate} has expired; put a new certificate there")),
        (1.., _) => format!(
            "{certificate} is not valid yet, for {} days more: put another one there until then, or set \
             this host's clock",
            to_begin / DAY
        ),
        (_, ..tls::EXPIRY_WARNING_SECONDS) => {
            format!("{certificate} expires in {} days; put a new certificate there", left / DAY)
        }
        _ => return Ok(None),
    };
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::{is_for, unnamed_rooms, validity};
    use crate::config::accepts;
    use directory::KeyPairFiles;
    use sip_edge::tls::{TlsSettings, self_signed_files};

    #[test]
    fn certificates_that_are_over_end_soon_or_have_not_begun_are_told() {
        let day = 86_400;
        let told = |to_begin: i64, left: i64| match validity("a.pem", to_begin, left) {
            Ok(None) => "fine".to_owned(),
            Ok(Some(warning)) => format!("warning: {warning}"),
            Err(error) => error,
        };
        assert_eq!(told(-day, 90 * day), "fine");
        assert_eq!(told(0, 90 * day), "fine");
        assert_eq!(told(-day, 0), "a.pem has expired; put a new certificate there");
        assert!(told(-day, 3 * day).starts_with("warning: a.pem expires in 3 days"));
        assert!(told(1, 90 * day).starts_with("warning: a.pem is not valid yet, for 0 days more"));
        assert!(told(2 * day, 3 * day).contains("not valid yet, for 2 days"));
    }

    #[test]
    fn a_star_stands_for_one_label() {
        for (name, host, is) in [
            ("meet.example.com", "Meet.example.com", true),
            ("*.example.com", "meet.example.com", true),
            ("*.example.com", "meet.eu.example.com", false),
            ("example.com", "meet.example.com", false),
        ] {
            assert_eq!(is_for(name, host), is, "{name} {host}");
        }
    }

    #[test]
    fn names_of_rooms_that_no_certificate_is_for_are_told() {
        let place = std::env::temp_dir().join(format!("tandem-check-rooms-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let mut settings = TlsSettings::new("example.com", &place);
        settings.names = vec!["meet.example.com".to_owned()];
        let KeyPairFiles { certificate, key } = self_signed_files(&settings).unwrap();
        let config = accepts(&format!(
            "tls = [\"127.0.0.1:5061\"]\ntls_certificate = {certificate:?}\ntls_key = {key:?}\n\
             [rooms]\nregions = [{{ code = \"eu\" }}]\n"
        ));
        assert_eq!(unnamed_rooms(&config), ["meet.eu.example.com"]);
        // One with more names is made anew.
        settings.names.push("meet.eu.example.com".to_owned());
        self_signed_files(&settings).unwrap();
        assert_eq!(unnamed_rooms(&config), [""; 0]);
        // Unless they are not needed: peers may have pinned it.
        settings.names.push("meet.us.example.com".to_owned());
        settings.needs_names = false;
        let before = std::fs::read(&*certificate).unwrap();
        self_signed_files(&settings).unwrap();
        assert_eq!(std::fs::read(&*certificate).unwrap(), before);
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(unnamed_rooms(&accepts("[rooms]\n")), [""; 0], "self-signed");
    }
}

//! `tandem doctor`: what is wrong with this host, this configuration, that trunk. Every finding
//! says what to change.
//!
//! It looks from outside: it opens sockets, resolves names and asks peers the way a node would, and
//! needs no running node. It places no call.

mod aws;
mod finding;
mod host;
mod media;
mod outbox;
mod relays;
mod system;
mod traces;
mod trunk;

use crate::clock::Origin;
use crate::commands::{check, complain, say, say_data};
use crate::config::{self, Config};
use directory::VoiceConnector;
use finding::{Finding, State, render};
use model::VoiceConnectorId;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Trunks that are examined at once, a thread each.
const AT_ONCE: usize = 32;

/// What is examined.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Only what the calls of this voice connector need.
    pub(crate) connector: Option<&'a str>,
    /// Nobody outside this host is asked.
    pub(crate) is_offline: bool,
    /// Services that events go to get one.
    pub(crate) sends_event: bool,
}

/// Examines what `path` names, as far as `scope` says. The exit code is 0 unless something is broken.
pub(crate) fn doctor(path: &Path, scope: Scope<'_>, json: bool) -> ExitCode {
    let file = path.display().to_string();
    let config = match config::load(path) {
        Ok(config) => config,
        Err(errors) => {
            complain(errors);
            return ExitCode::FAILURE;
        }
    };
    let connector = match scope.connector.map(|id| find(&config, id)).transpose() {
        Ok(connector) => connector,
        Err(reason) => {
            complain(format_args!("{file}: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    let mut findings = examine_here(&config, connector.as_deref(), &file);
    if scope.is_offline {
        let found = "peers, relays, collectors and services are not asked: --offline";
        findings.push(Finding::unknown("network", found, "").of("network"));
    } else {
        findings.extend(examine_others(&config, connector.as_deref(), scope.sends_event));
    }
    if json {
        match serde_json::to_string_pretty(&findings) {
            Ok(text) => say_data(&text),
            Err(error) => complain(error),
        }
    } else {
        say(render(&findings).trim_end());
    }
    if findings.iter().any(|finding| finding.state == State::Broken) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn find(config: &Config, id: &str) -> Result<Arc<VoiceConnector>, String> {
    let known = || {
        let ids: Vec<&str> =
            config.directory.voice_connectors().map(|connector| connector.id.as_str()).collect();
        if ids.is_empty() { "it has none".to_owned() } else { format!("it has {}", ids.join(", ")) }
    };
    VoiceConnectorId::new(id)
        .ok()
        .and_then(|id| config.directory.voice_connector(&id).cloned())
        .ok_or_else(|| format!("no [[voice_connector]] has the id {id:?}; {}", known()))
}

/// What this host alone tells.
fn examine_here(config: &Config, connector: Option<&VoiceConnector>, file: &str) -> Vec<Finding> {
    let trunks = trunk::trunks(&config.directory, connector);
    let mut findings = Vec::new();
    if connector.is_none() {
        findings.extend(of(&format!("configuration {file}"), configuration(config)));
        findings.extend(of("host", host::examine(config)));
    }
    findings.extend(of("media", media::examine(config, trunk::any_public(&trunks))));
    if connector.is_none() {
        findings.extend(outbox::examine(config, Origin::now().calendar));
    }
    findings
}

/// What others have to be asked for.
fn examine_others(
    config: &Config,
    connector: Option<&VoiceConnector>,
    sends_event: bool,
) -> Vec<Finding> {
    let trunks = trunk::trunks(&config.directory, connector);
    let names = trunk::Names::of(config);
    let mut findings = Vec::new();
    if connector.is_none() {
        findings.extend(of("relay control", relays::examine(config)));
        findings.extend(of("aws", aws::examine(config, Origin::now().calendar, sends_event)));
        let collector = config.traces.iter().map(traces::examine).collect();
        findings.extend(of("traces", collector));
    }
    // Trunks wait for the network, not for each other.
    for some in trunks.chunks(AT_ONCE) {
        findings.extend(std::thread::scope(|scope| {
            let running: Vec<_> =
                some.iter().map(|trunk| scope.spawn(|| trunk.examine(&names))).collect();
            let examined = running.into_iter().map(|thread| thread.join().unwrap_or_default());
            examined.flatten().collect::<Vec<_>>()
        }));
    }
    findings
}

fn of(area: &str, findings: Vec<Finding>) -> impl Iterator<Item = Finding> {
    findings.into_iter().map(move |finding| finding.of(area))
}

fn configuration(config: &Config) -> Vec<Finding> {
    let mut findings = understood(config);
    findings.extend(certificates(config));
    findings
}

/// The files of TLS, as `tandem check` looks at them.
fn certificates(config: &Config) -> Vec<Finding> {
    let what = "certificates";
    let in_line = |finding: &config::Finding| {
        let line = finding.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{line}{}", finding.message)
    };
    let files = config.tls_files.iter().filter_map(|files| match check::look_at(files) {
        Ok(None) => None,
        Ok(Some(warning)) => Some(Finding::warning(what, in_line(&warning), "")),
        Err(error) => Some(Finding::broken(what, in_line(&error), "")),
    });
    let mut findings: Vec<_> = files.collect();
    if !findings.iter().any(|finding| finding.state == State::Broken) {
        findings.extend(check::unnamed_rooms(config).into_iter().map(|host| {
            let advice = "put one that is into tls_certificate of [sip], or into [[sip.tls_host]]";
            Finding::warning(what, format!("none is for {host}, the meeting rooms"), advice)
        }));
    }
    match config.tls_files.len() {
        count if count > 0 && findings.is_empty() => {
            vec![Finding::fine(what, format!("{count} file(s) or pair(s) are in order"))]
        }
        _ => findings,
    }
}

fn understood(config: &Config) -> Vec<Finding> {
    if config.warnings.is_empty() {
        return vec![Finding::fine("file", "every line is understood")];
    }
    let warning = |warning: &config::Finding| {
        let line = warning.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        Finding::warning("file", format!("{line}{}", warning.message), "")
    };
    config.warnings.iter().map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::accepts;
    use sip_edge::tls::{TlsSettings, self_signed_files};

    #[test]
    fn certificates_are_looked_at() {
        let place = std::env::temp_dir().join(format!("tandem-doctor-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let mut settings = TlsSettings::new("example.com", &place);
        settings.names = vec!["meet.example.com".to_owned()];
        let made = self_signed_files(&settings).unwrap();
        let states = |key: &str| {
            let config = accepts(&format!(
                "tls = [\"127.0.0.1:5061\"]\ntls_certificate = {:?}\ntls_key = {key:?}\n[rooms]\n",
                made.certificate
            ));
            let found = certificates(&config);
            found.into_iter().map(|finding| (finding.state, finding.found)).collect::<Vec<_>>()
        };
        let fine = states(made.key.to_str().unwrap());
        assert!(matches!(&fine[..], [(State::Fine, _)]), "{fine:?}");
        let missing = states("/nowhere/edge.key");
        let [(State::Broken, found)] = &missing[..] else { panic!("{missing:?}") };
        assert!(found.contains("/nowhere/edge.key: cannot be read"), "{found}");
        std::fs::remove_dir_all(&place).unwrap();
        assert!(certificates(&accepts("")).is_empty(), "there are none");
    }
}

//! Dependencies point one way.
//!
//! Checked are: every arrow between crates of the workspace against [`ALLOWED`]; the outside
//! dependencies and the source of core crates; where `unsafe` may stand.

use crate::{Findings, cargo, source};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Which crate may depend on which. A crate that is not listed fails the check.
///
/// A dev-dependency may also point to anything that the allowed arrows reach over several steps.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sip-proto", &["model"]),
    // Lines of floor control are read and answered there.
    ("sdp", &["model", "bfcp"]),
    ("directory", &["model"]),
    // Octets and texts in tables; what they mean is said by who uses them.
    ("directory-store", &[]),
    ("control-api", &["model", "directory", "room-core"]),
    // Orders and news of calls are the model's.
    ("media-applications", &["model"]),
    // Asks applications; functions, objects and credentials are the sinks', this node's clock the outbox's.
    ("call-applications", &["model", "media-applications", "aws-sinks", "outbox"]),
    // Calls are named by the model's ids; who joins them to calls and mixes is the binary's.
    ("room-core", &["model"]),
    ("stir", &["model"]),
    ("b2bua", &["model", "sip-proto", "sdp", "stir", "siprec", "directory"]),
    ("sip-edge", &["model", "b2bua", "sip-proto", "directory"]),
    ("rtp-proto", &["model"]),
    ("codecs", &["model", "rtp-proto"]),
    ("relay-core", &["model", "rtp-proto", "codecs"]),
    ("media-relay", &["model", "relay-core", "codecs"]),
    // Rewrites session descriptions as our own edge does.
    ("ng-control", &["model", "sdp"]),
    // Both ends of the channel; the binary joins them to an edge and to a relay.
    ("relay-control", &["model"]),
    ("outbox", &["model"]),
    ("aws-sinks", &["model", "outbox"]),
    // Writes down RTCP for collectors.
    ("call-metrics", &["model", "outbox", "rtp-proto"]),
    // Reads the files of records that the recorder's sink writes.
    ("call-history", &["model", "call-metrics"]),
    // Pauses between attempts are the outbox's.
    ("otlp-export", &["model", "call-metrics", "outbox"]),
    // One leg's packets become even samples; listeners of every kind implement one trait.
    ("call-audio", &["model", "codecs", "rtp-proto"]),
    ("mkv", &[]),
    // Credentials, the service's clock and endpoints are the sinks', this node's clock the outbox's.
    ("put-media", &["model", "aws-sinks", "mkv", "outbox"]),
    ("call-recordings", &["model", "call-audio", "codecs", "mkv", "outbox", "aws-sinks"]),
    // A voice goes into the rings of `codecs`.
    ("voice-socket", &["model", "call-audio", "codecs"]),
    // Takes packets from the relay's rings; G.711 is rtp-proto's.
    (
        "call-streaming",
        &["model", "call-audio", "mkv", "put-media", "relay-core", "rtp-proto", "outbox"],
    ),
    ("siprec", &["model"]),
    // A room's audio: packets of each participant in, packets for each out.
    ("mixer", &["model", "codecs", "rtp-proto"]),
    // Takes packets from the relay's rings, and gives payloads back.
    (
        "room-media",
        &[
            "model",
            "codecs",
            "relay-core",
            "media-relay",
            "mixer",
            "room-grid",
            "room-video",
            "room-stills",
            "rtp-proto",
        ],
    ),
    ("room-video", &["model", "rtp-proto"]),
    ("bfcp", &["model"]),
    ("room-stills", &[]),
    // Composes what the switch hands it, on threads of its own; rings are the relay's.
    ("room-grid", &["model", "relay-core", "room-stills", "room-video", "rtp-proto"]),
    // The guests' page; their SIP goes to the edge, what they see and want to the rooms.
    ("room-guests", &["model", "room-core", "sip-edge"]),
    (
        "tandem",
        &[
            "model",
            "call-streaming",
            "call-audio",
            "call-recordings",
            "voice-socket",
            "put-media",
            "mkv",
            "sip-edge",
            "media-relay",
            "ng-control",
            "relay-control",
            "directory",
            "directory-store",
            "control-api",
            "media-applications",
            "call-applications",
            "call-metrics",
            "call-history",
            "outbox",
            "aws-sinks",
            "otlp-export",
            // The worker's settings.
            "b2bua",
            // The user agent of `tandem call` speaks for itself.
            "sip-proto",
            "sdp",
            "stir",
            "relay-core",
            "rtp-proto",
            "room-core",
            "room-media",
            "bfcp",
            "room-guests",
        ],
    ),
    // Tests and tools: nobody depends on them.
    (
        "simnet",
        &["model", "b2bua", "sip-proto", "sdp", "stir", "directory", "relay-core", "rtp-proto"],
    ),
    (
        "fuzz-targets",
        &[
            "model",
            "b2bua",
            "sip-proto",
            "sdp",
            "directory",
            "relay-core",
            "rtp-proto",
            "codecs",
            "ng-control",
            "relay-control",
            "outbox",
            "call-metrics",
            "call-audio",
            "mkv",
            "put-media",
            "aws-sinks",
            "voice-socket",
            "siprec",
            "call-streaming",
            "control-api",
            "mixer",
            "room-core",
            "media-applications",
            "room-video",
            "room-grid",
            "bfcp",
            "room-guests",
        ],
    ),
    ("api-bench", &["model", "directory", "directory-store", "control-api"]),
    (
        "edge-bench",
        &[
            "model",
            "sip-proto",
            "b2bua",
            "sip-edge",
            "directory",
            "media-relay",
            "relay-core",
            "rtp-proto",
            "codecs",
            "outbox",
            "call-history",
            "call-metrics",
            "call-audio",
            "call-streaming",
            "mkv",
            "put-media",
            "call-recordings",
            "aws-sinks",
        ],
    ),
    ("xtask", &[]),
];

/// Core crates (no sockets, no tasks, no clock, no randomness), and the only outside crates that
/// each may use.
const CORE: &[(&str, &[&str])] = &[
    // What passes between processes is written down by serde; no I/O.
    ("model", &["bytes", "serde", "zeroize"]),
    // Dialogs outlive their process as serde writes them.
    ("sip-proto", &["bytes", "bytestring", "memchr", "md-5", "serde", "sha2"]),
    ("sdp", &["sdp-types", "zeroize"]),
    ("directory", &["ipnet"]),
    // Hashes and their comparison; bytes in, bytes out.
    ("control-api", &["aws-lc-rs", "ipnet", "regex-lite", "serde", "serde_json", "zeroize"]),
    // Answers of applications in JSON, and the patterns in them; texts in, texts out.
    ("media-applications", &["regex", "serde_json"]),
    // Records of meetings as serde writes them.
    ("room-core", &["serde"]),
    // Signatures and certificates; bytes in, bytes out. The nonce of a signature is the library's.
    ("stir", &["aws-lc-rs", "rustls-pki-types", "rustls-webpki", "serde_json", "x509-parser"]),
    ("b2bua", &["bytes", "serde"]),
    // Ciphers for SRTP; bytes in, bytes out.
    ("rtp-proto", &["aes", "aws-lc-rs", "sha1", "zeroize"]),
    // Opus; octets and samples.
    ("codecs", &["opus-rs"]),
    ("relay-core", &[]),
    ("ng-control", &["serde_json"]),
    ("call-audio", &[]),
    ("mkv", &[]),
    ("siprec", &["quick-xml", "serde"]),
    ("mixer", &[]),
    ("room-video", &[]),
    ("bfcp", &[]),
    ("room-stills", &["noto-sans-mono-bitmap", "unifont"]),
];

/// Words that have no place in the source of a core crate.
const NOT_IN_CORE: &[&str] = &[
    "std::time::Instant",
    "SystemTime",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "ToSocketAddrs",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
];

/// The files that may use `unsafe`, and what for.
const UNSAFE_FILES: &[(&str, &str)] = &[
    ("media-relay/src/batch.rs", "recvmmsg and sendmmsg"),
    ("media-relay/src/fast_path/notes.rs", "memory shared with the kernel's program"),
    ("media-relay/tests/fast_path/world.rs", "network namespaces of a test"),
    ("media-relay/src/sys.rs", "system calls of the relay's workers"),
    ("sip-edge/src/transport/batch.rs", "recvmmsg and sendmmsg"),
    ("tandem/src/user_agent/wait.rs", "ppoll"),
    ("tandem/src/doctor/system.rs", "adjtimex"),
    ("bench/src/allocations.rs", "an allocator that counts"),
    ("bench/src/cpu.rs", "clock_gettime of the process's CPU time"),
    ("bench/src/ends.rs", "recvmmsg and sendmmsg of the load generator"),
    ("bench/src/network.rs", "thread pinning and timers of the load generator"),
    ("bench/src/stamped.rs", "recvmsg with the kernel's stamp of an arrival"),
    ("sip-edge/sip-proto/tests/allocations.rs", "an allocator that counts"),
    ("tests/simnet/tests/memory.rs", "an allocator that counts"),
    ("media-relay/codecs/tests/zero_allocation.rs", "an allocator that counts"),
    ("streaming/audio/tests/zero_allocation.rs", "an allocator that counts"),
    ("rooms/media/tests/zero_allocation.rs", "an allocator that counts"),
    ("rooms/grid/src/codec/tuning.rs", "the bit rate of an encoder at work"),
    ("rooms/mixer/tests/zero_allocation.rs", "an allocator that counts"),
    ("media-relay/relay-core/tests/zero_allocation/main.rs", "an allocator that counts"),
    ("rooms/video/tests/zero_allocation.rs", "an allocator that counts"),
];

const HERE: &str = "xtask/src/layers.rs";

pub(crate) fn check(root: &Path) -> Result<Findings, String> {
    let metadata = metadata(root)?;
    let mut errors = Vec::new();
    let packages: Vec<Package> = packages(&metadata)?;
    for package in &packages {
        check_arrows(package, &packages, &mut errors);
        check_core(root, package, &mut errors)?;
    }
    for (name, _) in ALLOWED {
        if packages.iter().all(|package| package.name != *name) {
            errors.push(format!("{HERE} lists crate {name}, which is gone; remove it there"));
        }
    }
    check_unsafe(root, &mut errors)?;
    Ok(Findings { errors, warnings: Vec::new() })
}

fn metadata(root: &Path) -> Result<Value, String> {
    let mut command = Command::new(cargo());
    command.current_dir(root);
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = command.output().map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata failed: {said}"));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

struct Package {
    name: String,
    /// Its folder.
    folder: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    for_tests: bool,
}

fn packages(metadata: &Value) -> Result<Vec<Package>, String> {
    let strange = || "cargo metadata has no packages as expected".to_owned();
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let mut packages = Vec::new();
    for package in metadata["packages"].as_array().ok_or_else(strange)? {
        let manifest = text(package, "manifest_path").ok_or_else(strange)?;
        let mut dependencies = Vec::new();
        for dependency in package["dependencies"].as_array().ok_or_else(strange)? {
            dependencies.push(Dependency {
                name: text(dependency, "name").ok_or_else(strange)?,
                for_tests: dependency["kind"] == "dev",
            });
        }
        packages.push(Package {
            name: text(package, "name").ok_or_else(strange)?,
            folder: manifest.trim_end_matches("/Cargo.toml").to_owned(),
            dependencies,
        });
    }
    Ok(packages)
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

/// Everything that the allowed arrows reach from `name`.
fn reachable(name: &str) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    let mut waiting: Vec<&str> = allowed(name).unwrap_or_default().to_vec();
    while let Some(next) = waiting.pop() {
        if let Some((known, further)) = ALLOWED.iter().find(|(from, _)| *from == next)
            && seen.insert(*known)
        {
            waiting.extend(*further);
        }
    }
    seen
}

fn check_arrows(package: &Package, all: &[Package], errors: &mut Vec<String>) {
    let from = &package.name;
    let Some(arrows) = allowed(from) else {
        errors.push(format!("crate {from} is not in the table; add it to ALLOWED in {HERE}"));
        return;
    };
    let inside = |d: &&Dependency| all.iter().any(|other| other.name == d.name);
    for dependency in package.dependencies.iter().filter(inside) {
        let to = dependency.name.as_str();
        if arrows.contains(&to) || (dependency.for_tests && reachable(from).contains(to)) {
            continue;
        }
        let kind = if dependency.for_tests { "dev-depends" } else { "depends" };
        let below = reachable(to).contains(from.as_str());
        let way = if below {
            format!("{from} lies below {to}: pass the value in as an argument, or move it to model")
        } else {
            "put what both need into model, or into a crate below both".to_owned()
        };
        errors.push(format!(
            "{from} {kind} on {to}, which the layers do not allow. {way}. If the arrow is right, \
             DESIGN and ALLOWED in {HERE} change first"
        ));
    }
}

fn check_core(root: &Path, package: &Package, errors: &mut Vec<String>) -> Result<(), String> {
    let Some((name, outside)) = CORE.iter().find(|(name, _)| *name == package.name) else {
        return Ok(());
    };
    for dependency in package.dependencies.iter().filter(|d| !d.for_tests) {
        let to = dependency.name.as_str();
        if allowed(to).is_none() && !outside.contains(&to) {
            errors.push(format!(
                "core crate {name} depends on {to}; a core crate has no sockets, tasks, clock or \
                 randomness and few dependencies. If {to} is pure and worth it, add it to CORE in \
                 {HERE}"
            ));
        }
    }
    let source_folder = Path::new(&package.folder).join("src");
    let fault = |error: std::io::Error| format!("{}: {error}", source_folder.display());
    for file in source::files(&source_folder, &["rs"]).map_err(fault)? {
        let text = fs::read_to_string(source_folder.join(&file)).map_err(fault)?;
        let path = source_folder.join(&file);
        let shown = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if file == Path::new("lib.rs") && !text.contains("#![forbid(unsafe_code)]") {
            errors.push(format!("{shown}: a core crate begins with #![forbid(unsafe_code)]"));
        }
        for (index, line) in source::code_lines(&text).iter().enumerate() {
            for word in NOT_IN_CORE.iter().filter(|word| source::has_word(line, word)) {
                errors.push(format!(
                    "{shown}:{}: {word} in core crate {name}; take the value as an argument",
                    index + 1
                ));
            }
        }
    }
    Ok(())
}

fn check_unsafe(root: &Path, errors: &mut Vec<String>) -> Result<(), String> {
    let mut used = BTreeSet::new();
    let fault = |error: std::io::Error| format!("{}: {error}", root.display());
    for file in source::files(root, &["rs"]).map_err(fault)? {
        let text = fs::read_to_string(root.join(&file)).map_err(fault)?;
        let lines = source::code_lines(&text);
        let Some(at) = lines.iter().position(|line| source::has_word(line, "unsafe")) else {
            continue;
        };
        let name = file.display().to_string();
        if UNSAFE_FILES.iter().all(|(listed, _)| *listed != name) {
            errors.push(format!(
                "{name}:{}: unsafe outside the files that may have it; use a safe interface, or \
                 add the file with its reason to UNSAFE_FILES in {HERE}",
                at + 1
            ));
        }
        used.insert(name);
    }
    for (file, _) in UNSAFE_FILES {
        if !used.contains(*file) {
            errors.push(format!("{HERE} lists {file} for unsafe, which has none; remove it there"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[(&str, bool)]) -> Package {
        let dependency = |(name, for_tests): &(&str, bool)| Dependency {
            name: (*name).into(),
            for_tests: *for_tests,
        };
        Package {
            name: name.into(),
            folder: String::new(),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    fn faults(name: &str, dependencies: &[(&str, bool)]) -> Vec<String> {
        let all: Vec<_> = ALLOWED.iter().map(|(name, _)| package(name, &[])).collect();
        let mut errors = Vec::new();
        check_arrows(&package(name, dependencies), &all, &mut errors);
        errors
    }

    #[test]
    fn the_table_has_no_circle() {
        for (name, _) in ALLOWED {
            assert!(!reachable(name).contains(name), "{name}");
        }
    }

    #[test]
    fn the_two_cores_never_see_each_other() {
        assert!(!reachable("b2bua").contains("relay-core"));
        assert!(!reachable("relay-core").contains("b2bua"));
    }

    #[test]
    fn a_wrong_arrow_is_named_with_both_ends() {
        let errors = faults("sip-proto", &[("b2bua", false), ("serde", false)]);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("sip-proto depends on b2bua"), "{}", errors[0]);
        assert!(errors[0].contains("sip-proto lies below b2bua"), "{}", errors[0]);
    }

    #[test]
    fn tests_may_reach_further_down_but_not_up() {
        assert_eq!(faults("media-relay", &[("rtp-proto", true)]), [""; 0]);
        assert_eq!(faults("media-relay", &[("rtp-proto", false)]).len(), 1);
        assert_eq!(faults("rtp-proto", &[("relay-core", true)]).len(), 1);
        assert_eq!(faults("unheard-of", &[]).len(), 1);
    }
}

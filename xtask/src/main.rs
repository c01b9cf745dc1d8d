//! Project checks: `cargo xtask layers | size | fuzz-smoke | ci`.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool")]

mod all_tests;
mod ci;
mod layers;
mod size;
mod source;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask layers        which crate may depend on which; what core crates may use; where unsafe is
cargo xtask size          files over 500 lines (warning) and over 800 (error)
cargo xtask fuzz-smoke    replay the fuzz seeds and mutations of them (--target --file --mutations …)
cargo xtask ci [--quick]  everything that must pass before a commit; --quick leaves out tests and docs";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let passed = match command.as_str() {
        "layers" => tell("layers", layers::check(&root())),
        "size" => tell("size", size::check(&root())),
        "fuzz-smoke" => fuzz_smoke(&rest),
        "ci" => ci::run(&root(), rest.iter().any(|argument| argument == "--quick")),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a check found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    /// They fail the check.
    errors: Vec<String>,
    /// They do not.
    warnings: Vec<String>,
}

/// Prints what was found; whether there is no error.
fn tell(check: &str, findings: Result<Findings, String>) -> bool {
    let findings = match findings {
        Ok(findings) => findings,
        Err(fault) => Findings { errors: vec![fault], warnings: Vec::new() },
    };
    for warning in &findings.warnings {
        println!("{check}: warning: {warning}");
    }
    for error in &findings.errors {
        println!("{check}: error: {error}");
    }
    println!("{check}: {} errors, {} warnings", findings.errors.len(), findings.warnings.len());
    findings.errors.is_empty()
}

fn fuzz_smoke(arguments: &[String]) -> bool {
    let mut command = Command::new(cargo());
    command.args(["run", "--quiet", "--package", "fuzz-targets", "--bin", "fuzz-smoke", "--"]);
    run(command.args(arguments))
}

fn run(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("{command:?}: {error}");
            false
        }
    }
}

/// The cargo that started us.
fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

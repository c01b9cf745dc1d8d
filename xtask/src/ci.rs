//! Everything that must pass, in one table.

use crate::{all_tests, cargo, fuzz_smoke, layers, run as run_command, size, tell};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Whether libFuzzer's targets can be built with the lock file that they have.
const FUZZ_LOCK: [&str; 6] =
    ["tree", "--locked", "--depth", "0", "--manifest-path", "tests/fuzz/libfuzzer/Cargo.toml"];

/// Runs every step, also after one has failed, and prints one table. `quick` leaves out what takes
/// longest. Whether all passed.
pub(crate) fn run(root: &Path, quick: bool) -> bool {
    let mut rows: Vec<(&str, bool, Duration)> = Vec::new();
    let mut step = |name: &'static str, work: &dyn Fn() -> bool| {
        println!("\n== {name}");
        let started = now();
        let passed = work();
        rows.push((name, passed, now() - started));
    };
    step("layers", &|| tell("layers", layers::check(root)));
    step("size", &|| tell("size", size::check(root)));
    step("fmt", &|| in_cargo(root, &["fmt", "--all", "--check"], None));
    step("clippy", &|| {
        let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
        in_cargo(root, &lints, None)
    });
    if !quick {
        step("doc", &|| {
            let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
            in_cargo(root, &doc, Some(("RUSTDOCFLAGS", "-D warnings")))
        });
        // The same units as the tests', and the binaries, which tests/interop starts.
        step("build", &|| {
            let build = ["build", "--workspace", "--lib", "--bins", "--tests", "--examples"];
            in_cargo(root, &build, None)
        });
        step("tests", &|| all_tests::run(root));
    }
    if !quick {
        step("ebpf", &|| ebpf(root));
        // It is no member of the workspace: nothing else notices that its lock file is out of date.
        step("fuzz-lock", &|| {
            let passed = in_cargo(root, &FUZZ_LOCK, None);
            if !passed {
                println!(
                    "bring it up to date: (cd tests/fuzz/libfuzzer && cargo update --workspace)"
                );
            }
            passed
        });
    }
    let mutations = if quick { "200" } else { "3000" };
    step("fuzz-smoke", &|| fuzz_smoke(&["--mutations".into(), mutations.into()]));
    print_table(&rows)
}

/// Whether the relay's eBPF object is what its source makes.
fn ebpf(root: &Path) -> bool {
    if Command::new("clang-14").arg("--version").output().is_err() {
        println!("skipped: clang-14 is not installed (tests/setup.sh does it)");
        return true;
    }
    run_command(Command::new(root.join("media-relay/ebpf/build.sh")).arg("--check"))
}

fn in_cargo(root: &Path, arguments: &[&str], variable: Option<(&str, &str)>) -> bool {
    let mut command = Command::new(cargo());
    run_command(command.current_dir(root).args(arguments).envs(variable))
}

fn print_table(rows: &[(&str, bool, Duration)]) -> bool {
    println!("\n{:<12} {:<8} {:>8}", "check", "result", "seconds");
    for (name, passed, took) in rows {
        let result = if *passed { "passed" } else { "FAILED" };
        println!("{name:<12} {result:<8} {:>8.1}", took.as_secs_f64());
    }
    let failed = rows.iter().filter(|(_, passed, _)| !passed).count();
    println!("xtask ci: {} passed, {failed} failed", rows.len() - failed);
    failed == 0
}

#[expect(clippy::disallowed_methods, reason = "a tool measures itself")]
fn now() -> Instant {
    Instant::now()
}

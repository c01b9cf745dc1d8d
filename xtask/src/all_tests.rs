//! All tests, and once more those of them that failed beside others.

use crate::{cargo, run as run_command};
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// How many failed tests may be tried again: more are no accident.
const MOST_TRIED_AGAIN: usize = 3;

/// Failed tests of one target.
#[derive(Debug, PartialEq, Eq)]
struct Failed {
    /// The arguments of `cargo test` that choose the target.
    target: Vec<String>,
    /// None when the target ended by other means than a test that failed.
    tests: Vec<String>,
}

/// Runs every test. What fails beside others, on a machine that may be busy, is tried alone, once; what
/// passes then is still named: it waits for too short a time, or found an error that comes seldom.
pub(crate) fn run(root: &Path) -> bool {
    let mut log = Log::default();
    match all(root, &mut log) {
        Ok(true) => return true,
        Ok(false) => {}
        Err(error) => {
            println!("cargo test: {error}");
            return false;
        }
    }
    if !log.may_be_tried_again() {
        return false;
    }
    log.failed.iter().all(|failed| alone(root, failed))
}

/// Prints what `cargo test` does and keeps what failed. Whether it passed.
fn all(root: &Path, log: &mut Log) -> io::Result<bool> {
    let (output, input) = io::pipe()?;
    let mut command = Command::new(cargo());
    command.current_dir(root).args(["test", "--workspace", "--no-fail-fast"]);
    command.stdout(input.try_clone()?).stderr(input).stdin(Stdio::null());
    let mut child = command.spawn()?;
    // It holds the ends of the pipe that would keep it open.
    drop(command);
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        log.take(text.trim_end());
        line.clear();
    }
    Ok(child.wait()?.success())
}

fn alone(root: &Path, failed: &Failed) -> bool {
    println!("\ntried again, alone: {}", failed.tests.join(", "));
    let mut command = Command::new(cargo());
    command.current_dir(root).arg("test").args(&failed.target);
    command.args(["--", "--test-threads=1", "--exact"]).args(&failed.tests);
    let passed = run_command(&mut command);
    if passed {
        println!("tests: passed only alone: {}", failed.tests.join(", "));
    }
    passed
}

/// What was read of the output so far.
#[derive(Debug, Default)]
struct Log {
    /// Tests that failed in the target that runs.
    current: Vec<String>,
    failed: Vec<Failed>,
    /// Another error than that of tests, such as one of the compiler.
    other: bool,
}

impl Log {
    fn take(&mut self, line: &str) {
        let test = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
        if let Some(test) = test {
            self.current.push(test.to_owned());
            return;
        }
        let Some(error) = line.strip_prefix("error: ") else { return };
        let target = error.strip_prefix("test failed, to rerun pass `");
        match target.and_then(|rest| rest.strip_suffix('`')) {
            Some(target) => self.failed.push(Failed {
                target: target.split(' ').map(str::to_owned).collect(),
                tests: std::mem::take(&mut self.current),
            }),
            // The sum at the end.
            None if error.contains("failed:") => {}
            None => self.other = true,
        }
    }

    fn may_be_tried_again(&self) -> bool {
        let tests: usize = self.failed.iter().map(|failed| failed.tests.len()).sum();
        let all_named = self.failed.iter().all(|failed| !failed.tests.is_empty());
        !self.other && all_named && (1..=MOST_TRIED_AGAIN).contains(&tests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Log {
        let mut log = Log::default();
        text.lines().for_each(|line| log.take(line));
        log
    }

    #[test]
    fn failed_tests_belong_to_their_target() {
        let log = log("\
test a::passes ... ok
test a::fails ... FAILED
error: test failed, to rerun pass `-p edge --lib`
test b::fails - with (line 3) ... FAILED
error: test failed, to rerun pass `-p relay --test loopback`
error: 2 targets failed:
    `-p edge --lib`");
        let owned =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            log.failed,
            [
                Failed { target: owned(&["-p", "edge", "--lib"]), tests: owned(&["a::fails"]) },
                Failed {
                    target: owned(&["-p", "relay", "--test", "loopback"]),
                    tests: owned(&["b::fails - with (line 3)"]),
                },
            ]
        );
        assert!(log.may_be_tried_again());
    }

    #[test]
    fn no_other_failure_is_tried_again() {
        let one = "test a ... FAILED\nerror: test failed, to rerun pass `-p edge --lib`\n";
        assert!(log(one).may_be_tried_again());
        // A compiler's error, a target that crashed, too many, none.
        assert!(!log(&format!("error: could not compile `edge`\n{one}")).may_be_tried_again());
        let crash = "error: test failed, to rerun pass `-p relay --lib`\n";
        assert!(!log(&format!("{one}{crash}")).may_be_tried_again());
        assert!(!log(&one.repeat(4)).may_be_tried_again());
        assert!(!log("").may_be_tried_again());
    }
}

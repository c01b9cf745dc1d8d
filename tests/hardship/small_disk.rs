//! A disk that can really be full: 4 MiB of tmpfs in a mount namespace of its own, where a test runs itself
//! again. Included by the tests that need it; it is no crate.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// In the process that runs there: where the disk is.
const DISK: &str = "TANDEM_SMALL_DISK";
/// What the shell ends with when nothing can be mounted.
const REFUSED: i32 = 77;

/// The disk, in the process that runs there. Elsewhere the test of this name is run there, and there is
/// nothing left to do; where that is not allowed (no root) it says so.
pub(crate) fn enter(test: &str) -> Option<PathBuf> {
    if let Some(disk) = std::env::var_os(DISK) {
        return Some(disk.into());
    }
    let disk = std::env::temp_dir().join(format!("small-disk-{}", std::process::id()));
    fs::create_dir_all(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=4m none \"${DISK}\" || exit {REFUSED}; \
         exec \"$0\" --exact {test} --nocapture"
    );
    let outcome = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(DISK, &disk)
        .output();
    let _ = fs::remove_dir(&disk);
    match outcome {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let told = String::from_utf8_lossy(&output.stdout);
            let refused = output.status.code() == Some(REFUSED) || said.contains("unshare failed");
            assert!(output.status.success() || refused, "{said}{told}");
            if refused {
                eprintln!("no file system can be mounted here: {said}");
            } else {
                assert!(told.contains("1 passed"), "no test {test} ran there: {told}");
            }
        }
        Err(error) => eprintln!("no unshare here: {error}"),
    }
    None
}

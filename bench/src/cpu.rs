//! What processes have used.
#![expect(unsafe_code, reason = "clock_gettime; the block states why it is sound")]

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// CPU time of every living thread of a process, by the scheduler's clock.
///
/// # Errors
/// When the process is gone.
pub fn of_process(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while the list is read.
        let Ok(line) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

/// CPU time of this process, of threads that have ended too.
pub fn of_this_process() -> Duration {
    let mut used = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `used` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut used) };
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// CPU time of this thread.
///
/// # Errors
/// When /proc cannot be read.
pub fn of_this_thread() -> io::Result<Duration> {
    schedstat("/proc/thread-self/schedstat")
}

/// CPU time of this process's living threads whose names begin so.
///
/// # Errors
/// When /proc cannot be read.
pub fn of_threads(prefix: &str) -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A thread may end while the list is read.
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        if name.starts_with(prefix) {
            sum += schedstat(task.join("schedstat")).unwrap_or_default();
        }
    }
    Ok(sum)
}

fn schedstat(path: impl AsRef<Path>) -> io::Result<Duration> {
    let line = fs::read_to_string(path)?;
    let nanos = line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
    Ok(Duration::from_nanos(nanos))
}

/// CPU time of the kernel's threads that finish what interrupts leave over.
///
/// # Errors
/// When /proc cannot be read.
pub fn of_kernel_softirqs() -> io::Result<Duration> {
    let mut sum = Duration::ZERO;
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if comm.starts_with("ksoftirqd/") {
            sum += of_process(pid)?;
        }
    }
    Ok(sum)
}

/// Cores of the machine.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Proportional set size of a process in KiB.
///
/// # Errors
/// When the process is gone.
pub fn memory_kib(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or_default();
    Ok(line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0))
}

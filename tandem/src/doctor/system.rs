//! What the operating system says about itself: the values that the examinations judge.
#![expect(unsafe_code, reason = "adjtimex; the block states why it is sound")]

use std::fs;

/// Reads a number of `/proc/sys`; `None` when this kernel has no such setting.
pub(super) fn kernel_number(name: &str) -> Option<u64> {
    kernel_text(name)?.trim().parse().ok()
}

/// Reads a setting of `/proc/sys`, as `net.core.rmem_max`.
pub(super) fn kernel_text(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()
}

/// The hard limit of open files; the relay raises the soft one to it.
pub(super) fn open_file_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    // The columns are soft, hard, unit.
    let hard = line.split_whitespace().rev().nth(1)?;
    if hard == "unlimited" { Some(u64::MAX) } else { hard.parse().ok() }
}

/// Kernel modules that are loaded; empty when the kernel does not tell.
pub(super) fn modules() -> Vec<String> {
    let listed = fs::read_to_string("/proc/modules").unwrap_or_default();
    listed.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Whether something keeps the clock in step with the world; `None` when the system does not tell.
pub(super) fn clock_is_synchronized() -> Option<bool> {
    // SAFETY: `timex` is a plain C structure for which zeroes are valid; mode 0 only reads.
    let state = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        libc::adjtimex(&raw mut timex)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR)
}

//! Waiting for several sockets at once, to the microsecond: `ppoll`, which the standard library
//! does not offer.
#![expect(unsafe_code, reason = "one system call; the block states why it is sound")]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What to wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Interest {
    /// Something to read, or a peer to accept.
    Readable,
    /// The same, or room to write.
    ReadableOrWritable,
}

/// Waits until one of `watched` is ready or failed, for at most `timeout`. Returns, in order, which
/// ones are; none when the time is over or a signal came.
pub(super) fn wait(watched: &[(BorrowedFd<'_>, Interest)], timeout: Duration) -> Vec<bool> {
    let mut entries: Vec<libc::pollfd> = watched
        .iter()
        .map(|(fd, interest)| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: match interest {
                Interest::Readable => libc::POLLIN,
                Interest::ReadableOrWritable => libc::POLLIN | libc::POLLOUT,
            },
            revents: 0,
        })
        .collect();
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos().cast_signed()),
    };
    // SAFETY: `entries` has as many elements as said and lives through the call; the descriptors
    // are borrowed for as long; the signal mask may be null.
    let ready = unsafe {
        libc::ppoll(
            entries.as_mut_ptr(),
            entries.len() as libc::nfds_t,
            &raw const timeout,
            std::ptr::null(),
        )
    };
    entries.iter().map(|entry| ready > 0 && entry.revents != 0).collect()
}

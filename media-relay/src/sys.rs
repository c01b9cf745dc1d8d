//! The system calls that the standard library does not offer: epoll, eventfd, limits.
#![expect(unsafe_code, reason = "system calls; every block states why it is sound")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Events that one [`Epoll::wait`] returns at most.
const EVENTS: usize = 512;

/// An epoll instance and the buffer of its events.
#[derive(Debug)]
pub(crate) struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let fd = owned(fd)?;
        Ok(Epoll { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS] })
    }

    /// Watches `fd` for arrivals, edge-triggered; its events carry `token`. Closing `fd` ends it.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event =
            libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: token };
        // SAFETY: both descriptors are open for the length of the call, `event` is valid.
        let result = unsafe {
            libc::epoll_ctl(
                self.fd.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits for at most `timeout` (for ever when `None`), rounded up to milliseconds; the number
    /// of events, 0 when a signal came.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> usize {
        let millis = timeout.map_or(-1, |t| {
            libc::c_int::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: the buffer has room for EVENTS events and lives through the call.
        let count = unsafe {
            libc::epoll_wait(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS as libc::c_int,
                millis,
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// The token of event `index` of the last wait.
    pub(crate) fn token(&self, index: usize) -> u64 {
        self.events.get(index).map_or(0, |event| event.u64)
    }
}

/// A counter in the kernel that wakes an epoll.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        owned(fd).map(EventFd)
    }

    /// Wakes whoever watches. It cannot fail in a way that loses the wake: a full counter is one
    /// that has not been seen yet.
    pub(crate) fn signal(&self) {
        let one = 1_u64;
        // SAFETY: writes eight bytes from a valid u64.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Resets the counter.
    pub(crate) fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: reads eight bytes into a valid u64.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), 8) };
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.0.as_fd()
    }
}

/// Raises the soft limit of open files to the hard one: a relayed call takes four. Returns the
/// limit that holds.
pub(crate) fn raise_open_file_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writing.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max };
        // SAFETY: `raised` is valid for reading.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            limit = raised;
        }
    }
    Ok(limit.rlim_cur)
}

/// Lets this thread's sleeps end within a microsecond instead of the usual 50.
pub(crate) fn use_precise_timers() {
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000_u64, 0_u64, 0_u64, 0_u64) };
}

/// The kernel's monotonic clock in nanoseconds, as its programs see it.
pub(crate) fn monotonic_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let [seconds, nanos] = [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds * 1_000_000_000 + nanos
}

/// Octets of kernel memory that the datagrams waiting on a socket take; 0 when the system does not
/// tell. A voice packet takes about 800.
pub(crate) fn queued_octets(fd: BorrowedFd<'_>) -> u32 {
    // The first of them is SK_MEMINFO_RMEM_ALLOC; later kernels may have more than these nine.
    let mut values = [0_u32; 9];
    let mut length = size_of_val(&values) as libc::socklen_t;
    // SAFETY: `values` has room for `length` octets, and both are valid for writing.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            values.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 { values[0] } else { 0 }
}

/// Throws away one waiting datagram; `false` when none waits.
pub(crate) fn discard_datagram(fd: BorrowedFd<'_>) -> bool {
    let mut octet = 0_u8;
    // SAFETY: `octet` is one writable octet; the rest of the datagram is cut off.
    let result =
        unsafe { libc::recv(fd.as_raw_fd(), (&raw mut octet).cast(), 1, libc::MSG_DONTWAIT) };
    result >= 0
}

fn owned(fd: libc::c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

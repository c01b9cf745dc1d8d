//! Why packets are not forwarded in the kernel.

use std::fmt;

/// Why packets are not forwarded in the kernel. Its text says what to change.
#[derive(Debug)]
pub enum FastPathError {
    /// No interface carries a media address.
    NoInterface,
    /// The kernel does not let this process load programs.
    NotPermitted,
    /// The kernel cannot attach the program to an interface.
    NotSupported(String),
    /// It refused for another reason.
    Refused(String),
}

impl fmt::Display for FastPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FastPathError::NoInterface => f.write_str(
                "no Ethernet interface that is up has an address of [media] bind (loopback has no \
                 fast path)",
            ),
            FastPathError::NotPermitted => f.write_str(
                "the process may not load eBPF programs: give it CAP_BPF and CAP_NET_ADMIN \
                 (AmbientCapabilities= in a systemd unit), or run it as root",
            ),
            FastPathError::NotSupported(reason) => write!(
                f,
                "the kernel cannot attach it ({reason}): Linux 6.6 or newer with CONFIG_BPF_SYSCALL \
                 and CONFIG_NET_XGRESS is needed",
            ),
            FastPathError::Refused(reason) => write!(f, "the kernel refused it: {reason}"),
        }
    }
}

impl std::error::Error for FastPathError {}

impl FastPathError {
    /// Reads the operating system's error out of what led to `error`.
    pub(super) fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut number = None;
        let mut cause = Some(error);
        while let Some(error) = cause {
            number = number.or_else(|| {
                error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error)
            });
            cause = error.source();
            if let Some(next) = cause {
                text.push_str(": ");
                text.push_str(&next.to_string());
            }
        }
        match number {
            Some(libc::EPERM) => FastPathError::NotPermitted,
            Some(libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP) => {
                FastPathError::NotSupported(text)
            }
            _ => FastPathError::Refused(text),
        }
    }
}

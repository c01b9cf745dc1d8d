//! What to do where nothing can listen at an address.

use std::io::ErrorKind;

/// The advice that belongs to the error of a bind.
pub(crate) const fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AddrInUse => "stop what listens there, or choose another port",
        ErrorKind::AddrNotAvailable => {
            "give an address of this host; no interface has this one, `ip address` shows them"
        }
        ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "choose another address",
    }
}

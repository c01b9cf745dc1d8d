//! Where the packets run: between two network namespaces over a veth pair, or on loopback where
//! namespaces are not to be had.
#![expect(unsafe_code, reason = "setns and sched_setaffinity; every block states why it is sound")]

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;

const NAMESPACE: &str = "tandem-bench";
const RELAY_DEVICE: &str = "tb-relay";
const ENDS_DEVICE: &str = "tb-ends";
/// Where the packets go that the kernel routes: a third host behind this one.
const BEHIND_NAMESPACE: &str = "tandem-bench-behind";
const TO_BEHIND_DEVICE: &str = "tb-relay-2";
const BEHIND_DEVICE: &str = "tb-behind";

/// The two sides of the wire.
#[derive(Debug)]
pub struct Network {
    /// Where the relay is.
    pub relay: Ipv4Addr,
    /// Where the callers and where the callees are.
    pub ends: [Ipv4Addr; 2],
    /// On the host behind this one, to which the kernel forwards.
    pub behind: [Ipv4Addr; 2],
    ends_namespace: Option<File>,
    behind_namespace: Option<File>,
    relay_namespace: Option<File>,
}

impl Network {
    /// A namespace for the ends with a veth pair to this one; removed on drop.
    ///
    /// # Errors
    /// When `ip` refuses: not root, or no such kernel feature.
    pub fn namespaces() -> io::Result<Network> {
        // What an interrupted run has left.
        let _ = ip(&["netns", "del", NAMESPACE]);
        let _ = ip(&["netns", "del", BEHIND_NAMESPACE]);
        let steps = [
            format!("netns add {NAMESPACE}"),
            format!("link add {RELAY_DEVICE} type veth peer name {ENDS_DEVICE}"),
            format!("link set {ENDS_DEVICE} netns {NAMESPACE}"),
            format!("addr add 198.18.0.1/24 dev {RELAY_DEVICE}"),
            format!("link set {RELAY_DEVICE} up"),
            format!("-n {NAMESPACE} addr add 198.18.0.2/24 dev {ENDS_DEVICE}"),
            format!("-n {NAMESPACE} addr add 198.18.0.3/24 dev {ENDS_DEVICE}"),
            format!("-n {NAMESPACE} link set {ENDS_DEVICE} up"),
            format!("netns add {BEHIND_NAMESPACE}"),
            format!("link add {TO_BEHIND_DEVICE} type veth peer name {BEHIND_DEVICE}"),
            format!("link set {BEHIND_DEVICE} netns {BEHIND_NAMESPACE}"),
            format!("addr add 198.19.0.1/24 dev {TO_BEHIND_DEVICE}"),
            format!("link set {TO_BEHIND_DEVICE} up"),
            format!("-n {BEHIND_NAMESPACE} addr add 198.19.0.2/24 dev {BEHIND_DEVICE}"),
            format!("-n {BEHIND_NAMESPACE} addr add 198.19.0.3/24 dev {BEHIND_DEVICE}"),
            format!("-n {BEHIND_NAMESPACE} link set {BEHIND_DEVICE} up"),
            format!("-n {BEHIND_NAMESPACE} route add default via 198.19.0.1"),
            format!("-n {NAMESPACE} route add 198.19.0.0/24 via 198.18.0.1"),
        ];
        for step in &steps {
            ip(&step.split(' ').collect::<Vec<_>>())?;
        }
        // Between these two interfaces only; they go with the namespaces.
        for device in [RELAY_DEVICE, TO_BEHIND_DEVICE] {
            std::fs::write(format!("/proc/sys/net/ipv4/conf/{device}/forwarding"), "1")?;
        }
        Ok(Network {
            relay: Ipv4Addr::new(198, 18, 0, 1),
            ends: [Ipv4Addr::new(198, 18, 0, 2), Ipv4Addr::new(198, 18, 0, 3)],
            behind: [Ipv4Addr::new(198, 19, 0, 2), Ipv4Addr::new(198, 19, 0, 3)],
            ends_namespace: Some(File::open(format!("/run/netns/{NAMESPACE}"))?),
            behind_namespace: Some(File::open(format!("/run/netns/{BEHIND_NAMESPACE}"))?),
            relay_namespace: Some(File::open("/proc/self/ns/net")?),
        })
    }

    /// Everything on loopback. The sender's CPU time then includes the delivery.
    pub fn loopback() -> Network {
        Network {
            relay: Ipv4Addr::new(127, 0, 0, 1),
            ends: [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)],
            behind: [Ipv4Addr::new(127, 0, 0, 4), Ipv4Addr::new(127, 0, 0, 5)],
            ends_namespace: None,
            behind_namespace: None,
            relay_namespace: None,
        }
    }

    /// Does `work` (opening a socket) on the ends' side.
    ///
    /// # Errors
    /// Those of `work`, and when the namespace cannot be entered.
    pub fn at_the_ends<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.within(self.ends_namespace.as_ref(), work)
    }

    /// The same on the host behind this one.
    ///
    /// # Errors
    /// As [`Network::at_the_ends`].
    pub fn at_the_host_behind<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.within(self.behind_namespace.as_ref(), work)
    }

    fn within<T>(
        &self,
        namespace: Option<&File>,
        work: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let (Some(namespace), Some(back)) = (namespace, &self.relay_namespace) else {
            return work();
        };
        enter(namespace)?;
        let done = work();
        enter(back)?;
        done
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.ends_namespace.is_some() {
            // The pairs go with the namespaces, though not at once.
            for (namespace, device) in
                [(NAMESPACE, RELAY_DEVICE), (BEHIND_NAMESPACE, TO_BEHIND_DEVICE)]
            {
                let _ = ip(&["link", "del", device]);
                let _ = ip(&["netns", "del", namespace]);
            }
        }
    }
}

/// Keeps this thread and what it starts on one core.
pub fn pin(core: usize) {
    // SAFETY: the set is plain data, zero is an empty one, and it lives through the call.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

/// Lets this thread's sleeps end within a microsecond.
pub fn use_precise_timers() {
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000_u64, 0_u64, 0_u64, 0_u64) };
}

fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open; only this thread changes its namespace.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {}: {}", arguments.join(" "), said.trim())))
}

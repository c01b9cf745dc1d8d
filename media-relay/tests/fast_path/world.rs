//! Three hosts on one machine: a caller and a callee, each in a network namespace of its own, and
//! the relay between them in a third. The namespaces go when the world is dropped.
#![expect(unsafe_code, reason = "setns and ioctl; every block states why it is sound")]

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// So that tests in one process, and processes on one machine, do not meet.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The side that calls, and the side that is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Caller,
    Callee,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) name: String,
    home: File,
}

impl World {
    /// `None`, with the reason printed, where namespaces or eBPF are not to be had.
    pub(crate) fn new() -> Option<World> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tf{}-{number}", std::process::id() % 10_000);
        let home = File::open("/proc/self/ns/net").ok()?;
        let world = World { name, home };
        if let Err(reason) = world.build() {
            super::skip(&format!("no network namespaces here: {reason}"));
            return None;
        }
        Some(world)
    }

    fn build(&self) -> io::Result<()> {
        for place in ["relay", "caller", "callee"] {
            ip(&format!("netns add {}", self.namespace(place)))?;
        }
        for end in [End::Caller, End::Callee] {
            self.plug_in(end)?;
        }
        Ok(())
    }

    /// Connects an end's network to the relay's: `eth-caller` and `eth-callee` are the relay's.
    pub(crate) fn plug_in(&self, end: End) -> io::Result<()> {
        let (place, net) = end.place();
        let (here, there) = (self.namespace("relay"), self.namespace(place));
        for step in [
            format!("-n {here} link add eth-{place} type veth peer name eth0 netns {there}"),
            format!("-n {here} addr add 198.18.{net}.1/24 dev eth-{place}"),
            format!("-n {here} addr add fd00:{net}::1/64 dev eth-{place} nodad"),
            format!("-n {here} link set eth-{place} up"),
            format!("-n {there} addr add 198.18.{net}.2/24 dev eth0"),
            format!("-n {there} addr add 198.18.{net}.3/24 dev eth0"),
            format!("-n {there} addr add fd00:{net}::2/64 dev eth0 nodad"),
            format!("-n {there} link set eth0 up"),
        ] {
            ip(&step)?;
        }
        Ok(())
    }

    /// Takes an end's cable away.
    pub(crate) fn unplug(&self, end: End) -> io::Result<()> {
        ip(&format!("-n {} link del eth-{}", self.namespace("relay"), end.place().0))
    }

    /// Makes every sender compute its checksums itself, so that every receiver verifies them: a
    /// virtual cable otherwise trusts both.
    pub(crate) fn verify_checksums(&self) {
        for end in [End::Caller, End::Callee] {
            let (place, _) = end.place();
            self.at(place, || no_transmit_checksums("eth0")).unwrap();
            self.at("relay", || no_transmit_checksums(&format!("eth-{place}"))).unwrap();
        }
    }

    /// UDP datagrams of an end's host that had a wrong checksum.
    pub(crate) fn wrong_checksums(&self, end: End) -> u64 {
        let read = || {
            let of = |file: &str, line: &str, field: usize| {
                let text = std::fs::read_to_string(file).unwrap();
                let found = text.lines().filter(|l| l.starts_with(line)).nth(field).unwrap();
                found.to_owned()
            };
            let names = of("/proc/thread-self/net/snmp", "Udp:", 0);
            let values = of("/proc/thread-self/net/snmp", "Udp:", 1);
            let at = names.split(' ').position(|name| name == "InCsumErrors").unwrap();
            let v4: u64 = values.split(' ').nth(at).unwrap().parse().unwrap();
            let v6 = of("/proc/thread-self/net/snmp6", "Udp6InCsumErrors", 0);
            v4 + v6.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        self.at(end.place().0, read)
    }

    /// A socket on an end's host, nonblocking for no longer than ten seconds.
    pub(crate) fn socket(&self, end: End, address: &str) -> UdpSocket {
        let address: SocketAddr = address.parse().unwrap();
        let socket = self.at(end.place().0, || UdpSocket::bind(address).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Does `work` on the relay's host.
    pub(crate) fn at_the_relay<T>(&self, work: impl FnOnce() -> T) -> T {
        self.at("relay", work)
    }

    fn at<T>(&self, place: &str, work: impl FnOnce() -> T) -> T {
        enter(&File::open(format!("/run/netns/{}", self.namespace(place))).unwrap());
        let done = work();
        enter(&self.home);
        done
    }

    fn namespace(&self, place: &str) -> String {
        format!("{}-{place}", self.name)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for place in ["relay", "caller", "callee"] {
            // The cables go with their ends.
            let _ = ip(&format!("netns del {}", self.namespace(place)));
        }
    }
}

impl End {
    /// The namespace, and the number of the network.
    fn place(self) -> (&'static str, u8) {
        match self {
            End::Caller => ("caller", 1),
            End::Callee => ("callee", 2),
        }
    }

    /// Where the end's host is, and where the relay is towards it.
    pub(crate) fn addresses(self, v6: bool) -> (IpAddr, IpAddr) {
        let (_, net) = self.place();
        let ip = |host| match v6 {
            true => format!("fd00:{net}::{host}"),
            false => format!("198.18.{net}.{host}"),
        };
        (ip(2).parse().unwrap(), ip(1).parse().unwrap())
    }
}

fn enter(namespace: &File) {
    // SAFETY: the descriptor is open; only this thread changes its namespace.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

fn ip(arguments: &str) -> io::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {arguments}: {}", said.trim())))
}

/// `ethtool -K INTERFACE tx off`.
fn no_transmit_checksums(interface: &str) -> io::Result<()> {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    const ETHTOOL_STXCSUM: u32 = 0x17;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut value = [ETHTOOL_STXCSUM, 0];
    // SAFETY: plain data for which zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    // SAFETY: `request` and the command it points to live through the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

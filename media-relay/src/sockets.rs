//! Opens the sockets of a leg.

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Bytes that the kernel may hold for one socket (it doubles the number for its own bookkeeping).
/// About 80 packets of G.711: more would only turn an overload into seconds of delay.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// Opens a nonblocking UDP socket on `ip` and `port` whose packets are marked with `dscp`.
///
/// # Errors
/// As `socket(2)` and `bind(2)`: `AddrInUse` when another process has the port, EMFILE at the limit
/// of open files.
pub(crate) fn open(ip: IpAddr, port: u16, dscp: u8) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, port);
    let socket = prepare(address, dscp)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// Opens a second socket on the address of `beside` that gets what comes from `remote`, and nothing
/// else: the kernel prefers it for these packets, and saves a route's look-up for each that it
/// sends. `beside` goes on getting all others, so that wrong sources are still seen and counted.
///
/// # Errors
/// As [`open`], and as `connect(2)`.
pub(crate) fn open_connected(
    beside: &UdpSocket,
    remote: SocketAddr,
    dscp: u8,
) -> io::Result<UdpSocket> {
    let address = beside.local_addr()?;
    let socket = prepare(address, dscp)?;
    let first = SockRef::from(beside);
    // Both must agree to share, and only for this moment: no other program can slip in later.
    first.set_reuse_address(true)?;
    let shared = socket
        .set_reuse_address(true)
        .and_then(|()| socket.bind(&SockAddr::from(address)))
        .and_then(|()| socket.connect(&SockAddr::from(remote)));
    first.set_reuse_address(false)?;
    shared?;
    socket.set_reuse_address(false)?;
    Ok(socket.into())
}

fn prepare(address: SocketAddr, dscp: u8) -> io::Result<Socket> {
    let ip = address.ip();
    let socket =
        Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if ip.is_ipv6() && ip.is_unspecified() {
        socket.set_only_v6(true)?;
    }
    // Some containers forbid it: audio without a mark is still audio.
    let traffic_class = u32::from(dscp) << 2;
    let _ = match ip {
        IpAddr::V4(_) => socket.set_tos_v4(traffic_class),
        IpAddr::V6(_) => socket.set_tclass_v6(traffic_class),
    };
    // Smaller than asked for is still usable.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    Ok(socket)
}

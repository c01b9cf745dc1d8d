//! Opens the sockets of a leg.

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
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
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

//! A UDP socket whose packets come with the kernel's stamp of their arrival, so that it does not count when
//! they are read.
#![expect(
    unsafe_code,
    reason = "recvmsg with its control message; every block states why it is sound"
)]

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// For packets that wait until they are read.
const BUFFER: usize = 1_000_000;

/// A socket of one sender of RTP.
#[derive(Debug)]
pub struct StampedSocket(UdpSocket);

/// Room for one stamp.
#[repr(C, align(8))]
struct Control([u8; 64]);

impl StampedSocket {
    /// A socket at any port of `ip`, which never waits.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(ip: std::net::Ipv4Addr) -> io::Result<StampedSocket> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(BUFFER)?;
        let on: libc::c_int = 1;
        // SAFETY: `on` lives through the call and its size is given with it.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPNS,
                (&raw const on).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        socket.bind(&SocketAddr::new(ip.into(), 0).into())?;
        Ok(StampedSocket(socket.into()))
    }

    /// Where it is.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Sends a packet.
    ///
    /// # Errors
    /// The system's.
    pub fn send_to(&self, packet: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.0.send_to(packet, to)
    }

    /// A packet that has come, and when, in nanoseconds of [`crate::ends::wall_nanos`]; `None` when there is
    /// none.
    ///
    /// # Errors
    /// The system's.
    pub fn receive<'a>(&self, octets: &'a mut [u8]) -> io::Result<Option<(&'a [u8], u64)>> {
        let mut vector =
            libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
        let mut control = Control([0; 64]);
        // SAFETY: a plain C structure, for which zeroes are valid.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_iov = &raw mut vector;
        header.msg_iovlen = 1;
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = size_of::<Control>();
        // SAFETY: the header points to a vector over `octets` and to a control buffer, which live on.
        let len = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        let Ok(len) = usize::try_from(len) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        };
        // SAFETY: the kernel wrote the control buffer, which is alive; the stamp is read only when the
        // first message is one.
        let stamp = unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            if message.is_null() || (*message).cmsg_type != libc::SCM_TIMESTAMPNS {
                return Err(io::Error::other("the kernel stamps no arrivals"));
            }
            libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned()
        };
        let came = stamp.tv_sec as u64 * 1_000_000_000 + stamp.tv_nsec as u64;
        Ok(Some((octets.get(..len).unwrap_or_default(), came)))
    }
}

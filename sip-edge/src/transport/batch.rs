//! Datagrams in batches: `recvmmsg`, `sendmmsg`, the packet-info control messages of sockets bound
//! to a wildcard address, and the error queue that tells which peer an ICMP error speaks of.
#![expect(
    unsafe_code,
    reason = "neither std nor socket2 wraps recvmmsg, sendmmsg and the socket error queue"
)]

use bytes::Bytes;
use socket2::{SockAddr, Socket};
use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Datagrams in one system call.
pub(super) const BATCH: usize = 32;

/// The largest UDP payload, so that nothing is ever cut.
const DATAGRAM_BYTES: usize = 65_535;

/// Linux's `SO_SELECT_ERR_QUEUE` (asm-generic/socket.h): a queued error is urgent data to a waiter.
const SO_SELECT_ERR_QUEUE: libc::c_int = 45;

/// Room for one packet-info or one extended error with its offender, with alignment to spare.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Control([u8; 128]);

/// Registers a socket with the runtime, for datagrams and for errors (`EPOLLPRI` reports the error
/// queue because of `SO_SELECT_ERR_QUEUE`).
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor, gives the same one every time, and lives inside the
    // AsyncFd, which closes it only when it is dropped.
    unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::PRIORITY) }
        .map_err(Into::into)
}

/// Switches on what the functions below read: the error queue, that it wakes a waiter, and the
/// destination address when the socket is bound to a wildcard.
pub(super) fn configure(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    let (level, receive_errors, packet_info) = match local {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_RECVERR, libc::IP_PKTINFO),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, libc::IPV6_RECVPKTINFO),
    };
    set_flag(socket, level, receive_errors)?;
    set_flag(socket, libc::SOL_SOCKET, SO_SELECT_ERR_QUEUE)?;
    if local.ip().is_unspecified() {
        set_flag(socket, level, packet_info)?;
    }
    Ok(())
}

fn set_flag(socket: &Socket, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: `on` lives through the call and its size is given with it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            size_of_socklen::<libc::c_int>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Buffers that are used again for every batch.
pub(super) struct ReceiveBatch {
    payloads: Box<[u8]>,
    metadata: [Option<Metadata>; BATCH],
}

#[derive(Clone, Copy)]
struct Metadata {
    length: usize,
    truncated: bool,
    remote: SocketAddr,
    destination: Option<IpAddr>,
}

/// One received datagram.
pub(super) struct Datagram<'a> {
    pub(super) payload: &'a [u8],
    pub(super) remote: SocketAddr,
    /// The address that it was sent to, on sockets bound to a wildcard.
    pub(super) destination: Option<IpAddr>,
    /// Longer than the buffer; what is left of it is useless.
    pub(super) truncated: bool,
}

impl ReceiveBatch {
    pub(super) fn new() -> ReceiveBatch {
        let payloads = vec![0; BATCH * DATAGRAM_BYTES].into_boxed_slice();
        ReceiveBatch { payloads, metadata: [None; BATCH] }
    }

    /// Fills the batch without waiting and gives the number of datagrams.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; a pending ICMP error is returned once, see [`take_error`].
    pub(super) fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        let mut names = [const { MaybeUninit::<libc::sockaddr_storage>::zeroed() }; BATCH];
        let mut controls = [Control([0; 128]); BATCH];
        let mut vectors: [libc::iovec; BATCH] = zeroed_vectors();
        let mut headers: [libc::mmsghdr; BATCH] = zeroed_headers();
        for (index, payload) in self.payloads.chunks_exact_mut(DATAGRAM_BYTES).enumerate() {
            vectors[index].iov_base = payload.as_mut_ptr().cast();
            vectors[index].iov_len = payload.len();
            let header = &mut headers[index].msg_hdr;
            header.msg_name = names[index].as_mut_ptr().cast();
            header.msg_namelen = size_of_socklen::<libc::sockaddr_storage>();
            header.msg_iov = &raw mut vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = controls[index].0.as_mut_ptr().cast();
            header.msg_controllen = size_of::<Control>();
        }
        // SAFETY: every header points to a name, a vector, a payload and a control buffer of its
        // own, whose sizes it states; all of them live until after the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, header) in headers.iter().enumerate().take(count) {
            // SAFETY: the kernel wrote the name; it is zero beyond what was written.
            let name = unsafe { names[index].assume_init_ref() };
            self.metadata[index] = socket_address(name).map(|remote| Metadata {
                length: (header.msg_len as usize).min(DATAGRAM_BYTES),
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                remote,
                destination: destination(&header.msg_hdr),
            });
        }
        Ok(count)
    }

    /// The datagram at `index` of the last batch; `None` when its source is no IP address.
    pub(super) fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let Metadata { length, truncated, remote, destination } = (*self.metadata.get(index)?)?;
        let payload = self.payloads.get(index * DATAGRAM_BYTES..)?.get(..length)?;
        Some(Datagram { payload, remote, destination, truncated })
    }
}

/// A datagram on its way out.
pub(super) struct Outgoing {
    pub(super) payload: Bytes,
    pub(super) remote: SocketAddr,
    /// The address that it leaves from, on sockets bound to a wildcard.
    pub(super) source: Option<IpAddr>,
    pub(super) client: Option<sip_proto::ClientKey>,
}

/// Sends the first datagrams of `queue`, at most [`BATCH`], without waiting; gives their number.
///
/// # Errors
/// What stopped the first datagram: `WouldBlock` when the socket's buffer is full, or a pending
/// ICMP error that may concern another datagram, see [`take_error`].
pub(super) fn send(socket: &Socket, queue: &[Outgoing]) -> io::Result<usize> {
    let queue = &queue[..queue.len().min(BATCH)];
    let mut names = [const { None::<SockAddr> }; BATCH];
    let mut controls = [Control([0; 128]); BATCH];
    let mut vectors: [libc::iovec; BATCH] = zeroed_vectors();
    let mut headers: [libc::mmsghdr; BATCH] = zeroed_headers();
    for (index, outgoing) in queue.iter().enumerate() {
        let name = names[index].insert(SockAddr::from(outgoing.remote));
        vectors[index].iov_base = outgoing.payload.as_ptr().cast_mut().cast();
        vectors[index].iov_len = outgoing.payload.len();
        let header = &mut headers[index].msg_hdr;
        header.msg_name = name.as_ptr().cast_mut().cast();
        header.msg_namelen = name.len();
        header.msg_iov = &raw mut vectors[index];
        header.msg_iovlen = 1;
        if let Some(source) = outgoing.source {
            set_source(header, &mut controls[index], source);
        }
    }
    // SAFETY: every header points to a name, a vector, a payload and at most one control buffer,
    // whose sizes it states; all live until after the call, and sendmmsg only reads them.
    let count = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            queue.len() as libc::c_uint,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// What stands in a socket's error queue about one earlier datagram.
pub(super) struct PeerError {
    /// Where the datagram was to go.
    pub(super) remote: Option<SocketAddr>,
    /// ICMP says that the port, host or network cannot be reached.
    pub(super) unreachable: bool,
}

/// Takes the oldest entry of the error queue, without waiting; `None` when it is empty.
pub(super) fn take_error(socket: &Socket) -> Option<PeerError> {
    let mut name = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut control = Control([0; 128]);
    // The queue returns the datagram itself too; one byte of it is enough.
    let mut payload = [0_u8; 1];
    let mut vector = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: a msghdr is plain data for which all zeroes is a valid, empty value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = size_of_socklen::<libc::sockaddr_storage>();
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>();
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points to buffers that live through the call and states their sizes.
    if unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) } < 0 {
        return None;
    }
    // SAFETY: zeroed, then written by the kernel; any bytes make a valid sockaddr_storage.
    let remote = socket_address(unsafe { name.assume_init_ref() });
    let unreachable = extended_error(&header).is_some_and(|error| match error.ee_origin {
        // Type 3 is "destination unreachable"; its code 4 only asks for smaller packets.
        libc::SO_EE_ORIGIN_ICMP => error.ee_type == 3 && error.ee_code != 4,
        libc::SO_EE_ORIGIN_ICMP6 => error.ee_type == 1,
        _ => false,
    });
    Some(PeerError { remote, unreachable })
}

fn extended_error(header: &libc::msghdr) -> Option<libc::sock_extended_err> {
    find_control(header, |level, kind| {
        (level == libc::IPPROTO_IP && kind == libc::IP_RECVERR)
            || (level == libc::IPPROTO_IPV6 && kind == libc::IPV6_RECVERR)
    })
}

fn destination(header: &libc::msghdr) -> Option<IpAddr> {
    let v4 = |level, kind| level == libc::IPPROTO_IP && kind == libc::IP_PKTINFO;
    if let Some(info) = find_control::<libc::in_pktinfo>(header, v4) {
        return Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
    }
    let v6 = |level, kind| level == libc::IPPROTO_IPV6 && kind == libc::IPV6_PKTINFO;
    find_control::<libc::in6_pktinfo>(header, v6)
        .map(|info| Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
}

/// The first control message that `wanted(level, type)` accepts, read as a `T`, which must be one
/// of the kernel's plain structures.
fn find_control<T: Copy>(
    header: &libc::msghdr,
    wanted: impl Fn(libc::c_int, libc::c_int) -> bool,
) -> Option<T> {
    // SAFETY: the header's control buffer is alive and msg_controllen is what the kernel wrote, so
    // that the CMSG functions stay inside of it; a value is read only when its whole length is
    // there, and unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let length = (*message).cmsg_len;
            let needed = libc::CMSG_LEN(size_of::<T>() as libc::c_uint) as usize;
            if wanted((*message).cmsg_level, (*message).cmsg_type) && length >= needed {
                return Some(libc::CMSG_DATA(message).cast::<T>().read_unaligned());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// Makes a datagram leave from `source`.
fn set_source(header: &mut libc::msghdr, control: &mut Control, source: IpAddr) {
    match source {
        IpAddr::V4(ip) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            set_control(header, control, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(ip) => {
            let address = libc::in6_addr { s6_addr: ip.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
            set_control(header, control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
}

fn set_control<T: Copy>(
    header: &mut libc::msghdr,
    control: &mut Control,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) {
    const { assert!(size_of::<T>() <= 64) };
    let size = size_of::<T>() as libc::c_uint;
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: pure arithmetic on the size.
    header.msg_controllen = unsafe { libc::CMSG_SPACE(size) } as usize;
    // SAFETY: the control buffer is aligned and larger than CMSG_SPACE of at most 64 bytes, so the
    // first header and its data lie inside of it.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size) as usize;
        libc::CMSG_DATA(message).cast::<T>().write_unaligned(value);
    }
}

fn socket_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let pointer: *const libc::sockaddr_storage = storage;
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in, which is smaller and not stricter
            // aligned than the storage.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(name.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the same for a sockaddr_in6.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr);
            let port = u16::from_be(name.sin6_port);
            Some(SocketAddrV6::new(ip, port, 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn zeroed_headers() -> [libc::mmsghdr; BATCH] {
    // SAFETY: plain data for which all zeroes is a valid, empty value.
    unsafe { mem::zeroed() }
}

fn zeroed_vectors() -> [libc::iovec; BATCH] {
    // SAFETY: plain data; a null pointer with length 0 is an empty vector.
    unsafe { mem::zeroed() }
}

const fn size_of_socklen<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

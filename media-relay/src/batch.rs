//! Receives and sends datagrams in batches, in buffers that belong to the worker, not to sockets.
#![expect(unsafe_code, reason = "recvmmsg and sendmmsg; every block states why it is sound")]

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;

/// Datagrams that one socket may deliver in a turn, so that a flood on one does not starve others.
pub(crate) const BATCH: usize = 16;
/// Octets of the largest datagram that is received; a longer one is dropped and counted.
const LONGEST: usize = 2048;
/// With room to protect it.
const BUFFER: usize = LONGEST + relay_core::GROWTH;

/// Buffers for one batch. Everything is allocated once; receiving and sending allocate nothing.
pub(crate) struct Batch {
    buffers: Box<[[u8; BUFFER]; BATCH]>,
    received: Box<Messages>,
    outgoing: Box<Messages>,
    sockets: [RawFd; BATCH],
    queued: usize,
}

/// Message headers with what they point to, boxed so that it never moves.
struct Messages {
    headers: [libc::mmsghdr; BATCH],
    vectors: [libc::iovec; BATCH],
    names: [libc::sockaddr_storage; BATCH],
}

impl Messages {
    fn new() -> Box<Self> {
        // SAFETY: all three are plain C structures for which zeroes are valid (null pointers with
        // zero lengths).
        let mut messages: Box<Messages> = Box::new(unsafe { mem::zeroed() });
        for index in 0..BATCH {
            let header = &mut messages.headers[index].msg_hdr;
            header.msg_iov = &raw mut messages.vectors[index];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut messages.names[index]).cast();
        }
        messages
    }
}

impl Batch {
    pub(crate) fn new() -> Self {
        let mut batch = Batch {
            buffers: Box::new([[0; BUFFER]; BATCH]),
            received: Messages::new(),
            outgoing: Messages::new(),
            sockets: [-1; BATCH],
            queued: 0,
        };
        for index in 0..BATCH {
            batch.received.vectors[index] = libc::iovec {
                iov_base: batch.buffers[index].as_mut_ptr().cast(),
                iov_len: LONGEST,
            };
            batch.received.headers[index].msg_hdr.msg_namelen = NAME_CAPACITY;
        }
        batch
    }

    /// Receives what waits on `socket`, at most [`BATCH`] datagrams; 0 when nothing does.
    pub(crate) fn receive(&mut self, socket: RawFd) -> io::Result<usize> {
        match self.receive_once(socket) {
            // An ICMP message about what was sent over a connected socket; asking takes it away.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.receive_once(socket)
            }
            received => received,
        }
    }

    fn receive_once(&mut self, socket: RawFd) -> io::Result<usize> {
        // SAFETY: every header points to a buffer and a name of the stated lengths inside boxes
        // that `self` owns, so they outlive the call and nobody else uses them during it.
        let count = unsafe {
            libc::recvmmsg(
                socket,
                self.received.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match usize::try_from(count) {
            Ok(count) => Ok(count),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                error => Err(error),
            },
        }
    }

    /// Datagram `index` of the last [`Batch::receive`]: its source, the buffer that it begins, and
    /// its octets. `None` when it was longer than can be received, or of a foreign address family.
    pub(crate) fn datagram(&mut self, index: usize) -> Option<(SocketAddr, &mut [u8], usize)> {
        let message = self.received.headers.get_mut(index)?;
        let name_length = mem::replace(&mut message.msg_hdr.msg_namelen, NAME_CAPACITY);
        if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let source = read_name(&self.received.names[index], name_length)?;
        Some((source, &mut self.buffers[index], message.msg_len as usize))
    }

    /// Queues the first `len` octets of datagram `index` to be sent; once per received datagram.
    /// A connected socket needs no address.
    pub(crate) fn queue(
        &mut self,
        index: usize,
        len: usize,
        socket: RawFd,
        to: Option<SocketAddr>,
    ) {
        if self.queued == BATCH || index >= BATCH {
            return;
        }
        let slot = self.queued;
        self.outgoing.vectors[slot] = libc::iovec {
            iov_base: self.buffers[index].as_mut_ptr().cast(),
            iov_len: len.min(BUFFER),
        };
        let length = to.map_or(0, |to| write_name(&mut self.outgoing.names[slot], to));
        let header = &mut self.outgoing.headers[slot].msg_hdr;
        header.msg_namelen = length;
        header.msg_name = match length {
            0 => std::ptr::null_mut(),
            _ => (&raw mut self.outgoing.names[slot]).cast(),
        };
        self.sockets[slot] = socket;
        self.queued += 1;
    }

    /// Sends what is queued; calls `failed` with the position in the queue of every datagram that
    /// the operating system did not take. A full send buffer is a loss, as on any router.
    pub(crate) fn flush(&mut self, mut failed: impl FnMut(usize)) {
        let queued = mem::take(&mut self.queued);
        let mut next = 0;
        while next < queued {
            let socket = self.sockets[next];
            let end = (next..queued).find(|i| self.sockets[*i] != socket).unwrap_or(queued);
            match self.send_run(socket, next, end) {
                // The error may be that of a datagram before (ICMP); asking took it away.
                0 if is_refused() && self.send_run(socket, next, next + 1) == 1 => next += 1,
                0 => {
                    failed(next);
                    next += 1;
                }
                sent => next += sent,
            }
        }
    }

    /// Sends `first..end` over one socket; how many it took before the first failure.
    fn send_run(&mut self, socket: RawFd, first: usize, end: usize) -> usize {
        if end - first == 1 {
            let message = &self.outgoing.headers[first].msg_hdr;
            // SAFETY: the vector points into a buffer of `self` with at most its length, the name
            // is initialised for `msg_namelen` octets.
            let sent = unsafe {
                libc::sendto(
                    socket,
                    self.outgoing.vectors[first].iov_base,
                    self.outgoing.vectors[first].iov_len,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                    message.msg_name.cast(),
                    message.msg_namelen,
                )
            };
            return usize::from(sent >= 0);
        }
        let Some(run) = self.outgoing.headers.get_mut(first..end) else { return 0 };
        // SAFETY: as above, for each of the `run.len()` headers.
        let sent = unsafe {
            libc::sendmmsg(
                socket,
                run.as_mut_ptr(),
                run.len() as libc::c_uint,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent).unwrap_or(0)
    }
}

fn is_refused() -> bool {
    io::Error::last_os_error().kind() == io::ErrorKind::ConnectionRefused
}

const NAME_CAPACITY: libc::socklen_t = size_of::<libc::sockaddr_storage>() as libc::socklen_t;

fn read_name(name: &libc::sockaddr_storage, length: libc::socklen_t) -> Option<SocketAddr> {
    let length = length as usize;
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: the family says that the storage, which is large and aligned enough for
            // every family, holds a sockaddr_in.
            let v4 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above, a sockaddr_in6.
            let v6 = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            // Flow and scope are left out: addresses are compared with those of descriptions.
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, 0).into())
        }
        _ => None,
    }
}

fn write_name(name: &mut libc::sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: the storage is large and aligned enough for every family's address, and any
            // bits are valid in it.
            let out = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in>() };
            out.sin_family = libc::AF_INET as libc::sa_family_t;
            out.sin_port = v4.port().to_be();
            out.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above.
            let out = unsafe { &mut *(&raw mut *name).cast::<libc::sockaddr_in6>() };
            out.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            out.sin6_port = v6.port().to_be();
            out.sin6_flowinfo = 0;
            out.sin6_addr.s6_addr = v6.ip().octets();
            out.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    #[test]
    fn addresses_survive_the_kernels_form() {
        for text in ["192.0.2.7:4000", "[2001:db8::7]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut messages = Messages::new();
            let length = write_name(&mut messages.names[0], address);
            assert_eq!(read_name(&messages.names[0], length), Some(address));
            assert_eq!(read_name(&messages.names[0], length - 1), None);
        }
    }

    #[test]
    fn a_batch_is_received_and_sent_on_in_order_and_a_long_datagram_is_refused() {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let middle = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
        sink.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let to = middle.local_addr().unwrap();
        sender.send_to(&[1; 10], to).unwrap();
        sender.send_to(&[2; LONGEST + 1], to).unwrap();
        sender.send_to(&[3; LONGEST], to).unwrap();

        let mut batch = Batch::new();
        // Loopback delivers within send_to, so all three wait already.
        assert_eq!(batch.receive(middle.as_raw_fd()).unwrap(), 3);
        for index in 0..3 {
            let Some((source, _, len)) = batch.datagram(index) else {
                assert_eq!(index, 1);
                continue;
            };
            assert_eq!(source, sender.local_addr().unwrap());
            batch.queue(index, len, middle.as_raw_fd(), Some(sink.local_addr().unwrap()));
        }
        batch.flush(|_| panic!("loopback takes everything"));
        let mut buffer = [0; 4096];
        assert_eq!(sink.recv(&mut buffer).unwrap(), 10);
        assert_eq!(sink.recv(&mut buffer).unwrap(), LONGEST);
        assert_eq!(batch.receive(middle.as_raw_fd()).unwrap(), 0);
    }

    #[test]
    fn a_datagram_that_cannot_be_sent_is_reported_and_the_rest_goes_on() {
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let middle = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..3 {
            sender.send_to(&[1; 10], middle.local_addr().unwrap()).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(batch.receive(middle.as_raw_fd()).unwrap(), 3);
        let good = sender.local_addr().unwrap();
        // An IPv6 destination on an IPv4 socket.
        let bad: SocketAddr = "[2001:db8::1]:9".parse().unwrap();
        for (index, to) in [good, bad, good].into_iter().enumerate() {
            batch.queue(index, 10, middle.as_raw_fd(), Some(to));
        }
        let mut failed = Vec::new();
        batch.flush(|position| failed.push(position));
        assert_eq!(failed, [1]);
    }
}

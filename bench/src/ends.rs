//! Both ends of many calls: sends G.711 at an even pace and receives what comes out.
#![expect(unsafe_code, reason = "sendmmsg and recvmmsg; every block states why it is sound")]
#![expect(clippy::disallowed_methods, reason = "a load generator reads the clock and paces itself")]

use crate::network::{Network, use_precise_timers};
use crate::srtp::{self, Srtp};
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpSender};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Octets of an RTP packet with 20 ms of G.711.
pub const PACKET: usize = 172;
/// Packets a second and direction.
pub const PACKETS_A_SECOND: u64 = 50;
/// Time between two looks at what is due.
const PACE: Duration = Duration::from_micros(50);
/// Time between two looks at what has come; arrival is stamped by the kernel.
const SINK_PACE: Duration = Duration::from_micros(500);
/// A packet with SRTP.
const BUFFER: usize = PACKET + LONGEST_GROWTH;
const BATCH: usize = 64;
const SOCKET_BUFFER: usize = 4_000_000;
/// Delays are counted in microseconds up to this.
const LONGEST: usize = 200_000;

/// The sockets of one kind of end.
#[derive(Debug)]
pub struct Ends {
    sockets: [UdpSocket; 2],
    /// Where each side is.
    pub addresses: [SocketAddr; 2],
}

impl Ends {
    /// One socket for all callers, one for all callees.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn open(network: &Network) -> io::Result<Ends> {
        let [a, b] = network.ends;
        network.at_the_ends(|| Ends::bind([a, b]))
    }

    /// Two sockets where the relay would be, for the run without one.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn open_at_the_relay(network: &Network) -> io::Result<Ends> {
        Ends::bind([network.relay; 2])
    }

    /// Two sockets on the host behind the relay's, for packets that the kernel routes there.
    ///
    /// # Errors
    /// When a socket cannot be had.
    pub fn open_behind(network: &Network) -> io::Result<Ends> {
        network.at_the_host_behind(|| Ends::bind(network.behind))
    }

    fn bind(ips: [Ipv4Addr; 2]) -> io::Result<Ends> {
        let sockets = [bind(ips[0])?, bind(ips[1])?];
        let addresses = [sockets[0].local_addr()?, sockets[1].local_addr()?];
        Ok(Ends { sockets, addresses })
    }
}

fn bind(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    let on: libc::c_int = 1;
    // SAFETY: `on` lives through the call and its size is given with it.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    socket.bind(&SocketAddr::new(ip.into(), 0).into())?;
    Ok(socket.into())
}

/// When packets count. Both as [`wall_nanos`].
#[derive(Debug)]
pub struct Window {
    /// The first instant.
    pub from: u64,
    /// The end, exclusive.
    pub until: u64,
}

impl Window {
    fn holds(&self, at: u64) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// CLOCK_REALTIME, which the kernel stamps packets with.
pub fn wall_nanos() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Sends both directions of every call to `destinations` until the window's end; the packets that
/// were sent within the window.
pub fn send(
    ends: &Ends,
    destinations: &[[SocketAddr; 2]],
    window: &Window,
    srtp: Option<Srtp>,
) -> u64 {
    use_precise_timers();
    let mut senders: Vec<Option<SrtpSender>> = (0..destinations.len() * 2)
        .map(|place| srtp.and_then(|srtp| srtp.key(place % 2)).map(|key| SrtpSender::new(&key)))
        .collect();
    let ways = destinations.len() as u64 * 2;
    let gap = 1_000_000_000 / (PACKETS_A_SECOND * ways);
    let mut batches = [SendBatch::new(), SendBatch::new()];
    let begin = Instant::now();
    let mut number = 0_u64;
    let mut counted = 0;
    while wall_nanos() < window.until {
        let due = begin.elapsed().as_nanos() as u64 / gap;
        while number < due {
            let until = due.min(number + BATCH as u64);
            let stamp = wall_nanos();
            for way in number..until {
                let (place, round) = (way % ways, way / ways);
                let leg = (place % 2) as usize;
                let to = destinations[(place / 2) as usize][leg];
                let sender = senders[place as usize].as_mut();
                batches[leg].push(to, place as u32, round, stamp, sender);
            }
            for (leg, batch) in batches.iter_mut().enumerate() {
                let sent = batch.flush(ends.sockets[leg].as_raw_fd());
                counted += if window.holds(stamp) { sent } else { 0 };
            }
            number = until;
        }
        std::thread::sleep(PACE);
    }
    counted
}

/// What arrived.
#[derive(Debug)]
pub struct Received {
    /// Packets sent and received within the window.
    pub packets: u64,
    delays: Vec<u32>,
}

impl Received {
    /// The delay in microseconds that `per_mille` of the packets kept to.
    pub fn delay(&self, per_mille: u64) -> usize {
        let rank = self.packets * per_mille / 1000;
        let mut seen = 0;
        for (micros, count) in self.delays.iter().enumerate() {
            seen += u64::from(*count);
            if seen > rank {
                return micros;
            }
        }
        0
    }
}

/// Receives until `stop`. What has not the length that its leg's packets have does not count.
pub fn receive(ends: &Ends, window: &Window, stop: &AtomicBool, srtp: Option<Srtp>) -> Received {
    use_precise_timers();
    let mut batch = ReceiveBatch::new();
    let mut received = Received { packets: 0, delays: vec![0; LONGEST + 1] };
    while !stop.load(Ordering::Relaxed) {
        for (leg, socket) in ends.sockets.iter().enumerate() {
            let len = PACKET + srtp.and_then(|srtp| srtp.on(leg)).map_or(0, srtp::tag);
            loop {
                let count = batch.fill(socket.as_raw_fd());
                for (sent, arrived) in batch.stamps(count, len) {
                    if window.holds(sent) {
                        received.packets += 1;
                        let micros = (arrived.saturating_sub(sent) / 1_000) as usize;
                        received.delays[micros.min(LONGEST)] += 1;
                    }
                }
                if count < BATCH {
                    break;
                }
            }
        }
        std::thread::sleep(SINK_PACE);
    }
    received
}

struct SendBatch {
    packets: Box<[[u8; BUFFER]; BATCH]>,
    names: Box<[libc::sockaddr_in; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    count: usize,
}

impl SendBatch {
    fn new() -> SendBatch {
        let mut batch: SendBatch = SendBatch {
            packets: Box::new([[0x55; BUFFER]; BATCH]),
            // SAFETY: plain C structures, for which zeroes are valid.
            names: Box::new(unsafe { mem::zeroed() }),
            // SAFETY: plain C structures, for which zeroes are valid.
            vectors: Box::new(unsafe { mem::zeroed() }),
            // SAFETY: plain C structures, for which zeroes are valid.
            headers: Box::new(unsafe { mem::zeroed() }),
            count: 0,
        };
        for index in 0..BATCH {
            batch.vectors[index].iov_base = batch.packets[index].as_mut_ptr().cast();
            batch.vectors[index].iov_len = PACKET;
            let header = &mut batch.headers[index].msg_hdr;
            header.msg_iov = &raw mut batch.vectors[index];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut batch.names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        }
        batch
    }

    fn push(
        &mut self,
        to: SocketAddr,
        ssrc: u32,
        round: u64,
        stamp: u64,
        sender: Option<&mut SrtpSender>,
    ) {
        let IpAddr::V4(ip) = to.ip() else { return };
        let packet = &mut self.packets[self.count];
        packet[0] = 0x80;
        packet[1] = 0;
        packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
        // In the clear also with SRTP.
        packet[4..8].copy_from_slice(&((stamp / 1_000) as u32).to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.wrapping_add(0x1000).to_be_bytes());
        let len = sender.map(|sender| sender.protect_rtp(packet, PACKET));
        self.vectors[self.count].iov_len = len.and_then(Result::ok).unwrap_or(PACKET);
        let name = &mut self.names[self.count];
        let v4 = SocketAddrV4::new(ip, to.port());
        name.sin_family = libc::AF_INET as libc::sa_family_t;
        name.sin_port = v4.port().to_be();
        name.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
        self.count += 1;
    }

    fn flush(&mut self, socket: RawFd) -> u64 {
        let count = mem::take(&mut self.count);
        if count == 0 {
            return 0;
        }
        // SAFETY: the first `count` headers point to a name and a vector over a packet of `self`.
        let sent =
            unsafe { libc::sendmmsg(socket, self.headers.as_mut_ptr(), count as libc::c_uint, 0) };
        u64::try_from(sent).unwrap_or(0)
    }
}

/// Room for one time stamp.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; 64]);

struct ReceiveBatch {
    packets: Box<[[u8; BUFFER]; BATCH]>,
    controls: Box<[Control; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
}

impl ReceiveBatch {
    fn new() -> ReceiveBatch {
        let mut batch = ReceiveBatch {
            packets: Box::new([[0; BUFFER]; BATCH]),
            controls: Box::new([Control([0; 64]); BATCH]),
            // SAFETY: plain C structures, for which zeroes are valid.
            vectors: Box::new(unsafe { mem::zeroed() }),
            // SAFETY: plain C structures, for which zeroes are valid.
            headers: Box::new(unsafe { mem::zeroed() }),
        };
        for index in 0..BATCH {
            batch.vectors[index].iov_base = batch.packets[index].as_mut_ptr().cast();
            batch.vectors[index].iov_len = BUFFER;
            let header = &mut batch.headers[index].msg_hdr;
            header.msg_iov = &raw mut batch.vectors[index];
            header.msg_iovlen = 1;
            header.msg_control = batch.controls[index].0.as_mut_ptr().cast();
        }
        batch
    }

    fn fill(&mut self, socket: RawFd) -> usize {
        for header in self.headers.iter_mut() {
            header.msg_hdr.msg_controllen = size_of::<Control>();
        }
        // SAFETY: every header points to a vector over a packet and to a control buffer of `self`.
        let count = unsafe {
            libc::recvmmsg(
                socket,
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// When each packet was sent and when it arrived.
    fn stamps(&self, count: usize, len: usize) -> impl Iterator<Item = (u64, u64)> {
        (0..count).filter(move |index| self.headers[*index].msg_len as usize == len).filter_map(
            |index| {
                let sent = self.packets[index].get(4..8)?.try_into().ok()?;
                let arrival = self.arrival(index)?;
                let micros = ((arrival / 1_000) as u32).wrapping_sub(u32::from_be_bytes(sent));
                Some((arrival.saturating_sub(u64::from(micros) * 1_000), arrival))
            },
        )
    }

    fn arrival(&self, index: usize) -> Option<u64> {
        let header = &self.headers[index].msg_hdr;
        // SAFETY: the kernel wrote the control buffer, which is alive; the stamp is read only when
        // the first message is one and whole.
        let stamp = unsafe {
            let message = libc::CMSG_FIRSTHDR(header);
            if message.is_null() || (*message).cmsg_type != libc::SCM_TIMESTAMPNS {
                return None;
            }
            libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned()
        };
        Some(stamp.tv_sec as u64 * 1_000_000_000 + stamp.tv_nsec as u64)
    }
}

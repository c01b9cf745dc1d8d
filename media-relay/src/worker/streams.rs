//! The streams of one worker, found by their id (commands) or by their position (packets).

use super::bundle::SharedTransport;
use super::control::LegHandshake;
use super::picture::StreamPicture;
use super::play::LegPlaying;
use super::reports::Reports;
use crate::fast_path::FastLeg;
use codecs::AudioFormat;
use model::{Instant, LegSide, LocalMedia, MediaId, Seat, TransactionId};
use relay_core::{MediaSocket, RtpSession};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// Which of a leg's sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LegSocket {
    Rtp,
    Rtcp,
    /// RTP from the leg's own address, see [`Connection`].
    Connected,
}

impl LegSocket {
    /// What it is to the packets.
    pub(super) fn media(self) -> MediaSocket {
        match self {
            LegSocket::Rtp | LegSocket::Connected => MediaSocket::Rtp,
            LegSocket::Rtcp => MediaSocket::Rtcp,
        }
    }
}

/// What epoll returns for a socket: the stream's position and generation, the leg, and which of its
/// sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token(pub(super) u64);

impl Token {
    /// The token of the command queue's wake.
    pub(super) const WAKE: Token = Token(u64::MAX);

    pub(super) fn new(key: StreamKey, leg: LegSide, socket: LegSocket) -> Self {
        let socket = match socket {
            LegSocket::Rtp => 0,
            LegSocket::Rtcp => 1,
            LegSocket::Connected => 2,
        };
        let low = socket << 1 | leg.index() as u64;
        Token(u64::from(key.position) << 32 | u64::from(key.generation) << LOW_BITS | low)
    }

    pub(super) fn key(self) -> StreamKey {
        StreamKey {
            position: (self.0 >> 32) as u32,
            generation: (self.0 as u32 >> LOW_BITS) & GENERATION_MASK,
        }
    }

    pub(super) fn leg(self) -> LegSide {
        if self.0 & 1 == 0 { LegSide::A } else { LegSide::B }
    }

    pub(super) fn socket(self) -> LegSocket {
        match self.0 >> 1 & 3 {
            0 => LegSocket::Rtp,
            1 => LegSocket::Rtcp,
            _ => LegSocket::Connected,
        }
    }
}

/// The low bits of a token's half, for leg and socket; generations have the others.
const LOW_BITS: u32 = 3;
const GENERATION_MASK: u32 = u32::MAX >> LOW_BITS;

/// A place in the table, and which of its tenants is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct StreamKey {
    position: u32,
    generation: u32,
}

/// One leg's sockets.
#[derive(Debug)]
pub(super) struct LegSockets {
    /// The bound address.
    pub(super) ip: IpAddr,
    /// The RTP port; RTCP has the next.
    pub(super) port: u16,
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    pub(super) connected: Connection,
}

/// A second RTP socket for what the leg's locked source sends, and what goes there.
#[derive(Debug, Default)]
pub(super) enum Connection {
    /// Not yet: most of what rings is never answered, and most of what is short stays cheap.
    #[default]
    None,
    /// The system refused one; not asked again for this leg.
    Refused,
    Open {
        socket: UdpSocket,
        remote: SocketAddr,
    },
}

impl Connection {
    /// The address that it is connected to.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        match self {
            Connection::Open { remote, .. } => Some(*remote),
            Connection::None | Connection::Refused => None,
        }
    }
}

impl LegSockets {
    /// The descriptor to read; `None` for one that is closed by now.
    pub(super) fn fd(&self, socket: LegSocket) -> Option<RawFd> {
        match (socket, &self.connected) {
            (LegSocket::Rtp, _) => Some(self.rtp.as_raw_fd()),
            (LegSocket::Rtcp, _) => Some(self.rtcp.as_raw_fd()),
            (LegSocket::Connected, Connection::Open { socket, .. }) => Some(socket.as_raw_fd()),
            (LegSocket::Connected, _) => None,
        }
    }

    /// The descriptor to send from, and the address where it needs one.
    pub(super) fn way_to(
        &self,
        socket: MediaSocket,
        destination: SocketAddr,
    ) -> (RawFd, Option<SocketAddr>) {
        match (socket, &self.connected) {
            (MediaSocket::Rtp, Connection::Open { socket, remote }) if *remote == destination => {
                (socket.as_raw_fd(), None)
            }
            (MediaSocket::Rtp, _) => (self.rtp.as_raw_fd(), Some(destination)),
            (MediaSocket::Rtcp, _) => (self.rtcp.as_raw_fd(), Some(destination)),
        }
    }
}

/// One relayed stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) session: RtpSession,
    pub(super) sockets: [LegSockets; 2],
    pub(super) local: [LocalMedia; 2],
    pub(super) reports: Reports,
    /// Its sockets are read; not before its first plan, so that what arrives together with the
    /// answer waits for the plan instead of meeting none.
    pub(super) watched: bool,
    /// The one deadline in the timers that counts for this stream.
    pub(super) deadline: Instant,
    /// Only where a leg agrees its keys on the media path.
    pub(super) handshakes: Option<Box<[Option<LegHandshake>; 2]>>,
    /// Counted among the streams that are transcoded.
    pub(super) is_transcoded: bool,
    /// By leg that sends, as it is counted.
    pub(super) transcoded: [Option<[AudioFormat; 2]>; 2],
    /// By leg, what the kernel forwards; `None` while it has never forwarded anything.
    pub(super) fast: Option<Box<[Option<FastLeg>; 2]>>,
    /// By leg, what is played to it, or is to be; `None` while nothing ever was.
    pub(super) playing: Option<Box<[Option<LegPlaying>; 2]>>,
    /// The name of the recording that it writes to.
    pub(super) recording: Option<Arc<str>>,
    /// By leg, the stream that takes what it says for a recorder. One that has ended takes nothing.
    pub(super) copies: [Option<StreamKey>; 2],
    /// The call that listeners know it as, while anybody listens.
    pub(super) listened_call: Option<TransactionId>,
    /// Where its leg A sits.
    pub(super) seat: Option<Seat>,
    /// The same of its pictures.
    pub(super) picture: Option<Box<StreamPicture>>,
    /// The others that share leg A's transport, which is this one's.
    pub(super) shared: Option<Box<SharedTransport>>,
    /// The stream whose transport leg A's is.
    pub(super) shares: Option<StreamKey>,
}

/// All streams of a worker; bounded by the ports that they hold.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Place>,
    vacant: Vec<u32>,
    by_id: HashMap<MediaId, StreamKey>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    stream: Option<Box<Stream>>,
}

impl Streams {
    /// Reserves the place that the next [`Streams::fill`] takes.
    pub(super) fn vacancy(&mut self) -> StreamKey {
        let position = self.vacant.last().copied().unwrap_or_else(|| {
            self.places.push(Place::default());
            // Four descriptors a stream: the table ends long before 2^32.
            let position = (self.places.len() - 1) as u32;
            self.vacant.push(position);
            position
        });
        StreamKey { position, generation: self.places[position as usize].generation }
    }

    pub(super) fn fill(&mut self, key: StreamKey, id: MediaId, stream: Box<Stream>) {
        if let Some(place) = self.places.get_mut(key.position as usize) {
            place.stream = Some(stream);
            // The vacancy that was handed out is the last one.
            self.vacant.pop_if(|v| *v == key.position);
            self.by_id.insert(id, key);
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        let place = self.places.get_mut(key.position as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.stream.as_deref_mut()
    }

    pub(super) fn find(&mut self, id: MediaId) -> Option<&mut Stream> {
        let key = *self.by_id.get(&id)?;
        self.get_mut(key)
    }

    pub(super) fn key_of(&self, id: MediaId) -> Option<StreamKey> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn remove(&mut self, id: MediaId) -> Option<Box<Stream>> {
        let key = self.by_id.remove(&id)?;
        let place = self.places.get_mut(key.position as usize)?;
        place.generation = place.generation.wrapping_add(1) & GENERATION_MASK;
        self.vacant.push(key.position);
        place.stream.take()
    }

    pub(super) fn ids(&self) -> Vec<MediaId> {
        self.by_id.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_keeps_all_its_parts() {
        for generation in [0, 1, GENERATION_MASK] {
            for leg in LegSide::BOTH {
                for socket in [LegSocket::Rtp, LegSocket::Rtcp, LegSocket::Connected] {
                    let key = StreamKey { position: 70_000, generation };
                    let token = Token::new(key, leg, socket);
                    assert_eq!((token.key(), token.leg(), token.socket()), (key, leg, socket));
                    assert_ne!(token, Token::WAKE);
                }
            }
        }
    }
}

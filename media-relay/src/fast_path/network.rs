//! What the host's network looks like, asked over netlink: which interfaces carry media, and which
//! way a packet to a leg leaves.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;
use std::net::IpAddr;

/// Octets of a multipart answer's part; the kernel sends at most 32 KiB.
const ANSWER: usize = 64 * 1024;

/// An interface that packets can be forwarded from and to without sockets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) name: String,
}

/// How a packet leaves the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Route {
    /// Of the interface.
    pub(super) interface: u32,
    /// The gateway, or the destination itself.
    pub(super) next_hop: IpAddr,
    /// The source address that the host would take.
    pub(super) source: Option<IpAddr>,
}

/// A connection to the kernel's routing tables.
pub(super) struct Network {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Network {
    /// Opens it, in the calling thread's network namespace.
    ///
    /// # Errors
    /// As `socket(2)`.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Network { socket, buffer: vec![0; ANSWER] })
    }

    /// The Ethernet interfaces that are up, with their addresses.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub(super) fn interfaces(&mut self) -> io::Result<Vec<(Interface, Vec<IpAddr>)>> {
        let mut interfaces = Vec::new();
        self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), true, |answer| {
            let RouteNetlinkMessage::NewLink(link) = answer else { return };
            let is_usable = link.header.link_layer_type == LinkLayerType::Ether
                && link.header.flags.contains(LinkFlags::Up);
            let name = link.attributes.into_iter().find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name),
                _ => None,
            });
            if let (true, Some(name)) = (is_usable, name) {
                interfaces.push((Interface { index: link.header.index, name }, Vec::new()));
            }
        })?;
        self.ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), true, |answer| {
            let RouteNetlinkMessage::NewAddress(message) = answer else { return };
            let of = |(interface, _): &&mut (Interface, _)| interface.index == message.header.index;
            let Some((_, addresses)) = interfaces.iter_mut().find(of) else { return };
            addresses.extend(message.attributes.iter().filter_map(|attribute| match attribute {
                // On a point-to-point link only `Local` is the host's own.
                AddressAttribute::Local(ip) | AddressAttribute::Address(ip) => Some(*ip),
                _ => None,
            }));
        })?;
        Ok(interfaces)
    }

    /// The way to `destination` for packets from `source` (from whatever address the host takes
    /// when that is a wildcard); `None` when it is this host, or nothing leads there.
    pub(super) fn route(&mut self, source: IpAddr, destination: IpAddr) -> Option<Route> {
        let mut request = RouteMessage::default();
        let (family, length) = match destination {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        request.header.address_family = family;
        request.header.destination_prefix_length = length;
        request.attributes.push(RouteAttribute::Destination(destination.into()));
        if !source.is_unspecified() {
            request.header.source_prefix_length = length;
            request.attributes.push(RouteAttribute::Source(source.into()));
        }
        let mut found = None;
        self.ask(RouteNetlinkMessage::GetRoute(request), false, |answer| {
            if let RouteNetlinkMessage::NewRoute(route) = answer {
                found = read_route(&route, destination);
            }
        })
        .ok()?;
        found
    }

    fn ask(
        &mut self,
        request: RouteNetlinkMessage,
        is_dump: bool,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | if is_dump { NLM_F_DUMP } else { 0 };
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.socket.send(&octets, 0)?;
        loop {
            let length = self.socket.recv(&mut &mut self.buffer[..], 0)?;
            let mut rest = self.buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                let part =
                    NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(|error| {
                        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
                    })?;
                // Parts begin at multiples of four octets (netlink(7)).
                let step = (part.header.length as usize).next_multiple_of(4).max(4);
                rest = rest.get(step..).unwrap_or_default();
                match part.payload {
                    NetlinkPayload::Done(_) => return Ok(()),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    NetlinkPayload::InnerMessage(answer) => each(answer),
                    _ => {}
                }
            }
            if !is_dump {
                return Ok(());
            }
        }
    }
}

fn read_route(route: &RouteMessage, destination: IpAddr) -> Option<Route> {
    if route.header.kind != RouteType::Unicast {
        return None;
    }
    let mut interface = None;
    let mut next_hop = destination;
    let mut source = None;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::Gateway(address) => next_hop = ip(address)?,
            RouteAttribute::Via(RouteVia::Inet(v4)) => next_hop = IpAddr::V4(*v4),
            RouteAttribute::Via(RouteVia::Inet6(v6)) => next_hop = IpAddr::V6(*v6),
            RouteAttribute::PrefSource(address) => source = ip(address),
            // A tunnel: its headers are not ours to write.
            RouteAttribute::Encap(_) => return None,
            _ => {}
        }
    }
    Some(Route { interface: interface?, next_hop, source })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").finish_non_exhaustive()
    }
}

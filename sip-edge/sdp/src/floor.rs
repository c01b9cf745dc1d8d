//! Lines of floor control (RFC 8856) in what a meeting room answers and offers: with slides, and to whoever can
//! be our client.

use crate::description::{Limits, SessionDescription};
use crate::write::WrittenMedia;
use bfcp::sdp::{BfcpLine, FloorLabels, Own, Role, Setup, Transport, answer, is_taken, offer};
use model::{FloorAccess, FloorPeer, FloorTransport};
use sdp_types::{Attribute, Media};
use std::net::{IpAddr, SocketAddr};

/// The floor of the slides, in every room.
pub const SLIDES_FLOOR: u16 = 1;

/// The label of a line of slides that has none (RFC 4574).
const LABEL: &str = "slides";
/// The longest label that is repeated.
const LONGEST_LABEL: usize = 64;

/// A line of floor control that a description of a room's has, once there are slides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FloorLine {
    /// The place of the line, from 0.
    index: usize,
    access: FloorAccess,
    /// What a device has offered there; `None` where the room offers it.
    theirs: Option<(BfcpLine, FloorPeer)>,
}

impl FloorLine {
    /// The first one of a device's offer that can be taken: over UDP or TCP without TLS, by a device that can be our
    /// client and opens the connection itself. To connect to whatever address a description names would let anybody
    /// have us knock anywhere.
    pub fn of(offer: &SessionDescription, access: FloorAccess) -> Option<Self> {
        offer.inner.medias.iter().enumerate().find_map(|(index, media)| {
            let line = read(media).filter(|line| line.port != 0)?;
            let peer = peer(offer, media, &line)?;
            let floor = FloorLine { index, access, theirs: Some((line, peer)) };
            floor.said(LABEL).is_some().then_some(floor)
        })
    }

    /// That of an offer of a room's own, where it has one.
    pub fn offered(own: &SessionDescription, access: FloorAccess) -> Option<Self> {
        let index = own.inner.medias.iter().position(|media| read(media).is_some())?;
        Some(FloorLine { index, access, theirs: None })
    }

    /// What a description with these lines says of it: the answer to an `offer` that it was found in, or else
    /// the offer that is `own`.
    pub(crate) fn said_in(
        &self,
        own: &SessionDescription,
        offer: Option<&SessionDescription>,
        medias: &[WrittenMedia<'_>],
        ip: IpAddr,
    ) -> Option<Said> {
        let is_of_role = self.theirs.is_some() == offer.is_some();
        is_of_role.then(|| Said::of(offer.unwrap_or(own), medias, ip, self))?
    }

    /// Who has floor control by our answer; `None` where that has declined it, for want of slides, and of an
    /// offer of our own.
    pub fn agreed(&self, answer: &[u8]) -> Option<FloorPeer> {
        let ours = SessionDescription::parse(answer, &Limits::default()).ok()?;
        let is_taken = ours.inner.medias.get(self.index).is_some_and(|media| media.port != 0);
        let (_, peer) = self.theirs.as_ref().filter(|_| is_taken)?;
        Some(*peer)
    }

    /// What we say, with slides in the line of this label.
    fn said(&self, label: &str) -> Option<BfcpLine> {
        let floor = FloorLabels { floor: SLIDES_FLOOR, labels: vec![label.to_owned()] };
        let FloorAccess { address, conference, user } = self.access;
        let own = Own { port: address.port(), conference, user, floor };
        let Some((theirs, _)) = &self.theirs else { return Some(offer(own)) };
        let mut answer = answer(theirs, own).ok()?;
        answer.new_connection = theirs.new_connection;
        let is_server = answer.roles == [Role::Server];
        (is_server && answer.setup != Some(Setup::Active)).then_some(answer)
    }
}

/// Who has floor control by a device's `answer` to `ours`, an offer of ours or an answer that was said again
/// as one; `None` where the device declines it, or the slides that it is about.
pub fn agreed_floor(ours: &SessionDescription, answer: &SessionDescription) -> Option<FloorPeer> {
    let offered = &ours.inner.medias;
    let slides = offered.iter().position(|media| media.port != 0 && is_of_slides(media))?;
    let answered = &answer.inner.medias;
    answered.get(slides).filter(|media| media.port != 0)?;
    offered.iter().zip(answered).find_map(|(offered, media)| {
        let (line, theirs) = (read(offered)?, read(media)?);
        is_taken(&line, &theirs).then(|| peer(answer, media, &theirs))?
    })
}

/// Where a device has floor control, by its description.
fn peer(of: &SessionDescription, media: &Media, line: &BfcpLine) -> Option<FloorPeer> {
    let connection = media.connections.first().or(of.inner.connection.as_ref())?;
    let ip = connection.connection_address.trim().parse().ok()?;
    let address = SocketAddr::new(ip, line.port);
    Some(FloorPeer { transport: transport_of(line)?, address })
}

fn read(media: &Media) -> Option<BfcpLine> {
    let is_application = media.media.trim().eq_ignore_ascii_case("application");
    let attributes = media.attributes.iter();
    let attributes =
        attributes.map(|one| (one.attribute.trim(), one.value.as_deref().unwrap_or_default()));
    BfcpLine::parse(media.port, media.proto.trim(), attributes).filter(|_| is_application)
}

const fn transport_of(line: &BfcpLine) -> Option<FloorTransport> {
    match line.transport {
        Transport::Udp => Some(FloorTransport::Udp),
        Transport::Tcp => Some(FloorTransport::Tcp),
        Transport::Tls => None,
    }
}

/// What a description says of floor control.
pub(crate) struct Said {
    line: usize,
    port: u16,
    ip: IpAddr,
    attributes: Vec<Attribute>,
    /// The place of the line of slides, where it is to get a label.
    slides: Option<usize>,
    label: Attribute,
}

impl Said {
    /// What an answer to `offer` with these lines says, or `offer` itself where it is a room's own; `None` where
    /// there is no line of slides.
    fn of(
        offer: &SessionDescription,
        medias: &[WrittenMedia<'_>],
        ip: IpAddr,
        floor: &FloorLine,
    ) -> Option<Self> {
        let address = floor.access.address;
        if ip.is_ipv4() != address.is_ipv4() || offer.media_count() <= floor.index {
            return None;
        }
        let is_slides = |index: &usize| {
            let offered = offer.inner.medias.get(*index);
            offered.is_some_and(is_of_slides)
                && medias.get(*index).is_some_and(|written| written.transport.is_some())
        };
        let slides = (0..medias.len()).find(is_slides)?;
        let own = medias.get(slides).and_then(|written| {
            written.attributes.iter().find(|one| is_named(one, "label"))?.value.as_deref()
        });
        let label = own.or_else(|| offer.label_of(slides)).map(str::trim);
        let is_token = |label: &&str| {
            (1..=LONGEST_LABEL).contains(&label.len())
                && label.bytes().all(|octet| octet.is_ascii_graphic())
        };
        let label = label.filter(is_token).unwrap_or(LABEL);
        let said = floor.said(label)?;
        let attribute = |text: &String| match text.split_once(':') {
            Some((name, value)) => Attribute::with_value(name, value),
            None => Attribute::new(text),
        };
        Some(Said {
            line: floor.index,
            port: said.port,
            ip: address.ip(),
            attributes: said.attributes().iter().map(attribute).collect(),
            slides: own.is_none().then_some(slides),
            label: Attribute::with_value("label", label),
        })
    }

    /// Writes it.
    pub(crate) fn put<'a>(&'a self, medias: &mut [WrittenMedia<'a>]) {
        if let Some(written) = self.slides.and_then(|slides| medias.get_mut(slides)) {
            written.attributes.push(&self.label);
        }
        if let Some(written) = medias.get_mut(self.line) {
            written.port = self.port;
            written.connection = Some(self.ip);
            written.attributes = self.attributes.iter().collect();
        }
    }
}

fn is_of_slides(media: &Media) -> bool {
    let is_video = media.media.trim().eq_ignore_ascii_case("video");
    let content = media.attributes.iter().find(|one| is_named(one, "content"));
    let words = content.and_then(|one| one.value.as_deref()).unwrap_or_default();
    is_video && words.split(',').any(|word| word.trim().eq_ignore_ascii_case("slides"))
}

fn is_named(attribute: &Attribute, name: &str) -> bool {
    attribute.attribute.trim().eq_ignore_ascii_case(name)
}

//! Lines of floor control (RFC 8856) in what a meeting room answers: with slides, and to whoever can be our
//! client.

use crate::description::{Limits, SessionDescription};
use crate::write::WrittenMedia;
use bfcp::sdp::{BfcpLine, FloorLabels, Own, Role, Setup, Transport, answer};
use model::{FloorAccess, FloorPeer, FloorTransport};
use sdp_types::{Attribute, Media};
use std::net::{IpAddr, SocketAddr};

/// The floor of the slides, in every room.
pub const SLIDES_FLOOR: u16 = 1;

/// The label of a line of slides that has none (RFC 4574).
const LABEL: &str = "slides";
/// The longest label that is repeated.
const LONGEST_LABEL: usize = 64;

/// The line of floor control of a device's offer that a room takes, once there are slides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FloorLine {
    /// The place of the line, from 0.
    index: usize,
    line: BfcpLine,
    access: FloorAccess,
    peer: FloorPeer,
}

impl FloorLine {
    /// The first one of an offer that can be taken: over UDP or TCP without TLS, by a device that can be our client and
    /// opens the connection itself. To connect to whatever address a description names would let anybody have us knock
    /// anywhere.
    pub fn of(offer: &SessionDescription, access: FloorAccess) -> Option<Self> {
        offer.inner.medias.iter().enumerate().find_map(|(index, media)| {
            let line = read(media).filter(|line| line.port != 0)?;
            let connection = media.connections.first().or(offer.inner.connection.as_ref())?;
            let ip = connection.connection_address.trim().parse().ok()?;
            let address = SocketAddr::new(ip, line.port);
            let transport = transport_of(&line)?;
            let floor = FloorLine { index, line, access, peer: FloorPeer { transport, address } };
            floor.answered(LABEL).is_some().then_some(floor)
        })
    }

    /// Who has floor control by our answer; `None` where that has declined it, for want of slides.
    pub fn agreed(&self, answer: &[u8]) -> Option<FloorPeer> {
        let ours = SessionDescription::parse(answer, &Limits::default()).ok()?;
        let is_taken = ours.inner.medias.get(self.index).is_some_and(|media| media.port != 0);
        is_taken.then_some(self.peer)
    }

    /// The answer, with slides in the line of this label.
    fn answered(&self, label: &str) -> Option<BfcpLine> {
        let floor = FloorLabels { floor: SLIDES_FLOOR, labels: vec![label.to_owned()] };
        let FloorAccess { address, conference, user } = self.access;
        let own = Own { port: address.port(), conference, user, floor };
        let mut answer = answer(&self.line, own).ok()?;
        answer.new_connection = self.line.new_connection;
        let is_server = answer.roles == [Role::Server];
        (is_server && answer.setup != Some(Setup::Active)).then_some(answer)
    }
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

/// What an answer says of floor control.
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
    /// What an answer to `offer` with these lines says; `None` where no line of slides is taken.
    pub(crate) fn of(
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
        let answer = floor.answered(label)?;
        let attribute = |text: &String| match text.split_once(':') {
            Some((name, value)) => Attribute::with_value(name, value),
            None => Attribute::new(text),
        };
        Some(Said {
            line: floor.index,
            port: answer.port,
            ip: address.ip(),
            attributes: answer.attributes().iter().map(attribute).collect(),
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

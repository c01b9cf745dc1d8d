//! The line of floor control in a description (RFC 8856, and RFC 4583 before it): read, answered as the
//! server, or as the client of a device that is one, and offered as the server.

use std::fmt::{self, Write as _};

/// Floors of one line that are read; further ones are left out.
const MAX_FLOORS: usize = 8;
/// Labels of one floor.
const MAX_LABELS: usize = 4;

/// What carries the messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// `TCP/BFCP`.
    Tcp,
    /// `TCP/TLS/BFCP`, and `TCP/DTLS/BFCP` is none.
    Tls,
    /// `UDP/BFCP`.
    Udp,
}

impl Transport {
    /// The protocol of an `m=` line; `None` for one that is not spoken, as `UDP/TLS/BFCP`.
    pub fn parse(protocol: &str) -> Option<Self> {
        let all = [Transport::Tcp, Transport::Tls, Transport::Udp];
        all.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(protocol))
    }

    /// As the `m=` line has it.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP/BFCP",
            Transport::Tls => "TCP/TLS/BFCP",
            Transport::Udp => "UDP/BFCP",
        }
    }
}

/// Who may be what (`a=floorctrl`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// `c-only`.
    Client,
    /// `s-only`.
    Server,
    /// `c-s`.
    Both,
}

impl Role {
    /// As the attribute has it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Client => "c-only",
            Role::Server => "s-only",
            Role::Both => "c-s",
        }
    }
}

/// Who opens the connection (`a=setup`, RFC 4145).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Setup {
    /// The one who says so.
    Active,
    /// The other one.
    Passive,
    /// Either.
    ActPass,
    /// Nobody, for now.
    HoldConn,
}

impl Setup {
    /// As the attribute has it.
    pub const fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
            Setup::HoldConn => "holdconn",
        }
    }
}

/// A floor, and the streams that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FloorLabels {
    /// Its number.
    pub floor: u16,
    /// `a=label` of lines: of `mstrm`, or RFC 4583's `m-stream`.
    pub labels: Vec<String>,
}

/// A line of floor control.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BfcpLine {
    /// What carries it.
    pub transport: Transport,
    /// 0 for a line that is refused.
    pub port: u16,
    /// Roles of the one who says so, in its order; `c-only` where it does not say (RFC 8856 section
    /// 5.1).
    pub roles: Vec<Role>,
    /// The conference, of whoever is the server.
    pub conference: Option<u32>,
    /// The other one's number, of whoever is the server.
    pub user: Option<u16>,
    /// Floors, of whoever is the server.
    pub floors: Vec<FloorLabels>,
    /// Versions; none where it does not say: 1 over TCP, 2 over UDP.
    pub versions: Vec<u8>,
    /// Who opens the connection.
    pub setup: Option<Setup>,
    /// `a=connection:new`; else an existing one.
    pub new_connection: bool,
}

impl BfcpLine {
    /// Reads the line `m=application <port> <protocol> *` with its attributes, each a name and a
    /// value, empty for none. What does not fit is left out: a device that says too much can still share.
    /// `None` for another protocol.
    pub fn parse<'a>(
        port: u16,
        protocol: &str,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Option<Self> {
        let mut line = BfcpLine::new(Transport::parse(protocol)?, port);
        for (name, value) in attributes {
            let value = value.trim();
            match name {
                "floorctrl" => line.roles = roles(value),
                "confid" => line.conference = value.parse().ok().or(line.conference),
                "userid" => line.user = value.parse().ok().or(line.user),
                "floorid" if line.floors.len() < MAX_FLOORS => line.floors.extend(floor(value)),
                "bfcpver" => {
                    let versions = value.split_ascii_whitespace().take(8);
                    line.versions = versions.filter_map(|version| version.parse().ok()).collect();
                }
                "setup" => {
                    let all = [Setup::Active, Setup::Passive, Setup::ActPass, Setup::HoldConn];
                    line.setup = all.into_iter().find(|setup| setup.name() == value);
                }
                "connection" => line.new_connection = value == "new",
                _ => {}
            }
        }
        if line.roles.is_empty() {
            line.roles.push(Role::Client);
        }
        Some(line)
    }

    fn new(transport: Transport, port: u16) -> Self {
        BfcpLine {
            transport,
            port,
            roles: Vec::new(),
            conference: None,
            user: None,
            floors: Vec::new(),
            versions: Vec::new(),
            setup: None,
            new_connection: true,
        }
    }

    fn can_be_client(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::Client | Role::Both))
    }

    /// Whether a version that is spoken over its transport is among its versions.
    fn has_version(&self) -> bool {
        self.versions.is_empty() || self.versions.contains(&self.version())
    }

    fn version(&self) -> u8 {
        if self.transport == Transport::Udp { 2 } else { 1 }
    }

    fn serve(&mut self, own: Own) {
        self.roles.push(Role::Server);
        self.conference = Some(own.conference);
        self.user = Some(own.user);
        self.floors.push(own.floor);
    }

    /// Attributes, each without `a=`.
    pub fn attributes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let roles: Vec<_> = self.roles.iter().map(|role| role.name()).collect();
        lines.push(format!("floorctrl:{}", roles.join(" ")));
        lines.extend(self.conference.map(|conference| format!("confid:{conference}")));
        lines.extend(self.user.map(|user| format!("userid:{user}")));
        for FloorLabels { floor, labels } in &self.floors {
            let mut line = format!("floorid:{floor}");
            if !labels.is_empty() {
                // Writing into a String cannot fail.
                let _ = write!(line, " mstrm:{}", labels.join(" "));
            }
            lines.push(line);
        }
        if !self.versions.is_empty() {
            let versions: Vec<_> = self.versions.iter().map(u8::to_string).collect();
            lines.push(format!("bfcpver:{}", versions.join(" ")));
        }
        if let Some(setup) = self.setup {
            lines.push(format!("setup:{}", setup.name()));
            let connection = if self.new_connection { "new" } else { "existing" };
            lines.push(format!("connection:{connection}"));
        }
        lines
    }
}

/// What a room says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Own {
    /// The port of its server for this transport.
    pub port: u16,
    /// Its conference.
    pub conference: u32,
    /// The participant's number there.
    pub user: u16,
    /// The floor of slides, and the label of the slides' line in the answer.
    pub floor: FloorLabels,
}

/// Why a line is refused, with port 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// The offer has refused it itself.
    Port,
    /// The versions have none for this transport.
    Version,
    /// The offerer waits (`holdconn`).
    Waits,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Port => "the offer's line of floor control has port 0",
            Refused::Version => {
                "BFCP over TCP is version 1, over UDP version 2; neither is offered"
            }
            Refused::Waits => "the offerer does not want a connection yet (a=setup:holdconn)",
        })
    }
}

impl std::error::Error for Refused {}

/// The answer to an offered line: as the server where the offerer can be a client, else as the client of
/// its server. The answer's only role says which.
///
/// # Errors
/// [`Refused`]: answer with port 0.
pub fn answer(offer: &BfcpLine, own: Own) -> Result<BfcpLine, Refused> {
    if offer.port == 0 {
        return Err(Refused::Port);
    }
    if !offer.has_version() {
        return Err(Refused::Version);
    }
    let mut line = BfcpLine::new(offer.transport, own.port);
    if !offer.versions.is_empty() {
        line.versions.push(line.version());
    }
    if offer.transport != Transport::Udp {
        line.setup = Some(match offer.setup {
            Some(Setup::HoldConn) => return Err(Refused::Waits),
            Some(Setup::Passive) => Setup::Active,
            // Without the attribute the offerer is active (RFC 4145 section 4).
            Some(Setup::Active | Setup::ActPass) | None => Setup::Passive,
        });
    }
    if offer.can_be_client() {
        line.serve(own);
    } else {
        line.roles.push(Role::Client);
    }
    Ok(line)
}

/// An offer of a room, as the server over UDP (RFC 8856 section 10.1). It has no version, for 2 is that of
/// UDP where nothing is said, and no `a=setup`, for nobody connects.
pub fn offer(own: Own) -> BfcpLine {
    let mut line = BfcpLine::new(Transport::Udp, own.port);
    line.serve(own);
    line
}

/// Whether `answer` takes `ours`, a line on which we are the server: over the same transport and in a version
/// that is spoken over it, by somebody who is the client and, where there is a connection, opens it.
pub fn is_taken(ours: &BfcpLine, answer: &BfcpLine) -> bool {
    let is_server = ours.port != 0 && ours.roles == [Role::Server];
    let waits = matches!(answer.setup, Some(Setup::Passive | Setup::HoldConn));
    is_server
        && answer.port != 0
        && answer.transport == ours.transport
        && answer.can_be_client()
        && answer.has_version()
        && (ours.transport == Transport::Udp || !waits)
}

fn roles(value: &str) -> Vec<Role> {
    let all = [Role::Client, Role::Server, Role::Both];
    let known = |word: &str| all.into_iter().find(|role| role.name() == word);
    value.split_ascii_whitespace().filter_map(known).take(3).collect()
}

fn floor(value: &str) -> Option<FloorLabels> {
    let mut words = value.split_ascii_whitespace();
    let floor = words.next()?.parse().ok()?;
    let mut labels = Vec::new();
    for word in words.take(MAX_LABELS) {
        let label = word.strip_prefix("mstrm:").or_else(|| word.strip_prefix("m-stream:"));
        let label = label.unwrap_or(word);
        if !label.is_empty() {
            labels.push(label.to_owned());
        }
    }
    Some(FloorLabels { floor, labels })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        let floor = FloorLabels { floor: 2, labels: vec!["12".into()] };
        Own { port: 5_070, conference: 77, user: 9, floor }
    }

    #[test]
    fn a_room_device_over_udp_is_answered_as_its_server() {
        let offer = BfcpLine::parse(
            5_070,
            "UDP/BFCP",
            [
                ("floorctrl", "c-s"),
                ("confid", "1"),
                ("floorid", "2 mstrm:12"),
                ("userid", "2"),
                ("setup", "actpass"),
                ("connection", "new"),
            ],
        )
        .unwrap();
        assert_eq!(offer.floors, [FloorLabels { floor: 2, labels: vec!["12".into()] }]);
        assert_eq!((offer.conference, offer.user), (Some(1), Some(2)));
        let answer = answer(&offer, own()).unwrap();
        let expected = ["floorctrl:s-only", "confid:77", "userid:9", "floorid:2 mstrm:12"];
        assert_eq!(answer.attributes(), expected);
        let attributes = answer.attributes();
        let pairs = attributes.iter().filter_map(|line| line.split_once(':'));
        assert_eq!(BfcpLine::parse(5_070, "UDP/BFCP", pairs).unwrap(), answer);
    }

    #[test]
    fn over_tcp_somebody_opens_the_connection() {
        let offered = |setup: &'static str| {
            let attributes = [("setup", setup), ("bfcpver", "1 2"), ("floorctrl", "c-only")];
            BfcpLine::parse(9, "TCP/TLS/BFCP", attributes).unwrap()
        };
        let setup = |text| answer(&offered(text), own()).map(|line| line.setup);
        assert_eq!(setup("actpass"), Ok(Some(Setup::Passive)));
        assert_eq!(setup("active"), Ok(Some(Setup::Passive)));
        assert_eq!(setup("passive"), Ok(Some(Setup::Active)));
        assert_eq!(setup("holdconn"), Err(Refused::Waits));
        assert_eq!(setup("nonsense"), Ok(Some(Setup::Passive)));
        let line = answer(&offered("active"), own()).unwrap();
        assert_eq!(line.attributes()[4..], ["bfcpver:1", "setup:passive", "connection:new"]);
    }

    #[test]
    fn a_server_that_is_no_client_has_us_as_its_client() {
        let attributes = [("floorctrl", "s-only"), ("floorid", "1 m-stream:10 11")];
        let offer = BfcpLine::parse(5_000, "tcp/bfcp", attributes).unwrap();
        assert_eq!(offer.floors[0].labels, ["10", "11"], "RFC 4583");
        let answer = answer(&offer, own()).unwrap();
        assert_eq!(answer.attributes(), ["floorctrl:c-only", "setup:passive", "connection:new"]);
    }

    #[test]
    fn a_room_offers_its_server_over_udp() {
        let ours = offer(own());
        let expected = ["floorctrl:s-only", "confid:77", "userid:9", "floorid:2 mstrm:12"];
        assert_eq!((ours.transport, ours.port), (Transport::Udp, 5_070));
        assert_eq!(ours.attributes(), expected);
        let taken = |port, protocol, attributes: &[(&'static str, &'static str)]| {
            let answer = BfcpLine::parse(port, protocol, attributes.iter().copied());
            is_taken(&ours, &answer.unwrap())
        };
        for attributes in [
            &[][..],
            &[("floorctrl", "c-only")],
            &[("floorctrl", "c-s")],
            &[("floorctrl", "c-only s-only"), ("bfcpver", "1 2")],
            // Over UDP nobody connects.
            &[("floorctrl", "c-only"), ("setup", "passive")],
        ] {
            assert!(taken(5_000, "UDP/BFCP", attributes), "{attributes:?}");
        }
        assert!(!taken(0, "UDP/BFCP", &[("floorctrl", "c-only")]), "declined");
        assert!(!taken(5_000, "TCP/BFCP", &[("floorctrl", "c-only")]), "another transport");
        assert!(!taken(5_000, "UDP/BFCP", &[("floorctrl", "s-only")]), "two servers");
        assert!(!taken(5_000, "UDP/BFCP", &[("bfcpver", "1")]), "a version of TCP");
    }

    #[test]
    fn an_answer_of_ours_that_is_said_again_is_taken_by_who_connects() {
        let attributes = [("floorctrl", "c-s"), ("setup", "actpass")];
        let ours = answer(&BfcpLine::parse(9, "TCP/BFCP", attributes).unwrap(), own()).unwrap();
        let taken = |setup| {
            let attributes = [("floorctrl", "c-only"), ("setup", setup)];
            is_taken(&ours, &BfcpLine::parse(9, "TCP/BFCP", attributes).unwrap())
        };
        assert!(taken("active") && !taken("passive") && !taken("holdconn"));
        // As its client we have nobody to admit.
        let server = BfcpLine::parse(9, "TCP/BFCP", [("floorctrl", "s-only")]).unwrap();
        let ours = answer(&server, own()).unwrap();
        assert!(!is_taken(&ours, &server));
    }

    #[test]
    fn what_does_not_fit_is_left_out_or_refused() {
        assert!(BfcpLine::parse(1, "UDP/TLS/BFCP", []).is_none());
        let attributes = [
            ("confid", "4294967296"),
            ("userid", "-1"),
            ("floorid", ""),
            ("floorid", "x mstrm:1"),
            ("floorctrl", "king"),
            ("bfcpver", "one 300"),
        ];
        let offer = BfcpLine::parse(1, "UDP/BFCP", attributes).unwrap();
        assert_eq!((offer.conference, offer.user, offer.floors.len()), (None, None, 0));
        assert_eq!(offer.roles, [Role::Client]);
        let many = std::iter::repeat_n(("floorid", "1"), 100);
        assert_eq!(BfcpLine::parse(1, "UDP/BFCP", many).unwrap().floors.len(), MAX_FLOORS);
        let closed = BfcpLine::parse(0, "UDP/BFCP", []).unwrap();
        assert_eq!(answer(&closed, own()), Err(Refused::Port));
        let old = BfcpLine::parse(1, "UDP/BFCP", [("bfcpver", "1")]).unwrap();
        assert_eq!(answer(&old, own()), Err(Refused::Version));
    }
}

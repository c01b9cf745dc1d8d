//! The ng protocol: a script of messages, each as a datagram and through the framing of TCP.

use crate::{PART, bounded};
use model::{Instant, IpFamily, LocalMedia, MediaCommand, MediaEvent, MediaId};
use ng_control::{Asker, Control, ControlConfig, MAX_MESSAGE, Output, StreamFramer, bencode, json};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Begins a part that lets time pass: as many seconds as its second octet says.
const WAIT: u8 = 1;
/// Begins a part after which the relay gives ports, or gives none any more.
const PORTS: u8 = 2;

const ASKER: Asker =
    Asker::Udp { listener: 0, from: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 22_222) };

/// Plays a script. Every message is answered once at most, no command is for a stream that does not
/// exist, and what is deleted leaves nothing.
///
/// # Panics
/// When that is not so.
pub fn ng(data: &[u8]) {
    let data = bounded(data);
    read_values(data);
    let mut framer = StreamFramer::default();
    for piece in data.chunks(97) {
        framer.push(piece);
        while let Ok(Some(request)) = framer.next_request() {
            assert!(request.len() <= MAX_MESSAGE, "requests are bounded");
        }
    }
    let mut script = Script::new();
    for part in data.split(|&octet| octet == PART).take(64) {
        match part {
            [WAIT, seconds, ..] => script.wait(Duration::from_secs(u64::from(*seconds))),
            [PORTS, ..] => script.has_ports = !script.has_ports,
            message => script.send(message),
        }
    }
    script.wait(Duration::from_secs(2 * 3_600));
    assert_eq!(script.control.calls(), 0, "every call ends");
    assert!(script.open.is_empty(), "every stream is released: {:?}", script.open);
}

fn read_values(data: &[u8]) {
    black_box(json::parse(data).is_ok());
    if let Ok(value) = bencode::parse(data) {
        let mut written = Vec::new();
        bencode::write(&value, &mut written);
        assert_eq!(bencode::parse(&written).as_ref(), Ok(&value), "what is written is read again");
    }
}

struct Script {
    control: Control,
    now: Instant,
    open: BTreeSet<MediaId>,
    has_ports: bool,
    drawn: u64,
}

impl Script {
    fn new() -> Self {
        let config = ControlConfig { max_calls: 8, records: true, ..ControlConfig::default() };
        Script {
            control: Control::new(config),
            now: Instant::from_millis(1),
            open: BTreeSet::new(),
            has_ports: true,
            drawn: 0,
        }
    }

    fn send(&mut self, message: &[u8]) {
        let mut drawn = self.drawn;
        self.control.handle_request(self.now, ASKER, message, &mut || {
            drawn += 1;
            drawn
        });
        self.drawn = drawn;
        self.settle();
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        // A sweep a second is much for an hour of a fuzz input.
        while let Some(at) = self.control.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now) + time / 64;
            let mut drawn = self.drawn;
            self.control.handle_timeout(self.now, &mut || {
                drawn += 1;
                drawn
            });
            self.drawn = drawn;
            self.settle();
        }
        self.now = end.max(self.now);
    }

    fn settle(&mut self) {
        let mut replies = 0;
        while let Some(output) = self.control.poll_output() {
            match output {
                Output::Reply { octets, .. } => {
                    replies += 1;
                    assert!(octets.len() <= MAX_MESSAGE, "replies are bounded");
                    self.control.note_sent(self.now);
                }
                Output::Media(command) => self.obey(command),
                Output::Notice(notice) => {
                    black_box(notice);
                }
            }
        }
        assert!(replies <= 64, "{replies} replies at once");
    }

    fn obey(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Allocate { id, families, .. } if self.has_ports => {
                assert!(self.open.insert(id), "a media id is used once");
                let local = families.map(|family| {
                    let ip: IpAddr = match family {
                        IpFamily::V4 => Ipv4Addr::LOCALHOST.into(),
                        IpFamily::V6 => Ipv6Addr::LOCALHOST.into(),
                    };
                    let at = |port| SocketAddr::new(ip, port);
                    LocalMedia { rtp: at(20_000), rtcp: at(20_001) }
                });
                self.tell(MediaEvent::Allocated { id, local });
            }
            MediaCommand::Allocate { id, .. } => {
                let reason = model::AllocationFailure::PortsExhausted;
                self.tell(MediaEvent::AllocationFailed { id, reason });
            }
            MediaCommand::Apply { id, .. }
            | MediaCommand::SendEvent { id, .. }
            | MediaCommand::Play { id, .. }
            | MediaCommand::StopPlaying { id, .. }
            | MediaCommand::Record { id, .. }
            | MediaCommand::StopRecording { id }
            | MediaCommand::Copy { id, .. }
            | MediaCommand::Listen { id, .. }
            | MediaCommand::UpdateListening { id, .. }
            | MediaCommand::StopListening { id }
            | MediaCommand::Sit { id, .. }
            | MediaCommand::SitPicture { id, .. }
            | MediaCommand::RefreshPicture { id, .. }
            | MediaCommand::Announce { id, .. }
            | MediaCommand::RecordConference { id, .. }
            | MediaCommand::RecordUtterance { id, .. }
            | MediaCommand::StandUp { id }
            | MediaCommand::Report { id }
            | MediaCommand::MoveLeg { from: (id, _), .. } => {
                assert!(self.open.contains(&id), "a command is for a stream that exists");
            }
            MediaCommand::Release { id } => {
                assert!(self.open.remove(&id), "a stream is released once");
            }
        }
    }

    fn tell(&mut self, event: MediaEvent) {
        let mut drawn = self.drawn;
        self.control.handle_media_event(self.now, event, &mut || {
            drawn += 1;
            drawn
        });
        self.drawn = drawn;
    }
}

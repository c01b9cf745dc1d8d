//! The fast path: RTP that needs no decision is forwarded by an eBPF program at the interface's
//! ingress (TCX), before it becomes a socket's (decision 0045).
//!
//! User space decides which direction of which stream that is ([`relay_core::RtpSession`]), puts
//! its addresses where the program finds them, and reads back a note for each packet. Every other packet
//! reaches the sockets as if there were no program; so does every packet when the program is gone,
//! when a ring of notes is full, or when this process hangs.

mod error;
mod lane;
mod layout;
mod network;
mod notes;

pub use error::FastPathError;
pub(crate) use lane::{Counted, FastLeg, Lane};
pub(crate) use notes::ROOM;

use crate::relay::RelayConfig;
use aya::programs::links::LinkOrder;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{SchedClassifier, TcAttachType};
use aya::{Ebpf, EbpfLoader};
use network::{Interface, Network};
use notes::{Arrays, Slots};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The program's name in the object.
const PROGRAM: &str = "relay";

/// Whether packets are forwarded in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FastPathMode {
    /// Never.
    #[default]
    Off,
    /// Where the host allows it; a line of the log says so, or why not.
    Auto,
    /// The relay does not start without.
    Required,
}

/// The loaded program. Dropping it takes it off its interfaces; so does the end of the process,
/// whatever its cause.
#[derive(Debug)]
pub(crate) struct FastPath {
    program: Mutex<Program>,
    slots: Slots,
    capacity: u32,
    dscp: u8,
    /// Interfaces that it is attached to now.
    attached: AtomicUsize,
    /// Grows when an interface goes or comes: what was known of routes then is void.
    epoch: AtomicU32,
}

#[derive(Debug)]
struct Program {
    object: Ebpf,
    interfaces: Vec<Attachment>,
}

#[derive(Debug)]
struct Attachment {
    interface: Interface,
    is_attached: bool,
}

impl FastPath {
    /// Loads the program and attaches it to every interface that has one of the media addresses.
    ///
    /// # Errors
    /// [`FastPathError`]: why not.
    pub(crate) fn start(config: &RelayConfig) -> Result<Self, FastPathError> {
        let interfaces = media_interfaces(&config.bind)?;
        let capacity = config.fast_path_capacity.max(1);
        let mut object = EbpfLoader::new()
            .map_max_entries("slots", capacity)
            .map_max_entries("wides", capacity)
            .map_max_entries("rings", capacity)
            .load(aya::include_bytes_aligned!("../../ebpf/relay.bpf.o"))
            .map_err(|error| FastPathError::of(&error))?;
        let array = |name| array(&object, name);
        let arrays = Arrays {
            slots: array("slots")?,
            wides: array("wides")?,
            rings: array("rings")?,
            ports: array("ports")?,
        };
        let slots = Slots::map(&arrays, capacity).map_err(|error| FastPathError::of(&error))?;
        classifier(&mut object)?.load().map_err(|error| FastPathError::of(&error))?;
        let interfaces = interfaces
            .into_iter()
            .map(|interface| Attachment { interface, is_attached: false })
            .collect();
        let mut program = Program { object, interfaces };
        program.attach_all()?;
        let attached = AtomicUsize::new(program.interfaces.len());
        let program = Mutex::new(program);
        Ok(FastPath {
            program,
            slots,
            capacity,
            dscp: config.dscp,
            attached,
            epoch: AtomicU32::new(0),
        })
    }

    /// The names of its interfaces, for people.
    pub(crate) fn interfaces(&self) -> String {
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let names = program.interfaces.iter().map(|a| a.interface.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }

    /// Interfaces that the program is attached to now.
    pub(crate) fn attached(&self) -> usize {
        self.attached.load(Ordering::Relaxed)
    }

    /// See the field.
    fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Looks whether the program is still where it was put, says when it is not, and puts it back.
    /// Without it the sockets get every packet, so that nothing has to be done about streams.
    pub(crate) fn watch(&self) {
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        if program.watch() {
            self.epoch.fetch_add(1, Ordering::Relaxed);
        }
        let attached = program.interfaces.iter().filter(|a| a.is_attached).count();
        self.attached.store(attached, Ordering::Relaxed);
    }
}

impl Program {
    fn attach_all(&mut self) -> Result<(), FastPathError> {
        for attachment in &mut self.interfaces {
            attach(&mut self.object, &attachment.interface)?;
            attachment.is_attached = true;
        }
        Ok(())
    }

    /// Whether an interface went or came.
    fn watch(&mut self) -> bool {
        let mut has_changed = false;
        let Ok(id) = classifier(&mut self.object).and_then(|program| {
            program.info().map(|info| info.id()).map_err(|error| FastPathError::of(&error))
        }) else {
            return false;
        };
        for attachment in &mut self.interfaces {
            let name = &attachment.interface.name;
            let found = SchedClassifier::query_tcx(name, TcAttachType::Ingress)
                .is_ok_and(|(_, programs)| programs.iter().any(|program| program.id() == id));
            if found {
                continue;
            }
            if std::mem::replace(&mut attachment.is_attached, false) {
                has_changed = true;
                tracing::warn!(
                    interface = %name,
                    "media fast path lost: the program is no longer attached (the interface went \
                     away, or somebody detached it); the sockets carry the audio"
                );
            }
            match attach(&mut self.object, &attachment.interface) {
                Ok(()) => {
                    attachment.is_attached = true;
                    has_changed = true;
                    tracing::info!(interface = %name, "media fast path attached again");
                }
                Err(error) => tracing::debug!(interface = %name, %error, "not attached yet"),
            }
        }
        has_changed
    }
}

fn attach(object: &mut Ebpf, interface: &Interface) -> Result<(), FastPathError> {
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    classifier(object)?
        .attach_with_options(&interface.name, TcAttachType::Ingress, options)
        .map(|_| ())
        .map_err(|error| FastPathError::of(&error))
}

fn classifier(object: &mut Ebpf) -> Result<&mut SchedClassifier, FastPathError> {
    let program = object.program_mut(PROGRAM).and_then(|program| program.try_into().ok());
    program.ok_or_else(|| FastPathError::Refused("the object holds no program".to_owned()))
}

fn array(object: &Ebpf, name: &str) -> Result<OwnedFd, FastPathError> {
    let data = match object.map(name) {
        Some(aya::maps::Map::Array(data)) => data,
        _ => return Err(FastPathError::Refused(format!("the object holds no array {name}"))),
    };
    data.fd().as_fd().try_clone_to_owned().map_err(|error| FastPathError::of(&error))
}

/// The Ethernet interfaces that have an address of `bind`; all that have any, for a wildcard.
fn media_interfaces(bind: &[IpAddr]) -> Result<Vec<Interface>, FastPathError> {
    let mut network = Network::open().map_err(|error| FastPathError::of(&error))?;
    let interfaces = network.interfaces().map_err(|error| FastPathError::of(&error))?;
    let is_wildcard = bind.iter().any(IpAddr::is_unspecified);
    let wanted: Vec<Interface> = interfaces
        .into_iter()
        .filter(|(_, addresses)| {
            (is_wildcard && !addresses.is_empty()) || addresses.iter().any(|ip| bind.contains(ip))
        })
        .map(|(interface, _)| interface)
        .collect();
    if wanted.is_empty() { Err(FastPathError::NoInterface) } else { Ok(wanted) }
}

/// Whether this process could forward packets of the media addresses `bind` in the kernel now: the
/// names of the interfaces where it could. Attaches the program for a moment, without streams.
///
/// # Errors
/// [`FastPathError`]: why not.
pub fn probe_fast_path(bind: &[IpAddr]) -> Result<String, FastPathError> {
    let mut config = RelayConfig::new(bind.to_vec(), 0..=0);
    config.fast_path_capacity = 1;
    FastPath::start(&config).map(|path| path.interfaces())
}

/// Starts it as `config` asks, and says in one line what became of it.
///
/// # Errors
/// [`FastPathError`] where it is required.
pub(crate) fn start(config: &RelayConfig) -> Result<Option<Arc<FastPath>>, FastPathError> {
    if config.fast_path == FastPathMode::Off {
        return Ok(None);
    }
    match FastPath::start(config) {
        Ok(path) => {
            let interfaces = path.interfaces();
            tracing::info!(%interfaces, "media fast path: the kernel forwards plain RTP (eBPF)");
            Ok(Some(Arc::new(path)))
        }
        Err(error) if config.fast_path == FastPathMode::Required => Err(error),
        Err(reason) => {
            tracing::info!(%reason, "media fast path off: the sockets carry all media");
            Ok(None)
        }
    }
}

//! One registration: its states, and what it remembers.

use super::MAX_BRIEF_REFUSALS;
use crate::call::LegAuthentication;
use crate::machine::{Machine, State};
use directory::Carrier;
use model::{ConnectionId, Instant};
use sip_proto::ClientKey;
use sip_proto::locate::Target;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where a registration is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RegistrationState {
    /// Waiting for the next try. An older registration may still be in force.
    Waiting,
    /// Waiting for the addresses of the carrier's name.
    Resolving,
    /// A REGISTER is out.
    Asking,
    /// In force; waiting for the time to refresh it.
    Registered,
    /// The REGISTER that takes it back is out.
    Removing,
}

impl State for RegistrationState {
    const INITIAL: Self = RegistrationState::Waiting;
    const EDGES: &'static [(Self, Self)] = {
        use RegistrationState::{Asking, Registered, Removing, Resolving, Waiting};
        &[
            (Waiting, Resolving),
            (Waiting, Asking),
            (Waiting, Removing),
            (Resolving, Asking),
            (Resolving, Waiting),
            (Resolving, Removing),
            (Asking, Resolving),
            (Asking, Waiting),
            (Asking, Registered),
            (Registered, Asking),
            (Registered, Resolving),
            (Registered, Removing),
        ]
    };
}

/// What a registrar's final response says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Granted {
    /// 2xx: the Contact is bound for so many seconds.
    For(u32),
    /// 423.
    TooBrief { min_seconds: u32 },
    /// Anything else.
    Refused { status: u16, retry_after: Option<Duration> },
}

/// One registration.
pub(crate) struct Registration {
    pub(crate) carrier: Arc<Carrier>,
    pub(super) machine: Machine<RegistrationState>,
    pub(crate) authentication: Option<Box<LegAuthentication>>,
    pub(crate) call_id: Arc<str>,
    pub(crate) tag: Arc<str>,
    /// The user part of our Contact.
    pub(crate) token: Arc<str>,
    pub(crate) cseq: u32,
    /// What we ask for, in seconds.
    pub(crate) expires: u32,
    /// Addresses that this round has not tried.
    pub(super) targets: VecDeque<Target>,
    /// The one that it tries, or where the registration is held.
    pub(crate) target: Option<Target>,
    /// The connection that leads there.
    pub(crate) connection: Option<ConnectionId>,
    /// This round has asked the DNS.
    pub(super) located: bool,
    pub(super) client: Option<ClientKey>,
    pub(super) serial: u8,
    /// Until when the registration is in force.
    pub(super) until: Option<Instant>,
    /// When the state is to be left.
    pub(super) due: Option<Instant>,
    /// When something is to pass to where it is held.
    pub(super) keep_alive_at: Option<Instant>,
    pub(super) armed: Option<Instant>,
    pub(super) failures: u32,
    pub(super) brief_refusals: u8,
    /// It is not wanted any more.
    pub(super) leaving: bool,
}

impl Registration {
    pub(super) fn new(carrier: Arc<Carrier>, [call_id, tag, token]: [Arc<str>; 3]) -> Self {
        let asked = carrier.registration.unwrap_or_default().expires.as_secs();
        Registration {
            machine: Machine::default(),
            authentication: None,
            call_id,
            tag,
            token,
            cseq: 0,
            expires: u32::try_from(asked).unwrap_or(u32::MAX),
            targets: VecDeque::new(),
            target: None,
            connection: None,
            located: false,
            client: None,
            serial: 0,
            until: None,
            due: None,
            keep_alive_at: None,
            armed: None,
            failures: 0,
            brief_refusals: 0,
            leaving: false,
            carrier,
        }
    }

    /// Whether the REGISTER to be sent takes the registration back.
    pub(crate) fn is_removal(&self) -> bool {
        self.machine.state() == RegistrationState::Removing
    }

    /// Whether it serves `carrier` as that is configured now.
    pub(super) fn is_for(&self, carrier: &Arc<Carrier>) -> bool {
        let (ours, theirs) = (&*self.carrier, &**carrier);
        let place = |c: &Carrier| (c.host.clone(), c.port, c.transport, c.choose_transport);
        ours.id == theirs.id
            && place(ours) == place(theirs)
            && ours.registration == theirs.registration
            && ours.credential == theirs.credential
            && ours.realm == theirs.realm
            && ours.tls == theirs.tls
    }

    /// Whether it is held at this address.
    pub(super) fn is_at(&self, source: IpAddr) -> bool {
        let held = self.target.as_ref().map(|target| target.address.ip().to_canonical());
        held == Some(source.to_canonical())
    }

    /// Asks for at least `min_seconds` from now on; `false` when that was tried, or changes nothing.
    pub(super) fn lengthen(&mut self, min_seconds: u32) -> bool {
        let longer = min_seconds > self.expires && self.brief_refusals < MAX_BRIEF_REFUSALS;
        if longer {
            self.expires = min_seconds;
            self.brief_refusals += 1;
        }
        longer
    }
}

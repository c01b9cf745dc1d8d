//! What the last run left.

use super::seal::{Sealed, Sealer};
use super::{FILE_BYTES_MAX, Line, NAME};
use crate::clock::Origin;
use b2bua::{SavedCall, SavedFarewell, SavedSetup};
use model::{
    CallEvent, CallEventKind, CallParties, CarrierId, Instant, TransactionId, TransportProtocol,
};
use relay_control::SealKey;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// A call of a run before this one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) call: SavedCall,
    past: Past,
    /// The descriptions, which `call` is without then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed: Option<Sealed>,
}

/// A call that was being set up when its run ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct LeftSetup {
    pub(crate) setup: SavedSetup,
    pub(super) past: Past,
}

/// What the record of a call needs from before: milliseconds since 1970.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Past {
    pub(super) attempted: u64,
    pub(super) routed: Option<(u64, Option<CarrierId>, SocketAddr, TransportProtocol, u32)>,
    pub(super) ringing: Option<u64>,
    pub(super) answered: Option<u64>,
}

/// What the last run left.
#[derive(Default)]
pub(crate) struct LastRun {
    /// Calls that may be taken up.
    pub(crate) calls: Vec<Left>,
    /// What peers of others are to be told.
    pub(crate) farewells: Vec<SavedFarewell>,
    /// Calls that end because they were being set up.
    pub(crate) setups: Vec<LeftSetup>,
}

/// An INVITE that nobody has answered is sent again only while the last run could have repeated it: 64 ×
/// T1 (RFC 3261 section 17.1.1.2). A telephone that it has not reached would ring for it.
const REPEATED: Duration = Duration::from_secs(32);

/// What the last run left in `data_dir`; what cannot be read is warned of and left out.
pub(crate) fn read(data_dir: &Path) -> LastRun {
    let path = data_dir.join(NAME);
    read_lines(&path).unwrap_or_else(|error| {
        tracing::warn!("{}: {error}; its calls are not taken up", path.display());
        LastRun::default()
    })
}

fn read_lines(path: &Path) -> Result<LastRun, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LastRun::default()),
        Err(error) => return Err(error.to_string()),
    };
    let written = file.metadata().and_then(|of| of.modified());
    let mut last = HashMap::new();
    for line in BufReader::new(file.take(FILE_BYTES_MAX)).split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        match serde_json::from_slice::<Line>(&line) {
            Ok(Line::Ended(id)) => drop(last.remove(&id)),
            Ok(line) => drop(last.insert(line.about(), line)),
            // The process died while it wrote, or the form is another version's.
            Err(error) => tracing::warn!("{}: a line is left out: {error}", path.display()),
        }
    }
    let mut run = LastRun::default();
    for line in last.into_values() {
        match line {
            Line::Call(left) => run.calls.push(*left),
            Line::Farewell(farewell) => run.farewells.push(*farewell),
            Line::Setup(left) => run.setups.push(*left),
            Line::Ended(_) => {}
        }
    }
    // A clock that was set back tells nothing of the age.
    let now = UNIX_EPOCH + Duration::from_millis(Origin::now().calendar.as_millis());
    if written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age >= REPEATED)) {
        run.let_old_invites_be();
    }
    Ok(run)
}

impl LastRun {
    /// Forgets INVITEs that would have to be sent again.
    fn let_old_invites_be(&mut self) {
        for farewell in &mut self.farewells {
            farewell.requests.retain(|request| request.may_go_out_late());
        }
        for left in &mut self.setups {
            left.setup.invites.retain(b2bua::SavedRequest::may_go_out_late);
        }
    }

    /// When the first of its calls began, in milliseconds since 1970, as far as that is known.
    pub(crate) fn began(&self) -> Option<u64> {
        let setups = self.setups.iter().map(|left| left.past.attempted);
        let calls = self.calls.iter().map(|left| left.past.attempted);
        calls.chain(setups).filter(|at| *at > 0).min()
    }
}

/// Opens what is sealed under one of `keys`; returns how many calls are sealed still.
pub(crate) fn open(left: &mut [Left], keys: &[SealKey]) -> usize {
    left.iter_mut().filter_map(|left| (!left.open(keys)).then_some(())).count()
}

impl Left {
    pub(super) const fn new(call: SavedCall, past: Past) -> Self {
        Left { call, past, sealed: None }
    }

    pub(super) fn past(&self) -> Past {
        self.past.clone()
    }

    /// Whether its descriptions are sealed.
    pub(crate) const fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Seals its descriptions if they hold secrets; `false` when that fails.
    pub(super) fn seal(&mut self, sealer: &mut Sealer) -> bool {
        if self.is_sealed() || !self.call.has_secrets() {
            return true;
        }
        let place = self.place();
        let content = serde_json::to_vec(&self.call.take_descriptions()).ok();
        self.sealed = content.and_then(|content| sealer.seal(&place, content));
        self.is_sealed()
    }

    fn open(&mut self, keys: &[SealKey]) -> bool {
        let Some(sealed) = &self.sealed else { return true };
        let content = sealed.open(&self.place(), keys);
        let Some(read) = content.and_then(|content| serde_json::from_slice(&content).ok()) else {
            return false;
        };
        self.call.put_descriptions(read);
        self.sealed = None;
        true
    }

    /// A sealed part is of no use beside another call.
    fn place(&self) -> Vec<u8> {
        self.call.transaction_id.to_string().into_bytes()
    }

    /// What the recorder is to be told, as it was told before. What the voice connector logs is told by
    /// `logs`: SIP messages and media metrics.
    pub(crate) fn events(&self, origin: Origin, logs: [bool; 2]) -> Vec<CallEvent> {
        let media = CallEventKind::MediaAllocated { media: self.call.media };
        self.past.events(
            origin,
            self.call.transaction_id,
            self.call.parties.parties(logs),
            Some(media),
        )
    }
}

impl LeftSetup {
    /// What the recorder is to be told, as it was told before; nothing of a call whose record is closed.
    pub(crate) fn events(&self, origin: Origin, logs: [bool; 2]) -> Vec<CallEvent> {
        let setup = &self.setup;
        if setup.has_ended {
            return Vec::new();
        }
        self.past.events(origin, setup.transaction_id, setup.parties.parties(logs), None)
    }
}

impl Past {
    fn events(
        &self,
        origin: Origin,
        transaction_id: TransactionId,
        parties: CallParties,
        media: Option<CallEventKind>,
    ) -> Vec<CallEvent> {
        let parties = Arc::new(parties);
        let routed = self.routed.clone().map(|(at, carrier, destination, protocol, attempt)| {
            (at, CallEventKind::Routed { carrier, destination, protocol, attempt })
        });
        let all = [
            Some((self.attempted, CallEventKind::Attempted { parties })),
            media.map(|media| (self.attempted, media)),
            routed,
            self.ringing.map(|at| (at, CallEventKind::Ringing)),
            self.answered.map(|at| (at, CallEventKind::Answered)),
        ];
        let event = |(at, kind): (u64, CallEventKind)| CallEvent {
            transaction_id,
            at: Instant::from_millis(at.saturating_sub(origin.calendar.as_millis())),
            kind,
        };
        all.into_iter().flatten().map(event).collect()
    }
}

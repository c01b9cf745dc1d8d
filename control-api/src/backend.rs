//! What the API needs of the node around it.

use crate::access_key::KeySource;
use crate::error::{ApiError, ErrorKind};
use crate::state::{Change, Draft, Kind, Proxy};
use directory::{NumberTable, Problem, Resources, Snapshot, VoiceConnector};
use model::{
    Instant, OutboundCall, ProxySessionId, Refusal, TransactionId, UnixTime, VoiceConnectorId,
};
use room_core::{Command, MeetingId, MeetingState, Refused, RosterEntry};
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;

/// The node, as the API sees it.
pub trait Backend: KeySource {
    /// What calls are routed by now: the resources of the configuration file and those of the API.
    fn directory(&self) -> Arc<Snapshot>;

    /// The proxy phone sessions of calls that are up, once for each call.
    fn proxied_calls(&self) -> Vec<ProxySessionId> {
        Vec::new()
    }

    /// Has an application, which steers the call, think again.
    ///
    /// # Errors
    /// [`NotUpdated`].
    fn update_application_call(
        &mut self,
        _application: &str,
        _call: TransactionId,
        _arguments: Map<String, Value>,
    ) -> Result<(), NotUpdated> {
        Err(NotUpdated::NoCall)
    }

    /// Calls somebody for an application, which steers the call.
    ///
    /// # Errors
    /// [`NotCalled`]; then nobody is called.
    fn call_for_application(&mut self, _call: OutboundCall) -> Result<TransactionId, NotCalled> {
        Err(NotCalled::Unserved)
    }

    /// What goes on in a meeting; `None` where nobody is in it.
    fn meeting(&self, _id: MeetingId) -> Option<HeldMeeting> {
        None
    }

    /// The meetings that people are in; `None` when that cannot be told now.
    fn held_meetings(&self) -> Option<Vec<MeetingId>> {
        Some(Vec::new())
    }

    /// Has something done in a meeting that is held, or a number called into one.
    ///
    /// # Errors
    /// [`Refused`]; nothing was done.
    fn command_meeting(&mut self, _id: MeetingId, _command: Command) -> Result<(), Refused> {
        Err(Refused::NoMeeting)
    }

    /// 128 random bits; `None` when the system gives none.
    fn random(&mut self) -> Option<u128>;

    /// When a customer's system last asked with OPTIONS about a voice connector, and from where.
    fn termination_health(&self, _voice_connector: &str) -> Option<(UnixTime, IpAddr)> {
        None
    }

    /// Writes the changes down and has calls routed by `made`, when it is given. When it returns, the
    /// next call and [`Backend::directory`] see it.
    ///
    /// # Errors
    /// Then nothing has changed.
    fn commit(&mut self, changes: &[Change], made: Option<Made>) -> Result<(), CommitFault>;
}

/// What calls are routed by of all that was ever made through the API.
#[derive(Clone, Debug)]
pub enum Made {
    /// All of it.
    All(Box<Resources>),
    /// The numbers; the rest is as it was. One number of many is so changed quickly.
    Numbers(NumberTable),
    /// One voice connector, which was there before and has no numbers of its own; the rest is as it
    /// was. One of many is so changed quickly ([`Snapshot::with_connector`]).
    Connector(Box<VoiceConnector>),
}

impl Made {
    /// What calls are routed by, when the draft changes it.
    pub(crate) fn of(
        draft: &Draft<'_>,
        numbers: &NumberTable,
        directory: &Snapshot,
    ) -> Option<Made> {
        if let Some(connector) = one_connector(draft, directory) {
            return Some(Made::Connector(Box::new(connector)));
        }
        let mut routed = draft.changes().iter().map(Change::kind).filter(|kind| kind.is_routed());
        let is_number = |kind| matches!(kind, Kind::Number | Kind::NumberSettings);
        let first = routed.next()?;
        // Which numbers mask is indexed with everything else.
        let masks = !draft.all::<Proxy>().is_empty();
        Some(match !masks && is_number(first) && routed.all(is_number) {
            true => Made::Numbers(numbers.clone()),
            false => Made::All(Box::new(draft.state().resources_with(numbers.clone()))),
        })
    }
}

/// The voice connector that everything is about which calls are routed by, when it is one, and was
/// there before.
fn one_connector(draft: &Draft<'_>, directory: &Snapshot) -> Option<VoiceConnector> {
    let mut routed = draft.changes().iter().filter(|change| change.kind().is_routed());
    let id = routed.next()?.id();
    let is_of_it = |change: &Change| {
        matches!(change.kind(), Kind::Connector | Kind::Credentials) && change.id() == id
    };
    if !draft.changes().iter().filter(|change| change.kind().is_routed()).all(is_of_it) {
        return None;
    }
    directory.voice_connector(&VoiceConnectorId::new(id).ok()?)?;
    draft.state().connector(id)
}

/// A meeting that people are in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldMeeting {
    /// How it is.
    pub state: MeetingState,
    /// Who is in it, waits or is called, in the order of arrival.
    pub people: Vec<RosterEntry>,
    /// When this was so, by the clock of [`RosterEntry::since`].
    pub at: Instant,
    /// Its picture for those who see all at once, while there is one.
    pub composed: Option<ComposedPicture>,
}

/// A picture that is composed of those of a meeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ComposedPicture {
    /// People who are shown in it.
    pub tiles: u32,
    /// People who see it.
    pub viewers: u32,
    /// Pictures a second.
    pub frames_per_second: u32,
    /// Parts of a hundred of a core that it takes.
    pub cpu_percent: u32,
}

/// Why an application is not made to think again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotUpdated {
    /// It steers no such call.
    NoCall,
    /// It has too much to think of already.
    Busy,
}

/// Why nobody is called for an application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotCalled {
    /// No node runs here that could call.
    Unserved,
    /// There is no such application any more.
    NoApplication,
    /// A number or a header field cannot be used, and why.
    Unfit(&'static str),
    /// A rule or a limit forbids the call.
    Refused(Refusal),
    /// As many calls are steered as may be.
    TooMany,
    /// The node has too much to do.
    Busy,
}

/// Why changes were not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitFault {
    /// Calls cannot be routed by them.
    Refused(Vec<Problem>),
    /// Another process has changed the journal meanwhile.
    Stale,
    /// They cannot be written down; the backend has logged why.
    Journal,
}

impl From<Vec<Problem>> for CommitFault {
    fn from(problems: Vec<Problem>) -> CommitFault {
        CommitFault::Refused(problems)
    }
}

impl From<CommitFault> for ApiError {
    fn from(fault: CommitFault) -> ApiError {
        match fault {
            CommitFault::Refused(problems) => {
                let what: Vec<&str> = problems.iter().map(|each| each.message.as_str()).collect();
                ApiError::new(ErrorKind::BadRequest, what.join("; "))
            }
            CommitFault::Stale => ApiError::new(
                ErrorKind::ServiceUnavailable,
                "another process has changed the directory meanwhile; ask again",
            ),
            CommitFault::Journal => ApiError::new(
                ErrorKind::ServiceUnavailable,
                "the change cannot be written down now; see Tandem's log",
            ),
        }
    }
}

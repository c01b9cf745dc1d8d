//! The guests' channels where the rooms are held: whose call each belongs to, what it has been told. Pure.

use crate::asked::{Asked, Request};
use crate::view::{View, chat_text, id_of, meeting_text, outcome_text, stage_text};
use model::{Instant, PictureLayout, TransactionId};
use room_core::{By, ChatMessage, Command, Draw, Focus, MeetingId, Now, Refused, RosterEntry};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Texts that wait for a page which does not read. Full policy: its channel is closed, and the page opens
/// another one.
pub(crate) const WAITING: usize = 512;
/// Between two looks at what has changed.
const BETWEEN: Duration = Duration::from_millis(100);
/// Calls that are over whose keys are known; of more the first are forgotten.
const MOST_FORMER: usize = 1024;

/// Of a channel's key, SHA-256 in hexadecimal digits: what the INVITE shows of it. Whoever reads the
/// message in a log cannot open the channel.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct KeyDigest(Arc<str>);

impl KeyDigest {
    /// Reads a header's value.
    pub fn parse(text: &str) -> Option<KeyDigest> {
        let fine = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fine.then(|| KeyDigest(text.to_ascii_lowercase().into()))
    }

    /// Of a key that a page says.
    pub fn of(key: &str) -> KeyDigest {
        let digest = Sha256::digest(key.as_bytes());
        let text: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        KeyDigest(text.into())
    }
}

/// A channel, unique while the node runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChannelId(pub u64);

/// The way of texts to a page; the channel is closed when it is dropped.
#[derive(Clone)]
pub struct Outgoing(mpsc::Sender<Arc<str>>);

impl Outgoing {
    /// With the end that is read.
    pub fn new() -> (Outgoing, mpsc::Receiver<Arc<str>>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Outgoing(sender), receiver)
    }

    /// `false` when so many wait that the channel is to be closed.
    pub(crate) fn send(&self, text: Arc<str>) -> bool {
        self.0.try_send(text).is_ok()
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

/// What comes from the server of pages.
#[derive(Debug)]
pub enum FromGuest {
    /// A page that knows a key.
    Opened(ChannelId, KeyDigest, Outgoing),
    /// It wants something.
    Asked(ChannelId, Asked),
    /// It is gone.
    Closed(ChannelId),
}

/// All channels.
#[derive(Default)]
pub struct Channels {
    /// Calls whose INVITE had a key.
    keys: HashMap<KeyDigest, TransactionId>,
    /// Those of them that are over.
    former: VecDeque<(KeyDigest, TransactionId)>,
    open: HashMap<ChannelId, Channel>,
    /// When what has changed is looked at.
    due: Option<Instant>,
    looked_at: Option<Instant>,
}

struct Channel {
    call: TransactionId,
    out: Outgoing,
    told: Told,
    levels: Option<Arc<str>>,
    /// The meeting whose older texts it has.
    chat: Option<MeetingId>,
}

/// What a page was told last of where its call is.
#[derive(PartialEq, Eq)]
enum Told {
    Nothing,
    Stage(&'static str),
    Meeting((bool, PictureLayout), Arc<str>),
}

impl Channels {
    /// A call has begun whose INVITE has this digest.
    pub fn call_begun(&mut self, call: TransactionId, key: KeyDigest) {
        // Who draws another one's key by chance does not get its channel.
        self.keys.entry(key).or_insert(call);
    }

    /// A call is over, and so is its channel.
    pub fn call_over(&mut self, call: TransactionId) {
        for (key, call) in self.keys.extract_if(|_, of| *of == call) {
            if self.former.len() >= MOST_FORMER {
                self.former.pop_front();
            }
            self.former.push_back((key, call));
        }
        self.open.retain(|_, channel| {
            let is_over = channel.call == call;
            if is_over {
                channel.out.send(stage_text("over"));
            }
            !is_over
        });
    }

    /// Whether a page that was in the call of this key, and calls again, has nothing to come back to.
    pub fn is_over_for(&self, before: &KeyDigest, focus: &Focus) -> bool {
        let former = self.former.iter().find(|(key, _)| key == before).map(|(_, call)| call);
        self.keys.get(before).or(former).is_some_and(|call| focus.is_over_for(*call))
    }

    /// Whether somebody sees what becomes of a call, and need not hear it.
    pub fn is_seen(&self, call: TransactionId) -> bool {
        !self.open.is_empty() && self.open.values().any(|channel| channel.call == call)
    }

    /// Takes what comes from the server. What the rooms want done after it is theirs to say.
    pub fn handle(&mut self, now: Now, from: FromGuest, focus: &mut Focus, draw: Draw<'_>) {
        match from {
            FromGuest::Opened(id, key, out) => match self.keys.get(&key) {
                Some(&call) => {
                    // A call has one page: of an earlier channel its page does not know yet that it is lost.
                    self.open.retain(|_, channel| channel.call != call);
                    let told = Told::Nothing;
                    let channel = Channel { call, out, told, levels: None, chat: None };
                    self.open.insert(id, channel);
                    self.look(now.at, focus);
                }
                None => {
                    out.send(stage_text("no-call"));
                }
            },
            FromGuest::Asked(id, Asked { number, request }) => {
                let Some(channel) = self.open.get(&id) else { return };
                let done = carry_out(now, channel.call, request, focus, draw);
                if !channel.out.send(outcome_text(number, done)) {
                    self.open.remove(&id);
                }
            }
            FromGuest::Closed(id) => {
                self.open.remove(&id);
            }
        }
    }

    /// Somebody has written something in a meeting.
    pub fn tell_chat(&mut self, meeting: MeetingId, message: &ChatMessage) {
        let text = chat_text(message);
        self.open.retain(|_, channel| {
            channel.chat != Some(meeting) || channel.out.send(Arc::clone(&text))
        });
    }

    /// Something may have changed in the rooms: what has is told at once, or shortly.
    pub fn note_change(&mut self, now: Instant, focus: &Focus) {
        if self.open.is_empty() {
            return;
        }
        match self.looked_at.map(|at| at + BETWEEN).filter(|due| *due > now) {
            Some(due) => self.due = Some(due),
            None => self.look(now, focus),
        }
    }

    /// When [`Channels::handle_timeout`] is to be called.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// It is this late.
    pub fn handle_timeout(&mut self, now: Instant, focus: &Focus) {
        if self.due.is_some_and(|due| due <= now) {
            self.look(now, focus);
        }
    }

    fn look(&mut self, now: Instant, focus: &Focus) {
        (self.due, self.looked_at) = (None, Some(now));
        let mut views = HashMap::new();
        self.open.retain(|_, channel| {
            let meeting = focus.meeting_id_of(channel.call);
            let view =
                meeting.map(|id| (id, &*views.entry(id).or_insert_with(|| View::of(focus, id))));
            channel.tell(view, focus)
        });
    }
}

impl Channel {
    /// `false` when it is to be closed.
    fn tell(&mut self, view: Option<(MeetingId, &View)>, focus: &Focus) -> bool {
        let Some((meeting, view)) = view else {
            let is_over = focus.hears_farewell(self.call);
            return self.tell_stage(if is_over { "farewell" } else { "welcome" });
        };
        let is_it = |entry: &&RosterEntry| entry.person.call == self.call;
        let Some(own) = view.people.iter().find(is_it).filter(|entry| entry.is_in) else {
            self.chat = None;
            return self.tell_stage("waiting");
        };
        let (own, seen) = ((own.person.moderator, own.layout), view.seen_by(own));
        let told = Told::Meeting(own, Arc::clone(seen));
        let mut fine = true;
        if self.told != told {
            fine &= self.out.send(meeting_text(self.call, own, seen));
            self.told = told;
        }
        if self.chat != Some(meeting) {
            self.chat = Some(meeting);
            let mut older = focus.chat(meeting);
            fine &= older.all(|message| self.out.send(chat_text(message)));
        }
        if self.levels.as_ref() != Some(&view.levels) {
            fine &= self.out.send(Arc::clone(&view.levels));
            self.levels = Some(Arc::clone(&view.levels));
        }
        fine
    }

    fn tell_stage(&mut self, stage: &'static str) -> bool {
        let told = Told::Stage(stage);
        if self.told == told {
            return true;
        }
        self.told = told;
        self.out.send(stage_text(stage))
    }
}

/// Does it with the rights of who asks.
fn carry_out(
    now: Now,
    call: TransactionId,
    request: Request,
    focus: &mut Focus,
    draw: Draw<'_>,
) -> Result<(), Refused> {
    let meeting = focus.meeting_id_of(call).ok_or(Refused::NoMeeting)?;
    let found = |id: u64| {
        let people = focus.roster(meeting);
        let found = people.iter().find(|entry| id_of(entry.person.call) == id);
        found.map(|entry| entry.person.call).ok_or(Refused::NobodyThere)
    };
    let command = match request {
        Request::Mute(who, on) => Command::Mute(who.map_or(Ok(call), found)?, on),
        Request::MuteAll(on) => Command::MuteAll(on),
        Request::Hand(who, on) => Command::Hand(who.map_or(Ok(call), found)?, on),
        Request::Lock(on) => Command::Lock(on),
        Request::Record(on) => Command::Record(on),
        Request::Admit(Some(who)) => Command::Admit(found(who)?),
        Request::Admit(None) => Command::AdmitAll,
        Request::Remove(who) => Command::Remove(found(who)?),
        Request::Promote(who) => Command::Promote(found(who)?),
        Request::Say(text) => Command::Say(text),
        Request::Show(who, true) => Command::TakeFloor(who.map_or(Ok(call), found)?),
        Request::Show(who, false) => Command::LeaveFloor(who.map_or(Ok(call), found)?),
        Request::LayOut(true) => Command::LayOut(call, PictureLayout::Grid),
        Request::LayOut(false) => Command::LayOut(call, PictureLayout::Speaker),
        Request::Dial(number) => Command::DialOut(number),
        Request::End => Command::End,
    };
    focus.command(now, meeting, By::Call(call), command, draw)
}

#[cfg(test)]
mod tests;

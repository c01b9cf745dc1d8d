//! What rooms want done.

use crate::event::Event;
use crate::prompt::{Prompt, Words};
use crate::registry::Capabilities;
use crate::{Language, MeetingId};
use model::{Instant, PictureLayout, TransactionId, UnixTime};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The two clocks, read together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For timers.
    pub at: Instant,
    /// For schedules and events.
    pub unix: UnixTime,
}

/// Something to be done or told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// A call is to do this.
    Call {
        /// Which.
        call: TransactionId,
        /// The order's number, which [`crate::Focus::handle_played`] repeats.
        number: u32,
        /// What.
        order: Order,
    },
    /// A meeting as a whole is to do this.
    Meeting {
        /// Which.
        meeting: MeetingId,
        /// What.
        order: MeetingOrder,
    },
    /// Somebody may, or may no longer, show a screen; or may not, having asked.
    Floor {
        /// In which meeting.
        meeting: MeetingId,
        /// Who.
        call: TransactionId,
        /// Whether it may from now on.
        granted: bool,
    },
    /// A text for everyone who can read it.
    Chat {
        /// In which meeting.
        meeting: MeetingId,
        /// The text, and who wrote it.
        message: Arc<ChatMessage>,
    },
    /// This happened.
    Event(Event),
}

/// What a call is to do. [`Order::Answer`], [`Order::Play`], [`Order::StopPlaying`] and
/// [`Order::HangUp`] are [`model::ApplicationOrder`]'s; the others are the mixer's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// It is answered.
    Answer,
    /// It hears this, over whatever it hears, in place of what was played before.
    Play(Words),
    /// What is played to it ends.
    StopPlaying,
    /// It hears music until [`Order::StopMusic`].
    StartMusic,
    /// It hears no more music.
    StopMusic,
    /// It hears and is heard in the mix of a meeting, as far as `capabilities` go.
    Join {
        /// Whose mix.
        meeting: MeetingId,
        /// Whether it is muted from the beginning.
        muted: bool,
        /// What it may send and get.
        capabilities: Capabilities,
        /// How it is called.
        name: Arc<str>,
        /// What it sees of the others.
        layout: PictureLayout,
    },
    /// It is in no mix any more.
    Leave,
    /// The mix does without its audio.
    Mute,
    /// The mix has its audio again.
    Unmute,
    /// What it may send and get changes.
    Allow(Capabilities),
    /// It sees the others in this way.
    LayOut(PictureLayout),
    /// What it says is kept as its name. [`crate::Focus::handle_name_recorded`] is to follow, once: when the
    /// time is over, or after [`Order::StopRecordingName`].
    RecordName {
        /// How long at most.
        longest: Duration,
    },
    /// It has said its name.
    StopRecordingName,
    /// It ends.
    HangUp {
        /// The SIP status, where it was not answered; of all calls it says why they end ([`status`]).
        status: u16,
        /// The Q.850 cause for Reason.
        cause: u8,
    },
}

/// Why calls are ended, as the SIP status that says the same of a call that was not answered. It is for
/// records: who was answered gets a BYE.
pub mod status {
    /// Right ID and passcode were not given.
    pub const NO_MEETING: u16 = 404;
    /// No packet came from it for too long.
    pub const SILENT: u16 = 408;
    /// All else: the meeting has ended, or it was sent away.
    pub const OVER: u16 = 480;
    /// The meeting had its capacity.
    pub const FULL: u16 = 486;
}

/// What a meeting as a whole is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MeetingOrder {
    /// Everyone in the mix hears this.
    Announce(Words),
    /// The mix is to be recorded. [`crate::Focus::handle_recording_started`] or
    /// [`crate::Focus::handle_recording_failed`] is to follow, the latter also later.
    StartRecording,
    /// It is no longer.
    StopRecording,
    /// Whether this number may be called from the meeting is asked;
    /// [`crate::Focus::handle_number_verdict`] is to follow.
    AskNumber {
        /// The call that it would be.
        call: TransactionId,
        /// Digits, as somebody typed them, or with `+` as the API was given them.
        number: Arc<str>,
        /// Who wants it; `None` of the API.
        by: Option<TransactionId>,
    },
    /// This number is called; [`crate::Focus::handle_called`] is to follow.
    DialOut {
        /// The id of the call to make.
        call: TransactionId,
        /// The number.
        number: Arc<str>,
    },
}

/// A text of somebody in a meeting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChatMessage {
    /// Its number in the meeting.
    pub number: u64,
    /// When.
    pub at: UnixTime,
    /// Who.
    pub from: TransactionId,
    /// Who, by name.
    pub name: Arc<str>,
    /// The text; at most [`crate::MOST_CHAT`] characters.
    pub text: String,
}

/// Where outputs are put. It is emptied by whoever holds the rooms, after each input.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) queue: VecDeque<Output>,
    last_number: u32,
    /// Calls that have left a meeting and hear these words before they end, with this status.
    pub(crate) dismissed: Vec<(TransactionId, Vec<Prompt>, u16)>,
    /// Meetings that are over.
    pub(crate) over: Vec<MeetingId>,
    /// Ids and passcodes that were wrong, since the beginning.
    pub(crate) wrong_ids: u64,
}

impl Outputs {
    pub(crate) fn order(&mut self, call: TransactionId, order: Order) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        let number = self.last_number;
        self.queue.push_back(Output::Call { call, number, order });
        number
    }

    pub(crate) fn play(
        &mut self,
        call: TransactionId,
        language: &Language,
        prompts: Vec<Prompt>,
    ) -> u32 {
        debug_assert!(prompts.len() <= Words::MOST);
        self.order(call, Order::Play(Words { language: language.clone(), prompts }))
    }

    pub(crate) fn meeting(&mut self, meeting: MeetingId, order: MeetingOrder) {
        self.queue.push_back(Output::Meeting { meeting, order });
    }

    pub(crate) fn dismiss(&mut self, call: TransactionId, prompts: Vec<Prompt>) {
        self.dismissed.push((call, prompts, status::OVER));
    }

    /// Nobody is there any more who would hear words.
    pub(crate) fn drop_silent(&mut self, call: TransactionId) {
        self.dismissed.push((call, Vec::new(), status::SILENT));
    }
}

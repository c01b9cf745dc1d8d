//! What passes between a call and the application that steers it (SIP media applications).
//!
//! A steered call has leg A, whoever called or was called first, and no leg B until the application
//! bridges one. Orders go to the call logic, news come back; each order has a number of its
//! call's, which the news about it repeat.

use crate::{
    AudioSource, CallDirection, ConferenceRecordingFailure, ConferenceRecordingOrder, DtmfKey,
    FloorAccess, FloorPeer, Heard, Instant, LegSide, OrderedRecording, ParticipantId, PictureCard,
    PictureLayout, PicturesShown, PlayOutcome, RoomCall, Seat, SeatFailure, TransactionId,
    Utterance, VoiceConnectorId,
};
use std::sync::Arc;
use std::time::Duration;

/// Orders of the meeting rooms in a call that an application steers have numbers from this one on; those of
/// applications are less. What such an order plays to leg A is heard while nothing of the application's is.
pub const ROOM_ORDERS: u32 = 1 << 31;

/// What the edge tells the application's side, in the order in which it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplicationEvent {
    /// The call.
    pub call: TransactionId,
    /// When.
    pub at: Instant,
    /// What.
    pub told: ApplicationTold,
}

/// The beginning of a steered call, or what happened to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplicationTold {
    /// An application is to steer the call from now on. Comes first; it comes again, of the next
    /// application of the rule, where the one before could not be reached.
    Begun(Box<SteeredCall>),
    /// What happened.
    News(ApplicationNews),
}

/// A call that an application is to steer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SteeredCall {
    /// The application's id.
    pub application: Arc<str>,
    /// The rule that says so; `None` of a call that the application began itself.
    pub rule: Option<Arc<str>>,
    /// `Inbound` where leg A has called and waits for an answer, whoever it is; `Outbound` where leg A
    /// is called for the application.
    pub direction: CallDirection,
    /// The calling number, or the caller's user name.
    pub from: Arc<str>,
    /// The called number.
    pub to: Arc<str>,
    /// Under whose rules the call is: a voice connector's, or the application's own
    /// (`directory::MediaApplication::connector_id`).
    pub voice_connector: VoiceConnectorId,
    /// The Call-ID of leg A's INVITE to us; of an outbound call one that no peer knows.
    pub call_id: Arc<str>,
    /// Header fields of leg A's INVITE that may be shown: `User-to-User`, `Diversion`, those that begin
    /// with `X-`, and `P-Asserted-Identity` where the caller asks for no privacy; at most 32, each of
    /// at most 1,024 octets.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// What whoever asked for an outbound call gives to the application.
    pub arguments: Vec<(Arc<str>, Arc<str>)>,
    /// Of a call to the meeting rooms, whose `application` is [`ROOMS`](crate::ROOMS).
    pub room: Option<Box<RoomCall>>,
}

/// A call that an application begins: leg A is called for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutboundCall {
    /// The application's id. The call is under its rules on countries, rates and numbers of calls.
    pub application: Arc<str>,
    /// The E.164 number to call.
    pub to: Arc<str>,
    /// The E.164 number that is shown. Whether the application may use it has been found out before.
    pub from: Arc<str>,
    /// Header fields for the INVITE: `User-to-User`, `Diversion` and those that begin with `x-`, at
    /// most 32 of at most 1,024 octets.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// What the application is told with the call's beginning.
    pub arguments: Vec<(Arc<str>, Arc<str>)>,
}

/// What an application wants done in its call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplicationOrder {
    /// Leg A, which called, is answered (200).
    Answer,
    /// A leg ends, or the whole call. Before the answer leg A gets `status`, afterwards a BYE.
    HangUp {
        /// Which; `None` for the call with everybody in it.
        leg: Option<LegSide>,
        /// 400 to 699, for a leg A that was not answered.
        status: u16,
    },
    /// Something is played to a leg, in place of what was; the other leg's audio does not reach it
    /// meanwhile. Answered by [`ApplicationNews::Played`].
    Play {
        /// To whom.
        leg: LegSide,
        /// What.
        source: AudioSource,
        /// How often; `None` until it is stopped.
        rounds: Option<u32>,
    },
    /// What is played to a leg ends; nothing is answered.
    StopPlaying {
        /// To whom.
        leg: LegSide,
    },
    /// Keys are sent to a leg. Answered by [`ApplicationNews::KeysSent`].
    SendKeys {
        /// To whom.
        leg: LegSide,
        /// In this order; 1 to 50.
        keys: Vec<DtmfKey>,
        /// How long each is, 50 ms to 24 s; as long is the pause after it. The relay sends no key for
        /// longer than 6 s.
        duration: Duration,
    },
    /// Somebody is called as leg B and joined with leg A. Answered by
    /// [`ApplicationNews::Answered`] of leg B, or [`ApplicationNews::BridgeFailed`].
    Bridge(Bridge),
    /// A leg's audio no longer reaches the other one, or reaches it again.
    Mute {
        /// Whose.
        leg: LegSide,
        /// Whether it is silent now.
        on: bool,
    },
    /// What legs say is recorded from now on; [`OrderedRecording::order`] is this order's number. Answered
    /// by [`ApplicationNews::Records`] and [`ApplicationNews::Writes`] when it begins, and by
    /// [`ApplicationNews::Recorded`].
    Record(Box<OrderedRecording>),
    /// The recording of this order ends. Nothing is answered but [`ApplicationNews::Recorded`].
    StopRecording {
        /// The number of its [`ApplicationOrder::Record`].
        order: u32,
    },
    /// Leg A, which is answered and has no leg B, takes part in a conference; [`Seat::leg`] is that one. Said again of the same place
    /// it only mutes the leg or lets it be heard; of another one, the leg leaves the one before. Answered
    /// by [`ApplicationNews::Seated`] or [`ApplicationNews::SeatFailed`], which are about its audio alone.
    /// While the leg holds the call nobody hears or sees it there, so that no hold music is heard either.
    Sit {
        /// Where. Its lines of pictures, those of now and those that come later, have their places
        /// in the same conference.
        seat: Seat,
        /// What of its pictures is shown there.
        shown: PicturesShown,
    },
    /// What leg A's camera line shows from now on while it shows nobody, in a conference or before one.
    /// Nothing is answered; a call without pictures keeps it for later.
    ShowCard {
        /// The words; `None` for nothing.
        card: Option<Arc<PictureCard>>,
    },
    /// How leg A is called in pictures composed of several, and what its camera line shows of the others in a
    /// conference, from now on. Nothing is answered; a call without pictures keeps it for later.
    LayOut {
        /// What stands in its picture; may be empty.
        name: Arc<str>,
        /// What it sees.
        layout: PictureLayout,
    },
    /// Leg A leaves its conference; nothing is answered. The end of the call needs no such order.
    StandUp,
    /// Of a call to the meeting rooms: from now on lines of floor control that leg A offers are answered with
    /// this, where it has a line of slides. Answered by [`ApplicationNews::FloorControl`] as often as an answer
    /// changes that.
    ControlFloor {
        /// How the device reaches the floor control server.
        access: FloorAccess,
    },
    /// Everybody in the conference that leg A takes part in hears this, after what was ordered before,
    /// with all else turned down meanwhile. Nothing is answered.
    Announce {
        /// What.
        source: AudioSource,
        /// Who does not hear it, and hears the others as before.
        except: Option<ParticipantId>,
    },
    /// What leg A says in the conference that it takes part in is kept in memory from now on, until it is
    /// said again without a time. Answered once by [`ApplicationNews::Uttered`].
    RecordUtterance {
        /// For how long at most, up to [`LONGEST_UTTERANCE`](crate::LONGEST_UTTERANCE); `None` ends it.
        longest: Option<Duration>,
    },
    /// The conference that leg A takes part in is recorded from now on, or not any more. Said
    /// again of the same recording it only adds people. Answered by
    /// [`ApplicationNews::ConferenceRecords`] or [`ApplicationNews::ConferenceRecordingFailed`], which may
    /// also come later, of any call in that conference.
    RecordConference(ConferenceRecordingOrder),
}

/// Where a recording that an application has ordered is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedObject {
    /// The bucket, or the directory that stands for it.
    pub bucket: Arc<str>,
    /// The key, or the path below that directory.
    pub key: Arc<str>,
}

/// Whom [`ApplicationOrder::Bridge`] calls, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bridge {
    /// The E.164 number to call.
    pub to: Arc<str>,
    /// The calling number that is shown.
    pub from: Arc<str>,
    /// The voice connector whose customer is called through its origination; `None` calls through
    /// the carriers.
    pub voice_connector: Option<VoiceConnectorId>,
    /// How long it may ring, 1 s to 120 s.
    pub ring_timeout: Duration,
    /// Header fields for the INVITE: `User-to-User`, `Diversion` and those that begin with `x-`.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// What leg A hears until leg B answers; `None` for the node's ringback tone while leg B rings,
    /// where it has one. It gives way to leg B's early media.
    pub ringback: Option<AudioSource>,
}

/// What an application is told of its call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplicationNews {
    /// A leg rings (18x).
    Ringing(LegSide),
    /// A leg is in the call: leg A was answered or has answered, leg B has answered and is joined.
    Answered(LegSide),
    /// A key was pressed.
    Key {
        /// By whom.
        leg: LegSide,
        /// Which.
        key: DtmfKey,
    },
    /// [`ApplicationOrder::Play`] of this number ended by itself.
    Played {
        /// The order's number.
        order: u32,
        /// How.
        outcome: PlayOutcome,
    },
    /// All keys of the order of this number are sent.
    KeysSent {
        /// The order's number.
        order: u32,
    },
    /// What the recording of this order is made of is heard from now on.
    Records {
        /// The order's number.
        order: u32,
    },
    /// The file of the recording of this order is there, and is written.
    Writes {
        /// The order's number.
        order: u32,
    },
    /// The recording of this order has ended: by its own bounds, by order, or because it failed. The call
    /// goes on.
    Recorded {
        /// The order's number.
        order: u32,
        /// Where it is, or in words why it is not.
        outcome: Result<RecordedObject, String>,
    },
    /// Leg B did not answer. Of order [`ROOM_ORDERS`] in a call that never began: whom a meeting wants called
    /// is not called.
    BridgeFailed {
        /// The order's number.
        order: u32,
        /// The final status, or 408 when nobody answered in time.
        status: u16,
    },
    /// A leg is gone; without leg A the call is over, and nothing follows.
    HungUp {
        /// Which.
        leg: LegSide,
        /// Whether it was an order of the application's.
        ordered: bool,
        /// The SIP status: 200 for a BYE, 480 of a browser whose connection was lost, 503 of a caller of the
        /// meeting rooms whom the node drops as it stops, otherwise what ended the setup.
        status: u16,
    },
    /// Leg A takes part in the conference of the newest [`ApplicationOrder::Sit`].
    Seated {
        /// The order's number.
        order: u32,
    },
    /// It does not, and is in no conference.
    SeatFailed {
        /// The order's number.
        order: u32,
        /// Why.
        failure: SeatFailure,
    },
    /// Leg A's line of floor control has been answered as [`ApplicationOrder::ControlFloor`] says; `None` where
    /// it has none any more.
    FloorControl(Option<FloorPeer>),
    /// How leg A is heard in its conference: told when one of its two words changes, and once a second while
    /// it speaks. What there is no room for is lost.
    Heard(Heard),
    /// No packet has come from leg A of a call to the meeting rooms for so long; told again every ten
    /// seconds until one comes.
    Silent {
        /// For how long.
        silent_for: Duration,
    },
    /// Leg A has lines of pictures from now on, or has them no more; told when that changes, and never of
    /// a call that has had none.
    Pictures {
        /// One of a camera.
        camera: bool,
        /// One of slides.
        slides: bool,
    },
    /// The conference that leg A takes part in is recorded.
    ConferenceRecords,
    /// It is not, or not any more.
    ConferenceRecordingFailed(ConferenceRecordingFailure),
    /// What leg A has said ([`ApplicationOrder::RecordUtterance`]); `None` where it has said nothing, or
    /// that could not be kept.
    Uttered(Option<Utterance>),
    /// The call takes no such order now; nothing was done.
    Refused {
        /// The order's number.
        order: u32,
        /// In words.
        why: String,
    },
}

impl ApplicationNews {
    /// The number of the order that it is about; `None` of what no order is waited for.
    pub const fn order(&self) -> Option<u32> {
        match self {
            ApplicationNews::Played { order, .. }
            | ApplicationNews::KeysSent { order }
            | ApplicationNews::Records { order }
            | ApplicationNews::Writes { order }
            | ApplicationNews::Recorded { order, .. }
            | ApplicationNews::BridgeFailed { order, .. }
            | ApplicationNews::Seated { order }
            | ApplicationNews::SeatFailed { order, .. }
            | ApplicationNews::Refused { order, .. } => Some(*order),
            ApplicationNews::Ringing(_)
            | ApplicationNews::Answered(_)
            | ApplicationNews::Key { .. }
            | ApplicationNews::Pictures { .. }
            | ApplicationNews::FloorControl(_)
            | ApplicationNews::ConferenceRecords
            | ApplicationNews::ConferenceRecordingFailed(_)
            | ApplicationNews::Uttered(_)
            | ApplicationNews::Heard(_)
            | ApplicationNews::Silent { .. }
            | ApplicationNews::HungUp { .. } => None,
        }
    }
}

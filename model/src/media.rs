//! What signalling asks of the media relay and what the relay answers. Nothing else passes between
//! them, so that the relay can run as a process of its own on another host.

use crate::{
    AudioSource, BundledLine, Codec, ConferenceRecordingFailure, ConferenceRecordingOrder,
    DtmfConversion, DtmfKey, DtmfPress, Heard, IcePlan, Instant, LegSecurity, LegSide,
    ListenFailure, ListenedUpdate, Listening, MediaId, MediaLine, ParticipantId, PictureSeat,
    PlayOutcome, Playing, QualityReport, Recording, RecordingFailure, RtcpCopy, Seat, SeatFailure,
    TransactionId, Transcoding, Utterance,
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The address family of one side's media.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// The family of an address.
    pub const fn of(address: &SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => IpFamily::V4,
            SocketAddr::V6(_) => IpFamily::V6,
        }
    }
}

/// Signalling to the relay. For one [`MediaId`]: one `Allocate`, any number of `Apply`,
/// `MoveLeg`, `SendEvent`, `Play`, `StopPlaying`, `Record`, `StopRecording`, `Copy`, `Listen`,
/// `UpdateListening`, `StopListening`, `Sit`, `SitPicture`, `RefreshPicture`, `Announce`,
/// `RecordConference`, `RecordUtterance`, `StandUp` and `Report`, one `Release`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MediaCommand {
    /// Reserve an RTP and an RTCP port for each leg.
    Allocate {
        /// The new stream.
        id: MediaId,
        /// The call that it belongs to.
        transaction_id: TransactionId,
        /// The address family of leg A and of leg B.
        families: [IpFamily; 2],
        /// For an emergency call: it may have the ports that are kept for those.
        emergency: bool,
        /// Which of the call's streams it is.
        line: MediaLine,
    },
    /// Replace the whole forwarding plan between two batches of packets.
    Apply {
        /// The stream.
        id: MediaId,
        /// The new plan.
        plan: Box<MediaPlan>,
    },
    /// A leg goes over to another stream, where its peer may keep its key: what SRTP remembers of
    /// the leg (roll-over counters, replay windows, what was sent) is copied there. Before the
    /// release of the stream that it leaves.
    MoveLeg {
        /// The stream that the leg leaves, and which leg of that one it is.
        from: (MediaId, LegSide),
        /// The stream that it comes to, and which leg of that one it will be.
        to: (MediaId, LegSide),
    },
    /// Send the leg a key as telephone events (RFC 4733), after those that wait. What cannot be sent
    /// (the leg is on hold, has not agreed to telephone-event, 32 keys wait) is counted and forgotten.
    SendEvent {
        /// The stream.
        id: MediaId,
        /// The leg that gets it.
        leg: LegSide,
        /// Which.
        key: DtmfKey,
        /// For how long; 40 ms at least and 6 s at most are sent.
        duration: Duration,
    },
    /// Play something to a leg, in the place of what it is played now. [`MediaEvent::Played`] tells
    /// when it ends by itself.
    Play {
        /// The stream.
        id: MediaId,
        /// The leg that is to hear it.
        leg: LegSide,
        /// What.
        playing: Playing,
    },
    /// Play nothing more to a leg.
    StopPlaying {
        /// The stream.
        id: MediaId,
        /// The leg that hears it.
        leg: LegSide,
    },
    /// Copy what passes from legs of the stream to a recording, decrypted and before anything is made
    /// of it here. Said again for the same recording it only changes the legs; none of them is a
    /// pause, in which the file stays open. Another recording takes the place of the one before.
    Record {
        /// The stream.
        id: MediaId,
        /// Where to.
        recording: Recording,
        /// Of leg A, of leg B.
        legs: [bool; 2],
    },
    /// Copy nothing more. A recording that no stream writes to any more is complete.
    StopRecording {
        /// The stream.
        id: MediaId,
    },
    /// Send what a leg says to another stream too, as if that one's leg A had sent it: decrypted, and
    /// before anything is made of it here; keys (RFC 4733) are left out. From there on the copies have
    /// that stream's payload types, formats, keys and reports. Said again, it takes the place of what
    /// was said of the leg before.
    Copy {
        /// The stream.
        id: MediaId,
        /// The leg of it that is copied.
        leg: LegSide,
        /// The stream that the copies go to: one of [`MediaLine::Copy`] of the same call, on the same
        /// worker. `None` to copy the leg no more; the end of either stream ends it too.
        to: Option<MediaId>,
    },
    /// Hand audio of the stream to listeners from now on, decrypted and before anything is made of it
    /// here. Said again, it takes the place of what was said before. The end of the stream ends it.
    Listen {
        /// The stream: the main audio of a call.
        id: MediaId,
        /// What is listened to, and by whom.
        listening: Box<Listening>,
    },
    /// Tell the listeners of a stream what has changed of its call; of a stream without any, nothing.
    UpdateListening {
        /// The stream.
        id: MediaId,
        /// What has changed.
        update: Box<ListenedUpdate>,
    },
    /// Hand nothing more to listeners; of a stream without any, nothing. A call that no stream is
    /// listened to any more is over for them.
    StopListening {
        /// The stream.
        id: MediaId,
    },
    /// A leg of the stream takes part in a conference from now on: what it sends goes to whoever mixes
    /// that, and what is mixed for it is sent to it. Said again of the same place, it only mutes the leg or
    /// lets it be heard; of another one, the leg leaves the seat of before. The end of the stream ends it.
    Sit {
        /// The stream: the main audio of a call.
        id: MediaId,
        /// Where.
        seat: Seat,
    },
    /// The same of a stream of pictures. Said again of the same place, it only hides what the leg sends or
    /// lets it be shown.
    SitPicture {
        /// The stream: one of [`MediaLine::Further`] with video.
        id: MediaId,
        /// Where.
        seat: Box<PictureSeat>,
    },
    /// Leg A of a stream of pictures asks for a key frame by signalling (INFO, RFC 5168); of a stream
    /// without a seat, nothing.
    RefreshPicture {
        /// The stream.
        id: MediaId,
    },
    /// Everybody in the conference of the stream's seat hears this, after what was announced before, with
    /// all else turned down meanwhile; of a stream without a seat, nobody.
    Announce {
        /// The stream.
        id: MediaId,
        /// What: a WAV file's octets.
        source: AudioSource,
        /// Who does not hear it, and hears the others as before.
        except: Option<ParticipantId>,
    },
    /// What leg A of a stream says in the conference of its seat is kept in memory from now on, until it is
    /// said again without a time, or the time has passed. Answered once by [`MediaEvent::Uttered`].
    RecordUtterance {
        /// The stream.
        id: MediaId,
        /// For how long at most, up to [`LONGEST_UTTERANCE`](crate::LONGEST_UTTERANCE); `None` ends it.
        longest: Option<Duration>,
    },
    /// The conference in which leg A of the stream has its seat is recorded from now on, or not any more.
    /// Said again of the same recording it only adds people. The end of the last seat ends the recording.
    /// Answered by [`MediaEvent::ConferenceRecords`] or [`MediaEvent::ConferenceRecordingFailed`]; that it
    /// ends by order is not.
    RecordConference {
        /// The stream.
        id: MediaId,
        /// What is recorded, or no more.
        recording: ConferenceRecordingOrder,
    },
    /// Leg A of the stream leaves its conference; of a stream without a seat, nothing.
    StandUp {
        /// The stream.
        id: MediaId,
    },
    /// Report at once what was measured so far, as [`ReportKind::Live`](crate::ReportKind::Live).
    Report {
        /// The stream.
        id: MediaId,
    },
    /// End the stream, send its final reports and quarantine its ports.
    Release {
        /// The stream.
        id: MediaId,
    },
}

/// The relay to signalling and to the recorders.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum MediaEvent {
    /// Ports are reserved and their sockets open.
    Allocated {
        /// The stream.
        id: MediaId,
        /// What to write into the session descriptions for leg A and for leg B.
        local: [LocalMedia; 2],
    },
    /// Nothing was reserved.
    AllocationFailed {
        /// The stream.
        id: MediaId,
        /// Why.
        reason: AllocationFailure,
    },
    /// No packet came from a leg that should send for the whole of the relay's
    /// `silence_after`; said once per silence.
    Silent {
        /// The stream.
        id: MediaId,
        /// The silent leg.
        leg: LegSide,
        /// When it was noticed.
        at: Instant,
    },
    /// No packet came from the legs that should send for as long as [`MediaPlan::timeouts`] says;
    /// said again every few seconds until one comes or the stream ends.
    TimedOut {
        /// The stream.
        id: MediaId,
        /// The silent leg; `None` when every leg that should send is silent.
        leg: Option<LegSide>,
        /// For how long.
        silent_for: Duration,
    },
    /// A leg has sent audio for as long as [`MediaPlan::unheard_after`] says, and nothing was ever heard
    /// in it but silence and comfort noise; said once.
    Unheard {
        /// The stream.
        id: MediaId,
        /// Whom nobody hears.
        leg: LegSide,
        /// For how long.
        lasted: Duration,
    },
    /// The relay has lost the stream, which nobody released: it was started anew, or gave the stream
    /// up while its edge was away. No final report comes.
    Lost {
        /// The stream.
        id: MediaId,
    },
    /// What was played to a leg has begun.
    Plays {
        /// The stream.
        id: MediaId,
        /// The leg that hears it.
        leg: LegSide,
        /// How long one round lasts.
        duration: Duration,
        /// Samples in a second of the source, which [`Playing::start`] counts in.
        sample_rate: u32,
    },
    /// What was played to a leg, or was to be, has ended by itself.
    Played {
        /// The stream.
        id: MediaId,
        /// The leg that heard it.
        leg: LegSide,
        /// How.
        outcome: PlayOutcome,
    },
    /// A stream's packets go to the recording that was ordered, from now on.
    Records {
        /// The stream.
        id: MediaId,
    },
    /// A recording that was ordered is not begun.
    RecordingFailed {
        /// The stream.
        id: MediaId,
        /// Why.
        failure: RecordingFailure,
    },
    /// A stream's audio goes to the listeners that were ordered, from now on. What becomes of it there
    /// is not known here.
    Listens {
        /// The stream.
        id: MediaId,
    },
    /// Nobody listens to a stream, though it was ordered.
    ListenFailed {
        /// The stream.
        id: MediaId,
        /// Why.
        failure: ListenFailure,
    },
    /// Leg A of a stream takes part in the conference that was ordered, from now on.
    Sits {
        /// The stream.
        id: MediaId,
    },
    /// It does not, though it was ordered; or not any more ([`SeatFailure::Abandoned`]).
    SeatFailed {
        /// The stream.
        id: MediaId,
        /// Why.
        failure: SeatFailure,
    },
    /// The conference that was named by this stream is recorded: its file is there, and is written.
    ConferenceRecords {
        /// The stream.
        id: MediaId,
    },
    /// It is not, or not any more. What breaks off later is told of any stream with a seat there.
    ConferenceRecordingFailed {
        /// The stream.
        id: MediaId,
        /// Why.
        failure: ConferenceRecordingFailure,
    },
    /// What leg A of a stream has said ([`MediaCommand::RecordUtterance`]).
    Uttered {
        /// The stream.
        id: MediaId,
        /// That; `None` where it has said nothing, or it could not be kept.
        utterance: Option<Utterance>,
    },
    /// How leg A of a stream with a seat is heard in its conference: told when one of its two words changes,
    /// and while it speaks once a second. What there is no room for is lost.
    Heard {
        /// The stream.
        id: MediaId,
        /// How.
        heard: Heard,
    },
    /// Leg A of a stream of pictures is to be asked for a key frame by signalling (INFO, RFC 5168), since it
    /// takes no feedback; at most one a second for each stream.
    PictureWanted {
        /// The stream.
        id: MediaId,
    },
    /// A key of a leg whose keys signalling is to hear of, see [`MediaPlan::dtmf`]; said when it is
    /// let go, each key once, at most 20 a second after a burst of as many.
    Dtmf {
        /// The stream.
        id: MediaId,
        /// The leg that pressed it.
        leg: LegSide,
        /// The key.
        press: DtmfPress,
    },
    /// What one leg measured in an interval, or over the whole stream at its end.
    Report(Box<QualityReport>),
    /// RTCP of a stream whose plan has it copied ([`MediaPlan::copies_rtcp`]). What there is no room for is
    /// lost, and counted.
    Rtcp(Box<RtcpCopy>),
}

/// The relay's addresses towards one leg, as its session description states them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocalMedia {
    /// Where the leg sends RTP (the advertised address when one is configured).
    pub rtp: SocketAddr,
    /// Where the leg sends RTCP when it is not multiplexed on `rtp`.
    pub rtcp: SocketAddr,
}

/// Why no ports were reserved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum AllocationFailure {
    /// Every port of `[media] ports` is in use or in quarantine.
    PortsExhausted,
    /// `[media] bind` has no address of the family that the leg needs.
    NoAddress(IpFamily),
    /// The operating system refused a socket (for example the limit of open files).
    Socket,
    /// The relay's command queue is full.
    Overloaded,
    /// No relay of its own process is connected, or it did not answer in time.
    Unavailable,
}

/// How one stream is forwarded, compiled from the offer and answer of both legs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MediaPlan {
    /// What passes.
    pub kind: StreamKind,
    /// The plan for leg A and for leg B, see [`LegSide::index`].
    pub legs: [LegPlan; 2],
    /// Whether telephone events (RFC 4733) from leg A and from leg B are counted and not passed on.
    pub blocked_events: [bool; 2],
    /// What becomes of keys from leg A and from leg B.
    pub dtmf: [DtmfConversion; 2],
    /// When silence is to be told.
    pub timeouts: MediaTimeouts,
    /// When it is to be told that a leg has sent audio for so long in which nothing was ever heard but
    /// silence; `None` for never.
    pub unheard_after: Option<Duration>,
    /// For audio from leg A and from leg B; `None` where all of it passes as it is.
    pub transcoding: [Option<Box<Transcoding>>; 2],
    /// Who speaks RTCP with the legs; `None` for what the relay does by itself. Taken from the first
    /// plan of a stream: later it would give media other sources.
    pub rtcp: Option<RtcpStyle>,
    /// Whether RTCP of the legs is told ([`MediaEvent::Rtcp`]).
    pub copies_rtcp: bool,
    /// Whether leg A and leg B are another stream of this node, so that their address may be one of the
    /// relay's own; that of any other leg may not, since media would go round.
    #[serde(default)]
    pub joined: [bool; 2],
    /// How leg A shares its transport with other streams; `None` for one of its own.
    pub bundled: Option<Box<BundledLine>>,
}

/// For how long legs that should send may be silent (neither RTP nor RTCP). A leg on hold, or one
/// that is to listen only, should not send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct MediaTimeouts {
    /// Any one of them; `None` for ever.
    pub one: Option<Duration>,
    /// All of them; `None` for ever.
    pub both: Option<Duration>,
}

impl MediaPlan {
    /// A plan for a stream of RTP.
    pub const fn rtp(legs: [LegPlan; 2]) -> Self {
        let timeouts = MediaTimeouts { one: None, both: None };
        MediaPlan {
            kind: StreamKind::Rtp,
            legs,
            blocked_events: [false; 2],
            dtmf: [DtmfConversion::None; 2],
            timeouts,
            unheard_after: None,
            transcoding: [None, None],
            rtcp: None,
            copies_rtcp: false,
            joined: [false; 2],
            bundled: None,
        }
    }
}

/// Who speaks RTCP with the legs (RFC 7667). In their order: where the two sides of a call ask for
/// different ones, the greater counts.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
pub enum RtcpStyle {
    /// RTCP passes; towards a leg whose other side has been silent for two intervals the relay
    /// reports, and so it does where a leg asks for VoIP metrics that the other side does not send.
    #[default]
    Auto,
    /// RTCP passes and nothing is added: a transport translator (section 3.2.1).
    Translator,
    /// RTCP ends at the relay: sources, reports and goodbyes are the relay's (section 3.1); feedback
    /// goes on to whoever sends the media.
    BackToBack,
}

/// What a stream carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub enum StreamKind {
    /// RTP and RTCP, measured.
    #[default]
    Rtp,
    /// UDPTL (T.38 fax): datagrams that are counted and not read. Formats, RTCP and security of the
    /// legs' plans count for nothing.
    Udptl,
    /// BFCP over UDP (RFC 8855): datagrams like those.
    Bfcp,
}

impl StreamKind {
    /// Whether its packets are not read.
    pub const fn is_datagrams(self) -> bool {
        matches!(self, StreamKind::Udptl | StreamKind::Bfcp)
    }
}

/// One leg's part of a [`MediaPlan`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LegPlan {
    /// Where its session description wants RTP; `None` before it is known, or when the description
    /// gives no usable address (0.0.0.0, port 0). Then only latching finds it.
    pub remote_rtp: Option<SocketAddr>,
    /// Where it wants RTCP (`a=rtcp`, else RTP port + 1, else the same with rtcp-mux).
    pub remote_rtcp: Option<SocketAddr>,
    /// The address that the leg's signalling came from; `None` when it says nothing about its media
    /// (a proxy in between). Where the description names a private address or none, media from here
    /// is plausible too, because the leg is behind a NAT.
    pub signalling_source: Option<IpAddr>,
    /// RTP and RTCP share one port (RFC 5761), agreed in offer and answer.
    pub rtcp_mux: bool,
    /// The leg may send media to us (its direction is sendrecv or sendonly).
    pub accepts_from: bool,
    /// The leg wants media from us (its direction is sendrecv or recvonly).
    pub sends_to: bool,
    /// Its description changed: open the learning window for its source address again.
    pub relearn: bool,
    /// The agreed formats. Of several payload types for one format the first is the one that the leg
    /// wants to get it under. A payload type that is not listed is forwarded all the same, and counts
    /// with the first format's clock.
    pub codecs: Vec<CodecMapping>,
    /// The payload type of telephone-event (RFC 4733), if agreed.
    pub telephone_event: Option<u8>,
    /// The extended reports that the leg asks for.
    pub xr: XrWishes,
    /// How the media between us and the leg is protected.
    pub security: LegSecurity,
    /// The leg checks the path by ICE and decides where its media comes from; `None` without ICE.
    pub ice: Option<Box<IcePlan>>,
}

/// The extended reports (RFC 3611 section 5) that a leg's description asks for with `a=rtcp-xr`, as
/// far as they are made here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct XrWishes {
    /// `voip-metrics`: of what we received from the leg.
    pub voip_metrics: bool,
    /// `rcvr-rtt`: the leg answers a receiver's reference time, and asks for answers to its own.
    pub receiver_rtt: bool,
}

impl XrWishes {
    /// Those that are not among `others`.
    pub const fn without(self, others: XrWishes) -> XrWishes {
        XrWishes {
            voip_metrics: self.voip_metrics && !others.voip_metrics,
            receiver_rtt: self.receiver_rtt && !others.receiver_rtt,
        }
    }
}

/// An RTP payload type and what it stands for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CodecMapping {
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The format.
    pub codec: Codec,
    /// RTP clock rate in Hz. For G.722 it is 8,000, though the audio has 16,000 samples a second
    /// (RFC 3551 section 4.5.2).
    pub clock_rate: u32,
    /// Packet duration from `a=ptime`, no longer than `a=maxptime`; 20 ms when not given.
    pub packet_duration: Duration,
}

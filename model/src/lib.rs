//! The words that Tandem's crates share: ids, numbers, units, and the messages that pass between
//! the call logic, the media relay and the recorders.
//!
//! Plain data: no I/O, no clock, no randomness, and no logic beyond keeping each value valid.
#![forbid(unsafe_code)]

mod application;
mod bundle;
mod call;
mod codec;
mod coded;
mod conference;
mod copying;
mod dtls;
mod dtmf;
mod floor;
mod health;
mod id;
mod line;
mod listening;
mod media;
mod media_ids;
mod picture;
mod playing;
mod proxy;
mod quality;
mod recording;
mod refusal;
mod registration;
mod room;
mod rtcp_copy;
mod sample;
mod srtp;
mod time;
mod transcoding;
mod transport;
mod utterance;

pub use application::{
    ApplicationEvent, ApplicationNews, ApplicationOrder, ApplicationTold, Bridge, OutboundCall,
    ROOM_ORDERS, RecordedObject, SteeredCall,
};
pub use bundle::{BundledLine, LONGEST_MID};
pub use call::{
    CallDirection, CallEnd, CallEvent, CallEventKind, CallParties, CallerVerification,
    CarrierCredentialEvent, CredentialProblem, EmergencyKind, EndedBy, LegSide, MessageDirection,
    RecordedCall, RecordedMetadata, RefusalEvent, Side, SipMessageEvent, SipObservation,
};
pub use codec::Codec;
pub use conference::{
    ConferenceId, ConferenceRecording, ConferenceRecordingFailure, ConferenceRecordingId,
    ConferenceRecordingOrder, Heard, ParticipantId, RecordedPerson, Seat, SeatFailure,
};
pub use copying::{CopyFailure, CopyNews, CopyState};
pub use dtls::{DtlsPlan, DtlsRole, Fingerprint, FingerprintHash, IcePlan};
pub use dtmf::{DtmfConversion, DtmfKey, DtmfPress};
pub use floor::{FloorAccess, FloorPeer, FloorTransport};
pub use health::{HealthCause, HealthEvent, TargetHealth, TerminationHealth};
pub use id::{CarrierId, InvalidId, MediaId, TransactionId, VoiceConnectorId};
pub use line::{MAX_CALL_LINES, MediaLine, MediaType, RelayedLines};
pub use listening::{
    BearerToken, Channel, ChannelLayout, KinesisVideoListener, ListenFailure, ListenedCall,
    ListenedUpdate, Listener, Listening, MAX_LISTENERS, MAX_ORDERED, MAX_WEB_SOCKETS,
    NotificationTargets, OrderedRecording, RecordingFormat, RecordingListener, RecordingSilence,
    Secret, WarningTone, WebSocketListener,
};
pub use media::{
    AllocationFailure, CodecMapping, IpFamily, LegPlan, LocalMedia, MediaCommand, MediaEvent,
    MediaPlan, MediaTimeouts, RtcpStyle, StreamKind, XrWishes,
};
pub use picture::{
    PictureCard, PictureContent, PictureFeedback, PictureFormat, PictureLayout, PictureSeat,
    PicturesShown, PicturesWithheld,
};
pub use playing::{AudioSource, OtherMedia, PlayFailure, PlayOutcome, Playing, Ringback};
pub use proxy::{ProxiedCall, ProxySessionId};
pub use quality::{
    Codecs, FaxView, Jitter, LossCounts, Mos, PeerView, PeerVoipMetrics, QualityReport,
    ReceivedView, ReportKind, SentView,
};
pub use recording::{Recording, RecordingFailure};
pub use refusal::Refusal;
pub use registration::{RegistrationEvent, RegistrationNews};
pub use room::{Dialled, MeetingDigits, ROOMS, ROOMS_CONNECTOR, RoomCall, RoomLine, RoomLinePart};
pub use rtcp_copy::RtcpCopy;
pub use sample::CallSample;
pub use srtp::{LegSecurity, SdesKeys, SrtpKey, SrtpSuite};
pub use time::{Instant, UnixTime};
pub use transcoding::{ComfortNoise, TranscodableFormat, Transcoding};
pub use transport::{ConnectionId, Flow, PeerIdentity, TransportProtocol};
pub use utterance::{LONGEST_UTTERANCE, Utterance};

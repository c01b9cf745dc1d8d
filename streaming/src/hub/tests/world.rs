//! Streams with real rings, and listeners that note what they are told.

use super::super::calls::Calls;
use super::super::listeners::Openers;
use super::super::statistics::{Counters, HubStatistics};
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use model::{
    CallDirection, Channel, Codec, CodecMapping, Instant, KinesisVideoListener, LegPlan,
    LegSecurity, LegSide, ListenedCall, ListenedUpdate, Listener, Listening, MediaId, MediaPlan,
    NotificationTargets, OrderedRecording, RecordingFormat, RecordingListener, TransactionId,
    UnixTime, VoiceConnectorId, XrWishes,
};
use relay_core::{
    LearningPolicy, ListenNews, ListenedStream, MediaSocket, RtpSession, listen_ring,
};
use rtp_proto::RtpHeader;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const L16: u8 = 97;
pub(super) const WAV: Listener =
    Listener::Recording(RecordingListener { format: RecordingFormat::Wav });
pub(super) const OGG: Listener =
    Listener::Recording(RecordingListener { format: RecordingFormat::OggOpus });
pub(super) const VIDEO: Listener = Listener::KinesisVideo(KinesisVideoListener {
    retention_hours: 1,
    mu_law: false,
    notify: NotificationTargets::NONE,
});

/// What an application has ordered.
pub(super) fn ordered() -> Listener {
    Listener::Ordered(OrderedRecording {
        order: 3,
        legs: [true, false],
        bucket: "demo".into(),
        prefix: "voice/".into(),
        longest: Duration::from_secs(60),
        silence: None,
    })
}

pub(super) fn millis(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// What a listener was told.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Told {
    Opened([bool; 2]),
    /// Side, place, the first sample, and how many are missing.
    Frame(LegSide, u64, i16, u32),
    Joined(LegSide),
    Update(ListenedUpdate),
    Ended(ConsumerEnd),
}

pub(super) type Notes = Arc<Mutex<Vec<Told>>>;

pub(super) struct Note(pub(super) Notes);

impl Note {
    fn note(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }
}

impl AudioConsumer for Note {
    fn audio(&mut self, frame: &Frame<'_>) {
        assert!(frame.samples[0] != 666, "this listener fails at such a sample");
        self.note(Told::Frame(frame.side, frame.at, frame.samples[0], frame.missing));
    }

    fn joined(&mut self, side: LegSide, _channel: &Channel) {
        self.note(Told::Joined(side));
    }

    fn update(&mut self, update: &ListenedUpdate) {
        self.note(Told::Update(update.clone()));
    }

    fn end(self: Box<Self>, end: ConsumerEnd) {
        self.note(Told::Ended(end));
    }
}

/// What was told of recordings in WAV, in Ogg and for an application; of no other kind there are
/// listeners.
pub(super) fn openers([wav, ogg, ordered]: [Notes; 3]) -> Openers {
    let notes = [wav, ogg];
    Openers {
        ordered: Some(Box::new(move |_, opening: &Opening| {
            let note = Note(Arc::clone(&ordered));
            note.note(Told::Opened(opening.channels.each_ref().map(Option::is_some)));
            Some(Box::new(note))
        })),
        recording: Some(Box::new(move |of: &RecordingListener, opening: &Opening| {
            let notes = &notes[usize::from(of.format == RecordingFormat::OggOpus)];
            let note = Note(Arc::clone(notes));
            note.note(Told::Opened(opening.channels.each_ref().map(Option::is_some)));
            Some(Box::new(note))
        })),
        ..Openers::default()
    }
}

/// When every stream begins, by the calendar.
pub(super) const BEGAN: UnixTime = UnixTime::from_millis(1_700_000_000_000);

/// A relayed stream of two legs.
pub(super) struct Stream {
    id: u64,
    session: RtpSession,
    sequence: [u16; 2],
}

impl Stream {
    pub(super) fn new(id: u64) -> Self {
        let call = TransactionId::from_random(1);
        let policy = LearningPolicy::default();
        let mut session = RtpSession::new(MediaId(id), call, Instant::ZERO, policy);
        session.apply(&MediaPlan::rtp([leg(4_000), leg(6_000)]), Instant::ZERO);
        Stream { id, session, sequence: [0; 2] }
    }

    /// Both legs, A and B, of call `call`.
    pub(super) fn listen(
        &mut self,
        call: u128,
        now: Instant,
        listeners: &[Listener],
    ) -> ListenNews {
        self.listen_to(call, now, listeners, [Some(LegSide::A), Some(LegSide::B)])
    }

    pub(super) fn listen_to(
        &mut self,
        call: u128,
        now: Instant,
        listeners: &[Listener],
        sides: [Option<LegSide>; 2],
    ) -> ListenNews {
        let (writer, reader) = listen_ring(64 * 1024);
        self.session.listen(writer, sides.map(|side| side.is_some()), now);
        let channel =
            |side| Channel { side, is_caller: side == LegSide::A, media_index: 0, label: None };
        let listening = Listening {
            call: Arc::new(listened(call)),
            channels: sides.map(|side| side.map(channel)),
            sample_rate: 8_000,
            listeners: listeners.to_vec(),
            tone: None,
            is_retry: false,
        };
        let (began, began_at) = (now, BEGAN);
        let id = MediaId(self.id);
        let voices = [None, None];
        let stream = ListenedStream { id, listening, reader, voices, began, began_at };
        ListenNews::Stream(Box::new(stream))
    }

    /// 20 ms of one value from a leg.
    pub(super) fn send(&mut self, leg: LegSide, now: Instant, value: i16) {
        let sequence = &mut self.sequence[leg.index()];
        *sequence += 1;
        let header = RtpHeader {
            payload_type: L16,
            marker: false,
            sequence: *sequence,
            timestamp: now.as_millis() as u32 * 8,
            ssrc: self.id as u32 * 2 + leg.index() as u32,
        };
        let mut octets = [header.to_bytes().as_slice(), &value.to_be_bytes().repeat(160)].concat();
        let source = address(if leg == LegSide::A { 4_000 } else { 6_000 });
        let len = octets.len();
        self.session.forward(leg, MediaSocket::Rtp, source, &mut octets, len, now);
    }

    /// Both legs speak from `from` on, `count` packets: 1, 2, … on A, -1, -2, … on B.
    pub(super) fn speak(&mut self, calls: &mut Calls, from: u64, count: i16) {
        for n in 0..count {
            let now = millis(from + n as u64 * 20);
            self.send(LegSide::A, now, n + 1);
            self.send(LegSide::B, now, -n - 1);
            calls.turn(now);
        }
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn leg(port: u16) -> LegPlan {
    LegPlan {
        remote_rtp: Some(address(port)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping {
            payload_type: L16,
            codec: Codec::L16,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

pub(super) fn listened(call: u128) -> ListenedCall {
    ListenedCall {
        transaction_id: TransactionId::from_random(call),
        voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
        call_id: "a@example.com".into(),
        direction: CallDirection::Outbound,
        from_number: "+12065550100".into(),
        to_number: "+12065550101".into(),
        invite_headers: Vec::new(),
        siprec_metadata: None,
    }
}

/// The calls of one thread, in time of our own.
pub(super) struct World {
    pub(super) calls: Calls,
    counters: Arc<Counters>,
    pub(super) wav: Notes,
    pub(super) ogg: Notes,
    pub(super) ordered: Notes,
}

impl World {
    pub(super) fn new(most: usize) -> Self {
        let (wav, ogg, ordered): (Notes, Notes, Notes) = Default::default();
        let counters: Arc<Counters> = Arc::default();
        let openers = Arc::new(openers([&wav, &ogg, &ordered].map(Arc::clone)));
        let calls = Calls::new(most, openers, Arc::clone(&counters));
        World { calls, counters, wav, ogg, ordered }
    }

    pub(super) fn statistics(&self) -> HubStatistics {
        self.counters.read()
    }

    /// Turns of 20 ms until then.
    pub(super) fn turns(&mut self, from: u64, until: u64) {
        for now in (from..=until).step_by(20) {
            self.calls.turn(millis(now));
        }
    }
}

/// Frames of a side: each one's first sample. They must follow on each other without holes.
pub(super) fn frames(notes: &Notes, side: LegSide) -> Vec<i16> {
    let mut next = None;
    let mut values = Vec::new();
    for told in notes.lock().unwrap().iter() {
        if let Told::Frame(of, at, value, _) = told
            && *of == side
        {
            assert!(next.is_none_or(|next| next == *at), "a hole before {at}");
            next = Some(at + 160);
            values.push(*value);
        }
    }
    values
}

pub(super) fn others(notes: &Notes) -> Vec<Told> {
    let is_other = |told: &&Told| !matches!(told, Told::Frame(..));
    notes.lock().unwrap().iter().filter(is_other).cloned().collect()
}

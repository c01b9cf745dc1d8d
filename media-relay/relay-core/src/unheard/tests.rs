use super::*;
use crate::{Decision, DropReason, LearningPolicy, MediaSocket};
use model::{CodecMapping, LegPlan, LegSecurity, MediaId, TransactionId};
use rtp_proto::RtpHeader;
use std::net::SocketAddr;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;
const LIMIT: Duration = Duration::from_secs(30);
const NOISE: u8 = 13;
const KEYS: u8 = 101;
const G729: u8 = 18;
const QUIET: [u8; 160] = [0xff; 160];
const LOUD: [u8; 160] = [0x10; 160];

fn address(leg: LegSide) -> SocketAddr {
    ([192, 0, 2, 1 + leg.index() as u8], 4_000).into()
}

fn plan(unheard_after: Option<Duration>) -> MediaPlan {
    let format = |payload_type, codec| CodecMapping {
        payload_type,
        codec,
        clock_rate: 8_000,
        packet_duration: Duration::from_millis(20),
    };
    let legs = LegSide::BOTH.map(|side| LegPlan {
        remote_rtp: Some(address(side)),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![
            format(0, Codec::Pcmu),
            format(G729, Codec::G729),
            format(NOISE, Codec::ComfortNoise),
            format(KEYS, Codec::TelephoneEvent),
        ],
        telephone_event: Some(KEYS),
        security: LegSecurity::Plain,
        ice: None,
        xr: model::XrWishes::default(),
    });
    MediaPlan { unheard_after, ..MediaPlan::rtp(legs) }
}

struct Call {
    session: RtpSession,
    now: Instant,
    sequence: u16,
}

impl Call {
    fn new(plan: &MediaPlan) -> Self {
        let id = TransactionId::from_random(1);
        let learning = LearningPolicy::default();
        let mut session = RtpSession::new(MediaId(1), id, Instant::ZERO, learning);
        session.apply(plan, Instant::ZERO);
        Call { session, now: Instant::ZERO, sequence: 0 }
    }

    /// A leg sends such packets for some seconds; what is told meanwhile.
    fn send(
        &mut self,
        from: LegSide,
        payload_type: u8,
        payload: &[u8],
        seconds: u64,
    ) -> Vec<(LegSide, Duration)> {
        let mut told = Vec::new();
        for _ in 0..seconds * 50 {
            let mut buffer = [0; 300];
            let (sequence, ssrc) = (self.sequence, 7);
            let timestamp = u32::from(sequence) * 160;
            let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc };
            header.write_header(&mut buffer).unwrap();
            buffer[12..12 + payload.len()].copy_from_slice(payload);
            let (socket, len) = (MediaSocket::Rtp, 12 + payload.len());
            self.session.forward(from, socket, address(from), &mut buffer, len, self.now);
            self.now += Duration::from_millis(20);
            self.sequence += 1;
            told.extend(self.session.poll_unheard(self.now));
        }
        told
    }
}

#[test]
fn a_leg_that_sends_but_silence_is_told_once() {
    let mut call = Call::new(&plan(Some(LIMIT)));
    assert_eq!(call.session.unheard_deadline(), None);
    assert_eq!(call.send(A, 0, &QUIET, 29), []);
    assert_eq!(call.session.unheard_deadline(), Some(Instant::ZERO + LIMIT));
    assert_eq!(call.send(A, 0, &QUIET, 10), [(A, LIMIT)]);
    assert_eq!(call.session.unheard_deadline(), None);
    assert!(!call.session.is_listening(A) && call.session.is_listening(B));
}

#[test]
fn comfort_noise_and_keys_are_not_speech() {
    let mut call = Call::new(&plan(Some(LIMIT)));
    call.send(A, NOISE, &[40], 15);
    assert_eq!(call.send(A, KEYS, &[1, 0x8a, 3, 0x20], 16), [(A, LIMIT)]);
}

#[test]
fn who_was_heard_once_is_never_listened_to_again() {
    let mut call = Call::new(&plan(Some(LIMIT)));
    call.send(A, 0, &QUIET, 20);
    assert!(call.session.is_listening(A));
    assert_eq!(call.session.fast_forward(A, call.now), None);
    call.send(A, 0, &LOUD, 1);
    // A microphone that is muted.
    assert_eq!(call.send(A, 0, &QUIET, 100), []);
    assert!(!call.session.is_listening(A));
    call.session.apply(&plan(Some(LIMIT)), call.now);
    assert_eq!(call.send(A, 0, &QUIET, 100), [], "nor after a new offer");
    call.send(B, 0, &LOUD, 2);
    assert!(call.session.fast_forward(A, call.now).is_some(), "the kernel may have it back");
}

#[test]
fn what_cannot_be_read_counts_as_heard() {
    let mut call = Call::new(&plan(Some(LIMIT)));
    assert_eq!(call.send(A, G729, &[0; 20], 60), []);
    assert!(!call.session.is_listening(A));
}

#[test]
fn hold_and_packets_that_do_not_come_are_silence_of_another_kind() {
    let mut held = plan(Some(LIMIT));
    held.legs[0].accepts_from = false;
    let mut call = Call::new(&plan(Some(LIMIT)));
    call.send(A, 0, &QUIET, 20);
    call.session.apply(&held, call.now);
    assert_eq!(call.send(A, 0, &QUIET, 60), []);
    call.session.apply(&plan(Some(LIMIT)), call.now);
    assert_eq!(call.send(A, 0, &QUIET, 29), []);
    // Then nothing comes at all.
    call.now += LIMIT;
    assert_eq!(call.session.poll_unheard(call.now), None);
    assert_eq!(call.send(A, 0, &QUIET, 29), []);
    assert_eq!(call.send(A, 0, &QUIET, 2), [(A, LIMIT)]);
}

#[test]
fn without_a_limit_nobody_listens() {
    let mut call = Call::new(&plan(None));
    assert_eq!(call.send(A, 0, &QUIET, 100), []);
    assert!(!call.session.is_listening(A));
    let from: SocketAddr = ([203, 0, 113, 5], 4_000).into();
    call.session.apply(&plan(Some(LIMIT)), call.now);
    // Nor to strangers.
    let mut buffer = [0x80; 200];
    let decision = call.session.forward(A, MediaSocket::Rtp, from, &mut buffer, 172, call.now);
    assert_eq!(decision, Decision::Drop(DropReason::WrongSource));
    assert_eq!(call.session.unheard_deadline(), None);
}

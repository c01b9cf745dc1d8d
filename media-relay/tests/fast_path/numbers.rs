//! Directions whose numbers the kernel changes: keys or audio of ours went to the leg before, or its
//! media has sources of ours.

use super::*;
use model::{AudioSource, DtmfKey, LegSide, OtherMedia, PlayOutcome, Playing, RtcpStyle};
use rtp_proto::RtpPacket;

/// More than a ring takes between two turns of the worker is not asked of it.
const ROUND: u64 = 40;
/// The callee's source.
const CALLEE: u32 = 9;

/// A caller who speaks, and what the callee hears: one source whose numbers have no seam.
struct Call {
    rig: Rig,
    sent: u64,
    heard: u64,
    /// Source and sequence number of the last packet that the callee got.
    last: Option<(u32, u16)>,
    /// Timestamp of the caller's last audio there; `None` where another run of timestamps begins.
    timestamp: Option<u32>,
}

/// A packet at the callee.
struct Got {
    payload_type: u8,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Call {
    /// Both directions are the kernel's, and the caller has spoken last.
    fn new(v6: bool) -> Option<Call> {
        let rig = Rig::new(v6)?;
        rig.world.verify_checksums();
        let mut call = Call { rig, sent: 0, heard: 0, last: None, timestamp: None };
        call.answer();
        let begin = now();
        while call.rig.relay.statistics().fast_streams < 2 {
            assert!(now() - begin < DEADLINE, "{:?}", call.rig.relay.statistics());
            call.pass();
        }
        Some(call)
    }

    /// The callee speaks once, with another source than the caller's; as the caller knows it.
    fn answer(&mut self) -> u32 {
        let to = self.rig.relay_at(End::Callee);
        self.rig.end(End::Callee).send_to(&rtp(1, CALLEE), to).unwrap();
        self.sent += 1;
        let mut buffer = [0; 2048];
        let (length, _) = receive(self.rig.end(End::Caller), &mut buffer).expect("it arrives");
        RtpPacket::parse(&buffer[..length]).unwrap().ssrc()
    }

    /// The next packet at the callee.
    fn hear(&mut self) -> Got {
        let mut buffer = [0; 2048];
        let callee = self.rig.end(End::Callee);
        let begin = now();
        let length = loop {
            assert!(now() - begin < DEADLINE, "only reports arrive");
            let (length, source) = receive(callee, &mut buffer).expect("a packet arrives");
            assert_eq!(source, self.rig.relay_at(End::Callee));
            // Reports of the relay's own come to the same port (RFC 5761).
            if !(192..=223).contains(&buffer[1]) {
                break length;
            }
        };
        let packet = RtpPacket::parse(&buffer[..length]).unwrap();
        let now = (packet.ssrc(), packet.sequence());
        if let Some((ssrc, sequence)) = self.last.replace(now) {
            assert_eq!(now, (ssrc, sequence.wrapping_add(1)), "one source, one number more");
        }
        self.heard += 1;
        Got {
            payload_type: packet.payload_type(),
            timestamp: packet.timestamp(),
            payload: packet.payload().to_vec(),
        }
    }

    /// Sends one packet of the caller, and hears it.
    fn pass(&mut self) {
        let packet = self.rig.packet();
        let to = self.rig.relay_at(End::Caller);
        self.rig.end(End::Caller).send_to(&packet, to).unwrap();
        self.sent += 1;
        let got = loop {
            let got = self.hear();
            if got.payload_type == 0 {
                break got;
            }
        };
        assert_eq!(got.payload, packet[12..], "the audio is the caller's");
        if let Some(before) = self.timestamp.replace(got.timestamp) {
            assert_eq!(got.timestamp.wrapping_sub(before), 160);
        }
    }

    /// Passes a packet that is user space's to decide about, and with it what follows.
    fn goes_through_the_sockets(&mut self) {
        self.timestamp = None;
        self.pass();
        let rig = &self.rig;
        rig.until("the sockets carry it", || rig.relay.statistics().fast_streams == 1);
    }

    /// Passes packets until the kernel forwards them, and then some that it does.
    fn goes_through_the_kernel(&mut self) {
        let begin = now();
        while self.rig.relay.statistics().fast_streams < 2 {
            assert!(now() - begin < DEADLINE, "{:?}", self.rig.relay.statistics());
            self.pass();
        }
        for _ in 0..3 {
            let (rig, sent) = (&self.rig, self.sent);
            let passed = || {
                let statistics = rig.relay.statistics();
                statistics.rtp_packets - statistics.made_packets
            };
            rig.until("all before is counted", || passed() == sent);
            let before = rig.fast_packets();
            (0..ROUND).for_each(|_| self.pass());
            self.rig.until_counted(before + ROUND);
        }
    }

    /// Sends the callee a key, and hears how it begins and ends.
    fn press(&mut self) {
        let duration = Duration::from_millis(100);
        let (leg, key) = (LegSide::B, DtmfKey::from_event(5).unwrap());
        self.rig.relay.command(MediaCommand::SendEvent { id: ID, leg, key, duration }).unwrap();
        // The last packet comes three times (RFC 4733 section 2.5.1.4).
        let mut ends = 0;
        while ends < 3 {
            let got = self.hear();
            assert_eq!((got.payload_type, got.payload[0]), (101, 5));
            ends += u32::from(got.payload[1] & 0x80 != 0);
        }
    }

    /// Plays the callee a fifth of a second, and hears it.
    fn play(&mut self) {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0".to_vec();
        file.extend([0; 6]);
        file.extend(*b"\x08\0data\x40\x06\0\0");
        file.extend([0x55; 1_600]);
        let source = AudioSource::Octets(file.into());
        let playing = Playing { source, start: 0, rounds: Some(1), with: OtherMedia::Yields };
        self.rig.relay.command(MediaCommand::Play { id: ID, leg: LegSide::B, playing }).unwrap();
        for _ in 0..10 {
            assert_eq!(self.hear().payload, [0x55; 160]);
        }
        let finished = |event| match event {
            MediaEvent::Played { outcome, .. } => Some(outcome),
            _ => None,
        };
        let mut events = std::iter::from_fn(|| self.rig.events.recv_timeout(DEADLINE).ok());
        assert_eq!(events.find_map(finished), Some(PlayOutcome::Finished));
        self.timestamp = None;
    }

    /// Nothing was lost, and nothing counted twice.
    fn ends_well(self) {
        let Call { rig, sent, heard, .. } = self;
        let made = rig.relay.statistics().made_packets;
        rig.until("all is counted", || rig.relay.statistics().rtp_packets == sent + made);
        assert_eq!(rig.world.wrong_checksums(End::Callee), 0);
        let reports = rig.release();
        let received = reports.each_ref().map(|report| report.received);
        assert_eq!(received[0].rtp_packets + received[1].rtp_packets, sent);
        assert_eq!(received[0].duplicated + received[0].reordered, 0);
        assert_eq!(received[0].loss.lost, 0);
        let [_, callee] = &reports;
        assert_eq!(callee.sent.rtp_packets, received[0].rtp_packets + made);
        assert_eq!((callee.sent.rtp_packets, callee.sent.dropped), (heard, 0));
        assert!(made > 0);
        assert_eq!(rig.relay.statistics().unmeasured_packets, 0);
    }
}

fn keys(v6: bool) {
    let Some(mut call) = Call::new(v6) else { return };
    call.press();
    call.goes_through_the_kernel();
    // Another source, and one that starts over: both are user space's first.
    call.rig.ssrc = 8;
    call.goes_through_the_sockets();
    call.goes_through_the_kernel();
    call.rig.sequence = call.rig.sequence.wrapping_add(20_000);
    call.goes_through_the_sockets();
    call.goes_through_the_kernel();
    // And a key among what the kernel forwards.
    call.press();
    call.pass();
    call.press();
    call.goes_through_the_kernel();
    call.ends_well();
}

#[test]
fn after_keys_the_kernel_goes_on_with_the_same_numbers() {
    keys(false);
}

#[test]
fn after_keys_the_kernel_goes_on_with_the_same_numbers_of_ipv6() {
    keys(true);
}

fn music(v6: bool) {
    let Some(mut call) = Call::new(v6) else { return };
    for _ in 0..2 {
        call.play();
        call.goes_through_the_kernel();
    }
    call.ends_well();
}

#[test]
fn after_music_the_kernel_goes_on_with_the_same_numbers() {
    music(false);
}

#[test]
fn after_music_the_kernel_goes_on_with_the_same_numbers_of_ipv6() {
    music(true);
}

/// On the slots and rings of a stream whose numbers changed before.
#[test]
fn sources_of_ours_go_through_the_kernel() {
    let Some(mut call) = Call::new(false) else { return };
    call.press();
    call.goes_through_the_kernel();
    call.rig.release();
    let before = call.rig.relay.statistics().rtp_packets;
    let families = [IpFamily::V4; 2];
    let transaction_id = TransactionId::from_random(2);
    let line = Default::default();
    let wanted =
        MediaCommand::Allocate { id: ID, transaction_id, families, emergency: false, line };
    call.rig.relay.command(wanted).unwrap();
    let allocated = |event| match event {
        MediaEvent::Allocated { local, .. } => Some(local),
        _ => None,
    };
    let mut events = std::iter::from_fn(|| call.rig.events.recv_timeout(DEADLINE).ok());
    call.rig.local = events.find_map(allocated).expect("ports");
    call.rig.plan.rtcp = Some(RtcpStyle::BackToBack);
    call.rig.apply();
    (call.last, call.timestamp) = (None, None);
    call.pass();
    let (source, _) = call.last.unwrap();
    assert_ne!(source, SSRC, "another source than the caller's");
    assert_ne!(call.answer(), CALLEE);
    call.goes_through_the_kernel();
    assert_eq!(call.rig.world.wrong_checksums(End::Callee), 0);
    let [_, callee] = call.rig.release();
    let both_ways = call.rig.relay.statistics().rtp_packets - before;
    assert_eq!(callee.sent.rtp_packets + 1, both_ways);
}

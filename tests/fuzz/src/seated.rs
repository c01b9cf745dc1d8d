//! Pictures of a relayed stream on their way through a room's switch, and back to the same leg.

use model::Instant;
use relay_core::{PictureRings, PictureSent, RtpSession, picture_rings};
use room_video::h264::{H264Format, PacketizationMode};
use room_video::{
    LimitWays, Line, OutboundSettings, Participant, ReceiverSettings, RequestWays, SourceSettings,
    StreamKey, VideoFormat, VideoSwitch,
};
use rtp_proto::RtpPacket;

/// The leg's payload type of pictures.
const NUMBER: u8 = 0;

/// A leg that sends one participant's pictures and sees another's, which are the same packets.
pub(crate) struct Seated {
    rings: PictureRings,
    switch: VideoSwitch,
}

impl Seated {
    pub(crate) fn new(stream: &mut RtpSession, now: Instant) -> Self {
        let (ends, rings) = picture_rings();
        let numbers = stream.sit_picture(ends, NUMBER, now, &mut || 0x0123_4567_89ab_cdef);
        stream.send_pictures_again();
        let format = H264Format::parse("profile-level-id=42e01f;packetization-mode=1");
        let Ok(format) = format else { panic!("the fixed format is one") };
        let format = VideoFormat::H264(Box::new(format));
        let mut switch = VideoSwitch::new();
        let source = SourceSettings {
            format: format.clone(),
            requests: RequestWays { picture_loss: true, full_intra: true },
            limits: LimitWays { remb: true, tmmbr: true },
            high_definition: false,
            sends_again: true,
        };
        assert_eq!(switch.add_source(now, sends(), source), Ok(()));
        let outbound = OutboundSettings {
            ssrc: numbers.ssrc,
            payload_type: NUMBER,
            first_sequence: numbers.sequence,
            first_timestamp: numbers.timestamp,
            payload_limit: 1_400,
            mode: Some(PacketizationMode::NonInterleaved),
        };
        let receiver = ReceiverSettings { format, outbound, most_bits_per_second: u64::MAX };
        assert_eq!(switch.add_receiver(now, sees(), receiver), Ok(()));
        Seated { rings, switch }
    }

    /// Takes what the leg has sent, and gives it what it is to see.
    ///
    /// # Panics
    /// When what comes out of the ring is not what may be in it.
    pub(crate) fn turn(&mut self, now: Instant) {
        let mut octets = Vec::new();
        let Seated { rings, switch } = self;
        while let Some((kind, arrival)) = rings.sent.read(&mut octets) {
            assert!(arrival <= now, "it has come");
            if kind == PictureSent::Report {
                switch.handle_rtcp(now, sees().participant, &octets);
                continue;
            }
            let Ok(packet) = RtpPacket::parse(&octets) else { panic!("the relay has read it") };
            assert_eq!(packet.payload_type(), NUMBER);
            let given = &mut rings.given;
            switch.handle_rtp(now, sends(), &packet, &mut |to, out| {
                assert_eq!(to, sees());
                let mut packet = [0; relay_core::LONGEST_PICTURE];
                let Some(len) = out.write(&mut packet) else { panic!("it is no longer than that") };
                given.packet(&packet[..len]);
            });
        }
        if rings.signs.take_needs_key_frame() {
            switch.refresh(now, sees());
        }
        switch.rename(sees(), rings.signs.ssrc());
    }
}

fn sends() -> StreamKey {
    StreamKey { participant: Participant(0), line: Line::Main }
}

fn sees() -> StreamKey {
    StreamKey { participant: Participant(1), line: Line::Main }
}

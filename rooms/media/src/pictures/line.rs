//! One line of pictures of one participant.

use super::PictureTurn;
use super::composing::Composing;
use crate::statistics::PictureTally;
use media_relay::SeatedPicture;
use model::{Instant, PictureContent, PictureFormat, PicturesWithheld};
use relay_core::LONGEST_PICTURE;
use room_grid::GridSize;
use room_video::h264::{H264Format, Limits};
use room_video::{
    LimitWays, Line, OutboundSettings, Outgoing, ReceiverSettings, RequestWays, SourceSettings,
    StreamKey, VANISHED, VideoFormat, VideoSwitch,
};
use std::sync::Arc;
use std::time::Duration;

/// Octets of a payload: in a datagram of 1,500 octets over IPv6 with SRTP's tag there is room for 1,424.
const PAYLOAD: usize = 1_400;
/// Macroblocks of a picture of 1,280 x 720: who may send as large ones may send 1.4 Mbit/s.
const HIGH_DEFINITION: u32 = 3_600;

/// A line that takes part.
pub(super) struct PictureLine {
    pub(super) key: StreamKey,
    pub(super) stream: Box<SeatedPicture>,
    sends: VideoFormat,
    receives: VideoFormat,
    /// As the switch knows it.
    pub(super) is_hidden: bool,
    ssrc: u32,
    round_trip: Option<Duration>,
    withheld: PicturesWithheld,
    pub(super) last_packet: Option<Instant>,
    /// The source of its reports; 0 before the first.
    pub(super) reporter: u32,
    /// More waited than was taken in the last turn.
    pub(super) is_unfinished: bool,
    lost: u64,
}

impl PictureLine {
    /// One that nobody has been told of.
    ///
    /// # Errors
    /// Its parameters cannot be read.
    pub(super) fn new(key: StreamKey, stream: Box<SeatedPicture>) -> Result<Self, String> {
        let (sends, receives) = match &stream.seat.format {
            PictureFormat::Vp8 => (VideoFormat::Vp8, VideoFormat::Vp8),
            PictureFormat::H264 { sends, receives } => (h264(sends)?, h264(receives)?),
        };
        let ssrc = stream.numbers.ssrc;
        Ok(PictureLine {
            key,
            stream,
            sends,
            receives,
            // Until it is shown.
            is_hidden: true,
            ssrc,
            round_trip: None,
            withheld: PicturesWithheld::default(),
            last_packet: None,
            reporter: 0,
            is_unfinished: true,
            lost: 0,
        })
    }

    /// What the switch is told of its receiving.
    pub(super) fn receives(&self) -> ReceiverSettings {
        let numbers = self.stream.numbers;
        ReceiverSettings {
            format: self.receives.clone(),
            outbound: OutboundSettings {
                ssrc: numbers.ssrc,
                payload_type: self.stream.seat.payload_type,
                first_sequence: numbers.sequence,
                first_timestamp: numbers.timestamp,
                payload_limit: PAYLOAD,
                mode: match &self.receives {
                    VideoFormat::H264(format) => Some(format.mode),
                    VideoFormat::Vp8 => None,
                },
            },
            most_bits_per_second: self.most_bits_per_second(),
        }
    }

    fn sends(&self) -> SourceSettings {
        let feedback = self.stream.seat.feedback;
        let high_definition = match &self.sends {
            VideoFormat::H264(format) => format.limits().macroblocks >= HIGH_DEFINITION,
            VideoFormat::Vp8 => true,
        };
        SourceSettings {
            format: self.sends.clone(),
            requests: RequestWays { picture_loss: feedback.pli, full_intra: feedback.fir },
            limits: LimitWays { remb: feedback.remb, tmmbr: feedback.tmmbr },
            high_definition,
            sends_again: feedback.nack,
        }
    }

    /// Follows what the relay says of it; whether others are to see something else.
    pub(super) fn follow_signs(&mut self, now: Instant, switch: &mut VideoSwitch) -> bool {
        let signs = &self.stream.rings.signs;
        let ssrc = signs.ssrc();
        if ssrc != self.ssrc {
            self.ssrc = ssrc;
            switch.rename(self.key, ssrc);
        }
        if signs.take_needs_key_frame() {
            switch.refresh(now, self.key);
        }
        let is_changed = self.show(now, switch);
        let round_trip = self.stream.rings.signs.round_trip();
        if round_trip != self.round_trip {
            self.round_trip = round_trip;
            switch.set_round_trip(self.key, round_trip);
        }
        is_changed
    }

    /// Hides it, or shows it, and the others to it, where that has changed; whether it has.
    pub(super) fn show(&mut self, now: Instant, switch: &mut VideoSwitch) -> bool {
        let withheld = self.stream.rings.signs.withheld();
        let is_changed = withheld != self.withheld;
        if is_changed {
            self.withheld = withheld;
            let PicturesWithheld { cameras, slides } = withheld;
            switch.withhold(now, self.key, [cameras, slides]);
        }
        let is_hidden = self.stream.rings.signs.is_hidden();
        if is_hidden == self.is_hidden {
            return is_changed;
        }
        self.is_hidden = is_hidden;
        if is_hidden {
            switch.remove_source(now, self.key);
        } else if switch.add_source(now, self.key, self.sends()).is_err() {
            // Its number was given out here.
            tracing::error!(
                media = self.stream.id.0,
                "a line has a number that the switch has not"
            );
        } else {
            // It is told to the new source.
            self.round_trip = None;
        }
        true
    }

    /// The size of a composed picture that it asks for and can be given, where so many are made a second.
    pub(super) fn asks_grid(&self, per_second: u32) -> Option<GridSize> {
        // Who may see no camera sees none in a composed picture.
        if !self.stream.rings.signs.wants_grid() || self.withheld.cameras {
            return None;
        }
        grid_of(self.h264()?.limits(), self.may_send_high(), per_second)
    }

    /// Whether it may send pictures of 1,280 x 720 in H.264, as it was agreed.
    pub(super) fn may_send_high(&self) -> bool {
        matches!(&self.sends, VideoFormat::H264(format)
            if format.limits().macroblocks >= HIGH_DEFINITION)
    }

    /// What it decodes of H.264.
    pub(super) fn h264(&self) -> Option<&H264Format> {
        match &self.receives {
            VideoFormat::H264(format) => Some(format),
            VideoFormat::Vp8 => None,
        }
    }

    /// Whether it is a camera whose picture comes now.
    pub(super) fn sends_camera(&self, now: Instant) -> bool {
        let comes = self.last_packet.is_some_and(|last| now - last < VANISHED);
        self.key.line == Line::Main && comes && !self.is_hidden
    }

    /// Whether what it sends can be composed with others.
    pub(super) const fn sends_h264(&self) -> bool {
        matches!(self.sends, VideoFormat::H264(_))
    }

    /// bit/s that it receives at most.
    pub(super) fn most_bits_per_second(&self) -> u64 {
        self.stream.seat.most_bits_per_second.unwrap_or(u64::MAX)
    }

    /// bit/s of a composed picture at most: what is made for it keeps the limits of what it decodes.
    pub(super) fn most_of_grid(&self, format: &H264Format) -> u64 {
        let decodes = u64::from(format.limits().kilobits_per_second) * 1_000;
        self.most_bits_per_second().min(decodes)
    }

    /// What stands in its picture.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.stream.seat.name)
    }

    /// Notes who reports: RFC 3550 section 6.1, each compound begins with an SR or RR of it.
    pub(super) fn note_report(&mut self, octets: &[u8]) {
        if let Some(ssrc) = octets.get(4..8).and_then(<[u8]>::first_chunk) {
            self.reporter = u32::from_be_bytes(*ssrc);
        }
    }

    pub(super) fn count_lost(&mut self, tally: &mut PictureTally) {
        let lost = self.stream.rings.sent.lost();
        tally.lost_packets += lost - std::mem::replace(&mut self.lost, lost);
    }

    /// Its worker has something to send.
    pub(super) fn ring(&self, turn: &mut PictureTurn<'_>) {
        let bell = &self.stream.bell;
        if !turn.bells.iter().any(|known| known.is_same(bell)) {
            turn.bells.push(bell.clone());
        }
    }
}

/// The largest composed picture that a decoder takes, where so many are made a second.
fn grid_of(decodes: Limits, may_high: bool, per_second: u32) -> Option<GridSize> {
    let fits =
        |size: &GridSize| size.fits(decodes, per_second) && (may_high || *size != GridSize::High);
    GridSize::ALL.into_iter().rev().find(fits)
}

/// Gives a line, or whoever composes, a packet of the switch.
pub(super) fn packet_to(
    lines: &mut [PictureLine],
    places: &[Option<u16>],
    composing: &mut Composing,
    to: StreamKey,
    packet: &Outgoing<'_>,
    turn: &mut PictureTurn<'_>,
) {
    if !composing.packet(to, packet) {
        line_packet(lines, places, to, packet, turn);
    }
}

/// Gives a line a packet of the switch.
pub(super) fn line_packet(
    lines: &mut [PictureLine],
    places: &[Option<u16>],
    to: StreamKey,
    packet: &Outgoing<'_>,
    turn: &mut PictureTurn<'_>,
) {
    let Some(line) = find(lines, places, to) else { return };
    let mut octets = [0; LONGEST_PICTURE];
    let written = packet.write(&mut octets).and_then(|len| octets.get(..len));
    if written.is_some_and(|octets| line.stream.rings.given.packet(octets)) {
        turn.tally.given += 1;
    } else {
        turn.tally.lost_given += 1;
    }
    line.ring(turn);
}

/// The line with a number.
pub(super) fn find<'a>(
    lines: &'a mut [PictureLine],
    places: &[Option<u16>],
    key: StreamKey,
) -> Option<&'a mut PictureLine> {
    let at = (*places.get(index(key))?)?;
    lines.get_mut(usize::from(at))
}

/// A line's place among all that there may be.
pub(super) const fn index(key: StreamKey) -> usize {
    key.participant.0 as usize * 2 + key.line as usize
}

/// The switch's word for what a line is for.
pub(super) const fn of(content: PictureContent) -> Line {
    match content {
        PictureContent::Main => Line::Main,
        PictureContent::Slides => Line::Slides,
    }
}

fn h264(parameters: &str) -> Result<VideoFormat, String> {
    let format = H264Format::parse(parameters);
    let format = format.map_err(|error| format!("H.264 with \"{parameters}\": {error}"))?;
    Ok(VideoFormat::H264(Box::new(format)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composed_picture_keeps_all_limits_of_who_decodes_it() {
        let of = |parameters: &str, may_high, per_second| {
            grid_of(H264Format::parse(parameters).unwrap().limits(), may_high, per_second)
        };
        for (parameters, may_high, per_second, size) in [
            ("profile-level-id=42e01f", true, 30, Some(GridSize::High)),
            ("profile-level-id=42e01f", false, 30, Some(GridSize::Usual)),
            ("profile-level-id=42e01e", true, 30, Some(GridSize::Usual)),
            ("profile-level-id=42e016", false, 15, Some(GridSize::Usual)),
            // 27,600 macroblocks a second of 20,250.
            ("profile-level-id=42e016", false, 30, Some(GridSize::Small)),
            ("profile-level-id=42e016;max-mbps=27600", false, 30, Some(GridSize::Usual)),
            ("profile-level-id=42e00c", false, 15, Some(GridSize::Small)),
            // 3,600 of 3,000.
            ("profile-level-id=42e00b", false, 15, None),
            ("profile-level-id=42e00b", false, 12, Some(GridSize::Small)),
            ("profile-level-id=42e00a", false, 5, None),
        ] {
            assert_eq!(of(parameters, may_high, per_second), size, "{parameters}, {per_second}/s");
        }
    }
}

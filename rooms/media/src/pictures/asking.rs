//! What lines are asked for, as RTCP or by signalling.

use super::line::{PictureLine, find};
use super::{PictureTurn, StreamKey};
use room_video::{Feedback, LimitWays, RequestWays};
use rtp_proto::rtcp::{
    FullIntraRequest, MaxBitRate, write_full_intra_request, write_max_bit_rates, write_nack,
    write_picture_loss, write_remb,
};

/// Octets of IPv4, UDP and RTP in front of a payload, which a limit by TMMBR counts (RFC 5104 section 4.2.1.1).
const OVERHEAD: u16 = 40;
/// The relay knows who sends.
const SENDER: u32 = 0;

/// Writes feedback; keeps the memory for it.
#[derive(Debug, Default)]
pub(super) struct Asked {
    packets: Vec<u8>,
}

impl Asked {
    /// Sends one thing to the line that it is for.
    pub(super) fn say(
        &mut self,
        lines: &mut [PictureLine],
        places: &[Option<u16>],
        feedback: &Feedback,
        turn: &mut PictureTurn<'_>,
    ) {
        let Some(line) = find(lines, places, to(feedback)) else { return };
        self.packets.clear();
        match *feedback {
            Feedback::KeyFrame { ssrc, ways, number, .. } => {
                turn.tally.key_frames += 1;
                if ways.by_signalling() {
                    if line.stream.seat.feedback.info
                        && !line.stream.rings.given.want_by_signalling()
                    {
                        turn.tally.lost_given += 1;
                    }
                } else if let Some(ssrc) = ssrc {
                    self.ask_key_frame(ssrc, ways, number);
                }
            }
            Feedback::Limit { ssrc: Some(ssrc), ways, bits_per_second, .. } => {
                turn.tally.limits += 1;
                self.limit(ssrc, ways, bits_per_second);
            }
            // Nothing has come that could be less.
            Feedback::Limit { ssrc: None, .. } => {}
            Feedback::LimitTaken { bits_per_second, .. } => {
                let owner = MaxBitRate { ssrc: line.reporter, bits_per_second, overhead: OVERHEAD };
                write_max_bit_rates(&mut self.packets, SENDER, true, &[owner]);
            }
            Feedback::Missing { ssrc, packets, .. } => {
                turn.tally.nacks += 1;
                write_nack(&mut self.packets, SENDER, ssrc, packets.entries());
            }
        }
        if !self.packets.is_empty() && !line.stream.rings.given.feedback(&self.packets) {
            turn.tally.lost_given += 1;
        }
        line.ring(turn);
    }

    fn ask_key_frame(&mut self, ssrc: u32, ways: RequestWays, sequence: u8) {
        if ways.picture_loss {
            write_picture_loss(&mut self.packets, SENDER, ssrc);
        }
        if ways.full_intra {
            let request = FullIntraRequest { ssrc, sequence };
            write_full_intra_request(&mut self.packets, SENDER, &[request]);
        }
    }

    fn limit(&mut self, ssrc: u32, ways: LimitWays, bits_per_second: u64) {
        if ways.remb {
            write_remb(&mut self.packets, SENDER, ssrc, bits_per_second);
        }
        if ways.tmmbr {
            let limit = MaxBitRate { ssrc, bits_per_second, overhead: OVERHEAD };
            write_max_bit_rates(&mut self.packets, SENDER, false, &[limit]);
        }
    }
}

const fn to(feedback: &Feedback) -> StreamKey {
    match feedback {
        Feedback::KeyFrame { to, .. }
        | Feedback::Limit { to, .. }
        | Feedback::LimitTaken { to, .. }
        | Feedback::Missing { to, .. } => *to,
    }
}

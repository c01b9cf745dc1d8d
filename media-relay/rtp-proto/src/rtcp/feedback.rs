//! Feedback messages (RFC 4585 section 6.1): generic NACK, picture loss and full intra requests; all
//! others (REMB, transport-wide congestion control) pass through uninterpreted.

use super::{Frame, RtcpError, packet_type, write_packet};
use crate::wire::{u16_at, u32_at};

const GENERIC_NACK: u8 = 1;
/// Temporary maximum media stream bit rate, asked for and answered (RFC 5104 section 4.2).
const MAX_BIT_RATE: [u8; 2] = [3, 4];
/// Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01): its
/// numbers stand in a header extension.
const TRANSPORT_WIDE: u8 = 15;
const PICTURE_LOSS: u8 = 1;
const SLICE_LOSS: u8 = 2;
const REFERENCE_PICTURE: u8 = 3;
const FULL_INTRA_REQUEST: u8 = 4;
/// Temporal and spatial trade-off, asked for and answered (RFC 5104 sections 4.3.2 and 4.3.3).
const TRADE_OFF: [u8; 2] = [5, 6];
/// Application layer feedback (RFC 4585 section 6.4).
const APPLICATION_LAYER: u8 = 15;
/// Receiver estimated maximum bit rate (draft-alvestrand-rmcat-remb-03): before its sources stand its
/// name, their number and the rate.
const REMB: &[u8; 4] = b"REMB";
const REMB_SOURCES: usize = 8;
const NACK_BYTES: usize = 4;
const FIR_BYTES: usize = 8;

/// Which of the two feedback packet types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FeedbackKind {
    /// RTPFB, 205: for example a generic NACK.
    Transport,
    /// PSFB, 206: for example a picture loss indication.
    PayloadSpecific,
}

/// A feedback message over borrowed bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feedback<'a> {
    /// The packet type.
    pub kind: FeedbackKind,
    /// Feedback message type, 0 to 31.
    pub format: u8,
    /// Who sends.
    pub sender_ssrc: u32,
    /// Of which source it speaks.
    pub media_ssrc: u32,
    /// Feedback control information.
    pub control: &'a [u8],
}

/// What a feedback message asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedbackMessage<'a> {
    /// Packets to send again (RFC 4585 section 6.2.1).
    Nack(Nacks<'a>),
    /// A picture was lost (RFC 4585 section 6.3.1).
    PictureLoss,
    /// A whole picture is asked of each of these sources (RFC 5104 section 4.3.1).
    FullIntraRequest(FullIntraRequests<'a>),
    /// Any other, and what does not fit its format.
    Other,
}

/// Of what the control information of a message speaks, for whoever passes it on where sources or
/// numbers are other ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeedbackSubject<'a> {
    /// Of nothing that is named there: the header says of which source.
    Header,
    /// Of packets, by their sequence numbers.
    Packets(Nacks<'a>),
    /// Of sources: one stands every `every` octets, from octet `first` on, to the end.
    Sources {
        /// Octets before the first one.
        first: usize,
        /// Octets from one to the next.
        every: usize,
    },
    /// Of a payload type, and packets or pictures of it.
    PayloadType,
}

/// The entries of a generic NACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nacks<'a> {
    entries: &'a [u8],
}

/// One entry of a generic NACK: a lost packet and a bit for each of the 16 after it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Nack {
    /// PID: the sequence number of a lost packet.
    pub packet: u16,
    /// BLP: bit n stands for the packet n + 1 after it.
    pub following: u16,
}

/// The entries of a full intra request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FullIntraRequests<'a> {
    entries: &'a [u8],
}

/// One entry of a full intra request.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct FullIntraRequest {
    /// Which source is to send one.
    pub ssrc: u32,
    /// Counts requests: the same number is the same request again.
    pub sequence: u8,
}

impl<'a> Feedback<'a> {
    pub(crate) fn parse(frame: &Frame<'a>, kind: FeedbackKind) -> Result<Self, RtcpError> {
        Ok(Feedback {
            kind,
            format: frame.count,
            sender_ssrc: u32_at(frame.body, 0).ok_or(frame.inner_error())?,
            media_ssrc: u32_at(frame.body, 4).ok_or(frame.inner_error())?,
            control: frame.body.get(8..).unwrap_or_default(),
        })
    }

    /// Of what its control information speaks; `None` for a message that is not known, and for one
    /// that does not fit its format.
    pub fn subject(&self) -> Option<FeedbackSubject<'a>> {
        let sources = |first: usize, every: usize| {
            let entries = self.control.len().checked_sub(first)?;
            let fits = entries > 0 && entries.is_multiple_of(every);
            fits.then_some(FeedbackSubject::Sources { first, every })
        };
        match (self.kind, self.format) {
            (FeedbackKind::Transport, GENERIC_NACK) => match self.message() {
                FeedbackMessage::Nack(nacks) => Some(FeedbackSubject::Packets(nacks)),
                _ => None,
            },
            (FeedbackKind::Transport, format) if MAX_BIT_RATE.contains(&format) => {
                // A notification may name nobody (RFC 5104 section 4.2.2.1).
                if self.control.is_empty() && format == MAX_BIT_RATE[1] {
                    return Some(FeedbackSubject::Header);
                }
                sources(0, FIR_BYTES)
            }
            (FeedbackKind::Transport, TRANSPORT_WIDE)
            | (FeedbackKind::PayloadSpecific, PICTURE_LOSS | SLICE_LOSS) => {
                Some(FeedbackSubject::Header)
            }
            (FeedbackKind::PayloadSpecific, REFERENCE_PICTURE) => {
                Some(FeedbackSubject::PayloadType)
            }
            (FeedbackKind::PayloadSpecific, format)
                if format == FULL_INTRA_REQUEST || TRADE_OFF.contains(&format) =>
            {
                sources(0, FIR_BYTES)
            }
            (FeedbackKind::PayloadSpecific, APPLICATION_LAYER)
                if self.control.first_chunk() == Some(REMB) =>
            {
                sources(REMB_SOURCES, 4)
            }
            _ => None,
        }
    }

    /// What it asks for.
    pub fn message(&self) -> FeedbackMessage<'a> {
        let whole = |bytes: usize| {
            (!self.control.is_empty() && self.control.len().is_multiple_of(bytes))
                .then_some(self.control)
        };
        let known = match (self.kind, self.format) {
            (FeedbackKind::Transport, GENERIC_NACK) => {
                whole(NACK_BYTES).map(|entries| FeedbackMessage::Nack(Nacks { entries }))
            }
            (FeedbackKind::PayloadSpecific, PICTURE_LOSS) => {
                self.control.is_empty().then_some(FeedbackMessage::PictureLoss)
            }
            (FeedbackKind::PayloadSpecific, FULL_INTRA_REQUEST) => whole(FIR_BYTES)
                .map(|entries| FeedbackMessage::FullIntraRequest(FullIntraRequests { entries })),
            _ => None,
        };
        known.unwrap_or(FeedbackMessage::Other)
    }
}

impl<'a> Nacks<'a> {
    /// The entries in wire order.
    pub fn iter(&self) -> impl Iterator<Item = Nack> + use<'a> {
        self.entries.chunks_exact(NACK_BYTES).filter_map(|bytes| {
            Some(Nack { packet: u16_at(bytes, 0)?, following: u16_at(bytes, 2)? })
        })
    }
}

impl Nack {
    /// The sequence numbers that it names, at most 17.
    pub fn packets(self) -> impl Iterator<Item = u16> {
        let following = (0..16).filter(move |bit| self.following >> bit & 1 == 1);
        std::iter::once(self.packet)
            .chain(following.map(move |bit| self.packet.wrapping_add(bit + 1)))
    }
}

impl<'a> FullIntraRequests<'a> {
    /// The entries in wire order.
    pub fn iter(&self) -> impl Iterator<Item = FullIntraRequest> + use<'a> {
        self.entries.chunks_exact(FIR_BYTES).filter_map(|bytes| {
            Some(FullIntraRequest { ssrc: u32_at(bytes, 0)?, sequence: *bytes.get(4)? })
        })
    }
}

/// Appends a feedback message. Control information that does not end on a word is filled up with
/// zeros.
pub fn write_feedback(out: &mut Vec<u8>, feedback: &Feedback<'_>) {
    let packet_type = match feedback.kind {
        FeedbackKind::Transport => packet_type::TRANSPORT_FEEDBACK,
        FeedbackKind::PayloadSpecific => packet_type::PAYLOAD_FEEDBACK,
    };
    write_packet(out, packet_type, feedback.format, |out| {
        out.extend_from_slice(&feedback.sender_ssrc.to_be_bytes());
        out.extend_from_slice(&feedback.media_ssrc.to_be_bytes());
        out.extend_from_slice(feedback.control);
    });
}

/// Appends a generic NACK.
pub fn write_nack(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, nacks: &[Nack]) {
    write_packet(out, packet_type::TRANSPORT_FEEDBACK, GENERIC_NACK, |out| {
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&media_ssrc.to_be_bytes());
        for nack in nacks {
            out.extend_from_slice(&nack.packet.to_be_bytes());
            out.extend_from_slice(&nack.following.to_be_bytes());
        }
    });
}

/// Appends a picture loss indication.
pub fn write_picture_loss(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    let kind = FeedbackKind::PayloadSpecific;
    let message = Feedback { kind, format: PICTURE_LOSS, sender_ssrc, media_ssrc, control: &[] };
    write_feedback(out, &message);
}

/// Appends a full intra request. Its sources stand in the entries alone (RFC 5104 section 4.3.1.2).
pub fn write_full_intra_request(
    out: &mut Vec<u8>,
    sender_ssrc: u32,
    requests: &[FullIntraRequest],
) {
    write_packet(out, packet_type::PAYLOAD_FEEDBACK, FULL_INTRA_REQUEST, |out| {
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        for request in requests {
            out.extend_from_slice(&request.ssrc.to_be_bytes());
            out.extend_from_slice(&[request.sequence, 0, 0, 0]);
        }
    });
}

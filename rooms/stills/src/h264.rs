//! Writes a picture as H.264 (ITU-T H.264, constrained baseline) without loss: a macroblock that continues its
//! neighbour's edge is predicted, and any other is sent as samples (I_PCM).
//!
//! Each slice fits into a packet, so that devices that take single units alone (packetization-mode 0) have them
//! as they are. There is no filter between blocks, and every picture is a reference.

use crate::bits::Bits;
use crate::picture::{MACROBLOCK, Picture};

/// Numbers of pictures after which they begin again (`log2_max_frame_num` 4).
pub const FRAME_NUMBERS: u8 = 16;
/// The least that a slice may be limited to: one macroblock of samples and what stands before it.
pub const LEAST_SLICE: usize = 512;

/// Octets of a macroblock's samples.
const SAMPLES: usize = MACROBLOCK * MACROBLOCK * 3 / 2;
/// What a macroblock may take beside its samples, with the emulation prevention that they may need: none of ours,
/// for samples are 16 at least.
const BESIDE: usize = 8;

/// The sequence and the picture parameter set of [`key_picture`] and [`repeat`], whose ids are 0. `level_idc` is
/// what the receiver's description allows (section A.3: 30 for 3.0).
pub fn parameter_sets(picture: &Picture, level_idc: u8) -> [Vec<u8>; 2] {
    let (across, down) = picture.macroblocks();
    let (width, height) = picture.shown();
    let mut sequence = Bits::unit(0x67);
    // Baseline, constraint sets 0 and 1.
    sequence.put(66, 8);
    sequence.put(0b1100_0000, 8);
    sequence.put(level_idc.into(), 8);
    // Its id; 16 picture numbers; pictures come in the order in which they are shown; one reference.
    for value in [0, 0, 2, 1] {
        sequence.golomb(value);
    }
    sequence.bit(false);
    sequence.golomb(number(across) - 1);
    sequence.golomb(number(down) - 1);
    // Frames; 8x8 inference.
    sequence.put(0b11, 2);
    let cropped = [across * MACROBLOCK - width, down * MACROBLOCK - height];
    sequence.bit(cropped != [0, 0]);
    if cropped != [0, 0] {
        let [right, bottom] = cropped.map(|samples| number(samples / 2));
        [0, right, 0, bottom].into_iter().for_each(|side| sequence.golomb(side));
    }
    // No VUI.
    sequence.bit(false);
    let mut pictures = Bits::unit(0x68);
    pictures.golomb(0);
    pictures.golomb(0);
    // CAVLC; no bottom field's order.
    pictures.put(0, 2);
    // One slice group, one reference each way; no weights.
    [0, 0, 0].into_iter().for_each(|value| pictures.golomb(value));
    pictures.put(0, 3);
    (0..3).for_each(|_| pictures.signed_zero());
    // Slices say whether they are filtered; nothing else.
    pictures.put(0b100, 3);
    [sequence.finish(), pictures.finish()]
}

/// The slices of a key frame (IDR), none longer than `limit` octets, [`LEAST_SLICE`] at least. Two key frames
/// that follow each other need different `idr`s (section 7.4.3).
pub fn key_picture(picture: &Picture, idr: u16, limit: usize) -> Vec<Vec<u8>> {
    let (across, down) = picture.macroblocks();
    let limit = limit.max(LEAST_SLICE);
    let mut slices = Vec::new();
    let mut open: Option<Slice> = None;
    for at in 0..across * down {
        let place = (at % across, at / across);
        let fits = |slice: &Slice| {
            let predicted = slice.predicted(picture, at).is_some();
            slice.bits.len() + BESIDE + if predicted { 0 } else { SAMPLES } <= limit
        };
        if let Some(full) = open.take_if(|slice| !fits(slice)) {
            slices.push(full.bits.finish());
        }
        let slice = open.get_or_insert_with(|| Slice::new(at, idr, across));
        slice.write(picture, at, place);
    }
    slices.extend(open.map(|slice| slice.bits.finish()));
    slices
}

/// The picture once more: all of it is skipped. `frame_number` counts from the key frame's 0 on, modulo
/// [`FRAME_NUMBERS`].
pub fn repeat(picture: &Picture, frame_number: u8) -> Vec<u8> {
    let (across, down) = picture.macroblocks();
    let mut bits = Bits::unit(0x41);
    // From macroblock 0; all slices of the picture are P; set 0.
    [0, 5, 0].into_iter().for_each(|value| bits.golomb(value));
    bits.put((frame_number % FRAME_NUMBERS).into(), 4);
    // The references as they are; the oldest makes way.
    bits.put(0, 3);
    bits.signed_zero();
    // No filter.
    bits.golomb(1);
    bits.golomb(number(across * down));
    bits.finish()
}

/// How a macroblock continues its neighbours.
#[derive(Clone, Copy)]
struct Prediction {
    /// Of brightness: 0 from above, 1 from the left.
    luma: u32,
    /// Of colours: 1 from the left, 2 from above.
    colours: u32,
}

/// A slice of a key frame that is being written.
struct Slice {
    bits: Bits,
    /// Its first macroblock, and how many stand in a row.
    first: usize,
    across: usize,
    /// Of each macroblock so far: it was sent as samples.
    sent: Vec<bool>,
}

impl Slice {
    fn new(first: usize, idr: u16, across: usize) -> Self {
        let mut bits = Bits::unit(0x65);
        // All slices of the picture are I; set 0; picture 0.
        [number(first), 7, 0].into_iter().for_each(|value| bits.golomb(value));
        bits.put(0, 4);
        bits.golomb(idr.into());
        // Pictures before it are shown; it is no long-term reference.
        bits.put(0, 2);
        bits.signed_zero();
        bits.golomb(1);
        Slice { bits, first, across, sent: Vec::new() }
    }

    /// Neighbours that are in this slice: no other may be looked at (section 6.4.9).
    fn left(&self, at: usize) -> Option<usize> {
        (!at.is_multiple_of(self.across) && at > self.first).then(|| at - 1)
    }

    fn above(&self, at: usize) -> Option<usize> {
        at.checked_sub(self.across).filter(|above| *above >= self.first)
    }

    /// Whether the macroblock is nothing but its neighbours' edges, in all three planes.
    fn predicted(&self, picture: &Picture, at: usize) -> Option<Prediction> {
        let half = MACROBLOCK / 2;
        let (left, above) = (self.left(at).is_some(), self.above(at).is_some());
        let from = |plane: &[u8], side: usize| {
            let place = (at % self.across, at / self.across);
            let from_left = left && continues_left(picture, plane, place, side);
            let from_above = above && continues_above(picture, plane, place, side);
            (from_left, from_above)
        };
        let luma = match from(&picture.luma, MACROBLOCK) {
            (true, _) => 1,
            (_, true) => 0,
            _ => return None,
        };
        let (blue, red) = (from(&picture.blue, half), from(&picture.red, half));
        let colours = match (blue.0 && red.0, blue.1 && red.1) {
            (true, _) => 1,
            (_, true) => 2,
            _ => return None,
        };
        Some(Prediction { luma, colours })
    }

    fn write(&mut self, picture: &Picture, at: usize, place: (usize, usize)) {
        let predicted = self.predicted(picture, at);
        match predicted {
            Some(prediction) => {
                // I_16x16 without coefficients (table 7-11), its colours, no change of the quantiser.
                self.bits.golomb(1 + prediction.luma);
                self.bits.golomb(prediction.colours);
                self.bits.signed_zero();
                self.write_no_coefficients(at);
            }
            None => {
                self.bits.golomb(25);
                let half = MACROBLOCK / 2;
                let luma = picture.block(&picture.luma, place, MACROBLOCK);
                let blue = picture.block(&picture.blue, place, half);
                let red = picture.block(&picture.red, place, half);
                self.bits.octets(luma.chain(blue).chain(red).flatten().copied());
            }
        }
        self.sent.push(predicted.is_none());
    }

    /// `coeff_token` of a block without coefficients (table 9-5), whose code depends on how many the
    /// neighbours have (section 9.2.1): 16 of samples, none of what is predicted.
    fn write_no_coefficients(&mut self, at: usize) {
        let count = |neighbour: usize| {
            let sent = self.sent.get(neighbour - self.first).copied().unwrap_or_default();
            if sent { 16_u32 } else { 0 }
        };
        let count = match (self.left(at).map(count), self.above(at).map(count)) {
            (Some(left), Some(above)) => (left + above).div_ceil(2),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => 0,
        };
        if count >= 8 {
            self.bits.put(0b00_0011, 6);
        } else {
            self.bits.bit(true);
        }
    }
}

fn continues_left(picture: &Picture, plane: &[u8], (x, y): (usize, usize), side: usize) -> bool {
    let Some(left) = x.checked_sub(1) else { return false };
    let mut rows = picture.block(plane, (x, y), side).zip(picture.block(plane, (left, y), side));
    rows.all(|(row, edge)| edge.last().is_some_and(|edge| row.iter().all(|one| one == edge)))
}

fn continues_above(picture: &Picture, plane: &[u8], (x, y): (usize, usize), side: usize) -> bool {
    let Some(above) = y.checked_sub(1) else { return false };
    let edge = picture.block(plane, (x, above), side).last();
    edge.is_some_and(|edge| picture.block(plane, (x, y), side).all(|row| row == edge))
}

/// Counts here are small: a picture has at most 14,400 macroblocks.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

//! Writes a picture as VP8 (RFC 6386), for receivers that have nothing else: one key frame whose macroblocks
//! are predicted from their neighbours as a whole, at one fine quantiser; and the picture after it, which says that
//! everything stands still.
//!
//! The coder rebuilds each macroblock as every decoder does, for it is what the next ones are predicted
//! from. There is no filter between blocks, one partition of coefficients, and the probabilities that hold from a
//! key frame on.

mod booleans;
mod macroblock;
mod tables;
mod tokens;
mod transform;

use crate::picture::Picture;
use booleans::Booleans;
use macroblock::{Canvas, Coded, Mode};
use tables::{MOTION_STAYS, STANDS_STILL, TOKEN_STAYS};
use tokens::Kind;

/// The index of all quantisers (section 9.6): steps of 13 to 26.
const QUANTISER: u32 = 10;
/// What stands before the first partition of a key frame (section 9.1).
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// That a macroblock of a key frame has coefficients, of 256: a card is mostly ground.
const HAS_COEFFICIENTS: u8 = 64;
/// Descriptors of RFC 7741 section 4.2: the packet that begins a picture, and another one.
const FIRST: u8 = 0x10;
const FURTHER: u8 = 0;

/// The picture as a key frame.
pub fn vp8_key_frame(picture: &Picture) -> Vec<u8> {
    let (across, down) = picture.macroblocks();
    let mut canvas = Canvas::new(across, down);
    let places = (0..across * down).map(|at| (at % across, at / across));
    let coded: Vec<Coded> = places.map(|place| canvas.code(picture, place)).collect();
    let mut first = Booleans::new();
    // BT.601; samples are to be clamped.
    first.literal(0, 2);
    begin(&mut first);
    first.flag(true);
    put_probabilities(&mut first, HAS_COEFFICIENTS);
    let mut second = Booleans::new();
    let mut neighbours = Neighbours::new(across);
    for (at, macroblock) in coded.iter().enumerate() {
        first.put(!macroblock.has_coefficients(), HAS_COEFFICIENTS);
        put_luma_mode(&mut first, macroblock.luma);
        put_colour_mode(&mut first, macroblock.colours);
        if at.is_multiple_of(across) {
            neighbours.left = [false; BLOCKS];
        }
        neighbours.put(&mut second, at % across, macroblock);
    }
    let (width, height) = picture.shown();
    let sides = [width, height].map(|side| (side as u16).to_le_bytes());
    let head = [&START_CODE[..], sides.as_flattened()].concat();
    frame(false, &head, first, second)
}

/// The picture once more.
pub fn vp8_repeat(picture: &Picture) -> Vec<u8> {
    let (across, down) = picture.macroblocks();
    let mut first = Booleans::new();
    begin(&mut first);
    // The golden and the alternate picture stay, nothing is copied, no sign is turned round.
    first.literal(0, 2 + 4 + 2);
    // Probabilities hold on; this picture is the last one then.
    first.literal(0b11, 2);
    // That coefficients are there, that it is predicted from itself, and that the last picture is what it is
    // predicted from: never, never, and always.
    put_probabilities(&mut first, 1);
    [1, 255, 128].into_iter().for_each(|probability| first.literal(probability, 8));
    first.literal(0, 2);
    for probability in MOTION_STAYS.as_flattened() {
        first.put(false, *probability);
    }
    for at in 0..across * down {
        let (left, above) = (!at.is_multiple_of(across), at >= across);
        let weighed = 2 * usize::from(left) + 2 * usize::from(above) + usize::from(left && above);
        first.put(true, 1);
        first.put(true, 1);
        first.put(false, 255);
        first.put(false, STANDS_STILL[weighed]);
    }
    frame(true, &[], first, Booleans::new())
}

/// The payloads of RTP packets for one picture, none longer than `limit` octets, two at least (RFC 7741).
pub fn vp8_payloads(frame: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let pieces = frame.chunks(limit.max(2) - 1).enumerate();
    let payload = |(at, piece): (usize, &[u8])| {
        [&[if at == 0 { FIRST } else { FURTHER }][..], piece].concat()
    };
    pieces.map(payload).collect()
}

/// What both kinds of pictures begin with (section 9.3 to 9.6).
fn begin(out: &mut Booleans) {
    // No segments; no filter, of no sharpness, adjusted nowhere; one partition of coefficients.
    out.literal(0, 1 + 1 + 6 + 3 + 1 + 2);
    out.literal(QUANTISER, 7);
    // Of all planes.
    out.literal(0, 5);
}

/// Nothing is changed of tokens (section 9.9); macroblocks say whether they have any, with this probability.
fn put_probabilities(out: &mut Booleans, has_coefficients: u8) {
    for probability in TOKEN_STAYS.as_flattened().as_flattened().as_flattened() {
        out.put(false, *probability);
    }
    out.flag(true);
    out.literal(has_coefficients.into(), 8);
}

/// Section 11.2.
fn put_luma_mode(out: &mut Booleans, mode: Mode) {
    out.put(true, 145);
    let is_across = mode == Mode::Left;
    out.put(is_across, 156);
    if is_across {
        out.put(false, 128);
    } else {
        out.put(mode == Mode::Above, 163);
    }
}

/// Section 11.4.
fn put_colour_mode(out: &mut Booleans, mode: Mode) {
    out.put(mode != Mode::Average, 142);
    if mode != Mode::Average {
        out.put(mode == Mode::Left, 114);
    }
    if mode == Mode::Left {
        out.put(false, 183);
    }
}

/// Section 9.1.
fn frame(is_between: bool, head: &[u8], first: Booleans, second: Booleans) -> Vec<u8> {
    let (first, second) = (first.finish(), second.finish());
    // Version 0; it is shown.
    let tag = u32::from(is_between) | 1 << 4 | (first.len() as u32) << 5;
    let [one, two, three, _] = tag.to_le_bytes();
    [&[one, two, three], head, &first, &second].concat()
}

/// Blocks of an edge: four of brightness, two of each colour, and the averages.
const BLOCKS: usize = 9;

/// Which blocks at the edges had coefficients.
struct Neighbours {
    left: [bool; BLOCKS],
    above: Vec<[bool; BLOCKS]>,
}

impl Neighbours {
    fn new(across: usize) -> Self {
        Neighbours { left: [false; BLOCKS], above: vec![[false; BLOCKS]; across] }
    }

    /// Writes the coefficients of the macroblock in this column.
    fn put(&mut self, out: &mut Booleans, column: usize, macroblock: &Coded) {
        let left = &mut self.left;
        let Some(above) = self.above.get_mut(column) else { return };
        if !macroblock.has_coefficients() {
            (*left, *above) = ([false; BLOCKS], [false; BLOCKS]);
            return;
        }
        let mut block = |kind, block, at: usize, under: usize| {
            let neighbours = usize::from(left[at]) + usize::from(above[under]);
            let has = tokens::put(out, kind, block, neighbours);
            (left[at], above[under]) = (has, has);
        };
        block(Kind::Averages, &macroblock.averages, 8, 8);
        for (at, one) in macroblock.luma_blocks.iter().enumerate() {
            block(Kind::Luma, one, at / 4, at % 4);
        }
        for (colour, blocks) in macroblock.colour_blocks.iter().enumerate() {
            for (at, one) in blocks.iter().enumerate() {
                let first = 4 + 2 * colour;
                block(Kind::Colour, one, first + at / 2, first + at % 2);
            }
        }
    }
}

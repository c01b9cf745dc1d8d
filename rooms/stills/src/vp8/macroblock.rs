//! One macroblock after the other: predicted, transformed, quantised, and rebuilt.

use super::transform::{Block, cosine, hadamard, inverse_cosine, inverse_hadamard};
use crate::picture::{MACROBLOCK, Picture};

/// Steps of the quantiser (section 14.1) of index 10: brightness, its averages (twice, and 1.55 times), colours;
/// of each the first coefficient, and the others.
const LUMA: [i32; 2] = [13, 14];
const AVERAGES: [i32; 2] = [26, 21];
const COLOUR: [i32; 2] = [13, 14];
/// Samples of a side of a colour's macroblock, and of a block.
const HALF: usize = MACROBLOCK / 2;
const BLOCK: usize = 4;

/// What a macroblock is predicted from (section 12).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The average of the edges (`DC_PRED`).
    Average,
    /// The edge above, all the way down (`V_PRED`).
    Above,
    /// The edge to the left, all the way across (`H_PRED`).
    Left,
}

/// A macroblock as it is written: quantised coefficients.
pub(super) struct Coded {
    pub(super) luma: Mode,
    pub(super) colours: Mode,
    pub(super) averages: Block,
    pub(super) luma_blocks: [Block; 16],
    /// Blue and red.
    pub(super) colour_blocks: [[Block; 4]; 2],
}

impl Coded {
    pub(super) fn has_coefficients(&self) -> bool {
        let blocks = self.luma_blocks.iter().chain(self.colour_blocks.as_flattened());
        blocks.chain([&self.averages]).any(|block| block.iter().any(|one| *one != 0))
    }
}

/// What a decoder has of the picture so far.
pub(super) struct Canvas {
    luma: Plane,
    colours: [Plane; 2],
}

struct Plane {
    samples: Vec<u8>,
    width: usize,
    /// Samples of a macroblock's side.
    side: usize,
}

impl Canvas {
    /// Nothing yet, of so many macroblocks.
    pub(super) fn new(across: usize, down: usize) -> Self {
        let plane = |side: usize| Plane {
            samples: vec![0; across * down * side * side],
            width: across * side,
            side,
        };
        Canvas { luma: plane(MACROBLOCK), colours: [plane(HALF), plane(HALF)] }
    }

    /// Codes the next macroblock.
    pub(super) fn code(&mut self, picture: &Picture, place: (usize, usize)) -> Coded {
        let wanted: Vec<u8> =
            picture.block(&picture.luma, place, MACROBLOCK).flatten().copied().collect();
        let (luma, predicted) = best(place, |mode| {
            let predicted = self.luma.predict(place, mode);
            (difference(&wanted, &predicted), predicted)
        });
        let mut luma_blocks = blocks_of(&wanted, &predicted, MACROBLOCK);
        let averages = quantise(hadamard(&luma_blocks.map(|block| block[0])), AVERAGES);
        luma_blocks = luma_blocks.map(|block| {
            let mut block = quantise(block, LUMA);
            block[0] = 0;
            block
        });
        let firsts = inverse_hadamard(&scale(averages, AVERAGES));
        let mut rebuilt = luma_blocks.map(|block| scale(block, LUMA));
        rebuilt.iter_mut().zip(firsts).for_each(|(block, first)| block[0] = first);
        self.luma.rebuild(place, &predicted, &rebuilt);
        let (colours, colour_blocks) = self.code_colours(picture, place);
        Coded { luma, colours, averages, luma_blocks, colour_blocks }
    }

    /// Both colours, which are predicted alike.
    fn code_colours(
        &mut self,
        picture: &Picture,
        place: (usize, usize),
    ) -> (Mode, [[Block; 4]; 2]) {
        let wanted = [&picture.blue, &picture.red]
            .map(|plane| picture.block(plane, place, HALF).flatten().copied().collect::<Vec<u8>>());
        let (mode, predicted) = best(place, |mode| {
            let predicted = self.colours.each_ref().map(|plane| plane.predict(place, mode));
            let differences = wanted.iter().zip(&predicted).map(|(w, p)| difference(w, p));
            (differences.sum(), predicted)
        });
        let mut coded = [[[0; 16]; 4]; 2];
        for (colour, coded) in coded.iter_mut().enumerate() {
            let blocks: [Block; 4] = blocks_of(&wanted[colour], &predicted[colour], HALF);
            *coded = blocks.map(|block| quantise(block, COLOUR));
            let rebuilt = coded.map(|block| scale(block, COLOUR));
            self.colours[colour].rebuild(place, &predicted[colour], &rebuilt);
        }
        (mode, coded)
    }
}

impl Plane {
    /// A macroblock as its neighbours say, one of which is there where it is looked at.
    fn predict(&self, (x, y): (usize, usize), mode: Mode) -> Vec<u8> {
        let side = self.side;
        let begin = y * side * self.width + x * side;
        let above =
            (y > 0).then(|| begin - self.width).and_then(|at| self.samples.get(at..at + side));
        let left: Option<Vec<u8>> = (x > 0).then(|| {
            let edge = self.samples.iter().skip(begin - 1).step_by(self.width);
            edge.take(side).copied().collect()
        });
        let rows = 0..side;
        match (mode, above, left) {
            (Mode::Above, Some(above), _) => rows.flat_map(|_| above).copied().collect(),
            (Mode::Left, _, Some(left)) => {
                left.into_iter().flat_map(|one| std::iter::repeat_n(one, side)).collect()
            }
            (_, above, left) => {
                let edges = above.iter().copied().flatten().chain(left.iter().flatten());
                let sum: usize = edges.map(|one| usize::from(*one)).sum();
                let count = side * (usize::from(above.is_some()) + usize::from(left.is_some()));
                // Section 12.2: without neighbours 128.
                let average = (sum + count / 2).checked_div(count).unwrap_or(128);
                vec![average as u8; side * side]
            }
        }
    }

    /// Adds what is decoded to what was predicted.
    fn rebuild(&mut self, (x, y): (usize, usize), predicted: &[u8], blocks: &[Block]) {
        let (side, width) = (self.side, self.width);
        let across = side / BLOCK;
        for (at, block) in blocks.iter().enumerate() {
            let (left, top) = (at % across * BLOCK, at / across * BLOCK);
            for (place, added) in inverse_cosine(block).into_iter().enumerate() {
                let (column, row) = (left + place % BLOCK, top + place / BLOCK);
                let before = predicted.get(row * side + column).copied().unwrap_or_default();
                let made = (i32::from(before) + added).clamp(0, 255) as u8;
                let to = (y * side + row) * width + x * side + column;
                if let Some(sample) = self.samples.get_mut(to) {
                    *sample = made;
                }
            }
        }
    }
}

/// The mode with the least difference, of those that have a neighbour, and what comes with it.
fn best<T>((x, y): (usize, usize), mut of: impl FnMut(Mode) -> (u32, T)) -> (Mode, T) {
    let (mut least, mut predicted) = of(Mode::Average);
    let mut best = Mode::Average;
    for (mode, is_there) in [(Mode::Above, y > 0), (Mode::Left, x > 0)] {
        if !is_there {
            continue;
        }
        let (difference, other) = of(mode);
        if difference < least {
            (best, least, predicted) = (mode, difference, other);
        }
    }
    (best, predicted)
}

fn difference(wanted: &[u8], predicted: &[u8]) -> u32 {
    wanted.iter().zip(predicted).map(|(one, other)| u32::from(one.abs_diff(*other))).sum()
}

/// The transformed blocks of what is missing to a prediction.
fn blocks_of<const N: usize>(wanted: &[u8], predicted: &[u8], side: usize) -> [Block; N] {
    let across = side / BLOCK;
    std::array::from_fn(|at| {
        let begin = at / across * BLOCK * side + at % across * BLOCK;
        cosine(&std::array::from_fn(|place| {
            let place = begin + place / BLOCK * side + place % BLOCK;
            let of = |samples: &[u8]| samples.get(place).copied().map_or(0, i32::from);
            of(wanted) - of(predicted)
        }))
    })
}

/// To the nearest step.
fn quantise(block: Block, [first, other]: [i32; 2]) -> Block {
    let mut step = first;
    block.map(|one| {
        let steps = (one.abs() + step / 2) / step * one.signum();
        step = other;
        steps
    })
}

fn scale(block: Block, [first, other]: [i32; 2]) -> Block {
    let mut step = first;
    block.map(|one| one * std::mem::replace(&mut step, other))
}

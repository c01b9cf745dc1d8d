//! Writes the coefficients of a block (RFC 6386 section 13).

use super::booleans::{Booleans, EVEN};
use super::tables::{BANDS, Probability, TOKENS, ZIGZAG};
use super::transform::Block;

/// What a block is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Brightness, whose averages stand in another block.
    Luma = 0,
    /// Those averages.
    Averages = 1,
    /// A colour.
    Colour = 2,
}

/// Values from `from` on, whose bits behind it have these probabilities (section 13.2).
struct Category {
    from: u32,
    bits: &'static [Probability],
}

const CATEGORIES: [Category; 6] = [
    Category { from: 5, bits: &[159] },
    Category { from: 7, bits: &[165, 145] },
    Category { from: 11, bits: &[173, 148, 140] },
    Category { from: 19, bits: &[176, 155, 140, 135] },
    Category { from: 35, bits: &[180, 157, 141, 134, 130] },
    Category { from: 67, bits: &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129] },
];

/// Writes a block; `neighbours` of those to the left and above have coefficients. Whether it has any.
pub(super) fn put(out: &mut Booleans, kind: Kind, block: &Block, neighbours: usize) -> bool {
    let first = usize::from(kind == Kind::Luma);
    let ordered = ZIGZAG.map(|place| block[place]);
    let end = ordered.iter().rposition(|one| *one != 0).map_or(0, |last| last + 1).max(first);
    // How large what stood before it was: 0, 1, or more.
    let mut before = neighbours;
    let mut may_end = true;
    for (at, value) in ordered.iter().enumerate().take(end).skip(first) {
        let probabilities = &TOKENS[kind as usize][BANDS[at]][before];
        if may_end {
            out.put(true, probabilities[0]);
        }
        put_value(out, *value, probabilities);
        before = value.unsigned_abs().min(2) as usize;
        // Behind a zero there is another one, or a value.
        may_end = *value != 0;
    }
    if end < 16 {
        out.put(false, TOKENS[kind as usize][BANDS[end]][before][0]);
    }
    end > first
}

/// A value, as the tree of section 13.2 has it.
fn put_value(out: &mut Booleans, value: i32, probabilities: &[Probability; 11]) {
    let size = value.unsigned_abs();
    let mut branch = |is_one: bool, node: usize| {
        out.put(is_one, probabilities[node]);
        is_one
    };
    if !branch(size > 0, 1) {
        return;
    }
    if branch(size > 1, 2) {
        if !branch(size > 4, 3) {
            if branch(size > 2, 4) {
                branch(size > 3, 5);
            }
        } else if !branch(size > 10, 6) {
            branch(size > 6, 7);
        } else if !branch(size > 34, 8) {
            branch(size > 18, 9);
        } else {
            branch(size > 66, 10);
        }
    }
    if let Some(category) = CATEGORIES.iter().rev().find(|category| size >= category.from) {
        let rest = size - category.from;
        for (place, probability) in (0..category.bits.len()).rev().zip(category.bits) {
            out.put(rest >> place & 1 == 1, *probability);
        }
    }
    out.put(value < 0, EVEN);
}

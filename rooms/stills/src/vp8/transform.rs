//! Transforms of 4x4 samples (RFC 6386 section 14): back as every decoder does it, to the bit, and there so that
//! the way back undoes it.

/// Samples, differences or coefficients, row by row.
pub(super) type Block = [i32; 16];

/// cos(π/8)·√2 - 1 and sin(π/8)·√2, of 65,536.
const COSINE_LESS_ONE: i32 = 20_091;
const SINE: i32 = 35_468;
/// cos(π/8)·√2 and sin(π/8)·√2, of 4,096.
const COSINE_4096: i64 = 5_352;
const SINE_4096: i64 = 2_217;

/// Applies a transform of four to the columns, then to the rows.
fn both<T: Copy>(block: &mut [T; 16], mut four: impl FnMut([T; 4]) -> [T; 4]) {
    for column in 0..4 {
        let places = [column, column + 4, column + 8, column + 12];
        let made = four(places.map(|place| block[place]));
        places.into_iter().zip(made).for_each(|(place, one)| block[place] = one);
    }
    for row in block.as_chunks_mut().0 {
        *row = four(*row);
    }
}

/// The discrete cosine transform: the transposed matrix of the way back, whose columns are orthogonal.
pub(super) fn cosine(samples: &Block) -> Block {
    let mut wide = samples.map(i64::from);
    both(&mut wide, |[a, b, c, d]| {
        let (outer, inner) = (a - d, b - c);
        [
            (a + b + c + d) * 4_096,
            COSINE_4096 * outer + SINE_4096 * inner,
            (a - b - c + d) * 4_096,
            SINE_4096 * outer - COSINE_4096 * inner,
        ]
    });
    wide.map(|one| ((one + (1 << 24)) >> 25) as i32)
}

/// Section 14.4.
pub(super) fn inverse_cosine(coefficients: &Block) -> Block {
    let cosine = |one: i32| one + ((one * COSINE_LESS_ONE) >> 16);
    let sine = |one: i32| (one * SINE) >> 16;
    let mut block = *coefficients;
    both(&mut block, |[a, b, c, d]| {
        let (even, odd) = (a + c, a - c);
        let (inner, outer) = (sine(b) - cosine(d), cosine(b) + sine(d));
        [even + outer, odd + inner, odd - inner, even - outer]
    });
    block.map(|one| (one + 4) >> 3)
}

/// The Walsh-Hadamard transform of one, both ways but for the scale.
const fn walsh([a, b, c, d]: [i32; 4]) -> [i32; 4] {
    [a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d]
}

pub(super) fn hadamard(averages: &Block) -> Block {
    let mut block = *averages;
    both(&mut block, walsh);
    block.map(|one| (one + 1) >> 1)
}

/// Section 14.3.
pub(super) fn inverse_hadamard(coefficients: &Block) -> Block {
    let mut block = *coefficients;
    both(&mut block, walsh);
    block.map(|one| (one + 3) >> 3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_way_back_undoes_the_way_there(samples in prop::array::uniform16(-255..=255_i32)) {
            let back = inverse_cosine(&cosine(&samples));
            for (one, other) in samples.iter().zip(back) {
                prop_assert!((one - other).abs() <= 2, "{one} is {other}");
            }
            let back = inverse_hadamard(&hadamard(&samples));
            for (one, other) in samples.iter().zip(back) {
                prop_assert!((one - other).abs() <= 2, "{one} is {other}");
            }
        }
    }

    #[test]
    fn a_flat_block_is_one_coefficient() {
        let mut expected = [0; 16];
        expected[0] = 80;
        assert_eq!(cosine(&[10; 16]), expected);
        assert_eq!(hadamard(&[10; 16]), expected);
    }
}

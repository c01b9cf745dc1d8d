//! Where tiles stand.

/// A part of a picture, in samples; all four numbers are even, for colours have half the samples.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Area {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Area {
    /// It without `margin` samples on each side, which are even; never empty.
    pub(crate) fn inside(self, margin: usize) -> Area {
        let less = |side: usize| side.saturating_sub(2 * margin).max(2);
        Area {
            left: self.left + (self.width - less(self.width)) / 2,
            top: self.top + (self.height - less(self.height)) / 2,
            width: less(self.width),
            height: less(self.height),
        }
    }

    /// The largest part in its middle that has the shape of a picture of so many samples; square ones are taken
    /// for granted.
    pub(crate) fn fitted(self, (width, height): (usize, usize)) -> Area {
        let (width, height) = (width.max(1), height.max(1));
        // The side that is filled, and what the other one is then.
        let (wide, high) = match width * self.height >= height * self.width {
            true => (self.width, self.width * height / width),
            false => (self.height * width / height, self.height),
        };
        let (wide, high) = (even(wide), even(high));
        Area {
            left: self.left + (self.width - wide) / 2 / 2 * 2,
            top: self.top + (self.height - high) / 2 / 2 * 2,
            width: wide,
            height: high,
        }
    }
}

/// The places of so many tiles in a picture, row by row: one alone has all of it; else there are 2x2, 3x3 or 4x4,
/// and what is fewer stands in the middle. 16 at most.
pub(crate) fn places(count: usize, (width, height): (usize, usize)) -> impl Iterator<Item = Area> {
    let side = match count {
        0 | 1 => 1,
        2..=4 => 2,
        5..=9 => 3,
        _ => 4,
    };
    let count = count.min(side * side);
    let (wide, high) = (width / side / 2 * 2, height / side / 2 * 2);
    let rows = count.div_ceil(side);
    let above = (height - rows * high) / 2 / 2 * 2;
    (0..count).map(move |number| {
        let (column, row) = (number % side, number / side);
        let in_row = (count - row * side).min(side);
        let before = (width - in_row * wide) / 2 / 2 * 2;
        Area { left: before + column * wide, top: above + row * high, width: wide, height: high }
    })
}

/// The nearest even number below, two at least.
fn even(samples: usize) -> usize {
    (samples / 2 * 2).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn area(left: usize, top: usize, width: usize, height: usize) -> Area {
        Area { left, top, width, height }
    }

    fn of(count: usize) -> Vec<Area> {
        places(count, (640, 360)).collect()
    }

    #[test]
    fn tiles_stand_in_squares_and_what_is_fewer_in_the_middle() {
        assert_eq!(of(0), []);
        assert_eq!(of(1), [area(0, 0, 640, 360)]);
        assert_eq!(of(2), [area(0, 90, 320, 180), area(320, 90, 320, 180)]);
        let three = [area(0, 0, 320, 180), area(320, 0, 320, 180), area(160, 180, 320, 180)];
        assert_eq!(of(3), three);
        assert_eq!(of(4)[3], area(320, 180, 320, 180));
        // Two rows of three, the second of two.
        let five = of(5);
        assert_eq!((five[0], five[3]), (area(2, 60, 212, 120), area(108, 180, 212, 120)));
        assert_eq!(of(9)[8], area(426, 240, 212, 120));
        assert_eq!(of(16)[15], area(480, 270, 160, 90));
        assert_eq!(of(17).len(), 16);
    }

    #[test]
    fn pictures_keep_their_shape() {
        let place = area(100, 50, 320, 180);
        assert_eq!(place.fitted((1_280, 720)), place);
        // 4:3, portrait, a line.
        assert_eq!(place.fitted((640, 480)), area(140, 50, 240, 180));
        assert_eq!(place.fitted((360, 640)), area(210, 50, 100, 180));
        assert_eq!(place.fitted((2_000, 2)), area(100, 138, 320, 2));
        assert_eq!(place.fitted((1, 1)), area(170, 50, 180, 180));
    }

    proptest! {
        #[test]
        fn all_stands_inside_and_nothing_over_another(
            count in 1_usize..=16,
            (width, height) in (1_usize..2_000, 1_usize..2_000),
            size in prop_oneof![Just((320, 180)), Just((640, 360)), Just((1_280, 720))],
        ) {
            let all: Vec<Area> = places(count, size).collect();
            prop_assert_eq!(all.len(), count);
            for (number, one) in all.iter().enumerate() {
                let inner = one.inside(4);
                for part in [*one, inner, inner.fitted((width, height))] {
                    let Area { left, top, width, height } = part;
                    prop_assert!([left, top, width, height].iter().all(|side| side % 2 == 0));
                    prop_assert!(width > 0 && left >= one.left && left + width <= one.left + one.width);
                    prop_assert!(height > 0 && top >= one.top && top + height <= one.top + one.height);
                    prop_assert!(left + width <= size.0 && top + height <= size.1);
                }
                for other in &all[number + 1..] {
                    let beside = one.left + one.width <= other.left;
                    let other_row = one.top + one.height <= other.top;
                    prop_assert!(beside || other_row);
                }
            }
        }
    }
}

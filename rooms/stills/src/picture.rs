//! Samples of a picture, 4:2:0.

/// Macroblocks of a side, 16 samples each.
pub(crate) const MACROBLOCK: usize = 16;
/// Samples of a side at most.
pub const MAX_SIDE: usize = 1_920;

/// Brightness and the two differences of colour (ITU-R BT.601), 16 to 235 and 16 to 240.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Colour {
    /// Brightness.
    pub luma: u8,
    /// Blue.
    pub blue: u8,
    /// Red.
    pub red: u8,
}

impl Colour {
    /// The ground of what a room draws: a dark blue.
    pub const GROUND: Colour = Colour { luma: 44, blue: 146, red: 118 };
    /// Words.
    pub const WORDS: Colour = Colour { luma: 222, blue: 130, red: 126 };
    /// Words that matter less.
    pub const FAINT: Colour = Colour { luma: 152, blue: 140, red: 120 };
    /// What is to be done.
    pub const ACCENT: Colour = Colour { luma: 178, blue: 108, red: 142 };
}

/// The samples of a picture whose sides are multiples of 16; what is shown may be less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    shown: (usize, usize),
    coded: (usize, usize),
    pub(crate) luma: Vec<u8>,
    pub(crate) blue: Vec<u8>,
    pub(crate) red: Vec<u8>,
}

impl Picture {
    /// A picture of one colour; both sides are made even and taken into 16 to [`MAX_SIDE`].
    pub fn new(width: usize, height: usize, ground: Colour) -> Self {
        let side = |side: usize| side.clamp(MACROBLOCK, MAX_SIDE) & !1;
        let shown = (side(width), side(height));
        let coded = (shown.0.next_multiple_of(MACROBLOCK), shown.1.next_multiple_of(MACROBLOCK));
        let samples = coded.0 * coded.1;
        Picture {
            shown,
            coded,
            luma: vec![ground.luma; samples],
            blue: vec![ground.blue; samples / 4],
            red: vec![ground.red; samples / 4],
        }
    }

    /// Samples across and down that are shown.
    pub const fn shown(&self) -> (usize, usize) {
        self.shown
    }

    /// What is shown, plane by plane and row by row: brightness, blue, red.
    pub fn samples(&self) -> Vec<u8> {
        let planes = [(&self.luma, 1), (&self.blue, 2), (&self.red, 2)];
        let rows = planes.into_iter().flat_map(|(plane, part)| {
            let rows = plane.chunks(self.coded.0 / part).take(self.shown.1 / part);
            rows.map(move |row| row.get(..self.shown.0 / part).unwrap_or_default())
        });
        rows.flatten().copied().collect()
    }

    /// Macroblocks across and down.
    pub const fn macroblocks(&self) -> (usize, usize) {
        (self.coded.0 / MACROBLOCK, self.coded.1 / MACROBLOCK)
    }

    /// Puts `share` of 255 of a colour over the sample there; outside of the picture nothing.
    pub(crate) fn blend(&mut self, x: usize, y: usize, colour: Colour, share: u8) {
        if x >= self.shown.0 || y >= self.shown.1 || share == 0 {
            return;
        }
        mix(&mut self.luma, y * self.coded.0 + x, colour.luma, share);
        // Of four samples each gives a quarter.
        let place = y / 2 * (self.coded.0 / 2) + x / 2;
        mix(&mut self.blue, place, colour.blue, share / 4);
        mix(&mut self.red, place, colour.red, share / 4);
    }

    /// The rows of a macroblock in a plane whose macroblocks have `side` samples.
    pub(crate) fn block<'a>(
        &self,
        plane: &'a [u8],
        at: (usize, usize),
        side: usize,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let width = self.coded.0 * side / MACROBLOCK;
        let begin = at.1 * side * width + at.0 * side;
        (0..side).map(move |row| {
            let begin = begin + row * width;
            plane.get(begin..begin + side).unwrap_or_default()
        })
    }
}

fn mix(plane: &mut [u8], place: usize, to: u8, share: u8) {
    if let Some(sample) = plane.get_mut(place) {
        let (from, to, share) = (u32::from(*sample), u32::from(to), u32::from(share));
        *sample = ((from * (255 - share) + to * share + 127) / 255) as u8;
    }
}

//! A few words in the middle of a picture.

use crate::picture::{Colour, Picture};
use crate::text::{self, Size};

/// Lines of a card; further ones are not drawn.
pub const MAX_LINES: usize = 4;
/// A receiver that takes so many macroblocks has a card of 640x360; another one [`SMALL`].
pub const USUAL_MACROBLOCKS: u32 = 920;
/// Across and down, of a receiver that takes no more than CIF.
pub const SMALL: (usize, usize) = (320, 180);
/// Macroblocks of [`SMALL`]: who takes fewer (levels 1 and 1b, ITU-T H.264 table A-1) can be shown no card.
pub const LEAST_MACROBLOCKS: u32 = 240;

const USUAL: (usize, usize) = (640, 360);
/// Characters of a text that are looked at.
const LONGEST: usize = 200;

/// The words. Nobody's words are markup: they are drawn as they are, control characters as spaces.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Card {
    /// Where one is: the room's name.
    pub title: String,
    /// What is to be done.
    pub action: String,
    /// What else is to be known, at most [`MAX_LINES`].
    pub lines: Vec<String>,
}

impl Card {
    /// Draws it for a receiver that takes pictures of so many macroblocks, [`LEAST_MACROBLOCKS`] at least.
    pub fn draw(&self, most_macroblocks: u32) -> Picture {
        let is_small = most_macroblocks < USUAL_MACROBLOCKS;
        let (width, height) = if is_small { SMALL } else { USUAL };
        let (title, other) = match is_small {
            true => (Size::Middle, Size::Small),
            false => (Size::Large, Size::Middle),
        };
        let margin = width / 16;
        let most = width - 2 * margin;
        let rows = |text: &str, size| {
            let text: String = text.chars().take(LONGEST).collect();
            text::rows(&text, size, most)
        };
        let lines = self.lines.iter().take(MAX_LINES);
        let parts: Vec<(Vec<String>, Size, Colour)> = [
            (rows(&self.title, title), title, Colour::WORDS),
            (rows(&self.action, other), other, Colour::ACCENT),
        ]
        .into_iter()
        .chain(lines.map(|line| (rows(line, other), other, Colour::FAINT)))
        .filter(|(rows, ..)| !rows.is_empty())
        .collect();
        let between = margin / 2;
        let tall: usize = parts.iter().map(|(rows, size, _)| text::height(rows, *size)).sum();
        let tall = tall + between * parts.len().saturating_sub(1);
        let mut picture = Picture::new(width, height, Colour::GROUND);
        let mut top = height.saturating_sub(tall) / 2;
        for (rows, size, colour) in &parts {
            top = text::draw(&mut picture, rows, *size, *colour, (top, height)) + between;
        }
        picture
    }
}

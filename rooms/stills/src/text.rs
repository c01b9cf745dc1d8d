//! Words as samples: Latin letters from Noto Sans Mono, everything else from GNU Unifont.

use crate::picture::{Colour, Picture};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster};
use unifont::Glyph;

/// How large words are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Size {
    /// 32 samples high.
    Large,
    /// 24.
    Middle,
    /// 16.
    Small,
}

/// Samples between two rows of words.
const GAP: usize = 8;

impl Size {
    const fn raster(self) -> RasterHeight {
        match self {
            Size::Large => RasterHeight::Size32,
            Size::Middle => RasterHeight::Size24,
            Size::Small => RasterHeight::Size16,
        }
    }

    /// Unifont has 16 rows: they are doubled where less could not be read across a room.
    const fn scale(self) -> usize {
        match self {
            Size::Large | Size::Middle => 2,
            Size::Small => 1,
        }
    }

    /// Samples of a row of such words.
    pub(crate) fn height(self, text: &str) -> usize {
        let height = text.chars().map(|character| match Shape::of(character, self) {
            Shape::Latin(raster) => raster.height(),
            Shape::Other(_) => 16 * self.scale(),
            Shape::None => 0,
        });
        height.max().unwrap_or_default().max(self.raster().val())
    }
}

/// How a character is drawn.
enum Shape {
    Latin(noto_sans_mono_bitmap::RasterizedChar),
    Other(&'static Glyph),
    None,
}

impl Shape {
    fn of(character: char, size: Size) -> Shape {
        // Nobody's name breaks the row.
        let character = if character.is_control() { ' ' } else { character };
        let latin = get_raster(character, FontWeight::Regular, size.raster());
        let known = latin.map(Shape::Latin);
        let other = || unifont::get_glyph(character).or_else(|| unifont::get_glyph('\u{fffd}'));
        known.unwrap_or_else(|| other().map_or(Shape::None, Shape::Other))
    }

    const fn width(&self, size: Size) -> usize {
        match self {
            Shape::Latin(raster) => raster.width(),
            Shape::Other(glyph) => match glyph {
                Glyph::Halfwidth(_) => 8 * size.scale(),
                Glyph::Fullwidth(_) => 16 * size.scale(),
            },
            Shape::None => 0,
        }
    }
}

/// How wide words are in one row.
pub(crate) fn width(text: &str, size: Size) -> usize {
    text.chars().map(|character| Shape::of(character, size).width(size)).sum()
}

/// Breaks words into rows no wider than `most`: at spaces, and where a script has none at any character.
pub(crate) fn rows(text: &str, size: Size, most: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    let mut row = String::new();
    for character in text.chars() {
        row.push(character);
        if width(&row, size) <= most {
            continue;
        }
        // What stands behind the last space goes into the next row; without one the character does.
        let wide = character.len_utf8();
        let cut = row.rfind(' ').map_or(row.len() - wide, |space| space + 1);
        let cut = if cut == 0 { row.len() } else { cut };
        let next = row.split_off(cut);
        rows.push(std::mem::replace(&mut row, next));
    }
    rows.push(row);
    let rows = rows.into_iter().map(|row| row.trim().to_owned());
    rows.filter(|row| !row.is_empty()).collect()
}

/// Draws rows in the middle from `top` on, as many as fit above `bottom`; where the next may begin.
pub(crate) fn draw(
    picture: &mut Picture,
    rows: &[String],
    size: Size,
    colour: Colour,
    (top, bottom): (usize, usize),
) -> usize {
    let mut top = top;
    for row in rows {
        let height = size.height(row);
        if top + height > bottom {
            break;
        }
        let left = picture.shown().0.saturating_sub(width(row, size)) / 2;
        draw_row(picture, row, size, colour, (left, top));
        top += height + GAP;
    }
    top
}

/// Samples from the top of the first row to the bottom of the last.
pub(crate) fn height(rows: &[String], size: Size) -> usize {
    let heights: usize = rows.iter().map(|row| size.height(row) + GAP).sum();
    heights.saturating_sub(GAP)
}

fn draw_row(
    picture: &mut Picture,
    row: &str,
    size: Size,
    colour: Colour,
    (left, top): (usize, usize),
) {
    each_sample(row, size, &mut |x, y, share| picture.blend(left + x, top + y, colour, share));
}

/// Shows `put` each sample of a row that letters cover, and how much of 255.
pub(crate) fn each_sample(row: &str, size: Size, put: &mut impl FnMut(usize, usize, u8)) {
    let mut x = 0;
    for character in row.chars() {
        let shape = Shape::of(character, size);
        match &shape {
            Shape::Latin(raster) => {
                for (down, samples) in raster.rows().enumerate() {
                    for (across, share) in samples.iter().enumerate() {
                        put(x + across, down, *share);
                    }
                }
            }
            Shape::Other(glyph) => {
                let scale = size.scale();
                for down in 0..16 * scale {
                    for across in 0..shape.width(size) {
                        if glyph.get_pixel(across / scale, down / scale) {
                            put(x + across, down, u8::MAX);
                        }
                    }
                }
            }
            Shape::None => {}
        }
        x += shape.width(size);
    }
}

#[cfg(test)]
mod tests {
    use super::{Size, rows, width};

    #[test]
    fn words_break_at_spaces_and_scripts_without_them_anywhere() {
        let text = "Please enter the meeting ID, followed by the pound key.";
        let broken = rows(text, Size::Middle, 300);
        assert!(broken.len() > 1, "{broken:?}");
        assert!(broken.iter().all(|row| width(row, Size::Middle) <= 300), "{broken:?}");
        assert_eq!(broken.join(" "), text);
        let text = "会議の番号を入力し、最後にシャープを押してください。";
        let broken = rows(text, Size::Middle, 300);
        assert!(broken.len() > 1 && broken.iter().all(|row| width(row, Size::Middle) <= 300));
        assert_eq!(broken.concat(), text);
    }

    #[test]
    fn a_word_that_is_wider_than_its_row_is_cut() {
        let broken = rows(&"x".repeat(100), Size::Large, 100);
        assert!(broken.iter().all(|row| width(row, Size::Large) <= 100), "{broken:?}");
        assert_eq!(broken.concat().len(), 100);
        // Narrower than any character: each has a row, and nothing runs for ever.
        assert_eq!(rows("ab", Size::Large, 1), ["a", "b"]);
    }
}

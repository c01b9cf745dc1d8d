//! One row of words, to be laid over a picture of somebody else's.

use crate::text::{self, Size};

/// What stands where a row is cut.
const CUT: char = '…';
/// Characters that are looked at: no row is as long.
const LONGEST: usize = 200;

/// How much of each sample letters cover.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letters {
    width: usize,
    height: usize,
    /// Row by row, of 255.
    shares: Vec<u8>,
}

impl Letters {
    /// Draws words in one row no wider than `most` samples; what does not fit is cut, and that is shown. Nobody's
    /// words are markup: they are drawn as they are, control characters as spaces.
    pub fn row(words: &str, size: Size, most: usize) -> Letters {
        let row = fitted(words.trim(), size, most);
        let (width, height) = (text::width(&row, size), size.height(&row));
        let mut shares = vec![0; width * height];
        text::each_sample(&row, size, &mut |x, y, share| {
            if x < width
                && let Some(place) = shares.get_mut(y * width + x)
            {
                *place = share;
            }
        });
        Letters { width, height, shares }
    }

    /// Samples across and down; nothing across where there are no words.
    pub const fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The shares of each row of samples.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.shares.chunks(self.width.max(1))
    }
}

fn fitted(words: &str, size: Size, most: usize) -> String {
    let mut row: String = words.chars().take(LONGEST).collect();
    if text::width(&row, size) <= most {
        return row;
    }
    while row.pop().is_some() {
        let kept = row.trim_end().len();
        row.truncate(kept);
        row.push(CUT);
        if text::width(&row, size) <= most {
            return row;
        }
        row.pop();
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_and_that_is_shown() {
        assert_eq!(fitted("Ada Lovelace", Size::Small, 1_000), "Ada Lovelace");
        // Eight samples each: "Ada " and the sign; the space in front of it goes.
        assert_eq!(fitted("Ada Lovelace", Size::Small, 40), "Ada…");
        assert_eq!(fitted("会議室の番号", Size::Small, 56), "会議室…");
        assert_eq!(fitted("Ada", Size::Small, 5), "");
        assert_eq!(Letters::row("Ada", Size::Small, 5).size().0, 0);
    }

    #[test]
    fn letters_cover_samples_of_every_kind_of_script() {
        for words in ["Ada", "会議", "Ωμ\u{7}"] {
            let letters = Letters::row(words, Size::Middle, 400);
            let (width, height) = letters.size();
            assert!(width > 0 && height >= 24, "{words}");
            assert_eq!(letters.rows().map(<[u8]>::len).sum::<usize>(), width * height);
            assert!(letters.rows().flatten().any(|share| *share > 200), "{words}");
        }
        assert_eq!(Letters::row("", Size::Large, 100).rows().count(), 0);
    }
}

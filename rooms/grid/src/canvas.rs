//! One composed picture: what changed is drawn anew, the rest stays.

use crate::frame::{BLACK, Frame, FrameView, plane_size};
use crate::layout::{Area, places};
use crate::scale::Scaler;
use room_stills::{Colour, Letters, Size};

/// Between tiles, and of one that shows nothing.
const GROUND: [u8; 3] = planes(Colour::GROUND);
/// Around whoever speaks.
const SPEAKS: [u8; 3] = planes(Colour::ACCENT);

const fn planes(colour: Colour) -> [u8; 3] {
    [colour.luma, colour.blue, colour.red]
}

/// What a tile shows now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) key: u16,
    pub(crate) name: &'a str,
    pub(crate) speaks: bool,
    /// The picture, and its number: another number is another picture.
    pub(crate) picture: Option<(FrameView<'a>, u64)>,
}

/// A composed picture of one size.
#[derive(Debug)]
pub(crate) struct Canvas {
    frame: Frame,
    tiles: Vec<Drawn>,
}

/// What was drawn of a tile.
#[derive(Debug)]
struct Drawn {
    key: u16,
    name: String,
    speaks: bool,
    /// The number of its picture, and where it stands.
    picture: Option<(u64, Area)>,
    /// Its place.
    cell: Area,
    letters: Option<Letters>,
    /// Of brightness, and of both colours.
    scalers: Option<[Scaler; 2]>,
}

impl Canvas {
    /// An empty picture.
    pub(crate) fn new(size: (usize, usize)) -> Self {
        Canvas { frame: Frame::new(size, GROUND), tiles: Vec::new() }
    }

    /// What was drawn.
    pub(crate) fn view(&self) -> FrameView<'_> {
        self.frame.view()
    }

    /// Draws what is new of these tiles; whether there was anything.
    pub(crate) fn draw<'a>(&mut self, shown: impl ExactSizeIterator<Item = Shown<'a>>) -> bool {
        let count = shown.len();
        let mut is_new = self.tiles.len() != count;
        if is_new {
            self.frame.resize(self.frame.size(), GROUND);
            self.tiles.clear();
        }
        for ((number, cell), shown) in places(count, self.frame.size()).enumerate().zip(shown) {
            match self.tiles.get_mut(number) {
                Some(drawn) => is_new |= drawn.draw(&mut self.frame, &shown, count > 1),
                None => {
                    let mut drawn = Drawn::new(cell, &shown);
                    drawn.draw_whole(&mut self.frame, &shown, count > 1);
                    self.tiles.push(drawn);
                }
            }
        }
        is_new
    }
}

impl Drawn {
    fn new(cell: Area, shown: &Shown<'_>) -> Self {
        Drawn {
            key: shown.key,
            name: String::new(),
            speaks: false,
            picture: None,
            cell,
            letters: None,
            scalers: None,
        }
    }

    /// Draws what is new; whether there was anything.
    fn draw(&mut self, frame: &mut Frame, shown: &Shown<'_>, has_edge: bool) -> bool {
        let same = self.key == shown.key && self.speaks == shown.speaks && self.name == shown.name;
        let (now, before) = (shown.picture, self.picture);
        match (now, before) {
            _ if !same => {}
            (None, None) => return false,
            (Some((_, now)), Some((before, _))) if now == before => return false,
            // The next of the same shape covers the one before.
            (Some((picture, number)), Some((_, area)))
                if self.inner(has_edge).fitted(picture.size) == area =>
            {
                self.draw_picture(frame, &picture, number, area);
                self.draw_name(frame, has_edge);
                return true;
            }
            _ => {}
        }
        self.draw_whole(frame, shown, has_edge);
        true
    }

    /// Its place without the edge, which a tile alone has not.
    fn inner(&self, has_edge: bool) -> Area {
        // 8 samples of three in a row of 1,280, 4 of 640, 2 of 320.
        let edge = if has_edge { (self.cell.height / 30 / 2 * 2).clamp(2, 8) } else { 0 };
        self.cell.inside(edge)
    }

    fn draw_whole(&mut self, frame: &mut Frame, shown: &Shown<'_>, has_edge: bool) {
        if self.key != shown.key || self.letters.is_none() || self.name != shown.name {
            self.name = shown.name.to_owned();
            self.letters = self.letters(has_edge);
        }
        (self.key, self.speaks, self.picture) = (shown.key, shown.speaks, None);
        let inner = self.inner(has_edge);
        if has_edge {
            frame.fill(self.cell, if shown.speaks { SPEAKS } else { GROUND });
        }
        match shown.picture {
            Some((picture, number)) => {
                frame.fill(inner, BLACK);
                self.draw_picture(frame, &picture, number, inner.fitted(picture.size));
            }
            None => frame.fill(inner, GROUND),
        }
        self.draw_name(frame, has_edge);
    }

    fn draw_picture(
        &mut self,
        frame: &mut Frame,
        picture: &FrameView<'_>,
        number: u64,
        area: Area,
    ) {
        let from = picture.size;
        let to = (area.width, area.height);
        if !self.scalers.as_ref().is_some_and(|[luma, _]| luma.is_for(from, to)) {
            self.scalers = Some(
                [0, 1].map(|plane| Scaler::new(plane_size(plane, from), plane_size(plane, to))),
            );
        }
        for (plane, source) in picture.planes.into_iter().enumerate() {
            let part = if plane == 0 { 1 } else { 2 };
            let (target, stride) = frame.plane_mut(plane);
            let at = area.top / part * stride + area.left / part;
            let scaler = self.scalers.as_mut().and_then(|scalers| scalers.get_mut(part - 1));
            scaler.into_iter().for_each(|scaler| scaler.run(source, (&mut *target, stride), at));
        }
        self.picture = Some((number, area));
    }

    /// The name, no wider than its tile; `None` for no name.
    fn letters(&self, has_edge: bool) -> Option<Letters> {
        let size = match self.cell.height {
            480.. => Size::Large,
            240.. => Size::Middle,
            _ => Size::Small,
        };
        let most = self.inner(has_edge).width.saturating_sub(2 * PADDING);
        let letters = Letters::row(&self.name, size, most);
        (letters.size().0 > 0).then_some(letters)
    }

    /// Lays the name over the lower left corner, on a ground of half the brightness.
    fn draw_name(&self, frame: &mut Frame, has_edge: bool) {
        let Some(letters) = &self.letters else { return };
        let inner = self.inner(has_edge);
        let (wide, high) = letters.size();
        let (wide, high) = (wide + 2 * PADDING, high.min(inner.height));
        let top = inner.top + inner.height - high;
        let (plane, stride) = frame.plane_mut(0);
        let rows = plane.chunks_mut(stride.max(1)).skip(top);
        for (row, shares) in rows.zip(letters.rows().take(high)) {
            let ground = row.get_mut(inner.left..inner.left + wide).unwrap_or_default();
            ground.iter_mut().for_each(|sample| *sample = 8 + *sample / 2);
            for (sample, share) in ground.iter_mut().skip(PADDING).zip(shares) {
                *sample = mixed(*sample, Colour::WORDS.luma, *share);
            }
        }
        // Letters have no colour.
        for number in [1, 2] {
            let (plane, stride) = frame.plane_mut(number);
            let rows = plane.chunks_mut(stride.max(1)).skip(top / 2).take(high / 2);
            for row in rows {
                let ground = row.get_mut(inner.left / 2..(inner.left + wide) / 2);
                let ground = ground.unwrap_or_default();
                ground.iter_mut().for_each(|sample| *sample = 64 + *sample / 2);
            }
        }
    }
}

/// Samples before and behind a name.
const PADDING: usize = 4;

fn mixed(from: u8, to: u8, share: u8) -> u8 {
    let (from, to, share) = (u32::from(from), u32::from(to), u32::from(share));
    ((from * (255 - share) + to * share + 127) / 255) as u8
}

#[cfg(test)]
mod tests;

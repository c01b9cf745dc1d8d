//! Writes a card as an H.264 stream, to look at: `draw_card TITLE ACTION [LINE]... > card.h264`; or, with `--vp8` before
//! the words, as a key frame of VP8 in a file for ffmpeg: `> card.ivf`.

use room_stills::{Card, key_picture, parameter_sets, vp8_key_frame};
use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1).peekable();
    let is_vp8 = words.next_if(|word| word == "--vp8").is_some();
    let title = words.next().unwrap_or_default();
    let action = words.next().unwrap_or_default();
    let picture = Card { title, action, lines: words.collect() }.draw(1_620);
    if is_vp8 {
        let frame = vp8_key_frame(&picture);
        let (width, height) = picture.shown();
        let mut out = io::stdout().lock();
        out.write_all(b"DKIF\0\0\x20\0VP80")?;
        out.write_all([width, height].map(|side| (side as u16).to_le_bytes()).as_flattened())?;
        let numbers = [30, 1, 1, 0, frame.len() as u32, 0, 0].map(u32::to_le_bytes);
        out.write_all(numbers.as_flattened())?;
        return out.write_all(&frame);
    }
    let units = parameter_sets(&picture, 30).into_iter().chain(key_picture(&picture, 0, 1_200));
    let mut out = io::stdout().lock();
    for unit in units {
        out.write_all(&[0, 0, 0, 1])?;
        out.write_all(&unit)?;
    }
    Ok(())
}

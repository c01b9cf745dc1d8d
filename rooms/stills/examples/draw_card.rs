//! Writes a card as an H.264 stream, to look at: `draw_card TITLE ACTION [LINE]... > card.h264`.

use room_stills::{Card, key_picture, parameter_sets};
use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let title = words.next().unwrap_or_default();
    let action = words.next().unwrap_or_default();
    let picture = Card { title, action, lines: words.collect() }.draw(1_620);
    let units = parameter_sets(&picture, 30).into_iter().chain(key_picture(&picture, 0, 1_200));
    let mut out = io::stdout().lock();
    for unit in units {
        out.write_all(&[0, 0, 0, 1])?;
        out.write_all(&unit)?;
    }
    Ok(())
}

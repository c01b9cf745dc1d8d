//! `[rooms.grid]`: pictures composed of several, for devices that ask for them.

use super::super::reader::Table;
use super::super::value;
use room_media::GridSettings;
use std::ops::RangeInclusive;

/// Threads that compose; 0 for none.
const THREADS: RangeInclusive<usize> = 0..=64;
/// Pictures a second.
const FRAMES: RangeInclusive<u32> = 5..=30;
/// Meetings that have one at a time.
const MEETINGS: RangeInclusive<usize> = 1..=4_096;

/// What is composed; `None` where nothing is: `threads = 0`, no pictures at all, or a program that was built
/// without it.
pub(super) fn read(mut table: Table<'_>, video: bool) -> Option<GridSettings> {
    let usual = GridSettings::default();
    let wanted = table.optional("threads", |v| value::within(value::integer(v)?, THREADS));
    let frames_per_second = table.or("frames_per_second", usual.frames_per_second, |v| {
        value::within(value::integer(v)?, FRAMES)
    });
    let most_grids =
        table.or("max_meetings", usual.most_grids, |v| value::within(value::integer(v)?, MEETINGS));
    if !cfg!(feature = "grid") && wanted.is_some_and(|threads| threads > 0) {
        let message = "threads: this program composes no pictures, since it was built without the cargo feature \
             `grid`; use 0, or a program that has it";
        table.error_at("threads", message);
    }
    if !video && wanted.is_some_and(|threads| threads > 0) {
        let message =
            "there are no pictures to compose: video of [rooms] is false; leave out threads";
        table.warn_at("threads", message);
    }
    table.finish();
    let threads = wanted.unwrap_or(if cfg!(feature = "grid") { usual.threads } else { 0 });
    let is_composed = cfg!(feature = "grid") && video && threads > 0;
    is_composed.then_some(GridSettings { threads, frames_per_second, most_grids })
}

/// What is composed where nothing is said of it.
pub(super) fn usual() -> Option<GridSettings> {
    cfg!(feature = "grid").then(GridSettings::default)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, warnings, with};
    use super::*;

    fn grid(text: &str) -> Option<GridSettings> {
        accepts(&format!("[rooms]\n{text}")).rooms.unwrap().grid
    }

    #[cfg(feature = "grid")]
    #[test]
    fn pictures_are_composed_unless_it_says_otherwise() {
        let usual = GridSettings { threads: 1, frames_per_second: 15, most_grids: 16 };
        assert_eq!(grid(""), Some(usual));
        assert_eq!(grid("grid = {}"), Some(usual));
        let all = "[rooms.grid]\nthreads = 2\nframes_per_second = 30\nmax_meetings = 4\n";
        let all = grid(all);
        assert_eq!(all, Some(GridSettings { threads: 2, frames_per_second: 30, most_grids: 4 }));
        assert!(all.is_some_and(|all| all.check().is_ok()));
        assert_eq!(grid("grid = { threads = 0 }"), None);
        assert_eq!(grid("video = false"), None);
        let found = warnings("[rooms]\nvideo = false\ngrid = { threads = 1 }");
        assert!(found.iter().any(|said| said.contains("no pictures to compose")), "{found:?}");
    }

    #[cfg(not(feature = "grid"))]
    #[test]
    fn a_program_without_it_composes_nothing() {
        assert_eq!((grid(""), grid("grid = { threads = 0 }")), (None, None));
        let found = errors(&with("[rooms.grid]\nthreads = 1"));
        assert!(found.contains("t.toml:5: threads: this program composes no pictures"), "{found}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("threads = 65", "threads: 65 is out of range; use 0 to 64"),
            ("frames_per_second = 4", "frames_per_second: 4 is out of range; use 5 to 30"),
            ("frames_per_second = 31", "frames_per_second: 31 is out of range; use 5 to 30"),
            ("max_meetings = 0", "max_meetings: 0 is out of range; use 1 to 4096"),
            ("max_meetings = 4097", "max_meetings: 4097 is out of range; use 1 to 4096"),
            ("size = 1", "unknown key `size` in [rooms.grid]"),
        ] {
            let found = errors(&with(&format!("[rooms.grid]\n{text}")));
            assert!(found.starts_with(&format!("t.toml:5: {message}")), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}

//! What memory decoders, tiles and encoders take: the resident memory of a process before and after it has composed
//! clips. Each row is a process of its own, for what was freed before would be used again. OpenH264 allocates beside
//! Rust's allocator, so that no count of ours would see it.

use super::{Streams, clip, compose_streams, pictures};
use room_grid::{Composer, GridSize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sources: their names, samples, kbit/s, and how many pictures they refer to: one, and as many as level 3.1, for the
/// largest 4.0, allows.
const SOURCES: [(&str, (usize, usize), u32, u32); 6] = [
    ("640x360", (640, 360), 650, 1),
    ("640x360", (640, 360), 650, 16),
    ("1280x720", (1_280, 720), 1_400, 1),
    ("1280x720", (1_280, 720), 1_400, 5),
    ("1920x1080", (1_920, 1_080), 4_000, 1),
    ("1920x1080", (1_920, 1_080), 4_000, 4),
];
const SECONDS: u32 = 2;
const FEW: usize = 4;
const MANY: usize = 16;

/// Prints what tiles of each kind of source take, and each size that is made.
pub(super) fn table(folder: &Path) {
    println!("resident memory in MB, composed into 640x360; of {SECONDS} s, one process each");
    println!("sources    refers to  {FEW} tiles  {MANY} tiles  each tile");
    for (name, size, rate, references) in SOURCES {
        let clip = clip(folder, 0, size, rate, (SECONDS, references));
        let [few, many] = [FEW, MANY].map(|tiles| taken(&clip, tiles, "1"));
        let each = (many - few) / (MANY - FEW) as f64;
        println!("{name:<10} {references:>9} {few:>8.1} {many:>9.1} {each:>10.1}");
    }
    let clip = clip(folder, 1, (640, 360), 650, (SECONDS, 1));
    let without = taken(&clip, 1, "");
    println!("one tile of 640x360, nothing made: {without:.1}");
    for (number, size) in GridSize::ALL.into_iter().enumerate() {
        let (width, height) = size.samples();
        let more = taken(&clip, 1, &number.to_string()) - without;
        println!("{width}x{height} made besides: {more:.1}");
    }
}

/// MB that a process of its own has more after composing.
fn taken(clip: &PathBuf, tiles: usize, sizes: &str) -> f64 {
    let this = std::env::current_exe().expect("a program knows where it is");
    let output = Command::new(this)
        .arg("memory-of")
        .arg(clip)
        .args([&tiles.to_string(), sizes])
        .output()
        .expect("this program runs again");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse::<f64>().expect("a number of kB") / 1_000.0
}

/// Composes this clip as often as there are tiles into the sizes of these numbers, and prints how many kB more are resident
/// than before.
pub(super) fn of(clip: &Path, tiles: &str, sizes: &str) {
    let tiles = tiles.parse().expect("a number of tiles");
    let digits = sizes.chars().filter_map(|digit| digit.to_digit(10));
    let sizes: Vec<GridSize> =
        digits.filter_map(|at| GridSize::ALL.get(at as usize).copied()).collect();
    let streams: Streams = vec![pictures(clip)];
    let before = resident();
    let mut composer = Composer::new(15);
    let ours = compose_streams(&streams, tiles, &mut composer, &sizes);
    let after = resident();
    assert!(ours.pictures > 0 && composer.tally().failed == 0);
    println!("{}", (after - before) * 1_024.0 / 1_000.0);
}

/// KiB that are resident of this process.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

//! How many composed pictures a second one core makes, beside ffmpeg doing the same.
//!
//! `grid_load [SECONDS]` measures 4, 9 and 16 tiles of 640x360 and of 1280x720, 30 pictures a second each, composed
//! fifteen times a second into 640x360 at 650 kbit/s. ffmpeg decodes the same clips, halves their rate,
//! scales, stacks and encodes them (libx264, ultrafast, zero latency), each part with one thread; CPU time of all its
//! threads counts, as that of our one does. `grid_load memory` says what memory tiles and sizes take, and
//! `grid_load picture FILE.png` writes a composed picture.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool that measures ends at a fault"
)]

mod memory;

use model::Instant;
use room_grid::{Composer, GridPace, GridSize, OutputSettings, Tile};
use room_video::h264::{Level, Nalu};
use rtp_proto::RtpHeader;
use rustix::time::{ClockId, clock_gettime};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const SETTINGS: OutputSettings =
    OutputSettings { bits_per_second: 650_000, level: Level::L3_1, viewers: 1 };
/// Clips that differ; further tiles show them again.
const CLIPS: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = std::env::temp_dir().join(format!("grid-load-{}", std::process::id()));
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    if let ["memory-of", clips, tiles, sizes] = arguments[..] {
        return memory::of(Path::new(clips), tiles, sizes);
    }
    std::fs::create_dir_all(&folder).expect("a folder for clips");
    match arguments[..] {
        ["memory"] => memory::table(&folder),
        ["picture", file] => picture(&folder, Path::new(file)),
        [] => table(&folder, 10),
        [seconds] => table(&folder, seconds.parse().expect("seconds")),
        _ => println!("grid_load [SECONDS], grid_load memory, or grid_load picture FILE.png"),
    }
    std::fs::remove_dir_all(&folder).expect("the folder of clips can be removed");
}

fn table(folder: &Path, seconds: u32) {
    println!("composed pictures of 640x360 a second, of one core; of {seconds} s");
    println!("sources   tiles    ours  decoding  ffmpeg   ratio  meetings of one core at 15/s");
    for (name, size, rate) in [("640x360", (640, 360), 650), ("1280x720", (1_280, 720), 1_400)] {
        let clips: Vec<PathBuf> =
            (0..CLIPS).map(|number| clip(folder, number, size, rate, (seconds, 1))).collect();
        for tiles in [4, 9, 16] {
            let ours = compose(&clips, tiles, &mut Composer::new(15), &[GridSize::Usual]);
            let theirs = ffmpeg(&clips, tiles, ours.pictures);
            let per_second = |used: Duration| f64::from(ours.pictures) / used.as_secs_f64();
            let (mine, other) = (per_second(ours.decoding + ours.making), per_second(theirs));
            println!(
                "{name:<9} {tiles:>5} {mine:>7.0} {:>8.0}% {other:>7.0} {:>7.2} {:>8.1}",
                100.0 * ours.decoding.as_secs_f64() / (ours.decoding + ours.making).as_secs_f64(),
                mine / other,
                mine / 15.0,
            );
        }
    }
}

struct Ours {
    pictures: u32,
    decoding: Duration,
    making: Duration,
}

/// CPU time of this thread.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

/// The units of the pictures of each clip.
type Streams = Vec<Vec<Vec<Vec<u8>>>>;

/// Composes clips to their end.
fn compose(clips: &[PathBuf], tiles: usize, composer: &mut Composer, sizes: &[GridSize]) -> Ours {
    let streams: Streams = clips.iter().map(|clip| pictures(clip)).collect();
    compose_streams(&streams, tiles, composer, sizes)
}

fn compose_streams(
    streams: &Streams,
    tiles: usize,
    composer: &mut Composer,
    sizes: &[GridSize],
) -> Ours {
    let named = |key: u16| Tile { key, name: format!("Room {key}").into(), speaks: key == 1 };
    composer.set_tiles(&(0..tiles as u16).map(named).collect::<Vec<_>>());
    sizes.iter().for_each(|size| composer.set_output(*size, Some(SETTINGS)));
    let mut ours = Ours { pictures: 0, decoding: Duration::ZERO, making: Duration::ZERO };
    let mut sequences = vec![0_u16; tiles];
    let count = streams.iter().map(Vec::len).min().unwrap();
    for number in 0_usize..count {
        let began = used();
        for (key, sequence) in (0_u16..).zip(&mut sequences) {
            let stream = &streams[usize::from(key) % streams.len()];
            let units = stream.get(number).unwrap();
            for (at, unit) in units.iter().enumerate() {
                let header = RtpHeader {
                    payload_type: 97,
                    marker: at + 1 == units.len(),
                    sequence: *sequence,
                    timestamp: number as u32 * 3_000,
                    ssrc: 1,
                };
                *sequence = sequence.wrapping_add(1);
                composer.packet(key, &[&header.to_bytes()[..], unit].concat());
            }
        }
        let decoded = used();
        ours.decoding += decoded - began;
        if number % 2 == 1 {
            let now = Instant::from_millis(number as u64 * 1_000 / 30);
            composer.wants(now, &mut |_| {});
            composer.make(now, GridPace::Full, &mut |_, _| true);
            ours.pictures += 1;
        }
        ours.making += used() - decoded;
    }
    let tally = composer.tally();
    assert_eq!(tally.decoded, (count * tiles) as u64, "{tally:?}");
    ours
}

/// A moving picture with a camera's noise, as a device sends it: slices that fit into packets; so many seconds of it,
/// which refers to so many pictures before.
fn clip(
    folder: &Path,
    number: usize,
    size: (usize, usize),
    rate: u32,
    (seconds, references): (u32, u32),
) -> PathBuf {
    let file = folder.join(format!("{}-{references}-{number}.mkv", size.0));
    let source = format!(
        "testsrc2=size={}x{}:rate=30:duration={seconds},hue=h={},noise=alls=6:allf=t",
        size.0,
        size.1,
        number * 90
    );
    let bits = format!("{rate}k");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency"])
        .args(["-profile:v", "baseline", "-refs", &references.to_string()])
        .args(["-x264-params", "slice-max-size=1200:keyint=300"])
        .args(["-b:v", &bits, "-maxrate", &bits, "-bufsize", &bits])
        .arg(&file)
        .status()
        .expect("ffmpeg is installed (tests/setup.sh does that)");
    assert!(status.success(), "ffmpeg made no clip");
    file
}

/// The units of each picture of a clip.
fn pictures(clip: &Path) -> Vec<Vec<Vec<u8>>> {
    let bytes = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(clip)
        .args(["-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-"])
        .output();
    let stream = bytes.unwrap().stdout;
    let mut starts: Vec<usize> = Vec::new();
    for at in 0..stream.len().saturating_sub(2) {
        if stream[at..].starts_with(&[0, 0, 1]) {
            starts.push(at + 3);
        }
    }
    let mut pictures: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut has_slice = true;
    let ends = starts.iter().skip(1).map(|start| start - 3).chain([stream.len()]);
    for (start, end) in starts.iter().zip(ends) {
        let mut unit = &stream[*start..end];
        while let [rest @ .., 0] = unit {
            unit = rest;
        }
        let read = Nalu::new(unit).unwrap();
        let is_slice = matches!(read.kind(), 1 | 5);
        if (read.begins_picture() || !is_slice) && has_slice {
            pictures.push(Vec::new());
            has_slice = false;
        }
        has_slice |= is_slice;
        pictures.last_mut().unwrap().push(unit.to_vec());
    }
    pictures
}

/// CPU time that ffmpeg takes for the same.
fn ffmpeg(clips: &[PathBuf], tiles: usize, pictures: u32) -> Duration {
    let side = if tiles > 9 { 4 } else { (tiles as f64).sqrt() as usize };
    let (wide, high) = (640 / side / 2 * 2, 360 / side / 2 * 2);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "info", "-nostdin", "-benchmark", "-y"]);
    let mut filter = String::new();
    for number in 0..tiles {
        command.args(["-threads", "1", "-i"]).arg(&clips[number % clips.len()]);
        filter += &format!("[{number}]fps=15,scale={wide}:{high}[t{number}];");
    }
    let all: String = (0..tiles).map(|number| format!("[t{number}]")).collect();
    let places: Vec<String> = (0..tiles)
        .map(|number| format!("{}_{}", number % side * wide, number / side * high))
        .collect();
    filter += &format!("{all}xstack=inputs={tiles}:layout={}[out]", places.join("|"));
    let output = command
        .args(["-filter_threads", "1", "-filter_complex_threads", "1"])
        .args(["-filter_complex", &filter, "-map", "[out]", "-c:v", "libx264"])
        .args(["-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"])
        .args(["-b:v", "650k", "-maxrate", "650k", "-bufsize", "650k", "-f", "null", "-"])
        .stdout(Stdio::null())
        .output()
        .expect("ffmpeg is installed (tests/setup.sh does that)");
    let said = String::from_utf8_lossy(&output.stderr);
    let part = |name: &str| {
        let begin = said.rfind(name).map(|at| at + name.len());
        let rest = begin.and_then(|begin| said.get(begin..)).unwrap_or_default();
        rest.split('s').next().and_then(|seconds| seconds.parse::<f64>().ok())
    };
    // It has made as many pictures as we have.
    let made = said.rfind("frame=").and_then(|at| said.get(at + 6..)).unwrap_or_default();
    let made = made.split_whitespace().next().and_then(|made| made.parse::<u32>().ok());
    assert!(made.is_some_and(|made| made.abs_diff(pictures) < 5), "{made:?} of {pictures}");
    let (user, system) = (part("utime="), part("stime="));
    let (Some(user), Some(system)) = (user, system) else {
        panic!("ffmpeg says no times: {said}");
    };
    Duration::from_secs_f64(user + system)
}

/// Five tiles with names in several scripts, as they look.
fn picture(folder: &Path, file: &Path) {
    let clips: Vec<PathBuf> =
        (0..CLIPS).map(|number| clip(folder, number, (640, 360), 650, (1, 1))).collect();
    let mut composer = Composer::new(15);
    let _ = compose(&clips, 5, &mut composer, &[GridSize::Usual]);
    let names =
        ["Ada Lovelace", "会議室 3", "Zoë Ångström", "Ωμέγα", "A room whose name is long and cut"];
    let tiles: Vec<Tile> = (0..)
        .zip(names)
        .map(|(key, name)| Tile { key, name: name.into(), speaks: key == 1 })
        .collect();
    composer.set_tiles(&tiles);
    composer.make(Instant::from_millis(2_000), GridPace::Full, &mut |_, _| true);
    let drawn = composer.drawn(GridSize::Usual).unwrap();
    let raw = folder.join("drawn.yuv");
    std::fs::write(&raw, drawn).unwrap();
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "640x360", "-i"])
        .args([&raw, file])
        .status()
        .unwrap();
    println!("{}: {status}", file.display());
}

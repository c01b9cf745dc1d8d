//! Streams of ours before other programs' eyes: ffprobe, ffmpeg and mkvinfo. Skipped, with a line that
//! says so, where one is not installed.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says why it fails, or is skipped"
)]

use mkv::{Audio, Encoding, FragmentWriter, Tags, head};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BEGAN: u64 = 1_792_000_000_000;
/// 3.5 s: two fragments of 1.2 s and the rest.
const FRAMES: u64 = 175;

/// What a program says of the file; `None` when it is not there.
fn say(program: &str, arguments: &str, file: &Path) -> Option<Vec<u8>> {
    let arguments = arguments
        .split(' ')
        .map(|word| if word == "FILE" { file.as_os_str() } else { word.as_ref() });
    let Ok(output) = Command::new(program).args(arguments).output() else {
        println!("skipped: {program} is not installed (tests/setup.sh does that)");
        return None;
    };
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// A sample as it is written.
fn octets(audio: Audio, sample: u64) -> Vec<u8> {
    match audio.encoding {
        Encoding::Linear => (sample as i16).to_le_bytes().to_vec(),
        Encoding::MuLaw => vec![sample as u8],
    }
}

/// A stream, and the octets of its samples; removed when it is dropped.
struct File {
    path: PathBuf,
    samples: Vec<u8>,
}

impl File {
    fn new(name: &str, audio: Audio) -> Self {
        let mut tags = Tags::new();
        tags.add("TransactionId", "0f0e0d0c-0b0a-4908-8706-050403020100").unwrap();
        tags.add("FromNumber", "+12065550100").unwrap();
        let mut writer =
            FragmentWriter::new(audio, Duration::from_millis(1_200), tags, Tags::new());
        let (mut stream, mut samples) = (head(audio, [9; 16]), Vec::new());
        let per_frame = u64::from(audio.sample_rate / 50);
        for frame in 0..FRAMES {
            let places = frame * per_frame..(frame + 1) * per_frame;
            let octets: Vec<u8> = places.flat_map(|sample| octets(audio, sample * 7)).collect();
            let fragment = writer.push(BEGAN + frame * 20, &octets, u32::from(frame == 0)).unwrap();
            stream.extend(fragment.into_iter().flat_map(|fragment| fragment.octets));
            samples.extend(octets);
        }
        stream.extend(writer.finish().unwrap().octets);
        let path = std::env::temp_dir().join(format!("mkv-{}-{name}.mkv", std::process::id()));
        std::fs::write(&path, stream).unwrap();
        File { path, samples }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

const LINEAR: Audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };
const WIDE: Audio = Audio { encoding: Encoding::Linear, sample_rate: 16_000 };
const MU_LAW: Audio = Audio { encoding: Encoding::MuLaw, sample_rate: 8_000 };

#[test]
fn ffprobe_finds_every_packet_at_its_time() {
    let kinds =
        [("linear", LINEAR, "pcm_s16le"), ("wide", WIDE, "pcm_s16le"), ("mu", MU_LAW, "pcm_mulaw")];
    for (name, audio, codec) in kinds {
        let file = File::new(&format!("probe-{name}"), audio);
        let shown =
            "-v error -of csv=p=0 -show_entries stream=codec_name,sample_rate,channels FILE";
        let Some(stream) = say("ffprobe", shown, &file.path) else { return };
        let expected = format!("{codec},{},1", audio.sample_rate);
        assert_eq!(String::from_utf8_lossy(&stream).trim(), expected);
        let shown = "-v error -of csv=p=0 -show_entries packet=pts FILE";
        let packets = say("ffprobe", shown, &file.path).unwrap();
        let times: Vec<u64> = String::from_utf8_lossy(&packets)
            .lines()
            .map(|line| line.trim_end_matches(',').parse().unwrap())
            .collect();
        let expected: Vec<u64> = (0..FRAMES).map(|frame| BEGAN + frame * 20).collect();
        assert_eq!(times, expected);
    }
}

#[test]
fn ffmpeg_gives_every_sample_back() {
    for (name, audio, format) in
        [("linear", LINEAR, "s16le"), ("wide", WIDE, "s16le"), ("mu", MU_LAW, "mulaw")]
    {
        let file = File::new(&format!("decode-{name}"), audio);
        let arguments = format!("-v error -i FILE -c:a copy -f {format} -");
        let Some(samples) = say("ffmpeg", &arguments, &file.path) else { return };
        assert!(samples == file.samples, "{name}: {} octets", samples.len());
    }
}

#[test]
fn mkvinfo_takes_it_without_a_warning() {
    for (name, audio, codec) in [("linear", LINEAR, "A_PCM/INT/LIT"), ("mu", MU_LAW, "A_MS/ACM")] {
        let file = File::new(&format!("info-{name}"), audio);
        let Some(said) = say("mkvinfo", "--ui-language en_US -v -v FILE", &file.path) else {
            return;
        };
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines = |text: &str| said.lines().filter(|line| line.contains(text)).count();
        assert_eq!((lines("Simple block:"), lines("|+ Cluster"), lines("|+ Tags")), (175, 3, 1));
        assert_eq!((lines(&format!("Codec ID: {codec}")), lines("Segment: size unknown")), (1, 1));
        assert_eq!(lines("String: +12065550100") + lines("Name: MissingSamples"), 2);
        for word in ["arning", "rror", "nknown element", "alformed"] {
            assert_eq!(lines(word), 0, "{said}");
        }
    }
}

use super::*;
use mkv::{Audio, Encoding, Fragment, FragmentWriter, Tags, head};
use rtp_proto::codecs::g711::{decode_mu_law, encode_mu_law};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const BEGAN: u64 = 1_792_000_000_000;
const LINEAR: Audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };

/// A folder that is removed at the end of its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("stored-streams-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    /// A file of a stream; its place.
    fn file(&self, stream: u8, octets: &[u8]) -> PathBuf {
        let uuid = format!("00000000-0000-4000-8000-0000000000{stream:02x}");
        let folder = self.0.join(format!("ChimeVoiceConnector-abcdef1ghij2klmno3pqr4-{uuid}"));
        fs::create_dir_all(&folder).unwrap();
        let number = fs::read_dir(&folder).unwrap().count();
        let path = folder.join(format!("{number}.mkv"));
        fs::write(&path, octets).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fragments of a leg: sample N since `from_ms` is N, within 16 bits.
fn fragments(
    audio: Audio,
    call: &str,
    is_caller: bool,
    from_ms: u64,
    frames: u64,
) -> Vec<Fragment> {
    let mut tags = Tags::new();
    let side = if is_caller { ["true", "A"] } else { ["false", "B"] };
    let names = ["TransactionId", "IsCaller", "Channel"];
    for (name, value) in names.into_iter().zip([call, side[0], side[1]]) {
        tags.add(name, value).unwrap();
    }
    let mut first = tags.clone();
    first.add("FromNumber", "+12065550100").unwrap();
    let mut writer = FragmentWriter::new(audio, Duration::from_secs(1), first, tags);
    let mut out = Vec::new();
    for frame in 0..frames {
        let samples = (frame * 160..frame * 160 + 160).map(|sample| sample as i16);
        let octets: Vec<u8> = match audio.encoding {
            Encoding::Linear => samples.flat_map(i16::to_le_bytes).collect(),
            Encoding::MuLaw => samples.map(encode_mu_law).collect(),
        };
        let missing = u32::from(frame == 1) * 160;
        out.extend(writer.push(BEGAN + from_ms + frame * 20, &octets, missing).unwrap());
    }
    out.extend(writer.finish());
    out
}

fn stream<'a>(audio: Audio, fragments: impl IntoIterator<Item = &'a Fragment>) -> Vec<u8> {
    let octets = fragments.into_iter().flat_map(|fragment| fragment.octets.clone());
    [head(audio, [1; 16]), octets.collect()].concat()
}

fn since_ms(time_ns: u64) -> u64 {
    time_ns / 1_000_000 - BEGAN
}

fn samples(call: &StoredCall, leg: usize, count: usize) -> (Vec<i16>, LegAudio) {
    let mut audio = LegAudio::new(&call.legs[leg], call.sample_rate().unwrap(), call.began_ns());
    let mut out = vec![-1; count];
    // In pieces that fit nothing.
    out.chunks_mut(77).for_each(|piece| audio.fill(piece));
    (out, audio)
}

#[test]
fn a_call_is_both_its_legs_each_sample_at_its_time() {
    let scratch = Scratch::new();
    scratch.file(1, &stream(LINEAR, &fragments(LINEAR, "call", true, 0, 120)));
    let callee = fragments(LINEAR, "call", false, 1_500, 120);
    // The second one was dropped on its way.
    scratch.file(2, &stream(LINEAR, [&callee[0], &callee[2]]));
    let Stored { calls, unread } = stored_calls(&scratch.0).unwrap();
    assert_eq!((calls.len(), unread.len()), (1, 0));
    let call = &calls[0];
    assert_eq!((&*call.transaction_id, &*call.from_number), ("call", "+12065550100"));
    assert_eq!((since_ms(call.began_ns()), since_ms(call.ended_ns())), (0, 3_900));
    let (caller, heard) = samples(call, 0, 31_200);
    let expected: Vec<i16> = (0..19_200).chain([0; 12_000]).collect();
    assert_eq!(caller, expected);
    assert_eq!(heard.heard().missing_samples, 160);
    assert_eq!((heard.heard().absent_samples, heard.heard().faults.len()), (0, 0));
    let (callee, heard) = samples(call, 1, 31_200);
    let silence = |count| std::iter::repeat_n(0, count);
    let expected: Vec<i16> =
        silence(12_000).chain(0..8_000).chain(silence(8_000)).chain(16_000..19_200).collect();
    assert_eq!(callee, expected);
    // A leg may begin later.
    assert_eq!(heard.heard().absent_samples, 8_000);
}

#[test]
fn a_leg_goes_on_in_other_files_and_streams() {
    let scratch = Scratch::new();
    let all = fragments(LINEAR, "call", true, 0, 200);
    scratch.file(1, &stream(LINEAR, &all[..1]));
    scratch.file(1, &stream(LINEAR, &all[1..2]));
    // Sent twice.
    scratch.file(2, &stream(LINEAR, &all[1..]));
    scratch.file(1, &stream(LINEAR, &fragments(LINEAR, "later call", true, 60_000, 1)));
    let Stored { calls, .. } = stored_calls(&scratch.0).unwrap();
    let ids: Vec<_> = calls.iter().map(|call| &*call.transaction_id).collect();
    assert_eq!(ids, ["later call", "call"]);
    assert_eq!((calls[1].legs.len(), calls[1].legs[0].files.len()), (1, 3));
    let (heard, _) = samples(&calls[1], 0, 32_000);
    assert_eq!(heard, (0..32_000).collect::<Vec<i16>>());
}

#[test]
fn files_that_name_no_call_are_calls_of_their_own() {
    let scratch = Scratch::new();
    for stream_number in [1, 2] {
        let mut writer =
            FragmentWriter::new(LINEAR, Duration::from_secs(1), Tags::new(), Tags::new());
        writer.push(BEGAN, &[0; 320], 0).unwrap();
        scratch.file(stream_number, &stream(LINEAR, &writer.finish()));
    }
    let Stored { calls, .. } = stored_calls(&scratch.0).unwrap();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.transaction_id.is_empty() && call.files().count() == 1));
}

#[test]
fn mu_law_is_decoded() {
    let scratch = Scratch::new();
    let audio = Audio { encoding: Encoding::MuLaw, sample_rate: 8_000 };
    scratch.file(1, &stream(audio, &fragments(audio, "call", true, 0, 50)));
    let Stored { calls, .. } = stored_calls(&scratch.0).unwrap();
    let (heard, _) = samples(&calls[0], 0, 8_000);
    let expected: Vec<i16> =
        (0..8_000).map(|sample| decode_mu_law(encode_mu_law(sample))).collect();
    assert_eq!(heard, expected);
    assert_eq!(since_ms(calls[0].ended_ns()), 1_000);
}

#[test]
fn the_end_of_a_long_file_is_found_at_its_end() {
    let scratch = Scratch::new();
    let octets = stream(LINEAR, &fragments(LINEAR, "call", true, 0, 3_001));
    let path = scratch.file(1, &octets);
    let whole = |path: &Path| {
        let Stored { calls, .. } = stored_calls(&scratch.0).unwrap();
        let file = calls[0].files().find(|file| file.path == path).unwrap().clone();
        (since_ms(file.ended_ns), file.is_cut)
    };
    assert_eq!(whole(&path), (60_020, false));
    // The last block is cut.
    fs::write(&path, &octets[..octets.len() - 1]).unwrap();
    assert_eq!(whole(&path), (60_000, true));
    // Nothing at the end can be read: what came before counts.
    let end = octets.len() - 400_000;
    fs::write(&path, [&octets[..end], &[0; 400_000]].concat()).unwrap();
    let (ended, is_cut) = whole(&path);
    assert!((35_000..36_000).contains(&ended) && is_cut, "{ended} {is_cut}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let scratch = Scratch::new();
    assert_eq!(stored_calls(&scratch.0).unwrap(), Stored::default());
    scratch.file(1, b"no stream");
    scratch.file(1, &head(LINEAR, [1; 16]));
    fs::create_dir_all(scratch.0.join("not a stream")).unwrap();
    let Stored { calls, unread } = stored_calls(&scratch.0).unwrap();
    assert_eq!(calls, []);
    let mut reasons: Vec<_> = unread.iter().map(|(_, reason)| reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["it has no audio", "octet 0: element 6E6F cannot be here"]);
    // One that breaks off keeps what came.
    let octets = stream(LINEAR, &fragments(LINEAR, "call", true, 0, 50));
    scratch.file(2, &octets[..octets.len() - 1]);
    let Stored { calls, .. } = stored_calls(&scratch.0).unwrap();
    let (heard, audio) = samples(&calls[0], 0, 8_000);
    let expected: Vec<i16> = (0..7_840).chain([0; 160]).collect();
    assert_eq!(heard, expected);
    assert_eq!(audio.heard().faults.len(), 1);
}

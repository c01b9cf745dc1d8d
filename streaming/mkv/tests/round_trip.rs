//! Whatever is written is read again, sample for sample.

use mkv::{Audio, Codec, Encoding, Event, FragmentWriter, Malformed, Reader, Tags, head};
use proptest::prelude::*;
use std::time::Duration;

/// A frame: milliseconds since the one before it, samples, how many of them are missing.
type Frame = (u64, Vec<u8>, u32);

fn frames(sample_octets: usize) -> impl Strategy<Value = Vec<Frame>> {
    let samples = prop_oneof![4 => Just(160_usize), 1 => 1_usize..400];
    let frame = samples.prop_flat_map(move |samples| {
        let octets = prop::collection::vec(any::<u8>(), samples * sample_octets);
        (prop_oneof![9 => Just(20_u64), 1 => 1_u64..5_000], octets, 0..=samples as u32)
    });
    prop::collection::vec(frame, 1..150)
}

fn audio() -> impl Strategy<Value = Audio> {
    let encoding = prop_oneof![Just(Encoding::Linear), Just(Encoding::MuLaw)];
    let rate = prop_oneof![Just(8_000), Just(16_000)];
    (encoding, rate).prop_map(|(encoding, sample_rate)| Audio { encoding, sample_rate })
}

proptest! {
    #[test]
    fn every_sample_comes_back_at_its_time(
        (audio, frames) in audio().prop_flat_map(|audio| {
            (Just(audio), frames(audio.sample_octets()))
        }),
        began in 0_u64..1 << 43,
        length in 1_000_u64..3_000,
        value in ".{0,400}",
        piece in 1_usize..5_000,
    ) {
        let mut tags = Tags::new();
        tags.add("CallId", &value).unwrap();
        let value = tags.as_slice().first().map(|tag| tag.value.clone());
        let length = Duration::from_millis(length);
        let mut writer = FragmentWriter::new(audio, length, tags, Tags::new());
        let mut octets = head(audio, [1; 16]);
        let (mut at, mut expected, mut missing) = (began, Vec::new(), 0_u64);
        let mut fragments = Vec::new();
        for (later, frame, lost) in &frames {
            at += later;
            fragments.extend(writer.push(at, frame, *lost).unwrap());
            expected.push((at, frame.clone()));
            missing += u64::from(*lost);
        }
        fragments.extend(writer.finish());
        let duration: Duration = fragments.iter().map(|fragment| fragment.duration).sum();
        let samples: usize = frames.iter().map(|frame| frame.1.len() / audio.sample_octets()).sum();
        let exact = Duration::from_secs_f64(samples as f64 / f64::from(audio.sample_rate));
        prop_assert!(duration.abs_diff(exact) < Duration::from_micros(1));
        octets.extend(fragments.iter().flat_map(|fragment| &fragment.octets));

        let mut reader = Reader::new();
        let (mut seen, mut times, mut call_id, mut told) = (Vec::new(), Vec::new(), None, 0);
        for piece in octets.chunks(piece) {
            reader.push(piece);
            while let Some(event) = reader.poll().unwrap() {
                match event {
                    Event::Tracks(tracks) => {
                        let codec = match audio.encoding {
                            Encoding::Linear => Codec::LinearLittle,
                            Encoding::MuLaw => Codec::MuLaw,
                        };
                        prop_assert_eq!(&tracks[0].codec, &codec);
                        prop_assert_eq!(tracks[0].sample_rate, audio.sample_rate);
                    }
                    Event::Tags(tags) => for tag in tags {
                        match &*tag.name {
                            "CallId" => call_id = Some(tag.value),
                            name => {
                                prop_assert_eq!(name, "MissingSamples");
                                told += tag.value.parse::<u64>().unwrap();
                            }
                        }
                    },
                    Event::Fragment { timecode_ns } => times.push(timecode_ns / 1_000_000),
                    Event::Block { timecode_ns, payload, .. } => {
                        seen.push((timecode_ns / 1_000_000, payload.to_vec()));
                    }
                }
            }
        }
        prop_assert_eq!(reader.finish(), Ok(()));
        prop_assert_eq!(seen, expected);
        prop_assert_eq!(call_id, value);
        prop_assert_eq!(told, missing);
        let written: Vec<u64> = fragments.iter().map(|fragment| fragment.timecode_ms).collect();
        prop_assert_eq!(times, written);
    }

    #[test]
    fn damage_is_an_error_or_other_samples_but_never_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };
        let mut writer = FragmentWriter::new(audio, Duration::from_secs(1), Tags::new(), Tags::new());
        let mut octets = head(audio, [1; 16]);
        for frame in 0..60 {
            let fragment = writer.push(frame * 20, &[3; 320], 7).unwrap();
            octets.extend(fragment.into_iter().flat_map(|fragment| fragment.octets));
        }
        for (place, octet) in damage {
            *place.get_mut(&mut octets) = octet;
        }
        octets.truncate(cut.index(octets.len()) + 1);
        let mut reader = Reader::new();
        reader.push(&octets);
        let mut events = 0;
        let failure: Result<(), Malformed> = loop {
            match reader.poll() {
                Ok(Some(_)) => events += 1,
                Ok(None) => break reader.finish(),
                Err(failure) => break Err(failure),
            }
        };
        prop_assert!(events <= octets.len());
        prop_assert!(reader.position() <= octets.len() as u64);
        if let Err(failure) = failure {
            prop_assert!(failure.at() <= octets.len() as u64);
            prop_assert!(!failure.to_string().is_empty());
        }
    }
}

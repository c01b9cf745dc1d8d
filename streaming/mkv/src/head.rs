//! What stands before the first fragment.

use crate::Audio;
use crate::ebml::{UNKNOWN_SIZE, id, put, put_id, put_master, put_unsigned};

/// Nanoseconds of a unit of timestamps: milliseconds.
const TIMESTAMP_SCALE: u64 = 1_000_000;
const APP: &[u8] = concat!("tandem ", env!("CARGO_PKG_VERSION")).as_bytes();

/// The head of a stream: EBML header, the start of a Segment of unknown size, Info and Tracks.
/// `segment_uid` is drawn at random, once for each file or connection (RFC 9559, section 5.1.2.1).
pub fn head(audio: Audio, segment_uid: [u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    put_master(&mut out, id::EBML, |out| {
        put_unsigned(out, id::EBML_VERSION, 1);
        put_unsigned(out, id::EBML_READ_VERSION, 1);
        put_unsigned(out, id::EBML_MAX_ID_LENGTH, 4);
        put_unsigned(out, id::EBML_MAX_SIZE_LENGTH, 8);
        put(out, id::DOC_TYPE, b"matroska");
        put_unsigned(out, id::DOC_TYPE_VERSION, 2);
        put_unsigned(out, id::DOC_TYPE_READ_VERSION, 2);
    });
    put_id(&mut out, id::SEGMENT);
    out.extend_from_slice(&UNKNOWN_SIZE);
    put_master(&mut out, id::INFO, |out| {
        put(out, id::SEGMENT_UID, &segment_uid);
        put_unsigned(out, id::TIMESTAMP_SCALE, TIMESTAMP_SCALE);
        put(out, id::MUXING_APP, APP);
        put(out, id::WRITING_APP, APP);
    });
    put_master(&mut out, id::TRACKS, |out| {
        put_master(out, id::TRACK_ENTRY, |out| put_track(out, audio));
    });
    out
}

fn put_track(out: &mut Vec<u8>, audio: Audio) {
    put_unsigned(out, id::TRACK_NUMBER, 1);
    put_unsigned(out, id::TRACK_UID, 1);
    // Audio, RFC 9559, section 5.1.4.1.3.
    put_unsigned(out, id::TRACK_TYPE, 2);
    put_unsigned(out, id::FLAG_LACING, 0);
    put(out, id::NAME, b"audio");
    put(out, id::CODEC_ID, audio.codec_id().as_bytes());
    if let Some(private) = audio.codec_private() {
        put(out, id::CODEC_PRIVATE, &private);
    }
    put_master(out, id::AUDIO, |out| {
        put(out, id::SAMPLING_FREQUENCY, &f64::from(audio.sample_rate).to_be_bytes());
        put_unsigned(out, id::CHANNELS, 1);
        put_unsigned(out, id::BIT_DEPTH, audio.sample_octets() as u64 * 8);
    });
}

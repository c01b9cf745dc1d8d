//! Packets of a source become what a decoder takes: all units of one picture, in the form of a byte stream
//! (ITU-T H.264 annex B), and none that the decoder has no business with.

use crate::{MOST_PICTURE, MOST_UNITS};
use room_video::h264::{Nalu, ParameterSets, Payload, Profile, SequenceParameterSet, nal_type};
use rtp_proto::RtpPacket;

/// Octets of one picture. A larger one is dropped: 1080p without any prediction has 3 million, a key frame of 1.4
/// Mbit/s a tenth of this.
const MOST_OCTETS: usize = 1024 * 1024;
const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// Units that a decoder is given with one call: each slice may cost it as much as a picture, whatever is said of where it
/// begins, for only the decoder finds its end.
pub(crate) const PIECE: u32 = 32;

/// What was not decoded.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Refused {
    /// Payloads that are none, and units of kinds that nobody offers.
    pub(crate) malformed: u64,
    /// Parameter sets of pictures that are too large, or of profiles that are not decoded.
    pub(crate) sets: u64,
    /// Pictures of which something is missing, or that need one of which something is.
    pub(crate) incomplete: u64,
}

impl Refused {
    /// All of it.
    pub(crate) const fn sum(&self) -> u64 {
        self.malformed + self.sets + self.incomplete
    }
}

/// A picture that is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Whole<'a> {
    /// Its units, each behind a start code.
    pub(crate) octets: &'a [u8],
    /// How many these are.
    pub(crate) units: u32,
    /// Macroblocks of the largest picture that its source has had parameter sets of: it is no larger.
    pub(crate) most_macroblocks: u32,
}

impl<'a> Whole<'a> {
    /// The units in their order, [`PIECE`] at a time, with how many there are. No unit has a start code inside.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (&'a [u8], u32)> {
        let (mut rest, mut left) = (self.octets, self.units);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let units = left.min(PIECE);
            let end = if left > PIECE { behind(rest, PIECE) } else { rest.len() };
            let (piece, after) = rest.split_at_checked(end)?;
            (rest, left) = (after, left - units);
            Some((piece, units))
        })
    }
}

/// Where so many units of a byte stream end.
fn behind(stream: &[u8], units: u32) -> usize {
    let starts = stream.windows(START_CODE.len()).enumerate();
    let mut starts = starts.filter(|(_, octets)| **octets == START_CODE);
    starts.nth(units as usize).map_or(stream.len(), |(at, _)| at)
}

/// Puts pictures together.
#[derive(Debug)]
pub(crate) struct AccessUnits {
    /// What there is of the picture that is coming.
    octets: Vec<u8>,
    /// Units in them.
    units: u32,
    /// The first macroblock of its last slice.
    last_slice: Option<u32>,
    /// One of its slices is of an IDR picture.
    is_key: bool,
    /// It has parameter sets of its own: of sequences, of pictures.
    has_sets: [bool; 2],
    /// Something of it is missing, or is not taken.
    is_broken: bool,
    /// Where the unit begins of which a fragment came last.
    fragment: Option<usize>,
    timestamp: Option<u32>,
    next_sequence: Option<u16>,
    /// Nothing is decoded before the next IDR picture.
    waits: bool,
    /// The last sequence parameter set is of pictures that are not decoded.
    is_refused: bool,
    most_macroblocks: u32,
    sets: ParameterSets,
    pub(crate) refused: Refused,
}

impl AccessUnits {
    /// Nothing has come: the first that is decoded is an IDR picture.
    pub(crate) fn new() -> Self {
        AccessUnits {
            octets: Vec::new(),
            units: 0,
            last_slice: None,
            is_key: false,
            has_sets: [false; 2],
            is_broken: false,
            fragment: None,
            timestamp: None,
            next_sequence: None,
            waits: true,
            is_refused: false,
            most_macroblocks: 0,
            sets: ParameterSets::new(),
            refused: Refused::default(),
        }
    }

    /// Whether only a key frame helps. Not of pictures that are refused: the next would be as well.
    pub(crate) const fn needs_key_frame(&self) -> bool {
        self.waits && !self.is_refused
    }

    /// What was decoded last was of no use: the next that is is an IDR picture.
    pub(crate) const fn wait_for_key_frame(&mut self) {
        self.waits = true;
    }

    /// Takes a packet. `ready` is given each picture that is whole, up to two: one without a marker ends where
    /// the next begins.
    pub(crate) fn take(&mut self, packet: &RtpPacket<'_>, ready: &mut impl FnMut(Whole<'_>)) {
        let missed = self.next_sequence.is_some_and(|next| next != packet.sequence());
        self.next_sequence = Some(packet.sequence().wrapping_add(1));
        if missed {
            // A picture that others need may be gone.
            self.waits = true;
            if self.last_slice.is_some() || self.fragment.is_some() {
                self.lose();
            }
        }
        if self.timestamp.is_some_and(|timestamp| timestamp != packet.timestamp()) {
            self.end(ready);
        }
        self.timestamp = Some(packet.timestamp());
        self.take_payload(packet.payload());
        if packet.marker() {
            self.end(ready);
        }
    }

    fn take_payload(&mut self, payload: &[u8]) {
        match Payload::parse(payload) {
            Ok(Payload::Single(unit)) => self.put(unit),
            Ok(Payload::Aggregated(units)) => units.for_each(|unit| self.put(unit)),
            Ok(Payload::Fragment(fragment)) => {
                let begin = match (fragment.start, self.fragment) {
                    (true, _) => {
                        self.drop_fragment();
                        let begin = self.octets.len();
                        self.octets.extend_from_slice(&START_CODE);
                        self.octets.push(fragment.header);
                        begin
                    }
                    (false, Some(begin)) => begin,
                    // Its beginning is missing.
                    (false, None) => return self.lose(),
                };
                self.fragment = Some(begin);
                self.append(fragment.data);
                if fragment.end && self.fragment.take().is_some() {
                    self.finish(begin);
                }
            }
            Err(_) => {
                self.refused.malformed += 1;
                self.lose();
            }
        }
    }

    /// A unit that came whole.
    fn put(&mut self, unit: Nalu<'_>) {
        self.drop_fragment();
        let begin = self.octets.len();
        self.octets.extend_from_slice(&START_CODE);
        self.append(unit.bytes());
        if self.octets.len() > begin {
            self.finish(begin);
        }
    }

    /// Octets, while there is room; else the picture is dropped.
    fn append(&mut self, octets: &[u8]) {
        if self.octets.len() + octets.len() > MOST_OCTETS {
            self.lose();
            return;
        }
        self.octets.extend_from_slice(octets);
    }

    /// Looks at the unit that begins there and is the last: it stays, or it goes.
    fn finish(&mut self, begin: usize) {
        // Zeros behind a unit are none of it (H.264 section B.1.1). A start code ends with 1.
        while self.octets.last() == Some(&0) {
            self.octets.pop();
        }
        let bytes = self.octets.get(begin + START_CODE.len()..).unwrap_or_default();
        // The decoder would find units in it that nobody has looked at.
        let stays = if has_start_code(bytes) {
            self.refused.malformed += 1;
            self.is_broken = true;
            false
        } else {
            self.stays(begin)
        };
        if !stays {
            self.octets.truncate(begin);
            return;
        }
        self.units += 1;
        if self.units > MOST_UNITS {
            self.lose();
        }
    }

    /// Whether the unit that begins there is for the decoder.
    fn stays(&mut self, begin: usize) -> bool {
        let Some(unit) = self.octets.get(begin + START_CODE.len()..).and_then(Nalu::new) else {
            return false;
        };
        match unit.kind() {
            kind @ (nal_type::SLICE | nal_type::IDR_SLICE) => {
                let first = unit.first_macroblock();
                // Slices go forward: none of the profiles that are agreed has others. Else what stands before the first is
                // missing, or a second picture hides behind it.
                let follows = match (first, self.last_slice) {
                    (Some(first), Some(last)) => first > last && first < self.most_macroblocks,
                    (first, None) => first == Some(0),
                    (None, Some(_)) => false,
                };
                self.is_broken |= !follows;
                self.is_key |= kind == nal_type::IDR_SLICE;
                self.last_slice = first.or(self.last_slice).or(Some(0));
                true
            }
            nal_type::SPS => match taken(unit) {
                Some(macroblocks) => {
                    self.is_refused = false;
                    self.most_macroblocks = self.most_macroblocks.max(macroblocks);
                    self.has_sets[0] = true;
                    self.sets.put(unit);
                    true
                }
                None => {
                    self.refused.sets += 1;
                    (self.is_refused, self.waits) = (true, true);
                    false
                }
            },
            nal_type::PPS => {
                self.has_sets[1] = true;
                self.sets.put(unit);
                true
            }
            // Partitions of slices are extended profile's, which is never agreed.
            2..=4 => {
                self.refused.malformed += 1;
                self.is_broken = true;
                false
            }
            // Delimiters, remarks, layers of scalable streams: not needed, and not looked at.
            _ => false,
        }
    }

    /// A fragment whose end has not come is none.
    fn drop_fragment(&mut self) {
        if let Some(begin) = self.fragment.take() {
            self.octets.truncate(begin);
            self.is_broken = true;
        }
    }

    /// Something of the picture that is coming is missing.
    fn lose(&mut self) {
        self.octets.clear();
        self.fragment = None;
        self.is_broken = true;
    }

    /// The picture is whole, or will not become so.
    fn end(&mut self, ready: &mut impl FnMut(Whole<'_>)) {
        self.drop_fragment();
        let has_slice = self.last_slice.is_some();
        let is_whole = !self.is_broken && has_slice && !self.is_refused;
        if self.is_broken {
            self.waits = true;
        }
        let mut whole = Whole {
            octets: &self.octets,
            units: self.units,
            most_macroblocks: self.most_macroblocks,
        };
        if is_whole && self.waits && self.is_key {
            self.waits = false;
            if self.has_sets == [true; 2] {
                ready(whole);
            } else {
                // They have come before, with a picture that was not taken.
                let mut first = Vec::with_capacity(self.octets.len() + 128);
                for unit in self.sets.units() {
                    first.extend_from_slice(&START_CODE);
                    first.extend_from_slice(unit);
                    whole.units += 1;
                }
                first.extend_from_slice(&self.octets);
                ready(Whole { octets: &first, ..whole });
            }
        } else if is_whole && !self.waits {
            ready(whole);
        } else if self.is_broken || has_slice {
            self.refused.incomplete += 1;
        }
        self.octets.clear();
        self.units = 0;
        (self.last_slice, self.is_key, self.is_broken) = (None, false, false);
        self.has_sets = [false; 2];
    }
}

/// Whether a decoder that splits a stream at start codes would split this unit, or take it for damaged: these octets
/// are in no unit (H.264 section 7.4.1).
fn has_start_code(unit: &[u8]) -> bool {
    unit.windows(3).any(|octets| matches!(octets, [0, 0, 0..=2]))
}

/// Macroblocks of a picture of this sequence parameter set, if its pictures are decoded: the decoder is not asked, for it
/// allocates what the set says.
fn taken(unit: Nalu<'_>) -> Option<u32> {
    let set = SequenceParameterSet::parse(unit).ok()?;
    let is_known = matches!(
        set.profile_level_id.profile,
        Profile::ConstrainedBaseline
            | Profile::Baseline
            | Profile::Main
            | Profile::ConstrainedHigh
            | Profile::High
    );
    // What is kept beside the picture is bounded by the largest level (table A-1, level 4.0): 32,768.
    let is_taken = is_known
        && set.macroblocks <= MOST_PICTURE
        && set.macroblocks * set.reference_frames.max(1) <= 4 * MOST_PICTURE;
    is_taken.then_some(set.macroblocks)
}

#[cfg(test)]
mod tests;

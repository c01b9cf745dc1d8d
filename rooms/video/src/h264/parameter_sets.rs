//! The parameter sets that a source has sent or described, so that whoever sees it later has them too.

use super::sps::Bits;
use super::{Nalu, PayloadError, SequenceParameterSet, nal_type};

/// Sequence parameter sets of one source that are kept.
pub const MAX_SPS: usize = 4;
/// Picture parameter sets of one source that are kept.
pub const MAX_PPS: usize = 8;
/// Octets of one set; a longer one is not kept.
pub const MAX_PARAMETER_SET: usize = 256;

/// Bounded: where a set has no place, the one that was put longest ago goes.
#[derive(Clone, Debug)]
pub struct ParameterSets {
    sps: Kept<MAX_SPS>,
    pps: Kept<MAX_PPS>,
    seen: Option<SequenceParameterSet>,
    /// Pictures use slice groups or redundant slices, which constrained baseline does not have.
    baseline_tools: bool,
    too_long: u64,
}

#[derive(Clone, Copy, Debug)]
struct Set {
    octets: [u8; MAX_PARAMETER_SET],
    length: u16,
    id: u8,
}

impl Set {
    fn unit(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
struct Kept<const N: usize> {
    /// In the order in which they came.
    sets: [Option<Set>; N],
}

impl<const N: usize> Kept<N> {
    const fn new() -> Self {
        Kept { sets: [None; N] }
    }

    fn iter(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter().flatten()
    }

    fn put(&mut self, id: u8, unit: &[u8]) {
        let same = |set: &Option<Set>| set.as_ref().is_some_and(|set| set.id == id);
        if let Some(Some(known)) = self.sets.iter().find(|set| same(set))
            && known.unit() == unit
        {
            return;
        }
        let mut octets = [0; MAX_PARAMETER_SET];
        let Some(room) = octets.get_mut(..unit.len()) else { return };
        room.copy_from_slice(unit);
        // Empty places stand behind the sets: the old one of this number, or the oldest, makes way.
        let gone = self.sets.iter().position(same);
        if let Some(tail) = gone.and_then(|at| self.sets.get_mut(at..)) {
            tail.iter_mut().take(1).for_each(|set| *set = None);
            tail.rotate_left(1);
        } else if self.sets.iter().all(Option::is_some) {
            self.sets.rotate_left(1);
            self.sets.last_mut().into_iter().for_each(|set| *set = None);
        }
        if let Some(place) = self.sets.iter_mut().find(|set| set.is_none()) {
            *place = Some(Set { octets, length: unit.len() as u16, id });
        }
    }
}

impl Default for ParameterSets {
    fn default() -> Self {
        ParameterSets::new()
    }
}

impl ParameterSets {
    /// None.
    pub const fn new() -> Self {
        ParameterSets {
            sps: Kept::new(),
            pps: Kept::new(),
            seen: None,
            baseline_tools: false,
            too_long: 0,
        }
    }

    /// Takes a unit that came in a stream or in `sprop-parameter-sets`; others than parameter sets
    /// are left alone. A sequence parameter set that cannot be read is not kept.
    pub fn put(&mut self, unit: Nalu<'_>) {
        let kind = unit.kind();
        if !matches!(kind, nal_type::SPS | nal_type::PPS) {
            return;
        }
        if unit.bytes().len() > MAX_PARAMETER_SET {
            self.too_long += 1;
            return;
        }
        if kind == nal_type::SPS {
            if let Ok(set) = SequenceParameterSet::parse(unit) {
                self.seen = Some(set);
                self.sps.put(set.id, unit.bytes());
            }
        } else if let Some((id, tools)) = picture_set(unit) {
            self.baseline_tools = tools;
            self.pps.put(id, unit.bytes());
        }
    }

    /// Takes the units of a payload that has come whole.
    ///
    /// # Errors
    /// [`PayloadError`] when it is no payload.
    pub fn put_payload(&mut self, payload: &[u8]) -> Result<(), PayloadError> {
        match super::Payload::parse(payload)? {
            super::Payload::Single(unit) => self.put(unit),
            super::Payload::Aggregated(units) => units.for_each(|unit| self.put(unit)),
            super::Payload::Fragment(_) => {}
        }
        Ok(())
    }

    /// The sequence parameter set that came last.
    pub const fn current(&self) -> Option<&SequenceParameterSet> {
        self.seen.as_ref()
    }

    /// Whether the last picture parameter set uses what baseline has and constrained baseline not:
    /// slice groups or redundant slices.
    pub const fn uses_baseline_tools(&self) -> bool {
        self.baseline_tools
    }

    /// Both kinds are there, so that an IDR picture can be decoded.
    pub fn complete(&self) -> bool {
        self.sps.iter().next().is_some() && self.pps.iter().next().is_some()
    }

    /// The units: sequence parameter sets first.
    pub fn units(&self) -> impl Iterator<Item = &[u8]> {
        self.sps.iter().chain(self.pps.iter()).map(Set::unit)
    }

    /// Sets that were longer than [`MAX_PARAMETER_SET`].
    pub const fn too_long(&self) -> u64 {
        self.too_long
    }
}

/// Its number, and whether it has slice groups or redundant slices (section 7.3.2.2).
fn picture_set(unit: Nalu<'_>) -> Option<(u8, bool)> {
    let mut bits = Bits::new(unit.bytes().get(1..)?);
    let id = u8::try_from(bits.code().ok()?).ok()?;
    let sps_id = bits.code().ok()?;
    if sps_id > 31 {
        return None;
    }
    bits.flag().ok()?;
    bits.flag().ok()?;
    let groups = bits.code().ok()?;
    // Where there are groups, their shape stands before what is looked for.
    Some((id, groups > 0 || redundant(&mut bits).unwrap_or(false)))
}

fn redundant(bits: &mut Bits<'_>) -> Option<bool> {
    for _ in 0..2 {
        bits.code().ok()?;
    }
    for _ in 0..3 {
        bits.flag().ok()?;
    }
    for _ in 0..3 {
        bits.code().ok()?;
    }
    bits.flag().ok()?;
    bits.flag().ok()?;
    bits.flag().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number `id`, the rest as a plain encoder has it, and `rest` behind.
    fn picture(id: u32, tail: &[u8]) -> Vec<u8> {
        let mut bits = String::new();
        let code = format!("{:b}", id + 1);
        bits.push_str(&"0".repeat(code.len() - 1));
        bits.push_str(&code);
        bits.push_str("1001111001111001");
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let octets = bits.as_bytes().chunks(8);
        let octets = octets
            .map(|byte| byte.iter().fold(0, |value, &bit| value << 1 | u8::from(bit == b'1')));
        [vec![0x68], octets.collect(), tail.to_vec()].concat()
    }

    /// Of 176x144, as x264 writes it.
    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40,
        0x00, 0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
    ];

    fn put(sets: &mut ParameterSets, bytes: &[u8]) {
        sets.put(Nalu::new(bytes).unwrap());
    }

    #[test]
    fn the_newest_of_each_number_is_kept() {
        let mut sets = ParameterSets::new();
        assert!(!sets.complete());
        put(&mut sets, SPS);
        put(&mut sets, &picture(0, &[1]));
        put(&mut sets, &picture(1, &[2]));
        assert!(sets.complete());
        put(&mut sets, &picture(0, &[3]));
        put(&mut sets, &picture(0, &[3]));
        let units: Vec<_> = sets.units().map(<[u8]>::to_vec).collect();
        assert_eq!(units, [SPS.to_vec(), picture(1, &[2]), picture(0, &[3])]);
    }

    #[test]
    fn the_oldest_goes_where_there_are_too_many() {
        let mut sets = ParameterSets::new();
        for id in 0..20 {
            put(&mut sets, &picture(id, &[]));
        }
        let units: Vec<_> = sets.units().map(<[u8]>::to_vec).collect();
        let newest: Vec<_> = (12..20).map(|id| picture(id, &[])).collect();
        assert_eq!(units, newest);
    }

    #[test]
    fn what_is_too_long_is_counted_and_what_is_none_left_alone() {
        let mut sets = ParameterSets::new();
        put(&mut sets, &picture(0, &[7; MAX_PARAMETER_SET]));
        put(&mut sets, &[0x67, 1]);
        put(&mut sets, &[0x65, 0x88]);
        assert_eq!((sets.too_long(), sets.units().count()), (1, 0));
        sets.put_payload(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68]).unwrap();
        assert_eq!(sets.units().count(), 0);
    }
}

//! Formats of one code word a sample: G.711 and L16.

use crate::error::{DecodeError, EncodeError};

/// The nearest sample, of two the one further from 0, as [`f32::round`] has it, which is a call where
/// the processor may not be asked for it. What is too great saturates; what is no number is 0.
pub(crate) fn to_sample(value: f32) -> i16 {
    let value = value.clamp(f32::from(i16::MIN), f32::from(i16::MAX));
    let whole = value as i32;
    let rest = value - whole as f32;
    (whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)) as i16
}

pub(crate) fn expand(
    payload: &[u8],
    out: &mut [i16],
    value: impl Fn(u8) -> i16,
) -> Result<usize, DecodeError> {
    let out = out.get_mut(..payload.len()).ok_or(DecodeError::NoRoom)?;
    for (sample, octet) in out.iter_mut().zip(payload) {
        *sample = value(*octet);
    }
    Ok(payload.len())
}

pub(crate) fn compress(
    samples: &[i16],
    out: &mut [u8],
    octet: impl Fn(i16) -> u8,
) -> Result<usize, EncodeError> {
    let out = out.get_mut(..samples.len()).ok_or(EncodeError::NoRoom)?;
    for (written, sample) in out.iter_mut().zip(samples) {
        *written = octet(*sample);
    }
    Ok(samples.len())
}

pub(crate) fn read_l16(payload: &[u8], out: &mut [i16]) -> Result<usize, DecodeError> {
    if !payload.len().is_multiple_of(2) {
        return Err(DecodeError::Malformed);
    }
    let samples = payload.len() / 2;
    let out = out.get_mut(..samples).ok_or(DecodeError::NoRoom)?;
    for (sample, octets) in out.iter_mut().zip(payload.chunks_exact(2)) {
        if let &[high, low] = octets {
            *sample = i16::from_be_bytes([high, low]);
        }
    }
    Ok(samples)
}

pub(crate) fn write_l16(samples: &[i16], out: &mut [u8]) -> Result<usize, EncodeError> {
    let octets = samples.len() * 2;
    let out = out.get_mut(..octets).ok_or(EncodeError::NoRoom)?;
    for (octets, sample) in out.chunks_exact_mut(2).zip(samples) {
        octets.copy_from_slice(&sample.to_be_bytes());
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_rounded_value() {
        let odd =
            [0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-30, 32_767.5, -32_768.5];
        // Halves, and the two numbers next to each.
        let halves = (-70_000..70_000_i32).map(|n| n as f32 / 2.0);
        let values = halves.flat_map(|n| [n, n.next_down(), n.next_up()]).chain(odd);
        for value in values {
            assert_eq!(to_sample(value), value.round() as i16, "{value}");
        }
    }
}

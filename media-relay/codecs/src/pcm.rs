//! Formats of one code word a sample: G.711 and L16.

use crate::error::{DecodeError, EncodeError};

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

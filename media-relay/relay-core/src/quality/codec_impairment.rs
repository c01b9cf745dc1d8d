//! Equipment impairment and packet-loss robustness of the formats (ITU-T G.113 appendix I,
//! narrowband; G.113 appendix IV, wideband).

use model::Codec;

/// Which rating scale a format is judged on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Band {
    /// 300 to 3,400 Hz: G.107, R from 0 to about 93.
    Narrow,
    /// 50 to 7,000 Hz: G.107.1, R from 0 to 129.
    Wide,
}

/// What a format costs on its scale.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Impairment {
    /// The scale.
    pub band: Band,
    /// Ie (Ie,wb): impairment without loss.
    pub ie: f64,
    /// Bpl (Bpl,wb): robustness against loss; larger is better.
    pub bpl: f64,
}

/// G.711 without concealment (G.113 table I.4). Not used for G.711 on a leg: nearly every endpoint
/// conceals.
pub const G711_WITHOUT_CONCEALMENT: Impairment = narrow(0.0, 4.3);

/// The impairment of a format.
///
/// - From G.113 appendix I, table I.4: G.711 with concealment (0, 25.1), G.729A with VAD (11, 19.0),
///   and GSM EFR (5, 10.0), whose coder is AMR's 12.2 kbit/s mode. From table I.1: Ie of GSM full
///   rate (20).
/// - Ie,wb of G.722 at 64 kbit/s (13) and AMR-WB at 12.65 kbit/s (13) are G.113 appendix IV's.
/// - Tandem's own assumptions, because the tables give none that fits: both numbers of iLBC and
///   Opus, Bpl,wb of G.722 and AMR-WB, and Bpl of GSM full rate, for which that of EFR stands: frames
///   as long, and what is lost is made up in the same way.
///
/// Linear PCM, comfort noise, telephone events and unknown formats are rated as G.711.
pub const fn impairment(codec: Codec) -> Impairment {
    match codec {
        Codec::Pcmu
        | Codec::Pcma
        | Codec::L16
        | Codec::ComfortNoise
        | Codec::TelephoneEvent
        | Codec::Other => narrow(0.0, 25.1),
        // No speech: never asked for.
        Codec::H261
        | Codec::H263
        | Codec::H264
        | Codec::H265
        | Codec::Vp8
        | Codec::Vp9
        | Codec::Av1
        | Codec::H224
        | Codec::T140
        | Codec::Repair => narrow(0.0, 25.1),
        Codec::G729 => narrow(11.0, 19.0),
        Codec::Gsm => narrow(20.0, 10.0),
        Codec::Amr => narrow(5.0, 10.0),
        Codec::Ilbc => narrow(10.0, 34.0),
        Codec::G722 => wide(13.0, 12.0),
        Codec::AmrWb => wide(13.0, 12.0),
        Codec::Opus => wide(5.0, 20.0),
    }
}

const fn narrow(ie: f64, bpl: f64) -> Impairment {
    Impairment { band: Band::Narrow, ie, bpl }
}

const fn wide(ie: f64, bpl: f64) -> Impairment {
    Impairment { band: Band::Wide, ie, bpl }
}

#[cfg(test)]
mod tests;

//! The E-model: ITU-T G.107 (06/2015), and G.107.1's wideband scale on top of it.
//!
//! Symbols are the recommendation's, in lower case; each function names its equation's quantity.
//! Loudness in dB, noise in dBm0p, delays in milliseconds.

use super::codec_impairment::{Band, Impairment};

/// R of an undisturbed wideband connection (G.107.1 clause 7.7).
pub const WIDEBAND_R: f64 = 129.0;
/// G.107.1 annex A: the wideband scale divided by this enters the narrowband mapping.
pub(super) const WIDEBAND_SCALE: f64 = 1.29;

/// The planning parameters of G.107 table 3. The default is its default column: R = 93.2.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Transmission {
    /// Send loudness rating.
    pub slr: f64,
    /// Receive loudness rating.
    pub rlr: f64,
    /// Sidetone masking rating.
    pub stmr: f64,
    /// Listener sidetone rating.
    pub lstr: f64,
    /// D value of the sending telephone.
    pub ds: f64,
    /// Talker echo loudness rating.
    pub telr: f64,
    /// Weighted echo path loss.
    pub wepl: f64,
    /// Quantizing distortion units.
    pub qdu: f64,
    /// Circuit noise.
    pub nc: f64,
    /// Noise floor at the receive side.
    pub nfor: f64,
    /// Room noise at the send side, dB(A).
    pub ps: f64,
    /// Room noise at the receive side, dB(A).
    pub pr: f64,
    /// Advantage factor A.
    pub advantage: f64,
    /// Ta: one-way delay from mouth to ear. T is set to it and Tr to twice of it (G.107 clause
    /// 7.4: four-wire connections whose echo comes back from the far end).
    pub delay_ms: f64,
}

impl Default for Transmission {
    fn default() -> Self {
        Transmission {
            slr: 8.0,
            rlr: 2.0,
            stmr: 15.0,
            lstr: 18.0,
            ds: 3.0,
            telr: 65.0,
            wepl: 110.0,
            qdu: 1.0,
            nc: -70.0,
            nfor: -64.0,
            ps: 35.0,
            pr: 35.0,
            advantage: 0.0,
            delay_ms: 0.0,
        }
    }
}

/// Packet loss as the E-model sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PacketLoss {
    /// Ppl / 100: lost share, 0 to 1.
    pub ratio: f64,
    /// BurstR, at least 1.
    pub burst_ratio: f64,
}

impl Transmission {
    /// R = Ro - Is - Id - Ie,eff + A on the format's scale (G.107 equation 7-1).
    pub fn rating(&self, impairment: &Impairment, loss: PacketLoss) -> f64 {
        let equipment = effective_equipment_impairment(impairment, loss);
        let undisturbed = match impairment.band {
            Band::Narrow => self.basic_signal_to_noise() - self.simultaneous_impairment(),
            // G.107.1 models neither noise nor loudness yet: Ro,wb - Is,wb is one constant. Its
            // delay terms are taken from G.107 unscaled.
            Band::Wide => WIDEBAND_R,
        };
        undisturbed - self.delay_impairment() - equipment + self.advantage
    }

    /// Ro (clause 7.2).
    fn basic_signal_to_noise(&self) -> f64 {
        15.0 - 1.5 * (self.slr + self.noise())
    }

    /// No: all noise sources added by power, referred to the 0 dBr point.
    fn noise(&self) -> f64 {
        let olr = self.slr + self.rlr;
        let send_room =
            self.ps - self.slr - self.ds - 100.0 + 0.004 * (self.ps - olr - self.ds - 14.0).powi(2);
        let pre = self.pr + 10.0 * (1.0 + power((10.0 - self.lstr) / 10.0)).log10();
        let receive_room = self.rlr - 121.0 + pre + 0.008 * (pre - 35.0).powi(2);
        let floor = self.nfor + self.rlr;
        let sum: f64 =
            [self.nc, send_room, receive_room, floor].into_iter().map(|n| power(n / 10.0)).sum();
        10.0 * sum.log10()
    }

    /// Is = Iolr + Ist + Iq (clause 7.3).
    fn simultaneous_impairment(&self) -> f64 {
        self.loudness_impairment() + self.sidetone_impairment() + self.quantizing_impairment()
    }

    /// Iolr: too loud a connection.
    fn loudness_impairment(&self) -> f64 {
        let x = self.slr + self.rlr + 0.2 * (64.0 + self.noise() - self.rlr);
        20.0 * ((1.0 + (x / 8.0).powi(8)).powf(1.0 / 8.0) - x / 8.0)
    }

    /// Ist: sidetone. STMRo is taken at T = 0, where echo adds most to the sidetone; beyond that
    /// e^(-T/4) takes its share of 0.00001 in R away again, and R would not be monotonic in delay.
    fn sidetone_impairment(&self) -> f64 {
        let stmro = -10.0 * (power(-self.stmr / 10.0) + power(-self.telr / 10.0)).log10();
        let root = |offset: f64, scale: f64, degree: i32| {
            (1.0 + ((stmro + offset) / scale).powi(degree)).powf(1.0 / f64::from(degree))
        };
        12.0 * root(-13.0, 6.0, 8) - 28.0 * root(1.0, 19.4, 35) - 13.0 * root(-3.0, 33.0, 13) + 29.0
    }

    /// Iq: quantizing distortion.
    fn quantizing_impairment(&self) -> f64 {
        let q = 37.0 - 15.0 * self.qdu.log10();
        let g = 1.07 + 0.258 * q + 0.0602 * q * q;
        let y = (self.basic_signal_to_noise() - 100.0) / 15.0 + 46.0 / 8.4 - g / 9.0;
        let z = 46.0 / 30.0 - g / 40.0;
        15.0 * (1.0 + power(y) + power(z)).log10()
    }

    /// Id = Idte + Idle + Idd (clause 7.4).
    fn delay_impairment(&self) -> f64 {
        let delay = self.delay_ms.max(0.0);
        self.talker_echo(delay) + self.listener_echo(2.0 * delay) + absolute_delay(delay)
    }

    /// Idte. G.107 lets it fall to -0.2 between 1 and 8 ms; here it stays at 0 or above, so that
    /// delay never improves the rating.
    fn talker_echo(&self, delay: f64) -> f64 {
        let t = delay;
        let path = (1.0 + t / 10.0) / (1.0 + t / 150.0);
        let mut terv = self.telr - 40.0 * path.log10() + 6.0 * (-0.3 * t * t).exp();
        let sidetone = self.sidetone_impairment();
        if self.stmr < 9.0 {
            terv += sidetone / 2.0;
        }
        let re = 80.0 + 2.5 * (terv - 14.0);
        let roe = -1.5 * (self.noise() - self.rlr);
        let half = (roe - re) / 2.0;
        let echo = (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-t).exp());
        let echo = echo.max(0.0);
        if self.stmr > 20.0 { echo.hypot(sidetone) } else { echo }
    }

    /// Idle.
    fn listener_echo(&self, round_trip: f64) -> f64 {
        let rle = 10.5 * (self.wepl + 7.0) * (round_trip + 1.0).powf(-0.25);
        let half = (self.basic_signal_to_noise() - rle) / 2.0;
        half + (half * half + 169.0).sqrt()
    }
}

/// Idd: delay that hurts even without echo, from mT = 100 ms on, at the default sensitivity sT = 1.
fn absolute_delay(delay_ms: f64) -> f64 {
    const NOTICED_MS: f64 = 100.0;
    if delay_ms <= NOTICED_MS {
        return 0.0;
    }
    let x = (delay_ms / NOTICED_MS).log2();
    let root = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// Ie,eff (clause 7.5).
pub(super) fn effective_equipment_impairment(impairment: &Impairment, loss: PacketLoss) -> f64 {
    let percent = 100.0 * loss.ratio.clamp(0.0, 1.0);
    let burst_ratio = loss.burst_ratio.max(1.0);
    impairment.ie + (95.0 - impairment.ie) * percent / (percent / burst_ratio + impairment.bpl)
}

/// Mean opinion score of a rating (G.107 annex B, G.107.1 annex A), 1.0 to 4.5.
///
/// The polynomial dips below 1 for R under 6.5; there the score is 1.
pub fn mean_opinion_score(rating: f64, band: Band) -> f64 {
    let r = match band {
        Band::Narrow => rating,
        Band::Wide => rating / WIDEBAND_SCALE,
    };
    if r.is_nan() || r <= 0.0 {
        return 1.0;
    }
    if r >= 100.0 {
        return 4.5;
    }
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0)
}

fn power(exponent: f64) -> f64 {
    10f64.powf(exponent)
}

#[cfg(test)]
mod tests;

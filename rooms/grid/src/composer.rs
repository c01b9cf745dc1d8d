//! A meeting's composed picture: packets in, units out. No threads, no clock.

use crate::access_units::{AccessUnits, Whole};
use crate::canvas::{Canvas, Shown};
use crate::codec::{Decoder, Encoder, Failed};
use crate::frame::Frame;
use crate::governor::rate;
use crate::settings::{GridPace, GridSize, GridUnit, LEAST_RATE, MOST_TILES, OutputSettings, Tile};
use model::Instant;
use rtp_proto::RtpPacket;
use std::time::Duration;

/// The least time between two key frames of one size, and between two that a source is asked for.
const KEY_FRAMES: Duration = Duration::from_secs(1);
/// A picture in which nothing changes is sent so often: nobody takes it for one that has ended.
const REPEATED: Duration = Duration::from_secs(1);
/// What is sent too much is made good by pictures that are left out, when it is as much as this long allows: the
/// encoder's own control is not exact, least of all with key frames.
const MOST_DEBT: Duration = Duration::from_secs(1);
/// An encoder that has failed is tried again after it.
const TRIED_AGAIN: Duration = Duration::from_secs(1);
/// Macroblocks of a source that are decoded in a second: what the largest level that is taken has (ITU-T H.264 table
/// A-1, level 4.0). A source that sends more than its level allows is not decoded until its next key frame.
const MACROBLOCKS_PER_SECOND: i64 = 245_760;
/// Macroblocks that are counted for a second of CPU time: a source has half of its thread at most, whatever its pictures
/// say of their size. 1080p of 30 pictures takes an eighth of a core.
const MACROBLOCKS_PER_CPU_SECOND: u128 = 2 * MACROBLOCKS_PER_SECOND as u128;
/// CPU time in which a picture is decoded. It is looked at between its pieces: slices that each cost as much as a picture
/// end with it. A key frame of 1080p and 500 KB takes a third of it, without optimisation.
const MOST_TIME: Duration = Duration::from_millis(150);
/// What a source may be behind.
const MOST_BEHIND: i64 = 10 * MACROBLOCKS_PER_SECOND;
/// Pictures that a decoder fails at, one after the other, before it makes way for another.
const MOST_FAULTS: u32 = 3;

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ComposerTally {
    /// Pictures of sources that were decoded.
    pub decoded: u64,
    /// Their units, slices and parameter sets, and those of pictures that a decoder gave back nothing for.
    pub units: u64,
    /// Pictures of sources that could not be, and units and parameter sets that are not taken.
    pub refused: u64,
    /// Pictures that were made, of all sizes.
    pub pictures: u64,
    /// Units that found no room, and those behind them in their pictures.
    pub lost: u64,
    /// Encoders that failed.
    pub failed: u64,
}

/// Composes the picture of one meeting, in up to three sizes. Each source is decoded once.
#[derive(Debug)]
pub struct Composer {
    per_second: u32,
    /// CPU time of the thread that it is called on.
    meter: fn() -> Duration,
    /// In the order of their places.
    tiles: Vec<TileSource>,
    outputs: [Option<Output>; 3],
    /// Something was decoded: there is a picture to be made.
    has_picture: bool,
    /// When sources were given time last.
    refilled: Option<Instant>,
    tally: ComposerTally,
}

#[derive(Debug)]
struct TileSource {
    tile: Tile,
    units: AccessUnits,
    decoder: Option<Decoder>,
    faults: u32,
    /// The last picture, once there is one, and how many there were.
    picture: Frame,
    number: u64,
    /// When a key frame was asked for.
    asked: Option<Instant>,
    /// Macroblocks that may still be decoded; less than none where the last were more.
    budget: i64,
}

#[derive(Debug)]
struct Output {
    settings: OutputSettings,
    canvas: Canvas,
    /// Something was drawn that was not sent.
    is_pending: bool,
    /// Somebody is no longer shown, which was not sent.
    has_left: bool,
    encoder: Option<Encoder>,
    wants_key: bool,
    /// When the last key frame was made, the last picture, and when an encoder failed.
    key_made: Option<Instant>,
    made: Option<Instant>,
    failed: Option<Instant>,
    /// Bits that were sent and not made good yet, at that time.
    debt: (u64, Instant),
}

impl Composer {
    /// Nothing is shown; `per_second` pictures are made at the full pace.
    pub const fn new(per_second: u32) -> Self {
        Composer::metered(per_second, || Duration::ZERO)
    }

    /// The same; `meter` says how much CPU time the calling thread has used, and a source that takes too much of it is not
    /// decoded until it is made good.
    pub const fn metered(per_second: u32, meter: fn() -> Duration) -> Self {
        Composer {
            per_second,
            meter,
            tiles: Vec::new(),
            outputs: [const { None }; 3],
            has_picture: false,
            refilled: None,
            tally: ComposerTally {
                decoded: 0,
                units: 0,
                refused: 0,
                pictures: 0,
                lost: 0,
                failed: 0,
            },
        }
    }

    /// Who is shown, in the order of the places; [`MOST_TILES`] at most.
    pub fn set_tiles(&mut self, tiles: &[Tile]) {
        let mut before = std::mem::take(&mut self.tiles);
        for tile in tiles.iter().take(MOST_TILES) {
            if self.tiles.iter().any(|known| known.tile.key == tile.key) {
                continue;
            }
            let known = before.iter().position(|known| known.tile.key == tile.key);
            let source = match known.map(|at| before.swap_remove(at)) {
                Some(known) => TileSource { tile: tile.clone(), ..known },
                None => TileSource::new(tile.clone()),
            };
            self.tiles.push(source);
        }
        // Who has switched the camera off is gone at once.
        if !before.is_empty() {
            self.outputs.iter_mut().flatten().for_each(|output| output.has_left = true);
        }
    }

    /// Makes a size, with other settings than before, or no longer.
    pub fn set_output(&mut self, size: GridSize, settings: Option<OutputSettings>) {
        let Some(output) = self.outputs.get_mut(size as usize) else { return };
        match (output.as_mut(), settings) {
            (Some(output), Some(settings)) => {
                if output.settings.level != settings.level {
                    output.encoder = None;
                }
                output.settings = settings;
            }
            (None, Some(settings)) => *output = Some(Output::new(size, settings)),
            (_, None) => *output = None,
        }
    }

    /// Somebody who sees this size needs a key frame.
    pub fn ask_key_frame(&mut self, size: GridSize) {
        if let Some(Some(output)) = self.outputs.get_mut(size as usize) {
            output.wants_key = true;
        }
    }

    /// Takes an RTP packet of a tile's source, in order.
    pub fn packet(&mut self, key: u16, packet: &[u8]) {
        let Some(source) = self.tiles.iter_mut().find(|source| source.tile.key == key) else {
            return;
        };
        let Ok(packet) = RtpPacket::parse(packet) else {
            self.tally.refused += 1;
            return;
        };
        self.has_picture |= source.take(&packet, self.meter, &mut self.tally);
    }

    /// Shows `ask` the tiles whose sources are to send a key frame, each once a second. To be called each turn: it also
    /// notes the time, for as much as a level allows is decoded in a second.
    pub fn wants(&mut self, now: Instant, ask: &mut impl FnMut(u16)) {
        let passed = self.refilled.map_or(Duration::ZERO, |refilled| now - refilled);
        self.refilled = Some(now);
        let more = passed.min(Duration::from_secs(1)).as_micros() as i64 * MACROBLOCKS_PER_SECOND;
        let more = more / 1_000_000;
        for source in &mut self.tiles {
            source.budget = (source.budget + more).min(MACROBLOCKS_PER_SECOND);
        }
        for source in &mut self.tiles {
            let is_soon = source.asked.is_some_and(|asked| now - asked < KEY_FRAMES);
            if source.units.needs_key_frame() && !is_soon {
                source.asked = Some(now);
                ask(source.tile.key);
            }
        }
    }

    /// Makes a picture of each size that is made, `now` after the beginning. `give` is given its units and says
    /// whether there was room: if not, the rest of the picture is left out, and a key frame follows.
    pub fn make(
        &mut self,
        now: Instant,
        pace: GridPace,
        give: &mut impl FnMut(GridUnit, &[u8]) -> bool,
    ) {
        if !self.has_picture {
            return;
        }
        let per_second = rate(self.per_second, pace);
        let Composer { tiles, outputs, tally, .. } = self;
        for (size, output) in GridSize::ALL.into_iter().zip(outputs) {
            let Some(output) = output else { continue };
            output.is_pending |= output.canvas.draw(tiles.iter().map(TileSource::shown));
            if (output.has_left || !output.owes(now))
                && output.is_due(now)
                && output.encode(now, size, per_second, give, tally).is_err()
            {
                tally.failed += 1;
                (output.encoder, output.failed) = (None, Some(now));
            }
        }
    }

    /// How many are shown.
    pub(crate) const fn tiles(&self) -> u32 {
        self.tiles.len() as u32
    }

    /// How many see it, in all sizes.
    pub(crate) fn viewers(&self) -> u32 {
        self.outputs.iter().flatten().map(|output| output.settings.viewers).sum()
    }

    /// What was done so far.
    pub const fn tally(&self) -> ComposerTally {
        self.tally
    }

    /// The samples of a size as it was drawn last, plane by plane: for tests.
    #[doc(hidden)]
    pub fn drawn(&self, size: GridSize) -> Option<Vec<u8>> {
        let output = self.outputs.get(size as usize)?.as_ref()?;
        Some(output.canvas.view().planes.iter().flat_map(|(plane, _)| *plane).copied().collect())
    }
}

impl TileSource {
    fn new(tile: Tile) -> Self {
        TileSource {
            tile,
            units: AccessUnits::new(),
            decoder: None,
            faults: 0,
            picture: Frame::default(),
            number: 0,
            asked: None,
            budget: MACROBLOCKS_PER_SECOND,
        }
    }

    fn shown(&self) -> Shown<'_> {
        Shown {
            key: self.tile.key,
            name: &self.tile.name,
            speaks: self.tile.speaks,
            picture: (self.number > 0).then(|| (self.picture.view(), self.number)),
        }
    }

    /// Takes a packet; whether there is a new picture.
    fn take(
        &mut self,
        packet: &RtpPacket<'_>,
        meter: fn() -> Duration,
        tally: &mut ComposerTally,
    ) -> bool {
        let refused = self.units.refused.sum();
        let TileSource { units, decoder, faults, picture, number, budget, .. } = self;
        let before = *number;
        let mut has_failed = false;
        units.take(packet, &mut |whole| {
            // What follows needs what was not decoded.
            if has_failed || *budget <= 0 {
                has_failed = true;
                return;
            }
            let began = meter();
            let decoded =
                decode(decoder, &whole, picture, &|| meter().saturating_sub(began), tally);
            let used = meter().saturating_sub(began);
            let of = (decoded == Ok(true)).then(|| picture.size());
            *budget = budget.saturating_sub(cost(&whole, of, used)).max(-MOST_BEHIND);
            match decoded {
                Ok(is_new) => {
                    *faults = 0;
                    *number += u64::from(is_new);
                }
                Err(Failed) => {
                    has_failed = true;
                    *faults += 1;
                    if *faults >= MOST_FAULTS {
                        (*decoder, *faults) = (None, 0);
                    }
                }
            }
        });
        if has_failed {
            units.wait_for_key_frame();
        }
        tally.decoded += *number - before;
        tally.refused += units.refused.sum() - refused + u64::from(has_failed);
        *number > before
    }
}

/// Macroblocks that decoding this picture is counted as: those of its size, where none came of it those of the largest that
/// it may have been; more where it took longer than so many do.
fn cost(whole: &Whole<'_>, size: Option<(usize, usize)>, used: Duration) -> i64 {
    let macroblocks = size.map_or(u128::from(whole.most_macroblocks), |(width, height)| {
        (width.div_ceil(16) * height.div_ceil(16)) as u128
    });
    let by_time = used.as_micros() * MACROBLOCKS_PER_CPU_SECOND / 1_000_000;
    i64::try_from(macroblocks.max(by_time).max(1)).unwrap_or(i64::MAX)
}

/// Decodes a picture piece by piece, as long as it has not `used` too much.
fn decode(
    decoder: &mut Option<Decoder>,
    whole: &Whole<'_>,
    picture: &mut Frame,
    used: &dyn Fn() -> Duration,
    tally: &mut ComposerTally,
) -> Result<bool, Failed> {
    let at_work = match decoder {
        Some(decoder) => decoder,
        None => decoder.insert(Decoder::new()?),
    };
    let (mut is_new, mut is_first) = (false, true);
    for (piece, units) in whole.pieces() {
        let is_too_long = !is_first && used() >= MOST_TIME;
        if !is_too_long {
            tally.units += u64::from(units);
        }
        match if is_too_long { Err(Failed) } else { at_work.decode(piece, picture) } {
            Ok(decoded) => is_new |= decoded,
            Err(Failed) => {
                // Half a picture in it is none of the next.
                if !is_first {
                    *decoder = None;
                }
                return Err(Failed);
            }
        }
        is_first = false;
    }
    Ok(is_new)
}

impl Output {
    fn new(size: GridSize, settings: OutputSettings) -> Self {
        Output {
            settings,
            canvas: Canvas::new(size.samples()),
            is_pending: false,
            has_left: false,
            encoder: None,
            wants_key: true,
            key_made: None,
            made: None,
            failed: None,
            debt: (0, Instant::ZERO),
        }
    }

    /// Whether so much was sent that it is to be made good first.
    fn owes(&mut self, now: Instant) -> bool {
        let (debt, since) = self.debt;
        let rate = u64::from(self.rate());
        let paid = u128::from(rate) * (now - since).as_nanos() / 1_000_000_000;
        let debt = debt.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX));
        self.debt = (debt, now);
        debt > rate * MOST_DEBT.as_secs()
    }

    fn rate(&self) -> u32 {
        self.settings.bits_per_second.max(LEAST_RATE)
    }

    /// Whether a key frame is wanted that may be made.
    fn key_is_due(&self, now: Instant) -> bool {
        self.wants_key && self.key_made.is_none_or(|made| now - made >= KEY_FRAMES)
    }

    fn is_due(&self, now: Instant) -> bool {
        let has_failed = self.failed.is_some_and(|failed| now - failed < TRIED_AGAIN);
        let is_old = self.made.is_none_or(|made| now - made >= REPEATED);
        !has_failed && (self.is_pending || is_old || self.encoder.is_none() || self.key_is_due(now))
    }

    fn encode(
        &mut self,
        now: Instant,
        size: GridSize,
        per_second: u32,
        give: &mut impl FnMut(GridUnit, &[u8]) -> bool,
        tally: &mut ComposerTally,
    ) -> Result<(), Failed> {
        let is_key = self.key_is_due(now);
        let bits_per_second = self.rate();
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            None => {
                let settings = OutputSettings { bits_per_second, ..self.settings };
                self.encoder.insert(Encoder::new(settings, per_second)?)
            }
        };
        encoder.set_rate(bits_per_second, per_second);
        let timestamp = (u128::from(now.as_nanos()) * 9 / 100_000) as u32;
        let (mut made_key, mut is_lost, mut octets) = (false, false, 0);
        encoder.encode(&self.canvas.view(), now.as_millis(), is_key, &mut |made| {
            octets += made.unit.len() as u64;
            made_key |= made.is_key;
            let unit =
                GridUnit { size, timestamp, ends_picture: made.ends_picture, is_key: made.is_key };
            if is_lost || !give(unit, made.unit) {
                is_lost = true;
                tally.lost += 1;
            }
        })?;
        self.debt.0 += octets * 8;
        if octets > 0 {
            self.made = Some(now);
            (self.is_pending, self.has_left) = (false, false);
            tally.pictures += 1;
        }
        if made_key {
            (self.wants_key, self.key_made) = (false, Some(now));
        }
        self.wants_key |= is_lost;
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "openh264")]
mod tests;

//! What is transcoded, by the formats that it has and gets.

use crate::counters::Counter;
use codecs::AudioFormat;
use relay_core::TranscodedCounts;

/// Formats that are transcoded, as session descriptions name them.
const FORMATS: [(AudioFormat, &str); 7] = [
    (AudioFormat::Pcmu, "PCMU/8000"),
    (AudioFormat::Pcma, "PCMA/8000"),
    (AudioFormat::G722, "G722/8000"),
    (AudioFormat::L16 { sample_rate: 8_000 }, "L16/8000"),
    (AudioFormat::L16 { sample_rate: 16_000 }, "L16/16000"),
    (AudioFormat::L16 { sample_rate: 48_000 }, "L16/48000"),
    (AudioFormat::Opus, "opus/48000/2"),
];
const CHAINS: usize = FORMATS.len() * FORMATS.len();

/// Audio of one format that is transcoded to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TranscodedChain {
    /// What comes, as `a=rtpmap` names it.
    pub from: &'static str,
    /// What goes out.
    pub to: &'static str,
    /// Directions of streams now.
    pub directions: u64,
    /// Packets that came, since the relay's start.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
}

/// The numbers of all chains, summed over the workers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChainSums([[u64; 3]; CHAINS]);

/// Those of one worker.
#[derive(Debug)]
pub(crate) struct ChainCounters([[Counter; 3]; CHAINS]);

impl Default for ChainSums {
    fn default() -> Self {
        ChainSums([[0; 3]; CHAINS])
    }
}

impl Default for ChainCounters {
    fn default() -> Self {
        ChainCounters(std::array::from_fn(|_| Default::default()))
    }
}

impl ChainSums {
    pub(crate) fn add(&mut self, counters: &ChainCounters) {
        for (sums, counters) in self.0.iter_mut().zip(&counters.0) {
            for (sum, counter) in sums.iter_mut().zip(counters) {
                *sum += counter.get();
            }
        }
    }

    /// Those that ever were.
    pub(crate) fn known(&self) -> impl Iterator<Item = TranscodedChain> + '_ {
        let pairs = FORMATS.iter().flat_map(|from| FORMATS.iter().map(move |to| (from.1, to.1)));
        let chains =
            pairs.zip(&self.0).map(|((from, to), [directions, packets, octets])| TranscodedChain {
                from,
                to,
                directions: *directions,
                packets: *packets,
                octets: *octets,
            });
        chains.filter(|chain| chain.directions + chain.packets > 0)
    }
}

impl ChainCounters {
    fn of(&self, [from, to]: [AudioFormat; 2]) -> Option<&[Counter; 3]> {
        let place = |format| FORMATS.iter().position(|(known, _)| *known == format);
        self.0.get(place(from)? * FORMATS.len() + place(to)?)
    }

    /// Packets have come.
    pub(crate) fn heard(&self, formats: [AudioFormat; 2], heard: TranscodedCounts) {
        if let Some([_, packets, octets]) = self.of(formats) {
            packets.add(heard.packets);
            octets.add(heard.octets);
        }
    }

    /// A direction of a stream is transcoded from now on, or no longer.
    pub(crate) fn count_direction(&self, formats: Option<[AudioFormat; 2]>, is_more: bool) {
        let Some([directions, ..]) = formats.and_then(|formats| self.of(formats)) else { return };
        if is_more { directions.add(1) } else { directions.subtract(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_told_apart_and_those_that_never_were_are_not_told() {
        let workers = [ChainCounters::default(), ChainCounters::default()];
        let there = [AudioFormat::Pcmu, AudioFormat::L16 { sample_rate: 48_000 }];
        let back = [there[1], there[0]];
        for worker in &workers {
            worker.heard(there, TranscodedCounts { packets: 3, octets: 480 });
            worker.count_direction(Some(back), true);
        }
        workers[1].count_direction(Some(back), false);
        workers[1].count_direction(None, true);
        // No such rate is ever transcoded.
        workers[0].heard([AudioFormat::Opus, AudioFormat::L16 { sample_rate: 7 }], there_is(1));
        let mut sums = ChainSums::default();
        workers.iter().for_each(|worker| sums.add(worker));
        let known: Vec<_> = sums.known().collect();
        assert_eq!(
            known,
            [
                TranscodedChain {
                    from: "PCMU/8000",
                    to: "L16/48000",
                    directions: 0,
                    packets: 6,
                    octets: 960
                },
                TranscodedChain {
                    from: "L16/48000",
                    to: "PCMU/8000",
                    directions: 1,
                    packets: 0,
                    octets: 0
                },
            ]
        );
    }

    fn there_is(packets: u64) -> TranscodedCounts {
        TranscodedCounts { packets, octets: packets }
    }
}

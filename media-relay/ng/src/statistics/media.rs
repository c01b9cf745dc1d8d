//! `interfaces` and `transcoders`.

use super::{InterfacePorts, Totals, TranscodedChain};
use crate::value::{Dictionary, Value};
use model::Instant;
use std::time::Duration;

/// As rtpengine calls an interface that was given no name.
const UNNAMED: &str = "default";

impl Totals {
    /// Ports that rest after a call are used: nobody can have them.
    pub(super) fn interfaces(&self) -> Vec<Value> {
        let told = self.interfaces.iter().map(|InterfacePorts { address, range, all, free }| {
            let used = all.saturating_sub(*free);
            let share = if *all == 0 { 0.0 } else { used as f64 * 100.0 / *all as f64 };
            let mut ports = Dictionary::new();
            ports
                .set("min", u64::from(range.0))
                .set("max", u64::from(range.1))
                .set("used", used as u64)
                .set("used_pct", format!("{share:.2}"))
                .set("free", *free as u64)
                .set("totals", *all as u64);
            let mut interface = Dictionary::new();
            interface.set("name", UNNAMED).set("address", address.to_string()).set("ports", ports);
            Value::from(interface)
        });
        told.collect()
    }

    /// Those that ever were, with the rates of the last second of those that are.
    pub(super) fn transcoders(&self) -> Vec<Value> {
        let told = self.chains.iter().map(|(chain, [packets, octets])| {
            let mut out = Dictionary::new();
            out.set("chain", format!("{} -> {}", chain.from, chain.to))
                .set("num", chain.directions);
            if *packets > 0 {
                out.set("packetrate", *packets).set("byterate", *octets);
            }
            out.set("packets", chain.packets).set("bytes", chain.octets);
            Value::from(out)
        });
        told.collect()
    }

    /// Takes the chains' numbers, and makes rates of what is new.
    pub(super) fn note_chains(&mut self, now: Instant, chains: &[TranscodedChain]) {
        let passed = self.chains_before.map(|before| now.saturating_since(before));
        // Shorter intervals say nothing of a second.
        if passed.is_some_and(|passed| passed < Duration::from_millis(500)) {
            return;
        }
        let told = chains.iter().map(|chain| {
            let is_same = |(known, _): &&(TranscodedChain, _)| {
                (known.from, known.to) == (chain.from, chain.to)
            };
            let before = self.chains.iter().find(is_same);
            let before = before.map_or([0, 0], |(known, _)| [known.packets, known.octets]);
            let new = [
                chain.packets - before[0].min(chain.packets),
                chain.octets - before[1].min(chain.octets),
            ];
            let rates = new.map(|new| match passed {
                Some(passed) => (new as f64 / passed.as_secs_f64()).round() as u64,
                None => 0,
            });
            (*chain, rates)
        });
        self.chains = told.collect();
        self.chains_before = Some(now);
    }
}

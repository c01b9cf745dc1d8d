//! Tandem's relay alone in a process, driven over standard input:
//! `open ID CALLER CALLEE` is answered by `ok FOR_CALLER FOR_CALLEE`; the end of input ends it.
//!
//! `relay-host ADDRESS FIRST-LAST sockets|ebpf|GATHER_MICROS [SRTP]`
#![expect(clippy::print_stdout, reason = "the protocol's other direction")]

use edge_bench::srtp::Srtp;
use media_relay::{Clock, FastPathMode, Relay, RelayConfig};
use model::{
    Codec, CodecMapping, IpFamily, LegPlan, MediaCommand, MediaEvent, MediaId, MediaPlan,
    TransactionId,
};
use std::error::Error;
use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the process's origin of time")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments.next().ok_or("relay-host ADDRESS FIRST-LAST sockets|ebpf|GATHER_MICROS [SRTP]")
    };
    let bind: IpAddr = next()?.parse()?;
    let range = next()?;
    let (first, last) = range.split_once('-').ok_or("ports are FIRST-LAST")?;
    let mut config = RelayConfig::new(vec![bind], first.parse()?..=last.parse()?);
    match next()?.as_str() {
        "sockets" => {}
        "ebpf" => config.fast_path = FastPathMode::Required,
        gather => config.gather = Duration::from_micros(gather.parse()?),
    }
    let srtp: Option<Srtp> = next().ok().map(|text| text.parse()).transpose()?;
    let (sender, events) = sync_channel(65_536);
    let sink = Arc::new(move |event| {
        // Nobody reads reports here; a full queue loses them.
        let _ = sender.try_send(event);
    });
    let relay = Relay::start(config, Clock::new(Instant::now()), sink)?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["open", id, caller, callee] = words[..] else {
            return Err(format!("{line:?} is not understood").into());
        };
        let mut legs = [leg(caller.parse()?), leg(callee.parse()?)];
        if let Some(srtp) = &srtp {
            legs.iter_mut().enumerate().for_each(|(n, leg)| leg.security = srtp.security(n));
        }
        println!("{}", open(&relay, &events, id.parse()?, legs)?);
    }
    relay.shutdown();
    Ok(())
}

fn open(
    relay: &Relay,
    events: &Receiver<MediaEvent>,
    id: u64,
    legs: [LegPlan; 2],
) -> Result<String, Box<dyn Error>> {
    let id = MediaId(id);
    relay.command(MediaCommand::Allocate {
        id,
        transaction_id: TransactionId::from_random(u128::from(id.0)),
        families: [IpFamily::V4; 2],
        emergency: false,
        line: Default::default(),
    })?;
    let local = loop {
        match events.recv()? {
            MediaEvent::Allocated { id: of, local } if of == id => break local,
            MediaEvent::AllocationFailed { reason, .. } => {
                return Err(format!("no ports: {reason:?}; raise ulimit -n").into());
            }
            _ => {}
        }
    };
    let plan = MediaPlan::rtp(legs);
    relay.command(MediaCommand::Apply { id, plan: Box::new(plan) })?;
    Ok(format!("ok {} {}", local[0].rtp, local[1].rtp))
}

fn leg(remote: SocketAddr) -> LegPlan {
    LegPlan {
        remote_rtp: Some(remote),
        remote_rtcp: Some(remote),
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![CodecMapping {
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8_000,
            packet_duration: Duration::from_millis(20),
        }],
        telephone_event: None,
        xr: model::XrWishes::default(),
        security: model::LegSecurity::Plain,
        ice: None,
    }
}

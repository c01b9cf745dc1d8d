//! `tandem run --prove`: one measured call through the node's own edge, from a stand-in PBX to a
//! stand-in carrier, and what to try next. Only where the configuration's carriers are on loopback
//! addresses: a real carrier is never called for show.

use super::super::say;
use crate::node::Node;
use crate::user_agent::{AnswerOptions, Answerer, CallOptions, CallOutcome, place_call};
use call_metrics::{CallRecord, QualityRecord};
use directory::{Carrier, Host, VoiceConnector};
use model::TransportProtocol;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A number that the operator of every example network may call: the range reserved for fiction.
const CALLED: &str = "+12065550123";
const CALLING: &str = "+12065550100";
const SECONDS: u32 = 3;

/// The stand-ins that keep answering while the node serves.
pub(super) struct StandIns {
    _carriers: Vec<Answerer>,
}

pub(super) fn prove(node: &Node, config_path: &Path) -> Result<StandIns, String> {
    let directory = &node.config().directory;
    let edge = *node
        .addresses()
        .iter()
        .find(|(protocol, _)| *protocol == TransportProtocol::Udp)
        .map(|(_, address)| address)
        .ok_or("[sip] udp has no listener for the test call to dial")?;
    let caller =
        directory.voice_connectors().find_map(|connector| loopback_caller(connector)).ok_or(
            "no voice connector allows a loopback address to call +1 numbers: --prove works on \
                configurations such as configs/dev.toml",
        )?;
    let carriers = directory.carriers().filter_map(|carrier| loopback_address(carrier));
    let mut stand_ins = Vec::new();
    for address in carriers {
        let options = AnswerOptions::new(address);
        stand_ins.push(Answerer::start(options).map_err(|error| error.to_string())?);
    }
    if stand_ins.is_empty() {
        return Err("no carrier is on a loopback address: --prove calls nobody else".to_owned());
    }
    let options = CallOptions {
        from: Some(format!("sip:{CALLING}@{caller}")),
        local: Some(caller),
        seconds: SECONDS,
        ..CallOptions::new(format!("sip:{CALLED}@{edge}"))
    };
    say(format_args!("\ntest call    {CALLING} at {caller} -> edge {edge} -> stand-in carrier"));
    let outcome = place_call(&options).map_err(|error| error.to_string())?;
    let record = recorded(&node.config().node.data_dir, &outcome)?;
    say(table(&outcome, &record));
    invite_to_try(&options, config_path, node, &record);
    Ok(StandIns { _carriers: stand_ins })
}

/// The node's own record of the call. It is written when both sides' last reports are in.
fn recorded(data_dir: &Path, outcome: &CallOutcome) -> Result<CallRecord, String> {
    for _ in 0..100 {
        let found = call_metrics::find_call_record_by_call_id(data_dir, &outcome.call_id)
            .map_err(|error| format!("{}: {error}", data_dir.join("calls").display()))?;
        if let Some(record) = found {
            return Ok(record);
        }
        wait_a_little();
    }
    Err(format!("the call left no record under {} within 10 s", data_dir.join("calls").display()))
}

#[expect(clippy::disallowed_methods, reason = "a file that another thread writes has no event")]
fn wait_a_little() {
    std::thread::sleep(Duration::from_millis(100));
}

/// One row: the setup as the caller saw it, the quality of both sides as the node measured it.
fn table(outcome: &CallOutcome, record: &CallRecord) -> String {
    let side =
        |title: &str| format!("{title:<10}{:>9}{:>7}{:>10}{:>6}", "jitter", "loss", "RTT", "MOS");
    let [customer, carrier] = record.quality.each_ref().map(|quality| side_row(quality.as_ref()));
    let codec = record.quality.iter().flatten().find_map(|quality| quality.codec.clone());
    format!(
        "{:<10}{:<7}|  {}  |  {}\n{:<10}{:<7}|  {}  |  {}",
        "setup",
        "codec",
        side("customer"),
        side("carrier"),
        format!("{:.1} ms", outcome.setup_time.as_secs_f64() * 1e3),
        codec.unwrap_or_else(|| "-".to_owned()),
        customer,
        carrier,
    )
}

fn side_row(quality: Option<&QualityRecord>) -> String {
    let Some(quality) = quality else { return format!("{:<42}", "no media") };
    let loss = if quality.expected_packets == 0 {
        0.0
    } else {
        100.0 * quality.lost_packets.max(0) as f64 / quality.expected_packets as f64
    };
    let milliseconds = |us: u64| format!("{:.2} ms", us as f64 / 1e3);
    format!(
        "{:<10}{:>9}{:>7}{:>10}{:>6}",
        format!("{} pkts", quality.received_packets),
        milliseconds(quality.jitter_us),
        format!("{loss:.1}%"),
        quality.rtt_us.map_or_else(|| "-".to_owned(), milliseconds),
        quality.mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}")),
    )
}

fn loopback_address(carrier: &Carrier) -> Option<SocketAddr> {
    match carrier.host {
        Host::Ip(ip) if ip.is_loopback() => {
            let port = carrier.port.unwrap_or(carrier.transport.default_port());
            Some(SocketAddr::new(ip, port))
        }
        Host::Ip(_) | Host::Name(_) => None,
    }
}

fn loopback_caller(connector: &VoiceConnector) -> Option<IpAddr> {
    let termination = connector.termination.as_ref()?;
    let networks = &termination.cidr_allowed_list;
    let caller = networks.iter().map(|network| network.addr()).find(IpAddr::is_loopback)?;
    termination.allows_region(directory::country_of(CALLED)).then_some(caller)
}

fn invite_to_try(options: &CallOptions, config_path: &Path, node: &Node, record: &CallRecord) {
    let (config, config_of) = (config_path.display(), node.config());
    let program = std::env::args().next().unwrap_or_else(|| "tandem".to_owned());
    say(format_args!(
        "
try next (in another terminal):
  {program} call '{}' --seconds 30
  {program} calls --watch --config {config}
  {program} report {} --config {config}
{}{}  kill -HUP {}   # reads {config} again; Ctrl-C here drains and stops
",
        options.target,
        record.transaction_id,
        rooms_to_try(node),
        config_of
            .prometheus
            .map_or_else(String::new, |listen| { format!("  curl http://{listen}/metrics\n") }),
        std::process::id()
    ));
}

/// How to get into the first meeting of the file; nothing where there is none.
fn rooms_to_try(node: &Node) -> String {
    let config = node.config();
    let rooms = config.rooms.as_ref().zip(config.resources.rooms.as_ref());
    let Some((section, rooms)) = rooms else { return String::new() };
    let Some(meeting) = section.records().into_iter().next() else { return String::new() };
    let (name, id) = (&meeting.settings.name, &meeting.attendee_number);
    let page = section.guests.as_ref().map_or_else(String::new, |guests| {
        let scheme = if guests.plain { "http" } else { "https" };
        format!("{scheme}://{}/?id={id} in a browser, or ", guests.listen)
    });
    // Names below localhost are not known everywhere.
    let by = node.addresses().iter().find(|(protocol, _)| *protocol == TransportProtocol::Udp);
    let by = by.map_or_else(String::new, |(_, edge)| format!(" by the outbound proxy {edge}"));
    format!("  the meeting {name:?}: {page}a softphone to sip:{id}@{}{by}\n", rooms.host())
}

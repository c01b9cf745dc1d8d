//! The whole node: its start with many numbers, and what it answers over HTTP.

use crate::http::{Connection, Target, beside_limit, rate};
use crate::{Asks, fail, node};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starts of which the median counts.
const STARTS: usize = 5;
/// How long a start may take before it is given up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What is measured.
pub(crate) struct Wanted {
    pub(crate) tandem: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) numbers: usize,
    pub(crate) connectors: usize,
    pub(crate) limit: Duration,
    pub(crate) connections: usize,
    /// A server of AWS's API, beside which GetCallerIdentity is asked.
    pub(crate) peer: Option<SocketAddr>,
}

/// A node that runs; it is killed at the end of this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures and prints.
pub(crate) fn measure(wanted: &Wanted, asks: Vec<(&'static str, Asks)>) {
    node::fill(&wanted.folder, wanted.connectors, wanted.numbers);
    let (file, address) = configure(&wanted.folder);
    let keys: Vec<(String, String)> =
        (0..wanted.connections).map(|_| make_key(&wanted.tandem, &file)).collect();
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let (node, took) = start(&wanted.tandem, &file, address, &keys);
        times.push(took.as_secs_f64() * 1e3);
        cpu.push(cpu_ms(node.0.id()));
    }
    times.sort_unstable_by(f64::total_cmp);
    cpu.sort_unstable_by(f64::total_cmp);
    let [least, median, most] = [0, STARTS / 2, STARTS - 1].map(|n| at(&times, n));
    println!(
        "from the process's begin to the API's first answer: {median:.0} ms (median of {STARTS}, \
         {least:.0} to {most:.0}; CPU {:.0} ms) with {} numbers and {} voice connectors; at most \
         1,000 wanted",
        at(&cpu, STARTS / 2),
        wanted.numbers,
        wanted.connectors
    );
    let (node, _) = start(&wanted.tandem, &file, address, &keys);
    let service = "chime";
    println!(
        "\nover HTTP, {} connections that are kept, every request signed; CPU is the node's:",
        wanted.connections
    );
    let limit_of = |address| Target { address, keys: &keys, service };
    for (name, ask) in asks {
        let before = cpu_ms(node.0.id());
        let begin = Instant::now();
        let a_second = rate(&Target { address, keys: &keys, service }, wanted.limit, &ask);
        let asked = a_second * begin.elapsed().as_secs_f64();
        let cpu = (cpu_ms(node.0.id()) - before) * 1e3 / asked;
        let most = beside_limit(|address| rate(&limit_of(address), wanted.limit / 3, &ask));
        println!(
            "{name:34}{a_second:>10.0} a second{cpu:>9.0} µs CPU{:>8.3}x of {most:.0} without a server",
            a_second / most
        );
    }
    if let Some(peer) = wanted.peer {
        beside_peer(wanted, address, peer, &keys);
    }
}

/// The one operation that moto has as well.
fn beside_peer(wanted: &Wanted, address: SocketAddr, peer: SocketAddr, keys: &[(String, String)]) {
    let ask: Asks = Box::new(|_| {
        let body = "Action=GetCallerIdentity&Version=2011-06-15".to_owned();
        ("POST", "/".to_owned(), String::new(), body)
    });
    let of = |address| rate(&Target { address, keys, service: "sts" }, wanted.limit, &ask);
    let (own, its) = (of(address), of(peer));
    println!(
        "{:34}{own:>10.0} a second, moto {its:.0} (it keeps no connection): {:.1}x",
        "GetCallerIdentity",
        own / its
    );
}

/// Writes a configuration: the file, and where its API listens.
fn configure(folder: &Path) -> (PathBuf, SocketAddr) {
    let [sip, api] = [free_port(), free_port()];
    let file = folder.join("tandem.toml");
    let text = format!(
        "[node]\nname = \"bench\"\nregion = \"us-east-1\"\naccount_id = \"111122223333\"\n\
         data_dir = {folder:?}\n[sip]\ndomain = \"tandem.test\"\nudp = [\"127.0.0.1:{sip}\"]\n\
         [media]\nbind = \"127.0.0.1\"\nports = \"20000-20999\"\n\
         [api]\nlisten = \"127.0.0.1:{api}\"\nrequests_per_second = 10000\n"
    );
    if let Err(why) = fs::write(&file, text) {
        fail(&why.to_string());
    }
    (file, SocketAddr::from(([127, 0, 0, 1], api)))
}

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.unwrap_or_else(|why| fail(&why.to_string())).port()
}

/// `tandem key create`.
fn make_key(tandem: &Path, file: &Path) -> (String, String) {
    let made = Command::new(tandem)
        .args(["key", "create", "--name", "bench", "--json", "--config"])
        .arg(file)
        .stderr(Stdio::inherit())
        .output();
    let made = made.unwrap_or_else(|why| fail(&format!("{}: {why}", tandem.display())));
    let said: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap_or_default();
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    match (text("access_key_id"), text("secret_access_key")) {
        (Some(id), Some(secret)) => (id, secret),
        _ => fail("tandem key create says no key"),
    }
}

/// A node, and how long it took to its first answer.
fn start(
    tandem: &Path,
    file: &Path,
    address: SocketAddr,
    keys: &[(String, String)],
) -> (Running, Duration) {
    let Some((id, secret)) = keys.first() else { fail("at least one connection") };
    let ask = ("GET", "/voice-connector-regions".to_owned(), String::new(), String::new());
    let begin = Instant::now();
    let child = Command::new(tandem)
        .args(["run", "--config"])
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut node = Running(child.unwrap_or_else(|why| fail(&why.to_string())));
    loop {
        if let Some(mut connection) = Connection::open(address, (id, secret), "chime") {
            match connection.ask(&ask) {
                (200, _) => return (node, begin.elapsed()),
                (status, _) => fail(&format!("the first answer is {status}")),
            }
        }
        if begin.elapsed() > START_LIMIT || !matches!(node.0.try_wait(), Ok(None)) {
            fail("the node does not start: run it with the configuration of the folder");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What the scheduler charged to all threads of a process.
fn cpu_ms(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let of_task = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or_default()
    };
    tasks.map(of_task).sum::<f64>() / 1e6
}

fn at(times: &[f64], n: usize) -> f64 {
    times.get(n).copied().unwrap_or_default()
}

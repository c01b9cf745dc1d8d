//! Janus with one room of its AudioBridge, which callers of plain RTP join by its API on a Unix socket.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock while it waits for a start"
)]

use crate::rooms::{Codec, LOOPBACK, Outcome, Server};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
/// Tries to start it.
const STARTS: usize = 10;
const ROOM: u64 = 1;
/// Samples a second that the room mixes at, which is what this node's rooms do.
pub const SAMPLING_RATE: u32 = 48_000;

/// The peer; killed when it is dropped.
#[derive(Debug)]
pub struct Janus {
    child: Child,
    api: Socket,
    session: u64,
    handles: Vec<u64>,
    transactions: u64,
    octets: Vec<u8>,
}

impl Janus {
    /// Starts the binary with what it keeps below `directory`, and makes a room in which `prebuffering` packets
    /// of each caller wait; `None` leaves what Janus does by itself, which is six.
    ///
    /// # Errors
    /// When it does not start, or has no AudioBridge.
    pub fn start(binary: &Path, directory: &Path, prebuffering: Option<u32>) -> Outcome<Janus> {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
        let directory = &directory.canonicalize()?;
        configure(directory)?;
        let mut janus = Janus::answering(binary, directory)?;
        let handle = janus.attach()?;
        let mut room = json!({
            "request": "create", "room": ROOM, "sampling_rate": SAMPLING_RATE,
            "allow_rtp_participants": true,
        });
        if let (Some(count), Some(room)) = (prebuffering, room.as_object_mut()) {
            room.insert("default_prebuffering".into(), count.into());
        }
        let made = janus.message(handle, room)?;
        if made["audiobridge"] != "created" {
            return Err(format!("janus makes no room: {made}").into());
        }
        Ok(janus)
    }

    /// One that answers. The thread that serves its API ends at once when it is there before Janus has noted that
    /// there is one, and Janus with it: it is started again then.
    fn answering(binary: &Path, directory: &Path) -> Outcome<Janus> {
        let mut failed = None;
        for _ in 0..STARTS {
            match Janus::launch(binary, directory) {
                Ok(janus) => return Ok(janus),
                Err(error) => failed = Some(error),
            }
        }
        let (why, log) = (failed.unwrap_or_default(), directory.join("log"));
        Err(format!("janus does not start: {why}; see {}", log.display()).into())
    }

    fn launch(binary: &Path, directory: &Path) -> Result<Janus, String> {
        let written = |error: &dyn std::fmt::Display| error.to_string();
        let _ = fs::remove_file(socket_of(directory));
        let mut command = Command::new(binary);
        command.arg("--disable-colors").arg("--configs-folder").arg(directory);
        let log = fs::File::create(directory.join("log")).map_err(|error| written(&error))?;
        let errors = log.try_clone().map_err(|error| written(&error))?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = command.spawn().map_err(|error| written(&error))?;
        let api = match connect(&socket_of(directory), &mut child) {
            Ok(api) => api,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(written(&error));
            }
        };
        let (handles, octets) = (Vec::new(), vec![0; 1 << 20]);
        let mut janus = Janus { child, api, session: 0, handles, transactions: 0, octets };
        let made = janus.ask(json!({ "janus": "create" })).map_err(|error| written(&error))?;
        janus.session = id_of(&made).map_err(|error| written(&error))?;
        Ok(janus)
    }

    fn attach(&mut self) -> Outcome<u64> {
        let attached =
            self.ask(json!({ "janus": "attach", "plugin": "janus.plugin.audiobridge" }))?;
        id_of(&attached)
    }

    /// What the plugin says to `body`.
    fn message(&mut self, handle: u64, body: Value) -> Outcome<Value> {
        let answer = self.ask(json!({ "janus": "message", "handle_id": handle, "body": body }))?;
        Ok(answer["plugindata"]["data"].clone())
    }

    /// The last answer to a request; what else comes is not for us.
    fn ask(&mut self, mut request: Value) -> Outcome<Value> {
        self.transactions += 1;
        let transaction = self.transactions.to_string();
        request["transaction"] = transaction.as_str().into();
        if self.session != 0 {
            request["session_id"] = self.session.into();
        }
        (&self.api).write_all(request.to_string().as_bytes())?;
        loop {
            let len = (&self.api).read(&mut self.octets)?;
            if len == 0 {
                return Err("janus has closed its API".into());
            }
            let said: Value = serde_json::from_slice(self.octets.get(..len).unwrap_or_default())?;
            if said["transaction"] != transaction.as_str() || said["janus"] == "ack" {
                continue;
            }
            if said["janus"] == "error" {
                return Err(format!("janus refuses: {}", said["error"]).into());
            }
            return Ok(said);
        }
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server for Janus {
    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn join(&mut self, rtp: SocketAddr, codec: Codec) -> Outcome<SocketAddr> {
        let handle = self.attach()?;
        self.handles.push(handle);
        let joined = self.message(
            handle,
            json!({
                "request": "join", "room": ROOM, "codec": codec.name().to_ascii_lowercase(),
                "rtp": {
                    "ip": LOOPBACK.to_string(), "port": rtp.port(),
                    "payload_type": codec.payload_type(),
                },
            }),
        )?;
        let port = joined["rtp"]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| format!("janus lets nobody in: {joined}"))?;
        Ok(SocketAddr::new(LOOPBACK.into(), port))
    }

    fn empty(&mut self) -> Outcome<()> {
        for handle in std::mem::take(&mut self.handles) {
            self.ask(json!({ "janus": "detach", "handle_id": handle }))?;
        }
        Ok(())
    }
}

fn id_of(answer: &Value) -> Outcome<u64> {
    answer["data"]["id"].as_u64().ok_or_else(|| format!("janus gives no id: {answer}").into())
}

fn socket_of(directory: &Path) -> PathBuf {
    directory.join("api")
}

/// What it needs to have one plugin and one way to be asked, and nothing else.
fn configure(directory: &Path) -> Outcome<()> {
    for (kind, library) in
        [("plugins", "libjanus_audiobridge.so"), ("transports", "libjanus_pfunix.so")]
    {
        let from = installed(kind, library)
            .ok_or_else(|| format!("no {library} below /usr/lib or /usr/local/lib"))?;
        fs::create_dir_all(directory.join(kind))?;
        symlink(from, directory.join(kind).join(library))?;
    }
    for kind in ["events", "loggers"] {
        fs::create_dir_all(directory.join(kind))?;
    }
    let folder = |kind: &str| format!("{:?}", directory.join(kind).display().to_string());
    let general = format!(
        "general: {{\n\tconfigs_folder = {:?}\n\tplugins_folder = {}\n\ttransports_folder = {}\n\
         \tevents_folder = {}\n\tloggers_folder = {}\n\tdebug_level = 2\n}}\n",
        directory.display().to_string(),
        folder("plugins"),
        folder("transports"),
        folder("events"),
        folder("loggers"),
    );
    fs::write(directory.join("janus.jcfg"), general)?;
    let socket = socket_of(directory).display().to_string();
    fs::write(
        directory.join("janus.transport.pfunix.jcfg"),
        format!("general: {{\n\tenabled = true\n\tjson = \"compact\"\n\tpath = {socket:?}\n}}\n"),
    )?;
    fs::write(
        directory.join("janus.plugin.audiobridge.jcfg"),
        format!(
            "general: {{\n\trtp_port_range = \"30000-31999\"\n\tlocal_ip = \"{LOOPBACK}\"\n}}\n"
        ),
    )?;
    Ok(())
}

/// Debian has its libraries below the machine's name.
fn installed(kind: &str, library: &str) -> Option<PathBuf> {
    let mut places = vec![PathBuf::from("/usr/local/lib"), PathBuf::from("/usr/lib")];
    places.extend(fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path()));
    places.iter().map(|place| place.join("janus").join(kind).join(library)).find(|at| at.exists())
}

fn connect(path: &Path, child: &mut Child) -> Outcome<Socket> {
    let until = Instant::now() + PATIENCE;
    let address = SockAddr::unix(path)?;
    loop {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        match socket.connect(&address) {
            Ok(()) => {
                socket.set_read_timeout(Some(PATIENCE))?;
                return Ok(socket);
            }
            Err(error) if Instant::now() > until => return Err(error.into()),
            Err(_) => {}
        }
        if let Some(status) = child.try_wait()? {
            return Err(status.to_string().into());
        }
        // There is nothing to wait for: its socket is not there yet.
        thread::sleep(Duration::from_millis(50));
    }
}

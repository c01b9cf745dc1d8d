//! A node of its own with one meeting, called over SIP.

use crate::rooms::call::{self, Call};
use crate::rooms::{Codec, LOOPBACK, Outcome, Server};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SIP: &str = "127.0.0.1:15960";
/// The meeting's id for those who attend.
pub const ATTENDEE: &str = "4081234567";

/// The node that is measured; killed when it is dropped.
#[derive(Debug)]
pub struct Tandem {
    child: Child,
    calls: Vec<Call>,
}

impl Tandem {
    /// Starts the binary with what it keeps below `directory`, until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(binary: &Path, directory: &Path) -> Outcome<Tandem> {
        Tandem::start_with(binary, directory, "")
    }

    /// The same with more in its configuration.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_with(binary: &Path, directory: &Path, more: &str) -> Outcome<Tandem> {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
        let file = directory.join("edge.toml");
        fs::write(&file, configuration(directory) + more)?;
        let mut command = Command::new(binary);
        command.args(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
        command.stdout(Stdio::null()).stderr(fs::File::create(directory.join("log"))?);
        let node = Tandem { child: command.spawn()?, calls: Vec::new() };
        if call::wait_for_answer(SIP.parse()?, "sip:meet.localhost.test").is_err() {
            let log = directory.join("log");
            return Err(format!("the node does not answer; see {}", log.display()).into());
        }
        Ok(node)
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Tandem {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server for Tandem {
    fn pid(&self) -> u32 {
        self.process()
    }

    fn join(&mut self, rtp: SocketAddr, codec: Codec) -> Outcome<SocketAddr> {
        let uri = format!("sip:{ATTENDEE}@meet.localhost.test");
        let (call, to) = Call::begin((SIP.parse()?, &uri), rtp, codec)?;
        self.calls.push(call);
        Ok(to)
    }

    fn empty(&mut self) -> Outcome<()> {
        self.calls.drain(..).try_for_each(|call| call.end())
    }
}

fn configuration(directory: &Path) -> String {
    format!(
        "[node]\ndata_dir = {:?}\n\n[sip]\ndomain = \"localhost.test\"\nudp = [\"{SIP}\"]\n\n\
         [media]\nbind = [\"{LOOPBACK}\"]\nports = \"20000-21999\"\n\n\
         [limits]\nstranger_answers_per_second = 1000\nstranger_answers_per_source = 1000\n\n\
         [rooms]\nallow_plain = [\"{LOOPBACK}\"]\nmax_calls_per_source = 500\n\n[[rooms.meeting]]\nname = \"Bench\"\n\
         attendee_id = \"{ATTENDEE}\"\nmoderator_id = \"7035550123456\"\nannounce = \"off\"\n",
        directory.join("data").display().to_string()
    )
}

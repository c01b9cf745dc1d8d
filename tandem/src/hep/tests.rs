use super::*;
use directory::{Host, TlsPolicy};
use rustls::{ServerConfig, ServerConnection};
use sip_edge::tls::{TlsSettings, self_signed_files, self_signed_server};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

const NAME: &str = "homer.example.com";

/// A directory with a certificate that is its own authority.
struct Files(PathBuf);

impl Files {
    fn new(test: &str) -> Self {
        let name = format!("tandem-hep-{test}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Files(directory)
    }

    /// The server's side, and whom a client trusts.
    fn made(&self, name: &str) -> (Arc<ServerConfig>, TlsPolicy) {
        let files = self_signed_files(&TlsSettings::new(name, &self.0)).unwrap();
        let ca = Some(files.certificate.clone());
        let server = self_signed_server(&[], Some(&files)).unwrap();
        (server, TlsPolicy { ca, ..TlsPolicy::default() })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Takes one connection; what came over it up to its end, or why it broke.
fn serve(config: Arc<ServerConfig>) -> (SocketAddr, JoinHandle<io::Result<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        Ok(all)
    });
    (address, served)
}

fn secured(
    address: SocketAddr,
    name: &str,
    policy: &TlsPolicy,
) -> io::Result<Box<dyn Write + Send>> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let trust = Trust::new(&Host::parse(name).unwrap(), policy).unwrap();
    Layer(trust).secure(stream)
}

#[test]
fn all_that_was_written_arrives_before_the_end() {
    let files = Files::new("arrives");
    let (server, policy) = files.made(NAME);
    let (address, served) = serve(server);
    let mut stream = secured(address, NAME, &policy).unwrap();
    let packets = vec![0x48; 1_000_000];
    for packet in packets.chunks(700) {
        stream.write_all(packet).unwrap();
        stream.flush().unwrap();
    }
    // The server's tickets have not been read by now.
    drop(stream);
    assert!(served.join().unwrap().unwrap() == packets, "the end is clean, and all is there");
}

#[test]
fn a_collector_that_is_another_is_refused_and_the_setting_named() {
    let files = Files::new("refused");
    let (server, policy) = files.made(NAME);
    let strangers = Files::new("strangers");
    let unknown = TlsPolicy { ca: strangers.made("strangers.example.com").1.ca, ..policy.clone() };
    for (name, policy, setting) in
        [("other.example.com", &policy, "tls_name of [hep]"), (NAME, &unknown, "tls_ca of [hep]")]
    {
        let (address, served) = serve(Arc::clone(&server));
        let error = secured(address, name, policy).err().expect("it is refused").to_string();
        assert!(error.starts_with("TLS: ") && error.contains(setting), "{error}");
        assert!(served.join().unwrap().is_err());
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let plain = thread::spawn(move || listener.accept().unwrap().0.write_all(b"HEP3 in the clear"));
    let error = secured(address, NAME, &policy).err().expect("nobody speaks TLS").to_string();
    assert!(error.contains("speaks TLS at this port"), "{error}");
    let _ = plain.join();
}

//! A stub resolver (RFC 1034 section 5.3.1): each question over UDP from a port of its own, over TCP
//! when the answer does not fit, to one server after the other.

use super::system::{Hosts, Servers, Watched};
use super::wire::{self, MAX_ALIASES, Said};
use super::{Lookup, Reply};
use sip_proto::locate::{Question, is_domain_name};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// Datagrams with other than our answer that are passed over before a server counts as silent: a
/// forger must not keep us listening.
const MAX_FOREIGN: usize = 64;

/// Asks `servers`, or the system's when there are none, after a look at `/etc/hosts`.
pub(crate) fn lookup_over(servers: &[SocketAddr]) -> Lookup {
    let configured = (!servers.is_empty()).then(|| Arc::new(Servers::new(servers.to_vec())));
    let system = Arc::new(Watched::new("/etc/resolv.conf", Servers::parse));
    let hosts = Arc::new(Watched::new("/etc/hosts", Hosts::parse));
    Arc::new(move |question| {
        let (configured, system, hosts) = (configured.clone(), system.clone(), hosts.clone());
        Box::pin(async move {
            if let Some(records) = hosts.get().answer(&question) {
                return Reply::Records(records, Some(HOSTS_LIVE));
            }
            let servers = configured.unwrap_or_else(|| system.get());
            resolve(&servers, &question).await
        })
    })
}

/// Asks `servers`, or the system's when there are none, and does not look at `/etc/hosts`.
pub(crate) async fn ask_servers(servers: &[SocketAddr], question: &Question) -> Reply {
    let configured = (!servers.is_empty()).then(|| Arc::new(Servers::new(servers.to_vec())));
    let system = Watched::new("/etc/resolv.conf", Servers::parse);
    let servers = configured.unwrap_or_else(|| system.get());
    resolve(&servers, question).await
}

/// How long what `/etc/hosts` says is used before the file is looked at again.
const HOSTS_LIVE: Duration = Duration::from_secs(5);

/// The first of a name's candidates that has records decides; if none has, the last one.
async fn resolve(servers: &Servers, question: &Question) -> Reply {
    let mut last = Reply::Failed;
    for name in servers.candidates(&question.name) {
        last = follow(servers, wire::renamed(question, &name)).await;
        if matches!(&last, Reply::Records(records, _) if !records.is_empty()) {
            break;
        }
    }
    last
}

/// Follows aliases that lead out of one message into the next.
async fn follow(servers: &Servers, mut question: Question) -> Reply {
    let mut lives = Duration::MAX;
    for _ in 0..=MAX_ALIASES {
        match ask_all(servers, &question).await {
            Said::Answer(Reply::Records(records, found)) => {
                return Reply::Records(records, found.map(|found| found.min(lives)));
            }
            Said::Alias(name, alias_lives) if is_domain_name(&name) => {
                lives = lives.min(alias_lives);
                question = wire::renamed(&question, &name.to_ascii_lowercase());
            }
            _ => return Reply::Failed,
        }
    }
    Reply::Failed
}

/// Asks one server after the other until one answers.
async fn ask_all(servers: &Servers, question: &Question) -> Said {
    for _ in 0..servers.attempts {
        for server in &servers.addresses {
            let mut said = ask(*server, question, servers.timeout, true).await;
            if matches!(said, Said::NoExtensions) {
                said = ask(*server, question, servers.timeout, false).await;
            }
            if matches!(said, Said::Answer(_) | Said::Alias(..)) {
                return said;
            }
        }
    }
    Said::Refused
}

/// Asks one server once. Whatever goes wrong there is a refusal.
async fn ask(server: SocketAddr, question: &Question, limit: Duration, extensions: bool) -> Said {
    let mut id = [0; 2];
    // Two bytes from the system; without them the port alone is to be guessed.
    let _ = getrandom::fill(&mut id);
    let id = u16::from_be_bytes(id);
    let Some(query) = wire::query(id, &question.name, question.kind, extensions) else {
        return Said::Refused;
    };
    let read = |message: &[u8]| wire::read(message, id, &question.name, question.kind);
    let over_udp = timeout(limit, over_udp(server, &query, &read)).await;
    let said = match over_udp {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => {
            tracing::debug!(%server, %error, "a name server cannot be asked");
            return Said::Refused;
        }
        Err(_) => return Said::Refused,
    };
    if !matches!(said, Said::Truncated) {
        return said;
    }
    match timeout(limit, over_tcp(server, &query)).await {
        Ok(Ok(message)) => match read(&message) {
            Said::Truncated | Said::Foreign => Said::Refused,
            said => said,
        },
        _ => Said::Refused,
    }
}

/// From a port that the system draws, connected, so that only `server` is heard.
async fn over_udp(
    server: SocketAddr,
    query: &[u8],
    read: &impl Fn(&[u8]) -> Said,
) -> io::Result<Said> {
    let local = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    // One byte more than we said that we take: what fills it has been cut.
    let mut buffer = [0; wire::DATAGRAM_BYTES as usize + 1];
    for _ in 0..MAX_FOREIGN {
        let length = socket.recv(&mut buffer).await?;
        let message = buffer.get(..length).unwrap_or_default();
        let said = if length == buffer.len() { Said::Truncated } else { read(message) };
        if !matches!(said, Said::Foreign) {
            return Ok(said);
        }
    }
    Ok(Said::Refused)
}

/// RFC 7766: one query, one answer, each behind its length.
async fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(query);
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

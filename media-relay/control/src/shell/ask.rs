//! What an edge asks its relays before it serves: short connections that take nothing over.

use super::client::{explain, open};
use crate::message::{EdgeHello, Purpose, RelayHello};
use crate::seal::SealKey;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsConnector;

/// Between two attempts to reach a relay.
const AGAIN: Duration = Duration::from_millis(100);

/// How an edge that is being started asks for the keys of its incarnations before.
pub struct AskConfig {
    /// Where its relays listen.
    pub addresses: Vec<SocketAddr>,
    /// The name of its node.
    pub node: String,
    /// Drawn at this start.
    pub incarnation: u64,
    /// Likewise, for the relays to keep.
    pub seal: SealKey,
    /// From [`Credentials::client`](crate::Credentials::client).
    pub tls: Arc<rustls::ClientConfig>,
    /// As in [`ClientConfig`](crate::ClientConfig).
    pub name: Option<String>,
    /// For how long relays that do not answer are asked again.
    pub patience: Duration,
}

/// Asks whether a relay is there and takes us, and disturbs nothing.
///
/// # Errors
/// In words, why not.
pub fn probe(
    address: SocketAddr,
    node: &str,
    tls: Arc<rustls::ClientConfig>,
    name: Option<String>,
) -> Result<(RelayHello, Duration), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let name = name.map(ServerName::try_from).transpose().map_err(|error| error.to_string())?;
    let seal = SealKey::new([0; 32]);
    let hello = first_word(node, 0, Purpose::Look, seal);
    runtime.block_on(async {
        let mut began = interval(Duration::from_secs(3_600));
        let before = began.tick().await;
        let opened = open(address, &TlsConnector::from(tls), name, &hello).await;
        let (_, _, hello) = opened.map_err(|ended| explain(&ended))?;
        Ok((hello, before.elapsed()))
    })
}

/// Asks every relay for the keys that incarnations before left with it, and leaves ours. Ends when
/// `is_enough` of what has come so far, when all have answered, or when the patience is over.
///
/// # Errors
/// In words, when nothing can be asked: the operating system, or a name that no certificate has.
pub fn ask_seals(
    config: AskConfig,
    mut is_enough: impl FnMut(&[SealKey]) -> bool,
) -> Result<Vec<SealKey>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let name = config.name.map(ServerName::try_from).transpose();
    let name = name.map_err(|error| error.to_string())?;
    let hello = first_word(&config.node, config.incarnation, Purpose::Ask, config.seal);
    let tls = TlsConnector::from(config.tls);
    runtime.block_on(async {
        let mut asked = JoinSet::new();
        for address in config.addresses {
            asked.spawn(ask(address, tls.clone(), name.clone(), hello.clone()));
        }
        let mut keys: Vec<SealKey> = Vec::new();
        let all = async {
            while let Some(answered) = asked.join_next().await {
                for key in answered.unwrap_or_default() {
                    if !keys.contains(&key) {
                        keys.push(key);
                    }
                }
                if is_enough(&keys) {
                    break;
                }
            }
        };
        // What has come when it is over is all that there is.
        let _ = timeout(config.patience, all).await;
        Ok(keys)
    })
}

async fn ask(
    address: SocketAddr,
    tls: TlsConnector,
    name: Option<ServerName<'static>>,
    hello: EdgeHello,
) -> Vec<SealKey> {
    let mut said = String::new();
    loop {
        match open(address, &tls, name.clone(), &hello).await {
            Ok((_, _, welcome)) => return welcome.seals,
            Err(ended) => {
                let why = explain(&ended);
                if why != said {
                    tracing::info!(relay = %address, "the relay is asked again: {why}");
                    said = why;
                }
            }
        }
        sleep(AGAIN).await;
    }
}

fn first_word(node: &str, incarnation: u64, purpose: Purpose, seal: SealKey) -> EdgeHello {
    EdgeHello { node: node.to_owned(), incarnation, received: 0, relay: 0, purpose, seal }
}

//! Opening plain connections, and what TLS ones have in common with them.

use super::connection::{Connection, Ended, Write};
use super::tcp::StreamInput;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// Opens a plain connection and serves it.
pub(super) async fn open_and_run(connection: Connection, queue: mpsc::Receiver<Write>) {
    let id = connection.id;
    let connecting = connect(connection.flow.local, connection.flow.remote);
    match tokio::time::timeout(connection.limits.connect_timeout, connecting).await {
        Ok(Ok(stream)) => {
            let _ = connection.inputs.send(StreamInput::Connected { id }).await;
            connection.run(stream, queue).await;
        }
        outcome => {
            let error = outcome.map_or_else(io::Error::from, |connected| match connected {
                Ok(_) => io::ErrorKind::Other.into(),
                Err(error) => error,
            });
            tracing::debug!(remote = %connection.flow.remote, %error, "cannot open a connection");
            peer_closed(&connection, Ended::ConnectFailed).await;
        }
    }
}

/// Tells the driver that a connection is over before it was served.
pub(super) async fn peer_closed(connection: &Connection, reason: Ended) {
    let ended = StreamInput::Ended { id: connection.id, reason };
    let _ = connection.inputs.send(ended).await;
}

/// Connects from `local`'s address, so that the peer sees the address it has allowed; the port is
/// the operating system's choice.
pub(super) async fn connect(local: SocketAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !local.ip().is_unspecified() && local.is_ipv4() == remote.is_ipv4() {
        socket.bind(SocketAddr::new(local.ip(), 0))?;
    }
    let stream = socket.connect(remote).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

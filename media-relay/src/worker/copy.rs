//! Streams of this worker whose RTCP is copied.

use super::Worker;
use super::streams::Stream;
use model::{LegSide, MediaId, TransactionId};
use relay_core::{CopyWriter, MediaSocket};
use std::net::SocketAddr;

/// Where copies of RTCP go; nowhere before a plan has asked for them.
#[derive(Debug, Default)]
pub(super) struct CopyDesk(Option<CopyWriter>);

impl CopyDesk {
    /// Copies what a stream has kept.
    #[inline]
    pub(super) fn take(&mut self, stream: &mut Stream) {
        let Some(writer) = &mut self.0 else { return };
        if !stream.session.copies_rtcp() {
            return;
        }
        let of: (MediaId, TransactionId) = (stream.session.id(), stream.session.transaction_id());
        let sockets = [LegSide::A, LegSide::B].map(|leg| stream.addresses(leg));
        if let Some(copied) = stream.session.take_rtcp_copy() {
            let [rtp, rtcp] = sockets[copied.leg.index()];
            let local = match copied.socket {
                MediaSocket::Rtp => rtp,
                MediaSocket::Rtcp => rtcp,
            };
            writer.write(of, local, &copied);
        }
    }
}

impl Stream {
    /// Our addresses of a leg's RTP and RTCP as they stand in packets here; what is advertised may be a
    /// router's.
    fn addresses(&self, leg: LegSide) -> [SocketAddr; 2] {
        let (sockets, local) = (&self.sockets[leg.index()], &self.local[leg.index()]);
        if sockets.ip.is_unspecified() {
            return [local.rtp, local.rtcp];
        }
        [sockets.port, sockets.port.saturating_add(1)].map(|port| (sockets.ip, port).into())
    }
}

impl Worker {
    /// Opens the worker's ring with the first stream that needs one.
    pub(super) fn prepare_copies(&mut self) {
        if self.copies.0.is_none() {
            self.copies.0 = self.parts.copies.ring();
        }
    }
}

//! The SRTP contexts of the user agent's stream.

use model::LegSecurity;
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpReceiver, SrtpSender};
use rtp_proto::{DatagramKind, demultiplex};

/// How what we send and what comes is protected; the contexts of the keys in force.
#[derive(Default)]
pub(super) struct Protection {
    agreed: LegSecurity,
    contexts: Option<Box<(SrtpReceiver, SrtpSender)>>,
}

impl Protection {
    /// Takes what the descriptions agreed on. A key that is in force keeps its context.
    pub(super) fn agree(&mut self, security: &LegSecurity) {
        if self.agreed == *security {
            return;
        }
        self.agreed = security.clone();
        self.contexts = match (security, self.contexts.take()) {
            (LegSecurity::Sdes(keys), Some(old)) => {
                let (receiver, sender) = *old;
                let same = *receiver.key() == keys.receive;
                let receiver = if same { receiver } else { receiver.successor(&keys.receive) };
                let same = *sender.key() == keys.send;
                let sender = if same { sender } else { sender.successor(&keys.send) };
                Some(Box::new((receiver, sender)))
            }
            (LegSecurity::Sdes(keys), None) => {
                let contexts = (SrtpReceiver::new(&keys.receive), SrtpSender::new(&keys.send));
                Some(Box::new(contexts))
            }
            _ => None,
        };
    }

    /// Protects a datagram of ours in place; `false` when it must not be sent.
    pub(super) fn protect(&mut self, datagram: &mut Vec<u8>) -> bool {
        let Some(contexts) = &mut self.contexts else { return true };
        let (_, sender) = &mut **contexts;
        let length = datagram.len();
        let is_rtcp = demultiplex(datagram) == DatagramKind::Rtcp;
        datagram.resize(length + LONGEST_GROWTH, 0);
        let protected = if is_rtcp {
            sender.protect_rtcp(datagram, length)
        } else {
            sender.protect_rtp(datagram, length)
        };
        match protected {
            Ok(length) => {
                datagram.truncate(length);
                true
            }
            Err(_) => false,
        }
    }

    /// Unprotects a datagram of the peer in place; `None` for one that is not authentic.
    pub(super) fn unprotect<'a>(
        &mut self,
        kind: DatagramKind,
        datagram: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let Some(contexts) = &mut self.contexts else { return Some(datagram) };
        let (receiver, _) = &mut **contexts;
        let length = match kind {
            DatagramKind::Rtp => receiver.unprotect_rtp(datagram),
            DatagramKind::Rtcp => receiver.unprotect_rtcp(datagram),
            _ => return None,
        };
        datagram.get(..length.ok()?)
    }
}

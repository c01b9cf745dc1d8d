//! What the transaction layer counts.

/// Counts since the start; each only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TransactionCounters {
    /// Server transactions that began.
    pub servers: u64,
    /// Client transactions that began.
    pub clients: u64,
    /// Requests that came again and were absorbed or answered from the stored response.
    pub repeated_requests: u64,
    /// Messages that we sent again because a timer fired.
    pub retransmissions: u64,
    /// Requests that came twice over different paths and were answered 482.
    pub merged_requests: u64,
    /// CANCELs that matched no INVITE and were answered 481.
    pub unmatched_cancels: u64,
    /// New requests that found the table full.
    pub refused_requests: u64,
    /// Of these, the ones whose source had its share of the table while there was room for others.
    pub share_refusals: u64,
    /// Responses without a transaction that were dropped: not a 2xx to INVITE.
    pub unmatched_responses: u64,
    /// Requests of ours that got no (final) response in time.
    pub timeouts: u64,
    /// Requests that a peer did not take over a stream and got as datagrams.
    pub fallbacks: u64,
    /// Final responses of ours whose ACK never came (Timer H).
    pub unacknowledged: u64,
    /// Requests that the core left without a final response for 64 × T1.
    pub abandoned: u64,
}

impl TransactionCounters {
    /// Every counter with its name in logs and metrics.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("server_transactions", self.servers),
            ("client_transactions", self.clients),
            ("repeated_requests", self.repeated_requests),
            ("retransmissions", self.retransmissions),
            ("merged_requests", self.merged_requests),
            ("unmatched_cancels", self.unmatched_cancels),
            ("refused_requests", self.refused_requests),
            ("share_refusals", self.share_refusals),
            ("unmatched_responses", self.unmatched_responses),
            ("timeouts", self.timeouts),
            ("fallbacks", self.fallbacks),
            ("unacknowledged", self.unacknowledged),
            ("abandoned", self.abandoned),
        ]
        .into_iter()
    }
}

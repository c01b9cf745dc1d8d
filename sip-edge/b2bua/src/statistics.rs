//! Counters of one worker, for metrics and the running edge's own account of itself.

use crate::authentication::AuthenticationCounters;

/// Keys of telephones that went from a leg to the other in another form, and those that did not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct DtmfCounters {
    /// Events (RFC 4733) that became INFO.
    pub events_to_info: u64,
    /// Tones in the audio that became INFO.
    pub tones_to_info: u64,
    /// INFO that became events.
    pub info_to_events: u64,
    /// INFO that became tones in the audio.
    pub info_to_tones: u64,
    /// INFO of a peer whose body was not what its type says.
    pub malformed: u64,
    /// INFO of ours that the peer refused or did not answer.
    pub info_failed: u64,
    /// Keys that were not sent as INFO: too many waited, they were too old, or the peer takes none.
    pub dropped: u64,
}

/// What a worker has done and holds. All counts are since its start unless they name a present
/// state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EdgeStatistics {
    /// Calls now, from INVITE until everything of them is gone.
    pub calls: u64,
    /// Calls now that are not yet ending.
    pub active_calls: u64,
    /// Calls that applications steer now.
    pub steered_calls: u64,
    /// Copies of calls that recorders take now (SIPREC).
    pub active_copies: u64,
    /// Copies that recorders have taken.
    pub copies_begun: u64,
    /// Copies that were not taken, or not to the end of their calls; each try counts.
    pub copies_failed: u64,
    /// Server transactions now.
    pub server_transactions: u64,
    /// Client transactions now.
    pub client_transactions: u64,
    /// Calls that passed the policing.
    pub attempts: u64,
    /// Calls answered.
    pub answers: u64,
    /// Requests refused by policy.
    pub refusals: u64,
    /// Requests from unknown sources that were dropped without an answer.
    pub strangers_dropped: u64,
    /// Routes that a hunt left out because pings say that they are dead.
    pub routes_down: u64,
    /// Routes that a hunt left out because a call had just failed there.
    pub routes_avoided: u64,
    /// Routes that were passed over because they have their `max_calls`.
    pub routes_full: u64,
    /// Routes that were passed over because of their `cps_limit`.
    pub routes_over_rate: u64,
    /// OPTIONS sent to carriers and routes.
    pub pings: u64,
    /// Times that a way over UDP was used only to be kept open, towards registered systems and
    /// carriers that we are registered at.
    pub keep_alives: u64,
    /// Calls between participants of proxy phone sessions.
    pub proxied_calls: u64,
    /// Calls to a proxy number that went to the fallback number.
    pub proxy_fallbacks: u64,
    /// Refusals that a dry run left undone.
    pub would_refuse: u64,
    /// Inputs that were neither a SIP message nor a keep-alive, or broke a bound.
    pub malformed: u64,
    /// Responses that match nothing of ours.
    pub stray_responses: u64,
    /// In-dialog requests that match no dialog (481).
    pub unknown_dialogs: u64,
    /// Times that another target of a route was tried after one had failed (RFC 3263 section 4.3).
    pub target_failovers: u64,
    /// Targets that failed while they were thought well.
    pub target_failures: u64,
    /// Failed targets that answered again.
    pub target_recoveries: u64,
    /// Requests too big for a datagram that were sent over a stream (RFC 3261 section 18.1.1).
    pub stream_switches: u64,
    /// Of these, the ones whose stream was refused, so that they went as datagrams after all.
    pub stream_fallbacks: u64,
    /// Contacts of customers' systems that are registered now.
    pub bindings: u64,
    /// Carriers where we are to be registered (a present number).
    pub registrations_wanted: u64,
    /// Carriers where we are registered now.
    pub registrations: u64,
    /// Requests that got 503 because the table of transactions was full.
    pub table_refusals: u64,
    /// Requests that got 503 because their source had its share of the table.
    pub share_refusals: u64,
    /// Keys that were converted.
    pub dtmf: DtmfCounters,
    /// How customers proved who they are.
    pub authentication: AuthenticationCounters,
}

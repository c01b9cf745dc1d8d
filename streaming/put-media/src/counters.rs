//! What is counted.

use crate::rule::{ERROR_IDS, error_index};

/// Counters of one stream, or the sum of many. All of them only grow.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Fragments that were handed over.
    pub taken_fragments: u64,
    /// Fragments that were not taken: too large, out of order, or after the end.
    pub rejected_fragments: u64,
    /// Fragments that went over a connection, each time.
    pub sent_fragments: u64,
    /// Their octets, heads included.
    pub sent_bytes: u64,
    /// Of them those that went over a connection before.
    pub replayed_fragments: u64,
    /// Fragments that the service keeps: said to be persisted, or received by a stream that keeps
    /// nothing.
    pub persisted_fragments: u64,
    /// Fragments that were dropped, for their age or for want of room, before they were ever sent.
    pub dropped_fragments: u64,
    /// Fragments that were sent and dropped before the service said that it keeps them.
    pub unconfirmed_fragments: u64,
    /// Fragments that the service found a fault in.
    pub refused_fragments: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that could not be made, broke, or went silent.
    pub broken_connections: u64,
    /// Requests that were answered with another status than 200.
    pub refused_connections: u64,
    /// Connections that were ended for their age.
    pub rotations: u64,
    /// Octets among the acknowledgements that are none.
    pub malformed_acknowledgements: u64,
    /// Faults of fragments, by their place in [`ERROR_IDS`]; last those that are not there.
    pub errors: [u64; ERROR_IDS.len() + 1],
    /// Streams that were given up.
    pub given_up_streams: u64,
}

impl Counters {
    pub(crate) fn error(&mut self, id: u16) {
        if let Some(count) = self.errors.get_mut(error_index(id)) {
            *count += 1;
        }
    }

    /// The faults that occurred, with their numbers; `None` for those that are not known.
    pub fn errors_by_id(&self) -> impl Iterator<Item = (Option<u16>, u64)> + '_ {
        let ids = ERROR_IDS.iter().map(|(id, _)| Some(*id)).chain([None]);
        ids.zip(self.errors).filter(|(_, count)| *count > 0)
    }

    /// Adds what another stream, or this one since, has counted.
    pub fn add(&mut self, other: &Counters) {
        let Counters {
            taken_fragments,
            rejected_fragments,
            sent_fragments,
            sent_bytes,
            replayed_fragments,
            persisted_fragments,
            dropped_fragments,
            unconfirmed_fragments,
            refused_fragments,
            connections,
            broken_connections,
            refused_connections,
            rotations,
            malformed_acknowledgements,
            errors,
            given_up_streams,
        } = other;
        self.taken_fragments += taken_fragments;
        self.rejected_fragments += rejected_fragments;
        self.sent_fragments += sent_fragments;
        self.sent_bytes += sent_bytes;
        self.replayed_fragments += replayed_fragments;
        self.persisted_fragments += persisted_fragments;
        self.dropped_fragments += dropped_fragments;
        self.unconfirmed_fragments += unconfirmed_fragments;
        self.refused_fragments += refused_fragments;
        self.connections += connections;
        self.broken_connections += broken_connections;
        self.refused_connections += refused_connections;
        self.rotations += rotations;
        self.malformed_acknowledgements += malformed_acknowledgements;
        self.given_up_streams += given_up_streams;
        for (sum, count) in self.errors.iter_mut().zip(errors) {
            *sum += count;
        }
    }
}

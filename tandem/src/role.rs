//! Which half of a node a process is.

use clap::ValueEnum;

/// What a process serves.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum Role {
    /// SIP and media.
    All,
    /// SIP, with relays in processes of their own.
    Edge,
    /// Media, for edges in processes of their own.
    Relay,
}

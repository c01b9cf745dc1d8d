//! The key under which an edge writes secrets down. It is on no disk: its relays keep it while the
//! edge is away, and give it to whoever proves to be that edge.

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// 256 random bits, drawn at each start of an edge. Overwritten when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// A key of these bits, which nobody can guess.
    pub const fn new(bits: [u8; 32]) -> Self {
        SealKey(bits)
    }

    /// Its bits.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for SealKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The bits are not shown.
impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

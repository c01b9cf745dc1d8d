//! What the bench's programs share. See `bench/README.md` for what is measured and how.

pub mod allocations;
pub mod audio_consumers;
pub mod cpu;
pub mod directory;
pub mod ends;
pub mod listened;
pub mod marks;
pub mod network;
pub mod relays;
pub mod rooms;
pub mod srtp;
pub mod stamped;
pub mod stand_in;

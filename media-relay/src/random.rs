//! Random numbers of the operating system.

/// Sixty-four bits that nobody can guess; 0 when the system has none, which is no secret but names
/// nobody either.
pub(crate) fn draw() -> u64 {
    let mut bytes = [0; 8];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

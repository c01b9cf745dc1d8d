//! Audio formats that Tandem's own test call speaks.

pub mod g711;

//! Where cached bytes and purge generations live.

pub mod generations;
pub mod memory;

//! Where cached bytes and purge generations live.

pub mod bans;
pub mod generations;
pub mod memory;
pub mod variances;

#[cfg(test)]
mod tests;

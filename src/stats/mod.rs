//! Latency quantiles and process figures.

pub mod latency;
pub mod process;

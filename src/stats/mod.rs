//! Latency quantiles and process figures.

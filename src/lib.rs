//! Vestibule: a reverse-proxy sidecar that caches, compresses, limits and explains.
//!
//! # Map of the modules
//!
//! ```text
//! cli, demo         the command line; a small app to try things on
//!   app             the only place where components meet: build, register, spawn, drain
//!     edge  admin   sockets and connection permits; metrics, health, purge, stats
//!       proxy       what happens to one request (start reading at proxy/mod.rs)
//!         config    the YAML file: model, validation, immutable snapshot, live reload
//!           store   where cached bytes and purge generations live
//!             cache  compress  limit  stats     pure decisions: no I/O, no clock, no pingora
//!               headers                         pure readings of HTTP fields
//!                 reason                        one word for each decision
//! ```
//!
//! Each layer imports only what stands below it; `tests/layers.rs` holds that true.
//!
//! # Life of a request
//!
//! `edge::listen` takes the connection and a permit → pingora reads the head → `proxy::admit` pins
//! one configuration snapshot, finds the route, the correlation id and the cache key → a stored
//! answer that may be given is written by `proxy::respond` → what may be stored is fetched by
//! `proxy::fetch`, once for all who wait for it → everything else streams to the app by
//! `proxy::upstream` → `proxy::compression` codes the answer for this client → `proxy::finish`
//! counts, times and logs.

pub mod admin;
pub mod app;
pub mod cache;
pub mod cli;
pub mod compress;
pub mod config;
pub mod demo;
pub mod edge;
pub mod headers;
pub mod limit;
pub mod proxy;
pub mod reason;
pub mod stats;
pub mod store;

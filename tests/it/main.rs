//! The product from outside: the real binary between a real client and a real upstream, all on
//! free ports, each sidecar stopped when its test ends.

// A test crate has no outside: `pub` reads better here than `pub(crate)` on every line.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod support;

mod admin;
mod cache;
mod compression;
mod concessions;
mod crosstalk;
mod drain;
mod explain;
mod explain_cli;
mod failures;
mod forwarding;
mod httpbin;
mod keyed;
mod limits;
mod load;
mod memory;
mod metrics;
mod policy;
mod proxying;
mod purge;
mod purge_cli;
mod purge_modes;
mod purge_race;
mod reload;
mod routes;
mod safety;
mod search;
mod selfcheck;
mod settings;
mod stampede;
mod starlette;
mod streaming;
mod validation;
mod variants;
mod websocket;

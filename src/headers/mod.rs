//! Readings of HTTP header fields: pure functions over borrowed headers.

pub mod cache_control;
pub mod client_ip;
pub mod date;
pub mod entity_tag;
pub mod hop_by_hop;
pub mod language;
pub mod request_id;
pub mod structured;

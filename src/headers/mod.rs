//! Readings of HTTP header fields: pure functions over borrowed headers.

pub mod client_ip;
pub mod request_id;

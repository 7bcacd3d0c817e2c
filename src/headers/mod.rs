//! Readings of HTTP header fields: pure functions over borrowed headers.

//! Connections: accepting, permits, draining.

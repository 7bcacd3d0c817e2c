//! Bounds on what clients may take.

pub mod connections;

//! Bounds on what clients may take.

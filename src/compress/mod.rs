//! Content codings: which one a client wants, which bodies deserve it, and the encoders.

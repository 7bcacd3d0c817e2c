//! Where cached bytes and purge generations live.

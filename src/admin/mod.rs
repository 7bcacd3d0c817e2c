//! The ports for operators: metrics and health, purge and stats.

//! The configuration file: model, validation, snapshot, live reload.

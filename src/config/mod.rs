//! The configuration: what the user wrote, what it means, and the version of it that is in force.
//!
//! ```text
//! Source        a file, variables, flags
//!   yaml        text → tree of values that know their line and column
//!   overlay     variables and flags on top of it
//!   interpolate ${NAME} in its values
//!   de          tree → model, passing over what is wrong so that every problem is told at once
//!   model       every key, its shape and its description (shape, words, units, defaults)
//!   validate    ranges, relations, patterns → Snapshot
//! Live          the snapshot in force; reload replaces it when the file changes
//! schema        JSON Schema and reference of the keys, from the model's types
//! ```

mod de;
mod defaults;
mod interpolate;
mod matcher;
mod model;
mod overlay;
mod problem;
pub mod reload;
mod schema;
mod shape;
mod snapshot;
mod source;
mod tree;
mod units;
mod validate;
mod words;
mod yaml;

pub use matcher::{Captures, Matcher, TagTemplate};
pub use problem::{Problem, Problems};
pub use schema::{KeyDoc, json_schema, keys, starter};
pub use snapshot::{
    AccessLog, AdminListener, Listener, Live, LogFormat, MetricsListener, Mode, Observability,
    Reload, ReloadStatus, Route, RouteCache, Shutdown, Snapshot, Timeouts, Upstream,
};
pub use source::{Flags, Loaded, Source, environment};
pub use units::Secret;

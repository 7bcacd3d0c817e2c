//! The configuration: what the user wrote, what it means, and the version of it that is in force.
//!
//! ```text
//! Source        a file, variables, flags
//!   index       text → where each value stands, and what a file of settings must not hold
//!   yaml        text → values, through serde_yaml; with the index they make a document
//!   overlay     variables and flags on top of it
//!   interpolate ${NAME} in its values
//!   read        document → model, setting aside what is wrong so that every problem is told at once
//!   model       every key, its shape and its description (shape, words, units, defaults)
//!   validate    ranges, relations, patterns → Snapshot
//! Live          the snapshot in force; reload replaces it when the file changes
//! schema        JSON Schema and reference of the keys, from the model's types
//! ```

mod defaults;
mod document;
mod index;
mod interpolate;
mod live;
mod matcher;
mod model;
mod overlay;
mod path;
mod problem;
mod read;
pub mod reload;
mod schema;
mod shape;
mod snapshot;
mod source;
mod units;
mod validate;
mod words;
mod yaml;

pub use live::{Live, ReloadStatus};
pub use matcher::{Captures, Matcher, TagTemplate};
pub use problem::{Problem, Problems};
pub use schema::{KeyDoc, json_schema, keys, starter};
pub use snapshot::{
    AccessLog, AdminListener, Listener, LogFormat, MetricsListener, Mode, Observability, Reload,
    Route, RouteCache, Shutdown, Snapshot, Timeouts, Upstream,
};
pub use source::{Flags, Loaded, Source, environment};
pub use units::Secret;

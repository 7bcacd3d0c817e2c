//! What may be stored and what may be reused: the pure half of the cache (RFC 9111).
//!
//! | question | answered by |
//! |---|---|
//! | may the cache be asked about this request at all? | [`policy::lookup`] |
//! | under which key? | [`key::Key`], [`policy::key_parts`] |
//! | may the stored answer be given, fresh or stale? | [`reuse::reuse`], [`conditional::not_modified`] |
//! | may it be given although the app fails? | [`reuse::on_error`] |
//! | may a miss go to the app, or does the client refuse that? | [`policy::forward`] |
//! | may the app's answer be stored, and for how long? | [`policy::storable`], [`freshness`] |
//! | which purges hit it? | [`tags`], [`ban`], [`purge`] |
//! | how is the decision told? | [`status::Outcome`] |
//!
//! Nothing in here reads a clock: callers pass `now`.

pub mod ban;
pub mod conditional;
pub mod entry;
pub mod explain;
pub mod freshness;
pub mod invalidate;
pub mod key;
pub mod merge;
pub mod object;
pub mod policy;
pub mod purge;
pub mod range;
pub mod reuse;
pub mod search;
pub mod settings;
pub mod status;
pub mod tags;
pub mod vary;

#[cfg(test)]
pub(crate) mod testing;

pub use settings::{
    Authorization, RefreshAhead, RequestCookies, Rule, Safety, SetCookie, Settings, Stale,
    StatusRule, UnkeyedHeaders,
};

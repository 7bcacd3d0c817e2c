//! Whether the cache may be asked about a request and whether it may store the answer
//! (RFC 9111 §3), and the reason where not.
//!
//! Conditions and ranges keep no request from the cache: on a hit
//! [`conditional`](super::conditional) and [`range`](super::range) judge them. What a miss with
//! them brings may be a part or a refusal, so that it fills nothing ([`fills`]).

use http::{HeaderMap, Method, StatusCode};

mod cookies;
mod keyed;
mod lookup;
mod statuses;
mod storable;
mod ttl;

pub use keyed::{key_parts, unkeyed};
pub use lookup::{fills, fills_with, forward, lookup, lookup_with};
pub use statuses::{
    DEFAULT_TTL_STATUSES, is_error, is_heuristically_cacheable, is_known, is_understood,
};
pub use storable::{Judged, judge, storable};
pub use ttl::fallback;

pub(crate) use lookup::barrier;

pub(crate) use cookies::has_unkeyed_cookies;

/// What the cache needs to know of a request, as the client sent it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The head.
    pub headers: &'a HeaderMap,
    /// It has a body, or may have one.
    pub has_body: bool,
    /// The scheme that the key is made of.
    pub scheme: &'a str,
    /// The host that the key is made of.
    pub host: &'a str,
}

/// What the cache needs to know of the app's answer.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The status.
    pub status: StatusCode,
    /// The head, before anything is removed from it.
    pub headers: &'a HeaderMap,
    /// The end of the body can be told from a broken connection: it has a length, is chunked, or
    /// came over HTTP/2.
    pub framed: bool,
    /// The app was not told which codings the client takes: a coding that it applies all the same is
    /// one that everybody gets.
    pub any_coding: bool,
}

#[cfg(test)]
mod tests;

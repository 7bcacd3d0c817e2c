//! A request and all that its head says about it: what the rules of the cache and the head for the
//! app are made from. A client's connection brings it, or somebody who asks what would become of it.

use std::net::IpAddr;
use std::sync::Arc;

use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::Shared;
use super::admit::{host, peer_ip};
use super::ctx::{Admitted, Ctx};
use crate::cache::key::Key;
use crate::cache::policy;
use crate::config::{Mode, Snapshot};
use crate::reason::Reason;

/// A request as it came in.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    /// The head, as the client sent it.
    pub(super) head: &'a RequestHeader,
    /// The address at the other end of the connection.
    pub(super) peer: IpAddr,
    /// The configuration that holds for it.
    pub(super) snapshot: &'a Arc<Snapshot>,
    /// What was found out about it.
    pub(super) admitted: &'a Admitted,
}

impl<'a> Incoming<'a> {
    /// That of a connection; `None` before it was admitted.
    pub(super) fn of(session: &'a Session, ctx: &'a Ctx) -> Option<Self> {
        Some(Self {
            head: session.req_header(),
            peer: peer_ip(session),
            snapshot: &ctx.snapshot,
            admitted: ctx.admitted.as_ref()?,
        })
    }

    /// The request as the pure layer sees it.
    pub(super) fn policy(&self) -> policy::Request<'a> {
        policy::Request {
            method: &self.head.method,
            headers: &self.head.headers,
            has_body: false,
            scheme: self.admitted.scheme,
            host: host(self.head),
        }
    }

    /// Whether the other end is a proxy whose word about its clients is believed.
    pub(super) fn is_trusted(&self) -> bool {
        self.snapshot.client_ip.is_trusted(self.peer)
    }

    /// The key under which the answer is looked up.
    pub(super) fn key(&self, shared: &Shared) -> Key {
        let exact = self.exact_key();
        match self.snapshot.cache.no_vary_search {
            true => shared.variances.key(exact),
            false => exact,
        }
    }

    /// The key of the request's own URL, and of what else of it joins the key.
    pub(super) fn exact_key(&self) -> Key {
        let (request, settings) = (self.policy(), &self.snapshot.cache);
        let uri = &self.head.uri;
        let (scheme, host) = (request.scheme, request.host);
        let url = Key::new(scheme, host, uri.path(), uri.query(), &settings.query);
        url.with(&policy::key_parts(&request, settings, &self.admitted.rule))
    }

    /// Tells `deny` why the request goes past the cache, each reason in the order in which they
    /// count, until that gives one back.
    pub(super) fn bypass<E>(
        &self,
        has_body: bool,
        deny: &mut impl FnMut(Reason) -> Result<(), E>,
    ) -> Result<(), E> {
        let (settings, rule) = (&self.snapshot.cache, &self.admitted.rule);
        if self.snapshot.mode == Mode::Off {
            deny(Reason::CacheOff)?;
        }
        // Paths that differ in bytes that are not UTF-8 look alike in `uri`, hence in the key.
        if !self.head.raw_path_is_utf8() {
            deny(Reason::RequestTarget)?;
        }
        let ambiguous = self.admitted.ambiguous && settings.enabled;
        if ambiguous {
            deny(Reason::RouteAmbiguous)?;
        }
        let request = policy::Request {
            has_body,
            ..self.policy()
        };
        policy::lookup_with(&request, settings, rule, &mut |reason| match reason {
            // The rule is off because of that.
            Reason::RouteCacheOff if ambiguous => Ok(()),
            reason => deny(reason),
        })?;
        // What a trusted proxy says besides the URL is nothing to be dropped: the app builds its
        // links with it.
        match self.is_trusted() && !policy::unkeyed(&request, settings).is_empty() {
            true => deny(Reason::UnkeyedHeader),
            false => Ok(()),
        }
    }
}

//! What the app's answers to unsafe methods make of the cache.

use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::Shared;
use super::admit::host;
use super::ctx::Ctx;
use crate::cache::invalidate::{Settings, TargetUri, is_safe, targets};

/// Purges what the request has changed, before its answer is passed on: whoever has seen the answer
/// sees the change. Whether the route caches does not matter, because writes often go through routes
/// that do not.
pub(super) fn by_answer(shared: &Shared, session: &Session, response: &ResponseHeader, ctx: &Ctx) {
    let request = session.req_header();
    if is_safe(&request.method) {
        return;
    }
    let uri = TargetUri {
        scheme: ctx.scheme(),
        host: host(request),
        path: request.uri.path(),
        query: request.uri.query(),
    };
    let (status, headers) = (response.status, &response.headers);
    let (query, settings) = (&ctx.snapshot.cache.query, Settings::default());
    let targets = targets(&request.method, &uri, status, headers, query, &settings);
    if !targets.is_empty() {
        shared.purge(&targets);
    }
}

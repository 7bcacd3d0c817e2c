//! What happens to one request. Start reading here.
//!
//! [`Proxy`] implements pingora's hooks; each hook is a few lines that call the file of its phase:
//!
//! 1. `new_ctx`, [`admit`]: pin a configuration snapshot, find route, client and correlation id. A
//!    WebSocket handshake is taken over by [`websocket`].
//! 2. [`lookup`]: the key, and what is stored under it; an answer that may be given is written by
//!    [`respond`] and that is all.
//! 3. [`fetch`]: what may be stored is fetched once, however many clients wait for it; what is
//!    stored and stale is validated.
//! 4. [`upstream`]: where everything else goes and with what head; pingora streams it. [`learn`]:
//!    what such an answer says about stored ones.
//! 5. [`compression`]: the answer's coding for this client.
//! 6. [`respond`]: the fields that every answer of ours carries.
//! 7. [`error`]: the one table of what a client sees when something failed.
//! 8. [`finish`]: counters, latency, access log.
//!
//! Apart from requests: [`purge`] carries out what operators and writes want gone, [`housekeeping`]
//! clears up in the background, [`explain`] tells what would become of a request, by the same steps
//! and without taking them.

mod access_log;
mod admit;
mod coded;
mod compression;
mod ctx;
mod date;
mod deadline;
mod error;
pub mod explain;
mod fetch;
mod finish;
mod housekeeping;
mod incoming;
mod learn;
mod lifecycle;
mod lookup;
mod metrics;
mod purge;
mod resolve;
mod respond;
mod upstream;
mod websocket;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

pub use access_log::AccessLog;
pub use coded::Codings;
pub use ctx::Ctx;
pub use date::NextDate;
pub use deadline::Deadline;
pub use fetch::Fetches;
pub use housekeeping::{Housekeeping, keep_house};
pub use lifecycle::{InFlight, Lifecycle, Stage};
pub use metrics::{Metrics, Routes};
pub use purge::{Purged, Purges};
pub use resolve::Resolver;
pub use upstream::await_app;

use crate::config::Live;
use crate::store::generations::Generations;
use crate::store::memory::MemoryTier;
use crate::store::variances::Variances;

/// What all requests share; also the handle by which `admin` looks at and acts on the cache.
pub struct Shared {
    /// The live configuration.
    pub live: Arc<Live>,
    /// Stored answers.
    pub memory: Arc<MemoryTier>,
    /// What was purged when.
    pub generations: Generations,
    /// What the app has said about its queries.
    pub variances: Variances,
    /// Counters of purges.
    pub purges: Purges,
    /// The sweeps that clear up after them.
    pub housekeeping: Housekeeping,
    /// Where the app's host name points.
    pub resolver: Resolver,
    /// Fetches under way.
    pub fetches: Fetches,
    /// Stored bodies that are being coded.
    pub codings: Codings,
    /// The stage of the process and its requests in flight.
    pub lifecycle: Arc<Lifecycle>,
    /// Counters of requests and decisions.
    pub metrics: Metrics,
    /// Latency windows by route.
    pub routes: Routes,
    /// Counters of what compression did.
    pub compression: crate::compress::Metrics,
    /// One line per request.
    pub access_log: AccessLog,
}

/// The proxy as pingora sees it.
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy over shared state.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::new(&self.shared)
    }

    /// None of pingora's own modules: its compression ignores q-values and never flushes.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    /// The accept loop hands over in this way what the connection offers (HTTP/1.1 only).
    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        ctx: &mut Ctx,
        handle: Box<dyn Any + Send + Sync>,
    ) {
        if let Ok(offers) = handle.downcast::<(Arc<Deadline>, Arc<NextDate>)>() {
            let (deadline, date) = *offers;
            date.set(None);
            (ctx.deadline, ctx.date) = (Some(deadline), Some(date));
        }
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        admit::admit(&self.shared, session, ctx).await
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        admit::count_body(body.as_ref(), ctx)
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        upstream::peer(&self.shared, ctx).await
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        error: Box<Error>,
    ) -> Box<Error> {
        upstream::connect_failed(ctx, error)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        upstream::request_head(session, request, ctx)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        upstream::answered(response, ctx);
        learn::from_answer(&self.shared, session, response, ctx);
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        if let Some(deadline) = &ctx.deadline {
            deadline.moved();
        }
        Ok(None)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        compression::begin(&self.shared, session, response, ctx)?;
        respond::dress(&self.shared, session, response, ctx)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<Option<Duration>> {
        compression::code(&self.shared, body, end_of_stream, ctx)?;
        Ok(None)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        error::answer(session, error, ctx).await
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        finish::finish(&self.shared, session, error, ctx);
    }

    /// Failures are counted, and logged by `finish` with their reason at a bounded rate.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Ctx,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

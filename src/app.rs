//! The only place where components meet: build, register, spawn, drain.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::{info, warn};
use pingora::apps::HttpServerOptions;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Admin};
use crate::config::reload::{self, ReloadHandle};
use crate::config::{Live, Loaded, Problems, Snapshot, Source};
use crate::edge::{Edge, listen};
use crate::limit::connections::{self, Connections};
use crate::proxy::{
    AccessLog, Codings, Fetches, Housekeeping, Lifecycle, Proxy, Purges, Resolver, Routes, Shared,
    Stage, await_app, keep_house,
};
use crate::stats::process;
use crate::store::generations::Generations;
use crate::store::memory::{self, MemoryTier};
use crate::store::variances::Variances;

/// How long idle connections are kept after the drain began. A client that sends its next request
/// in this time is answered and told to close; without it the request would meet a closed socket.
const LINGER: Duration = Duration::from_millis(400);

/// How long the last log lines may take.
const FLUSH: Duration = Duration::from_secs(1);

/// Why the process could not run.
#[derive(Debug, Error)]
pub enum Error {
    /// The configuration has problems; all of them are named.
    #[error("{0}")]
    Config(#[from] Problems),
    /// An address, a thread or a signal could not be had.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Loads the configuration and serves until a signal ends it.
///
/// # Errors
/// When the configuration has problems or an address cannot be bound.
pub fn run(source: Source) -> Result<(), Error> {
    let loaded = source.load()?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(loaded.snapshot.threads)
        .thread_name("vestibule")
        .enable_all()
        .build()?;
    runtime.block_on(serve(source, loaded))?;
    // Tasks that are left hold nothing that a client waits for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    Ok(())
}

async fn serve(source: Source, loaded: Loaded) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let mut registry = Registry::with_prefix("vestibule");
    let first = loaded.snapshot.clone();
    let live = Live::new(loaded.snapshot, loaded.digest);
    let connections = Connections::new();
    let shared = build(&mut registry, &live, &first)?;
    let connection_metrics = connections::Metrics::register(
        registry.sub_registry_with_prefix("connections"),
        &connections,
    );
    let reload_metrics = reload::Metrics::register(registry.sub_registry_with_prefix("config"));
    let (reload, reload_requests) = reload::channel();

    let bound = first
        .listen
        .iter()
        .map(listen::bind)
        .collect::<io::Result<Vec<_>>>()?;
    let (stop, shutdown) = watch::channel(false);
    let proxy = Arc::new(http(&first, &shared));
    let edge = Arc::new(Edge {
        proxy: proxy.clone(),
        live: live.clone(),
        connections: connections.clone(),
        metrics: connection_metrics,
        lifecycle: shared.lifecycle.clone(),
        shutdown,
    });
    operators(&first, registry, &shared, &reload).await?;
    for bound in bound {
        if let Some(address) = bound.address() {
            info!("listening on {address}");
        }
        tokio::spawn(listen::accept(edge.clone(), bound));
    }
    info!("forwarding to {}", first.upstream.authority);
    let on_swap = adapt(shared.clone());
    tokio::spawn(reload::watch(
        live,
        source,
        reload_requests,
        on_swap,
        reload_metrics,
    ));

    tokio::spawn(await_app(shared.clone()));
    tokio::spawn(keep_house(shared.clone()));

    signals.wait_for_end(&reload).await;
    drain(&shared, &connections, &proxy, &stop, &mut signals).await;
    shared.access_log.flush(FLUSH);
    Ok(())
}

/// Builds what all requests share, and registers its metrics.
fn build(
    registry: &mut Registry,
    live: &Arc<Live>,
    snapshot: &Snapshot,
) -> io::Result<Arc<Shared>> {
    let lifecycle = Lifecycle::new();
    let memory = Arc::new(MemoryTier::new(snapshot.cache.memory_bytes));
    memory.limit_variants(snapshot.cache.vary.variants_max);
    memory::Metrics::register(memory.clone(), registry.sub_registry_with_prefix("cache"));
    process::register(registry.sub_registry_with_prefix("process"));
    let build = [("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "What is running", Info::new(build.to_vec()));
    registry.register_collector(Box::new(InFlightGauge(lifecycle.clone())));
    Ok(Arc::new(Shared {
        live: live.clone(),
        memory,
        generations: Generations::new(),
        variances: Variances::new(),
        purges: Purges::register(registry),
        housekeeping: Housekeeping::register(registry),
        fetches: Fetches::new(snapshot.upstream.keepalive.max(1)),
        codings: Codings::default(),
        resolver: Resolver::new(),
        lifecycle,
        metrics: crate::proxy::Metrics::register(registry),
        routes: Routes::new(snapshot.threads),
        compression: crate::compress::Metrics::register(
            registry.sub_registry_with_prefix("compression"),
        ),
        access_log: AccessLog::start(registry, io::stdout())?,
    }))
}

/// Reloads tell the parts that own something sized or remember decisions.
fn adapt(shared: Arc<Shared>) -> impl Fn(&Snapshot, &Snapshot) + Send + 'static {
    move |old, new| {
        shared.fetches.forget_passing();
        shared.memory.limit_variants(new.cache.vary.variants_max);
        if old.cache.memory_bytes != new.cache.memory_bytes {
            shared.memory.resize(new.cache.memory_bytes);
        }
    }
}

/// pingora's part: sessions, upstream pool, forwarding.
fn http(snapshot: &Snapshot, shared: &Arc<Shared>) -> HttpProxy<Proxy> {
    let conf = ServerConf {
        threads: snapshot.threads,
        // A pool of no connection at all is something that pingora complains about.
        upstream_keepalive_pool_size: snapshot.upstream.keepalive.max(1),
        // One retry: a pooled connection may have been closed by the app in the meantime.
        max_retries: 2,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), Proxy::new(shared.clone()));
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    proxy.server_options = Some(options);
    proxy
}

async fn operators(
    snapshot: &Snapshot,
    registry: Registry,
    shared: &Arc<Shared>,
    reload: &ReloadHandle,
) -> io::Result<()> {
    let admin = Admin::new(shared.clone(), registry, reload.clone());
    if let Some(metrics) = &snapshot.observability.metrics {
        let listener = admin::bind("observability.metrics.listen", metrics.listen).await?;
        info!("metrics on {}", listener.local_addr()?);
        tokio::spawn(admin::serve(listener, admin.metrics_routes(&metrics.path)));
    }
    if let Some(port) = &snapshot.observability.admin {
        let listener = admin::bind("observability.admin.listen", port.listen).await?;
        info!("admin on {}", listener.local_addr()?);
        tokio::spawn(admin::serve(listener, admin.admin_routes()));
    }
    Ok(())
}

/// Sees the requests in flight out.
///
/// Readiness drops and keep-alive ends at once; idle connections get [`LINGER`] to hear of it; then
/// the last request in flight, `shutdown.grace` or a second SIGINT ends it, whichever is first.
async fn drain(
    shared: &Arc<Shared>,
    connections: &Arc<Connections>,
    proxy: &Arc<HttpProxy<Proxy>>,
    stop: &watch::Sender<bool>,
    signals: &mut Signals,
) {
    let grace = shared.live.full().shutdown.grace;
    info!(
        "draining: {} requests in flight, at most {grace:?}",
        shared.lifecycle.in_flight()
    );
    shared.lifecycle.enter(Stage::Draining);
    stop.send_replace(true);
    let graceful = async {
        let _ = tokio::time::timeout(LINGER, all_closed(connections)).await;
        shared.lifecycle.enter(Stage::Closing);
        pingora::apps::HttpServerApp::http_cleanup(&**proxy).await;
        shared.lifecycle.idle().await;
    };
    tokio::select! {
        () = graceful => info!("drained"),
        () = tokio::time::sleep(grace) => {
            warn!("shutdown.grace is over with {} requests in flight", shared.lifecycle.in_flight());
        }
        () = signals.interrupted() => warn!("interrupted again: leaving at once"),
    }
}

/// Resolves when no client is connected.
async fn all_closed(connections: &Connections) {
    const LOOK: Duration = Duration::from_millis(5);
    while connections.open() > 0 {
        tokio::time::sleep(LOOK).await;
    }
}

/// The signals that we listen to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// SIGTERM and SIGINT end the process; SIGHUP reloads and goes on.
    async fn wait_for_end(&mut self, reload: &ReloadHandle) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // What comes of it is logged and counted where it is done.
                _ = self.hangup.recv() => reload.nudge(),
            }
        }
    }

    async fn interrupted(&mut self) {
        self.interrupt.recv().await;
    }
}

/// `requests_in_flight`, read when scraped.
#[derive(Debug)]
struct InFlightGauge(Arc<Lifecycle>);

impl prometheus_client::collector::Collector for InFlightGauge {
    fn encode(
        &self,
        mut encoder: prometheus_client::encoding::DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        use prometheus_client::encoding::EncodeMetric;
        let value = i64::try_from(self.0.in_flight()).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(value);
        let help = "Requests whose answer is not complete.";
        let metric =
            encoder.encode_descriptor("requests_in_flight", help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }
}

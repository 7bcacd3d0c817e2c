//! The configuration as the rest of the program sees it: complete, checked, immutable. A request
//! takes one [`Snapshot`] from [`Live`](super::Live) and keeps it to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};

use super::matcher::{Captures, Matcher, Subject, TagTemplate, clean};
use super::units::Secret;
use crate::{cache, compress, headers, limit};

/// One version of the whole configuration.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Worker threads of the proxy, at least one.
    pub threads: usize,
    /// Where to accept connections, at least one.
    pub listen: Vec<Listener>,
    /// The app.
    pub upstream: Upstream,
    /// Who counts as the client.
    pub client_ip: headers::client_ip::Settings,
    /// Whether the proxy does more than pass through.
    pub mode: Mode,
    /// What is stored and reused.
    pub cache: cache::Settings,
    /// How answers are compressed.
    pub compression: compress::Settings,
    /// How many connections.
    pub connections: limit::connections::Settings,
    /// Largest request body; 0 means no bound.
    pub body_bytes_max: u64,
    /// What operators see.
    pub observability: Observability,
    /// The routes in order; the first that matches wins.
    pub routes: Vec<Route>,
    /// What holds when no route matches.
    pub default_route: Route,
    /// How the file is followed.
    pub reload: Reload,
    /// How the process ends.
    pub shutdown: Shutdown,
}

/// One address to accept connections on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Whether HTTP/2 by prior knowledge is understood next to HTTP/1.1.
    pub http2: bool,
}

/// The app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Name or address to connect to, without brackets around IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `host:port` as in a URL, the default port left out.
    pub authority: String,
    /// How long the app may take.
    pub timeouts: Timeouts,
    /// Idle connections kept; 0 keeps none.
    pub keepalive: usize,
}

/// Bounds in time on one exchange with the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// From the request sent to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two reads of the body.
    pub between_bytes: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// For the whole exchange; zero means no bound.
    pub total: Duration,
}

/// Whether the proxy does more than pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything that is configured.
    On,
    /// Nothing is looked up or stored.
    Off,
}

/// What operators see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observability {
    /// The read-only port, unless off.
    pub metrics: Option<MetricsListener>,
    /// The port for operators, unless off.
    pub admin: Option<AdminListener>,
    /// One line per request.
    pub access_log: AccessLog,
    /// The correlation id.
    pub request_id: headers::request_id::Settings,
    /// Whether answers carry `Cache-Status`.
    pub cache_status: bool,
}

/// The read-only port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsListener {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The path of the metrics page.
    pub path: String,
}

/// The port for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminListener {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What callers must present, if anything.
    pub token: Option<Secret>,
}

/// One line per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLog {
    /// How it is written.
    pub format: LogFormat,
}

/// How a line of the access log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object.
    Json,
    /// For people.
    Text,
    /// Not at all.
    Off,
}

/// A rule for some of the requests.
#[derive(Debug, Clone)]
pub struct Route {
    /// Labels metrics and logs.
    pub name: Arc<str>,
    /// Which requests.
    pub matcher: Matcher,
    /// What the cache does with them.
    pub cache: RouteCache,
    /// Whether their answers are compressed.
    pub compression: bool,
}

/// What the cache does with the requests of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteCache {
    /// Whether they are looked up and stored.
    pub enabled: bool,
    /// Freshness where the answer says nothing.
    pub ttl: Option<Duration>,
    /// What becomes of requests with cookies, where it is not what `cache.safety` says.
    pub request_cookies: Option<cache::RequestCookies>,
    /// Request fields on which the answers depend, besides those of their `Vary`.
    pub vary: Arc<[HeaderName]>,
    /// Tags that are added to those of the app.
    pub tags: Vec<TagTemplate>,
}

/// How the file is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Whether changes are taken over by themselves.
    pub watch: bool,
    /// How often the content is compared; zero never.
    pub poll: Duration,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long requests in flight may take to end.
    pub grace: Duration,
}

impl Snapshot {
    /// The rule for a request, and what its path captured. `path` is as sent, without the query.
    #[must_use]
    pub fn route(&self, method: &Method, host: &str, path: &str) -> (&Route, Captures) {
        if self.routes.is_empty() {
            return (&self.default_route, Captures::default());
        }
        let (index, captures) = self.find(method, host, &Subject::raw(path));
        let (index, captures) = match clean(path) {
            None => (index, captures),
            Some(cleaned) => match self.find(method, host, &Subject::cleaned(&cleaned)) {
                (same, captures) if same == index => (index, captures),
                _ => (index, captures.ambiguous()),
            },
        };
        (
            index.map_or(&self.default_route, |i| &self.routes[i]),
            captures,
        )
    }

    fn find(&self, method: &Method, host: &str, path: &Subject<'_>) -> (Option<usize>, Captures) {
        self.routes
            .iter()
            .enumerate()
            .find_map(|(i, r)| r.matcher.captures(method, host, path).map(|c| (Some(i), c)))
            .unwrap_or_default()
    }

    /// The keys in which `new` differs and which only a restart can change.
    #[must_use]
    pub fn restart_keys(&self, new: &Self) -> Vec<&'static str> {
        let (old_ports, new_ports) = (&self.observability, &new.observability);
        let changed = [
            ("threads", self.threads != new.threads),
            ("listen", self.listen != new.listen),
            (
                "upstream.keepalive",
                self.upstream.keepalive != new.upstream.keepalive,
            ),
            (
                "observability.metrics",
                old_ports.metrics != new_ports.metrics,
            ),
            ("observability.admin", old_ports.admin != new_ports.admin),
        ];
        changed
            .into_iter()
            .filter_map(|(key, differs)| differs.then_some(key))
            .collect()
    }

    /// Takes over from `old` what only a restart can change.
    pub fn keep_restart_keys(&mut self, old: &Self) {
        self.threads = old.threads;
        self.listen.clone_from(&old.listen);
        self.upstream.keepalive = old.upstream.keepalive;
        self.observability
            .metrics
            .clone_from(&old.observability.metrics);
        self.observability
            .admin
            .clone_from(&old.observability.admin);
    }
}

impl Route {
    /// What the cache does with one request of this route.
    #[must_use]
    pub fn rule(&self, captures: &Captures) -> cache::Rule {
        cache::Rule {
            enabled: self.cache.enabled && !captures.is_ambiguous(),
            ttl: self.cache.ttl,
            request_cookies: self.cache.request_cookies.clone(),
            vary: self.cache.vary.clone(),
            tags: self
                .cache
                .tags
                .iter()
                .map(|tag| tag.expand(captures))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    fn snapshot(routes: &str) -> Snapshot {
        let source = Source {
            file: Some("test.yaml".into()),
            ..Source::default()
        };
        let text = format!("upstream: http://app\nroutes:\n{routes}");
        source.compile(text.as_bytes()).unwrap().snapshot
    }

    #[test]
    fn the_first_route_that_matches_wins() {
        let snapshot = snapshot(
            "  - {name: write, match: {method: [POST, PUT]}, cache: off}
  - {name: article, match: {path: '/articles/{id}'}, cache: {ttl: 5s, tags: ['article:{id}', all]}}
  - {match: {path: '/articles/**', host: '*.example.org'}, compression: off}
",
        );
        for (method, host, path, name, cached, tags) in [
            ("POST", "h", "/articles/1", "write", false, &[][..]),
            (
                "GET",
                "h",
                "/articles/1",
                "article",
                true,
                &["article:1", "all"][..],
            ),
            (
                "HEAD",
                "h",
                "/articles/%31",
                "article",
                true,
                &["article:1", "all"][..],
            ),
            (
                "GET",
                "a.example.org:80",
                "/articles",
                "route-3",
                true,
                &[][..],
            ),
            ("GET", "h", "/articles", "default", true, &[][..]),
            ("OPTIONS", "h", "*", "default", true, &[][..]),
        ] {
            let method = method.parse().unwrap();
            let (route, captures) = snapshot.route(&method, host, path);
            let rule = route.rule(&captures);
            assert_eq!(
                (&*route.name, rule.enabled),
                (name, cached),
                "{method} {host} {path}"
            );
            assert_eq!(rule.tags, tags, "{method} {host} {path}");
        }
        assert!(!snapshot.routes[2].compression);
    }

    #[test]
    fn a_path_that_an_app_may_take_for_another_is_not_cached() {
        let snapshot = snapshot("  - {name: account, match: {path: '/account/**'}, cache: off}\n");
        for (path, name, cached) in [
            ("/account/me", "account", false),
            ("/%61ccount/me", "default", false),
            ("//account/me", "default", false),
            ("/x/../account", "default", false),
            ("/x/%2e%2e/account", "default", false),
            ("/x;a/../account;b/me", "default", false),
            ("/account/../x", "account", false),
            ("/x%2Faccount", "default", true),
            ("/x/%61ccount", "default", true),
            ("/plain", "default", true),
        ] {
            let (route, captures) = snapshot.route(&Method::GET, "h", path);
            let rule = route.rule(&captures);
            assert_eq!((&*route.name, rule.enabled), (name, cached), "{path}");
            if route.cache.enabled {
                assert_eq!(captures.is_ambiguous(), !cached, "{path}");
            }
        }
    }

    #[test]
    fn what_needs_a_restart_is_kept_from_the_old() {
        let old = snapshot("  []\n");
        let mut new = old.clone();
        new.threads += 1;
        new.listen[0].http2 = false;
        new.upstream.keepalive += 1;
        new.observability.metrics = None;
        new.observability.admin = None;
        new.upstream.port = 1;
        let keys = [
            "threads",
            "listen",
            "upstream.keepalive",
            "observability.metrics",
            "observability.admin",
        ];
        assert_eq!(old.restart_keys(&new), keys);
        new.keep_restart_keys(&old);
        assert!(old.restart_keys(&new).is_empty());
        assert_eq!(new.upstream.port, 1);
    }
}

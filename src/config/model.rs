//! The YAML file as types: every key, its shape, its default and its description, each once.
//!
//! The JSON Schema and the reference of keys are generated from here, so a doc comment is what the
//! user reads. Types say no more than the notation; ranges and relations are checked in `validate`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shape::{Many, Short};
use super::units::{Period, Secret, Size, Switch, whole_number};

mod cache;

pub(super) use cache::*;

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Vestibule configuration")]
pub(super) struct Config {
    /// Worker threads of the proxy: a number, or auto for one per core.
    #[schemars(extend("x-restart" = true))]
    pub(super) threads: Threads,
    /// Where to accept connections: "address:port", or a list of such, or of {address, http2}.
    #[schemars(extend("x-restart" = true))]
    pub(super) listen: Listen,
    /// The app behind the proxy: http://host:port, or a mapping. The one key that must be set.
    pub(super) upstream: Short<Upstream>,
    /// Who counts as the client when other proxies stand in front.
    pub(super) client_ip: ClientIp,
    /// on, or off: pass everything through without looking into the cache.
    pub(super) mode: Mode,
    /// What is stored and reused; `off` switches the cache off.
    pub(super) cache: Short<Cache>,
    /// How answers are compressed; `off` switches compression off.
    pub(super) compression: Short<Compression>,
    /// Bounds on what clients may take.
    pub(super) limits: Limits,
    /// Metrics, the admin port, logs and headers for operators.
    pub(super) observability: Observability,
    /// Rules for some of the requests; the first that matches wins.
    pub(super) routes: Vec<Route>,
    /// How the file is followed while running.
    pub(super) reload: Reload,
    /// How the process ends.
    pub(super) shutdown: Shutdown,
}

/// `auto` or a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Threads(pub(super) Option<u64>);

/// One or more listeners.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Listen(pub(super) Many<Short<ListenEntry>>);

/// One listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenEntry {
    /// The address and port, such as `0.0.0.0:8080` or `[::]:8080`. Port 0 lets the system choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<String>,
    /// Accept HTTP/2 without TLS (h2c by prior knowledge) next to HTTP/1.1.
    pub(super) http2: Switch,
}

/// The app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Upstream {
    /// Where the app listens: http://host:port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    /// How long the app may take.
    pub(super) timeouts: Timeouts,
    /// Idle connections to the app that are kept for reuse; 0 keeps none.
    #[schemars(range(max = 65_536), extend("x-restart" = true))]
    #[serde(deserialize_with = "whole_number")]
    pub(super) keepalive: u64,
}

/// Bounds in time on one exchange with the app.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Timeouts {
    /// Until the connection stands.
    pub(super) connect: Period,
    /// From the request sent to the first byte of the answer.
    pub(super) first_byte: Period,
    /// Between two reads of the answer's body.
    pub(super) between_bytes: Period,
    /// How long an unused connection is kept.
    pub(super) idle: Period,
    /// For the whole exchange; 0s means no bound.
    pub(super) total: Period,
}

/// Who counts as the client.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClientIp {
    /// Networks (CIDR) of proxies in front whose word about the client is believed.
    pub(super) trusted_proxies: Vec<String>,
    /// The header in which those proxies name the client; read from the right.
    pub(super) header: String,
    /// Limits count all addresses of one IPv6 network of this prefix length as one client.
    #[schemars(range(max = 128))]
    #[serde(deserialize_with = "whole_number")]
    pub(super) ipv6_prefix: u64,
}

/// Whether the proxy does more than pass requests through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    On,
    Off,
}

/// How answers are compressed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Compression {
    /// Whether answers are compressed.
    pub(super) enabled: Switch,
    /// Codings that are offered; this order breaks ties between those the client likes equally.
    pub(super) algorithms: Vec<Algorithm>,
    /// Smaller bodies are not worth it.
    pub(super) min_size: Size,
    /// Media types that are compressed; `*` stands for any run of characters.
    pub(super) types: Vec<String>,
    /// How hard each coding tries.
    pub(super) levels: Levels,
}

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Algorithm {
    Br,
    Gzip,
}

/// How hard each coding tries.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Levels {
    /// Brotli, 0 to 11.
    #[schemars(range(max = 11))]
    #[serde(deserialize_with = "whole_number")]
    pub(super) br: u64,
    /// gzip, 1 to 9.
    #[schemars(range(min = 1, max = 9))]
    #[serde(deserialize_with = "whole_number")]
    pub(super) gzip: u64,
}

/// Bounds on what clients may take.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    /// Connections beyond these are refused before a byte is read.
    pub(super) connections: Connections,
    /// Largest request body; larger ones get 413. 0 means no bound.
    pub(super) body: Size,
}

/// Connections at one time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Connections {
    /// From all clients together; 0 means no bound.
    #[serde(deserialize_with = "whole_number")]
    pub(super) total: u64,
    /// From one client address; 0 means no bound. Trusted proxies are exempt.
    #[serde(deserialize_with = "whole_number")]
    pub(super) per_ip: u64,
}

/// What operators see.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Observability {
    /// The read-only port: metrics, /livez, /readyz and /healthz; or `off`.
    #[schemars(extend("x-restart" = true))]
    pub(super) metrics: Short<Metrics>,
    /// The port that purges, reloads and tells statistics; or `off`.
    #[schemars(extend("x-restart" = true))]
    pub(super) admin: Short<Admin>,
    /// One line per request on standard output; or `off`.
    pub(super) access_log: Short<AccessLog>,
    /// The correlation id that is logged and passed on.
    pub(super) request_id: RequestId,
    /// Say in a Cache-Status header (RFC 9211) what the cache did and why.
    pub(super) cache_status: Switch,
}

/// The read-only port.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Metrics {
    #[serde(skip)]
    pub(super) on: bool,
    /// Where it listens.
    pub(super) listen: String,
    /// The path of the metrics page.
    pub(super) path: String,
}

/// The port for operators.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    #[serde(skip)]
    pub(super) on: bool,
    /// Where it listens. Beyond loopback a token is required.
    pub(super) listen: String,
    /// Secret that callers present as a bearer token, or `off`.
    pub(super) token: Token,
    /// File that holds the token, instead of `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<String>,
}

/// A secret, or `off`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Token(pub(super) Option<Secret>);

/// One line per request.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccessLog {
    /// json, text, off, or auto: text on a terminal and json elsewhere.
    pub(super) format: LogFormat,
}

/// How a line of the access log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LogFormat {
    #[default]
    Auto,
    Json,
    Text,
    Off,
}

/// The correlation id.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RequestId {
    /// The header that carries it, in and out.
    pub(super) header: String,
    /// Keep the id that a client sends if it is 1 to 128 safe characters.
    pub(super) trust: Switch,
}

/// A rule for some of the requests.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Route {
    /// The name in metrics and logs; route-1, route-2 and so on when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Which requests; every condition that is set must hold.
    pub(super) r#match: Match,
    /// `off`, or rules for storing these answers.
    pub(super) cache: Short<RouteCache>,
    /// Whether these answers are compressed.
    pub(super) compression: Switch,
}

/// Which requests a route takes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Match {
    /// The path: literal segments, * or {name} for one segment, ** for any number of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// One method or a list; GET includes HEAD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<Many<String>>,
    /// A host name, or *.example.org for all names below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
}

/// How the file is followed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reload {
    /// Take over changes of the file by itself. SIGHUP works either way.
    pub(super) watch: Switch,
    /// How often the content is compared, for file systems that notify of nothing; 0s never.
    pub(super) poll: Period,
}

/// How the process ends.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Shutdown {
    /// How long requests in flight may take to end.
    pub(super) grace: Period,
}

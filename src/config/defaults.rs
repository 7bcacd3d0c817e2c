//! The defaults of the model, each written once.

use std::collections::BTreeMap;

use super::model::*;
use super::shape::{Many, Short};
use super::units::{Period, Ratio, Size, Switch};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Default for Listen {
    fn default() -> Self {
        let entry = ListenEntry {
            address: Some("0.0.0.0:8080".into()),
            ..ListenEntry::default()
        };
        Self(Many(vec![Short(entry)]))
    }
}

impl Default for ListenEntry {
    fn default() -> Self {
        Self {
            address: None,
            http2: Switch(true),
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            url: None,
            timeouts: Timeouts::default(),
            keepalive: 128,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Period::secs(1),
            first_byte: Period::secs(30),
            between_bytes: Period::secs(60),
            idle: Period::secs(60),
            total: Period::secs(0),
        }
    }
}

impl Default for ClientIp {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            header: "X-Forwarded-For".into(),
            ipv6_prefix: 64,
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: Switch(true),
            default_ttl: Period::secs(0),
            max_ttl: Period::secs(30 * 86_400),
            heuristic: Heuristic(None),
            status_ttl: BTreeMap::new(),
            stale: Stale::default(),
            refresh_ahead: Short(RefreshAhead {
                on: false,
                ..RefreshAhead::default()
            }),
            ttl_jitter: Ratio::percent(0),
            max_object_size: Size::mib(8),
            control_headers: names(&["Vestibule-Cache-Control", "Surrogate-Control"]),
            tag_headers: names(&[
                "Cache-Tag",
                "Surrogate-Key",
                "xkey",
                "X-Cache-Tags",
                "Cache-Groups",
            ]),
            strip_tag_headers: Switch(true),
            tags: Tags::default(),
            safety: Safety::default(),
            key: Key::default(),
            collapse: Collapse::default(),
            memory: Memory::default(),
            invalidation: Invalidation::default(),
        }
    }
}

impl Default for Stale {
    fn default() -> Self {
        Self {
            while_revalidate: Period::secs(0),
            if_error: Period::secs(10 * 60),
            after_soft_purge: Period::secs(60 * 60),
        }
    }
}

impl Default for Tags {
    fn default() -> Self {
        Self {
            max: 1000,
            max_bytes: Size::kib(64),
        }
    }
}

impl Default for Vary {
    fn default() -> Self {
        Self {
            deny: names(&["Cookie", "User-Agent"]),
            max_variants: 32,
            normalize: names(&["Accept-Encoding", "Accept-Language"]),
        }
    }
}

impl Default for Key {
    fn default() -> Self {
        Self {
            query: Query::default(),
            host: Switch(true),
            no_vary_search: Switch(false),
        }
    }
}

impl Default for Invalidation {
    fn default() -> Self {
        Self {
            on_unsafe: vec![
                OnUnsafe::Target,
                OnUnsafe::Location,
                OnUnsafe::ContentLocation,
            ],
            cache_groups: Switch(true),
        }
    }
}

impl Default for Collapse {
    fn default() -> Self {
        Self {
            wait: Period::secs(5),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            size: Size::mib(128),
        }
    }
}

impl Default for RefreshAhead {
    fn default() -> Self {
        Self {
            on: true,
            at: Ratio::percent(90),
            min_hits: 5,
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        Self {
            sort: Switch(true),
            ignore: names(&["utm_*", "fbclid", "gclid", "msclkid"]),
            only: None,
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            enabled: Switch(true),
            algorithms: vec![Algorithm::Br, Algorithm::Gzip],
            min_size: Size::kib(1),
            types: names(&[
                "text/*",
                "application/json",
                "application/*+json",
                "application/javascript",
                "application/xml",
                "application/*+xml",
                "image/svg+xml",
                "application/wasm",
                "font/ttf",
                "font/otf",
            ]),
            levels: Levels::default(),
        }
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self { br: 4, gzip: 5 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Connections::default(),
            body: Size::mib(10),
        }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            total: 10_000,
            per_ip: 100,
        }
    }
}

impl Default for Observability {
    fn default() -> Self {
        Self {
            metrics: Short::default(),
            admin: Short::default(),
            access_log: Short::default(),
            request_id: RequestId::default(),
            cache_status: Switch(true),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            on: true,
            listen: "127.0.0.1:9090".into(),
            path: "/metrics".into(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            on: true,
            listen: "127.0.0.1:9091".into(),
            token: Token(None),
            token_file: None,
        }
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self {
            header: "X-Request-Id".into(),
            trust: Switch(true),
        }
    }
}

impl Default for Route {
    fn default() -> Self {
        Self {
            name: None,
            r#match: Match::default(),
            cache: Short::default(),
            compression: Switch(true),
        }
    }
}

impl Default for RouteCache {
    fn default() -> Self {
        Self {
            enabled: true,
            ttl: None,
            request_cookies: None,
            vary: Vec::new(),
            tags: Vec::new(),
        }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            watch: Switch(true),
            poll: Period::secs(2),
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            grace: Period::secs(30),
        }
    }
}

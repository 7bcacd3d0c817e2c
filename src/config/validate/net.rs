//! Addresses: where we listen, where the app is, whom we believe.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::address::{authority, overlap, parse_address, parse_network, parse_upstream};
use super::{Check, ReadSecret};
use crate::config::model;
use crate::config::path::KeyPath;
use crate::config::problem::brief;
use crate::config::snapshot::{
    AdminListener, Listener, MetricsListener, Observability, Timeouts, Upstream,
};
use crate::config::units::Secret;
use crate::headers::client_ip;

/// What the stand-in for a bad address is; port 0 conflicts with nothing.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// Paths of the metrics port that are taken by health checks.
const HEALTH_PATHS: [&str; 3] = ["/livez", "/readyz", "/healthz"];

impl Check<'_> {
    pub(super) fn listen(&mut self, listen: &model::Listen) -> Vec<Listener> {
        let path = KeyPath::of("listen");
        let entries = &listen.0.0;
        if entries.is_empty() {
            self.fail(
                &path,
                "must not be empty; write for example \"0.0.0.0:8080\"",
            );
        }
        let listeners = entries.iter().enumerate().map(|(nth, entry)| {
            let path = self.element(&path, nth).join("address");
            let address = match &entry.0.address {
                Some(text) => self.address(&path, text),
                None => {
                    self.fail(&path, "is required; write for example \"0.0.0.0:8080\"");
                    NOWHERE
                }
            };
            Listener {
                address,
                http2: entry.0.http2.0,
            }
        });
        listeners.collect()
    }

    fn address(&mut self, path: &KeyPath, text: &str) -> SocketAddr {
        parse_address(text).unwrap_or_else(|message| {
            self.fail(path, message);
            NOWHERE
        })
    }

    /// Two listeners cannot share an address; said here rather than by the system later.
    pub(super) fn addresses_apart(&mut self, listen: &[Listener], seen: &Observability) {
        let path = KeyPath::of("listen");
        let mut taken: Vec<(KeyPath, SocketAddr)> = Vec::new();
        let listeners: Vec<_> = listen
            .iter()
            .enumerate()
            .map(|(nth, l)| (self.element(&path, nth).join("address"), l.address))
            .collect();
        let metrics = seen
            .metrics
            .as_ref()
            .map(|m| ("observability.metrics.listen", m.listen));
        let admin = seen
            .admin
            .as_ref()
            .map(|a| ("observability.admin.listen", a.listen));
        let ports = [metrics, admin]
            .into_iter()
            .flatten()
            .map(|(path, at)| (KeyPath::of(path), at));
        for (path, address) in listeners.into_iter().chain(ports) {
            let clash = taken
                .iter()
                .find(|(_, other)| overlap(*other, address))
                .cloned();
            match clash {
                Some((other, at)) if self.is_set(&path) || !self.is_set(&other) => {
                    self.clash(&path, address, &other, at);
                }
                // The default that is in the way was not written; the blame goes where it can be mended.
                Some((other, at)) => self.clash(&other, at, &path, address),
                None => taken.push((path, address)),
            }
        }
    }

    fn clash(&mut self, path: &KeyPath, address: SocketAddr, other: &KeyPath, at: SocketAddr) {
        let (_, other) = self.place(other, "");
        self.fail(
            path,
            format!("{address} is already taken by `{}` ({at})", other.path),
        );
    }

    pub(super) fn upstream(&mut self, upstream: &model::Upstream) -> Upstream {
        let path = KeyPath::of("upstream.url");
        let (host, port) = match upstream.url.as_deref().map(parse_upstream) {
            Some(Ok(found)) => found,
            Some(Err(message)) => {
                self.fail(&path, message);
                (String::new(), 0)
            }
            None => {
                self.upstream_is_missing();
                (String::new(), 0)
            }
        };
        let timeouts = &upstream.timeouts;
        for (key, value) in [
            ("connect", timeouts.connect),
            ("first_byte", timeouts.first_byte),
            ("between_bytes", timeouts.between_bytes),
        ] {
            self.not_zero(
                &format!("upstream.timeouts.{key}"),
                value,
                "a wait without end holds connections for ever",
            );
        }
        self.not_zero(
            "upstream.timeouts.idle",
            timeouts.idle,
            "write `keepalive: 0` to keep no connection",
        );
        let keepalive = self.within("upstream.keepalive", upstream.keepalive, 0, 65_536);
        Upstream {
            authority: authority(&host, port),
            host,
            port,
            timeouts: Timeouts {
                connect: timeouts.connect.0,
                first_byte: timeouts.first_byte.0,
                between_bytes: timeouts.between_bytes.0,
                idle: timeouts.idle.0,
                total: timeouts.total.0,
            },
            keepalive: usize::try_from(keepalive).unwrap_or(usize::MAX),
        }
    }

    fn upstream_is_missing(&mut self) {
        let path = if self.is_set(&KeyPath::of("upstream")) {
            "upstream.url"
        } else {
            "upstream"
        };
        self.fail(
            &KeyPath::of(path),
            "is required: the app to stand in front of; write `upstream: http://127.0.0.1:3000` in the file, \
             pass --upstream, or set VESTIBULE_UPSTREAM",
        );
    }

    /// An upstream that is our own listener answers nothing and eats every connection.
    pub(super) fn upstream_is_not_us(&mut self, upstream: &Upstream, listen: &[Listener]) {
        let host = match upstream.host.as_str() {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        };
        let Some(host) = host else { return };
        let us = listen.iter().map(|l| l.address).find(|address| {
            let here = host.is_loopback() || host.is_unspecified();
            address.port() == upstream.port
                && (address.ip() == host || (address.ip().is_unspecified() && here))
        });
        if let Some(address) = us {
            let message = format!(
                "points back to our own listener {address}; it must be the address of the app"
            );
            self.fail(&KeyPath::of("upstream.url"), message);
        }
    }

    pub(super) fn client_ip(&mut self, section: &model::ClientIp) -> client_ip::Settings {
        let path = KeyPath::of("client_ip.trusted_proxies");
        let mut trusted = Vec::with_capacity(section.trusted_proxies.len());
        for (nth, text) in section.trusted_proxies.iter().enumerate() {
            let path = self.element(&path, nth);
            match parse_network(text) {
                Some(network) if network.prefix_len() == 0 => {
                    self.warn(
                        &path,
                        "trusts everybody, so any client can claim any address",
                    );
                    trusted.push(network);
                }
                Some(network) => trusted.push(network),
                None => self.fail(
                    &path,
                    format!(
                        "`{}` is neither a network nor an address; write for example 10.0.0.0/8",
                        brief(text)
                    ),
                ),
            }
        }
        let prefix = self.within("client_ip.ipv6_prefix", section.ipv6_prefix, 0, 128);
        client_ip::Settings {
            trusted,
            header: self.header("client_ip.header", &section.header),
            ipv6_prefix: u8::try_from(prefix).unwrap_or(128),
        }
    }

    pub(super) fn metrics(&mut self, metrics: &model::Metrics) -> Option<MetricsListener> {
        if !metrics.on {
            return None;
        }
        let path = KeyPath::of("observability.metrics.path");
        let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '?' | '#' | '{' | '}' | '*');
        if !metrics.path.starts_with('/') || metrics.path.contains(odd) {
            self.fail(&path, "must be a plain path such as /metrics");
        } else if HEALTH_PATHS.contains(&metrics.path.as_str()) {
            self.fail(
                &path,
                format!("{} is taken by a health check", metrics.path),
            );
        }
        let listen = self.address(
            &KeyPath::of("observability.metrics.listen"),
            &metrics.listen,
        );
        Some(MetricsListener {
            listen,
            path: metrics.path.clone(),
        })
    }

    pub(super) fn admin(
        &mut self,
        admin: &model::Admin,
        read_secret: ReadSecret<'_>,
    ) -> Option<AdminListener> {
        if !admin.on {
            return None;
        }
        let path = KeyPath::of("observability.admin.listen");
        let listen = self.address(&path, &admin.listen);
        let token = self.token(admin, read_secret);
        if token.is_none()
            && admin.token_file.is_none()
            && listen != NOWHERE
            && !listen.ip().is_loopback()
        {
            self.admin_is_open(&path, listen);
        }
        Some(AdminListener { listen, token })
    }

    /// Whoever reaches the admin port can purge and reload, so it does not stand open by accident.
    fn admin_is_open(&mut self, path: &KeyPath, listen: SocketAddr) {
        if self.document.is_sound(&KeyPath::of("observability.admin")) {
            let message = format!(
                "{listen} can be reached from outside and has no token; set `token` or `token_file`, or listen on 127.0.0.1"
            );
            self.fail(path, message);
        }
    }

    fn token(&mut self, admin: &model::Admin, read_secret: ReadSecret<'_>) -> Option<Secret> {
        let Some(file) = &admin.token_file else {
            return admin.token.0.clone();
        };
        let path = KeyPath::of("observability.admin.token_file");
        if admin.token.0.is_some() {
            self.fail(
                &path,
                "cannot be set together with `token`; keep one of them",
            );
        }
        read_secret(file)
            .map_err(|message| self.fail(&path, message))
            .ok()
    }
}

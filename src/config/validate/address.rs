//! The notations of addresses, networks and upstreams, and what is wrong with others.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::config::problem::brief;

/// An address to bind. Names are refused, because what they resolve to may change.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let shown = brief(text);
    let port = text.strip_prefix(':').unwrap_or(text);
    let hint = match text.split_once(':') {
        _ if text.starts_with("unix:") => "; unix sockets are not supported yet".to_owned(),
        _ if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("; did you mean \"0.0.0.0:{port}\"?", port = brief(port))
        }
        Some(("localhost", port)) => format!("; did you mean \"127.0.0.1:{}\"?", brief(port)),
        None if text.parse::<IpAddr>().is_ok() => "; the port is missing".to_owned(),
        _ => "; write for example \"0.0.0.0:8080\" or \"[::]:8080\"".to_owned(),
    };
    Err(format!("`{shown}` is not an address and port{hint}"))
}

pub(super) fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || (any && same_family))
}

pub(super) fn parse_network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().map(|net| net.trunc());
    network
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()
}

/// Host and port of `http://host:port`.
pub(super) fn parse_upstream(text: &str) -> Result<(String, u16), String> {
    let shown = brief(text);
    let only = "only http:// is supported now";
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, _)) => {
            return Err(format!(
                "`{}://` upstreams do not work yet; {only}",
                brief(scheme)
            ));
        }
        None if text.starts_with("unix:") => {
            return Err(format!("unix sockets do not work yet; {only}"));
        }
        None if text.is_empty() => {
            return Err("must not be empty; write for example http://127.0.0.1:3000".to_owned());
        }
        None => {
            return Err(format!(
                "`{shown}` is not a URL; did you mean `http://{shown}`?"
            ));
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        // The text is not repeated, since it holds a password.
        return Err("must not hold a user name or password".to_owned());
    }
    if rest.contains(['/', '?', '#']) {
        return Err(format!(
            "`{shown}` must end after the port; the path is the client's"
        ));
    }
    let bad = || format!("`{shown}` is not http://host:port");
    let (host, port) = split_authority(rest).ok_or_else(bad)?;
    let port = match port {
        None => 80,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 && port.to_string().len() <= 5 => port,
            _ => return Err(format!("`{}` is not a port from 1 to 65535", brief(port))),
        },
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn split_authority(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None if rest.is_empty() => Some((host, None)),
            None => None,
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    // Underscores occur in the service names of container networks.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(fits)).then_some((host, port))
}

pub(super) fn authority(host: &str, port: u16) -> String {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    if port == 80 {
        host
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams() {
        for (text, expected) in [
            (
                "http://127.0.0.1:3000",
                Ok(("127.0.0.1", 3000, "127.0.0.1:3000")),
            ),
            ("http://app", Ok(("app", 80, "app"))),
            ("HTTP://App:80/", Ok(("app", 80, "app"))),
            ("http://my_app:1", Ok(("my_app", 1, "my_app:1"))),
            ("http://[::1]:3000", Ok(("::1", 3000, "[::1]:3000"))),
            ("https://app", Err("only http:// is supported now")),
            ("h2c://app", Err("only http:// is supported now")),
            ("unix:/run/app.sock", Err("only http:// is supported now")),
            (
                "127.0.0.1:3000",
                Err("did you mean `http://127.0.0.1:3000`?"),
            ),
            ("http://user:secret@app", Err("must not hold a user name")),
            ("http://app/base", Err("must end after the port")),
            ("http://app:0", Err("is not a port")),
            ("http://app:65536", Err("is not a port")),
            ("http://app:", Err("is not a port")),
            ("http://", Err("is not http://host:port")),
            ("http://[::1", Err("is not http://host:port")),
            ("http://a b", Err("is not http://host:port")),
            ("", Err("must not be empty")),
        ] {
            match (parse_upstream(text), expected) {
                (Ok((host, port)), Ok((h, p, a))) => {
                    assert_eq!((host.as_str(), port), (h, p), "{text}");
                    assert_eq!(authority(&host, port), a, "{text}");
                }
                (Err(got), Err(want)) => {
                    assert!(got.contains(want), "{text}: {got}");
                    assert!(!got.contains("secret"), "{text}: {got}");
                }
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("8080", "did you mean \"0.0.0.0:8080\"?"),
            (":8080", "did you mean \"0.0.0.0:8080\"?"),
            ("localhost:80", "did you mean \"127.0.0.1:80\"?"),
            ("127.0.0.1", "the port is missing"),
            ("unix:/run/x", "not supported yet"),
            ("0.0.0.0:99999", "write for example"),
            ("", "write for example"),
        ] {
            let message = parse_address(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(parse_address("[::]:0").is_ok());
    }

    #[test]
    fn networks() {
        for (text, expected) in [
            ("10.0.0.1/8", Some("10.0.0.0/8")),
            ("10.0.0.1", Some("10.0.0.1/32")),
            ("::1", Some("::1/128")),
            ("10.0.0.0/33", None),
            ("proxy", None),
        ] {
            assert_eq!(
                parse_network(text).map(|n| n.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}

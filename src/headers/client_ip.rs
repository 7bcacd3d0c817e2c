//! Who the client is: the peer's address, or the one that trusted proxies vouch for
//! (`X-Forwarded-For`, or `Forwarded` of RFC 7239).
//!
//! Both fields are lists to which every proxy appends the address it was called from. Only the part
//! written by proxies we trust means anything, so the list is read from its end: the walk begins
//! at the peer and takes one more element for as long as the address in hand is trusted. Whatever a
//! client wrote itself stands further left and is never reached. The first element that is no
//! address ends the walk at the last address known for certain.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// Which proxies may speak for their clients, and how addresses are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The proxies whose word is taken. IPv4 networks may be written in v4-mapped form.
    pub trusted: Vec<IpNet>,
    /// `X-Forwarded-For` or a field of the same form; `Forwarded` is read as RFC 7239 has it.
    pub header: HeaderName,
    /// How much of an IPv6 address counts as one client: networks are handed out by /64 or more.
    pub ipv6_prefix: u8,
}

impl Settings {
    /// Is this the address of a proxy whose word is taken?
    #[must_use]
    pub fn is_trusted(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted.iter().any(|net| covers(net, ip))
    }

    /// The client's address, given the peer's and the request's headers. Without a trusted proxy
    /// in front that is the peer. Always in canonical form (v4-mapped IPv6 becomes IPv4).
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.trusted.is_empty() || !self.is_trusted(client) {
            return client;
        }
        let forwarded = self.header == header::FORWARDED;
        // Several lines are one list in their order (RFC 9110 §5.3), so the last line comes first.
        for line in headers.get_all(&self.header).iter().rev() {
            for element in FromTheEnd::new(line.as_bytes(), b',') {
                let found = if forwarded {
                    forwarded_for(element)
                } else {
                    node(trim(element))
                };
                match found {
                    Some(ip) if self.is_trusted(ip) => client = ip,
                    Some(ip) => return ip,
                    None => return client,
                }
            }
        }
        client
    }

    /// The address under which limits count a client: IPv6 cut to [`Settings::ipv6_prefix`] bits,
    /// because one host owns at least that many addresses; IPv4 whole.
    #[must_use]
    pub fn bucket(&self, ip: IpAddr) -> IpAddr {
        match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => {
                let host_bits = 128 - u32::from(self.ipv6_prefix.min(128));
                let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
        }
    }
}

/// Does `net` hold the canonical address `ip`? A network in v4-mapped form (`::ffff:10.0.0.0/104`)
/// means the IPv4 network; any other IPv6 network holds no IPv4 address, so that `::/0` does not
/// quietly trust every IPv4 caller of a dual-stack socket.
fn covers(net: &IpNet, ip: IpAddr) -> bool {
    let (IpNet::V6(net), IpAddr::V4(v4)) = (net, ip) else {
        return net.contains(&ip);
    };
    net.prefix_len() >= 96
        && net.addr().to_ipv4_mapped().is_some()
        && net.contains(&v4.to_ipv6_mapped())
}

/// The address in a `Forwarded` element's `for` (RFC 7239 §4, §6). `unknown`, obfuscated
/// identifiers (§6.2, §6.3) and a `for` given twice are no address.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in FromTheEnd::new(element, b';') {
        let equals = pair.iter().position(|&b| b == b'=')?;
        let (name, value) = (trim(&pair[..equals]), trim(&pair[equals + 1..]));
        if !name.eq_ignore_ascii_case(b"for") {
            continue;
        }
        // §4: "Each parameter MUST NOT occur more than once per field-value."
        if found.is_some() {
            return None;
        }
        // A quoted node needs no unescaping: none of its characters may need a backslash, and with
        // one it is no address.
        let bare = value
            .strip_prefix(b"\"")
            .and_then(|v| v.strip_suffix(b"\""))
            .unwrap_or(value);
        found = Some(node(bare)?);
    }
    found
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80` (RFC 7239 §6; a bare IPv6 address is what `X-Forwarded-For` carries).
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let ip = if let Some(rest) = text.strip_prefix('[') {
        let (ip, after) = rest.split_once(']')?;
        if !(after.is_empty() || after.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?)
    } else if let Ok(ip) = text.parse::<IpAddr>() {
        ip
    } else {
        let (ip, port) = text.split_once(':')?;
        if !is_port(port) {
            return None;
        }
        IpAddr::V4(ip.parse::<Ipv4Addr>().ok()?)
    };
    Some(ip.to_canonical())
}

/// RFC 7239 §6.3: `port = 1*5DIGIT`, `obfport = "_" 1*(ALPHA / DIGIT / "." / "_" / "-")`.
fn is_port(text: &str) -> bool {
    let obfuscated = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    match text.strip_prefix('_') {
        Some(rest) => !rest.is_empty() && rest.bytes().all(obfuscated),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Without spaces and tabs around (OWS, RFC 9110 §5.6.3).
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The parts of a list, last first, leaving separators inside quoted strings (RFC 9110 §5.6.4)
/// alone.
///
/// Read from the end because that end is ours to trust: a quote that a client leaves open on the
/// left cannot swallow what a proxy appended after it.
struct FromTheEnd<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> FromTheEnd<'a> {
    fn new(list: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(list),
            separator,
        }
    }
}

impl<'a> Iterator for FromTheEnd<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let list = self.rest?;
        let mut quoted = false;
        for at in (0..list.len()).rev() {
            match list[at] {
                b'"' if !quoted => quoted = true,
                b'"' => {
                    // The opening quote, unless it is escaped.
                    let slashes = list[..at].iter().rev().take_while(|&&b| b == b'\\').count();
                    quoted = slashes % 2 == 1;
                }
                b if b == self.separator && !quoted => {
                    self.rest = Some(&list[..at]);
                    return Some(&list[at + 1..]);
                }
                _ => {}
            }
        }
        self.rest = None;
        Some(list)
    }
}

#[cfg(test)]
mod tests;

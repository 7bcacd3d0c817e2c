//! Tables of forwarded lists, well-formed and not.

use super::*;
use http::HeaderValue;

fn settings(header: &str) -> Settings {
    Settings {
        trusted: [
            "10.0.0.0/8",
            "192.168.1.1/32",
            "fd00::/8",
            "::ffff:172.16.0.0/108",
        ]
        .map(|net| net.parse().unwrap())
        .to_vec(),
        header: header.parse().unwrap(),
        ipv6_prefix: 64,
    }
}

fn client(header: &str, peer: &str, lines: &[&[u8]]) -> String {
    let mut headers = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line).unwrap();
        headers.append(header.parse::<HeaderName>().unwrap(), value);
    }
    settings(header)
        .client(peer.parse().unwrap(), &headers)
        .to_string()
}

#[test]
fn x_forwarded_for() {
    let cases: &[(&str, &str, &[&[u8]], &str)] = &[
        ("no header", "10.0.0.1", &[], "10.0.0.1"),
        (
            "untrusted peer is never overruled",
            "203.0.113.9",
            &[b"1.1.1.1"],
            "203.0.113.9",
        ),
        ("one proxy", "10.0.0.1", &[b"203.0.113.5"], "203.0.113.5"),
        (
            "what the client wrote is not read",
            "10.0.0.1",
            &[b"1.1.1.1, 203.0.113.5"],
            "203.0.113.5",
        ),
        (
            "two proxies",
            "10.0.0.1",
            &[b"6.6.6.6, 203.0.113.5, 10.0.0.2"],
            "203.0.113.5",
        ),
        (
            "several lines are one list",
            "10.0.0.1",
            &[b"6.6.6.6", b"203.0.113.5", b"10.0.0.2"],
            "203.0.113.5",
        ),
        (
            "only trusted: the leftmost",
            "10.0.0.1",
            &[b"10.0.0.3, 10.0.0.2"],
            "10.0.0.3",
        ),
        (
            "garbage stops",
            "10.0.0.1",
            &[b"203.0.113.5, what, 10.0.0.2"],
            "10.0.0.2",
        ),
        (
            "garbage first",
            "10.0.0.1",
            &[b"203.0.113.5, \xff\xfe"],
            "10.0.0.1",
        ),
        (
            "unknown stops",
            "10.0.0.1",
            &[b"203.0.113.5, unknown"],
            "10.0.0.1",
        ),
        (
            "an empty element stops",
            "10.0.0.1",
            &[b"203.0.113.5, ,10.0.0.2"],
            "10.0.0.2",
        ),
        (
            "an empty line stops",
            "10.0.0.1",
            &[b"203.0.113.5", b""],
            "10.0.0.1",
        ),
        ("port", "10.0.0.1", &[b"203.0.113.5:4711"], "203.0.113.5"),
        (
            "port out of form",
            "10.0.0.1",
            &[b"203.0.113.5:471111"],
            "10.0.0.1",
        ),
        ("empty port", "10.0.0.1", &[b"203.0.113.5:"], "10.0.0.1"),
        ("v6", "10.0.0.1", &[b"2001:db8::7"], "2001:db8::7"),
        (
            "v6 in brackets",
            "10.0.0.1",
            &[b"[2001:db8::7]"],
            "2001:db8::7",
        ),
        (
            "v6 and port",
            "10.0.0.1",
            &[b"[2001:db8::7]:443"],
            "2001:db8::7",
        ),
        (
            "brackets left open",
            "10.0.0.1",
            &[b"[2001:db8::7"],
            "10.0.0.1",
        ),
        (
            "v4 in brackets",
            "10.0.0.1",
            &[b"[203.0.113.5]"],
            "10.0.0.1",
        ),
        ("v6 with a zone", "10.0.0.1", &[b"fe80::1%eth0"], "10.0.0.1"),
        (
            "mapped element",
            "10.0.0.1",
            &[b"::ffff:203.0.113.5"],
            "203.0.113.5",
        ),
        (
            "mapped peer",
            "::ffff:10.0.0.1",
            &[b"203.0.113.5"],
            "203.0.113.5",
        ),
        (
            "mapped untrusted peer",
            "::ffff:9.9.9.9",
            &[b"203.0.113.5"],
            "9.9.9.9",
        ),
        (
            "network in mapped form",
            "172.16.3.4",
            &[b"203.0.113.5"],
            "203.0.113.5",
        ),
        (
            "trusted v6 proxy",
            "fd00::1",
            &[b"203.0.113.5"],
            "203.0.113.5",
        ),
        (
            "tabs and spaces",
            "10.0.0.1",
            &[b"\t 203.0.113.5 \t"],
            "203.0.113.5",
        ),
        (
            "leading zeros are octal to some",
            "10.0.0.1",
            &[b"010.0.0.1"],
            "10.0.0.1",
        ),
    ];
    for (case, peer, lines, expected) in cases {
        assert_eq!(client("x-forwarded-for", peer, lines), *expected, "{case}");
    }
}

#[test]
fn forwarded() {
    let cases: &[(&str, &[&[u8]], &str)] = &[
        (
            "RFC 7239 §4 example",
            &[b"for=192.0.2.60;proto=http;by=203.0.113.43"],
            "192.0.2.60",
        ),
        ("case", &[b"Proto=https;For=192.0.2.60"], "192.0.2.60"),
        (
            "v6 with port, quoted",
            &[b"for=\"[2001:db8:cafe::17]:4711\""],
            "2001:db8:cafe::17",
        ),
        (
            "list",
            &[b"for=192.0.2.43, for=198.51.100.17, for=10.0.0.9"],
            "198.51.100.17",
        ),
        (
            "lines",
            &[b"for=192.0.2.43", b"for=198.51.100.17;by=_x, for=10.0.0.9"],
            "198.51.100.17",
        ),
        ("obfuscated", &[b"for=192.0.2.43, for=_gazonk"], "10.0.0.1"),
        ("unknown", &[b"for=192.0.2.43, for=unknown"], "10.0.0.1"),
        ("no for", &[b"for=192.0.2.43, proto=http"], "10.0.0.1"),
        ("not a pair", &[b"for=192.0.2.43;what"], "10.0.0.1"),
        ("for twice", &[b"for=192.0.2.43;for=192.0.2.44"], "10.0.0.1"),
        (
            "obfuscated port",
            &[b"for=\"192.0.2.43:_web\""],
            "192.0.2.43",
        ),
        (
            "comma in quotes",
            &[b"for=192.0.2.43;ext=\"a, for=6.6.6.6\""],
            "192.0.2.43",
        ),
        (
            "escaped quote",
            &[b"for=192.0.2.43;ext=\"a\\\", for=6.6.6.6\""],
            "192.0.2.43",
        ),
        (
            "a quote left open to the left",
            &[b"for=\"6.6.6.6, for=192.0.2.43"],
            "192.0.2.43",
        ),
        (
            "a quote left open to the right",
            &[b"for=6.6.6.6, for=192.0.2.43\""],
            "10.0.0.1",
        ),
        (
            "spaces around pairs",
            &[b"proto=http; for=192.0.2.43 ; by=x"],
            "192.0.2.43",
        ),
        ("empty", &[b""], "10.0.0.1"),
    ];
    for (case, lines, expected) in cases {
        assert_eq!(client("forwarded", "10.0.0.1", lines), *expected, "{case}");
    }
}

#[test]
fn every_ipv6_address_is_not_every_address() {
    let all_v6 = Settings {
        trusted: vec!["::/0".parse().unwrap()],
        ..settings("x-real-ip")
    };
    assert!(all_v6.is_trusted("2001:db8::1".parse().unwrap()));
    assert!(!all_v6.is_trusted("192.0.2.1".parse().unwrap()));
    assert!(!all_v6.is_trusted("::ffff:192.0.2.1".parse().unwrap()));
}

#[test]
fn buckets() {
    let cases: &[(&str, u8, &str)] = &[
        ("192.0.2.7", 64, "192.0.2.7"),
        ("::ffff:192.0.2.7", 64, "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"),
        ("2001:db8:1:2:3:4:5:6", 48, "2001:db8:1::"),
        ("2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"),
        ("2001:db8:1:2:3:4:5:6", 255, "2001:db8:1:2:3:4:5:6"),
        ("2001:db8:1:2:3:4:5:6", 0, "::"),
    ];
    for (ip, prefix, expected) in cases {
        let settings = Settings {
            ipv6_prefix: *prefix,
            ..settings("x-forwarded-for")
        };
        let bucket = settings.bucket(ip.parse().unwrap());
        assert_eq!(bucket.to_string(), *expected, "{ip}/{prefix}");
    }
}

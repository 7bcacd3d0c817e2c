//! Fields that belong to one connection and must not be forwarded or stored (RFC 9110 §7.6.1).

use http::HeaderMap;
use http::header::{self, HeaderName};

/// Fields that end here whether or not `Connection` names them (RFC 9110 §7.6.1, RFC 9111 §3.1).
const FIXED: [HeaderName; 11] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Fields meant for every recipient. RFC 9110 §7.6.1 forbids naming such ones in `Connection`;
/// obeying it nevertheless would turn a private response into one that anybody may store.
const NEVER_NOMINATED: [HeaderName; 6] = [
    header::CACHE_CONTROL,
    header::EXPIRES,
    header::VARY,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::SET_COOKIE,
];

/// Removes the fields of this hop, those that `Connection` names included.
pub fn strip(headers: &mut HeaderMap) {
    for name in names_in_connection(headers) {
        headers.remove(&name);
    }
    for name in &FIXED {
        headers.remove(name);
    }
}

/// The fields that `Connection` names, without its options that are no fields (`close`) and without
/// those that must not be named. Unreadable members are left out.
#[must_use]
pub fn names_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let members = headers.get_all(header::CONNECTION).iter();
    members
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .filter_map(|member| HeaderName::from_bytes(member.trim_ascii()).ok())
        .filter(|name| name.as_str() != "close" && !NEVER_NOMINATED.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{names_in_connection, strip};
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = fields
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        pairs.fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        })
    }

    #[test]
    fn removes_the_fields_of_this_hop() {
        type Case = (
            &'static str,
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
        );
        let cases: &[Case] = &[
            (
                "end to end",
                &[("etag", "1"), ("x-a", "1")],
                &["etag", "x-a"],
            ),
            (
                "fixed",
                &[
                    ("keep-alive", "1"),
                    ("te", "x"),
                    ("upgrade", "h2c"),
                    ("a", "1"),
                ],
                &["a"],
            ),
            (
                "framing",
                &[("transfer-encoding", "chunked"), ("trailer", "x")],
                &[],
            ),
            (
                "proxy",
                &[("proxy-authenticate", "x"), ("proxy-connection", "x")],
                &[],
            ),
            (
                "nominated",
                &[("connection", "X-A , close"), ("x-a", "1"), ("x-b", "1")],
                &["x-b"],
            ),
            (
                "two lines",
                &[
                    ("connection", "a"),
                    ("connection", "b"),
                    ("a", "1"),
                    ("b", "1"),
                ],
                &[],
            ),
            (
                "repeated field",
                &[("connection", "a"), ("a", "1"), ("a", "2")],
                &[],
            ),
            (
                "nonsense",
                &[("connection", ",, \u{20}x y,;"), ("a", "1")],
                &["a"],
            ),
            (
                "meant for every recipient",
                &[
                    ("connection", "cache-control"),
                    ("cache-control", "private"),
                ],
                &["cache-control"],
            ),
        ];
        for (case, fields, expected) in cases {
            let mut headers = map(fields);
            strip(&mut headers);
            let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            assert_eq!(left, *expected, "{case}");
        }
    }

    #[test]
    fn lists_what_connection_names() {
        let names = names_in_connection(&map(&[("connection", "keep-alive, X-Trace, close")]));
        assert_eq!(names, ["keep-alive", "x-trace"]);
    }
}

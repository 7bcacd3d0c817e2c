//! What of a request's head may change the answer besides the URL: fields by which apps replace the
//! method, the URL, the host or the scheme, and the cookies that a rule puts into the key.

use http::{HeaderName, HeaderValue};

use super::{Request, cookies};
use crate::cache::key::Part;
use crate::cache::{Rule, Settings, UnkeyedHeaders};
use crate::headers::hop_by_hop::names_in_connection;

/// What joins the key besides the URL ([`Key::with`](crate::cache::key::Key::with)), in an order that
/// does not depend on that of the fields. A request with any such part must not be looked up, or
/// stored, under the key of its URL alone.
///
/// What `Connection` names is no part: the app does not get it (RFC 9110 §7.6.1), so that its answer
/// is that to a request without it.
#[must_use]
pub fn key_parts<'a>(
    request: &Request<'a>,
    settings: &'a Settings,
    rule: &'a Rule,
) -> Vec<Part<'a>> {
    let cookies = cookies::keyed(request.headers, settings.request_cookies(rule));
    let mut parts: Vec<_> = cookies
        .map(|(name, value)| Part::Cookie(name, value))
        .collect();
    if settings.safety.unkeyed_headers == UnkeyedHeaders::Key {
        let fields = request
            .headers
            .iter()
            .filter(|(n, v)| changes_answer(request, n, v));
        parts.extend(fields.map(|(name, value)| Part::Field(name.as_str(), value.as_bytes())));
        // Stable: the order of lines of the same name may matter to the app.
        parts.sort_by_key(|part| match part {
            Part::Field(name, _) => (0, *name),
            Part::Cookie(..) => (1, ""),
        });
    }
    if !parts.is_empty() {
        let unseen = names_in_connection(request.headers);
        parts.retain(|part| !unseen.iter().any(|name| name == part.field()));
    }
    parts
}

/// The fields that the app must not see when its answer may be stored under the key of the URL, with
/// [`UnkeyedHeaders::Drop`].
#[must_use]
pub fn unkeyed(request: &Request<'_>, settings: &Settings) -> Vec<HeaderName> {
    if settings.safety.unkeyed_headers != UnkeyedHeaders::Drop {
        return Vec::new();
    }
    let fields = request.headers.iter();
    fields
        .filter(|(name, value)| changes_answer(request, name, value))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether apps are known to act on the field in a way that the key of the URL does not show.
fn changes_answer(request: &Request<'_>, name: &HeaderName, value: &HeaderValue) -> bool {
    let is = |expected: &str| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(expected.as_bytes())
    };
    match name.as_str() {
        // Fields by which frameworks replace the method, the URL or the host.
        "x-http-method-override"
        | "x-http-method"
        | "x-method-override"
        | "x-original-url"
        | "x-rewrite-url"
        | "x-http-destinationurl"
        | "x-original-host"
        | "x-real-host"
        | "x-host"
        | "x-forwarded-server"
        | "x-forwarded-prefix"
        | "x-forwarded-path"
        | "x-forwarded-uri"
        | "x-script-name" => true,
        // Balancers add these to every request; where they repeat the key they change nothing.
        "x-forwarded-host" => !is(request.host),
        "x-forwarded-proto" | "x-forwarded-scheme" | "x-forwarded-protocol" | "x-url-scheme" => {
            !is(request.scheme)
        }
        "x-forwarded-ssl" | "front-end-https" | "x-arr-ssl" => {
            is("on") != (request.scheme == "https")
        }
        "x-forwarded-port" => !is(port(request)),
        // RFC 7239: only the addresses are harmless.
        "forwarded" => {
            let text = value.as_bytes().to_ascii_lowercase();
            let names = |word: &[u8]| text.windows(word.len()).any(|w| w == word);
            names(b"host") || names(b"proto")
        }
        _ => false,
    }
}

/// The port of the URL that the key stands for.
fn port<'a>(request: &Request<'a>) -> &'a str {
    match request.host.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => port,
        _ if request.scheme == "https" => "443",
        _ => "80",
    }
}

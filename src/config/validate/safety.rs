//! `cache.safety`: what is conceded, and a warning that names the consequence of each concession.

use http::HeaderName;
use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE, USER_AGENT};

use super::Check;
use crate::cache::{self, RequestCookies, SetCookie, UnkeyedHeaders};
use crate::config::model;
use crate::config::path::KeyPath;
use crate::config::problem::brief;

/// Each is looked for in every request with cookies.
const COOKIES_MAX: usize = 32;

impl Check<'_> {
    pub(super) fn safety(&mut self, safety: &model::Safety) -> cache::Safety {
        let section = KeyPath::of("cache.safety");
        let set_cookie = match safety.set_cookie {
            model::SetCookie::Bypass => SetCookie::Bypass,
            model::SetCookie::Strip => {
                self.warn(
                    &section.join("set_cookie"),
                    "a page that was made for a new session is given to everybody, and only the first \
                     visitor gets its cookie",
                );
                SetCookie::Strip
            }
        };
        let unkeyed_headers = match safety.unkeyed_headers {
            model::UnkeyedHeaders::Drop => UnkeyedHeaders::Drop,
            model::UnkeyedHeaders::Key => UnkeyedHeaders::Key,
            model::UnkeyedHeaders::Pass => {
                self.warn(
                    &section.join("unkeyed_headers"),
                    "whoever sends X-Forwarded-Host, X-Original-URL or the like decides what all \
                     others get from the cache, wherever the app acts on it",
                );
                UnkeyedHeaders::Pass
            }
        };
        cache::Safety {
            authorization: match safety.authorization {
                model::Authorization::Rfc9111 => cache::Authorization::Rfc9111,
                model::Authorization::Never => cache::Authorization::Never,
            },
            request_cookies: self
                .request_cookies(&safety.request_cookies.0, &section.join("request_cookies")),
            set_cookie,
            unkeyed_headers,
        }
    }

    /// For all requests, or for those of a route.
    pub(super) fn request_cookies(
        &mut self,
        rule: &model::RequestCookies,
        path: &KeyPath,
    ) -> RequestCookies {
        if rule.ignore {
            self.warn(
                path,
                "what the app shows to a visitor by his cookies is given to everybody, unless the \
                 app marks it as private",
            );
            return RequestCookies::Ignore;
        }
        let names = self.cookies(&rule.allow, &path.join("allow"));
        match names.is_empty() {
            true => RequestCookies::Bypass,
            false => RequestCookies::Allow(names),
        }
    }

    fn cookies(&mut self, names: &[String], path: &KeyPath) -> Vec<String> {
        if names.len() > COOKIES_MAX {
            let message = format!(
                "{} cookies are too many; the most is {COOKIES_MAX}",
                names.len()
            );
            self.fail(path, message);
        }
        for (nth, name) in names.iter().enumerate() {
            let path = self.element(path, nth);
            // RFC 6265 §4.1.1.
            let separator = |b: u8| !b.is_ascii_graphic() || b"()<>@,;:\\\"/[]?={}".contains(&b);
            if name.is_empty() || name.bytes().any(separator) {
                self.fail(
                    &path,
                    format!("`{}` is not the name of a cookie", brief(name)),
                );
            } else if names[..nth].contains(name) {
                self.fail(&path, "is listed twice");
            }
        }
        names.to_vec()
    }

    /// The request fields that a route's answers depend on besides their `Vary`.
    pub(super) fn route_vary(
        &mut self,
        rules: &model::RouteCache,
        path: &KeyPath,
        cache: &model::Cache,
    ) -> Vec<HeaderName> {
        let vary = &cache.safety.vary;
        let lists =
            |texts: &[String], name: &str| texts.iter().any(|t| t.eq_ignore_ascii_case(name));
        for (nth, text) in rules.vary.iter().enumerate() {
            let path = self.element(path, nth);
            if lists(&vary.deny, text) {
                let message =
                    "is in cache.safety.vary.deny, so that nothing of this route would be stored";
                self.fail(&path, message);
            } else if cache::vary::is_written_here(text) {
                self.fail(
                    &path,
                    "has the same value for all clients: the app gets it from this proxy",
                );
            }
        }
        let mut names = self.few_headers(path, &rules.vary);
        // Where bodies are stored without a coding, any value will do.
        names.retain(|name| *name != ACCEPT_ENCODING || !lists(&vary.normalize, name.as_str()));
        names
    }

    pub(super) fn vary(&mut self, vary: &model::Vary) -> cache::vary::Settings {
        let path = KeyPath::of("cache.safety.vary");
        let deny = self.few_headers(&path.join("deny"), &vary.deny);
        for name in [COOKIE, USER_AGENT] {
            if !deny.contains(&name) {
                let message = format!(
                    "without `{name}` in it, an answer that varies by it is stored once for each value: \
                     hardly any is asked for again, and they push out what others share"
                );
                self.warn(&path.join("deny"), message);
            }
        }
        let listed = path.join("normalize");
        let is = |text: &String, name: HeaderName| text.eq_ignore_ascii_case(name.as_str());
        for (nth, text) in vary.normalize.iter().enumerate() {
            if !is(text, ACCEPT_ENCODING) && !is(text, ACCEPT_LANGUAGE) {
                let path = self.element(&listed, nth);
                let message = "expected Accept-Encoding or Accept-Language, found";
                self.fail(&path, format!("{message} `{}`", brief(text)));
            }
        }
        let normalized =
            |name: HeaderName| vary.normalize.iter().any(|text| is(text, name.clone()));
        let path = "cache.safety.vary.max_variants";
        let variants = self.within(path, vary.max_variants, 1, 1000);
        cache::vary::Settings {
            deny,
            variants_max: usize::try_from(variants).unwrap_or(usize::MAX),
            codings: normalized(ACCEPT_ENCODING),
            languages: normalized(ACCEPT_LANGUAGE),
            // The caller knows the correlation id's.
            written: Vec::new(),
        }
    }
}

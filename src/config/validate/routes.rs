//! Routes: names that can label metrics, patterns that compile, tags that can be filled.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::Check;
use crate::config::matcher::{HostPattern, Matcher, PathPattern, TagTemplate};
use crate::config::model;
use crate::config::path::KeyPath;
use crate::config::problem::brief;
use crate::config::snapshot::{Route, RouteCache};

/// Each route is a label of the metrics, so their number is bounded.
const ROUTES_MAX: usize = 1000;
const NAME_CHARS_MAX: usize = 64;
const DEFAULT: &str = "default";

pub(super) fn default_route() -> Route {
    Route {
        name: Arc::from(DEFAULT),
        matcher: Matcher::default(),
        cache: RouteCache {
            enabled: true,
            ttl: None,
            request_cookies: None,
            vary: Arc::default(),
            tags: Vec::new(),
        },
        compression: true,
    }
}

impl Check<'_> {
    pub(super) fn routes(&mut self, routes: &[model::Route], cache: &model::Cache) -> Vec<Route> {
        let list = KeyPath::of("routes");
        if routes.len() > ROUTES_MAX {
            self.fail(
                &list,
                format!(
                    "{} routes are too many; the most is {ROUTES_MAX}",
                    routes.len()
                ),
            );
            return Vec::new();
        }
        let paths: Vec<KeyPath> = (0..routes.len())
            .map(|nth| self.element(&list, nth))
            .collect();
        self.names_differ(routes, &paths);
        let mut compiled = Vec::with_capacity(routes.len());
        let mut catch_all: Option<&KeyPath> = None;
        for ((nth, route), path) in routes.iter().enumerate().zip(&paths) {
            if let Some(earlier) = catch_all {
                self.warn(
                    path,
                    format!("never applies, because `{earlier}` takes every request"),
                );
            }
            let route = self.route(route, path, nth, cache);
            if catch_all.is_none()
                && route.matcher.is_catch_all()
                && self.document.is_sound(&path.join("match"))
            {
                catch_all = Some(path);
            }
            compiled.push(route);
        }
        compiled
    }

    fn route(
        &mut self,
        route: &model::Route,
        path: &KeyPath,
        nth: usize,
        cache: &model::Cache,
    ) -> Route {
        let matcher = self.matcher(&route.r#match, &path.join("match"));
        let rules = &route.cache.0;
        if let Some(ttl) = rules.ttl.filter(|ttl| *ttl > cache.max_ttl) {
            let message = format!(
                "{ttl} is longer than cache.max_ttl, so {} counts",
                cache.max_ttl
            );
            self.warn(&path.join("cache.ttl"), message);
        }
        Route {
            name: name_of(route, nth).into(),
            cache: RouteCache {
                enabled: rules.enabled,
                ttl: rules.ttl.map(|ttl| ttl.0),
                request_cookies: rules.request_cookies.as_ref().map(|cookies| {
                    self.request_cookies(&cookies.0, &path.join("cache.request_cookies"))
                }),
                vary: self
                    .route_vary(rules, &path.join("cache.vary"), cache)
                    .into(),
                // Without a pattern that compiled nobody knows its captures.
                tags: match (&route.r#match.path, &matcher.path) {
                    (Some(_), None) => Vec::new(),
                    (_, pattern) => self.tags(rules, pattern.as_ref(), path),
                },
            },
            matcher,
            compression: route.compression.0,
        }
    }

    fn names_differ(&mut self, routes: &[model::Route], paths: &[KeyPath]) {
        let mut taken: HashMap<String, usize> = HashMap::new();
        // Names that were given have precedence over those that are made up from the position.
        for (nth, route) in routes.iter().enumerate() {
            let Some(name) = &route.name else { continue };
            let path = paths[nth].join("name");
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
                self.fail(
                    &path,
                    format!("must be 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` or `.`"),
                );
            } else if name == DEFAULT {
                self.fail(
                    &path,
                    "`default` is the name of the requests that no route takes",
                );
            } else if let Some(first) = taken.insert(name.clone(), nth) {
                let first = &paths[first];
                self.fail(&path, format!("`{name}` is already the name of `{first}`"));
            }
        }
        for (nth, route) in routes.iter().enumerate() {
            let name = name_of(route, nth);
            if let (None, Some(named)) = (&route.name, taken.get(&name)) {
                let path = paths[*named].join("name");
                self.fail(
                    &path,
                    format!(
                        "`{name}` is the name of `{}`, which has none of its own",
                        paths[nth]
                    ),
                );
            }
        }
    }

    fn matcher(&mut self, conditions: &model::Match, path: &KeyPath) -> Matcher {
        let pattern = conditions.path.as_deref().map(PathPattern::parse);
        let host = conditions.host.as_deref().map(HostPattern::parse);
        let methods = conditions
            .method
            .as_ref()
            .map(|m| self.methods(&m.0, &path.join("method")));
        Matcher {
            path: pattern.and_then(|p| {
                p.map_err(|message| self.fail(&path.join("path"), message))
                    .ok()
            }),
            methods: methods.unwrap_or_default(),
            host: host.and_then(|h| {
                h.map_err(|message| self.fail(&path.join("host"), message))
                    .ok()
            }),
        }
    }

    fn methods(&mut self, texts: &[String], path: &KeyPath) -> Vec<Method> {
        if texts.is_empty() {
            self.fail(path, "must not be empty; leave it out to take every method");
        }
        let mut methods = Vec::with_capacity(texts.len());
        for (nth, text) in texts.iter().enumerate() {
            let path = self.element(path, nth);
            let upper = text.to_ascii_uppercase();
            match Method::from_bytes(text.as_bytes()) {
                // Methods are case-sensitive (RFC 9110 §9.1), and no lower-case one is in use.
                Ok(_) if *text != upper => {
                    self.fail(
                        &path,
                        format!(
                            "`{}` is not a method; did you mean \"{upper}\"?",
                            brief(text)
                        ),
                    );
                }
                Ok(method) => methods.push(method),
                Err(_) => self.fail(&path, format!("`{}` is not a method", brief(text))),
            }
        }
        methods
    }

    fn tags(
        &mut self,
        rules: &model::RouteCache,
        pattern: Option<&PathPattern>,
        route: &KeyPath,
    ) -> Vec<TagTemplate> {
        if !self.document.is_sound(&route.join("match.path")) {
            return Vec::new();
        }
        let mut tags = Vec::with_capacity(rules.tags.len());
        for (nth, text) in rules.tags.iter().enumerate() {
            match TagTemplate::parse(text, pattern) {
                Ok(tag) => tags.push(tag),
                Err(message) => {
                    let path = self.element(&route.join("cache.tags"), nth);
                    self.fail(&path, message);
                }
            }
        }
        tags
    }
}

fn name_of(route: &model::Route, nth: usize) -> String {
    route
        .name
        .clone()
        .unwrap_or_else(|| format!("route-{}", nth + 1))
}

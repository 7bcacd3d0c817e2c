//! `cache`: lifetimes, sizes, the key.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::Check;
use crate::cache::{self, StatusRule, policy};
use crate::config::model;
use crate::config::path::{KeyPath, Step};
use crate::config::problem::brief;
use crate::config::units::{Ratio, Size};

/// Each is looked for in every answer.
const HEADERS_MAX: usize = 32;

/// No head that holds more tags gets here.
const TAG_BYTES_MAX: Size = Size::mib(1);

/// What was given so often is asked for often.
const HITS_MAX: u32 = 1_000_000;

/// Of lifetimes that are cut by more nothing useful is left.
const JITTER_MAX: Ratio = Ratio::percent(50);

impl Check<'_> {
    pub(super) fn cache(&mut self, cache: &model::Cache) -> cache::Settings {
        self.not_zero(
            "cache.max_ttl",
            cache.max_ttl,
            "write `cache: off` to store nothing",
        );
        self.ttl_order(cache);
        for (path, size) in [
            ("cache.memory.size", cache.memory.size),
            ("cache.max_object_size", cache.max_object_size),
        ] {
            if size.0 == 0 {
                self.fail(
                    &KeyPath::of(path),
                    "must not be zero; write `cache: off` to store nothing",
                );
            }
        }
        self.object_fits(cache.max_object_size, cache.memory.size);
        if cache.ttl_jitter > JITTER_MAX {
            let found = cache.ttl_jitter;
            let message = format!("must be at most {JITTER_MAX}, found {found}");
            self.fail(&KeyPath::of("cache.ttl_jitter"), message);
        }
        cache::Settings {
            enabled: cache.enabled.0,
            default_ttl: cache.default_ttl.0,
            max_ttl: cache.max_ttl.0,
            status_ttl: self.status_ttl(cache),
            stale: cache::Stale {
                while_revalidate: cache.stale.while_revalidate.0,
                if_error: cache.stale.if_error.0,
                after_soft_purge: cache.stale.after_soft_purge.0,
            },
            heuristic: cache.heuristic.0.map(Ratio::fraction),
            ttl_jitter: cache.ttl_jitter.fraction(),
            refresh_ahead: self.refresh_ahead(&cache.refresh_ahead.0),
            collapse_wait: cache.collapse.wait.0,
            object_bytes_max: cache.max_object_size.0,
            memory_bytes: cache.memory.size.0,
            query: self.key(&cache.key),
            no_vary_search: cache.key.no_vary_search.0,
            control_headers: self.control_headers(&cache.control_headers),
            tags: self.tag_settings(cache),
            safety: self.safety(&cache.safety),
            vary: self.vary(&cache.safety.vary),
            invalidation: self.invalidation(&cache.invalidation),
        }
    }

    fn refresh_ahead(&mut self, ahead: &model::RefreshAhead) -> Option<cache::RefreshAhead> {
        if !ahead.on {
            return None;
        }
        let path = |key| KeyPath::of("cache.refresh_ahead").child(Step::Key(key));
        let (least, most) = (Ratio::percent(10), Ratio::percent(99));
        if ahead.at < least || ahead.at > most {
            let message = format!("must be from {least} to {most}, found {}", ahead.at);
            self.fail(&path("at".to_owned()), message);
        }
        let hits_min = u32::try_from(ahead.min_hits).unwrap_or(u32::MAX);
        if hits_min > HITS_MAX {
            let message = format!("must be at most {HITS_MAX}, found {hits_min}");
            self.fail(&path("min_hits".to_owned()), message);
        }
        Some(cache::RefreshAhead {
            at: ahead.at.fraction(),
            hits_min,
        })
    }

    fn status_ttl(&mut self, cache: &model::Cache) -> Vec<(StatusRule, Duration)> {
        let mut rules = Vec::with_capacity(cache.status_ttl.len());
        for (status, ttl) in &cache.status_ttl {
            let path = KeyPath::of("cache.status_ttl").child(Step::Key(status.clone()));
            if *ttl > cache.max_ttl {
                let max = cache.max_ttl;
                self.warn(
                    &path,
                    format!("{ttl} is longer than cache.max_ttl, so {max} counts"),
                );
            }
            match status_rule(status) {
                Ok(rule) => rules.push((rule, ttl.0)),
                Err(message) => self.fail(&path, message),
            }
        }
        rules
    }

    fn control_headers(&mut self, texts: &[String]) -> Vec<HeaderName> {
        let path = KeyPath::of("cache.control_headers");
        let names = self.few_headers(&path, texts);
        if let Some(nth) = texts
            .iter()
            .position(|text| text.eq_ignore_ascii_case("cache-control"))
        {
            let path = self.element(&path, nth);
            self.fail(
                &path,
                "is what these headers stand for; it counts where none of them is there",
            );
        }
        names
    }

    fn tag_settings(&mut self, cache: &model::Cache) -> cache::tags::Settings {
        let (max, bytes) = (cache.tags.max, cache.tags.max_bytes);
        if bytes.0 == 0 || bytes > TAG_BYTES_MAX {
            let message = format!("expected a size from 1 to {TAG_BYTES_MAX}, found {bytes}");
            self.fail(&KeyPath::of("cache.tags.max_bytes"), message);
        }
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        cache::tags::Settings {
            fields: self.few_headers(&KeyPath::of("cache.tag_headers"), &cache.tag_headers),
            strip: cache.strip_tag_headers.0,
            count_max: count(self.within("cache.tags.max", max, 1, 10_000)),
            bytes_max: count(bytes.0),
        }
    }

    pub(super) fn few_headers(&mut self, path: &KeyPath, texts: &[String]) -> Vec<HeaderName> {
        if texts.len() > HEADERS_MAX {
            let message = format!(
                "{} headers are too many; the most is {HEADERS_MAX}",
                texts.len()
            );
            self.fail(path, message);
            return Vec::new();
        }
        self.header_names(path, texts)
    }

    fn ttl_order(&mut self, cache: &model::Cache) {
        let (default, max) = (
            KeyPath::of("cache.default_ttl"),
            KeyPath::of("cache.max_ttl"),
        );
        if cache.default_ttl > cache.max_ttl
            && !cache.max_ttl.0.is_zero()
            && self.document.is_sound(&max)
        {
            let (ttl, max_ttl) = (cache.default_ttl, cache.max_ttl);
            // The blame goes to the key that was written.
            let path = if self.is_set(&default) { default } else { max };
            self.fail(
                &path,
                format!("default_ttl {ttl} is longer than max_ttl {max_ttl}"),
            );
        }
    }

    fn object_fits(&mut self, object: Size, memory: Size) {
        if object > memory {
            let path = ["cache.max_object_size", "cache.memory.size"].map(KeyPath::of);
            let path = if self.is_set(&path[0]) {
                &path[0]
            } else {
                &path[1]
            };
            let message = format!(
                "max_object_size {object} is larger than memory.size {memory}, so objects near it cannot be kept"
            );
            self.warn(path, message);
        }
    }

    fn invalidation(&mut self, section: &model::Invalidation) -> cache::invalidate::Settings {
        let on = |what| section.on_unsafe.contains(&what);
        if !on(model::OnUnsafe::Target) {
            self.warn(
                &KeyPath::of("cache.invalidation.on_unsafe"),
                "without `target` a page that was just changed is given as it was before, until it expires",
            );
        }
        cache::invalidate::Settings {
            target: on(model::OnUnsafe::Target),
            location: on(model::OnUnsafe::Location),
            content_location: on(model::OnUnsafe::ContentLocation),
            cache_groups: section.cache_groups.0,
        }
    }

    fn key(&mut self, key: &model::Key) -> cache::key::QueryRule {
        if !key.host.0 {
            self.warn(
                &KeyPath::of("cache.key.host"),
                "who asks for one host gets what was stored for another, also where the app answers them differently",
            );
        }
        let query = &key.query;
        let (ignore, only) = ("cache.key.query.ignore", "cache.key.query.only");
        if query.only.is_some() && self.is_set(&KeyPath::of(ignore)) {
            self.fail(
                &KeyPath::of(only),
                "cannot be set together with `ignore`; keep one of them",
            );
        }
        cache::key::QueryRule {
            sort: query.sort.0,
            only: query.only.as_ref().map(|names| self.patterns(only, names)),
            // `only` says all there is to say.
            ignore: match query.only {
                Some(_) => Vec::new(),
                None => self.patterns(ignore, &query.ignore),
            },
            any_host: !key.host.0,
        }
    }

    fn patterns(&mut self, path: &str, names: &[String]) -> Vec<cache::key::Pattern> {
        let mut patterns = Vec::with_capacity(names.len());
        for (nth, name) in names.iter().enumerate() {
            match cache::key::Pattern::parse(name) {
                Ok(pattern) => patterns.push(pattern),
                Err(message) => {
                    let path = self.element(&KeyPath::of(path), nth);
                    let name = brief(name);
                    self.fail(&path, format!("`{name}` is not a parameter: {message}"));
                }
            }
        }
        patterns
    }
}

/// `404` or `5xx`; the error may end in "; " and a hint.
fn status_rule(text: &str) -> Result<StatusRule, String> {
    let shown = brief(text);
    if let Some(class) = text.strip_suffix("xx") {
        return match class.as_bytes() {
            [digit @ b'2'..=b'5'] => Ok(StatusRule::Class(digit - b'0')),
            _ => Err(format!(
                "`{shown}` is no class of answers; the classes are 2xx to 5xx"
            )),
        };
    }
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    match StatusCode::from_bytes(text.as_bytes()) {
        Ok(code) if digits && policy::is_understood(code) => Ok(StatusRule::Code(code)),
        Ok(_) if digits => Err(format!("answers with status {shown} are never stored")),
        _ => Err(format!(
            "`{shown}` is not a status; write for example 404 or 5xx"
        )),
    }
}

//! `GET /v1/objects` and `GET /v1/objects/{key}`: what is stored, for people who look.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{ACCEPT, ACCEPT_LANGUAGE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::{Admin, order, refuse};
use crate::cache::ban::{Ban, Place};
use crate::cache::entry::Entry;
use crate::cache::key::Key;
use crate::cache::object::Object;
use crate::cache::tags::Purge;
use crate::cache::vary::Selected;
use crate::proxy::Shared;
use crate::store::memory::Walk;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// Looking ends after this long, wherever it is.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Objects looked at without letting others go on.
const PIECE_OBJECTS: usize = 256;
/// So many tags of a response are listed; asked for alone, it tells them all.
const TAGS_LISTED: usize = 20;
/// Request fields whose values are no secrets and tell nobody apart.
const HARMLESS: [HeaderName; 2] = [ACCEPT, ACCEPT_LANGUAGE];
/// No more of their values than this is repeated.
const VALUE_CHARS_MAX: usize = 200;

const MOMENT: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What is to be listed; the conditions add up.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wish {
    tag: Option<String>,
    prefix: Option<String>,
    host: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct List {
    /// In the order of their URLs.
    objects: Vec<Listed>,
    /// There are others, or not everything was looked at.
    more: bool,
}

/// What is stored for one URL.
#[derive(Debug, Serialize)]
struct Listed {
    /// The hash of the key: the same as long as the URL is.
    id: String,
    url: String,
    variants: Vec<Variant>,
}

/// One stored response.
#[derive(Debug, Serialize)]
struct Variant {
    /// The request fields that it is for.
    selecting: Vec<Field>,
    status: u16,
    /// Of the body without a coding.
    size_bytes: usize,
    /// The codings in which the body is stored too, and their bytes.
    codings: BTreeMap<&'static str, usize>,
    stored_at: Option<String>,
    age_seconds: u64,
    ttl_seconds: u64,
    state: &'static str,
    tags: Vec<String>,
    /// How many it has, where not all are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags_total: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Field {
    name: String,
    /// `#` and a hash where it may be a secret; `None`: the request did not have the field.
    value: Option<String>,
}

/// Lists what is stored, up to a limit.
pub(super) async fn list(
    State(admin): State<Admin>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Response {
    let wish = match wish {
        Ok(Query(wish)) => wish,
        Err(e) => return refuse(StatusCode::BAD_REQUEST, &e.body_text()),
    };
    let any_host = admin.shared.live.full().cache.query.any_host;
    match wish.read(any_host) {
        Ok((within, limit)) => Json(find(&admin, &wish, &within, limit).await).into_response(),
        Err(why) => refuse(StatusCode::BAD_REQUEST, &why),
    }
}

/// Tells everything about one object, named by its id or its URL.
pub(super) async fn one(State(admin): State<Admin>, Path(name): Path<String>) -> Response {
    let object = match id(&name) {
        Some(id) => match by_id(&admin, id).await {
            Ok(found) => found,
            Err(()) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "too many to find it"),
        },
        None => match order::key(&name, None, &admin.shared.live.full().cache.query) {
            Ok(key) => by_key(&admin.shared, key),
            Err(why) => {
                let why = format!("`{name}` is neither an id nor a URL: it {why}");
                return refuse(StatusCode::BAD_REQUEST, &why);
            }
        },
    };
    match object {
        Some((key, object)) => {
            Json(admin.describe(&key, object.variants().iter(), usize::MAX)).into_response()
        }
        None => refuse(StatusCode::NOT_FOUND, "nothing is stored under this key"),
    }
}

/// What is stored for the URL, alone or together with others that have the same answer.
fn by_key(shared: &Shared, exact: Key) -> Option<(Key, Arc<Object>)> {
    let keys = [shared.variances.key(exact.clone()), exact];
    let found = keys.map(|key| shared.memory.get(&key).map(|object| (key, object)));
    found.into_iter().flatten().next()
}

impl Wish {
    /// The place to look at, and how many to list. `any_host`: hosts make no difference to the key.
    fn read(&self, any_host: bool) -> Result<(Ban, usize), String> {
        let limit = match self.limit.unwrap_or(LIMIT) {
            limit @ 1..=LIMIT_MAX => limit,
            _ => return Err(format!("`limit`: write a number from 1 to {LIMIT_MAX}")),
        };
        let host = self.host.as_deref().map(order::host).transpose()?;
        // A ban says the same: everything of a host that begins like this.
        let within = match &self.prefix {
            Some(prefix) => {
                order::prefix(prefix, host.as_deref()).map_err(|why| format!("`prefix`: {why}"))?
            }
            None => Ban::prefix(host.as_deref(), ""),
        };
        match any_host {
            true => Ok((within.of_any_host(), limit)),
            false => Ok((within, limit)),
        }
    }

    fn wants(&self, entry: &Entry) -> bool {
        match &self.tag {
            Some(tag) => entry.tags.iter().any(|t| **t == *tag.trim()),
            None => true,
        }
    }
}

async fn find(admin: &Admin, wish: &Wish, within: &Ban, limit: usize) -> List {
    let contents = admin.shared.memory.contents();
    let mut look = Look::new(contents.walk());
    let (mut objects, mut more) = (Vec::new(), false);
    while let Some((key, object)) = look.next().await {
        let variants = object.variants().iter().filter(|entry| wish.wants(entry));
        if !within.hits(&Place::of(&key)) || variants.clone().next().is_none() {
            continue;
        }
        if objects.len() == limit {
            more = true;
            break;
        }
        objects.push(admin.describe(&key, variants, TAGS_LISTED));
    }
    more |= look.out_of_time;
    objects.sort_unstable_by(|a, b| a.url.cmp(&b.url));
    List { objects, more }
}

/// `Err`: there was no time to look at everything.
async fn by_id(admin: &Admin, id: u128) -> Result<Option<(Key, Arc<Object>)>, ()> {
    let contents = admin.shared.memory.contents();
    let mut look = Look::new(contents.walk());
    while let Some((key, object)) = look.next().await {
        if key.hash() == id {
            return Ok(Some((key, object)));
        }
    }
    match look.out_of_time {
        true => Err(()),
        false => Ok(None),
    }
}

/// A look at what is stored that ends in time and lets others go on.
struct Look<'c> {
    walk: Walk<'c>,
    ends: Instant,
    piece: usize,
    out_of_time: bool,
}

impl<'c> Look<'c> {
    fn new(walk: Walk<'c>) -> Self {
        Self {
            walk,
            ends: Instant::now() + LOOK_MAX,
            piece: 0,
            out_of_time: false,
        }
    }

    async fn next(&mut self) -> Option<(Key, Arc<Object>)> {
        self.piece += 1;
        if self.piece == PIECE_OBJECTS {
            self.piece = 0;
            tokio::task::yield_now().await;
            self.out_of_time = Instant::now() >= self.ends;
        }
        match self.out_of_time {
            true => None,
            false => self.walk.next(),
        }
    }
}

impl Admin {
    fn describe<'e>(
        &self,
        key: &Key,
        variants: impl Iterator<Item = &'e Arc<Entry>>,
        tags_max: usize,
    ) -> Listed {
        let now = SystemTime::now();
        let variants = variants.map(|entry| self.variant(key, entry, now, tags_max));
        Listed {
            id: format!("{:032x}", key.hash()),
            url: key.display(),
            variants: variants.collect(),
        }
    }

    fn variant(&self, key: &Key, entry: &Entry, now: SystemTime, tags_max: usize) -> Variant {
        let purge = self.shared.generations.judge(key, entry);
        let ttl = match entry.freshness.no_cache {
            true => Duration::ZERO,
            false => entry.remaining(now),
        };
        let coded = [("br", &entry.coded.br), ("gzip", &entry.coded.gzip)];
        let bytes = |(coding, body): (_, &Option<axum::body::Bytes>)| {
            body.as_ref().map(|body| (coding, body.len()))
        };
        let told = entry.tags.iter().take(tags_max);
        Variant {
            selecting: entry.selecting.iter().map(|f| self.field(f)).collect(),
            status: entry.status.as_u16(),
            size_bytes: entry.body.len(),
            codings: coded.into_iter().filter_map(bytes).collect(),
            stored_at: OffsetDateTime::from(entry.stored_at).format(MOMENT).ok(),
            age_seconds: entry.age(now).as_secs(),
            ttl_seconds: ttl.as_secs(),
            state: match purge {
                Purge::Invalid => "invalid",
                Purge::Soft => "soft_purged",
                Purge::No if ttl.is_zero() => "stale",
                Purge::No => "fresh",
            },
            tags: told.map(ToString::to_string).collect(),
            tags_total: Some(entry.tags.len()).filter(|total| *total > tags_max),
        }
    }

    /// A value that may be a secret is told by a hash that means nothing outside of this process: it
    /// shows which variants are for the same value.
    fn field(&self, field: &Selected) -> Field {
        let value = field.value.as_ref().map(|value| {
            if HARMLESS.contains(&field.name) {
                let text = String::from_utf8_lossy(value);
                return text.chars().take(VALUE_CHARS_MAX).collect();
            }
            format!("#{:08x}", self.veil.hash_one(value) >> 32)
        });
        Field {
            name: field.name.to_string(),
            value,
        }
    }
}

/// An id as [`Listed::id`] writes it.
fn id(name: &str) -> Option<u128> {
    let is_id = name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| u128::from_str_radix(name, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::testing::key;

    #[test]
    fn ids_are_the_hash_of_the_key() {
        let key = key("/");
        let written = format!("{:032x}", key.hash());
        assert_eq!(id(&written), Some(key.hash()));
        for name in [
            "",
            "http://a/",
            "0",
            &written[1..],
            &format!("+{}", &written[1..]),
        ] {
            assert_eq!(id(name), None, "{name}");
        }
    }

    #[test]
    fn what_can_be_wished_for() {
        let wish = |prefix: &str, limit| Wish {
            prefix: Some(prefix.to_owned()),
            limit,
            ..Wish::default()
        };
        let (within, limit) = wish("/a", None).read(false).expect("a path");
        assert_eq!((within.hits(&Place::of(&key("/ab"))), limit), (true, LIMIT));
        let (within, limit) = Wish::default().read(false).expect("everything");
        assert!(within.hits(&Place::of(&key("/"))) && limit == LIMIT);
        for (wish, expected) in [
            (wish("a", None), "`prefix`"),
            (wish("/a", Some(0)), "`limit`"),
            (wish("/a", Some(LIMIT_MAX + 1)), "`limit`"),
            (
                Wish {
                    host: Some("a/b".to_owned()),
                    ..Wish::default()
                },
                "`host`",
            ),
        ] {
            let why = wish.read(false).expect_err(expected);
            assert!(why.contains(expected), "{why}");
        }
    }
}

//! What a hit costs before a byte of it is written: the decisions, the key, the lookup. All of it is
//! pure or in memory, and together it is to take no more than a microsecond.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use vestibule::cache::entry::{Entry, Fetched};
use vestibule::cache::freshness::{self, Freshness};
use vestibule::cache::key::{Key, Pattern, QueryRule};
use vestibule::cache::policy::{self, Request, Response};
use vestibule::cache::reuse::{Reuse, Terms, reuse};
use vestibule::cache::tags::{Mode, Target};
use vestibule::cache::{Rule, Safety, Settings, Stale, invalidate, tags, vary};
use vestibule::headers::cache_control::CacheControl;
use vestibule::store::generations::Generations;
use vestibule::store::memory::MemoryTier;

/// What a browser sends for an image on a page.
const ASKS: &[(&str, &str)] = &[
    ("host", "www.example.org"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "accept",
        "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    ),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.example.org/articles/7"),
    ("connection", "keep-alive"),
    ("sec-fetch-dest", "image"),
    ("sec-fetch-mode", "no-cors"),
    ("sec-fetch-site", "same-origin"),
    ("priority", "u=5, i"),
];

/// What an app answers.
const ANSWERS: &[(&str, &str)] = &[
    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("content-type", "image/svg+xml"),
    ("content-length", "1024"),
    (
        "cache-control",
        "public, max-age=3600, stale-while-revalidate=60",
    ),
    ("etag", "\"33a64df551425fcc55e4d42a148795d9\""),
    ("last-modified", "Fri, 04 Nov 1994 08:49:37 GMT"),
    ("vary", "Accept-Encoding"),
    ("cache-tag", "image, article:7, site"),
];

const PATH: &str = "/assets/images/articles/7/figure-2.svg";
const QUERY: &str = "width=640&utm_source=newsletter&format=auto";
/// Stored objects among which one is found.
const OBJECTS: usize = 10_000;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a field name");
        (name, HeaderValue::from_str(value).expect("a field value"))
    });
    fields.collect()
}

/// The time at which the answers above came.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// As `conf/full.yaml` has it.
fn settings() -> Settings {
    let ignore = ["utm_*", "fbclid", "gclid", "msclkid"];
    let ignore = ignore.map(|name| Pattern::parse(name).expect("a pattern"));
    Settings {
        enabled: true,
        default_ttl: Duration::ZERO,
        max_ttl: Duration::from_secs(30 * 86_400),
        status_ttl: Vec::new(),
        stale: Stale::default(),
        heuristic: None,
        ttl_jitter: 0.0,
        collapse_wait: Duration::from_secs(5),
        refresh_ahead: None,
        control_headers: vec![
            HeaderName::from_static("vestibule-cache-control"),
            HeaderName::from_static("surrogate-control"),
        ],
        tags: tags::Settings::default(),
        safety: Safety::default(),
        vary: vary::Settings::default(),
        no_vary_search: false,
        invalidation: invalidate::Settings::default(),
        object_bytes_max: 8 << 20,
        memory_bytes: 128 << 20,
        query: QueryRule {
            sort: true,
            only: None,
            ignore: ignore.into(),
            any_host: false,
        },
    }
}

fn rule() -> Rule {
    Rule {
        enabled: true,
        ..Rule::default()
    }
}

fn request(headers: &HeaderMap) -> Request<'_> {
    Request {
        method: &Method::GET,
        headers,
        has_body: false,
        scheme: "http",
        host: "www.example.org",
    }
}

fn response(headers: &HeaderMap) -> Response<'_> {
    Response {
        status: StatusCode::OK,
        headers,
        framed: true,
        any_coding: false,
    }
}

fn key(path: &str, settings: &Settings) -> Key {
    let query = Some(black_box(QUERY));
    Key::new(
        "http",
        "www.example.org",
        black_box(path),
        query,
        &settings.query,
    )
}

fn entry(key: &Key, headers: &HeaderMap, freshness: Freshness) -> Entry {
    let fetched = Fetched {
        status: StatusCode::OK,
        headers,
        body: Bytes::from(vec![b'.'; 1024]),
        freshness,
        received_at: now(),
        sequence: 0,
        tags: tags::from_headers(headers).expect("few tags"),
        selecting: Box::default(),
    };
    Entry::new(key, fetched)
}

fn miss(c: &mut Criterion) {
    let (asks, answers) = (headers(ASKS), headers(ANSWERS));
    let (settings, rule) = (settings(), rule());
    let mut group = c.benchmark_group("policy");
    group.bench_function("lookup", |b| {
        b.iter(|| policy::lookup(black_box(&request(&asks)), &settings, &rule));
    });
    group.bench_function("storable", |b| {
        b.iter(|| {
            let (request, response) = (request(&asks), response(&answers));
            let delay = Duration::from_millis(3);
            policy::storable(
                black_box(&request),
                black_box(&response),
                &settings,
                &rule,
                now(),
                delay,
            )
        });
    });
    group.finish();
    c.bench_function("freshness", |b| {
        b.iter(|| {
            let answers = black_box(&answers);
            let said = CacheControl::from_headers(answers);
            let lifetime = freshness::lifetime(&said, answers, now());
            (
                lifetime,
                freshness::initial_age(answers, now(), Duration::ZERO),
            )
        });
    });
    c.bench_function("key", |b| b.iter(|| key(PATH, &settings)));
    c.bench_function("tags", |b| {
        b.iter(|| {
            tags::slots_for(
                &key(PATH, &settings),
                &tags::from_headers(&answers).expect("few tags"),
            )
        });
    });
}

fn hit(c: &mut Criterion) {
    let (asks, answers) = (headers(ASKS), headers(ANSWERS));
    let (settings, rule) = (settings(), rule());
    let (memory, generations) = (MemoryTier::new(settings.memory_bytes), Generations::new());
    let fresh = policy::storable(
        &request(&asks),
        &response(&answers),
        &settings,
        &rule,
        now(),
        Duration::ZERO,
    );
    let fresh = fresh.expect("the answer can be stored");
    for n in 0..OBJECTS {
        let key = key(&format!("/assets/{n}"), &settings);
        memory.insert(key.clone(), Arc::new(entry(&key, &answers, fresh)));
    }
    let stored = key(PATH, &settings);
    memory.insert(stored.clone(), Arc::new(entry(&stored, &answers, fresh)));
    // Something else was purged, so that the slots are looked at.
    generations.order(
        &[Target::Host("other.example.org".into())],
        Mode::Invalidate,
    );

    let decide = |entry: &Entry| {
        let purge = generations.judge(&stored, entry);
        let terms = Terms::of(&settings, &rule, entry, purge);
        reuse(
            entry,
            &request(&asks),
            &terms,
            now() + Duration::from_secs(10),
        )
    };
    let object = memory.get(&stored).expect("it is stored");
    let found = object.select(&request(&asks)).expect("it does not vary");
    assert!(matches!(decide(found), Reuse::Serve { .. }));

    let mut group = c.benchmark_group("hit");
    group.throughput(Throughput::Elements(1));
    group.bench_function("memory get", |b| b.iter(|| memory.get(black_box(&stored))));
    group.bench_function("reuse", |b| b.iter(|| decide(black_box(found))));
    group.bench_function("all that is pure", |b| {
        b.iter(|| {
            policy::lookup(black_box(&request(&asks)), &settings, &rule).expect("allowed");
            let object = memory.get(&key(PATH, &settings)).expect("it is stored");
            decide(object.select(&request(&asks)).expect("it does not vary"))
        });
    });
    group.finish();
}

criterion_group!(benches, miss, hit);
criterion_main!(benches);

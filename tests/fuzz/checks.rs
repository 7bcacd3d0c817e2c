//! What holds for every field that anybody can send: nothing panics, and doubt never opens anything.
//! Each check reads its input as lines, one field value each. Used by the fuzz targets and by
//! `tests/corpus.rs`.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, ETAG, FORWARDED, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::net::{IpAddr, Ipv4Addr};
use std::time::UNIX_EPOCH;
use vestibule::cache::conditional::{Precondition, evaluate, validators};
use vestibule::cache::entry::{Entry, Fetched};
use vestibule::cache::freshness::Freshness;
use vestibule::cache::key::{Key, QueryRule};
use vestibule::cache::policy::Request;
use vestibule::cache::range::{PARTS_MAX, RangeAnswer, multipart, satisfy};
use vestibule::cache::search::{NO_VARY_SEARCH, Variance};
use vestibule::cache::tags::{self, SLOTS, Target, slots_for};
use vestibule::compress::negotiate::{Coding, negotiate};
use vestibule::headers::cache_control::{CacheControl, Delta, SECONDS_MAX};
use vestibule::headers::client_ip::Settings;

/// Panics on an input for which something does not hold.
pub type Check = fn(&[u8]);

/// Every target with its name, which is also that of its folder in the corpus.
pub const ALL: [(&str, Check); 7] = [
    ("cache_control", cache_control),
    ("client_ip", client_ip),
    ("accept_encoding", accept_encoding),
    ("tags", tags),
    ("range", range),
    ("preconditions", preconditions),
    ("search", search),
];

/// The lines that are field values at all.
fn values(data: &[u8]) -> impl Iterator<Item = HeaderValue> {
    let lines = data.split(|byte| *byte == b'\n');
    lines.filter_map(|line| HeaderValue::from_bytes(line).ok())
}

fn fields(name: &HeaderName, values: impl Iterator<Item = HeaderValue>) -> HeaderMap {
    values.map(|value| (name.clone(), value)).collect()
}

/// All lines of a field as the one line that they are equal to (RFC 9110 §5.3).
fn joined(name: &HeaderName, headers: &HeaderMap) -> HeaderMap {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let line = HeaderValue::from_bytes(&lines.join(&b", "[..]));
    fields(name, line.into_iter())
}

/// RFC 9111 §5.2.
pub fn cache_control(data: &[u8]) {
    let headers = fields(&CACHE_CONTROL, values(data));
    let read = CacheControl::from_headers(&headers);
    for delta in [
        read.max_age,
        read.s_maxage,
        read.min_fresh,
        read.stale_while_revalidate,
        read.stale_if_error,
    ] {
        if let Delta::Seconds(seconds) = delta {
            assert!(seconds <= SECONDS_MAX);
        }
    }

    // What a naive reader finds is found, whatever stands around it.
    let text = data.to_ascii_lowercase();
    if !text.contains(&b'"') {
        let says = |directive: &[u8]| {
            let mut members = headers.get_all(CACHE_CONTROL).iter().flat_map(|line| {
                let line = line.as_bytes().to_ascii_lowercase();
                let members: Vec<_> = line.split(|b| *b == b',').map(<[u8]>::to_vec).collect();
                members
            });
            members.any(|member| member.trim_ascii() == directive)
        };
        assert!(!says(b"no-store") || read.no_store);
        assert!(!says(b"private") || read.private.is_some());
        assert!(!says(b"no-cache") || read.no_cache.is_some());
        assert!(!says(b"must-revalidate") || read.must_revalidate);
    }

    // Where nothing is malformed, several lines are one list.
    if !read.malformed && read.present {
        let mut one = CacheControl::from_headers(&joined(&CACHE_CONTROL, &headers));
        one.present = true;
        assert_eq!(one, read);
    }

    // Said twice is said once, except that whatever is invalid stays so.
    let twice = values(data).chain(values(data));
    let twice = CacheControl::from_headers(&fields(&CACHE_CONTROL, twice));
    assert_eq!(twice.max_age, read.max_age);
    assert_eq!(twice.s_maxage, read.s_maxage);
    assert_eq!(twice.no_store, read.no_store);
    assert_eq!(twice.private.is_some(), read.private.is_some());
    assert_eq!(twice.malformed, read.malformed);
}

/// RFC 7239 and `X-Forwarded-For`.
pub fn client_ip(data: &[u8]) {
    for header in [HeaderName::from_static("x-forwarded-for"), FORWARDED] {
        let settings = Settings {
            trusted: ["10.0.0.0/8", "::ffff:192.168.0.0/112", "fd00::/8"]
                .map(|net| net.parse().expect("a network"))
                .to_vec(),
            header: header.clone(),
            ipv6_prefix: 64,
        };
        let headers = fields(&header, values(data));

        // A stranger cannot speak for anybody.
        let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
        assert_eq!(settings.client(stranger, &headers), stranger);

        let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        let client = settings.client(peer, &headers);
        assert_eq!(client, client.to_canonical());
        let bucket = settings.bucket(client);
        assert_eq!(settings.bucket(bucket), bucket);

        // What a client puts in front of what proxies vouch for changes nothing.
        if !settings.is_trusted(client) {
            for lie in ["198.51.100.7", "for=198.51.100.7", "\"", "for=\"[::1", "\\"] {
                let lie = HeaderValue::from_static(lie);
                let lying = fields(&header, std::iter::once(lie).chain(values(data)));
                assert_eq!(settings.client(peer, &lying), client);
            }
        }
    }
}

/// RFC 9110 §12.5.3.
pub fn accept_encoding(data: &[u8]) {
    let headers = fields(&ACCEPT_ENCODING, values(data));
    let both = [Coding::Brotli, Coding::Gzip];
    assert_eq!(negotiate(&headers, &[]), None);
    let best = negotiate(&headers, &both);
    if let Some(coding) = best {
        let text = data.to_ascii_lowercase();
        let token = coding.token().as_bytes();
        let named = text.windows(token.len()).any(|window| window == token);
        assert!(named || text.contains(&b'*'), "nobody asked for {coding:?}");
        assert_eq!(negotiate(&headers, &[coding]), best);
    }
    let line = joined(&ACCEPT_ENCODING, &headers);
    assert_eq!(negotiate(&line, &both), best, "several lines are one list");
    let twice = fields(&ACCEPT_ENCODING, values(data).chain(values(data)));
    assert_eq!(negotiate(&twice, &both), best, "said twice is said once");
}

/// `Cache-Tag` for the first half of the lines, `Surrogate-Key` for the rest.
pub fn tags(data: &[u8]) {
    let all: Vec<_> = values(data).collect();
    let (tags, keys) = all.split_at(all.len() / 2);
    let mut headers = fields(&HeaderName::from_static("cache-tag"), tags.iter().cloned());
    headers.extend(fields(
        &HeaderName::from_static("surrogate-key"),
        keys.iter().cloned(),
    ));
    let Ok(tags) = tags::from_headers(&headers) else {
        return;
    };
    let bounds = tags::Settings::default();
    assert!(tags.len() <= bounds.count_max);
    assert!(tags.iter().map(|tag| tag.len()).sum::<usize>() <= bounds.bytes_max);
    assert!(
        tags.iter()
            .all(|tag| !tag.is_empty() && tag.trim_ascii() == &**tag)
    );
    let mut sorted = tags.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), tags.len(), "each tag once");

    let key = Key::new("http", "example.org", "/", None, &QueryRule::default());
    let slots = slots_for(&key, &tags);
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(slots.iter().all(|slot| slot.index() < SLOTS));
    for tag in &tags {
        for host in [None, Some("example.org".to_owned())] {
            let tag = tag.to_string();
            let purged = Target::Tag { host, tag }.slot();
            assert!(slots.contains(&purged), "a tag that no purge finds");
        }
    }
}

/// A stored body of ten bytes with this head.
fn entry(headers: &HeaderMap) -> Entry {
    let key = Key::new("http", "example.org", "/", None, &QueryRule::default());
    let fetched = Fetched {
        status: StatusCode::OK,
        headers,
        body: Bytes::from_static(b"0123456789"),
        freshness: Freshness::default(),
        received_at: UNIX_EPOCH,
        sequence: 0,
        tags: Vec::new(),
        selecting: Box::default(),
    };
    Entry::new(&key, fetched)
}

fn get(headers: &HeaderMap) -> Request<'_> {
    Request {
        method: &Method::GET,
        headers,
        has_body: false,
        scheme: "http",
        host: "example.org",
    }
}

/// RFC 9110 §14.
pub fn range(data: &[u8]) {
    let entry = entry(&HeaderMap::new());
    let headers = fields(&RANGE, values(data));
    let parts = match satisfy(&entry, &get(&headers)) {
        RangeAnswer::Whole | RangeAnswer::Unsatisfiable => return,
        RangeAnswer::Part(part) => vec![part],
        RangeAnswer::Parts(parts) => parts,
    };
    assert!(parts.len() <= PARTS_MAX);
    for part in &parts {
        assert!(part.start < part.end && part.end <= entry.body.len());
    }
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    assert!(sorted.windows(2).all(|two| two[0].end < two[1].start));
    let whole = multipart(&entry.body, &parts, None, "boundary");
    assert!(whole.length() <= (entry.body.len() + 100) * parts.len() + 100);
}

/// RFC 9110 §13: the first half of the lines are what the app said, the rest is the client's.
pub fn preconditions(data: &[u8]) {
    let all: Vec<_> = values(data).collect();
    let (app, client) = all.split_at(all.len() / 2);
    let mut head = fields(&ETAG, app.iter().take(1).cloned());
    head.extend(fields(&LAST_MODIFIED, app.iter().skip(1).take(1).cloned()));
    let entry = entry(&head);
    for (name, value) in validators(&entry) {
        // What the app said is asked for again, byte by byte, and is what a client has.
        assert!(head.values().any(|said| *said == value));
        let has = fields(&name, std::iter::once(value));
        assert_eq!(evaluate(&entry, &get(&has)), Precondition::NotModified);
    }
    for name in [IF_NONE_MATCH, IF_MATCH, IF_MODIFIED_SINCE] {
        let headers = fields(&name, client.iter().cloned());
        let found = evaluate(&entry, &get(&headers));
        if name != IF_MATCH {
            assert_ne!(found, Precondition::Failed, "a GET without If-Match");
        }
        if name == IF_NONE_MATCH && found == Precondition::NotModified {
            let named = client.iter().any(|line| line.as_bytes().contains(&b'"'));
            assert!(named || client[0].as_bytes().trim_ascii() == b"*");
        }
    }
}

/// `No-Vary-Search`: the first line is the app's, the others are queries.
pub fn search(data: &[u8]) {
    let mut lines = values(data);
    let headers = fields(&NO_VARY_SEARCH, lines.by_ref().take(1));
    let Some(variance) = Variance::of(&headers) else {
        return;
    };
    for query in lines.filter_map(|line| line.to_str().map(str::to_owned).ok()) {
        let left = variance.normalise(Some(&query));
        assert!(left.len() <= query.len());
        assert_eq!(variance.normalise(Some(&left)), left);
    }
}

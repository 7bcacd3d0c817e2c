use serde_json::{Value, json};

use super::*;

fn term(sign: &str, name: &str, seconds: f64, how: &str, rfc: &str) -> Value {
    json!({"sign": sign, "name": name, "seconds": seconds, "how": how, "rfc": rfc})
}

fn window(name: &str, seconds: f64, how: &str, rfc: Option<&str>) -> Value {
    json!({"name": name, "seconds": seconds, "how": how, "rfc": rfc})
}

/// A hit with everything that a hit can have.
fn hit() -> Value {
    json!({
        "request": {
            "method": "GET",
            "url": "http://Shop.test/articles/7?b=2&a=1&utm_source=mail",
            "headers": ["host", "accept-language"],
        },
        "verdict": {
            "outcome": "hit",
            "text": "hit, fresh for 37 s more",
            "cache_status": "vestibule; hit; ttl=37",
        },
        "route": {
            "name": "article", "position": 1, "routes": 2, "matches": ["path /articles/{id}"],
            "cache": true, "ttl_seconds": 60.0, "request_cookies": "bypass", "vary": ["Accept-Language"],
            "tags": ["article:7"],
        },
        "key": {
            "scheme": "http", "host": "shop.test", "host_sent": "Shop.test", "path": "/articles/7",
            "query": "a=1&b=2", "query_sent": "b=2&a=1&utm_source=mail", "shared_query": false,
            "parts": [], "hash": "c0cdb75233127f3eef116741e9e3ecf1",
        },
        "lookup": {
            "found": "entry",
            "varies_by": ["Accept-Language"],
            "variants": [
                {"matches": true, "age_seconds": 23.3, "selected_by": [
                    {"field": "Accept-Language", "stored": "de", "given": "de", "agree": true},
                ]},
                {"matches": false, "age_seconds": 40.0, "selected_by": [
                    {"field": "Accept-Language", "stored": null, "given": "de", "agree": false},
                ]},
            ],
            "entry": {
                "status": 200, "body_bytes": 5120, "stored_at": "Sat, 21 Nov 2026 11:17:00 GMT",
                "hits": 3, "tags": ["article:7"], "purged": "no", "validators": ["ETag"],
                "head": [{"name": "Cache-Control", "value": "max-age=60"}],
                "freshness": {
                    "terms": [
                        term("", "apparent_age", 0.0, "from Date to its arrival", "RFC 9111 §4.2.3"),
                        term("+", "resident_time", 22.415, "since it arrived", "RFC 9111 §4.2.3"),
                        term("", "lifetime", 60.0, "max-age in Surrogate-Control", "RFC 9213 §2.2"),
                        term("=", "ttl", 37.2, "fresh for so long", "RFC 9111 §4.2"),
                    ],
                    "ttl_seconds": 37.2,
                    "stale": [
                        window("while_revalidate", 0.0, "cache.stale.while_revalidate", None),
                        window("if_error", 600.0, "stale-if-error=600", Some("RFC 5861 §4")),
                    ],
                },
            },
            "fetching": false,
            "passing": null,
        },
        "app": {
            "asked": false, "why_not": "what is stored is the answer", "status": null,
            "delay_seconds": null, "failure": null, "failure_text": null, "head": [], "tags": [],
            "freshness": null,
        },
        "denials": [],
    })
}

const HIT: &str = "\
GET http://Shop.test/articles/7?b=2&a=1&utm_source=mail
            headers: accept-language

  hit, fresh for 37 s more
  Cache-Status: vestibule; hit; ttl=37

Route       article (1 of 2): path /articles/{id}
            cache: on, ttl: 60 s, request_cookies: bypass, vary: Accept-Language, tags: article:7
Key         http://shop.test/articles/7?a=1&b=2
            query as sent: b=2&a=1&utm_source=mail
            host as sent: Shop.test
            hash c0cdb75233127f3eef116741e9e3ecf1

Stored      200, 5120 bytes, arrived Sat, 21 Nov 2026 11:17:00 GMT, given 3 times
            one of 2 variants, for Accept-Language: de; 23 s old
            Cache-Control: max-age=60
            tags: article:7
Freshness   §: section of RFC 9111
              apparent age                  0 s  from Date to its arrival (§4.2.3)
            + resident time            22.415 s  since it arrived (§4.2.3)
              lifetime                     60 s  max-age in Surrogate-Control (RFC 9213 §2.2)
            = ttl                        37.2 s  fresh for so long (§4.2)
Stale          never  while one fetch renews it: cache.stale.while_revalidate
              10 min  if the app fails: stale-if-error=600 (RFC 5861 §4)

App         not asked: what is stored is the answer
";

/// A miss with two reasons, of which one comes twice.
fn miss() -> Value {
    let denial = |step: &str, reason: &str, text: &str, seen: Option<&str>| {
        json!({
            "step": step, "reason": reason, "kind": "not stored", "text": text, "seen": seen,
            "advice": "Mark the answer `public` if it is the same with and without the cookies. If \
                       the app cannot: `request_cookies: {allow: [lang]}` with those that matter.",
        })
    };
    let mut told = hit();
    told["verdict"] =
        json!({"outcome": "pass", "text": "would go to the app", "cache_status": null});
    told["denials"] = json!([
        denial("reuse", "REQUEST_COOKIE", "The request carries cookies.", Some("Cookie: a=…")),
        denial("store", "REQUEST_COOKIE", "The request carries cookies.", None),
        {
            "step": "store", "reason": "STATUS", "kind": "not stored", "text": "A text.",
            "seen": "status 429", "advice": null,
        },
    ]);
    told["lookup"] = json!({
        "found": "variants",
        "varies_by": ["Accept-Language", "X-Plan"],
        "variants": [{"matches": false, "age_seconds": 3.0, "selected_by": [
            {"field": "Accept-Language", "stored": null, "given": "de", "agree": false},
            {"field": "X-Plan", "stored": "…", "given": "…", "agree": true},
        ]}],
        "entry": null,
        "fetching": true,
        "passing": {"reason": "NO_STORE", "seconds": 6.2},
    });
    told["app"]["why_not"] = Value::Null;
    told["app"]["failure"] = json!("UPSTREAM_CONNECT");
    told["app"]["failure_text"] = json!("The app does not accept connections.");
    told
}

const MISS: &str = "
  would go to the app

Why not     what is stored is not given as it is:
              REQUEST_COOKIE  The request carries cookies.
                              seen: Cookie: a=…
                              help: Mark the answer `public` if it is the same with and without the
                                    cookies. If the app cannot: `request_cookies: {allow: [lang]}`
                                    with those that matter.
            what the app answers is not stored:
              REQUEST_COOKIE  The request carries cookies.
                              help: as above
              STATUS          A text.
                              seen: status 429
";

const MISS_STORED: &str = "
Stored      1 variant is stored, by Accept-Language, X-Plan, and none is for this request
            - Accept-Language: (absent) (this request: de), X-Plan: …; 3 s old
            being fetched at this moment
            requests for it go straight to the app for 6 s more (NO_STORE)

App         asked just now: UPSTREAM_CONNECT: The app does not accept connections.
";

fn told(json: Value) -> Explanation {
    serde_json::from_value(json).expect("an explanation")
}

#[test]
fn a_page_reads_from_the_verdict_to_the_details() {
    let hit = page(&told(hit()), false);
    assert_eq!(hit, HIT, "\n{hit}");
    let miss = page(&told(miss()), false);
    assert!(miss.contains(MISS), "\n{miss}");
    assert!(miss.ends_with(MISS_STORED), "\n{miss}");
}

#[test]
fn colours_change_nothing_but_colours() {
    for json in [hit(), miss()] {
        let plain = page(&told(json.clone()), false);
        let painted = page(&told(json), true);
        assert!(!plain.contains('\x1b') && painted.contains("\x1b[1;3"));
        let pieces = painted
            .split("\x1b[")
            .enumerate()
            .map(|(n, piece)| match n {
                0 => piece,
                _ => piece.split_once('m').expect("the end of a code").1,
            });
        assert_eq!(pieces.collect::<String>(), plain);
    }
}

#[test]
fn long_texts_are_wrapped() {
    let mut json = miss();
    let long = "word ".repeat(60);
    json["verdict"]["text"] = json!(long);
    json["denials"][0]["seen"] = json!(long);
    json["lookup"]["varies_by"] = json!([long]);
    let text = page(&told(json), false);
    for line in text.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
        assert_eq!(line, line.trim_end());
    }
    assert_eq!(wrapped("a `b c` d", 4), ["a", "`b c`", "d"]);
    assert_eq!(wrapped("", 4), [""]);
    assert_eq!(wrapped("a\u{9b}31m b\x1b", 9), ["a\u{fffd}31m b\u{fffd}"]);
    assert_eq!(number(-0.0001), "0");
    assert_eq!(number(1.5), "1.5");
}

//! The admin port as a program sees it: what it refuses and why, and the list of what is stored.

use crate::support::{Origin, PATIENCE, Reply, Request, Response, Sidecar, eventually};
use serde_json::{Value, json};

async fn order(sidecar: &Sidecar, body: impl Into<String>, content_type: Option<&str>) -> Response {
    let request = Request::post("/v1/purge", body.into());
    let request = match content_type {
        Some(value) => request.header("Content-Type", value),
        None => request,
    };
    sidecar.admin(&request).await
}

#[tokio::test]
async fn refused_orders_say_why_and_purge_nothing() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60")]).await;
    let sidecar = Sidecar::before(&origin).await;
    sidecar.get("/").await;
    let json = Some("application/json");
    let large = format!("{{\"tags\": [\"{}\"]}}", "x".repeat(1 << 20));
    let cases = [
        ("{\"all\": true}", None, 415, "application/json"),
        (
            "{\"all\": true}",
            Some("text/plain"),
            415,
            "application/json",
        ),
        ("", json, 400, "an object such as"),
        ("[[\"a\"]]", json, 400, "an object such as"),
        ("{\"all\": true", json, 400, "cannot be read"),
        ("{\"al\": true}", json, 400, "`al`: unknown field"),
        (
            "{\"tags\": [\"a\", 1]}",
            json,
            400,
            "`tags[1]`: invalid type",
        ),
        (
            "{\"all\": true, \"mode\": \"x\"}",
            json,
            400,
            "`mode`: unknown",
        ),
        (
            "{\"urls\": [\"/\"]}",
            json,
            400,
            "`urls[0]`: is not absolute",
        ),
        (
            "{\"globs\": [\"/\", \"x\"]}",
            json,
            400,
            "`globs[1]`: must begin",
        ),
        (&large, json, 413, "length limit"),
    ];
    for (body, content_type, status, expected) in cases {
        let told: String = body.chars().take(40).collect();
        let answer = order(&sidecar, body, content_type).await;
        assert_eq!(answer.status, status, "{told}: {}", answer.text());
        let why = answer.json()["error"].clone();
        let why = why.as_str().unwrap_or_default();
        assert!(why.contains(expected), "{told}: {why}");
    }
    assert!(sidecar.get("/").await.is_hit(), "nothing was purged");
    let purges = sidecar.metrics().await.value("vestibule_purges_total");
    assert_eq!(purges, 0.0);
}

#[tokio::test]
async fn a_purge_tells_what_it_hit() {
    let origin = Origin::start(|asked| {
        let reply = Reply::cacheable("x").header("Cache-Tag", "t");
        match asked.path() {
            "/varies" => reply.header("Vary", "Accept-Language"),
            _ => reply,
        }
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    for language in ["de", "en", "fr"] {
        let request = Request::get("/varies").header("Accept-Language", language);
        sidecar.ask(&request).await;
    }
    sidecar.get("/plain").await;
    let told = sidecar.purge(json!({"tags": ["t", "unknown"]})).await;
    assert_eq!(told["mode"], "invalidate");
    assert_eq!(told["targets"], 2);
    let hit = json!({"objects": 2, "responses": 4, "complete": true});
    assert_eq!(told["hit"], hit);
    assert!(told["took_seconds"].as_f64().unwrap() < 1.0, "{told}");
    sidecar.get("/plain").await;
    let told = sidecar.purge(json!({"prefixes": ["/plain"]})).await;
    assert_eq!(told["hit"]["responses"], 1);
}

async fn listed(sidecar: &Sidecar, query: &str) -> Value {
    let answer = sidecar
        .admin(&Request::get(&format!("/v1/objects{query}")))
        .await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()
}

fn urls(list: &Value) -> Vec<&str> {
    let objects = list["objects"].as_array().expect("a list");
    let urls = objects.iter().map(|object| object["url"].as_str());
    urls.map(|url| url.expect("a URL")).collect()
}

#[tokio::test]
async fn what_is_stored_is_listed() {
    let origin = Origin::start(|asked| match asked.path() {
        "/big" => Reply::cacheable("text ".repeat(1000))
            .header("Content-Type", "text/plain")
            .header("Cache-Tag", "big, all"),
        "/gone" => Reply::status(404)
            .header("Cache-Control", "max-age=10")
            .body("no"),
        _ => Reply::cacheable("small").header("Cache-Tag", "all"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    assert_eq!(
        listed(&sidecar, "").await,
        json!({"objects": [], "more": false})
    );
    let gzip = Request::get("/big").header("Accept-Encoding", "gzip");
    for request in [gzip, Request::get("/gone"), Request::get("/small?x=1")] {
        sidecar.ask(&request).await;
    }
    let other = Request::get("/small").header("Host", "other.test");
    sidecar.ask(&other).await;

    let all = listed(&sidecar, "").await;
    let expected = [
        "http://app.test/big",
        "http://app.test/gone",
        "http://app.test/small?x=1",
        "http://other.test/small",
    ];
    assert_eq!(urls(&all), expected);
    assert_eq!(all["more"], false);
    let cases: [(&str, &[usize]); 9] = [
        ("?tag=all", &[0, 2, 3]),
        ("?tag=big", &[0]),
        ("?tag=none", &[]),
        ("?host=other.test", &[3]),
        ("?prefix=/small", &[2, 3]),
        ("?prefix=/small&host=app.test", &[2]),
        ("?prefix=http://other.test/", &[3]),
        ("?prefix=%2Fsmall%3Fx&tag=all", &[2]),
        ("?limit=1000", &[0, 1, 2, 3]),
    ];
    for (query, found) in cases {
        let list = listed(&sidecar, query).await;
        let found: Vec<_> = found.iter().map(|n| expected[*n]).collect();
        assert_eq!(urls(&list), found, "{query}");
    }
    for limit in [1, 3] {
        let list = listed(&sidecar, &format!("?limit={limit}")).await;
        assert_eq!((urls(&list).len(), &list["more"]), (limit, &json!(true)));
    }
    let list = listed(&sidecar, "?limit=4").await;
    assert_eq!((urls(&list).len(), &list["more"]), (4, &json!(false)));

    let big = &all["objects"][0]["variants"][0];
    assert_eq!(
        (&big["status"], &big["size_bytes"]),
        (&json!(200), &json!(5000))
    );
    assert_eq!(big["tags"], json!(["big", "all"]));
    assert_eq!(
        (&big["state"], &big["selecting"]),
        (&json!("fresh"), &json!([]))
    );
    assert!(
        (50..=60).contains(&big["ttl_seconds"].as_u64().unwrap()),
        "{big}"
    );
    assert!(big["age_seconds"].as_u64().unwrap() < 10, "{big}");
    let stored_at = big["stored_at"].as_str().unwrap();
    assert!(
        stored_at.starts_with("20") && stored_at.ends_with('Z'),
        "{stored_at}"
    );
    assert_eq!(all["objects"][1]["variants"][0]["status"], 404);
    eventually("the coded body to be kept", PATIENCE, async || {
        let list = listed(&sidecar, "?tag=big").await;
        let gzip = &list["objects"][0]["variants"][0]["codings"]["gzip"];
        gzip.as_u64().is_some_and(|bytes| bytes < 500)
    })
    .await;
}

#[tokio::test]
async fn one_object_is_found_by_its_id_and_by_its_url() {
    let tags: Vec<_> = (0..30).map(|n| format!("tag-{n}")).collect();
    let told = tags.join(",");
    let origin = Origin::start(move |_| Reply::cacheable("x").header("Cache-Tag", &told)).await;
    let sidecar = Sidecar::before(&origin).await;
    for n in 0..600 {
        sidecar.get(&format!("/{n}?a=1")).await;
    }
    let list = listed(&sidecar, "?prefix=/599").await;
    let object = &list["objects"][0];
    let variant = &object["variants"][0];
    assert_eq!(variant["tags"].as_array().unwrap().len(), 20);
    assert_eq!(variant["tags_total"], 30);
    let id = object["id"].as_str().unwrap();
    assert_eq!(id.len(), 32, "{id}");
    for name in [id, "http%3A%2F%2Fapp.test%2F599%3Fa%3D1"] {
        let one = listed(&sidecar, &format!("/{name}")).await;
        assert_eq!(one["id"], object["id"], "{name}");
        assert_eq!(one["variants"][0]["tags"], json!(tags), "{name}");
        assert!(one["variants"][0].get("tags_total").is_none());
    }
    for (name, status) in [
        (&"0".repeat(32)[..], 404),
        ("http%3A%2F%2Fapp.test%2F600%3Fa%3D1", 404),
        ("0815", 400),
        ("ftp%3A%2F%2Fapp.test%2F", 400),
    ] {
        let answer = sidecar
            .admin(&Request::get(&format!("/v1/objects/{name}")))
            .await;
        assert_eq!(answer.status, status, "{name}");
        assert!(answer.json()["error"].is_string(), "{name}");
    }
    for query in [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?tags=a",
        "?prefix=a",
        "?host=a/b",
    ] {
        let answer = sidecar
            .admin(&Request::get(&format!("/v1/objects{query}")))
            .await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.json()["error"].is_string(), "{query}");
    }
}

#[tokio::test]
async fn the_list_tells_states_and_keeps_secrets() {
    let origin = Origin::start(|asked| {
        Reply::ok("x")
            .header("Cache-Control", "public, max-age=60")
            .header("ETag", "\"1\"")
            .header("Vary", "Accept-Language, X-Session, Authorization")
            .header(
                "Cache-Tag",
                asked.header("accept-language").unwrap_or("none"),
            )
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let secret = "hunter2-hunter2";
    for (language, session) in [("de", secret), ("en", secret), ("fr", "another")] {
        let request = Request::get("/")
            .header("Accept-Language", language)
            .header("X-Session", session)
            .header("Authorization", &format!("Bearer {session}"));
        sidecar.ask(&request).await;
    }
    sidecar.purge(json!({"tags": ["de"], "mode": "soft"})).await;
    sidecar.purge(json!({"tags": ["en"]})).await;
    let list = listed(&sidecar, "").await;
    let text = list.to_string();
    assert!(
        !text.contains("hunter2") && !text.contains("another"),
        "{text}"
    );
    let variants = list["objects"][0]["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 3, "{list}");
    let of = |language: &str| {
        let variant = variants.iter().find(|v| v["tags"][0] == language);
        variant.unwrap_or_else(|| panic!("{language}: {list}"))
    };
    let state = |language: &str| of(language)["state"].as_str().unwrap();
    assert_eq!(
        [state("de"), state("en"), state("fr")],
        ["soft_purged", "invalid", "fresh"]
    );
    let field = |language: &str, name: &str| {
        let fields = of(language)["selecting"].as_array().unwrap();
        let field = fields.iter().find(|field| field["name"] == name);
        field.unwrap()["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(field("de", "accept-language"), "de");
    for name in ["x-session", "authorization"] {
        assert!(field("de", name).starts_with('#'), "{list}");
        assert_eq!(
            field("de", name),
            field("en", name),
            "equal values look equal"
        );
        assert_ne!(field("de", name), field("fr", name));
    }
}

#[tokio::test]
async fn looking_needs_the_token_too() {
    let origin = Origin::counting(&[]).await;
    let yaml = "observability: {admin: {token: open-sesame-0123456789}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    for path in ["/v1/objects", "/v1/objects/http%3A%2F%2Fa%2F"] {
        assert_eq!(
            sidecar.admin(&Request::get(path)).await.status,
            401,
            "{path}"
        );
    }
    let request =
        Request::get("/v1/objects").header("Authorization", "Bearer open-sesame-0123456789");
    assert_eq!(sidecar.admin(&request).await.status, 200);
}

#[tokio::test]
async fn where_hosts_make_no_difference_any_of_them_finds_it() {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60"), ("Cache-Tag", "t")]).await;
    let yaml = "cache: {key: {host: off}}";
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    sidecar.get("/a").await;
    for query in [
        "",
        "?host=elsewhere.test",
        "?prefix=http://elsewhere.test/a",
    ] {
        assert_eq!(urls(&listed(&sidecar, query).await).len(), 1, "{query}");
    }
    let one = listed(&sidecar, "/http%3A%2F%2Felsewhere.test%2Fa").await;
    assert_eq!(one["variants"][0]["tags"], json!(["t"]));
    let told = sidecar.purge(json!({"host": "elsewhere.test"})).await;
    assert_eq!(told["hit"]["responses"], 1, "{told}");
}

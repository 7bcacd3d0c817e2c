//! Many users with different cookies, credentials, languages and hosts, at the same time and over
//! the same connections: each gets what is meant for it, whatever is stored, varied, revalidated,
//! compressed or given up meanwhile.

use crate::support::{Connection, Dice, Origin, Reply, Request, Response, Sidecar, decoded, soak};
use std::net::SocketAddr;

const CLIENTS: usize = 12;
const REQUESTS: usize = 20_000;
const REQUESTS_WHEN_SOAKING: usize = 100_000;
const SEED: u64 = 0x00c0_ffee;

/// By what an answer of the app may differ, and what the app says about it. The owner of a body is
/// written into it from just these fields, so that sharing it more widely shows.
struct Kind {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    owner: &'static [&'static str],
}

const COOKIE: &str = "cookie";
const CREDENTIALS: &str = "authorization";
const KEY: &str = "x-api-key";
const LANGUAGE: &str = "accept-language";
const EVERYTHING: &[&str] = &[COOKIE, CREDENTIALS, KEY, LANGUAGE];

/// Paths begin with the name. The host and the target are part of every owner.
const KINDS: &[Kind] = &[
    Kind {
        name: "public",
        headers: &[("Cache-Control", "public, max-age=2")],
        owner: &[],
    },
    Kind {
        name: "shared",
        headers: &[("Cache-Control", "s-maxage=1")],
        owner: &[],
    },
    // Says nothing of users although it knows them: what most apps do.
    Kind {
        name: "careless",
        headers: &[("Cache-Control", "max-age=2")],
        owner: &[COOKIE, CREDENTIALS, KEY],
    },
    Kind {
        name: "expires",
        headers: &[("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")],
        owner: &[COOKIE, CREDENTIALS, KEY],
    },
    Kind {
        name: "silent",
        headers: &[],
        owner: EVERYTHING,
    },
    Kind {
        name: "private",
        headers: &[("Cache-Control", "private, max-age=60")],
        owner: EVERYTHING,
    },
    Kind {
        name: "no-store",
        headers: &[("Cache-Control", "no-store, public, max-age=60")],
        owner: EVERYTHING,
    },
    Kind {
        name: "no-cache",
        headers: &[("Cache-Control", "public, no-cache")],
        owner: &[],
    },
    Kind {
        name: "language",
        headers: &[
            ("Cache-Control", "public, max-age=2"),
            ("Vary", "Accept-Language"),
        ],
        owner: &[LANGUAGE],
    },
    Kind {
        name: "vary-cookie",
        headers: &[
            ("Cache-Control", "public, max-age=2"),
            ("Vary", "Accept-Encoding, Cookie"),
        ],
        owner: &[COOKIE],
    },
    Kind {
        name: "vary-everything",
        headers: &[("Cache-Control", "public, max-age=2"), ("Vary", "*")],
        owner: EVERYTHING,
    },
    Kind {
        name: "session",
        headers: &[
            ("Cache-Control", "public, max-age=60"),
            ("Set-Cookie", "OWNER"),
        ],
        owner: EVERYTHING,
    },
];

/// Who an answer is for, as the app and the client both see it.
fn owner<'a>(
    method: &str,
    target: &str,
    host: &str,
    field: impl Fn(&str) -> Option<&'a str>,
) -> String {
    let kind = kind_of(target);
    // What an unsafe method answers is for its sender alone.
    let fields = if method == "POST" {
        EVERYTHING
    } else {
        kind.owner
    };
    let mut owner = format!("{host}{target}");
    for name in fields {
        owner += &format!(" {name}={}", field(name).unwrap_or("none"));
    }
    owner
}

fn kind_of(target: &str) -> &'static Kind {
    let name = target.split('/').nth(1).unwrap_or_default();
    let kind = KINDS.iter().find(|kind| kind.name == name);
    kind.unwrap_or_else(|| panic!("no kind of answer for {target}"))
}

/// An entity tag that is different for different owners.
fn tag(owner: &str) -> String {
    let hash = owner.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

/// The owner first, then enough to be worth compressing for every second path.
fn body(owner: &str, target: &str) -> String {
    let wide = target.len().is_multiple_of(2);
    format!("{owner}\n{}", ".".repeat(if wide { 1500 } else { 10 }))
}

async fn app() -> Origin {
    Origin::forgetful(|asked| {
        let host = asked.header("host").unwrap_or_default();
        let owner = owner(&asked.method, &asked.target, host, |name| {
            asked.header(name)
        });
        let tag = tag(&owner);
        let known = asked
            .header("if-none-match")
            .is_some_and(|known| known == tag);
        let reply = match known && asked.method != "POST" {
            true => Reply::status(304),
            false => Reply::ok(body(&owner, &asked.target)).header("Content-Type", "text/plain"),
        };
        let reply = reply.header("X-Owner", &owner).header("ETag", &tag);
        let headers = kind_of(&asked.target).headers.iter();
        headers.fold(reply, |reply, (name, value)| match *value {
            "OWNER" => reply.header(name, &format!("id={}", &tag[1..17])),
            value => reply.header(name, value),
        })
    })
    .await
}

/// A random request of a random user.
fn request(dice: &mut Dice) -> Request {
    let kind = &KINDS[dice.below(KINDS.len())];
    let query = dice.pick(&["", "", "?page=1", "?page=2"]);
    let target = format!("/{}/{}{query}", kind.name, dice.below(4));
    let request = match dice.below(40) {
        0 => Request::post(&target, "x"),
        1..=3 => Request::head(&target),
        _ => Request::get(&target),
    };
    let mut request = request.header("Host", dice.pick(&["a.test", "b.test", "c.test:8080"]));
    let ranges = ["bytes=0-9", "bytes=-5", "bytes=5-", "bytes=0-3,8-9"];
    let languages = ["de", "en", "fr"];
    let cookies = ["id=ann", "id=bob", "id=eve; theme=dark"];
    let of_anybody: &[(usize, &str, &[&str])] = &[
        (2, "Accept-Language", &languages),
        (2, "Accept-Encoding", &["gzip", "br", "gzip, br"]),
        (20, "Cache-Control", &["no-cache", "max-age=0", "max-age=1"]),
        (20, "Range", &ranges),
    ];
    let of_somebody: &[(usize, &str, &[&str])] = &[
        (2, "Cookie", &cookies),
        (4, "Authorization", &["Bearer ann", "Bearer bob"]),
        (8, "X-Api-Key", &["ann", "bob"]),
    ];
    let known = [of_anybody, of_somebody].concat();
    let fields = if dice.once_in(2) { &known } else { of_anybody };
    for (times, name, values) in fields {
        if dice.once_in(*times) {
            request = request.header(name, dice.pick(values));
        }
    }
    if request.method != "POST" && dice.once_in(15) {
        let known = [own_tag(&request), tag("somebody else")];
        request = request.header("If-None-Match", &known[dice.below(2)]);
    }
    request
}

/// The entity tag of what this request is to get.
fn own_tag(request: &Request) -> String {
    tag(&wanted(request))
}

fn wanted(request: &Request) -> String {
    owner(&request.method, &request.target, request.host(), |name| {
        request.headers.get(name)
    })
}

#[track_caller]
fn check(request: &Request, answer: &Response) {
    let wanted = wanted(request);
    let told = || format!("{request:?}\n{answer:?}");
    assert!(answer.is_whole(), "{}", told());
    // Coding a body on the way makes its tag a weak one.
    let seen = answer.header("etag").unwrap_or_default();
    let seen = seen.strip_prefix("W/").unwrap_or(seen);
    assert_eq!(seen, tag(&wanted), "{}", told());
    if answer.status == 304 {
        // It comes without most fields, and only to who has that version already.
        let known = request.headers.get("if-none-match");
        return assert_eq!(known, Some(&*tag(&wanted)), "{}", told());
    }
    assert_eq!(answer.header("x-owner"), Some(&*wanted), "{}", told());
    if let Some(cookie) = answer.header("set-cookie") {
        assert_eq!(cookie, format!("id={}", &tag(&wanted)[1..17]), "{}", told());
    }
    let whole = body(&wanted, &request.target);
    match answer.status {
        206 => assert!(
            answer
                .text()
                .lines()
                .any(|line| !line.is_empty() && whole.contains(line.trim())),
            "{}",
            told()
        ),
        200 if request.method == "HEAD" => assert!(answer.body.is_empty(), "{}", told()),
        200 => assert_eq!(
            String::from_utf8_lossy(&decoded(answer)),
            whole,
            "{}",
            told()
        ),
        _ => panic!("nobody asked for that: {}", told()),
    }
}

/// A user agent after the other on one connection; gives (answers, hits).
async fn clients(address: SocketAddr, seed: u64, requests: usize) -> (usize, usize) {
    let mut dice = Dice::seeded(seed);
    let mut connection = Connection::open(address).await.unwrap();
    let (mut answers, mut hits) = (0, 0);
    for _ in 0..requests {
        let request = request(&mut dice);
        if dice.once_in(300) {
            // Somebody leaves before the answer.
            connection.send(&request.bytes()).await.unwrap();
            connection = Connection::open(address).await.unwrap();
            continue;
        }
        let answer = connection.ask(&request).await;
        check(&request, &answer);
        answers += 1;
        hits += usize::from(answer.is_hit());
        if answer.headers.lists("connection", "close") {
            connection = Connection::open(address).await.unwrap();
        }
    }
    (answers, hits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_what_is_meant_for_somebody_else() {
    let origin = app().await;
    let sidecar = Sidecar::with("compression: {min_size: 1KiB}")
        .origin(&origin)
        .start()
        .await;
    let requests = match soak() {
        Some(_) => REQUESTS_WHEN_SOAKING,
        None => REQUESTS,
    };
    let tasks: Vec<_> = (0..CLIENTS as u64)
        .map(|n| tokio::spawn(clients(sidecar.address(), SEED + n, requests / CLIENTS)))
        .collect();
    let (mut answers, mut hits) = (0, 0);
    for task in tasks {
        let seen = task.await.expect("nobody got what was somebody else's");
        (answers, hits) = (answers + seen.0, hits + seen.1);
    }
    let asked = origin.requests();
    println!("seed {SEED:#x}: {answers} answers, {hits} hits, {asked} requests at the app");
    // Otherwise nothing was shared at all.
    assert!(
        hits * 20 > answers,
        "only {hits} of {answers} came from the cache"
    );
}

//! `vestibule explain` against a running sidecar: its page, its JSON, its exit codes.

use crate::support::{HOST, Origin, Reply, Sidecar};
use serde_json::Value;

#[tokio::test]
async fn the_command_prints_a_page() {
    let origin = Origin::start(|asked| match asked.path() {
        "/everything" => Reply::ok("x")
            .header("Cache-Control", "private")
            .header("Set-Cookie", "sid=s3cret")
            .header("Vary", "Cookie"),
        _ => Reply::cacheable("x"),
    })
    .await;
    let sidecar = Sidecar::before(&origin).await;
    let admin = sidecar.admin_url();
    let url = Sidecar::url_of("/everything");
    let ask = async |args: &[&str]| {
        let all = [&["explain", "--admin", &admin], args].concat();
        sidecar.cli(&all).await
    };
    let told = ask(&[
        &url,
        "-H",
        "Cookie: lang=s3cret",
        "-H",
        "Authorization: s3cret",
    ])
    .await;
    assert_eq!((told.code, told.stderr.as_str()), (0, ""), "{told:?}");
    for expected in [
        &format!("GET {url}\n"),
        "\n  would go to the app, never stored because the response says",
        "\n  Cache-Status: vestibule; fwd=uri-miss; detail=PRIVATE\n",
        "\nWhy not     what the app answers is not stored:\n",
        "SET_COOKIE      The response sets a cookie.",
        "seen: Set-Cookie: sid=…",
        "help: Remove `Set-Cookie` from this answer, or set",
        "seen: Cookie: lang=… in the request; Cache-Control: private",
        "\nRoute       default: there are no routes\n",
        "\nKey         http://app.test/everything\n",
        "\nStored      nothing\n",
        "\nApp         200 after ",
        "\nFreshness   ",
    ] {
        assert!(
            told.stdout.contains(expected),
            "{expected:?} in\n{}",
            told.stdout
        );
    }
    assert!(!told.stdout.contains("s3cret") && !told.stdout.contains('\x1b'));
    let longest = told.stdout.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{}", told.stdout);

    let told = ask(&["/fresh", "--host", HOST, "--json"]).await;
    let json: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (told.code, json["verdict"]["outcome"].as_str().unwrap()),
        (0, "store")
    );
    let told = ask(&["/fresh", "--host", HOST, "-X", "POST", "--no-ask"]).await;
    assert!(
        told.stdout
            .contains("METHOD  Only GET and HEAD are cached."),
        "{told:?}"
    );

    for args in [&["/no-host"][..], &["http://a/", "-H", "none"], &["a b"]] {
        let told = ask(args).await;
        assert_eq!(
            (told.code, told.stdout.as_str()),
            (2, ""),
            "{args:?}: {told:?}"
        );
    }
    let nobody = sidecar
        .cli(&["explain", "--admin", "http://127.0.0.1:1", &url])
        .await;
    assert_eq!(nobody.code, 1, "{nobody:?}");
}

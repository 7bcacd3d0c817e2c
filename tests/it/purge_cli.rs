//! `vestibule purge` against a running sidecar: what it does, says and gives back as its exit code.

use crate::support::{Origin, PATIENCE, Sidecar, eventually};
use serde_json::Value;
use std::fs;

async fn filled(yaml: &str) -> (Origin, Sidecar) {
    let origin = Origin::counting(&[("Cache-Control", "max-age=60"), ("Cache-Tag", "t")]).await;
    let sidecar = Sidecar::with(yaml).origin(&origin).start().await;
    fill(&sidecar).await;
    (origin, sidecar)
}

async fn fill(sidecar: &Sidecar) {
    for path in ["/a", "/b"] {
        eventually("it to be fresh", PATIENCE, async || {
            let answer = sidecar.get(path).await;
            answer.is_hit() && answer.detail().is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn says_what_it_did_in_one_line() {
    let (_origin, sidecar) = filled("").await;
    let admin = sidecar.admin_url();
    let url = Sidecar::url_of("/a");
    let cases: [(&[&str], &str); 7] = [
        (
            &["--url", &url],
            "1 stored answer of 1 URL is not used again before the app confirms or replaces it",
        ),
        (
            &["--tag", "t", "--mode", "soft"],
            "2 stored answers of 2 URLs are stale now",
        ),
        (&["--tag", "unknown"], "nothing of that was stored"),
        (&["--host", "elsewhere.test"], "nothing of that was stored"),
        (&["--prefix", "/b"], "1 stored answer of 1 URL"),
        (&["--glob", "/*"], "2 stored answers of 2 URLs"),
        (
            &["--all", "--mode", "hard"],
            "2 stored answers of 2 URLs are gone",
        ),
    ];
    for (args, expected) in cases {
        fill(&sidecar).await;
        let done = sidecar
            .cli(&[&["purge", "--admin", &admin], args].concat())
            .await;
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        let line = done.stdout.trim_end();
        assert!(
            line.starts_with("purged: ") && line.contains(expected) && line.lines().count() == 1,
            "{args:?}: {done:?}"
        );
        assert_eq!(done.stderr, "", "{args:?}");
    }
    assert!(!sidecar.get("/a").await.is_hit());
}

#[tokio::test]
async fn the_answer_itself_for_programs() {
    let (_origin, sidecar) = filled("").await;
    let admin = sidecar.admin_url();
    let args = ["purge", "--admin", &admin, "--tag", "t", "--json"];
    let done = sidecar.cli(&args).await;
    let answer: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(answer["hit"]["responses"], 2, "{done:?}");
    assert_eq!(
        (done.code, answer["mode"].as_str()),
        (0, Some("invalidate"))
    );
}

#[tokio::test]
async fn what_went_wrong_is_told_by_word_and_code() {
    let (_origin, sidecar) = filled("").await;
    let admin = sidecar.admin_url();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--tag"], 2, "a value is required"),
        (&[], 2, "--tag"),
        (&["--tag", " "], 2, "`tags[0]`: is empty"),
        (&["--url", "/a"], 2, "`urls[0]`: is not absolute"),
        (&["--glob", "x"], 2, "`globs[0]`: must begin"),
        (&["--all", "--mode", "gone"], 2, "gone"),
        (&["--all", "--host", "a"], 2, "--host"),
    ];
    for (args, code, expected) in cases {
        let done = sidecar
            .cli(&[&["purge", "--admin", &admin], args].concat())
            .await;
        assert_eq!(done.code, code, "{args:?}: {done:?}");
        assert!(done.stderr.contains(expected), "{args:?}: {done:?}");
        assert_eq!(done.stdout, "", "{args:?}");
    }
    let nobody = sidecar
        .cli(&["purge", "--all", "--admin", "http://127.0.0.1:9"])
        .await;
    assert_eq!(nobody.code, 1, "{nobody:?}");
    assert!(nobody.stderr.contains("is the proxy running"), "{nobody:?}");
    let proxy = format!("http://{}", sidecar.address());
    let other = sidecar.cli(&["purge", "--all", "--admin", &proxy]).await;
    assert_eq!(other.code, 1, "{other:?}");
    assert!(sidecar.get("/b").await.is_hit(), "nothing was purged");
}

#[tokio::test]
async fn the_token_is_found_where_it_is() {
    const TOKEN: &str = "open-sesame-0123456789";
    let yaml = format!("observability: {{admin: {{token: {TOKEN}}}}}");
    let (_origin, sidecar) = filled(&yaml).await;
    let admin = sidecar.admin_url();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("token"), format!("{TOKEN}\n")).unwrap();
    // The same configuration, with the port that the system has chosen.
    let listen = admin.trim_start_matches("http://");
    let text = format!(
        "upstream: http://127.0.0.1:1\nobservability: {{admin: {{listen: '{listen}', token: {TOKEN}}}}}\n"
    );
    fs::write(path("vestibule.yaml"), text).unwrap();
    let (token, config) = (path("token"), path("vestibule.yaml"));
    let cases: [(&[&str], Option<&str>, i32); 9] = [
        (&["--admin", &admin], None, 1),
        (&["--admin", &admin, "--token", "wrong"], None, 1),
        (&["--admin", &admin, "--token", TOKEN], None, 0),
        (&["--admin", &admin, "--token-file", &token], None, 0),
        (&["--admin", &admin, "--token-file", "/nowhere"], None, 2),
        (&["--admin", &admin], Some(TOKEN), 0),
        (&["--admin", &admin], Some("wrong"), 1),
        (&["-c", &config], None, 0),
        (&["-c", &config, "--admin", &admin], None, 0),
    ];
    for (args, variable, code) in cases {
        let args = [&["purge", "--all"], args].concat();
        let done = match variable {
            Some(token) => {
                sidecar
                    .cli_with(&args, &[("VESTIBULE_ADMIN_TOKEN", token)])
                    .await
            }
            None => sidecar.cli(&args).await,
        };
        assert_eq!(done.code, code, "{args:?} {variable:?}: {done:?}");
        assert_eq!(
            done.stderr.contains("token"),
            code != 0,
            "{args:?}: {done:?}"
        );
        assert!(!done.stderr.contains(TOKEN), "{done:?}");
    }
}

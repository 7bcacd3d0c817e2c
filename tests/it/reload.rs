//! A new configuration takes effect without costing a request, a broken one changes nothing.

use crate::load::Load;
use crate::support::{Origin, PATIENCE, Reply, Request, Sidecar, eventually, within};
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// How long a change to the file may take to be in force.
const EFFECTIVE: Duration = Duration::from_secs(3);

const PLAIN: &str = "limits: {connections: {per_ip: 1000}}\n";
const KEEPING: &str = "limits: {connections: {per_ip: 1000}}\n\
                       routes: [{name: kept, match: {path: /page}, cache: {ttl: 60s}}]\n";
/// Only signals and the admin port make it read its file again.
const UNWATCHED: &str = "reload: {watch: off}\n";

async fn app() -> Origin {
    Origin::always(Reply::ok("page")).await
}

async fn is_kept(sidecar: &Sidecar) -> bool {
    sidecar.get("/page").await.is_hit()
}

async fn verbose(sidecar: &Sidecar) -> String {
    let answer = sidecar.metrics_port("/readyz?verbose").await.unwrap();
    assert_eq!(answer.status, 200, "a broken file does not make it unready");
    answer.text()
}

async fn last_reload(sidecar: &Sidecar) -> f64 {
    sidecar
        .metrics()
        .await
        .value("vestibule_config_last_reload_successful")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_under_load_takes_effect_and_fails_no_request() {
    let origin = app().await;
    let sidecar = Sidecar::with(PLAIN).origin(&origin).start().await;
    let load = Load::start(&sidecar, 200, Duration::from_millis(250), "/page");
    eventually("load", PATIENCE, async || load.seen.answers() >= 400).await;
    for _ in 0..3 {
        sidecar.edit_config(KEEPING);
        eventually("the new rule to hold", EFFECTIVE, async || {
            is_kept(&sidecar).await
        })
        .await;
        sidecar.edit_config(PLAIN);
        eventually("the old rule to hold again", EFFECTIVE, async || {
            !is_kept(&sidecar).await
        })
        .await;
    }
    let seen = load.stop().await;
    assert!(seen.failures().is_empty(), "{:#?}", seen.failures());
    assert!(
        sidecar
            .metrics()
            .await
            .value("vestibule_config_reloads_total")
            >= 6.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_edit_changes_nothing_and_is_told_everywhere() {
    let origin = app().await;
    let sidecar = Sidecar::with(KEEPING).origin(&origin).start().await;
    let load = Load::start(&sidecar, 20, Duration::from_millis(100), "/page");
    assert_eq!(last_reload(&sidecar).await, 1.0);
    let broken = format!("{}cahce: {{enabled: off}}\n", sidecar.config_text(PLAIN));
    let place = format!("vestibule.yaml:{}", broken.lines().count());
    sidecar.write_config(&broken);
    eventually("the failure to be counted", EFFECTIVE, async || {
        last_reload(&sidecar).await == 0.0
    })
    .await;
    let told = verbose(&sidecar).await;
    assert!(told.contains(&place) && told.contains("cahce"), "{told}");
    eventually("the failure to be logged", PATIENCE, async || {
        let log = sidecar.log();
        log.lines()
            .any(|line| line.contains(&place) && line.contains("cahce"))
    })
    .await;
    sidecar.get("/page").await;
    assert!(is_kept(&sidecar).await, "the old rule is in force");

    sidecar.edit_config(PLAIN);
    eventually("the mended file to count", EFFECTIVE, async || {
        last_reload(&sidecar).await == 1.0
    })
    .await;
    assert!(!is_kept(&sidecar).await);
    assert!(!verbose(&sidecar).await.contains("cahce"));
    let seen = load.stop().await;
    assert!(seen.failures().is_empty(), "{:#?}", seen.failures());
}

#[tokio::test]
async fn text_that_is_not_a_configuration_changes_nothing() {
    let origin = app().await;
    let sidecar = Sidecar::with(KEEPING).origin(&origin).start().await;
    for broken in [
        "listen: [",
        "- a\n- list\n",
        "limits: {connections: {per_ip: many}}\n",
    ] {
        sidecar.write_config(broken);
        let failed = async || last_reload(&sidecar).await == 0.0;
        eventually("the failure to be counted", EFFECTIVE, failed).await;
        sidecar.get("/page").await;
        assert!(is_kept(&sidecar).await, "{broken}");
        sidecar.edit_config(KEEPING);
        let mended = async || last_reload(&sidecar).await == 1.0;
        eventually("the mended file to count", EFFECTIVE, mended).await;
    }
}

#[tokio::test]
async fn editors_that_rename_are_noticed_each_time() {
    let origin = app().await;
    let sidecar = Sidecar::with(PLAIN).origin(&origin).start().await;
    for yaml in [KEEPING, PLAIN, KEEPING] {
        let aside = sidecar.config_file().with_extension("yaml.new");
        fs::write(&aside, sidecar.config_text(yaml)).unwrap();
        fs::rename(&aside, sidecar.config_file()).unwrap();
        let kept = yaml == KEEPING;
        eventually("the rule", EFFECTIVE, async || {
            is_kept(&sidecar).await == kept
        })
        .await;
    }
}

#[tokio::test]
async fn a_configmap_swap_is_noticed_each_time() {
    let origin = app().await;
    let sidecar = Sidecar::with(PLAIN)
        .origin(&origin)
        .mounted_like_configmap()
        .start()
        .await;
    let volume = sidecar.config_file().parent().unwrap().to_owned();
    for (version, yaml) in [(2, KEEPING), (3, PLAIN), (4, KEEPING)] {
        let next = format!("..version_{version}");
        fs::create_dir(volume.join(&next)).unwrap();
        fs::write(
            volume.join(&next).join("vestibule.yaml"),
            sidecar.config_text(yaml),
        )
        .unwrap();
        symlink(&next, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        fs::remove_dir_all(volume.join(format!("..version_{}", version - 1))).unwrap();
        let kept = yaml == KEEPING;
        eventually("the rule", EFFECTIVE, async || {
            is_kept(&sidecar).await == kept
        })
        .await;
    }
}

#[tokio::test]
async fn a_file_that_vanishes_for_a_moment_harms_nothing() {
    let origin = app().await;
    let sidecar = Sidecar::with(KEEPING).origin(&origin).start().await;
    fs::remove_file(sidecar.config_file()).unwrap();
    sidecar.signal("HUP");
    eventually("the loss to be counted", EFFECTIVE, async || {
        last_reload(&sidecar).await == 0.0
    })
    .await;
    sidecar.get("/page").await;
    assert!(is_kept(&sidecar).await);
    sidecar.edit_config(PLAIN);
    eventually("the new file", EFFECTIVE, async || !is_kept(&sidecar).await).await;
}

#[tokio::test]
async fn sighup_reloads() {
    let origin = app().await;
    let sidecar = Sidecar::with(&format!("{UNWATCHED}{PLAIN}"))
        .origin(&origin)
        .start()
        .await;
    assert!(!is_kept(&sidecar).await);
    sidecar.edit_config(&format!("{UNWATCHED}{KEEPING}"));
    sidecar.signal("HUP");
    eventually("the new rule", EFFECTIVE, async || is_kept(&sidecar).await).await;
}

#[tokio::test]
async fn the_admin_port_reloads_and_tells_what_is_wrong() {
    let origin = app().await;
    let sidecar = Sidecar::with(&format!("{UNWATCHED}{PLAIN}"))
        .origin(&origin)
        .start()
        .await;
    sidecar.edit_config(&format!("{UNWATCHED}{KEEPING}"));
    let answer = sidecar.admin(&Request::post("/v1/reload", "")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    sidecar.get("/page").await;
    assert!(
        is_kept(&sidecar).await,
        "it is in force when the answer is there"
    );
    sidecar.write_config("nonsense: true\n");
    let answer = sidecar.admin(&Request::post("/v1/reload", "")).await;
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    assert!(
        answer.text().contains("vestibule.yaml:1"),
        "{}",
        answer.text()
    );
    assert!(is_kept(&sidecar).await);
}

#[tokio::test]
async fn keys_that_need_a_restart_are_named_and_the_rest_is_applied() {
    let origin = app().await;
    let sidecar = Sidecar::with(PLAIN).origin(&origin).start().await;
    let listening = "listen: [{address: '127.0.0.1:1', http2: true}]\n";
    sidecar.edit_config(&format!("{listening}{KEEPING}"));
    eventually("the live part", EFFECTIVE, async || is_kept(&sidecar).await).await;
    eventually("the rest to be named", PATIENCE, async || {
        let log = sidecar.log();
        log.lines()
            .any(|line| line.contains("listen") && line.contains("restart"))
    })
    .await;
    let told = verbose(&sidecar).await;
    assert!(
        told.contains("listen") && told.contains("restart"),
        "{told}"
    );
}

#[tokio::test]
async fn a_request_under_way_keeps_the_configuration_it_began_with() {
    let gate = crate::support::Gate::closed();
    let held = gate.clone();
    let origin = Origin::start(move |asked| match asked.path() {
        "/slow" => Reply::ok("slow").held(&held),
        _ => Reply::ok("page"),
    })
    .await;
    let slow = "upstream: {timeouts: {first_byte: 60s}}\n";
    let sidecar = Sidecar::with(&format!("{slow}{PLAIN}"))
        .origin(&origin)
        .start()
        .await;
    let mut connection = sidecar.connect().await;
    connection
        .send(&Request::get("/slow").bytes())
        .await
        .unwrap();
    eventually("the request", PATIENCE, async || origin.requests() == 1).await;
    sidecar.edit_config(&format!("{slow}{KEEPING}"));
    eventually("the new rule", EFFECTIVE, async || is_kept(&sidecar).await).await;
    gate.open();
    let answer = within("the old request", connection.response("GET"))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "slow"));
}

#[tokio::test]
async fn the_upstream_can_be_changed_live() {
    let (blue, green) = (
        Origin::always(Reply::ok("blue")).await,
        Origin::always(Reply::ok("green")).await,
    );
    let sidecar = Sidecar::with("").origin(&blue).start().await;
    let mut connection = sidecar.connect().await;
    assert_eq!(connection.ask(&Request::get("/")).await.text(), "blue");
    sidecar.edit_config(&format!("upstream: '{}'\n", green.url()));
    eventually("the other app", EFFECTIVE, async || {
        let answer = connection.ask(&Request::get("/")).await;
        assert_eq!(answer.status, 200);
        answer.text() == "green"
    })
    .await;
}

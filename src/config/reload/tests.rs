//! Edits of real files, as editors, copies and Kubernetes make them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;

use super::*;

/// Generous, because it is only waited for in full when something is broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// How the watcher under test hears of changes.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Notice,
    Poll,
    Request,
}

struct Bench {
    folder: tempfile::TempDir,
    live: Arc<Live>,
    handle: ReloadHandle,
    registry: Registry,
    swaps: Arc<AtomicUsize>,
    task: JoinHandle<()>,
    by: By,
}

impl Bench {
    /// Starts on `vestibule.yaml` in a folder that `prepare` may have furnished otherwise.
    fn start(by: By, prepare: impl FnOnce(&Path, &str)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path(), &yaml(by, 1));
        let file = folder.path().join("vestibule.yaml");
        let source = Source {
            file: Some(file),
            ..Source::default()
        };
        let loaded = source.load().unwrap();
        let live = Live::new(loaded.snapshot, loaded.digest);
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.start(&live);
        let (handle, requests) = channel();
        let swaps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&swaps);
        let on_swap = move |old: &Snapshot, new: &Snapshot| {
            assert!(!std::ptr::eq(old, new));
            counted.fetch_add(1, Ordering::SeqCst);
        };
        let watch = Watch {
            live: Arc::clone(&live),
            source: Arc::new(source),
            on_swap,
            metrics,
        };
        let follower = if by == By::Notice {
            Follower::new()
        } else {
            Follower::deaf()
        };
        let task = tokio::spawn(async move { watch.run(requests, follower).await });
        Self {
            folder,
            live,
            handle,
            registry,
            swaps,
            task,
            by,
        }
    }

    fn plain(by: By) -> Self {
        Self::start(by, |folder, text| {
            fs::write(folder.join("vestibule.yaml"), text).unwrap()
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, per_ip: usize) -> String {
        yaml(self.by, per_ip)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(
                begun.elapsed() < DEADLINE,
                "{what}: {:?}",
                self.live.status()
            );
            if self.by == By::Request {
                self.handle.nudge();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_per_ip(&self, expected: usize) {
        let what = format!("per_ip {expected}");
        self.until(&what, |b| b.live.load().connections.per_ip == expected)
            .await;
    }

    fn metric(&self, line: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().any(|l| l == line)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A configuration that is told from others by `limits.connections.per_ip`.
fn yaml(by: By, per_ip: usize) -> String {
    let reload = match by {
        By::Notice => "{poll: 0s}",
        By::Poll => "{poll: 100ms}",
        By::Request => "{watch: off}",
    };
    format!(
        "reload: {reload}\nupstream: http://app\nlimits: {{connections: {{per_ip: {per_ip}}}}}\n"
    )
}

#[tokio::test]
async fn edits_in_place_are_taken_over() {
    for by in [By::Notice, By::Poll, By::Request] {
        let bench = Bench::plain(by);
        for per_ip in [2, 3] {
            fs::write(bench.path("vestibule.yaml"), bench.text(per_ip)).unwrap();
            bench.until_per_ip(per_ip).await;
        }
        bench
            .until("both swaps are told", |b| {
                b.swaps.load(Ordering::SeqCst) >= 2
            })
            .await;
    }
}

#[tokio::test]
async fn edits_by_rename_are_taken_over() {
    for by in [By::Notice, By::Poll] {
        let bench = Bench::plain(by);
        for per_ip in [2, 3, 4] {
            fs::write(bench.path(".vestibule.yaml.swp"), bench.text(per_ip)).unwrap();
            fs::rename(
                bench.path(".vestibule.yaml.swp"),
                bench.path("vestibule.yaml"),
            )
            .unwrap();
            bench.until_per_ip(per_ip).await;
        }
    }
}

#[tokio::test]
async fn a_file_that_is_moved_away_first_is_waited_for() {
    for by in [By::Notice, By::Poll] {
        let bench = Bench::plain(by);
        fs::rename(bench.path("vestibule.yaml"), bench.path("vestibule.yaml~")).unwrap();
        fs::write(bench.path("vestibule.yaml"), bench.text(2)).unwrap();
        bench.until_per_ip(2).await;
        assert!(
            bench.metric("reloads_total{result=\"rejected\"} 0"),
            "it was not reported as gone"
        );
    }
}

#[tokio::test]
async fn a_file_that_stays_away_is_told_and_its_return_noticed() {
    for by in [By::Notice, By::Poll] {
        let bench = Bench::plain(by);
        fs::remove_file(bench.path("vestibule.yaml")).unwrap();
        bench
            .until("a failure", |b| !b.live.status().successful)
            .await;
        let error = bench.live.status().error.unwrap();
        assert!(error.contains("vestibule.yaml: cannot be read"), "{error}");
        assert_eq!(bench.live.load().connections.per_ip, 1);
        fs::write(bench.path("vestibule.yaml"), bench.text(2)).unwrap();
        bench.until_per_ip(2).await;
        assert!(bench.live.status().successful);
    }
}

/// What the kubelet does: a new folder, then the link `..data` renamed over the old one.
#[tokio::test]
async fn config_map_swaps_are_taken_over() {
    let publish = |folder: &Path, version: usize, text: &str| {
        let name = format!("..2024_{version}");
        fs::create_dir(folder.join(&name)).unwrap();
        fs::write(folder.join(&name).join("vestibule.yaml"), text).unwrap();
        symlink(&name, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    for by in [By::Notice, By::Poll] {
        let bench = Bench::start(by, |folder, text| {
            publish(folder, 1, text);
            symlink("..data/vestibule.yaml", folder.join("vestibule.yaml")).unwrap();
        });
        for version in [2, 3] {
            publish(bench.folder.path(), version, &bench.text(version));
            fs::remove_dir_all(bench.path(&format!("..2024_{}", version - 1))).unwrap();
            bench.until_per_ip(version).await;
        }
    }
}

#[tokio::test]
async fn a_change_behind_a_link_is_taken_over() {
    for by in [By::Notice, By::Poll] {
        let bench = Bench::start(by, |folder, text| {
            fs::create_dir(folder.join("real")).unwrap();
            fs::write(folder.join("real/v.yaml"), text).unwrap();
            symlink("real/v.yaml", folder.join("vestibule.yaml")).unwrap();
        });
        fs::write(bench.path("real/new"), bench.text(2)).unwrap();
        fs::rename(bench.path("real/new"), bench.path("real/v.yaml")).unwrap();
        bench.until_per_ip(2).await;
    }
}

#[tokio::test]
async fn a_bad_edit_keeps_the_last_good_one_and_says_why() {
    for by in [By::Notice, By::Poll, By::Request] {
        let bench = Bench::plain(by);
        let bad = bench.text(2) + "cache:\n  memroy: {size: 1MiB}\n";
        fs::write(bench.path("vestibule.yaml"), bad).unwrap();
        bench
            .until("a failure", |b| !b.live.status().successful)
            .await;
        let status = bench.live.status();
        let error = status.error.unwrap();
        assert!(
            error.contains("vestibule.yaml:5:3: cache.memroy: unknown key"),
            "{error}"
        );
        assert_eq!(
            (bench.live.load().connections.per_ip, status.generation),
            (1, 1)
        );
        assert!(bench.metric("last_reload_successful 0"));
        fs::write(bench.path("vestibule.yaml"), bench.text(3)).unwrap();
        bench.until_per_ip(3).await;
        let status = bench.live.status();
        assert_eq!(
            (status.successful, status.generation, status.error),
            (true, 2, None)
        );
        bench
            .until("metrics follow", |b| b.metric("last_reload_successful 1"))
            .await;
        assert!(bench.metric("reloads_total{result=\"applied\"} 1"));
    }
}

#[tokio::test]
async fn taking_a_bad_edit_back_is_a_success() {
    let bench = Bench::plain(By::Poll);
    fs::write(bench.path("vestibule.yaml"), "nonsense").unwrap();
    bench
        .until("a failure", |b| !b.live.status().successful)
        .await;
    fs::write(bench.path("vestibule.yaml"), bench.text(1)).unwrap();
    bench
        .until("a success", |b| b.live.status().successful)
        .await;
}

#[tokio::test]
async fn what_needs_a_restart_is_refused_by_name_and_the_rest_applied() {
    let bench = Bench::plain(By::Request);
    let old = bench.live.full();
    let text = bench.text(2)
        + "listen: 127.0.0.1:7777\nthreads: 3\nobservability: {metrics: off, admin: {token: hunter2}}\n";
    fs::write(bench.path("vestibule.yaml"), text).unwrap();
    let expected = vec![
        "threads",
        "listen",
        "observability.metrics",
        "observability.admin",
    ];
    let outcome = bench.handle.reload().await.unwrap();
    assert_eq!(
        outcome,
        Outcome::Applied {
            pending_restart: expected.clone()
        }
    );
    assert_eq!(bench.live.status().pending_restart, expected);
    let new = bench.live.full();
    assert_eq!(new.connections.per_ip, 2);
    assert_eq!((new.threads, &new.listen), (old.threads, &old.listen));
    assert_eq!(new.observability, old.observability);
    // Asked again, nothing is new; taken back, nothing waits.
    assert_eq!(bench.handle.reload().await.unwrap(), Outcome::Unchanged);
    fs::write(bench.path("vestibule.yaml"), bench.text(3)).unwrap();
    bench.handle.reload().await.unwrap();
    assert!(bench.live.status().pending_restart.is_empty());
}

#[tokio::test]
async fn a_request_tells_what_is_wrong() {
    let bench = Bench::plain(By::Request);
    assert_eq!(bench.handle.reload().await.unwrap(), Outcome::Unchanged);
    fs::write(bench.path("vestibule.yaml"), "mode: maybe\nupstream: x\n").unwrap();
    let problems = bench.handle.reload().await.unwrap_err();
    assert_eq!(problems.len(), 2, "{problems}");
    assert_eq!(bench.swaps.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn without_a_watcher_a_request_fails_instead_of_waiting() {
    let (handle, requests) = channel();
    drop(requests);
    handle.nudge();
    assert!(handle.reload().await.is_err());
}

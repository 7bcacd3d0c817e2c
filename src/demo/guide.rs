//! What the demo tells its user: the configuration file it starts with and the lines to try.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The addresses and the file of one demo.
pub(super) struct Guide {
    pub(super) listen: SocketAddr,
    pub(super) metrics: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) file: PathBuf,
}

impl Guide {
    /// The configuration that the demo starts with.
    pub(super) fn yaml(&self) -> String {
        let Guide {
            listen,
            metrics,
            admin,
            upstream,
            ..
        } = self;
        format!(
            r#"# The demo's configuration. Change something and save: it takes effect without a restart.

listen: "{listen}"
upstream: http://{upstream}

cache:
  memory: {{size: 32MiB}}

compression:
  min_size: 1KiB                # try 1MiB: then nothing on the page is large enough

routes:
  # What the app says about its articles is enough (Cache-Control, Cache-Tag); the route gives
  # them a name of their own in metrics and logs.
  - name: article
    match: {{path: "/api/articles/{{id}}"}}

  # Here the app says nothing, so this rule does. Try another ttl, or `cache: off`.
  - name: slow
    match: {{path: /slow}}
    cache: {{ttl: 10s, tags: [slow]}}

observability:
  metrics: {{listen: "{metrics}"}}
  admin: {{listen: "{admin}"}}
"#
        )
    }

    /// Prints the things to try. A closed stdout is no reason to stop the demo.
    pub(super) fn print(&self) {
        let mut out = std::io::stdout().lock();
        let _ = out
            .write_all(self.text().as_bytes())
            .and_then(|()| out.flush());
    }

    fn text(&self) -> String {
        let Guide {
            listen,
            metrics,
            admin,
            file,
            ..
        } = self;
        let file = file.display();
        // It need not be on anybody's path.
        let exe = std::env::current_exe().unwrap_or_else(|_| "vestibule".into());
        let exe = exe.display();
        format!(
            r#"
The demo is running: open http://{listen}/ in a browser, or try these in a second terminal.

 1 The app needs 300 ms for an article; the second answer comes from the cache.
     curl -i http://{listen}/api/articles/1
     curl -i http://{listen}/api/articles/1

 2 Purge by tag, and the next answer is fresh. (A POST to the article lets the app do both.)
     curl -X POST http://{admin}/v1/purge -H 'content-type: application/json' -d '{{"tags":["article:1"]}}'
     curl -i http://{listen}/api/articles/1
     curl -X POST http://{listen}/api/articles/1

 3 Compression: bytes on the wire without and with it.
     curl -so /dev/null -w '%{{size_download}} bytes\n' http://{listen}/
     curl -so /dev/null -w '%{{size_download}} bytes\n' -H 'accept-encoding: br' http://{listen}/

 4 What is never stored, and why: in a word (see cache-status), and in full.
     curl -i http://{listen}/api/me
     curl -i http://{listen}/api/time
     {exe} explain http://{listen}/api/me --admin http://{admin}

 5 Streams pass at once: events here, a WebSocket on the page.
     curl -N http://{listen}/events

 6 What the proxy has seen.
     curl http://{admin}/v1/stats
     curl http://{metrics}/metrics

 7 Edit the configuration while it runs, in any editor or like this, and ask again: see ttl.
     sed -i.bak 's/ttl: 10s/ttl: 1h/' {file}
     curl -i 'http://{listen}/slow?ms=500'
     curl -i 'http://{listen}/slow?ms=500'

Ctrl-C ends the demo.

"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    fn guide(file: PathBuf) -> Guide {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Guide {
            listen: at(8080),
            metrics: at(9092),
            admin: at(9093),
            upstream: at(3000),
            file,
        }
    }

    #[test]
    fn the_demos_configuration_is_valid_without_a_warning() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("vestibule-demo.yaml");
        std::fs::write(&file, guide(file.clone()).yaml()).expect("writable");
        let source = Source {
            file: Some(file),
            ..Source::default()
        };
        let loaded = source
            .load()
            .unwrap_or_else(|problems| panic!("{problems}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        let metrics = loaded
            .snapshot
            .observability
            .metrics
            .expect("metrics are on");
        assert_eq!(metrics.listen.port(), 9092);
    }

    #[test]
    fn the_guide_fits_a_terminal_but_for_its_commands() {
        let text = guide(PathBuf::from("/tmp/vestibule-demo.yaml")).text();
        assert!(text.contains("/tmp/vestibule-demo.yaml"));
        for line in text.lines().filter(|line| !line.starts_with("     ")) {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

//! The published suite: its origin, its client, and what it says of its tests. Nothing of it is in
//! this repository; `tests/run` installs it.

use super::support::{PATIENCE, eventually};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// One round takes about half a minute: the suite lets answers expire, a hundred tests at a time.
const ROUND_MAX: Duration = Duration::from_secs(180);

/// Prints what the suite knows of each test of a proxy; what it says by leaving out is filled in.
const LIST: &str = "
import tests from './tests/index.mjs'
import surrogate from './tests/surrogate-control.mjs'
const list = [...tests, surrogate].flatMap(suite => suite.tests
  .filter(test => !test.browser_only)
  .map(test => ({
    id: test.id,
    section: suite.name,
    kind: test.kind ?? 'required',
    depends_on: test.depends_on ?? []
  })))
console.log(JSON.stringify(list))
";

/// A test as the suite describes it.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Described {
    pub id: String,
    pub section: String,
    /// `required`, `optimal` or `check`.
    pub kind: String,
    /// It tells something only where these pass.
    pub depends_on: Vec<String>,
}

/// Where the suite is installed.
#[derive(Debug)]
pub struct Suite {
    package: PathBuf,
    /// What Node writes.
    outputs: TempDir,
}

impl Suite {
    /// The installed suite.
    pub fn installed() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/cache-tests");
        let package = root.join("node_modules/http-cache-tests");
        assert!(
            package.join("cli.mjs").exists(),
            "the HTTP cache tests are not at {}: `tests/run` installs them, and Node.js",
            package.display()
        );
        let outputs = tempfile::tempdir().expect("a temporary directory");
        Self { package, outputs }
    }

    /// All tests, in the order of the suite.
    pub async fn tests(&self) -> Vec<Described> {
        let mut node = self.node("list");
        node.args(["--input-type=module", "--eval", LIST]);
        let list = self.finish(node, "list").await;
        serde_json::from_str(&list).unwrap_or_else(|e| panic!("not a list of tests ({e}): {list}"))
    }

    /// Starts the suite's origin server on a free port.
    pub async fn origin(&self) -> Origin {
        let mut node = self.node("origin");
        node.arg("server/server.mjs")
            .env("npm_config_protocol", "http")
            .env("npm_config_port", "0")
            .env("npm_config_pidfile", self.outputs.path().join("pid"));
        let mut origin = Origin {
            child: start(node),
            port: 0,
        };
        eventually("the suite's origin to listen", PATIENCE, async || {
            let told = self.output("origin");
            let ended = origin.child.try_wait().expect("it is our child");
            assert!(
                ended.is_none(),
                "the origin ended, {ended:?}; it said:\n{told}"
            );
            let port = told
                .split_once("Listening on ")
                .and_then(|(_, rest)| rest.lines().next()?.rsplit(':').next())
                .and_then(|port| port.trim_end_matches('/').parse().ok());
            origin.port = port.unwrap_or(0);
            origin.port != 0
        })
        .await;
        origin
    }

    /// Runs every test against the cache at `url`; the result of each by its id.
    pub async fn results(&self, url: &str) -> serde_json::Map<String, Value> {
        let mut node = self.node("results");
        // An empty id from the package's own configuration stands for all tests.
        node.args(["--no-warnings", "cli.mjs"])
            .env("npm_config_base", url)
            .env("npm_package_config_id", "");
        let told = self.finish(node, "results").await;
        let json = &told[told.find('{').unwrap_or(0)..];
        serde_json::from_str(json).unwrap_or_else(|e| panic!("no results ({e}): {told}"))
    }

    fn node(&self, name: &str) -> Command {
        let output = |kind: &str| {
            let path = self.outputs.path().join(format!("{name}.{kind}"));
            File::create(path).expect("a new file")
        };
        let mut node = Command::new("node");
        node.current_dir(&self.package)
            .env_remove("npm_config_id")
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"));
        node
    }

    fn output(&self, name: &str) -> String {
        let read = |kind: &str| {
            fs::read_to_string(self.outputs.path().join(format!("{name}.{kind}")))
                .unwrap_or_default()
        };
        read("out") + &read("err")
    }

    async fn finish(&self, node: Command, name: &str) -> String {
        let mut child = Killed(start(node));
        let mut status = None;
        eventually(&format!("`{name}` to end"), ROUND_MAX, async || {
            status = child.0.try_wait().expect("it is our child");
            status.is_some()
        })
        .await;
        let (status, told) = (status.expect("the loop ended"), self.output(name));
        assert!(status.success(), "`{name}` ended with {status}:\n{told}");
        told
    }
}

/// The suite's origin, until it is dropped.
#[derive(Debug)]
pub struct Origin {
    child: Child,
    port: u16,
}

impl Origin {
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

/// A child that does not outlive a failed test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        kill(&mut self.0);
    }
}

fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn start(mut node: Command) -> Child {
    node.spawn()
        .unwrap_or_else(|e| panic!("Node.js does not run ({e}): `tests/run` installs it"))
}

//! The real binary, started on free ports with a configuration of its own.

use super::client::{Connection, Response};
use super::h2c::H2c;
use super::origin::Origin;
use super::request::Request;
use super::scrape::Scrape;
use super::wait::{PATIENCE, eventually, within};
use super::{HOST, config};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How the process ended, and when that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub at: Instant,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Debug)]
pub struct Builder {
    yaml: String,
    upstream: Option<String>,
    mounted: bool,
}

impl Builder {
    pub fn origin(self, origin: &Origin) -> Self {
        self.upstream(&origin.url())
    }

    pub fn upstream(mut self, url: &str) -> Self {
        self.upstream = Some(url.to_owned());
        self
    }

    /// The file is reached over symbolic links, as in a Kubernetes ConfigMap volume.
    pub fn mounted_like_configmap(mut self) -> Self {
        self.mounted = true;
        self
    }

    pub async fn start(self) -> Sidecar {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let text = config::complete(&self.yaml, self.upstream.as_deref());
        let file = place(dir.path(), &text, self.mounted);
        let child = spawn(dir.path(), &file);
        let ports = Ports::default();
        let mut sidecar = Sidecar {
            child,
            dir,
            file,
            upstream: self.upstream,
            ports,
        };
        sidecar.find_ports().await;
        // Not readiness, which waits for the app: some tests have none.
        eventually("life", PATIENCE, async || sidecar.is_alive().await).await;
        sidecar
    }
}

#[derive(Debug, Default)]
struct Ports {
    proxy: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

#[derive(Debug)]
pub struct Sidecar {
    child: Child,
    dir: TempDir,
    file: PathBuf,
    upstream: Option<String>,
    ports: Ports,
}

impl Sidecar {
    pub fn with(yaml: &str) -> Builder {
        Builder {
            yaml: yaml.to_owned(),
            upstream: None,
            mounted: false,
        }
    }

    /// The defaults, before that origin.
    pub async fn before(origin: &Origin) -> Self {
        Self::with("").origin(origin).start().await
    }

    pub fn address(&self) -> SocketAddr {
        self.ports.proxy[0]
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address())
            .await
            .expect("the sidecar accepts")
    }

    pub async fn h2c(&self) -> H2c {
        H2c::open(self.address())
            .await
            .expect("the sidecar speaks h2c")
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: &Request) -> Response {
        self.connect().await.ask(request).await
    }

    pub async fn get(&self, target: &str) -> Response {
        self.ask(&Request::get(target)).await
    }

    pub async fn metrics(&self) -> Scrape {
        let answer = self.metrics_port("/metrics").await.expect("metrics answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        Scrape::parse(&answer.text())
    }

    /// GET on the metrics port, which may be closed already.
    pub async fn metrics_port(&self, target: &str) -> std::io::Result<Response> {
        let address = self.ports.metrics.expect("the metrics address was logged");
        Connection::open(address)
            .await?
            .exchange(&Request::get(target))
            .await
    }

    pub async fn is_ready(&self) -> bool {
        self.says_ok("/readyz").await
    }

    async fn is_alive(&self) -> bool {
        self.says_ok("/livez").await
    }

    async fn says_ok(&self, target: &str) -> bool {
        let answer = self.metrics_port(target).await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// A request to the admin port.
    pub async fn admin(&self, request: &Request) -> Response {
        let address = self.ports.admin.expect("the admin address was logged");
        Connection::open(address)
            .await
            .expect("the admin port accepts")
            .ask(request)
            .await
    }

    /// Purges; fails unless the answer is a 200 that says what was done.
    pub async fn purge(&self, what: serde_json::Value) -> serde_json::Value {
        let request = Request::post("/v1/purge", what.to_string());
        let answer = self
            .admin(&request.header("Content-Type", "application/json"))
            .await;
        assert_eq!(answer.status, 200, "purge of {what}: {}", answer.text());
        let told = answer.json();
        assert!(
            told["sequence"].is_u64() && told["took_seconds"].is_number(),
            "{told}"
        );
        told
    }

    /// Where the admin port is.
    pub fn admin_url(&self) -> String {
        let address = self.ports.admin.expect("the admin address was logged");
        format!("http://{address}")
    }

    /// Runs a command of the same binary, in a folder where no configuration is found.
    pub async fn cli(&self, args: &[&str]) -> Ran {
        self.cli_with(args, &[]).await
    }

    /// As [`Sidecar::cli`], with variables in its environment.
    pub async fn cli_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let mut command = binary();
        command
            .args(args)
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = within("the command to end", run).await;
        let output = output.expect("no panic").expect("the binary runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code().expect("no signal ended it"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// The URL under which a purge knows that path of the tests' host.
    pub fn url_of(path: &str) -> String {
        format!("http://{HOST}{path}")
    }

    /// The statistics of one route and window.
    pub async fn stats(&self, route: &str, window: &str) -> serde_json::Value {
        let answer = self.admin(&Request::get("/v1/stats")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["routes"][route][window].clone()
    }

    /// Where the configuration file is, as the sidecar was told.
    pub fn config_file(&self) -> &Path {
        &self.file
    }

    /// The completed text for other YAML, as `with` would have made it.
    pub fn config_text(&self, yaml: &str) -> String {
        config::complete(yaml, self.upstream.as_deref())
    }

    /// Writes the file anew, in place.
    pub fn edit_config(&self, yaml: &str) {
        self.write_config(&self.config_text(yaml));
    }

    /// Writes exactly that text into the file, in place.
    pub fn write_config(&self, text: &str) {
        fs::write(&self.file, text).expect("the configuration file can be written");
    }

    /// Everything it wrote to its standard error so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    pub fn stdout(&self) -> String {
        fs::read_to_string(self.dir.path().join("stdout")).unwrap_or_default()
    }

    /// Sends a signal: "TERM", "INT", "HUP".
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([format!("-{name}"), pid])
            .status();
        assert!(sent.expect("kill runs").success(), "SIG{name} was not sent");
    }

    pub fn has_exited(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    pub async fn wait_exit(&mut self, deadline: Duration) -> Exit {
        let child = &mut self.child;
        let mut exit = None;
        eventually("the process to end", deadline, async || {
            exit = child.try_wait().expect("it is our child");
            exit.is_some()
        })
        .await;
        Exit {
            status: exit.expect("the loop ended"),
            at: Instant::now(),
        }
    }

    /// Resident memory now, in bytes.
    pub fn rss(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory it ever had, in bytes.
    pub fn rss_peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the process lives");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line
            .and_then(|line| line.trim().strip_suffix("kB"))
            .expect("a size in kB");
        kib.trim().parse::<u64>().expect("a number") * 1024
    }

    async fn find_ports(&mut self) {
        let log = self.dir.path().join("stderr");
        let child = &mut self.child;
        let mut ports = Ports::default();
        eventually(
            "the log to name the bound addresses",
            PATIENCE,
            async || {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let exit = child.try_wait().expect("it is our child");
                assert!(
                    exit.is_none(),
                    "the sidecar ended at its start, {exit:?}; it said:\n{text}"
                );
                ports = ports_in(&text);
                !ports.proxy.is_empty() && ports.metrics.is_some() && ports.admin.is_some()
            },
        )
        .await;
        self.ports = ports;
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing of it is left after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let (file, log) = (
                fs::read_to_string(&self.file).unwrap_or_default(),
                self.log(),
            );
            let stdout = self.stdout();
            let skipped = stdout.lines().count().saturating_sub(20);
            let access: String = stdout
                .lines()
                .skip(skipped)
                .map(|l| format!("{l}\n"))
                .collect();
            eprintln!("--- configuration\n{file}--- log\n{log}--- last of access log\n{access}---");
        }
    }
}

fn ports_in(log: &str) -> Ports {
    let mut ports = Ports::default();
    for line in log.lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let message = line["msg"].as_str().unwrap_or_default();
        let address = |prefix: &str| {
            message
                .strip_prefix(prefix)?
                .split(' ')
                .next()?
                .parse()
                .ok()
        };
        ports.proxy.extend(
            address("listening on ")
                .into_iter()
                .collect::<Vec<SocketAddr>>(),
        );
        ports.metrics = ports.metrics.or_else(|| address("metrics on "));
        ports.admin = ports.admin.or_else(|| address("admin on "));
    }
    ports
}

fn place(dir: &Path, text: &str, mounted: bool) -> PathBuf {
    let file = dir.join("vestibule.yaml");
    if !mounted {
        fs::write(&file, text).expect("a new file");
        return file;
    }
    fs::create_dir(dir.join("..version_1")).expect("a new directory");
    fs::write(dir.join("..version_1/vestibule.yaml"), text).expect("a new file");
    std::os::unix::fs::symlink("..version_1", dir.join("..data")).expect("a new link");
    std::os::unix::fs::symlink("..data/vestibule.yaml", &file).expect("a new link");
    file
}

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    // What is set for the tests, or by whoever runs them, is no configuration of this sidecar.
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG");
    command
}

fn spawn(dir: &Path, file: &Path) -> Child {
    let output = |name: &str| File::create(dir.join(name)).expect("a new file");
    binary()
        .args(["run", "-c"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(output("stdout"))
        .stderr(output("stderr"))
        .spawn()
        .expect("the binary runs")
}

fn is_ours(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("VESTIBULE_")
}

//! Real apps by other people, run from a Python environment.

use super::wait::{PATIENCE, eventually};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A Python program that serves HTTP until it is dropped.
#[derive(Debug)]
pub struct App {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
}

impl App {
    /// Postman's httpbin under gunicorn.
    pub async fn httpbin() -> Self {
        let args = [
            "-m",
            "gunicorn",
            "--bind",
            "127.0.0.1:0",
            "--worker-class",
            "gthread",
        ];
        let rest = ["--threads", "8", "--keep-alive", "30", "httpbin:app"];
        Self::start(&[&args[..], &rest[..]].concat(), "Listening at: http://").await
    }

    /// `tests/apps/stream.py`, a Starlette app, under uvicorn.
    pub async fn starlette() -> Self {
        let args = [
            "-m",
            "uvicorn",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "stream:app",
        ];
        Self::start(&args, "Uvicorn running on http://").await
    }

    async fn start(args: &[&str], announces: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let output = || File::create(dir.path().join("log")).expect("a new file");
        let mut command = python();
        // Its workers form a group with it, so that all of them can be ended together, and what
        // it likes to leave in its home goes with the directory.
        command
            .args(args)
            .process_group(0)
            .stdin(Stdio::null())
            .env("HOME", dir.path());
        let child = command.stdout(Stdio::null()).stderr(output()).spawn();
        let child = child.unwrap_or_else(|e| panic!("{command:?} does not run: {e}"));
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut app = Self {
            child,
            dir,
            address: unknown,
        };
        app.find_address(announces).await;
        app
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    async fn find_address(&mut self, announces: &str) {
        let mut found = None;
        eventually("the app to listen", PATIENCE * 2, async || {
            let log = self.log();
            let exit = self.child.try_wait().expect("it is our child");
            assert!(
                exit.is_none(),
                "the app ended at its start, {exit:?}; it said:\n{log}"
            );
            found = log.split_once(announces).and_then(|(_, rest)| {
                let end = rest.find(|c: char| c.is_whitespace())?;
                rest[..end].parse().ok()
            });
            found.is_some()
        })
        .await;
        self.address = found.expect("the loop ended");
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the app\n{}---", self.log());
        }
    }
}

/// The environment's Python, with `tests/apps` on its path.
pub fn python() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = std::env::var_os("VESTIBULE_TEST_VENV");
    let venv = venv.map_or_else(|| root.join("target/venv"), PathBuf::from);
    let program = venv.join("bin/python");
    let apps = root.join("tests/apps");
    assert!(
        program.exists(),
        "there is no Python environment at {}: `tests/run` makes it from tests/requirements.txt, \
         or set VESTIBULE_TEST_VENV",
        venv.display()
    );
    let mut command = Command::new(program);
    command
        .env("PYTHONPATH", &apps)
        .env("PYTHONUNBUFFERED", "1")
        .current_dir(&apps);
    command
}

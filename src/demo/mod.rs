//! `vestibule demo`: a small app, the proxy in front of it, and a list of things to try.
//!
//! Everything listens on loopback only and ends with the process.

pub mod app;
mod guide;
mod live;

use std::fs::{self, DirBuilder};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Flags, Source};
use app::App;
use guide::Guide;

/// The ports that a user will know from the manual; taken ones are replaced by free ones.
const METRICS_PORT: u16 = 9090;
const ADMIN_PORT: u16 = 9091;
/// How long the guide waits for the proxy to accept connections.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it looks.
const START_POLL: Duration = Duration::from_millis(20);
/// How many names are tried for the demo's directory.
const DIRECTORY_NAMES_MAX: u32 = 100;

/// Why the demo did not start or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Most likely another program uses the port.
    #[error("cannot listen on {address}, try --listen 127.0.0.1:0")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The app in the background did not start.
    #[error("cannot start the demo app")]
    App(#[source] io::Error),
    /// The demo's own configuration file could not be written.
    #[error("cannot write the demo's configuration")]
    File(#[source] io::Error),
    /// The proxy failed.
    #[error(transparent)]
    Proxy(#[from] crate::app::Error),
}

/// Runs the demo until the process is told to stop.
///
/// # Errors
/// When a port, the temporary directory or the proxy cannot be had.
pub fn run(listen: SocketAddr) -> Result<(), Error> {
    let listen = free(listen).map_err(|source| Error::Listen {
        address: listen,
        source,
    })?;
    let metrics = free_or_any(METRICS_PORT).map_err(Error::App)?;
    let admin = free_or_any(ADMIN_PORT).map_err(Error::App)?;
    let app = App::start(Some(admin)).map_err(Error::App)?;

    let directory = Directory::create(&std::env::temp_dir()).map_err(Error::File)?;
    let file = directory.path.join("vestibule-demo.yaml");
    let guide = Guide {
        listen,
        metrics,
        admin,
        upstream: app.address(),
        file: file.clone(),
    };
    fs::write(&file, guide.yaml()).map_err(Error::File)?;

    app.spawn(async move {
        if reachable(listen).await {
            guide.print();
        }
    });
    // Nothing but the file: what is set for a real proxy in this shell must not bend the demo.
    let source = Source {
        file: Some(file),
        flags: Flags::default(),
        env: Default::default(),
    };
    Ok(crate::app::run(source)?)
}

/// The address with a port that is free now. Between here and the proxy's own bind somebody may
/// take it; then the proxy says so.
fn free(address: SocketAddr) -> io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}

fn free_or_any(port: u16) -> io::Result<SocketAddr> {
    free((Ipv4Addr::LOCALHOST, port).into()).or_else(|_| free((Ipv4Addr::LOCALHOST, 0).into()))
}

async fn reachable(address: SocketAddr) -> bool {
    tokio::time::timeout(START_TIMEOUT, async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(START_POLL).await;
        }
    })
    .await
    .is_ok()
}

/// A directory of this run's own, removed with what is in it when dropped.
struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Only this user may enter: whoever can write the file decides where traffic goes. Creating
    /// fails on a name that exists, so nobody can prepare one for us in a shared `/tmp`.
    fn create(parent: &Path) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        for n in 0..DIRECTORY_NAMES_MAX {
            let path = parent.join(format!("vestibule-demo-{}-{n}", std::process::id()));
            match builder.create(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
                Ok(()) => return Ok(Directory { path }),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_apart_from_a_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("bound");
        assert!(free(address).is_err());
        let other = free_or_any(address.port()).expect("some port is free");
        assert_ne!(other.port(), address.port());
        assert!(matches!(run(address), Err(Error::Listen { .. })));
    }

    #[test]
    fn directories_are_private_distinct_and_removed() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let one = Directory::create(parent.path()).expect("created");
        let two = Directory::create(parent.path()).expect("created");
        assert_ne!(one.path, two.path);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&one.path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        drop((one, two));
        assert_eq!(fs::read_dir(parent.path()).expect("readable").count(), 0);
    }
}

//! `vestibule init`: writes the file to start from, whole or not at all, and never over another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::InitArgs;
use super::{Failure, print};
use crate::config::{self, Flags, Source};

pub(super) fn init(args: &InitArgs) -> Result<(), Failure> {
    // What would not load is not written: the flags are checked as `run` would check them.
    let flags = Flags {
        listen: Some(args.listen.clone()),
        upstream: Some(args.upstream.clone()),
    };
    Source {
        file: None,
        flags,
        env: Default::default(),
    }
    .load()?;

    let file = args.config.display();
    let text = config::starter(&args.listen, &args.upstream);
    write_whole(&args.config, text.as_bytes(), args.force).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "{file} exists; --force replaces it, -c FILE names another"
        )),
        _ => Failure::Run(format!("cannot write {file}: {e}")),
    })?;
    print(&format!(
        "wrote {file}\nnext: vestibule check -c {file} && vestibule run -c {file}\n"
    ))
}

/// Writes beside the target and then gives the new file its name, so that nobody ever reads half
/// of it. Without `replace`, fails with `AlreadyExists` rather than touch what is there.
fn write_whole(target: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    if !replace && target.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let draft = Draft::beside(target)?;
    draft.fill(bytes)?;
    if replace {
        return fs::rename(&draft.path, target);
    }
    // A link fails when the name has been taken meanwhile; a rename would replace silently.
    match fs::hard_link(&draft.path, target) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            // Some file systems know no links. The check above is what they get.
            fs::rename(&draft.path, target)
        }
        done => done,
    }
}

/// The file while it is being written; removed when dropped, unless it was renamed.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn beside(target: &Path) -> io::Result<Self> {
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))?;
        let mut draft = std::ffi::OsString::from(".");
        draft.push(name);
        draft.push(format!(".{}.new", std::process::id()));
        Ok(Draft {
            path: target.with_file_name(draft),
        })
    }

    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a rename there is nothing to remove, and that is fine.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(config: PathBuf, force: bool) -> InitArgs {
        InitArgs {
            config,
            listen: "127.0.0.1:8080".into(),
            upstream: "http://127.0.0.1:3000".into(),
            force,
        }
    }

    #[test]
    fn writes_a_file_that_loads() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("vestibule.yaml");
        assert!(init(&args(file.clone(), false)).is_ok());
        let source = Source {
            file: Some(file),
            ..Source::default()
        };
        let loaded = source.load().expect("what init writes is valid");
        assert_eq!(loaded.snapshot.listen[0].address.port(), 8080);
        assert_eq!(
            fs::read_dir(dir.path()).expect("readable").count(),
            1,
            "no draft is left"
        );
    }

    #[test]
    fn refuses_to_overwrite_without_force() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("vestibule.yaml");
        fs::write(&file, "mine").expect("writable");
        assert!(matches!(
            init(&args(file.clone(), false)),
            Err(Failure::Usage(_))
        ));
        assert_eq!(fs::read_to_string(&file).expect("readable"), "mine");

        assert!(init(&args(file.clone(), true)).is_ok());
        assert_ne!(fs::read_to_string(&file).expect("readable"), "mine");
    }

    #[test]
    fn what_would_not_load_is_not_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("vestibule.yaml");
        let bad = InitArgs {
            listen: "nowhere".into(),
            ..args(file.clone(), false)
        };
        assert!(matches!(init(&bad), Err(Failure::Config(_))));
        assert!(!file.exists());
    }
}

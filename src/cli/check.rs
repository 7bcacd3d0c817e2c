//! `vestibule check`: every problem at once, or one line that says what the file amounts to.

use super::{Failure, complain, print};
use crate::config::{Snapshot, Source};

pub(super) fn check(source: &Source) -> Result<(), Failure> {
    let loaded = source.load()?;
    let warnings: Vec<_> = loaded
        .warnings
        .iter()
        .map(|w| format!("warning: {w}"))
        .collect();
    complain(&warnings);
    let name = match &source.file {
        Some(file) => file.display().to_string(),
        None => "no file, environment only".to_owned(),
    };
    print(&format!(
        "{name}: ok, {}\n",
        summary(&loaded.snapshot, warnings.len())
    ))
}

fn summary(snapshot: &Snapshot, warnings: usize) -> String {
    let listen: Vec<_> = snapshot
        .listen
        .iter()
        .map(|l| l.address.to_string())
        .collect();
    format!(
        "{} -> {}, {}, {}",
        listen.join(" "),
        snapshot.upstream.authority,
        counted(snapshot.routes.len(), "route"),
        counted(warnings, "warning"),
    )
}

fn counted(n: usize, what: &str) -> String {
    match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    #[test]
    fn summary_is_one_line() {
        let flags = Flags {
            listen: Some("127.0.0.1:8080".into()),
            upstream: Some("http://127.0.0.1:3000".into()),
        };
        let source = Source {
            file: None,
            flags,
            ..Source::default()
        };
        let loaded = source.load().expect("two flags are a configuration");
        assert_eq!(
            summary(&loaded.snapshot, 2),
            "127.0.0.1:8080 -> 127.0.0.1:3000, no routes, 2 warnings"
        );
    }
}

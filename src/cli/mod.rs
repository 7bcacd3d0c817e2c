//! The command line: parse, do it, say in plain words what went wrong.
//!
//! Exit codes: 0 done, 1 failed while running, 2 wrong usage or a configuration with problems.
//! (`healthcheck` uses 0 and 1 only: container runtimes reserve the rest.)

mod admin;
pub mod args;
mod check;
mod client;
mod explain;
mod healthcheck;
mod init;
pub mod logging;
mod purge;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::config::{self, Problem, Problems, Source};
use crate::{app, demo};
use args::{Args, Command, RunArgs};

/// Looked for in this order when no `-c` is given.
const DEFAULT_FILES: [&str; 2] = ["vestibule.yaml", "/etc/vestibule/vestibule.yaml"];

/// Variables of ours that are not configuration overrides, although they carry the prefix.
const OWN_VARIABLES: [&str; 2] = [args::LOG_VARIABLE, args::TOKEN_VARIABLE];

/// Told when nothing was configured anywhere.
const NO_FILE_HINTS: [&str; 3] = [
    "hint: there is no vestibule.yaml here and none in /etc/vestibule",
    "hint: `vestibule init` writes one, `vestibule run --upstream URL` needs none",
    "hint: `vestibule demo` brings an app of its own",
];

/// What this build can do.
const FEATURES: &str = "http1 http2 websocket memory-cache br gzip prometheus";

/// Why a command did not do what was asked.
enum Failure {
    /// The configuration has problems, each told on a line of its own; exit code 2.
    Config(Problems),
    /// The same, and there is no file: the user may not know where it is looked for.
    NoFile(Problems),
    /// The command cannot be done as asked; exit code 2.
    Usage(String),
    /// It went wrong while running; exit code 1.
    Run(String),
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::Config(problems)
    }
}

impl From<app::Error> for Failure {
    fn from(error: app::Error) -> Self {
        Failure::Run(with_causes(&error))
    }
}

impl From<demo::Error> for Failure {
    fn from(error: demo::Error) -> Self {
        Failure::Run(with_causes(&error))
    }
}

/// Parses the arguments of this process, does what they say and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    logging::init(args.log_level);
    match dispatch(args.command) {
        Ok(code) => code,
        Err(failure) => tell(&failure),
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(args) => run(args)?,
        Command::Demo(args) => demo::run(args.listen)?,
        Command::Check(args) => check::check(&source(args.config, config::Flags::default()))?,
        Command::Init(args) => init::init(&args)?,
        Command::Schema => print(&format!("{:#}\n", config::json_schema()))?,
        Command::Purge(args) => purge::purge(args)?,
        Command::Explain(args) => explain::explain(args)?,
        Command::Healthcheck(args) => return Ok(healthcheck::healthcheck(args)),
        Command::Version => print(&version())?,
        Command::Completions(args) => print_bytes(&completions(args.shell))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads once before the app does, so that every problem is told and the exit code is 2.
fn run(args: RunArgs) -> Result<(), Failure> {
    let flags = config::Flags {
        listen: args.listen,
        upstream: args.upstream,
    };
    let source = source(args.config, flags);
    if let Err(problems) = source.load() {
        return Err(if source.file.is_none() {
            Failure::NoFile(problems)
        } else {
            problems.into()
        });
    }
    Ok(app::run(source)?)
}

/// What is to be loaded: the file asked for or found, the flags and the environment.
fn source(file: Option<PathBuf>, flags: config::Flags) -> Source {
    let found = || {
        DEFAULT_FILES
            .iter()
            .map(Path::new)
            .find(|f| f.exists())
            .map(Path::to_path_buf)
    };
    Source {
        file: file.or_else(found),
        flags,
        env: environment(),
    }
}

/// The environment, without what is not text (it cannot name or fill a key) and without our own
/// variables that are not configuration.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
        .collect()
}

fn version() -> String {
    let libc = if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "gnu") {
        "-gnu"
    } else {
        ""
    };
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    format!(
        "vestibule {}\ntarget    {}-{}{libc} ({build})\nfeatures  {FEATURES}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
}

/// Built in memory first: the generator panics when its writer fails, a closed pipe for one.
fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "vestibule", &mut script);
    script
}

fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no failure of ours.
fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write to stdout: {e}")))
        }
        _ => Ok(()),
    }
}

/// Writes lines to stderr; when even that fails there is nobody left to tell.
fn complain<T: std::fmt::Display>(lines: &[T]) {
    let mut err = io::stderr().lock();
    for line in lines {
        let _ = writeln!(err, "{line}");
    }
}

fn tell(failure: &Failure) -> ExitCode {
    match failure {
        Failure::Config(problems) => complain(&listed(problems)),
        Failure::NoFile(problems) => {
            complain(&listed(problems));
            complain(&NO_FILE_HINTS);
        }
        Failure::Usage(message) | Failure::Run(message) => complain(&[format!("error: {message}")]),
    }
    ExitCode::from(if matches!(failure, Failure::Run(_)) {
        1
    } else {
        2
    })
}

/// One line for each problem and one that counts them.
fn listed(problems: &Problems) -> Vec<String> {
    let s = if problems.len() == 1 { "" } else { "s" };
    let mut lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
    lines.push(format!(
        "error: {} problem{s} in the configuration",
        lines.len()
    ));
    lines
}

/// The error and what caused it, on one line, each cause told once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_variables_are_not_configuration() {
        assert!(
            OWN_VARIABLES
                .iter()
                .all(|name| name.starts_with("VESTIBULE_"))
        );
        assert!(
            environment()
                .keys()
                .all(|name| !OWN_VARIABLES.contains(&name.as_str()))
        );
    }

    #[test]
    fn causes_are_told_once_and_on_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen on {0}")]
        struct Outer(&'static str, #[source] io::Error);
        let error = Outer("127.0.0.1:80", io::Error::other("permission denied"));
        assert_eq!(
            with_causes(&error),
            "cannot listen on 127.0.0.1:80: permission denied"
        );
    }

    #[test]
    fn version_tells_name_target_and_features() {
        let version = version();
        assert!(version.starts_with(concat!("vestibule ", env!("CARGO_PKG_VERSION"), "\n")));
        assert!(version.contains(std::env::consts::ARCH) && version.contains("features"));
    }

    #[test]
    fn every_shell_gets_a_script() {
        for shell in <clap_complete::Shell as clap::ValueEnum>::value_variants() {
            let script = String::from_utf8(completions(*shell)).expect("a script is text");
            assert!(script.contains("healthcheck"), "{shell}");
        }
    }
}

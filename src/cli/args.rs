//! What may be typed: the commands, their flags and their help.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// The variable that sets the log level.
pub(super) const LOG_VARIABLE: &str = "VESTIBULE_LOG";
/// The variable that holds the token of the admin port, for commands that ask it.
pub(super) const TOKEN_VARIABLE: &str = "VESTIBULE_ADMIN_TOKEN";

/// A reverse proxy that sits in front of one app: it caches, compresses, limits and explains.
#[derive(Debug, Parser)]
#[command(
    name = "vestibule",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Start here:
  vestibule demo                                   see it work in front of a small app
  vestibule run --upstream http://127.0.0.1:3000   put it in front of yours, no file needed
  vestibule init && vestibule run                  write the two-line file, then use it"
)]
pub struct Args {
    /// Log level, from off to trace [env: VESTIBULE_LOG] [default: info]
    #[arg(
        long,
        global = true,
        env = LOG_VARIABLE,
        hide_env = true,
        default_value = "info",
        value_name = "LEVEL",
        hide_possible_values = true,
        hide_default_value = true,
        ignore_case = true
    )]
    pub log_level: Level,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy in front of your app
    Run(RunArgs),
    /// Run it in front of a built-in app, with things to try
    Demo(DemoArgs),
    /// Check a configuration file and list every problem
    Check(CheckArgs),
    /// Write a configuration file to start from
    Init(InitArgs),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Make a running proxy forget what it has stored: by tag, URL, host or path
    Purge(PurgeArgs),
    /// Ask a running proxy what becomes of a request, and why
    Explain(ExplainArgs),
    /// Ask a running proxy whether it is ready (exit code 0 or 1)
    Healthcheck(HealthcheckArgs),
    /// Print version, target and features
    Version,
    /// Print a completion script for your shell
    Completions(CompletionsArgs),
}

/// `vestibule run`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestibule run                                    with ./vestibule.yaml
  vestibule run -c /srv/site/vestibule.yaml
  vestibule run --listen 0.0.0.0:80 --upstream http://127.0.0.1:3000
  VESTIBULE_CACHE__MEMORY__SIZE=256MiB vestibule run

The file is read again when it changes and on SIGHUP; a file with problems changes nothing.
SIGTERM and SIGINT let requests finish; a second SIGINT does not wait.")]
pub struct RunArgs {
    /// Configuration file [default: ./vestibule.yaml, else /etc/vestibule/vestibule.yaml, if any]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where clients connect, instead of the file's `listen`
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The app, instead of the file's `upstream`
    #[arg(long, value_name = "URL")]
    pub upstream: Option<String>,
}

/// `vestibule demo`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  vestibule demo --listen 127.0.0.1:8888

Everything it starts stays on this machine (loopback) and ends with Ctrl-C.")]
pub struct DemoArgs {
    /// Where to open the demo in a browser (port 0 picks a free one)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: std::net::SocketAddr,
}

/// `vestibule check`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestibule check                                  looks where `vestibule run` looks
  vestibule check -c vestibule.yaml && deploy      exit code 2 when there are problems")]
pub struct CheckArgs {
    /// Configuration file [default: the one that `run` would use]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `vestibule init`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestibule init --upstream http://127.0.0.1:8000
  vestibule init -c /etc/vestibule/vestibule.yaml")]
pub struct InitArgs {
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "vestibule.yaml")]
    pub config: PathBuf,
    /// Where clients will connect
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: String,
    /// The app
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    pub upstream: String,
    /// Replace the file if it exists
    #[arg(long)]
    pub force: bool,
}

/// `vestibule purge`
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "vestibule purge <WHAT>... [OPTIONS]",
    group = clap::ArgGroup::new("what")
        .args(["tag", "url", "host", "prefix", "glob", "all"])
        .required(true)
        .multiple(true),
    after_help = "\
Examples:
  vestibule purge --tag news --tag article:7
  vestibule purge --url 'https://example.org/a?b=1' --mode hard
  vestibule purge --host example.org --prefix /blog/ --mode soft
  vestibule purge --glob '/assets/**.css' --admin http://10.0.0.7:9091 --token-file token"
)]
pub struct PurgeArgs {
    /// What carries this tag (may be repeated, like the next ones)
    #[arg(long, value_name = "TAG", num_args = 1..)]
    pub tag: Vec<String>,
    /// This URL: all of its variants, http and https
    #[arg(long, value_name = "URL", num_args = 1..)]
    pub url: Vec<String>,
    /// What begins with this path or URL
    #[arg(long, value_name = "PREFIX", num_args = 1..)]
    pub prefix: Vec<String>,
    /// What looks like this: * within a path segment, ** across them
    #[arg(long, value_name = "PATTERN", num_args = 1..)]
    pub glob: Vec<String>,
    /// Only what is of this host; alone: all of it
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Everything
    #[arg(long, conflicts_with = "host")]
    pub all: bool,
    /// invalidate (ask the app before use), soft (use while renewing) or hard (drop the bytes)
    #[arg(
        long,
        value_name = "MODE",
        default_value = "invalidate",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub mode: PurgeMode,
    /// Print the proxy's answer instead of a sentence
    #[arg(long)]
    pub json: bool,
    /// Which proxy
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// How a purge treats what it hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PurgeMode {
    /// Not used again before the app was asked. The default.
    Invalidate,
    /// Given out while it is fetched anew.
    Soft,
    /// Dropped.
    Hard,
}

impl PurgeMode {
    /// As the admin port calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Invalidate => "invalidate",
            Self::Soft => "soft",
            Self::Hard => "hard",
        }
    }
}

/// `vestibule explain`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestibule explain http://shop.example/articles/7
  vestibule explain /articles/7 --host shop.example -H 'Cookie: lang=de'
  vestibule explain http://shop.example/ -H 'Cache-Control: no-cache' --json

Nothing is given, stored or counted; the app is asked once where its answer decides (GET, HEAD).")]
pub struct ExplainArgs {
    /// The URL as clients ask for it, or a path with --host
    pub url: String,
    /// A header of the request; can be given many times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Its method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub method: String,
    /// The host that it is for
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The address that it comes from [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<std::net::IpAddr>,
    /// Never ask the app
    #[arg(long)]
    pub no_ask: bool,
    /// Print the answer of the admin port as it is
    #[arg(long)]
    pub json: bool,
    /// The proxy that is asked
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// `vestibule healthcheck`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestibule healthcheck                            finds the metrics port in the file
  vestibule healthcheck --url http://127.0.0.1:9090/readyz
  HEALTHCHECK CMD [\"vestibule\", \"healthcheck\"]     in a Dockerfile")]
pub struct HealthcheckArgs {
    /// What to ask, instead of the configured metrics port's /readyz
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub url: Option<String>,
    /// Configuration file that names the metrics port [default: the one that `run` would use]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `vestibule completions`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(vestibule completions bash)
  vestibule completions zsh > ~/.zfunc/_vestibule
  vestibule completions fish > ~/.config/fish/completions/vestibule.fish")]
pub struct CompletionsArgs {
    /// Your shell
    pub shell: clap_complete::Shell,
}

/// Where the admin port is, for commands that ask it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Which proxy")]
pub struct AdminArgs {
    /// Its admin port [default: the configured one, else http://127.0.0.1:9091]
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
    /// The configuration file that names port and token [default: the one of `run`]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The port's token [env: VESTIBULE_ADMIN_TOKEN] [default: as configured]
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// A file that holds the token, so that no list of processes shows it
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Nothing.
    Off,
    /// What needs somebody's attention.
    Error,
    /// Also what may need it soon.
    Warn,
    /// Also what changed: started, reloaded, stopped.
    Info,
    /// Also what happened to single connections.
    Debug,
    /// Everything, the proxy library's own messages included.
    Trace,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_fits_a_screen() {
        let help = Args::command().render_long_help().to_string();
        assert!(
            help.lines().count() <= 40,
            "{} lines:\n{help}",
            help.lines().count()
        );
        for command in Args::command().get_subcommands_mut() {
            let help = command.render_help().to_string();
            assert!(help.lines().count() <= 30, "{help}");
            assert!(
                help.lines().all(|line| line.chars().count() <= 100),
                "{help}"
            );
        }
    }

    #[test]
    fn parses_what_the_help_promises() {
        let cases: [(&str, bool); 28] = [
            ("run", true),
            (
                "run -c x.yaml --listen 127.0.0.1:1 --upstream http://a",
                true,
            ),
            ("--log-level debug run", true),
            ("run --log-level WARN", true),
            ("run --log-level loud", false),
            ("demo", true),
            ("demo --listen 127.0.0.1:0", true),
            ("demo --listen nowhere", false),
            ("check --config x.yaml", true),
            ("init --force --upstream http://127.0.0.1:1", true),
            ("schema", true),
            ("explain http://a/b", true),
            (
                "explain /b --host a -H A:b -H C:d -X HEAD --from ::1 --no-ask --json",
                true,
            ),
            ("explain", false),
            ("explain /b --from nowhere", false),
            ("healthcheck --url http://127.0.0.1:9090/readyz", true),
            ("healthcheck --url http://a -c x.yaml", false),
            ("purge --tag a --tag b", true),
            ("purge --all --mode soft --json", true),
            ("purge --host a -c x.yaml --token t", true),
            ("purge", false),
            ("purge --mode hard", false),
            ("purge --tag", false),
            ("purge --all --host a", false),
            ("purge --all --token t --token-file f", false),
            ("version", true),
            ("completions bash", true),
            ("completions cmd.exe", false),
        ];
        for (line, fine) in cases {
            let words = std::iter::once("vestibule").chain(line.split(' '));
            let parsed = Args::try_parse_from(words);
            assert_eq!(parsed.is_ok(), fine, "vestibule {line}");
            if let Err(error) = parsed {
                assert_eq!(error.exit_code(), 2, "vestibule {line}");
            }
        }
    }
}

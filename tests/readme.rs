//! Holds README.md true. Its tables are written by `UPDATE_README=1 cargo test --test readme`, from
//! the model of the configuration, the list of reasons and a scrape of the real binary; its YAML
//! loads, its commands parse, its links lead somewhere.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::{CommandFactory, Parser};
use vestibule::cache::explain::advice;
use vestibule::cli::args::Args;
use vestibule::config::{self, Flags, KeyDoc, Source};
use vestibule::reason::{Kind, Reason};

/// How long the binary may take to start, and to count a request.
const PATIENCE: Duration = Duration::from_secs(20);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// Compares what stands between two markers with what should, or puts it there.
fn holds(block: &str, expected: &str) {
    // Tests run side by side, and each rewrites the whole file.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock();
    let text = readme();
    let (begin, end) = (
        format!("<!-- {block}:begin -->\n"),
        format!("<!-- {block}:end -->"),
    );
    let from = text.find(&begin).expect(&begin) + begin.len();
    let to = from + text[from..].find(&end).expect(&end);
    if text[from..to] == *expected {
        return;
    }
    if std::env::var_os("UPDATE_README").is_some() {
        let text = [&text[..from], expected, &text[to..]].concat();
        return fs::write(root().join("README.md"), text).unwrap();
    }
    let (old, new): (BTreeSet<_>, BTreeSet<_>) =
        (text[from..to].lines().collect(), expected.lines().collect());
    panic!(
        "the table of {block} in README.md is not up to date; \
         `UPDATE_README=1 cargo test --test readme` writes it\nno longer true: {:#?}\nmissing: {:#?}",
        old.difference(&new).collect::<Vec<_>>(),
        new.difference(&old).collect::<Vec<_>>(),
    );
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = String::new();
    let mut line = |cells: &[String]| writeln!(text, "| {} |", cells.join(" | ")).unwrap();
    line(&head.iter().map(ToString::to_string).collect::<Vec<_>>());
    line(&vec!["---".to_owned(); head.len()]);
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        line(&cells);
    }
    text
}

/// In backticks, unless there is nothing to put in them.
fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("`{text}`"),
    }
}

#[test]
fn the_keys_are_those_of_the_model() {
    let row = |key: KeyDoc| {
        let restart = if key.restart { "R" } else { "" };
        vec![
            code(&key.path),
            code(key.default.as_deref().unwrap_or_default()),
            restart.to_owned(),
            key.doc,
        ]
    };
    let rows = config::keys().into_iter().map(row);
    holds(
        "keys",
        &table(&["key", "default", "", "what it does"], rows),
    );
}

#[test]
fn the_reasons_are_those_of_the_code() {
    let kind = |kind: Kind| match kind {
        Kind::Bypass => "bypass",
        Kind::NotStored => "not stored",
        Kind::NotReused => "not reused",
        Kind::Stale => "given stale",
        Kind::NotCompressed => "not compressed",
        Kind::Refused => "refused",
        Kind::Error => "error",
    };
    let row = |reason: &Reason| {
        let (code_, text) = (code(reason.code()), reason.text());
        vec![code_, kind(reason.kind()).to_owned(), text.to_owned()]
    };
    let rows = Reason::ALL.iter().map(row);
    holds(
        "reasons",
        &table(&["reason", "what was decided", "why"], rows),
    );
}

/// Whoever follows an advice must find the key that it names.
#[test]
fn the_advice_names_keys_that_exist() {
    let keys: BTreeSet<_> = config::keys().into_iter().map(|key| key.path).collect();
    let mut named = 0;
    for reason in Reason::ALL {
        let advice = advice::of(*reason).unwrap_or_default();
        // Every other piece stands between backquotes.
        for quoted in advice.split('`').skip(1).step_by(2) {
            let key = quoted.split(':').next().unwrap_or_default();
            if key.starts_with("cache.") || ["mode", "compression"].contains(&key) {
                assert!(keys.contains(key), "{}: there is no `{key}`", reason.code());
                named += 1;
            }
        }
    }
    assert!(named > 10, "only {named} keys found");
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "the process's figures come from /proc"
)]
fn the_metrics_are_those_of_a_scrape() {
    let rows = metrics_of(&scrape_after_some_traffic());
    holds(
        "metrics",
        &table(&["name", "type", "labels", "what it tells"], rows),
    );
}

/// One row for each metric, by the name under which it is queried.
fn metrics_of(scrape: &str) -> Vec<Vec<String>> {
    let about = |what: &str| -> BTreeMap<&str, &str> {
        let lines = scrape.lines().filter_map(|line| line.strip_prefix(what));
        lines.filter_map(|line| line.split_once(' ')).collect()
    };
    let (helps, types) = (about("# HELP "), about("# TYPE "));
    assert!(types.len() > 10, "that is no scrape:\n{scrape}");
    assert!(helps.keys().eq(types.keys()), "{helps:?}\n{types:?}");
    let row = |(name, kind): (&&str, &&str)| {
        let suffix = match *kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        // The encoder ends each help text with a period, also one that has its own.
        let help = format!("{}.", helps[name].trim_end_matches('.'));
        let labels: Vec<_> = labels(scrape, name).iter().map(|l| code(l)).collect();
        vec![
            code(&format!("{name}{suffix}")),
            (*kind).to_owned(),
            labels.join(" "),
            help,
        ]
    };
    types.iter().map(row).collect()
}

/// The names of a metric's labels, in their order. No label value here holds a comma.
fn labels<'s>(scrape: &'s str, name: &str) -> Vec<&'s str> {
    let of_metric = |line: &&str| {
        line.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['_', '{']))
    };
    let Some((_, rest)) = scrape
        .lines()
        .filter(of_metric)
        .find_map(|line| line.split_once('{'))
    else {
        return Vec::new();
    };
    let inside = rest.split_once('}').map_or(rest, |(inside, _)| inside);
    inside
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(label, _)| label)
        .filter(|label| *label != "le")
        .collect()
}

/// The real binary on free ports; killed when dropped.
struct Running {
    child: Child,
    proxy: SocketAddr,
    metrics: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Running {
    fn before(app: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.yaml");
        let yaml = format!(
            "listen: '127.0.0.1:0'\nupstream: http://{app}\nobservability:\n  \
             metrics: {{listen: '127.0.0.1:0'}}\n  admin: {{listen: '127.0.0.1:0'}}\n"
        );
        fs::write(&file, yaml).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["run", "-c"])
            .arg(&file)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut proxy, mut metrics) = (None, None);
        let mut log = BufReader::new(child.stderr.take().unwrap());
        while proxy.is_none() || metrics.is_none() {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "it ended at its start"
            );
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            let message = line["msg"].as_str().unwrap_or_default();
            let address = |prefix| message.strip_prefix(prefix)?.parse().ok();
            proxy = proxy.or_else(|| address("listening on "));
            metrics = metrics.or_else(|| address("metrics on "));
        }
        // Its further words are nobody's business here, but it must be able to say them.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self {
            child,
            proxy: proxy.unwrap(),
            metrics: metrics.unwrap(),
            _folder: folder,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the metrics port says once every family has a member: those without are not shown.
#[allow(
    clippy::disallowed_methods,
    reason = "a wait for a condition, with a deadline, on a thread of its own"
)]
fn scrape_after_some_traffic() -> String {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = app.local_addr().unwrap();
    std::thread::spawn(move || answer_all(&app));
    let running = Running::before(address);
    // An answer that is not stored, which is a decision; and a request that is refused, a failure.
    get(running.proxy, "/", "");
    get(running.proxy, "/", "Cache-Control: only-if-cached\r\n");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let scrape = get(running.metrics, "/metrics", "");
        let counted = scrape
            .lines()
            .filter(|line| line.starts_with("vestibule_requests_total{"))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum::<f64>();
        if counted == 2.0 {
            return scrape;
        }
        assert!(Instant::now() < deadline, "two requests, counted {counted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An app that has nothing to say, and says so until the test's process ends.
fn answer_all(app: &TcpListener) {
    for stream in app.incoming() {
        let mut stream = stream.unwrap();
        let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
        while head
            .next()
            .is_some_and(|line| line.is_ok_and(|l| !l.is_empty()))
        {}
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(answer);
    }
}

fn get(address: SocketAddr, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A fenced block: the language behind its first fence, and what is in it.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            let inside = inside.fold(String::new(), |text, line| text + line + "\n");
            blocks.push((language, inside));
        }
    }
    assert!(!blocks.is_empty());
    blocks
}

#[test]
fn every_yaml_block_loads() {
    let known: BTreeSet<_> = config::keys().into_iter().map(|key| key.path).collect();
    let folder = tempfile::tempdir().unwrap();
    let text = readme();
    let mut loaded = 0;
    for (_, block) in blocks(&text).iter().filter(|(lang, _)| *lang == "yaml") {
        let value: serde_yaml::Value = serde_yaml::from_str(block).unwrap();
        let keys = value.as_mapping().expect("a mapping").keys();
        let mut keys = keys.filter_map(|key| key.as_str());
        if !keys.any(|key| known.contains(key)) {
            starts_us(&value);
            continue;
        }
        let file = folder.path().join("vestibule.yaml");
        fs::write(&file, block).unwrap();
        let upstream = value.get("upstream").is_none();
        let source = Source {
            file: Some(file),
            flags: Flags {
                upstream: upstream.then(|| "http://127.0.0.1:3000".to_owned()),
                ..Flags::default()
            },
            ..Source::default()
        };
        match source.load() {
            Ok(found) => assert!(found.warnings.is_empty(), "{:?}", found.warnings),
            Err(problems) => panic!("{problems}\n{block}"),
        }
        loaded += 1;
    }
    assert!(loaded >= 2, "only {loaded} blocks were loaded");
}

/// A file of others (Kubernetes) that starts the program: what it passes must be understood.
fn starts_us(pod: &serde_yaml::Value) {
    let containers = pod["spec"]["containers"].as_sequence().expect("a pod");
    let ours = containers
        .iter()
        .find(|c| c["name"] == "vestibule")
        .unwrap();
    let args = ours["args"].as_sequence().unwrap();
    let args = args.iter().map(|arg| arg.as_str().unwrap());
    Args::try_parse_from(["vestibule"].into_iter().chain(args)).unwrap();
    let text = |value: &serde_yaml::Value| value.as_str().unwrap().to_owned();
    let env = ours["env"].as_sequence().unwrap().iter();
    let env = env.map(|var| (text(&var["name"]), text(&var["value"])));
    let source = Source {
        env: env.collect(),
        flags: Flags {
            upstream: Some("http://127.0.0.1:3000".to_owned()),
            ..Flags::default()
        },
        ..Source::default()
    };
    if let Err(problems) = source.load() {
        panic!("{problems}");
    }
}

/// The files that the Compose example mounts are beside it. (That `conf/*.yaml` loads is checked in
/// `tests/config.rs`.)
#[test]
fn the_compose_example_is_whole() {
    let conf = root().join("conf");
    let text = fs::read_to_string(conf.join("docker-compose.yml")).unwrap();
    let compose: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let side = &compose["services"]["vestibule"];
    let command = side["command"].as_sequence().unwrap();
    let words = command.iter().map(|word| word.as_str().unwrap());
    Args::try_parse_from(["vestibule"].into_iter().chain(words)).unwrap();
    let volumes = side["volumes"].as_sequence().unwrap();
    assert!(!volumes.is_empty());
    for volume in volumes {
        let (file, _) = volume.as_str().unwrap().split_once(':').unwrap();
        assert!(conf.join(file).exists(), "{file}");
    }
}

/// What the README shows as code: whole blocks, and what is in backticks elsewhere.
fn code_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push(line.to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The arguments of each call of the program in a line of code.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let command = line.split(" #").next().unwrap_or_default();
    let mut calls = Vec::new();
    for part in command.split("&&") {
        let words: Vec<_> = part.split_whitespace().collect();
        let starts = |(at, word): (usize, &&str)| {
            let name = word.rsplit(['/', '=']).next() == Some("vestibule");
            let through_cargo = *word == "--" && words.starts_with(&["cargo", "run"]);
            (name || through_cargo).then_some(at + 1)
        };
        let Some(first) = words.iter().enumerate().find_map(starts) else {
            continue;
        };
        // `systemctl restart vestibule` calls something else.
        if words
            .get(first)
            .is_some_and(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        {
            calls.push(words[first..].to_vec());
        }
    }
    calls
}

#[test]
fn every_command_line_parses() {
    let text = readme();
    let mut seen = 0;
    for line in code_in(&text) {
        for call in calls(&line) {
            if let Err(e) = Args::try_parse_from(["vestibule"].iter().chain(&call)) {
                panic!("{line}\n{e}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} command lines were found");
}

#[test]
fn the_table_of_commands_is_complete() {
    let text = readme();
    let rows = text
        .split_once("| command |")
        .expect("a table of commands")
        .1
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').nth(1).unwrap().to_owned());
    let listed: BTreeSet<_> = cells
        .flat_map(|cell| code_in(&cell))
        .map(|words| words.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    let there: BTreeSet<_> = Args::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn links_and_paths_lead_somewhere() {
    let text = readme();
    let anchors: BTreeSet<_> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let links = text
        .split("](")
        .skip(1)
        .map(|rest| rest.split_once(')').unwrap().0);
    let mut local = 0;
    for link in links.filter(|link| !link.contains("://")) {
        local += 1;
        match link.strip_prefix('#') {
            Some(name) => assert!(anchors.contains(name), "no heading for {link}"),
            None => assert!(root().join(link).exists(), "no file for {link}"),
        }
    }
    let ours = |word: &&str| {
        let folders = ["packaging/", "tests/", "conf/", "src/", "benches/"];
        folders.iter().any(|folder| word.starts_with(folder))
    };
    for line in code_in(&text) {
        for path in line.split_whitespace().filter(ours) {
            assert!(root().join(path).exists(), "there is no {path}");
        }
    }
    assert!(local > 0, "no link within the repository");
}

/// As the usual renderers make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c.to_ascii_lowercase()),
        _ => None,
    };
    heading.chars().filter_map(kept).collect()
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for script in ["packaging/quickstart", "tests/run"] {
        let path: PathBuf = root().join(script);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0, "{script} is not executable");
    }
}

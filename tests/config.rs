//! Walks `tests/config/{valid,invalid}` and `conf/`: what should load does, and what should not
//! tells every problem, at its place, and no other.
//!
//! Leading comments of a file speak to this test:
//! `# env: NAME=value` sets a variable; in `invalid/`, `# expect: 3:9 cache.memroy: unknown key`
//! names a problem by place, key and part of its message. The place is `line:column`, the variable's
//! name, or `-` for what is missing altogether; the key is empty when the whole document is meant.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vestibule::config::{Flags, Loaded, Problem, Problems, Source};

/// The files of a folder; an empty folder would prove nothing.
fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = fs::read_dir(&root)
        .unwrap_or_else(|e| panic!("{}: {e}", root.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no .yaml files in {}", root.display());
    files
}

/// The values of the leading comments `# name: value`.
fn notes<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let prefix = format!("# {name}: ");
    text.lines()
        .take_while(|line| line.starts_with('#'))
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect()
}

fn load(path: &Path) -> Result<Loaded, Problems> {
    let text = fs::read_to_string(path).unwrap();
    let env: BTreeMap<_, _> = notes(&text, "env")
        .into_iter()
        .map(|note| note.split_once('=').expect("NAME=value"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Source {
        file: Some(path.to_owned()),
        env,
        ..Source::default()
    }
    .load()
}

#[test]
fn valid_files_load() {
    for path in files("tests/config/valid") {
        if let Err(problems) = load(&path) {
            panic!("{} should load:\n{problems}", path.display());
        }
    }
}

#[test]
fn valid_files_warn_of_what_they_announce() {
    let outcomes = files("tests/config/valid").into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = load(&path).unwrap();
        compare(&path, &notes(&text, "warn"), &loaded.warnings)
    });
    all_hold(outcomes);
}

#[test]
fn invalid_files_tell_every_problem_at_its_place() {
    let outcomes = files("tests/config/invalid").into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let expected = notes(&text, "expect");
        assert!(!expected.is_empty(), "{} expects nothing", path.display());
        match load(&path) {
            Ok(_) => Err(format!("{} should not load", path.display())),
            Err(problems) => compare(
                &path,
                &expected,
                &problems.iter().cloned().collect::<Vec<_>>(),
            ),
        }
    });
    all_hold(outcomes);
}

/// Fails once, with everything that does not hold.
fn all_hold(outcomes: impl Iterator<Item = Result<(), String>>) {
    let failures: Vec<_> = outcomes.filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn compare(path: &Path, expected: &[&str], found: &[Problem]) -> Result<(), String> {
    let matches = |problem: &Problem, expected: &str| {
        let (place, rest) = expected.split_once(' ').expect("place and key");
        let (key, message) = rest.split_once(": ").expect("key and message");
        let whole = format!(
            "{}; {}",
            problem.message,
            problem.hint.as_deref().unwrap_or_default()
        );
        place_of(problem) == place && problem.path == key.trim() && whole.contains(message)
    };
    let mut left: Vec<_> = found.iter().collect();
    let mut missing = Vec::new();
    for text in expected {
        match left.iter().position(|problem| matches(problem, text)) {
            Some(i) => drop(left.remove(i)),
            None => missing.push(*text),
        }
    }
    let told = |problem: &&Problem| {
        let hint = problem
            .hint
            .as_deref()
            .map(|h| format!("; {h}"))
            .unwrap_or_default();
        format!(
            "{} {}: {}{hint}",
            place_of(problem),
            problem.path,
            problem.message
        )
    };
    let extra: Vec<_> = left.iter().map(told).collect();
    if missing.is_empty() && extra.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nexpected and not reported:\n  {}\nreported and not expected:\n  {}",
        path.display(),
        missing.join("\n  "),
        extra.join("\n  "),
    ))
}

fn place_of(problem: &Problem) -> String {
    match (&problem.input, problem.line, problem.column) {
        (Some(input), _, _) => input.clone(),
        (None, Some(line), Some(column)) => format!("{line}:{column}"),
        _ => "-".to_owned(),
    }
}

/// What the examples of `conf/` expect of their surroundings.
fn example(path: &Path) -> Source {
    let env = [("ADMIN_TOKEN", "hunter2")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    Source {
        file: Some(path.to_owned()),
        env,
        ..Source::default()
    }
}

#[test]
fn examples_load_without_a_warning() {
    for path in files("conf") {
        match example(&path).load() {
            Ok(loaded) => assert!(
                loaded.warnings.is_empty(),
                "{}: {:?}",
                path.display(),
                loaded.warnings
            ),
            Err(problems) => panic!("{} should load:\n{problems}", path.display()),
        }
    }
}

#[test]
fn the_full_example_is_the_default() {
    let conf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let full = example(&conf.join("full.yaml")).load().unwrap();
    let flags = Flags {
        upstream: Some("http://127.0.0.1:3000".into()),
        ..Flags::default()
    };
    let bare = Source {
        flags,
        ..Source::default()
    }
    .load()
    .unwrap();
    // The parts are written by several modules, which all show their content.
    assert_eq!(
        format!("{:#?}", full.snapshot),
        format!("{:#?}", bare.snapshot)
    );
}

fn from_text(text: &[u8]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.yaml");
    fs::write(&file, text).unwrap();
    Source {
        file: Some(file),
        ..Source::default()
    }
    .load()
}

#[test]
fn what_is_no_configuration_at_all_is_told_at_its_place() {
    let huge = format!("upstream: http://app\n{}", "# filler\n".repeat(200_000));
    let cases: [(&str, &[u8], &str); 7] = [
        ("empty", b"", ":1:1: is empty"),
        ("blank", b" \n\n", ":1:1: is empty"),
        (
            "not UTF-8",
            b"upstream: http://app\nmode: \"\xff\"\n",
            ":2:8: is not UTF-8",
        ),
        (
            "latin-1 after UTF-8",
            "# ä\n# ä\u{e9}".as_bytes(),
            "upstream: is required",
        ),
        ("huge", huge.as_bytes(), ":1:1: is larger than 1 MiB"),
        ("null byte", b"upstream: \0\n", "vestibule.yaml:1:"),
        ("utf-16", b"\xff\xfeu\0p\0", ":1:1: is not UTF-8"),
    ];
    for (case, text, expected) in cases {
        let problems = from_text(text).unwrap_err().to_string();
        assert!(problems.contains(expected), "{case}: {problems}");
    }
    let with_mark = from_text("\u{feff}upstream: http://app\n".as_bytes());
    assert!(
        with_mark.is_ok(),
        "a byte order mark does no harm: {with_mark:?}"
    );
    let missing = Source {
        file: Some("/nowhere/v.yaml".into()),
        ..Source::default()
    }
    .load();
    let problems = missing.unwrap_err().to_string();
    assert!(
        problems.starts_with("/nowhere/v.yaml: cannot be read: "),
        "{problems}"
    );
}

#[test]
fn flags_win_over_variables_over_the_file_over_port() {
    let cases = [
        (
            "listen: 127.0.0.1:1\n",
            Some("127.0.0.1:2"),
            Some("127.0.0.1:3"),
            "127.0.0.1:3",
        ),
        (
            "listen: 127.0.0.1:1\n",
            Some("127.0.0.1:2"),
            None,
            "127.0.0.1:2",
        ),
        ("listen: 127.0.0.1:1\n", None, None, "127.0.0.1:1"),
        ("listen:\n", None, None, "0.0.0.0:4"),
        ("", None, None, "0.0.0.0:4"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.yaml");
    for (text, variable, flag, expected) in cases {
        fs::write(&file, format!("{text}upstream: http://app\n")).unwrap();
        let mut env = BTreeMap::from([("PORT".to_owned(), "4".to_owned())]);
        env.extend(variable.map(|v| ("VESTIBULE_LISTEN".to_owned(), v.to_owned())));
        let flags = Flags {
            listen: flag.map(str::to_owned),
            ..Flags::default()
        };
        let loaded = Source {
            file: Some(file.clone()),
            flags,
            env,
        }
        .load()
        .unwrap();
        assert_eq!(
            loaded.snapshot.listen[0].address.to_string(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn overrides_leave_their_neighbours_alone() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/valid/variables.yaml");
    let snapshot = load(&path).unwrap().snapshot;
    assert!(!snapshot.cache.enabled, "`cache: off` of the file stays");
    assert_eq!(snapshot.cache.memory_bytes, 256 << 20);
    assert_eq!(
        (snapshot.upstream.host.as_str(), snapshot.upstream.keepalive),
        ("app", 5)
    );
    assert_eq!(snapshot.compression.algorithms.len(), 1);
    let names: Vec<_> = snapshot.routes.iter().map(|r| r.name.to_string()).collect();
    assert_eq!(names, ["first", "quoted"]);
    assert_eq!(
        snapshot
            .routes
            .iter()
            .map(|r| r.cache.enabled)
            .collect::<Vec<_>>(),
        [true, false]
    );
    let listener = snapshot.listen[0];
    assert_eq!(
        (listener.address.to_string().as_str(), listener.http2),
        ("127.0.0.1:8080", false)
    );
    let flags = Flags {
        upstream: Some("http://other".into()),
        ..Flags::default()
    };
    let file = path.with_file_name("routes.yaml");
    let snapshot = Source {
        file: Some(file),
        flags,
        ..Source::default()
    }
    .load()
    .unwrap()
    .snapshot;
    assert_eq!(
        (snapshot.upstream.host.as_str(), snapshot.upstream.keepalive),
        ("other", 0)
    );
}

#[test]
fn secrets_are_read_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vestibule.yaml");
    fs::write(folder.path().join("token"), "hunter2\n").unwrap();
    let base = "upstream: http://app\nobservability: {admin: ";
    for (admin, env) in [
        ("{token: hunter2}}\n", None),
        ("{token_file: token}}\n", None),
        ("{token: \"${T}\"}}\n", Some(("T", "hunter2"))),
        (
            "{}}\n",
            Some(("VESTIBULE_OBSERVABILITY__ADMIN__TOKEN", "hunter2")),
        ),
    ] {
        fs::write(&file, format!("{base}{admin}")).unwrap();
        let env = env
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let source = Source {
            file: Some(file.clone()),
            env,
            ..Source::default()
        };
        let loaded = source.load().unwrap();
        let token = loaded
            .snapshot
            .observability
            .admin
            .as_ref()
            .unwrap()
            .token
            .clone()
            .unwrap();
        assert_eq!(&*token, "hunter2", "{admin}");
        let shown = format!("{source:?} {loaded:?} {token:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for admin in [
        "{token: \"hunter2 \"}}\n",
        "{token: [hunter2]}}\n",
        "{token_file: spaced}}\n",
    ] {
        fs::write(folder.path().join("spaced"), "hunter2 x\n").unwrap();
        fs::write(&file, format!("{base}{admin}")).unwrap();
        let source = Source {
            file: Some(file.clone()),
            ..Source::default()
        };
        let problems = source.load().unwrap_err();
        assert!(
            !format!("{problems} {problems:?}").contains("hunter2"),
            "{problems}"
        );
    }
}

/// Broken files come from editors, merges and half-done copies. Whatever they hold, they are
/// answered, and quickly.
#[test]
fn mutilated_files_are_answered() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |n: usize| {
        // xorshift: the same files on every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % n as u64).unwrap()
    };
    let pieces: [&[u8]; 16] = [
        b"\n", b"\t", b": ", b"- ", b"[", b"}", b"\"", b"'", b"*", b"&a ", b"|", b"#", b"? ",
        b"${", b"\xff", b"---\n",
    ];
    let seeds: Vec<_> = files("tests/config/valid")
        .into_iter()
        .chain(files("conf"))
        .collect();
    for seed in &seeds {
        let original = fs::read(seed).unwrap();
        for _ in 0..150 {
            let mut bytes = original.clone();
            for _ in 0..=below(4) {
                let at = below(bytes.len() + 1);
                match below(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => drop(bytes.splice(at..at, pieces[below(pieces.len())].iter().copied())),
                    2 => bytes
                        .splice(at..(at + below(20)).min(bytes.len()), [])
                        .for_each(drop),
                    _ => {
                        let from = below(bytes.len() + 1);
                        let copied = bytes[from..(from + below(60)).min(bytes.len())].to_vec();
                        drop(bytes.splice(at..at, copied));
                    }
                }
            }
            // Both outcomes are fine; a panic is not.
            let _ = from_text(&bytes);
        }
    }
}

#[test]
fn large_and_strange_files_are_answered_in_time() {
    let wide = format!("upstream: http://app\n{}", "x: 1\n".repeat(100_000));
    let distinct: String = (0..60_000).map(|i| format!("k{i}: 1\n")).collect();
    let routes = format!(
        "upstream: http://app\nroutes:\n{}",
        "  - {match: {path: /a}}\n".repeat(40_000)
    );
    let list = |key: &str, element: &str, times| format!("{key}{}]}}\n", element.repeat(times));
    let cases = [
        ("one key again and again", wide),
        ("unknown keys", distinct),
        ("routes", routes),
        (
            "proxies",
            list("client_ip: {trusted_proxies: [", "::/0,", 4000),
        ),
        (
            "algorithms",
            list("compression: {algorithms: [", "br,", 4000),
        ),
        ("flow", "[".repeat(1_000_000)),
        (
            "broken, then flow",
            format!("a: @\n{}", "[".repeat(1_000_000)),
        ),
        ("dashes", "- ".repeat(500_000)),
        ("quotes", "\"".repeat(1_000_000)),
        ("questions", "? ".repeat(500_000)),
        ("one long line", "a".repeat(1_000_000)),
        (
            "indentation",
            (0..1_000)
                .map(|i| format!("{}a:\n", " ".repeat(i)))
                .collect(),
        ),
    ];
    for (case, text) in cases {
        let begun = std::time::Instant::now();
        assert!(from_text(text.as_bytes()).is_err(), "{case}");
        assert!(
            begun.elapsed().as_secs() < 10,
            "{case}: {:?}",
            begun.elapsed()
        );
        eprintln!("{case}: {:?}", begun.elapsed());
    }
}

//! Holds the architecture true: which module may import which, and who may know what (the map is in
//! `src/lib.rs`). Reads the paths in the sources, in `use` lines and inline; comments, strings and
//! `#[cfg(test)]` items do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[path = "layers/source.rs"]
mod source;

use source::{module_path, paths};

/// From top to bottom. A module imports only what stands in a lower line.
const LAYERS: &[&[&str]] = &[
    &["main"],
    ENTRANCES,
    &["edge", "admin"],
    &["proxy"],
    &["config"],
    &["store"],
    &["cache", "compress", "limit", "stats"],
    &["headers"],
    &["reason"],
];

/// The only line whose members may import each other, as long as they do not go round in a circle:
/// `cli` runs `app` and `demo`.
const ENTRANCES: &[&str] = &["app", "cli", "demo"];

const PURE: &[&str] = &["cache", "compress", "limit", "stats", "headers", "reason"];

/// A name that only some modules may use.
struct Rule {
    /// Segments of a path. A leading `**` finds them anywhere in it, otherwise at its start; a
    /// trailing `*` in a segment stands for any ending.
    name: &'static str,
    allowed: Allowed,
    because: &'static str,
}

enum Allowed {
    OnlyIn(&'static [&'static str]),
    /// Not in the pure modules, apart from this file.
    NotPure(Option<&'static str>),
}

const RULES: &[Rule] = &[
    only_in(
        "pingora*",
        &["edge", "proxy", "admin", "app"],
        "the framework stays at the rim",
    ),
    only_in("serde_yaml", &["config"], "one module reads the file"),
    only_in("redis", &["store"], "one module talks to Redis"),
    only_in("axum", &["admin", "demo"], "one framework per port"),
    not_pure("**::Instant::now", CLOCK),
    not_pure("**::SystemTime::now", CLOCK),
    not_pure("**::.::elapsed", CLOCK),
    Rule {
        name: "std::fs",
        allowed: Allowed::NotPure(Some("stats/process.rs")),
        because: IO,
    },
    not_pure("std::net::Tcp*", IO),
    not_pure("std::net::UdpSocket", IO),
    not_pure("std::thread::spawn", IO),
    not_pure("tokio::net", IO),
    not_pure("tokio::fs", IO),
    not_pure("tokio::spawn", IO),
    not_pure("tokio::task", IO),
];

const CLOCK: &str = "pure modules are told the time";
const IO: &str = "pure modules do no I/O and start nothing";

const fn only_in(
    name: &'static str,
    modules: &'static [&'static str],
    because: &'static str,
) -> Rule {
    Rule {
        name,
        allowed: Allowed::OnlyIn(modules),
        because,
    }
}

const fn not_pure(name: &'static str, because: &'static str) -> Rule {
    Rule {
        name,
        allowed: Allowed::NotPure(None),
        because,
    }
}

#[test]
fn the_sources_keep_to_the_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    read_folder(&root, &root, &mut files);
    // A walk that finds nothing finds no fault either.
    for module in LAYERS.concat() {
        let (file, folder) = (format!("{module}.rs"), format!("{module}/mod.rs"));
        assert!(
            files.contains_key(&file) || files.contains_key(&folder),
            "{module} is not there"
        );
    }
    assert!(
        files.len() >= 20,
        "only {} files in {}",
        files.len(),
        root.display()
    );
    let imports: usize = files
        .iter()
        .map(|(name, text)| paths(name, text).found.len())
        .sum();
    assert!(imports > 100, "only {imports} paths found");

    let problems = check(&files);
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn read_folder(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            read_folder(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("the walk began there");
            let text = std::fs::read_to_string(&path).expect("sources are text");
            files.insert(name.to_string_lossy().replace('\\', "/"), text);
        }
    }
}

/// Every fault in these files, by their path below `src/`.
fn check(files: &BTreeMap<String, String>) -> Vec<String> {
    let read: Vec<_> = files
        .iter()
        .map(|(name, text)| (name, paths(name, text)))
        .collect();
    let test_modules: Vec<_> = read
        .iter()
        .flat_map(|(_, paths)| &paths.test_modules)
        .collect();
    let mut problems = Vec::new();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, paths) in &read {
        let module = module_path(name);
        if *name == "lib.rs" || test_modules.iter().any(|tests| module.starts_with(tests)) {
            continue;
        }
        let from = &module[0];
        if layer(from).is_none() {
            problems.push(format!("src/{name}: `{from}` has no place in LAYERS"));
            continue;
        }
        for (line, path) in &paths.found {
            let at = format!("src/{name}:{line}: `{}`", path.join("::"));
            if let [root, to, ..] = &path[..]
                && (root == "crate" || root == "vestibule")
                && to != from
            {
                match fault(from, to) {
                    Some(why) => problems.push(format!("{at}: {why}")),
                    None => _ = imports.entry(from.clone()).or_default().insert(to.clone()),
                }
            }
            for rule in RULES
                .iter()
                .filter(|rule| rule.finds(path) && !rule.allows(from, name))
            {
                problems.push(format!("{at}: not in `{from}`, because {}", rule.because));
            }
        }
    }
    problems.extend(circle(&imports));
    problems
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn fault(from: &str, to: &str) -> Option<String> {
    let (Some(own), Some(other)) = (layer(from), layer(to)) else {
        return Some(format!("`{to}` has no place in LAYERS"));
    };
    let sisters = own == other && LAYERS[own] == ENTRANCES;
    (own >= other && !sisters).then(|| format!("`{from}` does not stand above `{to}`"))
}

impl Rule {
    fn finds(&self, path: &[String]) -> bool {
        let (anywhere, name) = match self.name.strip_prefix("**::") {
            Some(name) => (true, name),
            None => (false, self.name),
        };
        let wanted: Vec<&str> = name.split("::").collect();
        let starts = if anywhere { path.len() } else { 1 };
        path.windows(wanted.len()).take(starts).any(|window| {
            window
                .iter()
                .zip(&wanted)
                .all(|(segment, wanted)| match wanted.strip_suffix('*') {
                    // A glob import may bring in anything.
                    _ if segment == "*" => true,
                    Some(beginning) => segment.starts_with(beginning),
                    None => segment == wanted,
                })
        })
    }

    fn allows(&self, module: &str, file: &str) -> bool {
        match self.allowed {
            Allowed::OnlyIn(modules) => modules.contains(&module),
            Allowed::NotPure(except) => !PURE.contains(&module) || except == Some(file),
        }
    }
}

/// A way from a module back to itself, if there is one.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    fn walk<'a>(
        imports: &'a BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<String> {
        let module = *way.last()?;
        for next in imports.get(module).into_iter().flatten() {
            if let Some(start) = way.iter().position(|before| before == next) {
                return Some(format!("a circle: {} → {next}", way[start..].join(" → ")));
            }
            if done.insert(next) {
                way.push(next);
                if let Some(circle) = walk(imports, way, done) {
                    return Some(circle);
                }
                way.pop();
            }
        }
        None
    }
    let mut done = BTreeSet::new();
    imports
        .keys()
        .find_map(|module| walk(imports, &mut vec![module], &mut done))
}

/// Faults by what they are, the file they are planted in, and its text; `⏎` is a new line.
const CAUGHT: &str = r##"
    upwards | store/memory.rs | use crate::config::Snapshot;
    upwards, in a group | headers/a.rs | use crate::{reason::Reason, cache::{key, tags as x}};
    upwards, inline | limit/rate.rs | fn f() -> crate::proxy::Ctx { g() }
    upwards by super | cache/key.rs | use super::super::store::memory;
    upwards by super, from mod.rs | cache/mod.rs | use super::store::memory;
    from a macro | reason.rs | macro_rules! m { () => { $crate::cache::x() } }
    sisters | cache/entry.rs | use crate::compress::Coding;
    sisters, renamed | stats/a.rs | use crate::limit as l;
    everything | stats/a.rs | use crate::*;
    a module unheard of | stats/a.rs | use crate::helpers::x;
    a file without a place | helpers.rs | fn f() {}
    the main program | app.rs | use crate::main::x;
    pingora | config/model.rs | use pingora::http::X;
    pingora's parts | store/memory.rs | fn f(x: pingora_core::Error) {}
    yaml | admin/mod.rs | fn f() { serde_yaml::from_str(y) }
    redis | proxy/mod.rs | use redis::{self, Client};
    axum | app.rs | use axum::Router;
    clock | cache/a.rs | fn f() { std::time::Instant::now() }
    clock, imported | cache/a.rs | use std::time::Instant; fn f() { Instant::now(); }
    clock, renamed | cache/a.rs | use std::time::Instant as T; fn f() { T::now(); }
    clock, by its module | cache/a.rs | use std::time; fn f() { time::SystemTime::now(); }
    clock, elapsed | cache/a.rs | fn f(start: X) { start.elapsed() }
    files, in a group | limit/a.rs | use std::{collections::HashMap, fs};
    files | stats/latency.rs | use std::fs::File;
    sockets | headers/a.rs | use std::net::{IpAddr, TcpStream};
    everything of tokio | limit/a.rs | use tokio::*;
    tasks | limit/a.rs | fn f() { tokio::spawn(x); }
    behind a test module | limit/a.rs | #[cfg(test)] mod t { use a; } use std::fs;
    behind a test import | limit/a.rs | #[cfg(test)] use a::{b}; use std::fs;
    for all but tests | limit/a.rs | #[cfg(not(test))] use std::fs;
    behind a quote | limit/a.rs | const Q: char = '"'; use std::fs; const R: char = '"';
    behind an escape | limit/a.rs | const Q: char = '\''; use std::fs; const R: char = '\'';
    behind a lifetime | limit/a.rs | fn f<'a>(x: &'a str) {} use std::fs;
    behind a comment | limit/a.rs | /* a /* b */ " */ use std::fs;
    behind a string | limit/a.rs | const A: &str = "\\"; use std::fs; const B: &str = "";
    behind a raw string | limit/a.rs | const A: &str = r#"""#; use std::fs;
"##;

const LET_PASS: &str = r##"
    downwards | config/mod.rs | use crate::{store::x, cache::y, headers, reason::Reason};
    itself | cache/policy.rs | use crate::cache::key; use super::key::Key; use self::x::y;
    entrances | cli.rs | use crate::app; use crate::demo;
    the main program | main.rs | fn main() { vestibule::cli::main() }
    comments | cache/a.rs | // use crate::store::x;⏎/* crate::store /* x */ ::y */
    strings | cache/a.rs | const A: &str = "crate::store::x \" std::fs::y";
    raw strings | cache/a.rs | const A: &str = r#"a " crate::store::x"#;
    byte strings | cache/a.rs | const A: &[u8] = b"crate::store::x";
    a test module | cache/a.rs | #[cfg(test)] mod t { use std::fs; fn f() { x.elapsed() } }
    a test import | cache/a.rs | #[cfg(test)] use crate::{store::x}; fn f() {}
    a test function | cache/a.rs | #[cfg(test)] #[inline] fn f() -> X { tokio::spawn(x) }
    a field named redis | config/a.rs | fn f() { self.redis.get(redis); }
    types of time | cache/a.rs | use std::time::Instant; fn f(now: Instant) {}
    addresses | limit/a.rs | use std::net::IpAddr;
    /proc | stats/process.rs | use std::fs; fn f() { fs::read(x) }
    pingora at the rim | proxy/a.rs | use pingora::proxy::Session;
"##;

/// The faults found in the file of each line.
fn planted(lines: &str) -> Vec<(&str, &str, Vec<String>)> {
    let cases = lines.lines().filter(|line| !line.is_empty()).map(|line| {
        let mut parts = line.trim().splitn(3, " | ");
        let mut part = || parts.next().expect("a case has three parts");
        let (case, file, text) = (part(), part(), part().replace('⏎', "\n"));
        (
            case,
            file,
            check(&BTreeMap::from([(file.to_string(), text)])),
        )
    });
    cases.collect()
}

#[test]
fn planted_faults_are_caught() {
    for (case, file, faults) in planted(CAUGHT) {
        let there = format!("src/{file}:");
        assert!(!faults.is_empty(), "{case}: not caught in {file}");
        assert!(
            faults.iter().all(|fault| fault.starts_with(&there)),
            "{case}: {faults:?}"
        );
    }
}

#[test]
fn what_is_allowed_is_let_pass() {
    for (case, _, faults) in planted(LET_PASS) {
        assert!(faults.is_empty(), "{case}: {faults:?}");
    }
}

#[test]
fn test_modules_in_files_of_their_own_are_left_out() {
    let files = |policy: &str| {
        let file = |name: &str, text: &str| (name.to_string(), text.to_string());
        let tests = file("cache/policy/tests.rs", "use std::fs;");
        BTreeMap::from([file("cache/policy.rs", policy), tests])
    };
    assert!(check(&files("#[cfg(test)]\nmod tests;")).is_empty());
    assert_eq!(check(&files("mod tests;")).len(), 1);
}

#[test]
fn circles_are_caught() {
    let file = |name: &str, text: &str| (name.to_string(), text.to_string());
    let files = BTreeMap::from([
        file("app.rs", "use crate::demo;"),
        file("cli.rs", "use crate::app;"),
        file("demo.rs", "use crate::cli;"),
    ]);
    assert_eq!(check(&files), ["a circle: app → demo → cli → app"]);
}

//! The public HTTP cache tests against the real binary, and the list of what comes of each: a test
//! that fails now and did not before is a regression, by name.
//!
//! `UPDATE_CONFORMANCE=1 cargo test --test cache_conformance` writes the list anew. A round takes
//! about half a minute.

// A test crate has no outside: `pub` reads better here than `pub(crate)` on every line.
#![allow(unreachable_pub, clippy::unwrap_used)]

mod suite;
#[path = "../it/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use suite::{Described, Suite};
use support::Sidecar;
use verdict::{Expected, Verdict};

const CONFIG: &str = include_str!("vestibule.yaml");

/// The suite measures seconds. What differs from the list is asked again, so that a machine with
/// much else to do fails nothing.
const ROUNDS_MAX: usize = 3;

#[tokio::test]
async fn the_public_cache_tests_come_out_as_listed() {
    let suite = Suite::installed();
    let tests = suite.tests().await;
    let origin = suite.origin().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cache_conformance/expected.txt");
    let list = fs::read_to_string(&path).unwrap_or_default();
    let expected = Expected::parse(&list).expect("the list can be read");
    let update = std::env::var_os("UPDATE_CONFORMANCE").is_some();

    let mut seen = round(&suite, &tests, &origin).await;
    for _ in 1..ROUNDS_MAX {
        if differences(&tests, &expected, &seen).is_empty() {
            break;
        }
        prefer(&expected, &mut seen, round(&suite, &tests, &origin).await);
    }
    println!("{}", totals(&tests, &expected, &seen));
    if update {
        fs::write(&path, expected.updated(&tests, &seen)).expect("the list can be written");
        return;
    }
    let differences = differences(&tests, &expected, &seen);
    assert!(
        differences.is_empty(),
        "{} tests do not come out as listed:\n{}\nIf that is right, write the list anew: \
         UPDATE_CONFORMANCE=1 cargo test --test cache_conformance",
        differences.len(),
        differences.join("\n"),
    );
}

/// Every test once, on a sidecar with an empty cache.
async fn round(
    suite: &Suite,
    tests: &[Described],
    origin: &suite::Origin,
) -> BTreeMap<String, Verdict> {
    let sidecar = Sidecar::with(CONFIG).upstream(&origin.url()).start().await;
    let url = format!("http://{}", sidecar.address());
    verdict::verdicts(tests, &suite.results(&url).await)
}

/// Takes over from another round what is as listed, or passes where the list says nothing.
fn prefer(
    expected: &Expected,
    seen: &mut BTreeMap<String, Verdict>,
    again: BTreeMap<String, Verdict>,
) {
    for (id, verdict) in again {
        let listed = expected.lines.get(&id).map(|line| &line.verdict);
        let before = &seen[&id];
        let better = match listed {
            Some(listed) => verdict.is_like(listed) && !before.is_like(listed),
            None => verdict.passes() && !before.passes(),
        };
        if better {
            println!("{id} differs between rounds: {before}, then {verdict}");
            seen.insert(id, verdict);
        }
    }
}

/// What is not as listed, a sentence each.
fn differences(
    tests: &[Described],
    expected: &Expected,
    seen: &BTreeMap<String, Verdict>,
) -> Vec<String> {
    let gone = expected.lines.keys().filter(|id| !seen.contains_key(*id));
    let gone = gone.map(|id| format!("  gone: {id} is listed and the suite has no such test"));
    let changed = tests.iter().filter_map(|Described { id, kind, .. }| {
        let now = &seen[id];
        let Some(listed) = expected.lines.get(id).map(|line| &line.verdict) else {
            return Some(format!("  new: {id} ({kind}) is not listed: {now}"));
        };
        if now.is_like(listed) {
            return None;
        }
        Some(match (listed.passes(), now.passes()) {
            (true, _) => format!("  REGRESSION: {id} ({kind}) passed before: {now}"),
            (_, true) => format!("  better: {id} ({kind}) passes now; it was listed as {listed}"),
            _ => format!("  other: {id} ({kind}) was listed as {listed}: {now}"),
        })
    });
    changed.chain(gone).collect()
}

fn totals(tests: &[Described], expected: &Expected, seen: &BTreeMap<String, Verdict>) -> String {
    let of_kind = |kind: &str| {
        let all: Vec<_> = tests.iter().filter(|test| test.kind == kind).collect();
        let passed = all.iter().filter(|test| seen[&test.id].passes()).count();
        let explained = all.iter().filter(|test| {
            let line = expected.lines.get(&test.id);
            !seen[&test.id].passes() && line.is_some_and(|line| !line.note.is_empty())
        });
        let explained = explained.count();
        format!("{kind} {passed} of {} ({explained} rightly not)", all.len())
    };
    let kinds = ["required", "optimal", "check"].map(of_kind);
    format!("HTTP cache tests passed: {}", kinds.join(", "))
}

//! What a result of the suite means, and the list of what is expected.

use super::suite::Described;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The result of one test, read as the suite's own pages read it.
#[derive(Debug, Clone)]
pub enum Verdict {
    Pass,
    /// With what was seen instead.
    Fail(String),
    /// The test did not come to its point.
    Setup(String),
    /// It would tell something only if that other test passed.
    Depends(String),
}

impl Verdict {
    pub fn passes(&self) -> bool {
        matches!(self, Self::Pass)
    }

    /// Alike apart from the words: those may hold figures that differ between runs.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Fail(why) => write!(f, "fail: {why}"),
            Self::Setup(why) => write!(f, "setup: {why}"),
            Self::Depends(on) => write!(f, "depends: {on}"),
        }
    }
}

impl std::str::FromStr for Verdict {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, rest) = text.split_once(": ").unwrap_or((text, ""));
        match word {
            "pass" => Ok(Self::Pass),
            "fail" => Ok(Self::Fail(rest.to_owned())),
            "setup" => Ok(Self::Setup(rest.to_owned())),
            "depends" => Ok(Self::Depends(rest.to_owned())),
            _ => Err(format!("not a verdict: {text:?}")),
        }
    }
}

/// The verdict on each test, by its id.
pub fn verdicts(tests: &[Described], results: &Map<String, Value>) -> BTreeMap<String, Verdict> {
    let by_id: BTreeMap<&str, &Described> = tests.iter().map(|t| (t.id.as_str(), t)).collect();
    tests
        .iter()
        .map(|test| (test.id.clone(), verdict(test, &by_id, results)))
        .collect()
}

fn verdict(
    test: &Described,
    by_id: &BTreeMap<&str, &Described>,
    results: &Map<String, Value>,
) -> Verdict {
    let missing = test.depends_on.iter().find(|id| {
        let other = by_id.get(id.as_str());
        !other.is_some_and(|other| verdict(other, by_id, results).passes())
    });
    if let Some(id) = missing {
        return Verdict::Depends(id.clone());
    }
    match results.get(&test.id) {
        Some(Value::Bool(true)) => Verdict::Pass,
        Some(Value::Array(told)) => {
            let word = |at: usize| told.get(at).and_then(Value::as_str).unwrap_or_default();
            let why = lasting(word(1));
            match word(0) {
                "Assertion" => Verdict::Fail(why),
                "Setup" => Verdict::Setup(why),
                other => Verdict::Setup(format!("{other}: {why}")),
            }
        }
        other => Verdict::Setup(format!("no result: {other:?}")),
    }
}

/// The reason on one line, without what is different each time: the names of the suite's
/// resources, addresses and moments.
fn lasting(why: &str) -> String {
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::new();
    for word in why.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (core, after) = word.split_at(end.unwrap_or(word.len()));
        let is_uuid = core.len() == 36 && core.matches('-').count() == 4;
        let is_moment = core.len() >= 12 && core.bytes().all(|b| b.is_ascii_digit());
        out += if is_uuid || is_moment { "…" } else { core };
        out += after;
    }
    without_dates(&out)
}

/// Replaces `Sun, 06 Nov 1994 08:49:37 GMT` by `…`.
fn without_dates(text: &str) -> String {
    const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
    let mut out = text.to_owned();
    let mut from = 0;
    while let Some(end) = out[from..].find(" GMT").map(|at| from + at + 4) {
        let date = end
            .checked_sub(LENGTH)
            .filter(|at| out.is_char_boundary(*at));
        from = end;
        if let Some(at) = date.filter(|at| out[*at..end].contains(", ")) {
            out.replace_range(at..end, "…");
            from = at;
        }
    }
    out
}

/// A line of the list: the verdict, and why a failure is right all the same, if it is.
#[derive(Debug, Clone)]
pub struct Line {
    pub verdict: Verdict,
    pub note: Vec<String>,
}

/// The committed list.
#[derive(Debug, Default)]
pub struct Expected {
    pub lines: BTreeMap<String, Line>,
}

const HEAD: &str = "\
# What the sidecar makes of the public HTTP cache tests (http-cache-tests 0.4.5): id, kind, verdict.
# `setup`: the test did not come to its point; `depends`: it tells nothing while that other one fails.
# Indented: why the failure is right all the same. Written by UPDATE_CONFORMANCE=1; notes are kept.
";

impl Expected {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        let mut last = None;
        for text in text.lines() {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if let Some(note) = text.strip_prefix("    ") {
                let of = last.as_ref().and_then(|id| lines.get_mut(id));
                let of = of.ok_or_else(|| format!("a note before the first test: {text:?}"))?;
                of.note.push(note.to_owned());
                continue;
            }
            let mut words = text.splitn(3, ' ');
            let (id, kind, verdict) = (words.next(), words.next(), words.next());
            let (Some(id), Some(_), Some(verdict)) = (id, kind, verdict) else {
                return Err(format!("not `id kind verdict`: {text:?}"));
            };
            let line = Line {
                verdict: verdict.parse()?,
                note: Vec::new(),
            };
            if lines.insert(id.to_owned(), line).is_some() {
                return Err(format!("{id} stands there twice"));
            }
            last = Some(id.to_owned());
        }
        Ok(Self { lines })
    }

    /// The list of what was seen, with the notes of this one where they still say something.
    pub fn updated(&self, tests: &[Described], seen: &BTreeMap<String, Verdict>) -> String {
        let mut out = HEAD.to_owned();
        let mut section = "";
        for test in tests {
            if test.section != section {
                section = &test.section;
                out += &format!("\n# {section}\n");
            }
            let verdict = &seen[&test.id];
            out += &format!("{} {} {verdict}\n", test.id, test.kind);
            let note = self.lines.get(&test.id).filter(|_| !verdict.passes());
            for line in note.into_iter().flat_map(|line| &line.note) {
                out += &format!("    {line}\n");
            }
        }
        out
    }
}

#[test]
fn reasons_are_the_same_each_time() {
    let cases = [
        (
            "Response body is \"24c50180-cc75-4936-966a-228a806d5d3d\", not \"x\"",
            "Response body is \"…\", not \"x\"",
        ),
        (
            "header Expires is \"Sun, 06 Nov 1994 08:49:37 GMT\", not \"Mon, 07 Nov 1994 08:49:37 GMT\"",
            "header Expires is \"…\", not \"…\"",
        ),
        ("header A is \"1763711436123\"", "header A is \"…\""),
        ("GMT max-age=3600,\n  not 504", "GMT max-age=3600, not 504"),
        ("Response 2 comes from cache", "Response 2 comes from cache"),
    ];
    for (why, expected) in cases {
        assert_eq!(lasting(why), expected);
    }
}

#[test]
fn lists_are_read_as_they_are_written() {
    let test = |id: &str, kind: &str| Described {
        id: id.to_owned(),
        section: "Section".to_owned(),
        kind: kind.to_owned(),
        depends_on: Vec::new(),
    };
    let tests = [
        test("a", "required"),
        test("b", "optimal"),
        test("c", "check"),
    ];
    let seen = BTreeMap::from([
        ("a".to_owned(), Verdict::Pass),
        ("b".to_owned(), Verdict::Fail("no: it is so".to_owned())),
        ("c".to_owned(), Verdict::Depends("a".to_owned())),
    ]);
    let with_notes = "a required fail: x\n    gone\nb optimal setup: y\n    why\n    and why\n";
    let written = Expected::parse(with_notes).unwrap().updated(&tests, &seen);
    let read = Expected::parse(&written).unwrap();
    assert_eq!(read.lines["b"].note, ["why", "and why"]);
    assert!(read.lines["a"].note.is_empty());
    assert_eq!(read.lines["b"].verdict.to_string(), "fail: no: it is so");
    assert_eq!(read.updated(&tests, &seen), written);
}

//! Where the configuration comes from, and the way from there to a snapshot: read → parse →
//! overlay → fill → deserialise → validate. Each step reports and goes on where it can.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{fmt, str};

use twox_hash::XxHash3_64;

use super::document::{Document, Origin, kind};
use super::path::KeyPath;
use super::problem::{PROBLEMS_MAX, Problem, Problems};
use super::snapshot::Snapshot;
use super::units::Secret;
use super::words::parse_secret;
use super::{interpolate, model, overlay, read, validate, yaml};

/// A configuration of a thousand routes is a tenth of this; more is the wrong file.
const FILE_BYTES_MAX: u64 = 1 << 20;
const SECRET_BYTES_MAX: u64 = 4096;

/// What the configuration is made from. It can be loaded again at any time.
#[derive(Clone, Default)]
pub struct Source {
    /// The YAML file, if there is one.
    pub file: Option<PathBuf>,
    /// What the command line said.
    pub flags: Flags,
    /// The environment, as it was at the start.
    pub env: BTreeMap<String, String>,
}

/// Keys that have a flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`.
    pub listen: Option<String>,
    /// `--upstream`.
    pub upstream: Option<String>,
}

/// The environment as it is now, for [`Source::env`]. Variables that are not Unicode cannot be meant.
#[must_use]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// A configuration without problems.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub snapshot: Snapshot,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
    /// Identifies the content of the file.
    pub digest: u64,
}

impl Source {
    /// Reads, checks and compiles everything, or tells every problem.
    ///
    /// # Errors
    /// Whatever keeps the configuration from being used, all at once.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let bytes = self.read()?;
        self.compile(&bytes)
    }

    /// The content of the file; nothing when there is no file.
    pub(super) fn read(&self) -> Result<Vec<u8>, Problems> {
        let Some(path) = &self.file else {
            return Ok(Vec::new());
        };
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|f| f.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|e| self.in_file(None, Problem::new("", format!("cannot be read: {e}"))))?;
        Ok(bytes)
    }

    /// Identifies the content of the file.
    pub(super) fn digest(bytes: &[u8]) -> u64 {
        XxHash3_64::oneshot(bytes)
    }

    /// Like [`Source::load`] with the content of the file at hand.
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Loaded, Problems> {
        let mut problems = Vec::new();
        let mut document = self.document(bytes, &mut problems)?;
        let add = |all: &mut Vec<_>, new: Vec<(Origin, Problem)>| {
            all.extend(
                new.into_iter()
                    .map(|(origin, p)| self.in_file(Some(&origin), p)),
            );
        };
        let overlaid = overlay::apply(&mut document, &self.env, &self.flags);
        add(&mut problems, overlaid);
        add(&mut problems, interpolate::fill(&mut document, &self.env));
        let (config, unread) = read::read::<model::Config>(&mut document);
        let too_many = unread.len() >= PROBLEMS_MAX;
        add(&mut problems, unread);
        if too_many {
            return Err(Problems::of(problems).expect("there are too many"));
        }
        let validated = validate::validate(&config, &document, &|file| self.secret(file));
        let place = |(origin, problem): (Option<Origin>, _)| self.in_file(origin.as_ref(), problem);
        problems.extend(validated.problems.into_iter().map(place));
        match Problems::of(problems) {
            Some(problems) => Err(problems),
            None => Ok(Loaded {
                snapshot: validated.snapshot,
                warnings: validated.warnings.into_iter().map(place).collect(),
                digest: Self::digest(bytes),
            }),
        }
    }

    /// The file as a mapping. Without one there is nothing further to check.
    fn document(&self, bytes: &[u8], problems: &mut Vec<Problem>) -> Result<Document, Problems> {
        if self.file.is_none() {
            return Ok(Document::empty());
        }
        let start = Origin::File { line: 1, column: 1 };
        let fatal = |message| Problems::from(self.in_file(Some(&start), Problem::new("", message)));
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(fatal("is larger than 1 MiB; is this the right file?"));
        }
        let text = str::from_utf8(bytes).map_err(|e| self.not_utf8(bytes, e.valid_up_to()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(fatal(
                "is empty; write at least `upstream: http://127.0.0.1:3000`",
            ));
        }
        let parsed = yaml::parse(text);
        let found = parsed
            .problems
            .into_iter()
            .map(|(origin, p)| self.in_file(Some(&origin), p));
        problems.extend(found);
        let Some(document) = parsed.document else {
            let problems = Problems::of(std::mem::take(problems));
            return Err(problems.expect("what could not be read says why"));
        };
        if document.root().is_mapping() {
            return Ok(document);
        }
        let found = kind(document.root());
        let message = format!("expected keys such as `upstream:`, found {found}");
        let origin = document.origin(&KeyPath::default());
        Err(self
            .in_file(Some(&origin), Problem::new("", message))
            .into())
    }

    fn not_utf8(&self, bytes: &[u8], at: usize) -> Problems {
        let before = String::from_utf8_lossy(&bytes[..at]);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let problem = Problem::new("", "is not UTF-8 text here; save the file as UTF-8");
        self.in_file(Some(&Origin::File { line, column }), problem)
            .into()
    }

    /// Puts the place into a problem.
    fn in_file(&self, origin: Option<&Origin>, problem: Problem) -> Problem {
        let file = self.file.clone();
        match origin {
            Some(Origin::File { line, column }) if file.is_some() => Problem {
                file,
                line: Some(*line),
                column: Some(*column),
                ..problem
            },
            Some(Origin::Variable(name)) => Problem {
                input: Some(name.to_string()),
                ..problem
            },
            Some(Origin::Flag(name)) => Problem {
                input: Some((*name).to_owned()),
                ..problem
            },
            _ => Problem { file, ..problem },
        }
    }

    /// Reads a secret from a file; a relative name counts from the configuration file.
    fn secret(&self, name: &str) -> Result<Secret, String> {
        let folder = self
            .file
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""));
        let mut text = String::new();
        File::open(folder.join(name))
            .and_then(|f| f.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(|e| format!("cannot be read: {}", plain(&e)))?;
        if text.len() as u64 > SECRET_BYTES_MAX {
            return Err("is larger than 4 KiB; is this the right file?".to_owned());
        }
        parse_secret(text.trim_end_matches(['\r', '\n']))
            .map_err(|e| format!("the secret in it {e}"))
    }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => "not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

/// The environment is full of other people's secrets, so only names are shown.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .env
            .keys()
            .filter(|k| k.starts_with(overlay::PREFIX))
            .collect();
        f.debug_struct("Source")
            .field("file", &self.file)
            .field("flags", &self.flags)
            .field("env", &names)
            .finish()
    }
}

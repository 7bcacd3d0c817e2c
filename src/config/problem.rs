//! What is wrong with a configuration, where, and what would be right.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::path::KeyPath;

/// A file with more problems than this is not the file that was meant.
pub(super) const PROBLEMS_MAX: usize = 100;

/// One thing that is wrong, in words for the person who wrote the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file at fault, when there is one.
    pub file: Option<PathBuf>,
    /// Line in the file, from 1; `None` for environment, flags, and what is missing altogether.
    pub line: Option<usize>,
    /// Column in the line, from 1, in characters.
    pub column: Option<usize>,
    /// The environment variable or flag at fault, instead of a place in the file.
    pub input: Option<String>,
    /// The key, such as `routes[2].cache.ttl`; empty when the document as a whole is meant.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem that has no place yet.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// The same from a message that may end in "; " and a hint.
    pub(super) fn told(path: &KeyPath, message: &str) -> Self {
        match message.split_once("; ") {
            Some((message, hint)) => Self::new(path.to_string(), message).hint(hint),
            None => Self::new(path.to_string(), message),
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.input, &self.file) {
            (Some(input), _) => write!(f, "{input}: ")?,
            (None, Some(file)) => {
                write!(f, "{}", file.display())?;
                for number in [self.line, self.column].into_iter().flatten() {
                    write!(f, ":{number}")?;
                }
                f.write_str(": ")?;
            }
            (None, None) => {}
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// As much of what the user wrote as fits into a message, on one line.
pub(super) fn brief(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let more = text.chars().nth(CHARS_MAX).map(|_| '…');
    text.chars()
        .take(CHARS_MAX)
        .map(visible)
        .chain(more)
        .collect()
}

/// Every problem of one configuration, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `None` when there is no problem at all.
    #[must_use]
    pub fn of(mut problems: Vec<Problem>) -> Option<Self> {
        // What lies in the file comes first and in its order; variables, flags and absences follow.
        problems.sort_by_key(|p| (p.line.is_none(), p.line, p.column));
        problems.dedup();
        (!problems.is_empty()).then_some(Self(problems))
    }

    /// The problems in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many there are: at least one.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_a_compiler_message() {
        let mut problem =
            Problem::new("cache.memroy", "unknown key").hint("did you mean \"memory\"?");
        assert_eq!(
            problem.to_string(),
            "cache.memroy: unknown key; did you mean \"memory\"?"
        );
        problem.file = Some("vestibule.yaml".into());
        problem.line = Some(3);
        problem.column = Some(9);
        assert_eq!(
            problem.to_string(),
            "vestibule.yaml:3:9: cache.memroy: unknown key; did you mean \"memory\"?"
        );
        problem.input = Some("VESTIBULE_CACHE__MEMROY".into());
        assert!(
            problem
                .to_string()
                .starts_with("VESTIBULE_CACHE__MEMROY: cache.memroy: ")
        );
    }

    #[test]
    fn are_sorted_by_place_and_each_told_once() {
        let at = |line| Problem {
            line,
            ..Problem::new("p", "m")
        };
        let problems = Problems::of(vec![at(None), at(Some(9)), at(Some(2)), at(Some(9))]).unwrap();
        let lines: Vec<_> = problems.iter().map(|p| p.line).collect();
        assert_eq!(lines, [Some(2), Some(9), None]);
        assert!(Problems::of(Vec::new()).is_none());
    }
}

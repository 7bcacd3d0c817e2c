//! Lines of a page: a title in the margin, text that is wrapped behind it, a few colours.

use std::time::Duration;

use crate::cache::explain::shown::span;

/// No line is longer, but for words that are.
pub(super) const WIDTH: usize = 100;
/// Where the text of a section begins.
const MARGIN: usize = 12;

/// A space at which no line ends.
pub(super) const FIXED: &str = "\u{a0}";

/// How something stands out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    /// A title.
    Bold,
    /// What people hope for.
    Good,
    /// What they may not expect.
    Warning,
    /// What has failed.
    Bad,
}

/// A page that is being written.
pub(super) struct Page {
    /// What is there already.
    pub(super) text: String,
    /// For a terminal that shows colours.
    pub(super) colours: bool,
    /// Stands in front of the next line.
    pub(super) title: Option<&'static str>,
}

impl Page {
    /// A paragraph behind `lead`; further lines begin where its text began.
    pub(super) fn put(&mut self, lead: &str, text: &str) {
        let title = self.title.take().unwrap_or_default();
        let indent = MARGIN + lead.chars().count();
        let mut lines = wrapped(text, WIDTH.saturating_sub(indent)).into_iter();
        let title = format!("{title:MARGIN$}");
        let title = self.painted(Paint::Bold, &title);
        self.text += &format!("{title}{lead}{}", lines.next().unwrap_or_default());
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
        for line in lines {
            self.text += &format!("{:indent$}{line}\n", "");
        }
    }

    /// A line without a margin.
    pub(super) fn line(&mut self, paint: Paint, text: &str) {
        let line = self.painted(paint, text);
        self.text += &line;
        self.text.push('\n');
    }

    fn painted(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => "1",
            Paint::Good => "1;32",
            Paint::Warning => "1;33",
            Paint::Bad => "1;31",
        };
        match self.colours && !text.trim().is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Seconds in units for people.
pub(super) fn time(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// A number to the millisecond without needless zeros.
pub(super) fn number(seconds: f64) -> String {
    let text = format!("{seconds:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// The text in lines of at most `width` characters, or of one word that is longer; at least one. What
/// stands in backquotes is one word.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut quoted = false;
    let words = text.split(|c| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    });
    for word in words.filter(|word| !word.is_empty()) {
        // What an app or a client has sent must not command the terminal.
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let word: String = word.replace(FIXED, " ").chars().map(printable).collect();
        let length = lines.last().map_or(0, |line| line.chars().count());
        if length > 0 && length + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
    }
    lines
}

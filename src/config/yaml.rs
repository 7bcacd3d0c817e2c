//! From YAML text to a [`Node`] tree. This is the one parser, so a value and its position cannot
//! disagree.
//!
//! The file is a plain tree of settings: anchors, aliases, merge keys, tags, keys that are not
//! plain text and further documents are refused by name rather than half supported.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::de::PROBLEMS_MAX;
use super::problem::Problem;
use super::tree::{Data, Entry, KeyPath, Node, Origin, Step};

/// The model is six levels deep; more than this is an accident or an attack on the stack.
pub(super) const DEPTH_MAX: usize = 32;

/// The widest mapping of the model has a dozen keys.
const KEYS_MAX: usize = 256;

/// Long enough for every network of a large CDN; checks may take the square of it.
const ELEMENTS_MAX: usize = 4096;

/// What could be read: the tree unless the syntax is broken, and what is wrong.
pub(super) struct Parsed {
    pub(super) root: Option<Node>,
    pub(super) problems: Vec<(Origin, Problem)>,
}

/// Reads one document; `origin` tells where a position in `text` really is.
pub(super) fn parse(text: &str, origin: impl Fn(usize, usize) -> Origin) -> Parsed {
    let mut builder = Builder {
        origin,
        stack: Vec::new(),
        root: None,
        problems: Vec::new(),
        documents: 0,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let mark = *error.marker();
                builder.report(mark, syntax_problem(text, mark.line(), error.info()));
                Err(Stop)
            }
        };
        if step.is_err() {
            return Parsed {
                root: None,
                problems: builder.problems,
            };
        }
    }
    Parsed {
        root: builder.root,
        problems: builder.problems,
    }
}

/// Nothing sensible can be read behind this point.
struct Stop;

/// A list or mapping that is still open.
struct Frame {
    node: Node,
    /// Key of the value that comes next, in a mapping.
    key: Option<(String, Origin)>,
    /// A duplicate's value is read and thrown away.
    skip_value: bool,
}

struct Builder<F> {
    origin: F,
    stack: Vec<Frame>,
    root: Option<Node>,
    problems: Vec<(Origin, Problem)>,
    documents: usize,
}

impl<F: Fn(usize, usize) -> Origin> Builder<F> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let at = span.start;
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.document(at),
            Event::Alias(_) => {
                self.refuse(
                    at,
                    "aliases (`*name`) are not supported; write the value out",
                );
                self.value(at, Data::Null)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.scalar(at, &text, style)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.open(at, Data::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.open(at, Data::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn document(&mut self, at: Marker) -> Result<(), Stop> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        self.refuse(
            at,
            "a second document begins here; one file holds one document",
        );
        Err(Stop)
    }

    fn scalar(&mut self, at: Marker, text: &str, style: ScalarStyle) -> Result<(), Stop> {
        if self.awaits_key() {
            return self.key(at, text);
        }
        let null =
            style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        self.value(
            at,
            if null {
                Data::Null
            } else {
                Data::Text(text.to_owned())
            },
        )
    }

    fn awaits_key(&self) -> bool {
        self.stack
            .last()
            .is_some_and(|f| matches!(f.node.data, Data::Map(_)) && f.key.is_none())
    }

    fn key(&mut self, at: Marker, key: &str) -> Result<(), Stop> {
        let origin = self.locate(at);
        if key == "<<" {
            self.refuse(
                at,
                "merge keys (`<<`) are not supported; write the values out",
            );
        }
        if self.problems.len() >= PROBLEMS_MAX {
            return Err(Stop);
        }
        let Some(frame) = self.stack.last_mut() else {
            return Err(Stop);
        };
        if matches!(&frame.node.data, Data::Map(entries) if entries.len() >= KEYS_MAX) {
            self.refuse(
                at,
                &format!(
                    "a mapping of more than {KEYS_MAX} keys is not ours; is this the right file?"
                ),
            );
            return Err(Stop);
        }
        let earlier = match &frame.node.data {
            Data::Map(entries) => entries
                .iter()
                .find(|e| e.key == key)
                .map(|e| e.key_origin.clone()),
            _ => None,
        };
        frame.skip_value = earlier.is_some() || key == "<<";
        frame.key = Some((key.to_owned(), origin));
        if let Some(Origin::File { line, .. }) = earlier {
            self.refuse(
                at,
                &format!("the key `{}` is already set in line {line}", brief(key)),
            );
        } else if earlier.is_some() {
            self.refuse(at, &format!("the key `{}` is set twice", brief(key)));
        }
        Ok(())
    }

    fn open(&mut self, at: Marker, data: Data) -> Result<(), Stop> {
        if self.awaits_key() {
            self.refuse(at, "a list or mapping cannot be a key");
            return Err(Stop);
        }
        if self.stack.len() >= DEPTH_MAX {
            self.refuse(at, &format!("nested more than {DEPTH_MAX} levels deep"));
            return Err(Stop);
        }
        let node = Node::new(self.locate(at), data);
        self.stack.push(Frame {
            node,
            key: None,
            skip_value: false,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(frame) = self.stack.pop() else {
            return Err(Stop);
        };
        self.attach(frame.node)
    }

    fn value(&mut self, at: Marker, data: Data) -> Result<(), Stop> {
        if self.awaits_key() {
            // Only an alias comes this way, and it was reported.
            return Err(Stop);
        }
        self.attach(Node::new(self.locate(at), data))
    }

    fn attach(&mut self, mut node: Node) -> Result<(), Stop> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.node.data {
            Data::List(nodes) if nodes.len() >= ELEMENTS_MAX => {
                let message = format!("a list may hold at most {ELEMENTS_MAX} elements");
                self.problems
                    .push((node.origin, Problem::new(self.path().to_string(), message)));
                return Err(Stop);
            }
            Data::List(nodes) => nodes.push(node),
            Data::Map(entries) => {
                let Some((key, key_origin)) = frame.key.take() else {
                    return Err(Stop);
                };
                if matches!(node.data, Data::Null) {
                    // A value that is not there stands nowhere; its key does.
                    node.origin = key_origin.clone();
                }
                if !std::mem::take(&mut frame.skip_value) {
                    entries.push(Entry {
                        key,
                        key_origin,
                        node,
                    });
                }
            }
            Data::Null | Data::Text(_) => return Err(Stop),
        }
        Ok(())
    }

    fn refuse_extras(&mut self, at: Marker, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.refuse(
                at,
                "anchors (`&name`) are not supported; write the value out",
            );
        }
        if tagged {
            self.refuse(
                at,
                "tags (`!name`) are not supported; quote the value if it begins with `!`",
            );
        }
    }

    fn refuse(&mut self, at: Marker, message: &str) {
        self.report(at, Problem::new(self.path().to_string(), message));
    }

    fn report(&mut self, at: Marker, problem: Problem) {
        self.problems.push((self.locate(at), problem));
    }

    fn locate(&self, at: Marker) -> Origin {
        (self.origin)(at.line().max(1), at.col() + 1)
    }

    /// Where the builder stands, for messages.
    fn path(&self) -> KeyPath {
        let step = |frame: &Frame| match (&frame.node.data, &frame.key) {
            (Data::List(nodes), _) => Some(Step::Index(nodes.len())),
            (_, Some((key, _))) => Some(Step::Key(brief(key))),
            _ => None,
        };
        KeyPath(self.stack.iter().filter_map(step).collect())
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

fn syntax_problem(text: &str, line: usize, info: &str) -> Problem {
    let problem = Problem::new("", format!("not valid YAML: {info}"));
    // The parser may notice a bad indentation or quote only on the line below it.
    let lines = || text.lines().skip(line.saturating_sub(2)).take(2);
    let indent_has_tab = |l: &str| l[..l.len() - l.trim_start().len()].contains('\t');
    let unquoted = |l: &str| {
        let value = l
            .split_once(": ")
            .map_or(l.trim_start_matches([' ', '-']), |(_, v)| v);
        value
            .trim_start()
            .starts_with(['*', '&', '%', '@', '`', '!'])
    };
    if lines().any(indent_has_tab) {
        problem.hint("indent with spaces, not tabs")
    } else if lines().any(unquoted) {
        problem.hint("put quotes around a value that begins with one of * & % @ ` !")
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parsed {
        parse(text, |line, column| Origin::File { line, column })
    }

    #[test]
    fn positions_are_those_of_the_value_and_of_the_key() {
        let parsed = read("a: 1\nb:\n  - x\n  - {c: \"y\"}\n");
        assert!(parsed.problems.is_empty());
        let root = parsed.root.unwrap();
        let at = |path: KeyPath| root.get(&path).unwrap().origin.clone();
        assert_eq!(at(KeyPath::of("a")), Origin::File { line: 1, column: 4 });
        assert_eq!(
            at(KeyPath::of("b").index(0)),
            Origin::File { line: 3, column: 5 }
        );
        assert_eq!(
            at(KeyPath::of("b").index(1).join("c")),
            Origin::File { line: 4, column: 9 }
        );
        let Data::Map(entries) = &root.data else {
            panic!("a mapping")
        };
        assert_eq!(entries[1].key_origin, Origin::File { line: 2, column: 1 });
    }

    #[test]
    fn what_is_not_a_plain_tree_is_refused_where_it_stands() {
        let cases = [
            (
                "duplicate",
                "a: 1\nb: 2\na: 3\n",
                "3:1 the key `a` is already set in line 1",
            ),
            ("anchor", "a: &x 1\n", "1:4 anchors"),
            ("alias", "a: &x 1\nb: *x\n", "2:4 aliases"),
            ("alias as key", "a: &x k\n*x : 2\n", "2:1 aliases"),
            ("merge key", "a: {}\nb:\n  <<: {c: 1}\n", "3:3 merge keys"),
            ("tag", "a: !!str 5\n", "1:4 tags"),
            (
                "second document",
                "a: 1\n---\nb: 2\n",
                "2:1 a second document",
            ),
            (
                "list as key",
                "? [a]\n: b\n",
                "1:3 a list or mapping cannot be a key",
            ),
            ("tab", "a:\n\tb: 1\n", "not valid YAML"),
            ("unclosed", "a: [1, 2\n", "not valid YAML"),
            ("glob", "host: *.example.org\n", "put quotes around"),
            (
                "deep block",
                &deep("- ", 40),
                "nested more than 32 levels deep",
            ),
            (
                "deep flow",
                &"[".repeat(40),
                "nested more than 32 levels deep",
            ),
            ("very deep flow", &"[".repeat(5000), "recursion limit"),
        ];
        for (case, text, expected) in cases {
            let all: Vec<_> = read(text)
                .problems
                .iter()
                .map(|(origin, p)| match origin {
                    Origin::File { line, column } => format!("{line}:{column} {p}"),
                    _ => unreachable!("{case}"),
                })
                .collect();
            let fits = |p: &String| match expected.split_once(' ') {
                Some((place, words)) if place.contains(':') => {
                    p.starts_with(place) && p.contains(words)
                }
                _ => p.contains(expected),
            };
            assert!(all.iter().any(fits), "{case}: {all:?}");
        }
    }

    fn deep(step: &str, levels: usize) -> String {
        step.repeat(levels) + "x"
    }

    #[test]
    fn a_duplicate_keeps_the_first_value() {
        let root = read("a: 1\na: {b: [2]}\nc: 3\n").root.unwrap();
        assert!(matches!(&root.get(&KeyPath::of("a")).unwrap().data, Data::Text(t) if t == "1"));
        assert!(root.get(&KeyPath::of("c")).is_some());
    }

    #[test]
    fn scalars_stay_text() {
        for (text, expected) in [
            ("a: 007", "007"),
            ("a: on", "on"),
            ("a: \"\"", ""),
            ("a: '~'", "~"),
        ] {
            let root = read(text).root.unwrap();
            let node = root.get(&KeyPath::of("a")).unwrap();
            assert!(
                matches!(&node.data, Data::Text(t) if t == expected),
                "{text}"
            );
        }
        for text in ["a:", "a: ~", "a: null"] {
            let root = read(text).root.unwrap();
            assert!(
                matches!(root.get(&KeyPath::of("a")).unwrap().data, Data::Null),
                "{text}"
            );
        }
    }
}

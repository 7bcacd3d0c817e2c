//! Where everything in a YAML text stands, which `serde_yaml` does not tell, and what it would let
//! pass or stop at: the file is a plain tree of settings, so anchors, aliases, merge keys, tags and
//! further documents are refused by name, duplicate keys are told and passed over, and depth and
//! width are bounded before anything is built.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::document::{Origin, Place};
use super::path::{KeyPath, Step};
use super::problem::{PROBLEMS_MAX, Problem, brief};

/// The model is six levels deep; more than this is an accident or an attack on the stack.
pub(super) const DEPTH_MAX: usize = 32;

/// The widest mapping of the model has a dozen keys.
const KEYS_MAX: usize = 256;

/// Long enough for every network of a large CDN; checks may take the square of it.
const ELEMENTS_MAX: usize = 4096;

/// What a value looks like in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Null,
    Text,
    List,
    Map,
}

/// How far the text was understood.
pub(super) enum End {
    /// To its end; there may be nothing but comments in it.
    Complete,
    /// Up to here; the problems say why nobody should read on.
    Refused,
    /// Up to where the syntax is broken.
    Broken(Broken),
}

/// Where and why a text is not YAML.
#[derive(Clone)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) why: String,
}

/// What stands where.
pub(super) struct Index {
    pub(super) spots: HashMap<KeyPath, (Shape, Place)>,
    pub(super) problems: Vec<(Origin, Problem)>,
    pub(super) end: End,
}

impl Index {
    /// Reads one document.
    pub(super) fn of(text: &str) -> Self {
        let mut builder = Builder::default();
        let end = builder.run(text);
        Self {
            spots: builder.spots,
            problems: builder.problems,
            end,
        }
    }

    pub(super) fn shape(&self, path: &KeyPath) -> Option<Shape> {
        self.spots.get(path).map(|(shape, _)| *shape)
    }
}

/// Nothing sensible can be read behind this point.
struct Stop;

/// A list or mapping that is still open.
struct Frame {
    path: KeyPath,
    inside: Inside,
}

enum Inside {
    /// How many elements there were.
    List(usize),
    /// The lines of its keys, and the key whose value comes next.
    Map(HashMap<String, usize>, Option<(String, Origin)>),
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    spots: HashMap<KeyPath, (Shape, Place)>,
    problems: Vec<(Origin, Problem)>,
    documents: usize,
}

impl Builder {
    fn run(&mut self, text: &str) -> End {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            match event {
                Ok((event, span)) => {
                    if self.take(event, span.start).is_err() {
                        return End::Refused;
                    }
                }
                // The scanner's own bound, which it meets before the first event.
                Err(error) if error.info().contains("recursion limit") => {
                    self.too_deep(*error.marker());
                    return End::Refused;
                }
                Err(error) => {
                    let (line, column) = position(*error.marker());
                    let why = error.info().to_owned();
                    return End::Broken(Broken { line, column, why });
                }
            }
        }
        End::Complete
    }

    fn take(&mut self, event: Event<'_>, at: Marker) -> Result<(), Stop> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => self.document(at)?,
            Event::Alias(_) => {
                self.refuse(
                    at,
                    "aliases (`*name`) are not supported; write the value out",
                );
                if self.awaits_key() {
                    return Err(Stop);
                }
                self.value(at, Shape::Null)?;
                self.advance();
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                if self.awaits_key() {
                    return self.key(at, &text);
                }
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                self.value(at, if null { Shape::Null } else { Shape::Text })?;
                self.advance();
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.open(at, Shape::List, Inside::List(0))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(at, anchor, tag.is_some());
                self.open(at, Shape::Map, Inside::Map(HashMap::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.stack.pop();
                self.advance();
            }
        }
        Ok(())
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

    fn awaits_key(&self) -> bool {
        let top = self.stack.last().map(|frame| &frame.inside);
        matches!(top, Some(Inside::Map(_, None)))
    }

    fn key(&mut self, at: Marker, key: &str) -> Result<(), Stop> {
        if key == "<<" {
            self.refuse(
                at,
                "merge keys (`<<`) are not supported; write the values out",
            );
        }
        let Some(Inside::Map(keys, next)) = self.stack.last_mut().map(|f| &mut f.inside) else {
            return Err(Stop);
        };
        if self.problems.len() >= PROBLEMS_MAX {
            return Err(Stop);
        }
        if keys.len() >= KEYS_MAX {
            let message = format!(
                "a mapping of more than {KEYS_MAX} keys is not ours; is this the right file?"
            );
            self.refuse(at, &message);
            return Err(Stop);
        }
        *next = Some((key.to_owned(), origin(at)));
        if let Some(line) = keys.get(key) {
            let message = format!("the key `{}` is already set in line {line}", brief(key));
            self.refuse(at, &message);
        } else {
            keys.insert(key.to_owned(), at.line());
        }
        Ok(())
    }

    fn open(&mut self, at: Marker, shape: Shape, inside: Inside) -> Result<(), Stop> {
        if self.awaits_key() {
            self.refuse(at, "a list or mapping cannot be a key");
            return Err(Stop);
        }
        if self.stack.len() >= DEPTH_MAX {
            self.too_deep(at);
            return Err(Stop);
        }
        let path = self.path();
        self.value(at, shape)?;
        self.stack.push(Frame { path, inside });
        Ok(())
    }

    /// Notes a value. Of a key that is set twice the first counts.
    fn value(&mut self, at: Marker, shape: Shape) -> Result<(), Stop> {
        let value = origin(at);
        let place = match self.stack.last().map(|frame| &frame.inside) {
            Some(Inside::List(ELEMENTS_MAX)) => {
                let message = format!("a list may hold at most {ELEMENTS_MAX} elements");
                self.refuse(at, &message);
                return Err(Stop);
            }
            Some(Inside::Map(_, Some((_, key)))) => Place {
                // A value that is not there stands nowhere; its key does.
                value: if shape == Shape::Null {
                    key.clone()
                } else {
                    value
                },
                key: key.clone(),
            },
            _ => Place {
                key: value.clone(),
                value,
            },
        };
        self.spots.entry(self.path()).or_insert((shape, place));
        Ok(())
    }

    /// Goes on behind a value.
    fn advance(&mut self) {
        match self.stack.last_mut().map(|frame| &mut frame.inside) {
            Some(Inside::List(count)) => *count += 1,
            Some(Inside::Map(_, key)) => *key = None,
            None => {}
        }
    }

    fn too_deep(&mut self, at: Marker) {
        self.refuse(at, &format!("nested more than {DEPTH_MAX} levels deep"));
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
        let problem = Problem::told(&self.path(), message);
        self.problems.push((origin(at), problem));
    }

    /// The path of the value that comes next, or of the mapping whose key does.
    fn path(&self) -> KeyPath {
        match self.stack.last() {
            None => KeyPath::default(),
            Some(frame) => match &frame.inside {
                Inside::List(count) => frame.path.index(*count),
                Inside::Map(_, Some((key, _))) => frame.path.child(Step::Key(key.clone())),
                Inside::Map(_, None) => frame.path.clone(),
            },
        }
    }
}

fn origin(mark: Marker) -> Origin {
    let (line, column) = position(mark);
    Origin::File { line, column }
}

/// Line and column from 1.
fn position(mark: Marker) -> (usize, usize) {
    (mark.line().max(1), mark.col() + 1)
}

//! Reads the paths that a source file uses: a tokenizer and just enough grammar for `use` trees.

use std::collections::HashMap;

/// `stats/latency.rs` is the module `stats::latency`, `stats/mod.rs` is `stats`.
pub(crate) fn module_path(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(String::from).collect()
}

#[derive(Default)]
pub(crate) struct Paths {
    /// The paths used, resolved as far as the file itself tells, with their lines.
    pub(crate) found: Vec<(usize, Vec<String>)>,
    /// Modules in files of their own that are compiled for tests only.
    pub(crate) test_modules: Vec<Vec<String>>,
}

pub(crate) fn paths(file: &str, text: &str) -> Paths {
    let module = module_path(file);
    let (tokens, test_modules) = without_tests(tokens(text), &module);
    let mut raw = Vec::new();
    let mut names = HashMap::new();
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens[at].line;
        let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
        if tokens[at].text == "use" && next != "<" {
            at += 1;
            use_tree(&tokens, &mut at, &[], &mut |path, name| {
                names.insert(name, path.clone());
                raw.push((line, path));
            });
        } else if tokens[at].is_name() || (tokens[at].text == "." && next == "elapsed") {
            let mut path = vec![tokens[at].text.clone()];
            if path[0] == "." {
                path.push(next.to_string());
                at += 1;
            }
            while let [separator, name, ..] = &tokens[at + 1..]
                && separator.text == "::"
                && name.is_name()
            {
                path.push(name.text.clone());
                at += 2;
            }
            // A single name is a variable, a field, a keyword, or was seen when it was imported.
            if path.len() > 1 {
                raw.push((line, path));
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    let resolve = |(line, path): (usize, Vec<String>)| (line, resolve(path, &module, &names));
    Paths {
        found: raw.into_iter().map(resolve).collect(),
        test_modules,
    }
}

/// Writes the path from the crate's root or from the name of another crate.
fn resolve(
    path: Vec<String>,
    module: &[String],
    names: &HashMap<String, Vec<String>>,
) -> Vec<String> {
    let mut base: Vec<String> = Vec::new();
    let mut rest = &path[..];
    match path[0].as_str() {
        "self" | "super" => {
            base.push("crate".into());
            base.extend_from_slice(module);
            while let Some((first, after)) = rest.split_first()
                && (first == "self" || first == "super")
            {
                if first == "super" {
                    base.truncate((base.len() - 1).max(1));
                }
                rest = after;
            }
        }
        first => {
            if let Some(imported) = names.get(first).filter(|imported| imported[0] != first) {
                base = resolve(imported.clone(), module, &HashMap::new());
                rest = &path[1..];
            }
        }
    }
    base.extend_from_slice(rest);
    base
}

/// Reads a use tree up to the `;` or `,` or `}` behind it and tells each path with the name that it
/// gets.
fn use_tree(
    tokens: &[Token],
    at: &mut usize,
    prefix: &[String],
    tell: &mut impl FnMut(Vec<String>, String),
) {
    let mut path = prefix.to_vec();
    let mut name = None;
    while let Some(token) = tokens.get(*at) {
        match token.text.as_str() {
            ";" | "," | "}" => break,
            "::" => {}
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    use_tree(tokens, at, &path, tell);
                    if tokens.get(*at).is_some_and(|token| token.text == ",") {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "as" => {
                *at += 1;
                name = tokens.get(*at).map(|token| token.text.clone());
            }
            // `use a::{self}` is `use a`.
            "self" if !path.is_empty() => {}
            segment => path.push(segment.to_string()),
        }
        *at += 1;
    }
    if let Some(last) = path.last() {
        let name = name.unwrap_or_else(|| last.clone());
        tell(path, name);
    }
}

struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is_name(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Names, `::` and single characters; no comments, no literals, no lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line, mut counted) = (text, 1, text);
    while let Some(c) = rest.chars().next() {
        line += counted[..counted.len() - rest.len()].matches('\n').count();
        counted = rest;
        let name: usize = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .map(char::len_utf8)
            .sum();
        let token = if let Some(length) = literal_or_comment(rest) {
            rest = &rest[length..];
            continue;
        } else if name > 0 {
            &rest[..name]
        } else if rest.starts_with("::") {
            "::"
        } else {
            &rest[..c.len_utf8()]
        };
        if !c.is_whitespace() {
            tokens.push(Token {
                text: token.to_string(),
                line,
            });
        }
        rest = &rest[token.len()..];
    }
    tokens
}

/// The length of the comment, string, character or lifetime that `text` begins with.
fn literal_or_comment(text: &str) -> Option<usize> {
    let to = |end: Option<usize>, after: usize| Some(end.map_or(text.len(), |end| end + after));
    if text.starts_with("//") {
        return to(text.find('\n'), 0);
    }
    if text.starts_with("/*") {
        let mut depth = 0;
        for (at, _) in text.char_indices() {
            match text.get(at..at + 2) {
                Some("/*") => depth += 1,
                Some("*/") if depth == 1 => return Some(at + 2),
                Some("*/") => depth -= 1,
                _ => {}
            }
        }
        return Some(text.len());
    }
    let body = ["br", "cr", "r", "b", "c"].iter().find_map(|prefix| {
        let body = text.strip_prefix(prefix)?;
        (body.starts_with('"') || prefix.ends_with('r') && body.starts_with('#')).then_some(body)
    });
    let raw = body.is_some_and(|body| text[..text.len() - body.len()].ends_with('r'));
    let body = body.unwrap_or(text);
    let before = text.len() - body.len();
    if raw {
        let hashes = body.len() - body.trim_start_matches('#').len();
        if !body[hashes..].starts_with('"') {
            return Some(before + hashes); // r#name
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let start = before + hashes + 1;
        return to(text[start..].find(&end).map(|at| start + at), end.len());
    }
    let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(before + at + 1),
            // `'a` without a closing quote right behind is a lifetime.
            c if quote == '\'' && body[at + c.len_utf8()..].starts_with('\'') => {}
            _ if quote == '\'' && !body.starts_with("'\\") => return Some(1),
            _ => {}
        }
    }
    Some(text.len())
}

/// Takes out what is compiled for tests only; modules in files of their own are named.
fn without_tests(tokens: Vec<Token>, module: &[String]) -> (Vec<Token>, Vec<Vec<String>>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if token.text != "#" || tokens.peek().is_none_or(|next| next.text != "[") {
            kept.push(token);
            continue;
        }
        let attribute: Vec<Token> = balanced(&mut tokens);
        let has = |text: &str| attribute.iter().any(|token| token.text == text);
        if !(has("cfg") && has("test") && !has("not")) {
            kept.push(token);
            kept.extend(attribute);
            continue;
        }
        // The item behind it: up to a `;`, or to the end of its braces.
        let mut item: Vec<Token> = Vec::new();
        while let Some(next) = tokens.peek() {
            if next.text == ";" {
                tokens.next();
                break;
            }
            let ends = next.text == "{" && item.iter().all(|token| token.text != "use");
            item.extend(balanced(&mut tokens));
            if ends {
                break;
            }
        }
        if let [.., keyword, name] = &item[..]
            && keyword.text == "mod"
        {
            modules.push([module, std::slice::from_ref(&name.text)].concat());
        }
    }
    (kept, modules)
}

/// One token, or everything from an opening bracket to its closing one.
fn balanced(tokens: &mut impl Iterator<Item = Token>) -> Vec<Token> {
    let mut taken = Vec::new();
    let mut depth = 0;
    for token in tokens {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        taken.push(token);
        if depth <= 0 {
            break;
        }
    }
    taken
}

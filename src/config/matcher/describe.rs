//! Conditions of routes in words, as they are written in the file.

use std::fmt;

use super::{HostPattern, Matcher, PathPattern, Segment};

impl Matcher {
    /// Each condition that is set: `path /articles/{id}`, `method GET or HEAD`, `host *.example.org`.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let path = self.path.as_ref().map(|path| format!("path {path}"));
        let methods: Vec<_> = self.methods.iter().map(ToString::to_string).collect();
        let methods = (!methods.is_empty()).then(|| format!("method {}", methods.join(" or ")));
        let host = self.host.as_ref().map(|host| format!("host {host}"));
        [path, methods, host].into_iter().flatten().collect()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(raw, _) => write!(f, "/{}", String::from_utf8_lossy(raw)),
            Segment::One => f.write_str("/*"),
            Segment::Capture(i) => {
                let name = self.names.get(*i).map(|name| &**name).unwrap_or_default();
                write!(f, "/{{{name}}}")
            }
            Segment::Any => f.write_str("/**"),
        })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(tail) => write!(f, "*{tail}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn conditions_are_told_as_they_are_written() {
        for path in ["/", "/a/{id}/b", "/assets/**", "/*/x%41", "/a//b/"] {
            let pattern = PathPattern::parse(path).expect(path);
            assert_eq!(pattern.to_string(), path);
        }
        let matcher = Matcher {
            path: PathPattern::parse("/a/{id}").ok(),
            methods: vec![Method::GET, Method::POST],
            host: HostPattern::parse("*.Example.org").ok(),
        };
        let words = ["path /a/{id}", "method GET or POST", "host *.example.org"];
        assert_eq!(matcher.describe(), words);
        assert!(Matcher::default().describe().is_empty());
    }
}

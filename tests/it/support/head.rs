//! The head of an HTTP/1.1 message as it was on the wire: order, case and bytes kept.

use std::io;

/// Header fields in order. Values are read as Latin-1, so that every byte is one `char`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Every member of a comma-separated field, over all its lines.
    pub fn list(&self, name: &str) -> Vec<String> {
        let members = self.all(name).flat_map(|line| line.split(','));
        members
            .map(|member| member.trim().to_owned())
            .filter(|member| !member.is_empty())
            .collect()
    }

    /// Whether a comma-separated field has that member, whatever the case.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.list(name)
            .iter()
            .any(|m| m.eq_ignore_ascii_case(member))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A start line and its fields.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub start: String,
    pub headers: Headers,
}

impl Head {
    /// Parses the bytes before the empty line.
    pub fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut headers = Headers::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| bad("a field without a colon"))?;
            headers.push(name, value.trim());
        }
        Ok(Self { start, headers })
    }

    /// The status of a response's start line.
    pub fn status(&self) -> io::Result<u16> {
        let code = self
            .start
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5));
        let code = code.and_then(|code| code.parse().ok());
        code.ok_or_else(|| bad(&format!("not a status line: {:?}", self.start)))
    }
}

/// Latin-1: the bytes that a header value stands for.
pub fn wire_bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).expect("header text is Latin-1"))
        .collect()
}

pub fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

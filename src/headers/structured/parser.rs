//! The parsing algorithms of RFC 9651 §4.2, one function for each.

use super::{Bare, Dictionary, ITEMS_MAX, Item, MEMBERS_MAX, Malformed, Member, Parameters};

type Parsed<T> = Result<T, Malformed>;

/// What is left of a field's value.
pub(super) struct Parser<'a> {
    rest: &'a [u8],
}

impl<'a> Parser<'a> {
    /// Leading spaces do not count (§4.2, step 2).
    pub(super) fn new(text: &'a [u8]) -> Self {
        let mut parser = Self { rest: text };
        parser.skip(b" ");
        parser
    }

    /// Nothing but spaces may follow (§4.2, step 6).
    pub(super) fn end(&mut self) -> Parsed<()> {
        self.skip(b" ");
        self.rest.is_empty().then_some(()).ok_or(Malformed)
    }

    /// §4.2.2.
    pub(super) fn dictionary(&mut self) -> Parsed<Dictionary> {
        let mut members = Dictionary::default();
        while !self.rest.is_empty() {
            let key = self.key()?;
            let member = match self.take(b'=') {
                true => self.member()?,
                // A key alone says "true", and may have parameters all the same.
                false => Member::Item(Item {
                    value: Bare::Boolean(true),
                    parameters: self.parameters()?,
                }),
            };
            members.insert(key, member, MEMBERS_MAX)?;
            self.next_member()?;
        }
        Ok(members)
    }

    /// §4.2.1.
    pub(super) fn list(&mut self) -> Parsed<Vec<Member>> {
        let mut members = Vec::new();
        while !self.rest.is_empty() {
            if members.len() == MEMBERS_MAX {
                return Err(Malformed);
            }
            members.push(self.member()?);
            self.next_member()?;
        }
        Ok(members)
    }

    /// §4.2.3.
    pub(super) fn item(&mut self) -> Parsed<Item> {
        Ok(Item {
            value: self.bare()?,
            parameters: self.parameters()?,
        })
    }

    /// Goes to the next member of a list or dictionary: one comma, and never one at the end.
    fn next_member(&mut self) -> Parsed<()> {
        self.skip(b" \t");
        if self.rest.is_empty() {
            return Ok(());
        }
        self.expect(b',')?;
        self.skip(b" \t");
        (!self.rest.is_empty()).then_some(()).ok_or(Malformed)
    }

    /// §4.2.1.1.
    fn member(&mut self) -> Parsed<Member> {
        match self.peek() {
            Some(b'(') => self.inner_list(),
            _ => self.item().map(Member::Item),
        }
    }

    /// §4.2.1.2.
    fn inner_list(&mut self) -> Parsed<Member> {
        self.expect(b'(')?;
        let mut items = Vec::new();
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Ok(Member::Inner(items, self.parameters()?));
            }
            if items.len() == ITEMS_MAX {
                return Err(Malformed);
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(Malformed);
            }
        }
    }

    /// §4.2.3.2.
    fn parameters(&mut self) -> Parsed<Parameters> {
        let mut parameters = Parameters::default();
        while self.take(b';') {
            self.skip(b" ");
            let key = self.key()?;
            let value = match self.take(b'=') {
                true => self.bare()?,
                false => Bare::Boolean(true),
            };
            parameters.insert(key, value, ITEMS_MAX)?;
        }
        Ok(parameters)
    }

    /// §4.2.3.3.
    fn key(&mut self) -> Parsed<String> {
        let starts = |b: u8| b.is_ascii_lowercase() || b == b'*';
        let goes_on = |b: u8| starts(b) || b.is_ascii_digit() || b"_-.".contains(&b);
        match self.peek() {
            Some(first) if starts(first) => Ok(self.text_while(goes_on)),
            _ => Err(Malformed),
        }
    }

    /// §4.2.3.1.
    fn bare(&mut self) -> Parsed<Bare> {
        match self.peek().ok_or(Malformed)? {
            b'-' | b'0'..=b'9' => self.number(),
            b'"' => self.string().map(Bare::String),
            b'*' | b'A'..=b'Z' | b'a'..=b'z' => Ok(Bare::Token(self.token())),
            b':' => self.bytes().map(Bare::Bytes),
            b'?' => self.boolean().map(Bare::Boolean),
            b'@' => self.date().map(Bare::Date),
            b'%' => self.display().map(Bare::Display),
            _ => Err(Malformed),
        }
    }

    /// §4.2.4.
    fn number(&mut self) -> Parsed<Bare> {
        let sign = if self.take(b'-') { -1 } else { 1 };
        let whole = self.take_while(|b| b.is_ascii_digit());
        if !self.take(b'.') {
            return match whole.len() {
                1..=15 => Ok(Bare::Integer(sign * digits(whole))),
                _ => Err(Malformed),
            };
        }
        let fraction = self.take_while(|b| b.is_ascii_digit());
        if !(1..=12).contains(&whole.len()) || !(1..=3).contains(&fraction.len()) {
            return Err(Malformed);
        }
        let thousandths = match fraction.len() {
            1 => digits(fraction) * 100,
            2 => digits(fraction) * 10,
            _ => digits(fraction),
        };
        Ok(Bare::Decimal(sign * (digits(whole) * 1000 + thousandths)))
    }

    /// §4.2.5.
    fn string(&mut self) -> Parsed<String> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            match self.next()? {
                b'"' => return Ok(out),
                b'\\' => match self.next()? {
                    escaped @ (b'"' | b'\\') => out.push(char::from(escaped)),
                    _ => return Err(Malformed),
                },
                plain @ 0x20..=0x7e => out.push(char::from(plain)),
                _ => return Err(Malformed),
            }
        }
    }

    /// §4.2.6.
    fn token(&mut self) -> String {
        self.text_while(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b))
    }

    /// §4.2.7. Padding may be missing, as the section advises.
    fn bytes(&mut self) -> Parsed<Vec<u8>> {
        self.expect(b':')?;
        let coded = self.take_while(|b| b != b':');
        self.expect(b':')?;
        let content = coded.strip_suffix(b"=").unwrap_or(coded);
        let content = content.strip_suffix(b"=").unwrap_or(content);
        let mut out = Vec::with_capacity(content.len() / 4 * 3 + 2);
        for group in content.chunks(4) {
            let mut bits = 0u32;
            for letter in group {
                bits = bits << 6 | u32::from(sextet(*letter)?);
            }
            match group.len() {
                4 => out.extend_from_slice(&bits.to_be_bytes()[1..]),
                3 => out.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
                2 => out.extend_from_slice(&(bits << 12).to_be_bytes()[1..2]),
                _ => return Err(Malformed),
            }
        }
        Ok(out)
    }

    /// §4.2.8.
    fn boolean(&mut self) -> Parsed<bool> {
        self.expect(b'?')?;
        match self.next()? {
            b'1' => Ok(true),
            b'0' => Ok(false),
            _ => Err(Malformed),
        }
    }

    /// §4.2.9.
    fn date(&mut self) -> Parsed<i64> {
        self.expect(b'@')?;
        match self.number()? {
            Bare::Integer(seconds) => Ok(seconds),
            _ => Err(Malformed),
        }
    }

    /// §4.2.10.
    fn display(&mut self) -> Parsed<String> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            match self.next()? {
                b'"' => return String::from_utf8(out).map_err(|_| Malformed),
                b'%' => out.push(hex(self.next()?)? << 4 | hex(self.next()?)?),
                plain @ 0x20..=0x7e => out.push(plain),
                _ => return Err(Malformed),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Parsed<u8> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn expect(&mut self, byte: u8) -> Parsed<()> {
        self.take(byte).then_some(()).ok_or(Malformed)
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.take_while(|b| bytes.contains(&b));
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|b| !fits(*b));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// For bytes that are ASCII by the test they pass.
    fn text_while(&mut self, fits: impl Fn(u8) -> bool) -> String {
        let taken = self.take_while(fits);
        taken.iter().map(|b| char::from(*b)).collect()
    }
}

/// At most 15 digits, which always fit.
fn digits(text: &[u8]) -> i64 {
    text.iter()
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
}

fn sextet(letter: u8) -> Parsed<u8> {
    match letter {
        b'A'..=b'Z' => Ok(letter - b'A'),
        b'a'..=b'z' => Ok(letter - b'a' + 26),
        b'0'..=b'9' => Ok(letter - b'0' + 52),
        b'+' => Ok(62),
        b'/' => Ok(63),
        _ => Err(Malformed),
    }
}

/// Only lower case (§4.2.10).
fn hex(digit: u8) -> Parsed<u8> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(Malformed),
    }
}

//! Entity tags (RFC 9110 §8.8.3) and lists of them.

/// An entity tag as it stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag<'a> {
    /// It is only weakly the same as another with equal opaque part.
    pub weak: bool,
    /// The opaque part with its quotes.
    pub opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads a field value that is one entity tag.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (tag, rest) = split(value.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// §8.8.3.2: the opaque parts are equal, and neither is weak.
    #[must_use]
    pub fn strongly_equals(self, other: EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// §8.8.3.2: the opaque parts are equal.
    #[must_use]
    pub fn weakly_equals(self, other: EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// Whether any member of a list satisfies `wanted`. What follows an unreadable member is not looked
/// at.
pub fn any_listed(line: &[u8], mut wanted: impl FnMut(EntityTag<'_>) -> bool) -> bool {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix(b",") {
            rest = after;
            continue;
        }
        let Some((tag, after)) = split(rest) else {
            return false;
        };
        let after = after.trim_ascii_start();
        if !after.is_empty() && !after.starts_with(b",") {
            return false;
        }
        if wanted(tag) {
            return true;
        }
        rest = after;
    }
}

/// Splits an entity tag off.
fn split(text: &[u8]) -> Option<(EntityTag<'_>, &[u8])> {
    let strong = text.strip_prefix(b"W/");
    let (weak, quoted) = (strong.is_some(), strong.unwrap_or(text));
    let inside = quoted.strip_prefix(b"\"")?;
    let end = inside.iter().position(|b| *b == b'"')?;
    let valid = |b: &u8| *b == 0x21 || (*b >= 0x23 && *b != 0x7f);
    if !inside[..end].iter().all(valid) {
        return None;
    }
    let (opaque, rest) = quoted.split_at(end + 2);
    Some((EntityTag { weak, opaque }, rest))
}

#[cfg(test)]
mod tests {
    use super::{EntityTag, any_listed};

    /// RFC 9110 §8.8.3.2, the table.
    #[test]
    fn comparison() {
        let cases: [(&[u8], &[u8], bool, bool); 4] = [
            (b"W/\"1\"", b"W/\"1\"", false, true),
            (b"W/\"1\"", b"W/\"2\"", false, false),
            (b"W/\"1\"", b"\"1\"", false, true),
            (b"\"1\"", b"\"1\"", true, true),
        ];
        for (a, b, strong, weak) in cases {
            let tag = |text| EntityTag::parse(text).expect("a tag");
            assert_eq!(tag(a).strongly_equals(tag(b)), strong);
            assert_eq!(tag(a).weakly_equals(tag(b)), weak);
        }
    }

    #[test]
    fn what_is_no_tag() {
        for text in [
            &b"a"[..],
            b"\"a",
            b"\"a\"x",
            b"w/\"a\"",
            b"\"a b\"",
            b"*",
            b"",
        ] {
            assert_eq!(EntityTag::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn lists() {
        let holds = |line: &str| any_listed(line.as_bytes(), |tag| tag.opaque == b"\"x\"");
        for line in ["\"x\"", " \"a\", W/\"x\"", ",,\"x\",", "\"a,b\" , \"x\""] {
            assert!(holds(line), "{line}");
        }
        for line in [
            "",
            "\"a\"",
            "x",
            "\"a\" \"x\"",
            "a, \"x\"",
            "\"x",
            "\"a,\"x\"\"",
        ] {
            assert!(!holds(line), "{line}");
        }
    }
}

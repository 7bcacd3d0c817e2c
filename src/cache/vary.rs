//! `Vary` (RFC 9110 §12.5.5, RFC 9111 §4.1): which request fields a stored answer depends on, and
//! whether a request agrees with the one that fetched it.
//!
//! `Accept-Encoding` is not among them, unless the configuration says so: bodies are stored without a
//! coding, which every client takes, and coded for each client afterwards.

use std::fmt;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, COOKIE, FORWARDED, FROM, REFERER,
    USER_AGENT, VARY, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::language;
use crate::reason::Reason;

/// An answer that depends on more request fields than this is not stored: it would hardly ever be
/// asked for again, and each lookup would have to compare them all.
pub const FIELDS_MAX: usize = 16;

/// `cache.safety.vary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// An answer that depends on one of these is not stored.
    pub deny: Vec<HeaderName>,
    /// Most answers kept for one URL.
    pub variants_max: usize,
    /// Compare `Accept-Encoding` by its meaning, which for bodies without a coding is none.
    pub codings: bool,
    /// Compare `Accept-Language` by its meaning.
    pub languages: bool,
    /// Fields that the app gets from us with a value of our own, besides those that are always so:
    /// the correlation id.
    pub written: Vec<HeaderName>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deny: vec![COOKIE, USER_AGENT],
            variants_max: 32,
            codings: true,
            languages: true,
            written: vec![HeaderName::from_static("x-request-id")],
        }
    }
}

/// A request field that an answer depends on, as the request had it that fetched the answer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Selected {
    /// The field.
    pub name: HeaderName,
    /// Its value in the form in which it is compared; `None`: the request did not have it.
    pub value: Option<Box<[u8]>>,
    form: Form,
}

/// How values of a field are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// Byte by byte: in these fields commas separate nothing.
    Exact,
    /// As a list (RFC 9110 §5.6.1): several lines are one, space around commas means nothing.
    List,
    /// As [`language::normalise`] writes it.
    Languages,
}

/// Fields that the app gets from us with another value than the client sent, so that the client's
/// value does not tell which answer is its own.
const WRITTEN_HERE: [HeaderName; 3] = [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for")];

/// Fields with one value whose grammar gives commas no meaning.
const SINGLE: [HeaderName; 5] = [AUTHORIZATION, COOKIE, FROM, REFERER, USER_AGENT];

impl Selected {
    fn new(name: HeaderName, request: &HeaderMap, settings: &Settings) -> Self {
        let form = match &name {
            name if SINGLE.contains(name) => Form::Exact,
            name if *name == ACCEPT_LANGUAGE && settings.languages => Form::Languages,
            _ => Form::List,
        };
        let value = form.value(&name, request).map(Into::into);
        Self { name, value, form }
    }

    /// RFC 9111 §4.1: "If (after any normalization that might take place) a header field is absent
    /// from a request, it can only match another request if it is also absent there."
    fn matches(&self, request: &HeaderMap) -> bool {
        self.form.value(&self.name, request).as_deref() == self.value.as_deref()
    }

    /// Memory outside of its own struct.
    pub(crate) fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.len())
    }
}

/// The value may be a secret (`Cookie`), and entries end up in logs.
impl fmt::Debug for Selected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.value.as_ref().map(|value| value.len());
        write!(f, "Selected({}, {bytes:?} bytes)", self.name)
    }
}

impl Form {
    /// The field in the form in which it is compared; `None`: it is absent.
    fn value(self, name: &HeaderName, request: &HeaderMap) -> Option<Vec<u8>> {
        if ends_here(name, request) {
            return None;
        }
        let mut lines = request.get_all(name).iter();
        let first = lines.next()?;
        // No line can hold a line break, so that one line never looks like two.
        let separator = if self == Self::Exact { b'\n' } else { b',' };
        let mut joined = first.as_bytes().trim_ascii().to_vec();
        for line in lines {
            joined.push(separator);
            joined.extend_from_slice(line.as_bytes().trim_ascii());
        }
        Some(match self {
            Self::Exact => joined,
            Self::List => list(&joined),
            Self::Languages => match language::normalise(&joined) {
                Some(normal) => normal.into_bytes(),
                None => list(&joined),
            },
        })
    }
}

/// Whether `Connection` names the field, so that the app does not get it (RFC 9110 §7.6.1). Without
/// this a client could have the default answer stored as that of any language.
fn ends_here(name: &HeaderName, request: &HeaderMap) -> bool {
    let mut named = request.get_all(CONNECTION).iter().flat_map(members);
    named.any(|member| member.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

/// The list without the spaces around its commas, those inside quoted strings aside.
fn list(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let (mut quoted, mut escaped, mut after_comma) = (false, false, true);
    for &byte in value {
        let space = byte == b' ' || byte == b'\t';
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                let end = out.trim_ascii_end().len();
                out.truncate(end);
            }
            _ if space && !quoted && after_comma => continue,
            _ => {}
        }
        after_comma = byte == b',' && !quoted;
        out.push(byte);
    }
    out
}

/// Whether the app gets the field from us, whatever a client sends.
#[must_use]
pub fn is_written_here(name: &str) -> bool {
    let same = |own: &HeaderName| own.as_str().eq_ignore_ascii_case(name);
    WRITTEN_HERE.iter().any(same)
}

/// What has to be added to `Vary` so that it names these fields too; `None`: nothing.
#[must_use]
pub fn lacking(response: &HeaderMap, names: &[HeaderName]) -> Option<HeaderValue> {
    let named = |name: &HeaderName| {
        let mut members = response.get_all(VARY).iter().flat_map(members);
        members
            .any(|member| member == b"*" || member.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    let lacking: Vec<_> = names
        .iter()
        .filter(|name| !named(name))
        .map(HeaderName::as_str)
        .collect();
    match lacking.is_empty() {
        true => None,
        false => HeaderValue::try_from(lacking.join(", ")).ok(),
    }
}

/// Whether an answer with this head may be stored as far as `Vary` is concerned.
///
/// # Errors
/// [`Reason::VaryStar`] when any member is `*`; [`Reason::VaryDenied`] when one is in the deny list;
/// [`Reason::Vary`] when there are more than [`FIELDS_MAX`], one is no field name, or one is written
/// by this proxy.
pub fn judge(response: &HeaderMap, settings: &Settings) -> Result<(), Reason> {
    judge_with(response, settings, &mut Err)
}

/// As [`judge`], with every reason in the order in which they count: `deny` hears of each until it
/// gives one back.
///
/// # Errors
/// What `deny` gives back.
pub fn judge_with<E>(
    response: &HeaderMap,
    settings: &Settings,
    deny: &mut impl FnMut(Reason) -> Result<(), E>,
) -> Result<(), E> {
    Fields::of(response, settings).reasons().try_for_each(deny)
}

/// The request fields that the answer depends on, as this request has them.
///
/// `siblings` are the fields by which other answers for the URL vary
/// ([`Object::nominated`](super::object::Object::nominated)). Where the answer itself has no `Vary`,
/// it is taken to depend on those: RFC 9111 §4.1 warns of apps that leave `Vary` out of their
/// default answer, which must not push out the one that was chosen for the client.
///
/// # Errors
/// As [`judge`].
pub fn select(
    response: &HeaderMap,
    request: &HeaderMap,
    siblings: &[HeaderName],
    settings: &Settings,
) -> Result<Box<[Selected]>, Reason> {
    let fields = Fields::of(response, settings);
    fields.reasons().try_for_each(Err)?;
    let mut names = fields.names;
    if names.is_empty() && !response.contains_key(VARY) {
        names = siblings.to_vec();
    }
    Ok(of_request(&names, request, settings))
}

/// The fields as this request has them.
#[must_use]
pub fn of_request(
    names: &[HeaderName],
    request: &HeaderMap,
    settings: &Settings,
) -> Box<[Selected]> {
    let fields = names.iter().cloned();
    fields
        .map(|name| Selected::new(name, request, settings))
        .collect()
}

/// Whether what was stored for `selecting` was chosen by each of these fields.
#[must_use]
pub fn covers(selecting: &[Selected], names: &[HeaderName]) -> bool {
    let mut names = names.iter();
    names.all(|name| selecting.iter().any(|field| field.name == *name))
}

/// Whether the request may be answered with what was stored for `selecting`.
#[must_use]
pub fn matches(selecting: &[Selected], request: &HeaderMap) -> bool {
    selecting.iter().all(|field| field.matches(request))
}

/// What `Vary` names.
#[derive(Default)]
struct Fields {
    /// The fields that may be compared, sorted, each once; without those of which any value will do.
    names: Vec<HeaderName>,
    star: bool,
    /// One is in the deny list.
    denied: bool,
    /// One is no field name, or is written by this proxy.
    unusable: bool,
}

impl Fields {
    fn of(response: &HeaderMap, settings: &Settings) -> Self {
        let written =
            |name: &HeaderName| WRITTEN_HERE.contains(name) || settings.written.contains(name);
        let mut fields = Self::default();
        for member in response.get_all(VARY).iter().flat_map(members) {
            match HeaderName::from_bytes(member) {
                _ if member == b"*" => fields.star = true,
                Ok(name) if name == ACCEPT_ENCODING && settings.codings => {}
                Ok(name) if settings.deny.contains(&name) => fields.denied = true,
                Ok(name) if !written(&name) => fields.names.push(name),
                _ => fields.unusable = true,
            }
        }
        let names = &mut fields.names;
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        fields
    }

    /// Why an answer that names them is not stored.
    fn reasons(&self) -> impl Iterator<Item = Reason> {
        let unusable = self.unusable || self.names.len() > FIELDS_MAX;
        let denied = [
            (self.star, Reason::VaryStar),
            (self.denied, Reason::VaryDenied),
            (unusable, Reason::Vary),
        ];
        denied.into_iter().filter_map(|(so, why)| so.then_some(why))
    }
}

/// The members of a list, without empty ones (RFC 9110 §5.6.1.2).
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes()
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests;

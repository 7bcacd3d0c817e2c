//! Targeted fields: dictionaries of cache directives for caches of one kind (RFC 9213).

use http::{HeaderMap, HeaderName};

use super::{CacheControl, Delta, FieldNames, SECONDS_MAX, names};
use crate::headers::structured::{Bare, Member, dictionary};

/// What the field says; `None` when it is absent, empty or unreadable, for then it is to be ignored
/// (RFC 9213 §2.1).
pub(super) fn read(headers: &HeaderMap, target: &HeaderName) -> Option<CacheControl> {
    let members = headers
        .contains_key(target)
        .then(|| dictionary(headers, target).ok())
        .flatten()
        .filter(|members| !members.is_empty())?;
    let mut out = CacheControl {
        target: Some(target.clone()),
        present: true,
        ..CacheControl::default()
    };
    for (name, member) in members.iter() {
        take(&mut out, name, member);
    }
    Some(out)
}

/// Keys of a dictionary are in lower case, and parameters are to be ignored (§2.1).
fn take(out: &mut CacheControl, name: &str, member: &Member) {
    match name {
        "no-store" => out.no_store = restricts(member),
        "no-cache" => out.no_cache = field_names(member),
        "private" => out.private = field_names(member),
        "public" => out.public = permits(member),
        "max-age" => out.max_age = delta(member),
        "s-maxage" => out.s_maxage = delta(member),
        "must-revalidate" => out.must_revalidate = restricts(member),
        "proxy-revalidate" => out.proxy_revalidate = restricts(member),
        "must-understand" => out.must_understand = permits(member),
        "no-transform" => out.no_transform = restricts(member),
        "immutable" => out.immutable = permits(member),
        "stale-while-revalidate" => out.stale_while_revalidate = delta(member),
        "stale-if-error" => out.stale_if_error = delta(member),
        _ => {}
    }
}

/// §2.1 advises against reading a value of the wrong type. What forbids something is heeded even
/// so, unless it says `?0`; what allows something is not.
fn restricts(member: &Member) -> bool {
    member.value() != Some(&Bare::Boolean(false))
}

fn permits(member: &Member) -> bool {
    member.value() == Some(&Bare::Boolean(true))
}

/// A wrong type is not rounded or read as a number (§2.1): it is there and cannot be trusted.
fn delta(member: &Member) -> Delta {
    match member.value() {
        Some(Bare::Integer(seconds)) if *seconds >= 0 => {
            Delta::Seconds(u32::try_from(*seconds).map_or(SECONDS_MAX, |s| s.min(SECONDS_MAX)))
        }
        _ => Delta::Invalid,
    }
}

/// True, or a string with a list of fields (§2.1). Anything else means the whole response.
fn field_names(member: &Member) -> Option<FieldNames> {
    let listed = match member.value() {
        Some(Bare::Boolean(false)) => return None,
        Some(Bare::String(list) | Bare::Token(list)) => names(list.as_bytes()),
        _ => None,
    };
    Some(listed.map_or(FieldNames::All, FieldNames::Listed))
}

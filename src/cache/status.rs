//! How the cache tells what it did: the `Cache-Status` field (RFC 9211).

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderValue;

use crate::reason::Reason;

/// What the cache did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store.
    Hit {
        /// Seconds of freshness that are left; negative: it was served stale.
        ttl: i64,
    },
    /// Looked up, not answered from the store, and forwarded to the app.
    Miss {
        /// Why the stored response was not used; `None`: none was there.
        found: Option<Reason>,
        /// The app's answer is being stored.
        stored: bool,
        /// Why it is not.
        why: Option<Reason>,
    },
    /// Forwarded to the app without a lookup.
    Bypass(Reason),
    /// Answered with an error of our own instead of being forwarded (`only-if-cached`).
    Refused(Reason),
}

impl Outcome {
    /// The value for `Cache-Status`.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        match self.text() {
            Cow::Borrowed(text) => HeaderValue::from_static(text),
            Cow::Owned(text) => {
                HeaderValue::try_from(text).expect("made of letters, digits and `;=_-` only")
            }
        }
    }

    /// The word for logs, metrics and `X-Cache`: `hit`, `stale` (served although it is), `miss` or
    /// `bypass`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Hit { ttl } if *ttl < 0 => "stale",
            Self::Hit { .. } => "hit",
            Self::Miss { .. } | Self::Refused(_) => "miss",
            Self::Bypass(_) => "bypass",
        }
    }

    /// The reason behind it, the one that `detail` shows.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match *self {
            Self::Hit { .. } => None,
            Self::Miss { found, why, .. } => why.or(found),
            Self::Bypass(reason) | Self::Refused(reason) => Some(reason),
        }
    }

    fn text(&self) -> Cow<'static, str> {
        match *self {
            Self::Hit { ttl } => Cow::Owned(format!("vestibule; hit; ttl={ttl}")),
            Self::Miss {
                found: None,
                stored: true,
                why: None,
            } => Cow::Borrowed("vestibule; fwd=uri-miss; stored"),
            Self::Miss {
                found: Some(Reason::Expired),
                stored: true,
                why: None,
            } => Cow::Borrowed("vestibule; fwd=stale; stored"),
            Self::Miss { found, stored, .. } => {
                // `fwd=stale` explains an expired entry well enough without a detail.
                let detail = self.reason().filter(|reason| *reason != Reason::Expired);
                forwarded(forward(found), stored, detail)
            }
            Self::Bypass(Reason::Method) => forwarded("method", false, Some(Reason::Method)),
            Self::Bypass(reason) => forwarded("bypass", false, Some(reason)),
            Self::Refused(reason) => Cow::Owned(format!("vestibule; detail={}", reason.code())),
        }
    }
}

/// The `fwd` token (RFC 9211 §2.2) for a stored response that was not used.
fn forward(found: Option<Reason>) -> &'static str {
    match found {
        None => "uri-miss",
        Some(Reason::Expired | Reason::Purged) => "stale",
        Some(_) => "request",
    }
}

fn forwarded(fwd: &str, stored: bool, detail: Option<Reason>) -> Cow<'static, str> {
    let mut text = format!("vestibule; fwd={fwd}");
    if stored {
        text.push_str("; stored");
    }
    if let Some(reason) = detail {
        write!(text, "; detail={}", reason.code()).expect("writing to a String cannot fail");
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::Outcome;
    use crate::reason::Reason;

    #[test]
    fn values_and_labels() {
        let miss = |found, stored, why| Outcome::Miss { found, stored, why };
        let cases = [
            (Outcome::Hit { ttl: 37 }, "vestibule; hit; ttl=37", "hit"),
            (Outcome::Hit { ttl: -3 }, "vestibule; hit; ttl=-3", "stale"),
            (
                miss(None, true, None),
                "vestibule; fwd=uri-miss; stored",
                "miss",
            ),
            (miss(None, false, None), "vestibule; fwd=uri-miss", "miss"),
            (
                miss(None, false, Some(Reason::SetCookie)),
                "vestibule; fwd=uri-miss; detail=SET_COOKIE",
                "miss",
            ),
            (
                miss(Some(Reason::Expired), true, None),
                "vestibule; fwd=stale; stored",
                "miss",
            ),
            (
                miss(Some(Reason::Expired), false, Some(Reason::NoStore)),
                "vestibule; fwd=stale; detail=NO_STORE",
                "miss",
            ),
            (
                miss(Some(Reason::Purged), true, None),
                "vestibule; fwd=stale; stored; detail=PURGED",
                "miss",
            ),
            (
                miss(Some(Reason::RequestNoCache), true, None),
                "vestibule; fwd=request; stored; detail=REQUEST_NO_CACHE",
                "miss",
            ),
            (
                Outcome::Bypass(Reason::Authorization),
                "vestibule; fwd=bypass; detail=AUTHORIZATION",
                "bypass",
            ),
            (
                Outcome::Bypass(Reason::Method),
                "vestibule; fwd=method; detail=METHOD",
                "bypass",
            ),
            (
                Outcome::Refused(Reason::OnlyIfCached),
                "vestibule; detail=ONLY_IF_CACHED",
                "miss",
            ),
        ];
        for (outcome, value, label) in cases {
            assert_eq!(outcome.header_value(), value);
            assert_eq!(outcome.label(), label, "{value}");
        }
    }

    #[test]
    fn every_reason_makes_a_valid_value() {
        for reason in Reason::ALL {
            let why = Some(*reason);
            assert!(
                !Outcome::Miss {
                    found: why,
                    stored: false,
                    why
                }
                .header_value()
                .is_empty()
            );
            assert!(!Outcome::Bypass(*reason).header_value().is_empty());
        }
    }
}

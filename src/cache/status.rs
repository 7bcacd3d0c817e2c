//! How the cache tells what it did: the `Cache-Status` field (RFC 9211).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::HeaderValue;

use crate::reason::Reason;

/// What the cache did with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store without asking the app first.
    Hit {
        /// Seconds of freshness that are left; negative: it was served stale.
        ttl: i64,
        /// What allowed it to be served although it was stale, or softly purged; `None`: it was fresh.
        stale: Option<Reason>,
    },
    /// Looked up, not answered from the store, and forwarded to the app.
    Miss {
        /// Why the stored response was not used; `None`: none was there.
        found: Option<Reason>,
        /// The app's answer is being stored.
        stored: bool,
        /// Why it is not.
        why: Option<Reason>,
        /// The answer is that of another request's fetch.
        collapsed: bool,
        /// The app's status, where the client gets another one.
        fwd_status: Option<u16>,
    },
    /// The app said that the stored response still holds (304), and that was the answer.
    Validated {
        /// Why the app was asked.
        found: Reason,
        /// What the app said about it is being stored.
        stored: bool,
        /// The app was asked by another request.
        collapsed: bool,
    },
    /// The app was asked and failed, and the stored response was the answer all the same.
    Rescued {
        /// Seconds of freshness that are left; negative: it was stale.
        ttl: i64,
        /// Why the app was asked.
        found: Reason,
        /// The app's status; `None`: it did not answer.
        fwd_status: Option<u16>,
        /// The app was asked by another request.
        collapsed: bool,
    },
    /// Forwarded to the app without a lookup.
    Bypass(Reason),
    /// Answered with an error of our own instead of being forwarded (`only-if-cached`).
    Refused(Reason),
}

impl Outcome {
    /// A fresh answer from the store.
    #[must_use]
    pub fn hit(ttl: Duration) -> Self {
        let ttl = seconds(ttl);
        Self::Hit { ttl, stale: None }
    }

    /// An answer from the store that has been stale for `over`, or was softly purged.
    #[must_use]
    pub fn stale(over: Duration, why: Reason) -> Self {
        Self::Hit {
            ttl: -seconds(over),
            stale: Some(why),
        }
    }

    /// Nothing is known yet but that the stored response, if there was any, does not do.
    #[must_use]
    pub const fn miss(found: Option<Reason>) -> Self {
        Self::Miss {
            found,
            stored: false,
            why: None,
            collapsed: false,
            fwd_status: None,
        }
    }

    /// The request goes to the app past the cache, after a look that found nothing to give.
    pub fn goes_past(&mut self, reason: Reason) {
        if let Self::Miss { why, .. } = self {
            *why = Some(reason);
        }
    }

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

    /// The word for logs, metrics and `X-Cache`: `hit`, `stale` (served although it is),
    /// `revalidated`, `miss` or `bypass`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Hit { ttl, stale } if *ttl < 0 || stale.is_some() => "stale",
            Self::Hit { .. } => "hit",
            Self::Rescued { .. } => "stale",
            Self::Validated { .. } => "revalidated",
            Self::Miss { .. } | Self::Refused(_) => "miss",
            Self::Bypass(_) => "bypass",
        }
    }

    /// The reason behind it, the one that `detail` shows.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match *self {
            Self::Hit { stale, .. } => stale,
            Self::Miss { found, why, .. } => why.or(found),
            Self::Validated { found, .. } => Some(found),
            Self::Rescued { .. } => Some(Reason::StaleIfError),
            Self::Bypass(reason) | Self::Refused(reason) => Some(reason),
        }
    }

    fn text(&self) -> Cow<'static, str> {
        match *self {
            Self::Miss {
                found: None,
                stored: true,
                why: None,
                collapsed: false,
                fwd_status: None,
            } => Cow::Borrowed("vestibule; fwd=uri-miss; stored"),
            Self::Miss {
                found: Some(Reason::Expired),
                stored: true,
                why: None,
                collapsed: false,
                fwd_status: None,
            } => Cow::Borrowed("vestibule; fwd=stale; stored"),
            _ => Cow::Owned(self.parts().to_string()),
        }
    }

    fn parts(&self) -> Parts {
        let none = Parts::default();
        // `fwd=stale` and `fwd=vary-miss` explain themselves without a detail.
        let detail = self
            .reason()
            .filter(|reason| !matches!(reason, Reason::Expired | Reason::VaryMiss));
        match *self {
            Self::Hit { ttl, .. } => Parts {
                hit: true,
                ttl: Some(ttl),
                detail,
                ..none
            },
            Self::Miss {
                found,
                stored,
                collapsed,
                fwd_status,
                ..
            } => Parts {
                fwd: Some(forward(found)),
                fwd_status,
                stored,
                collapsed,
                detail,
                ..none
            },
            Self::Validated {
                found,
                stored,
                collapsed,
            } => Parts {
                fwd: Some(forward(Some(found))),
                fwd_status: Some(304),
                stored,
                collapsed,
                detail,
                ..none
            },
            Self::Rescued {
                ttl,
                found,
                fwd_status,
                collapsed,
            } => Parts {
                fwd: Some(forward(Some(found))),
                fwd_status,
                ttl: Some(ttl),
                collapsed,
                detail,
                ..none
            },
            Self::Bypass(reason) => Parts {
                fwd: Some(match reason {
                    Reason::Method => "method",
                    _ => "bypass",
                }),
                detail,
                ..none
            },
            Self::Refused(_) => Parts { detail, ..none },
        }
    }
}

/// The parameters of RFC 9211 §2, in the order in which they are written.
#[derive(Default)]
struct Parts {
    hit: bool,
    fwd: Option<&'static str>,
    fwd_status: Option<u16>,
    stored: bool,
    collapsed: bool,
    ttl: Option<i64>,
    detail: Option<Reason>,
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vestibule")?;
        if self.hit {
            f.write_str("; hit")?;
        }
        if let Some(fwd) = self.fwd {
            write!(f, "; fwd={fwd}")?;
        }
        if let Some(status) = self.fwd_status {
            write!(f, "; fwd-status={status}")?;
        }
        if self.stored {
            f.write_str("; stored")?;
        }
        if self.collapsed {
            f.write_str("; collapsed")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        match self.detail {
            Some(reason) => write!(f, "; detail={}", reason.code()),
            None => Ok(()),
        }
    }
}

/// The `fwd` token (RFC 9211 §2.2) for a stored response that was not used, or not without asking.
fn forward(found: Option<Reason>) -> &'static str {
    match found {
        None => "uri-miss",
        Some(Reason::VaryMiss) => "vary-miss",
        Some(Reason::Expired | Reason::Purged | Reason::NoCache) => "stale",
        Some(_) => "request",
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

//! What would help: a sentence for each reason, for those who write the app or its configuration.

use crate::reason::Reason;

/// What would let the cache answer, or store. Every reason that keeps it from that has one; those
/// that are about something else have none. (A list for the compiler: a new reason is not forgotten.)
#[must_use]
pub const fn of(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::CacheOff => "Set `mode: on` and `cache.enabled: on`.",
        Reason::RouteCacheOff => {
            "Take `cache: off` from the route, or put a route for what may be cached in front of it: the first that matches wins."
        }
        Reason::RouteAmbiguous => {
            "Link to the plain form of the path, without `//`, `..`, `;` and encoded letters: then every app reads it alike."
        }
        Reason::Method => "Offer by GET what may be cached; all other methods reach the app.",
        Reason::Upgrade => {
            "Nothing, if the protocol is to be switched. Else leave `Upgrade` out of the request."
        }
        Reason::RequestRange => {
            "Ask for the whole once, without `Range`: from then on parts are cut from what is stored."
        }
        Reason::RequestBody => {
            "Send GET without a body, and what it said in the URL, which is part of the key."
        }
        Reason::RequestTarget => "Percent-encode the URL: a key holds UTF-8 only.",
        Reason::RequestNoStore => {
            "Leave `no-store` out of the request. If a script sets it, `no-cache` is the milder word: the answer is then stored for others."
        }
        Reason::RequestMalformed => {
            "Correct the request's `Cache-Control`: commas part its directives, and quotes come in pairs."
        }
        Reason::RequestConditional => {
            "Ask once without the condition: it is judged by what is stored then. `If-None-Match` is no obstacle."
        }
        Reason::RequestNoCache => {
            "Leave `no-cache` out of the request. Browsers send it on a forced reload and with open developer tools, API clients often with every request."
        }
        Reason::RequestMaxAge => {
            "Leave `max-age` out of the request, or allow more than what is stored has. Browsers send `max-age=0` on a reload."
        }
        Reason::RequestMinFresh => {
            "Leave `min-fresh` out of the request, or let the app give a longer lifetime."
        }
        Reason::OnlyIfCached => {
            "Leave `only-if-cached` out of the request, or ask once without it so that something is stored."
        }
        Reason::Authorization => {
            "Mark the answer `public` if everybody may have it (or `s-maxage=60`, which says so too), or leave `Authorization` out of the request."
        }
        Reason::AuthorizationNever => {
            "Leave the credentials out of the request; for `Authorization` there is also `cache.safety.authorization: rfc9111`, with answers marked `public`."
        }
        Reason::CredentialHeader => {
            "Leave the header out of requests for what everybody may have. What was asked for with it is never shared."
        }
        Reason::UnkeyedHeader => {
            "Let the proxy in front send the header only where the app needs it, or put it into the key: `cache.safety.unkeyed_headers: key`."
        }
        Reason::CollapseWait => {
            "Let the app begin its answers sooner, or raise `cache.collapse.wait`: those who wait for somebody else's fetch cost the app nothing."
        }
        Reason::RequestCookie => {
            "Mark the answer `public` if it is the same with and without the cookies. If the app cannot: `request_cookies: ignore` in the route's `cache`, or `request_cookies: {allow: [lang]}` with those that matter."
        }
        Reason::SetCookie => {
            "Remove `Set-Cookie` from this answer, or set `cache.safety.set_cookie: strip` if the cookie is nothing personal."
        }
        Reason::NoStore => {
            "Take `no-store` from the answer if it may be shared. To share it here and nowhere else, add `Vestibule-Cache-Control: max-age=60`: it speaks to this cache alone."
        }
        Reason::Private => {
            "Take `private` from the answer if it is the same for everybody. To share it here and nowhere else, add `Vestibule-Cache-Control: max-age=60`."
        }
        Reason::NoCache => {
            "Say a lifetime instead of `no-cache`, such as `max-age=10`, if that much delay does no harm. Or send an `ETag`: then the stored body is given whenever the app answers 304."
        }
        Reason::VaryStar => "Name in `Vary` the request headers on which the answer depends.",
        Reason::Vary => {
            "Vary by fewer request headers, and by none that this proxy writes itself (`Forwarded`, `Via`, `X-Forwarded-For`, the request id)."
        }
        Reason::VaryDenied => {
            "Take the header from `Vary` if the answer does not depend on it. If it does, move what matters into the URL, or take the header from `cache.safety.vary.deny`."
        }
        Reason::Status => {
            "Nothing: answers with this status are for one client. Answer with another one what is meant for all."
        }
        Reason::HeadRequest => "Ask by GET: what that stores answers HEAD as well.",
        Reason::MalformedCacheControl => {
            "Correct the answer's `Cache-Control`: commas part its directives (no semicolons), and quotes come in pairs."
        }
        Reason::InvalidFreshness => {
            "Say each of `s-maxage`, `max-age`, `Expires` and `Date` once, and seconds as a plain number: `max-age=60`."
        }
        Reason::NoFreshness => {
            "Let the app say a lifetime, `Cache-Control: max-age=60`, or let the route: `cache: {ttl: 60s}`."
        }
        Reason::AlreadyStale => {
            "Let the app say a longer lifetime than its answers are old on arrival. If they should be new, look at its clock (`Date`) and at caches behind this one (`Age`)."
        }
        Reason::ContentEncoding => {
            "Let the app send bodies uncoded: with `compression` on, this proxy codes them, once for everybody."
        }
        Reason::PartialContent => "Let the app answer with the whole; parts are cut from it here.",
        Reason::TooLarge => {
            "Raise `cache.max_object_size`, and `cache.memory.size` if it holds only a few of that size."
        }
        Reason::Truncated => "Look into the app's log: it broke the body off.",
        Reason::Unframed => {
            "Let the app send `Content-Length`, or chunks (HTTP/1.1): only then a whole body can be told from a broken one."
        }
        Reason::TooManyTags => {
            "Send fewer tags, one for what is always purged together, or raise `cache.tags.max` and `cache.tags.max_bytes`."
        }
        Reason::InvalidTag => "Send tags in UTF-8, so that a purge can name them.",
        Reason::NotAdmitted => "Raise `cache.memory.size`: the answer does not fit into it.",
        Reason::PurgedMeanwhile => {
            "Nothing: the next request stores it. If that happens all the time, purge less or by narrower tags."
        }
        Reason::Expired => {
            "Let the app say a longer lifetime, or `stale-while-revalidate=30`: then clients need not wait while it is renewed."
        }
        Reason::VaryMiss => {
            "Nothing, if the answer depends on that header: this variant is stored beside the others. If not, take it from `Vary`."
        }
        Reason::Purged => {
            "Nothing: the next answer takes its place. After a purge with mode `soft` clients need not wait for that."
        }
        Reason::RequestMaxStale
        | Reason::StaleWhileRevalidate
        | Reason::StaleIfError
        | Reason::StaleAfterPurge
        | Reason::CompressionOff
        | Reason::NotAccepted
        | Reason::MediaType
        | Reason::TooSmall
        | Reason::AlreadyCoded
        | Reason::NoTransform
        | Reason::NoWholeBody
        | Reason::ConnectionsPerIp
        | Reason::ConnectionsTotal
        | Reason::BodyTooLarge
        | Reason::BadRequest
        | Reason::UpstreamConnect
        | Reason::UpstreamConnectTimeout
        | Reason::UpstreamResolve
        | Reason::UpstreamTimeout
        | Reason::UpstreamClosed
        | Reason::UpstreamInvalid
        | Reason::ClientClosed
        | Reason::Internal => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::reason::{Kind, Reason};

    #[test]
    fn whatever_keeps_from_the_cache_has_advice() {
        for reason in Reason::ALL {
            let denies = matches!(
                reason.kind(),
                Kind::Bypass | Kind::NotStored | Kind::NotReused
            );
            let advice = of(*reason);
            assert!(!denies || advice.is_some(), "{}", reason.code());
            let Some(advice) = advice else { continue };
            assert!(advice.ends_with('.'), "{}: no sentence", reason.code());
            assert!(
                advice.matches('`').count() % 2 == 0,
                "{}: torn quotes",
                reason.code()
            );
        }
    }
}

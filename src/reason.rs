//! One word for each decision that a user may ask about: why an answer was not stored, not reused,
//! not compressed, refused or failed. The same word appears in `Cache-Status`, the access log, the
//! metrics and (for errors) the body that the client reads.

/// What kind of decision a [`Reason`] explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request went past the cache: neither looked up nor stored.
    Bypass,
    /// The response was not stored.
    NotStored,
    /// A stored response was found and not reused.
    NotReused,
    /// A stored response was given although it is stale.
    Stale,
    /// The response was not compressed.
    NotCompressed,
    /// The request or connection was refused by a limit.
    Refused,
    /// The request failed and the client got an error from us.
    Error,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident => $code:literal, $kind:ident, $text:literal;)+) => {
        /// Why something was decided. Codes are part of the product's interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of declaration; `ALL[r as usize] == r`.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The stable code, as it appears in headers, logs and metric labels.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)+ }
            }

            /// The kind of decision it explains.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Reason::$variant => Kind::$kind,)+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Reason::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    /// `cache.enabled: off`, or `mode: off`.
    CacheOff => "CACHE_OFF", Bypass, "The cache is switched off.";
    /// `routes[].cache: off`.
    RouteCacheOff => "ROUTE_CACHE_OFF", Bypass, "The matching route has `cache: off`.";
    /// The path means one route as it is written and another once decoded.
    RouteAmbiguous => "ROUTE_AMBIGUOUS", Bypass, "The path matches one route as written and another once decoded.";
    /// Neither GET nor HEAD.
    Method => "METHOD", Bypass, "Only GET and HEAD are cached.";
    /// The request asks for a protocol upgrade.
    Upgrade => "UPGRADE", Bypass, "The request asks to switch protocols.";
    /// RFC 9110 §14.2.
    RequestRange => "REQUEST_RANGE", Bypass, "The request asks for a range of a response that is not stored.";
    /// A GET with a body has no defined meaning for a cache (RFC 9110 §9.3.1).
    RequestBody => "REQUEST_BODY", Bypass, "The request carries a body.";
    /// RFC 9112 §3.2: two such targets may look alike in the key.
    RequestTarget => "REQUEST_TARGET", Bypass, "The request target holds bytes that are not UTF-8.";
    /// RFC 9111 §5.2.1.5.
    RequestNoStore => "REQUEST_NO_STORE", Bypass, "The request says `Cache-Control: no-store`.";
    /// RFC 9111 §5.2: part of the field is outside the grammar and may hide a directive.
    RequestMalformed => "REQUEST_MALFORMED", Bypass, "The request's `Cache-Control` cannot be read.";
    /// RFC 9110 §13.1.1, §13.1.4 and §13.1.5.
    RequestConditional => "REQUEST_CONDITIONAL", Bypass, "The request carries `If-Match`, `If-Unmodified-Since` or `If-Range`, which only the app can judge.";
    /// RFC 9111 §5.2.1.4 and §5.4.
    RequestNoCache => "REQUEST_NO_CACHE", NotReused, "The request wants the app asked (`no-cache`).";
    /// RFC 9111 §5.2.1.1.
    RequestMaxAge => "REQUEST_MAX_AGE", NotReused, "The request asks for a younger answer than the stored one (`max-age`).";
    /// RFC 9111 §5.2.1.3.
    RequestMinFresh => "REQUEST_MIN_FRESH", NotReused, "The request asks for an answer that stays fresh for longer (`min-fresh`).";
    /// RFC 9111 §5.2.1.2.
    RequestMaxStale => "REQUEST_MAX_STALE", Stale, "The request accepts an answer that is stale for this long (`max-stale`).";
    /// RFC 9111 §5.2.1.7.
    OnlyIfCached => "ONLY_IF_CACHED", Refused, "The request says `only-if-cached` and no usable answer is stored.";
    /// RFC 9111 §3.5.
    Authorization => "AUTHORIZATION", NotStored, "The request carries credentials (`Authorization`) and the response is not marked `public`, `s-maxage` or `must-revalidate`.";
    /// `cache.safety.authorization: never`, or credentials for a proxy.
    AuthorizationNever => "AUTHORIZATION_NEVER", Bypass, "The request carries credentials that keep it from the cache.";
    /// A field that apps and gateways use in place of `Authorization`.
    CredentialHeader => "CREDENTIAL_HEADER", Bypass, "The request carries credentials in a header such as `X-Api-Key`.";
    /// A header whose value the cache key does not hold but apps are known to act on.
    UnkeyedHeader => "UNKEYED_HEADER", Bypass, "The request carries a header that may change the answer but is not part of the cache key.";
    /// `cache.collapse.wait`.
    CollapseWait => "COLLAPSE_WAIT", Bypass, "Another request's fetch of the same took longer than `cache.collapse.wait`, so the app was asked again.";
    /// The request had cookies and the response is not explicitly public.
    RequestCookie => "REQUEST_COOKIE", NotStored, "The request carries cookies and the response is not marked `public` or `s-maxage`.";
    /// The response sets a cookie.
    SetCookie => "SET_COOKIE", NotStored, "The response sets a cookie.";
    /// RFC 9111 §5.2.2.5.
    NoStore => "NO_STORE", NotStored, "The response says `Cache-Control: no-store`.";
    /// RFC 9111 §5.2.2.7.
    Private => "PRIVATE", NotStored, "The response says `Cache-Control: private`.";
    /// RFC 9111 §5.2.2.4.
    NoCache => "NO_CACHE", NotReused, "The response may not be given without asking the app (`no-cache`).";
    /// RFC 9111 §4.1.
    VaryStar => "VARY_STAR", NotStored, "The response says `Vary: *`.";
    /// RFC 9111 §4.1.
    Vary => "VARY", NotStored, "The response varies by too many request headers, or by one that this proxy writes itself.";
    /// `cache.safety.vary.deny`.
    VaryDenied => "VARY_DENIED", NotStored, "The response varies by a request header that `cache.safety.vary.deny` names.";
    /// RFC 9111 §3.
    Status => "STATUS", NotStored, "Responses with this status are not cached.";
    /// RFC 9110 §9.3.2: an answer to HEAD has no body to store.
    HeadRequest => "HEAD_REQUEST", NotStored, "Only answers to GET are stored.";
    /// RFC 9111 §5.2: part of the field is outside the grammar and may hide a directive.
    MalformedCacheControl => "MALFORMED_CACHE_CONTROL", NotStored, "The response's `Cache-Control` cannot be read.";
    /// RFC 9111 §4.2.1.
    InvalidFreshness => "INVALID_FRESHNESS", NotStored, "What the response says about its freshness is invalid or contradicts itself.";
    /// RFC 9111 §4.2.1.
    NoFreshness => "NO_FRESHNESS", NotStored, "Neither the response nor a rule says how long it may be cached.";
    /// RFC 9111 §4.2.
    AlreadyStale => "ALREADY_STALE", NotStored, "The response was already stale when it arrived.";
    /// RFC 9110 §8.4.
    ContentEncoding => "CONTENT_ENCODING", NotStored, "The app coded the body itself in a way that is not part of the cache key.";
    /// RFC 9110 §15.3.7.
    PartialContent => "PARTIAL_CONTENT", NotStored, "The response is a range of something larger.";
    /// `cache.max_object_size`.
    TooLarge => "TOO_LARGE", NotStored, "The body is larger than `cache.max_object_size`.";
    /// RFC 9111 §3.3.
    Truncated => "TRUNCATED", NotStored, "The body ended before its announced length.";
    /// RFC 9112 §8: the end of such a body cannot be told from a broken connection.
    Unframed => "UNFRAMED", NotStored, "The body is ended by closing the connection, so it cannot be known to be whole.";
    /// `cache.tags`.
    TooManyTags => "TOO_MANY_TAGS", NotStored, "The response carries more cache tags than allowed.";
    /// `cache.tags`: a tag that no purge could name.
    InvalidTag => "INVALID_TAG", NotStored, "A cache tag of the response is not valid UTF-8.";
    /// `cache.memory.size`.
    NotAdmitted => "NOT_ADMITTED", NotStored, "It does not fit into the memory tier.";
    /// A purge arrived while the response was being fetched.
    PurgedMeanwhile => "PURGED_MEANWHILE", NotStored, "It was purged while it was being fetched.";
    /// RFC 9111 §4.2.
    Expired => "EXPIRED", NotReused, "The stored response is no longer fresh.";
    /// RFC 9111 §4.1.
    VaryMiss => "VARY_MISS", NotReused, "What is stored varies, and no variant is for a request like this.";
    /// RFC 5861 §3.
    StaleWhileRevalidate => "STALE_WHILE_REVALIDATE", Stale, "The stored response is stale and served while it is being refreshed.";
    /// RFC 5861 §4.
    StaleIfError => "STALE_IF_ERROR", Stale, "The stored response is stale and served because the app failed.";
    /// `soft` purges.
    StaleAfterPurge => "STALE_AFTER_PURGE", Stale, "The stored response was softly purged and is served while it is being refreshed.";
    /// Purged by tag, URL or all.
    Purged => "PURGED", NotReused, "The stored response was purged.";
    /// `compression.enabled: off`, or the route's.
    CompressionOff => "COMPRESSION_OFF", NotCompressed, "Compression is switched off.";
    /// RFC 9110 §12.5.3.
    NotAccepted => "NOT_ACCEPTED", NotCompressed, "The client accepts none of our codings.";
    /// `compression.types`.
    MediaType => "MEDIA_TYPE", NotCompressed, "The media type is not in `compression.types`.";
    /// `compression.min_size`.
    TooSmall => "TOO_SMALL", NotCompressed, "The body is smaller than `compression.min_size`.";
    /// RFC 9110 §8.4.
    AlreadyCoded => "ALREADY_CODED", NotCompressed, "The app coded the body itself.";
    /// RFC 9111 §5.2.2.6.
    NoTransform => "NO_TRANSFORM", NotCompressed, "The response says `no-transform`.";
    /// 1xx, 204, 205, 206, 304 and answers to HEAD without a stored body.
    NoWholeBody => "NO_WHOLE_BODY", NotCompressed, "The response has no body, or only a range of one.";
    /// `limits.connections.per_ip`.
    ConnectionsPerIp => "CONNECTIONS_PER_IP", Refused, "Too many connections from this address.";
    /// `limits.connections.total`.
    ConnectionsTotal => "CONNECTIONS_TOTAL", Refused, "Too many connections.";
    /// `limits.body`.
    BodyTooLarge => "BODY_TOO_LARGE", Refused, "The request body is larger than `limits.body`.";
    /// RFC 9112 §3.2.
    BadRequest => "BAD_REQUEST", Refused, "The request cannot be understood safely.";
    /// TCP connect refused, unreachable or reset.
    UpstreamConnect => "UPSTREAM_CONNECT", Error, "The app does not accept connections.";
    /// Connect took longer than `upstream.timeouts.connect`.
    UpstreamConnectTimeout => "UPSTREAM_CONNECT_TIMEOUT", Error, "The app did not accept the connection in time.";
    /// The app's address cannot be resolved.
    UpstreamResolve => "UPSTREAM_RESOLVE", Error, "The app's host name cannot be resolved.";
    /// No answer within `upstream.timeouts.first_byte`.
    UpstreamTimeout => "UPSTREAM_TIMEOUT", Error, "The app did not answer in time.";
    /// The connection broke before an answer.
    UpstreamClosed => "UPSTREAM_CLOSED", Error, "The app closed the connection without an answer.";
    /// The answer is not valid HTTP.
    UpstreamInvalid => "UPSTREAM_INVALID", Error, "The app's answer is not valid HTTP.";
    /// The client left or broke the protocol.
    ClientClosed => "CLIENT_CLOSED", Error, "The client went away.";
    /// Anything that should not happen.
    Internal => "INTERNAL", Error, "The proxy failed in an unexpected way.";
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn codes_are_unique_and_indexed() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            let same = Reason::ALL.iter().filter(|r| r.code() == reason.code());
            assert_eq!(same.count(), 1, "{} appears twice", reason.code());
        }
    }
}

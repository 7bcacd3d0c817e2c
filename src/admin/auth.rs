//! The admin port's token.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Admin;

/// Lets a request through when no token is configured, or when it carries the right one as
/// `Authorization: Bearer …` (RFC 6750 §2.1).
pub(super) async fn require_token(
    State(admin): State<Admin>,
    request: Request,
    next: Next,
) -> Response {
    let snapshot = admin.shared.live.full();
    let token = snapshot
        .observability
        .admin
        .as_ref()
        .and_then(|admin| admin.token.as_deref());
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match token {
        None => next.run(request).await,
        Some(token) if given.is_some_and(|given| same(given, token)) => next.run(request).await,
        Some(_) => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            Json(json!({"error": "this port asks for `Authorization: Bearer <token>`"})),
        )
            .into_response(),
    }
}

/// Compares in a time that does not tell how much of a guess was right.
fn same(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |acc, (a, b)| acc | (a ^ b));
    a.len() == b.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn only_the_whole_token_counts() {
        for (a, b, expected) in [
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("ab", "abc", false),
            ("", "", true),
        ] {
            assert_eq!(same(a, b), expected, "{a} {b}");
        }
    }
}

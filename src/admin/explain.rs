//! `GET /v1/explain`: what would become of a request, and why.

use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::{Admin, refuse};
use crate::proxy::explain::{Question, explain as ask};

/// No request that reaches the proxy has more headers.
const HEADERS_MAX: usize = 100;

/// Explains the request that the query describes: `url`, and if need be `method`, `host`, `header`
/// (any number of times, as `Name: value`), `from` (the client's address) and `ask=never`.
pub(super) async fn explain(
    State(admin): State<Admin>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let question = match query {
        Ok(Query(pairs)) => question(&pairs),
        Err(e) => Err(e.body_text()),
    };
    let explained = match question {
        Ok(question) => ask(&admin.shared, &question).await,
        Err(why) => Err(why),
    };
    match explained {
        Ok(explanation) => Json(explanation).into_response(),
        Err(why) => refuse(StatusCode::BAD_REQUEST, &why),
    }
}

fn question(pairs: &[(String, String)]) -> Result<Question, String> {
    let url = pairs.iter().find(|(name, _)| name == "url");
    let (_, url) = url.ok_or("`url` is missing: give /v1/explain?url=http://host/path")?;
    let url: Uri = url
        .parse()
        .map_err(|e| format!("`{url}` is not a URL: {e}"))?;
    let mut question = Question::get(url);
    for (name, value) in pairs {
        let wrong = |e: &dyn std::fmt::Display| format!("{name}={value}: {e}");
        match name.as_str() {
            "url" => {}
            "method" => question.method = value.parse().map_err(|e| wrong(&e))?,
            "from" => question.from = value.parse::<IpAddr>().map_err(|e| wrong(&e))?,
            "host" => {
                let host = HeaderValue::from_str(value).map_err(|e| wrong(&e))?;
                question.headers.insert(axum::http::header::HOST, host);
            }
            "header" => {
                let (name, value) = header(value)?;
                question.headers.append(name, value);
            }
            "ask" if value == "never" => question.ask = false,
            "ask" if value == "auto" => {}
            "ask" => return Err(wrong(&"is neither `auto` nor `never`")),
            _ => return Err(format!("`{name}` is unknown")),
        }
    }
    match question.headers.len() {
        0..=HEADERS_MAX => Ok(question),
        n => Err(format!("{n} headers; at the most {HEADERS_MAX}")),
    }
}

/// `Name: value`. The value may be a secret, so that no error repeats it.
fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line
        .split_once(':')
        .ok_or("a header has no `:`; write `Name: value`")?;
    let name = name.trim();
    let parsed = HeaderName::from_bytes(name.as_bytes());
    let parsed = parsed.map_err(|_| "a header has a name that is none".to_owned())?;
    let value = HeaderValue::from_str(value.trim());
    let value = value.map_err(|_| format!("the value of `{parsed}` holds control characters"))?;
    Ok((parsed, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Question, String> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        question(&pairs)
    }

    #[test]
    fn questions() {
        let cases = [
            ("url=http://a/b", true),
            ("url=/b&host=a", true),
            (
                "url=http://a/&method=HEAD&from=::1&ask=never&header=A: b&header=A: c",
                true,
            ),
            ("url=http://a/&ask=auto", true),
            ("", false),
            ("url=http://a b", false),
            ("url=http://a/&method=G T", false),
            ("url=http://a/&from=here", false),
            ("url=http://a/&ask=maybe", false),
            ("url=http://a/&header=A", false),
            ("url=http://a/&header=A b: c", false),
            ("url=http://a/&header=A: \u{1}", false),
            ("url=http://a/&headers=A: b", false),
        ];
        for (query, fine) in cases {
            let read = read(query);
            assert_eq!(read.is_ok(), fine, "{query}: {read:?}");
        }
        let question = read("url=/&host=a&host=b&header=X: 1&header=X: 2").expect("a question");
        assert_eq!(question.headers.get_all("x").iter().count(), 2);
        assert_eq!(question.headers["host"], "b");
    }

    #[test]
    fn no_error_repeats_a_value() {
        for line in ["cookie: s3cret\u{1}", "s3cret", "s3 cret: s3cret"] {
            let error = header(line).expect_err(line);
            assert!(!error.contains("s3"), "{error}");
        }
    }
}

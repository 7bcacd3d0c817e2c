//! What a client sees when a request failed: one table from pingora's errors to status and reason,
//! and one short body, in HTML for browsers and JSON for everybody else.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::ctx::Ctx;
use super::respond;
use crate::cache::status::Outcome;
use crate::reason::Reason;

/// Answers a failed request, when there is still somebody to answer and nothing was sent yet.
pub(super) async fn answer(session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
    let (status, reason) = verdict(error, ctx);
    ctx.failure = Some(reason);
    let begun = session
        .response_written()
        .is_some_and(|sent| !sent.status.is_informational());
    let Some(status) = status.filter(|_| !begun) else {
        return FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
    };
    // What the client gets is ours, whatever the cache meant to do with the app's answer.
    if let Outcome::Miss { stored, why, .. } = &mut ctx.outcome {
        (*stored, *why) = (false, Some(reason));
    }
    if let Err(e) = write(session, status, reason, ctx).await {
        log::debug!("the client left before its error page: {e}");
    }
    FailToProxy {
        error_code: status.as_u16(),
        can_reuse_downstream: false,
    }
}

/// The table. No status means that nobody is left to be told.
fn verdict(error: &Error, ctx: &Ctx) -> (Option<StatusCode>, Reason) {
    use ErrorType as E;
    if let E::HTTPStatus(code) = error.etype() {
        let reason = ctx.failure.unwrap_or(Reason::Internal);
        return (StatusCode::from_u16(*code).ok(), reason);
    }
    match error.esource() {
        ErrorSource::Upstream if ctx.failure == Some(Reason::UpstreamResolve) => {
            (Some(StatusCode::BAD_GATEWAY), Reason::UpstreamResolve)
        }
        ErrorSource::Upstream => {
            let (status, reason) = of_the_app(error);
            (Some(status), reason)
        }
        // The connection's deadline fails its reads; see `proxy::Deadline`.
        ErrorSource::Downstream if ctx.deadline.as_ref().is_some_and(|d| d.passed()) => {
            (Some(StatusCode::GATEWAY_TIMEOUT), Reason::UpstreamTimeout)
        }
        ErrorSource::Downstream => match error.etype() {
            E::ReadError | E::WriteError | E::ConnectionClosed => (None, Reason::ClientClosed),
            E::ReadTimedout | E::WriteTimedout => {
                (Some(StatusCode::REQUEST_TIMEOUT), Reason::ClientClosed)
            }
            _ => (Some(StatusCode::BAD_REQUEST), Reason::BadRequest),
        },
        ErrorSource::Internal | ErrorSource::Unset => (
            Some(StatusCode::INTERNAL_SERVER_ERROR),
            ctx.failure.unwrap_or(Reason::Internal),
        ),
    }
}

/// What a failure of the app's means to clients.
pub(super) fn of_the_app(error: &Error) -> (StatusCode, Reason) {
    use ErrorType as E;
    let reason = match error.etype() {
        E::ConnectTimedout => Reason::UpstreamConnectTimeout,
        E::ReadTimedout | E::WriteTimedout => Reason::UpstreamTimeout,
        E::ConnectionClosed | E::ReadError | E::WriteError => Reason::UpstreamClosed,
        E::ConnectRefused | E::ConnectNoRoute | E::ConnectError | E::SocketError => {
            Reason::UpstreamConnect
        }
        _ => Reason::UpstreamInvalid,
    };
    let status = match reason {
        Reason::UpstreamConnectTimeout | Reason::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    (status, reason)
}

async fn write(session: &mut Session, status: StatusCode, reason: Reason, ctx: &Ctx) -> Result<()> {
    let id = match &ctx.admitted {
        Some(admitted) => admitted.request_id.to_str().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    let html = prefers_html(&session.req_header().headers);
    let (kind, body) = match html {
        true => ("text/html; charset=utf-8", page(status, reason, &id)),
        false => ("application/json", object(status, reason, &id)),
    };
    let mut response = ResponseHeader::build(status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, kind)?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    respond::label(&mut response, ctx)?;
    session.set_keepalive(None);
    session
        .write_response_header(Box::new(response), false)
        .await?;
    session.write_response_body(Some(body), true).await
}

/// Browsers name `text/html` before anything else in `Accept`; programs rarely name it at all.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| {
        let html = accept.find("text/html");
        let json = accept.find("json");
        html.is_some() && (json.is_none() || html < json)
    })
}

fn object(status: StatusCode, reason: Reason, id: &str) -> Bytes {
    let body = serde_json::json!({"error": {
        "status": status.as_u16(),
        "reason": reason.code(),
        "message": reason.text(),
        "request_id": id,
    }});
    format!("{body}\n").into()
}

/// The id is of a safe alphabet already, and the rest is ours: nothing needs escaping.
fn page(status: StatusCode, reason: Reason, id: &str) -> Bytes {
    let title = status.canonical_reason().unwrap_or("Error");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{code} {title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;\
         color-scheme:light dark}}code{{opacity:.7}}</style></head>\n\
         <body><h1>{code} {title}</h1><p>{text}</p><p><code>{reason}</code> <code>{id}</code></p>\
         </body></html>\n",
        code = status.as_u16(),
        text = reason.text(),
        reason = reason.code(),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode, header};

    use super::{object, page, prefers_html};
    use crate::reason::Reason;

    #[test]
    fn html_only_for_those_who_prefer_it() {
        let cases = [
            (
                "browser",
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                true,
            ),
            ("curl", "*/*", false),
            ("json first", "application/json, text/html", false),
            ("fetch", "application/json", false),
        ];
        for (case, accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_html(&headers), expected, "{case}");
        }
        assert!(!prefers_html(&HeaderMap::new()), "no Accept");
    }

    #[test]
    fn bodies_name_the_reason_and_the_request() {
        for body in [
            object(StatusCode::BAD_GATEWAY, Reason::UpstreamConnect, "abc-1"),
            page(StatusCode::BAD_GATEWAY, Reason::UpstreamConnect, "abc-1"),
        ] {
            let text = String::from_utf8(body.to_vec()).expect("text");
            for part in [
                "502",
                "UPSTREAM_CONNECT",
                "abc-1",
                Reason::UpstreamConnect.text(),
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}

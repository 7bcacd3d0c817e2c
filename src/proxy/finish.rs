//! The last phase: counters, latency, access log.

use std::time::{Duration, Instant, SystemTime};

use http::header::CONTENT_TYPE;
use pingora::Error;
use pingora::proxy::Session;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Shared;
use super::ctx::Ctx;
use super::metrics::Done;
use crate::cache::status::Outcome;
use crate::config::LogFormat;
use crate::reason::Reason;

/// Accounts for one request that is over.
pub(super) fn finish(shared: &Shared, session: &Session, error: Option<&Error>, ctx: &mut Ctx) {
    ctx.wait_until(None);
    let now = Instant::now();
    let took = now.saturating_duration_since(ctx.started);
    let status = match ctx.tunnelled {
        true => 101,
        false => session
            .response_written()
            .map_or(0, |response| response.status.as_u16()),
    };
    if let Some(error) = error {
        let reason = *ctx.failure.get_or_insert(Reason::Internal);
        let first = shared.metrics.fail(reason, now);
        note(reason, error, first);
    }
    // Why an answer was not stored is counted where it was decided.
    if let Outcome::Bypass(why)
    | Outcome::Hit {
        stale: Some(why), ..
    }
    | Outcome::Miss {
        found: Some(why), ..
    } = ctx.outcome
        && ctx.failure.is_none()
    {
        shared.metrics.decide(why);
    }
    let Some(admitted) = &ctx.admitted else {
        return;
    };
    // How long a tunnel or an event stream was open says nothing about latency.
    let open_ended = ctx.tunnelled || is_event_stream(session);
    let request = session.req_header();
    shared.metrics.finish(&Done {
        route: &admitted.route,
        method: &request.method,
        status,
        cache: ctx.outcome.label(),
        took: (!open_ended).then_some(took),
    });
    if !open_ended {
        shared.routes.record(&admitted.route, took, now);
    }
    let format = ctx.snapshot.observability.access_log.format;
    if let Some(line) = line(format, session, ctx, status, took) {
        shared.access_log.line(line);
    }
}

fn is_event_stream(session: &Session) -> bool {
    let kind = session
        .response_written()
        .and_then(|response| response.headers.get(CONTENT_TYPE));
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The app's faults are worth a warning, though not one for each request; clients come and go.
fn note(reason: Reason, error: &Error, first: bool) {
    match reason {
        Reason::ClientClosed | Reason::BadRequest | Reason::BodyTooLarge | Reason::OnlyIfCached => {
            log::debug!("{}: {error}", reason.code());
        }
        _ if first => log::warn!("{}: {} ({error})", reason.code(), reason.text()),
        _ => {}
    }
}

fn line(
    format: LogFormat,
    session: &Session,
    ctx: &Ctx,
    status: u16,
    took: Duration,
) -> Option<String> {
    let json = match format {
        LogFormat::Off => return None,
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::IsTerminal::is_terminal(&std::io::stdout()),
    };
    let admitted = ctx.admitted.as_ref()?;
    let request = session.req_header();
    let target = String::from_utf8_lossy(request.raw_path());
    let reason = ctx
        .failure
        .or_else(|| ctx.outcome.reason())
        .map(Reason::code);
    let now = timestamp();
    let seconds = took.as_secs_f64();
    if !json {
        return Some(format!(
            "{now} {} {} {} {status} {}B {:.1}ms {}{}",
            admitted.client,
            request.method,
            target.escape_debug(),
            session.body_bytes_sent(),
            seconds * 1000.0,
            ctx.outcome.label(),
            reason
                .map(|reason| format!(" {reason}"))
                .unwrap_or_default(),
        ));
    }
    let line = serde_json::json!({
        "ts": now,
        "level": "info",
        "msg": "request",
        "client": admitted.client,
        "method": request.method.as_str(),
        "host": super::admit::host(request),
        "target": target,
        "protocol": format!("{:?}", request.version),
        "status": status,
        "route": &*admitted.route,
        "cache": ctx.outcome.label(),
        "reason": reason,
        "request_bytes": ctx.request_bytes,
        "response_bytes": session.body_bytes_sent(),
        "seconds": micros(took),
        "upstream_seconds": ctx.upstream.first_byte.map(micros),
        "request_id": admitted.request_id.to_str().ok(),
    });
    Some(line.to_string())
}

/// RFC 3339 with milliseconds, like all log lines.
fn timestamp() -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(SystemTime::now())
        .format(FORMAT)
        .unwrap_or_default()
}

/// Seconds with no more digits than were measured.
fn micros(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

use std::time::Duration;

use http::StatusCode;

use crate::cache::freshness::Freshness;
use crate::cache::policy::{Response, storable};
use crate::cache::testing::{Fields, get, headers, now};
use crate::cache::{Rule, Settings};
use crate::reason::Reason;

mod answers;
mod audience;
mod bounds;
mod keyed;
mod lookup;
mod properties;
mod reasons;
mod statuses;
mod targeted;
mod uses;

const MINUTE: (&str, &str) = ("cache-control", "max-age=60");
const ETAG: (&str, &str) = ("etag", "\"1\"");
const MODIFIED: (&str, &str) = ("last-modified", "Sat, 05 Nov 1994 08:49:37 GMT");

fn judge(
    settings: &Settings,
    rule: &Rule,
    request: Fields,
    status: u16,
    fields: &[(&str, &str)],
) -> Result<Freshness, Reason> {
    let response = Response {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: &headers(fields),
        framed: true,
        any_coding: false,
    };
    let request = headers(request);
    let delay = Duration::ZERO;
    storable(&get(&request), &response, settings, rule, now(), delay)
}

/// The seconds of freshness that are left on arrival.
fn left(
    settings: &Settings,
    rule: &Rule,
    request: Fields,
    status: u16,
    fields: &[(&str, &str)],
) -> Result<u64, Reason> {
    let fresh = judge(settings, rule, request, status, fields)?;
    Ok(fresh.remaining(Duration::ZERO).as_secs())
}

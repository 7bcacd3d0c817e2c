//! `vestibule explain`: what becomes of a request, and why, on a page for people.

use std::io::{self, IsTerminal};

use super::admin::Admin;
use super::args::ExplainArgs;
use super::{Failure, print};
use crate::cache::explain::Explanation;

mod page;

pub(super) fn explain(args: ExplainArgs) -> Result<(), Failure> {
    let as_json = args.json;
    let from = args.from.map(|from| from.to_string());
    let mut query = vec![("url", args.url.as_str()), ("method", &args.method)];
    query.extend(args.host.as_deref().map(|host| ("host", host)));
    query.extend(from.as_deref().map(|from| ("from", from)));
    query.extend(args.headers.iter().map(|line| ("header", line.as_str())));
    if args.no_ask {
        query.push(("ask", "never"));
    }
    let answer = Admin::find(args.admin)?.get("/v1/explain", &query)?;
    if as_json {
        return print(&format!("{answer:#}\n"));
    }
    let told: Explanation = serde_json::from_value(answer).map_err(|e| {
        Failure::Run(format!(
            "the answer cannot be read, maybe the proxy is of another version ({e}); try --json"
        ))
    })?;
    print(&page::page(&told, has_colours()))
}

/// Colours are for terminals, and for those who want them there (<https://no-color.org>).
fn has_colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !unwanted
}

//! An explanation as text: a verdict, then each step in its section, nothing wider than a hundred
//! characters.

mod layout;

use layout::{FIXED, Page, Paint, WIDTH, number, time, wrapped};

use crate::cache::explain::shown::Field;
use crate::cache::explain::stored::{Found, Selection, Stored, Variant};
use crate::cache::explain::verdict::Outcome;
use crate::cache::explain::{
    App, Asked, Denial, Explanation, Key, Lookup, Route, Step, Sum, Term, Verdict, Window,
};

/// The explanation, for a terminal with `colours` or for anything else.
pub(super) fn page(told: &Explanation, colours: bool) -> String {
    let mut page = Page {
        text: String::new(),
        colours,
        title: None,
    };
    let Asked {
        method,
        url,
        headers,
    } = &told.request;
    page.line(
        Paint::Bold,
        &wrapped(&format!("{method} {url}"), WIDTH).join(" "),
    );
    let headers: Vec<_> = headers.iter().filter(|name| *name != "host").collect();
    if !headers.is_empty() {
        let names: Vec<_> = headers.iter().map(|name| name.as_str()).collect();
        page.put("", &format!("headers: {}", names.join(", ")));
    }
    page.verdict(&told.verdict);
    page.why_not(&told.denials);
    page.route(&told.route);
    page.key(&told.key);
    page.stored(&told.lookup);
    page.app(&told.app);
    page.text
}

impl Page {
    fn verdict(&mut self, verdict: &Verdict) {
        let paint = match verdict.outcome {
            Outcome::Hit | Outcome::Stale | Outcome::Validate | Outcome::Store => Paint::Good,
            Outcome::Pass | Outcome::Bypass | Outcome::Refuse | Outcome::Unknown => Paint::Warning,
            Outcome::Fail => Paint::Bad,
        };
        self.text.push('\n');
        for line in wrapped(&verdict.text, WIDTH - 2) {
            self.line(paint, &format!("  {line}"));
        }
        if let Some(status) = &verdict.cache_status {
            self.text += &format!("  Cache-Status: {status}\n");
        }
        self.text.push('\n');
    }

    fn why_not(&mut self, denials: &[Denial]) {
        let codes = denials.iter().map(|denial| denial.reason.len());
        let width = codes.max().unwrap_or_default() + 2;
        let mut step = None;
        let mut advised: Vec<&str> = Vec::new();
        self.title = Some("Why not");
        for denial in denials {
            if step != Some(denial.step) {
                step = Some(denial.step);
                self.put("", heading(denial.step));
            }
            let code = format!("{:width$}", denial.reason);
            self.put(&format!("  {code}"), &denial.text);
            let indent = " ".repeat(width + 2);
            if let Some(seen) = &denial.seen {
                self.put(&format!("{indent}seen: "), seen);
            }
            match denial.advice.as_deref() {
                Some(advice) if advised.contains(&advice) => {
                    self.put(&format!("{indent}help: "), "as above");
                }
                Some(advice) => {
                    advised.push(advice);
                    self.put(&format!("{indent}help: "), advice);
                }
                None => {}
            }
        }
        self.title = None;
        if !denials.is_empty() {
            self.text.push('\n');
        }
    }

    fn route(&mut self, route: &Route) {
        self.title = Some("Route");
        let place = match (route.position, route.routes) {
            (Some(n), routes) => format!("{} ({n} of {routes})", route.name),
            (None, 0) => format!("{}: there are no routes", route.name),
            (None, 1) => format!("{}: the one route does not match", route.name),
            (None, routes) => format!("{}: none of the {routes} routes matches", route.name),
        };
        match route.matches.is_empty() {
            true => self.put("", &place),
            false => self.put("", &format!("{place}: {}", route.matches.join(", "))),
        }
        let mut rules = vec![match route.cache {
            true => "cache: on".to_owned(),
            false => "cache: off".to_owned(),
        }];
        rules.extend(route.ttl_seconds.map(|ttl| format!("ttl: {}", time(ttl))));
        rules.push(format!("request_cookies: {}", route.request_cookies));
        if !route.vary.is_empty() {
            rules.push(format!("vary: {}", route.vary.join(" ")));
        }
        if !route.tags.is_empty() {
            rules.push(format!("tags: {}", route.tags.join(" ")));
        }
        self.put("", &rules.join(", "));
    }

    fn key(&mut self, key: &Key) {
        self.title = Some("Key");
        let query = key.query.as_ref().map(|query| format!("?{query}"));
        let host = match key.host.as_str() {
            "" => "(any host)",
            host => host,
        };
        let url = format!(
            "{}://{host}{}{}",
            key.scheme,
            key.path,
            query.unwrap_or_default()
        );
        self.put("", &url);
        if key.query != key.query_sent {
            let sent = key.query_sent.as_deref().unwrap_or("none");
            self.put("", &format!("query as sent: {sent}"));
        }
        if key.host != key.host_sent {
            self.put("", &format!("host as sent: {}", key.host_sent));
        }
        if key.shared_query {
            self.put(
                "",
                "the query stands for others too, by the app's No-Vary-Search",
            );
        }
        if !key.parts.is_empty() {
            self.put("", &format!("with {}", key.parts.join(", ")));
        }
        self.put("", &format!("hash {}", key.hash));
        self.text.push('\n');
    }

    fn stored(&mut self, lookup: &Lookup) {
        self.title = Some("Stored");
        match (lookup.found, &lookup.entry) {
            (Found::Nothing, _) => self.put("", "nothing"),
            (_, Some(entry)) => self.entry(lookup, entry),
            (_, None) => {
                let (count, by) = (lookup.variants.len(), lookup.varies_by.join(", "));
                let are = match count {
                    1 => "1 variant is".to_owned(),
                    count => format!("{count} variants are"),
                };
                self.put(
                    "",
                    &format!("{are} stored, by {by}, and none is for this request"),
                );
                for variant in &lookup.variants {
                    self.put("- ", &selected(variant));
                }
            }
        }
        if lookup.fetching {
            self.put("", "being fetched at this moment");
        }
        if let Some(passing) = &lookup.passing {
            let (left, why) = (time(passing.seconds.max(1.0)), &passing.reason);
            let text = format!("requests for it go straight to the app for {left} more ({why})");
            self.put("", &text);
        }
        if let Some(entry) = &lookup.entry {
            self.sum(&entry.freshness);
        }
        self.text.push('\n');
    }

    fn entry(&mut self, lookup: &Lookup, entry: &Stored) {
        let given = match entry.hits {
            0 => "not given yet".to_owned(),
            1 => "given once".to_owned(),
            hits => format!("given {hits} times"),
        };
        let (status, bytes) = (entry.status, entry.body_bytes);
        let arrived = &entry.stored_at;
        self.put(
            "",
            &format!("{status}, {bytes} bytes, arrived {arrived}, {given}"),
        );
        let variants = lookup.variants.len();
        if let Some(own) = lookup.variants.iter().find(|variant| variant.matches)
            && !own.selected_by.is_empty()
        {
            self.put(
                "",
                &format!("one of {variants} variants, for {}", selected(own)),
            );
        }
        match entry.purged.as_str() {
            "soft" => self.put("", "softly purged since"),
            "invalid" => self.put("", "purged since"),
            _ => {}
        }
        self.head(&entry.head, &entry.tags);
    }

    fn app(&mut self, app: &App) {
        self.title = Some("App");
        if let Some(why) = &app.why_not {
            return self.put("", &format!("not asked: {why}"));
        }
        if let (Some(code), Some(text)) = (&app.failure, &app.failure_text) {
            return self.put("", &format!("asked just now: {code}: {text}"));
        }
        let status = app.status.unwrap_or_default();
        let after = match app.delay_seconds.unwrap_or_default() {
            0.0 => "less than 1 ms".to_owned(),
            delay if delay < 1.0 => format!("{} ms", number(delay * 1_000.0)),
            delay => format!("{} s", number(delay)),
        };
        self.put(
            "",
            &format!("{status} after {after}, asked just now, and nothing of it stored"),
        );
        self.head(&app.head, &app.tags);
        if let Some(sum) = &app.freshness {
            self.sum(sum);
        }
    }

    fn head(&mut self, fields: &[Field], tags: &[String]) {
        for Field { name, value } in fields {
            self.put(&format!("{name}: "), value);
        }
        if !tags.is_empty() {
            self.put("tags: ", &tags.join(" "));
        }
    }

    fn sum(&mut self, sum: &Sum) {
        self.title = Some("Freshness");
        self.put("", "§: section of RFC 9111");
        for Term {
            sign,
            name,
            seconds,
            how,
            rfc,
        } in &sum.terms
        {
            let name = name.replace('_', " ");
            let lead = format!("{sign:1} {name:21} {:>9} s  ", number(*seconds));
            self.put(&lead, &with_section(how, rfc.as_deref()));
        }
        self.title = Some("Stale");
        let alike = |first: &Window| {
            let mut windows = sum.stale.iter();
            windows.all(|window| window.seconds == 0.0 && window.how == first.how)
        };
        match sum.stale.first() {
            Some(first) if alike(first) => self.put("", &format!("never given: {}", first.how)),
            _ => sum.stale.iter().for_each(|window| self.window(window)),
        }
        self.title = None;
    }

    fn window(&mut self, window: &Window) {
        let occasion = match window.name.as_str() {
            "while_revalidate" => "while one fetch renews it",
            "if_error" => "if the app fails",
            "after_soft_purge" => "after a soft purge",
            other => other,
        };
        let how = with_section(&window.how, window.rfc.as_deref());
        let length = match window.seconds == 0.0 {
            true => "never".to_owned(),
            false => time(window.seconds),
        };
        self.put(&format!("{length:>8}  "), &format!("{occasion}: {how}"));
    }
}

/// What the reasons of a step stand against.
fn heading(step: Step) -> &'static str {
    match step {
        Step::Lookup => "the request goes past the cache:",
        Step::Reuse => "what is stored is not given as it is:",
        Step::Store => "what the app answers is not stored:",
    }
}

fn selected(variant: &Variant) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
    let field = |by: &Selection| {
        let stored = format!("{}: {}", by.field, value(&by.stored));
        match by.agree {
            true => stored,
            false => format!("{stored} (this request: {})", value(&by.given)),
        }
    };
    let fields: Vec<_> = variant.selected_by.iter().map(field).collect();
    format!("{}; {} old", fields.join(", "), time(variant.age_seconds))
}

fn with_section(how: &str, section: Option<&str>) -> String {
    match (how, section) {
        (how, None) => how.to_owned(),
        ("", Some(section)) => section.to_owned(),
        (how, Some(section)) => {
            let section = section.strip_prefix("RFC 9111 ").unwrap_or(section);
            format!("{how} ({})", section.replace(' ', FIXED))
        }
    }
}

#[cfg(test)]
mod tests;

//! What would become of a request: the steps of [`lookup`](super::lookup) and
//! [`fetch`](mod@fetch), told instead of taken. Nothing is given, stored, counted or removed; at
//! most the app is asked once, and nothing but the head of its answer is read.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri, header};
use pingora::http::RequestHeader;

use super::Shared;
use super::admit::{self, host};
use super::fetch::{self, Traffic};
use super::incoming::Incoming;
use crate::cache::conditional::validators;
use crate::cache::explain::answer::{Answered, answered};
use crate::cache::explain::stored::{Looked, Passing, look};
use crate::cache::explain::verdict::{Answer, Facts, verdict};
use crate::cache::explain::{App, Asked, Denial, Explanation, Key, Route, Subject, request};
use crate::cache::key;
use crate::cache::object::Object;
use crate::cache::policy::{fills, forward};
use crate::cache::reuse::Reuse;
use crate::reason::Reason;

/// The app gets no longer than this, whatever `upstream.timeouts` allow: somebody waits for it.
const APP_WITHIN: Duration = Duration::from_secs(8);

/// A request of which somebody wants to know what would become of it.
#[derive(Debug, Clone)]
pub struct Question {
    /// Its method.
    pub method: Method,
    /// Its URL: absolute, or a path.
    pub url: Uri,
    /// Its headers. `Host` counts before the host of the URL.
    pub headers: HeaderMap,
    /// Where its connection would come from.
    pub from: IpAddr,
    /// The app may be asked, where its answer decides.
    pub ask: bool,
}

impl Question {
    /// A GET of this URL from this machine.
    #[must_use]
    pub fn get(url: Uri) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: HeaderMap::new(),
            from: Ipv4Addr::LOCALHOST.into(),
            ask: true,
        }
    }

    /// The head as a client would send it.
    fn head(&self) -> Result<RequestHeader, String> {
        let target = self.url.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = target.as_bytes();
        let wrong = |e| format!("not a request: {e}");
        let mut head = RequestHeader::build(self.method.clone(), path, None).map_err(wrong)?;
        for (name, value) in &self.headers {
            head.append_header(name.clone(), value.clone())
                .map_err(wrong)?;
        }
        let Some(authority) = self.url.authority() else {
            return match head.headers.contains_key(header::HOST) {
                true => Ok(head),
                false => {
                    Err("the URL has no host: write http://host/path, or give a host".to_owned())
                }
            };
        };
        if authority.as_str().contains('@') {
            return Err("the URL must not hold a user name or password".to_owned());
        }
        if !head.headers.contains_key(header::HOST) {
            head.insert_header(header::HOST, authority.as_str())
                .map_err(wrong)?;
        }
        Ok(head)
    }
}

/// Explains what would become of a request at this moment.
///
/// # Errors
/// What is wrong with the question.
pub async fn explain(shared: &Shared, question: &Question) -> Result<Explanation, String> {
    let head = question.head()?;
    let snapshot = shared.live.full();
    let mut admitted = admit::describe(shared, &snapshot, &head, question.from);
    match question.url.scheme_str() {
        // As if a trusted proxy had ended TLS: who writes the URL knows.
        Some("https") => admitted.scheme = "https",
        Some("http") | None => {}
        Some(scheme) => return Err(format!("`{scheme}` is neither http nor https")),
    }
    let incoming = Incoming {
        head: &head,
        peer: question.from,
        snapshot: &snapshot,
        admitted: &admitted,
    };
    Ok(Inquiry::new(shared, incoming).explain(question.ask).await)
}

/// A request on its way through the steps.
struct Inquiry<'a> {
    shared: &'a Shared,
    incoming: Incoming<'a>,
    key: key::Key,
    /// Why it goes past the cache.
    bypass: Vec<Reason>,
    object: Option<Arc<Object>>,
    traffic: Traffic,
}

impl<'a> Inquiry<'a> {
    fn new(shared: &'a Shared, incoming: Incoming<'a>) -> Self {
        let mut bypass = Vec::new();
        let Ok(()) = incoming.bypass(false, &mut |reason| {
            if !bypass.contains(&reason) {
                bypass.push(reason);
            }
            Ok::<_, Infallible>(())
        });
        let key = incoming.key(shared);
        Self {
            shared,
            incoming,
            bypass,
            object: shared.memory.get(&key),
            traffic: fetch::traffic(shared, &incoming, &key),
            key,
        }
    }

    async fn explain(&self, ask: bool) -> Explanation {
        let now = SystemTime::now();
        let generations = &self.shared.generations;
        let purge = |entry: &_| generations.judge(&self.key, entry);
        let looked = look(&self.subject(now), &self.key, self.object.as_deref(), purge);
        let (app, denials, answer) = self.ask(ask, &looked, now).await;
        let mut all = request::denials(&self.subject(now), &self.bypass);
        let verdict = verdict(&self.facts(&looked, answer, denials.len()));
        all.extend(looked.denials);
        all.extend(denials);
        let mut lookup = looked.lookup;
        lookup.fetching = self.traffic.under_way;
        let passing = self.traffic.passing;
        lookup.passing = passing.map(|(left, reason)| Passing::of(reason, left));
        Explanation {
            request: asked(&self.incoming),
            verdict,
            route: route(&self.incoming, &self.subject(now)),
            key: Key::of(
                &self.key,
                &self.subject(now),
                self.incoming.head.uri.query(),
            ),
            lookup,
            app,
            denials: all,
        }
    }

    fn subject(&self, now: SystemTime) -> Subject<'_> {
        let Incoming {
            head,
            snapshot,
            admitted,
            ..
        } = self.incoming;
        Subject {
            request: self.incoming.policy(),
            path: head.uri.path(),
            settings: &snapshot.cache,
            rule: &admitted.rule,
            route: &admitted.route,
            now,
        }
    }

    /// Why the app is not to be asked, if so.
    fn why_unasked(&self, ask: bool, looked: &Looked) -> Option<&'static str> {
        let method = &self.incoming.head.method;
        let unlike = [Reason::Upgrade, Reason::RequestBody, Reason::RequestTarget];
        let is_stored = matches!(
            looked.verdict,
            Some(Reuse::Serve { .. } | Reuse::Stale { .. })
        );
        if is_stored && self.bypass.is_empty() {
            return Some("what is stored is the answer");
        }
        if forward(&self.incoming.policy()).is_err() && self.bypass.is_empty() {
            return Some("the request may not go to it");
        }
        if method != Method::GET && method != Method::HEAD {
            return Some("another method than GET and HEAD may change something");
        }
        if self.bypass.iter().any(|reason| unlike.contains(reason)) {
            return Some("a request like this cannot be sent from here");
        }
        (!ask).then_some("it was not to be")
    }

    /// What the app answers: for people, as a list of reasons, and for the verdict.
    async fn ask(&self, may: bool, looked: &Looked, now: SystemTime) -> (App, Vec<Denial>, Answer) {
        if let Some(why) = self.why_unasked(may, looked) {
            return (App::unasked(why), Vec::new(), Answer::Unasked);
        }
        let glimpse = match fetch::glimpse(self.shared, &self.incoming, APP_WITHIN).await {
            Ok(glimpse) => glimpse,
            Err(reason) => return (App::failed(reason), Vec::new(), Answer::Failed(reason)),
        };
        let (response, at) = (glimpse.policy(), glimpse.received_at);
        let (subject, exact) = (self.subject(now), self.incoming.exact_key());
        let Answered {
            app,
            decision,
            denials,
        } = answered(&subject, &exact, &response, at, glimpse.delay);
        (app, denials, Answer::Given(response.status, decision))
    }

    fn facts(&self, looked: &Looked, answer: Answer, against: usize) -> Facts<'_> {
        let request = self.incoming.policy();
        let object = self.object.as_deref();
        let entry = object.and_then(|object| object.select(&request));
        let generations = &self.shared.generations;
        Facts {
            method: request.method,
            bypass: self.bypass.first().copied(),
            found: looked.lookup.found,
            reuse: looked.verdict,
            is_hard: entry.is_some_and(|entry| generations.is_hard(&self.key, entry)),
            has_validator: entry.is_some_and(|entry| !validators(entry).is_empty()),
            rescue: looked.rescue,
            refused: forward(&request).err(),
            unfilling: fills(&request).err(),
            under_way: self.traffic.under_way,
            passing: self.traffic.passing,
            answer,
            against,
        }
    }
}

fn asked(incoming: &Incoming<'_>) -> Asked {
    let head = incoming.head;
    let target = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    Asked {
        method: head.method.to_string(),
        url: format!("{}://{}{target}", incoming.admitted.scheme, host(head)),
        headers: head.headers.keys().map(ToString::to_string).collect(),
    }
}

fn route(incoming: &Incoming<'_>, subject: &Subject<'_>) -> Route {
    let (snapshot, admitted) = (incoming.snapshot, incoming.admitted);
    let mut routes = snapshot.routes.iter();
    let position = routes.position(|route| Arc::ptr_eq(&route.name, &admitted.route));
    let route = position.map_or(&snapshot.default_route, |at| &snapshot.routes[at]);
    Route {
        position: position.map(|at| at + 1),
        routes: snapshot.routes.len(),
        matches: route.matcher.describe(),
        ..Route::of(subject, route.cache.enabled)
    }
}

//! A request goes to the upstream, and its response back.

use std::{error::Error, io, sync::Arc, time::Duration};

use framewright::ConnectError;
use http::uri::Authority;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    header::{ALLOW, CONTENT_TYPE, EXPECT, HOST, HeaderValue},
};
use hyper_util::client::legacy;

use crate::{
    body::{self, Chain, Inbound, Outgoing, Progress, RequestBody, Turn, text},
    expect::{self, Opener},
    fields,
    serve::{Handler, Peer},
    stats::Stats,
    upstream::Upstream,
};

/// The reverse proxy proper.
#[derive(Clone)]
pub(crate) struct Forward {
    inner: Arc<Inner>,
}

struct Inner {
    upstream: Upstream,
    timeout: Duration,
    trust_forwarded: bool,
    /// What this proxy calls itself in `via`. No two are alike, so that a
    /// request that comes round again is known.
    name: String,
    stats: Arc<Stats>,
}

impl Forward {
    pub(crate) fn new(
        upstream: Upstream,
        timeout: Duration,
        trust_forwarded: bool,
        name: String,
        stats: Arc<Stats>,
    ) -> Self {
        let inner = Arc::new(Inner {
            upstream,
            timeout,
            trust_forwarded,
            name,
            stats,
        });
        Self { inner }
    }
}

impl Handler for Forward {
    async fn call(&self, peer: Peer, request: Request<Inbound>) -> Response<Outgoing> {
        let inner = &*self.inner;
        match inner.relay(peer, request).await {
            Ok(response) => response,
            Err(refusal) => {
                if let Some(kind) = refusal.kind {
                    inner.stats.clients.error(kind);
                }
                refusal.into_response()
            }
        }
    }
}

impl Inner {
    async fn relay(
        &self,
        peer: Peer,
        request: Request<Inbound>,
    ) -> Result<Response<Outgoing>, Refusal> {
        let (mut head, body) = request.into_parts();
        let received = head.version;
        self.admit(&head.method, head.uri.path(), &mut head.headers, received)?;

        let http2 = self.upstream.is_http2();
        let progress = Arc::new(Progress::new());
        let awaits = expect::wants_continue(&head.headers, received) && !http2;
        let (gate, opener) = awaits.then(expect::gate).unzip();
        if !awaits {
            head.headers.remove(EXPECT);
        }
        self.rewrite(
            &mut head.headers,
            received,
            http2,
            peer,
            head.uri.authority().map(Authority::as_str),
        );

        let uri = self.upstream.target().uri_for(&head.uri);
        let uri = uri.map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, None, e.to_string()))?;
        let clients = Arc::clone(&self.stats.clients);
        let body = RequestBody::new(body, Arc::clone(&progress), gate, clients);
        let mut onward = Request::new(body);
        *onward.method_mut() = head.method;
        *onward.uri_mut() = uri;
        *onward.headers_mut() = head.headers;
        if let Some(opener) = &opener {
            opener.listen(&mut onward);
        }

        let answer = tokio::select! {
            answer = self.upstream.send(onward) => answer,
            turn = progress.stalled(self.timeout) => return Err(self.stalled(turn)),
        };
        match answer {
            Ok(response) => self.answer(response, opener),
            Err(error) => Err(self.failed(&error, progress.turn())),
        }
    }

    /// Answers what is not to be forwarded.
    fn admit(
        &self,
        method: &Method,
        path: &str,
        headers: &mut HeaderMap,
        version: Version,
    ) -> Result<(), Refusal> {
        let refuse = |status, why: &str| Err(Refusal::new(status, None, why.into()));
        if !fields::host_is_valid(headers, version) {
            return refuse(StatusCode::BAD_REQUEST, "a request has one host field");
        }
        if *method == Method::CONNECT {
            return refuse(StatusCode::NOT_IMPLEMENTED, "this proxy opens no tunnels");
        }
        // It would show the client the fields that were added for the upstream.
        if *method == Method::TRACE {
            return refuse(StatusCode::NOT_IMPLEMENTED, "this proxy traces nothing");
        }
        if *method == Method::OPTIONS && (path == "*" || !fields::may_forward(headers)) {
            return refuse(StatusCode::NO_CONTENT, "");
        }
        if fields::has_passed(headers, &self.name) {
            return refuse(
                StatusCode::LOOP_DETECTED,
                "this request has been here before",
            );
        }
        Ok(())
    }

    /// Makes the fields of a request those of the next hop.
    fn rewrite(
        &self,
        headers: &mut HeaderMap,
        received: Version,
        http2: bool,
        peer: Peer,
        authority: Option<&str>,
    ) {
        let trailers = fields::accepts_trailers(headers);
        fields::remove_hop_by_hop(headers);
        if trailers {
            fields::announce_trailers(headers, http2);
        }
        fields::join_cookies(headers);
        fields::add_via(headers, received, &self.name);

        // The upstream is asked under its own name, which is what its
        // certificate says; the name that the client used goes in `forwarded`.
        // hyper writes `host` or `:authority` from the URI.
        let host = headers.remove(HOST);
        let host = authority.or_else(|| host.as_ref()?.to_str().ok());
        fields::add_forwarded(
            headers,
            peer.address,
            peer.scheme,
            host,
            self.trust_forwarded,
        );
    }

    fn answer(
        &self,
        response: Response<Inbound>,
        opener: Option<Opener>,
    ) -> Result<Response<Outgoing>, Refusal> {
        if let Some(opener) = &opener {
            opener.answered();
        }
        // `upgrade` was not forwarded, so nobody asked for this.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let why = "the upstream switched protocols unasked".into();
            return Err(Refusal::new(
                StatusCode::BAD_GATEWAY,
                Some("upstream broke off"),
                why,
            ));
        }
        let (mut head, incoming) = response.into_parts();
        fields::remove_hop_by_hop(&mut head.headers);
        fields::add_via(&mut head.headers, head.version, &self.name);
        head.version = Version::HTTP_11;

        let stats = Arc::clone(&self.stats);
        let body = incoming.map_frame(body::onward).map_err(move |error| {
            // Held until the response is over, for a gate that is still shut.
            let _ = &opener;
            // The error itself makes hyper reset the stream, or close the
            // connection where there are no streams: the client sees that the
            // body is not whole.
            stats.clients.error("upstream body broke off");
            error.into()
        });
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    fn stalled(&self, turn: Turn) -> Refusal {
        let target = self.upstream.target();
        let limit = self.timeout;
        match turn {
            Turn::Upstream => Refusal::new(
                StatusCode::GATEWAY_TIMEOUT,
                Some("upstream timed out"),
                format!("no response from {target} in {limit:?}"),
            ),
            Turn::Client | Turn::ClientFailed => Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                Some("request body stalled"),
                format!("nothing of the request body came in {limit:?}"),
            ),
        }
    }

    fn failed(&self, error: &legacy::Error, turn: Turn) -> Refusal {
        let target = self.upstream.target();
        let chain = Chain(error);
        if turn == Turn::ClientFailed {
            let why = format!("the request body broke off: {chain}");
            return Refusal::new(StatusCode::BAD_REQUEST, Some("request body broke off"), why);
        }
        if !error.is_connect() {
            let why = format!("{target} broke off before a response: {chain}");
            return Refusal::new(StatusCode::BAD_GATEWAY, Some("upstream broke off"), why);
        }
        let status = if timed_out(error) {
            StatusCode::GATEWAY_TIMEOUT
        } else {
            StatusCode::BAD_GATEWAY
        };
        let why = format!("cannot connect to {target}: {chain}");
        Refusal::new(status, Some("upstream unreachable"), why)
    }
}

fn timed_out(error: &(dyn Error + 'static)) -> bool {
    let connect = error.downcast_ref::<ConnectError>();
    let io = error.downcast_ref::<io::Error>();
    connect.is_some_and(ConnectError::is_timeout)
        || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
        || error.source().is_some_and(timed_out)
}

/// An answer of the proxy's own.
struct Refusal {
    status: StatusCode,
    /// What `/stats` counts it under, if it is an error.
    kind: Option<&'static str>,
    why: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: Option<&'static str>, why: String) -> Self {
        Self { status, kind, why }
    }

    fn into_response(self) -> Response<Outgoing> {
        if self.status == StatusCode::NO_CONTENT {
            let mut response = text(self.status, "");
            response.headers_mut().remove(CONTENT_TYPE);
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(methods));
            return response;
        }
        text(self.status, format!("{}: {}\n", self.status, self.why))
    }
}
